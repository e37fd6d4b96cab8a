"""HTTPEndpoints with certificates of their own: towards servers that want to know who calls."""

import contextlib
import http.server
import json
import os
import ssl
import threading

from reload_test import names, put
from support.daprd import Daprd, component
from support.ports import free_port
from support.processes import Process, temporary_folder, wait_until
from support.runner import shared, test
from support.sentry import make_key, openssl

CALL = "/v1.0/invoke/outside/method/who"
# A sidecar with one loop, and so with one pool of connections.
ONE_LOOP = ("taskset", "-c", str(min(os.sched_getaffinity(0))))


class Authority:
    """A root certificate and what it signs."""

    def __init__(self, name):
        self.folder = temporary_folder()
        self.key = self.folder / "ca.key"
        self.path = self.folder / "ca.pem"
        self.key.write_bytes(make_key())
        openssl("req", "-x509", "-new", "-key", self.key, "-subj", f"/CN={name}", "-days", 2, "-out", self.path,
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")
        self.pem = self.path.read_text()

    def issue(self, name):
        """(path of the certificate, path of the key)"""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        key.write_bytes(make_key("EC", ("-pkeyopt", "ec_paramgen_curve:P-256")))
        extensions = self.folder / f"{name}.txt"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        asked = openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-config", "/dev/null")
        certificate.write_bytes(openssl("x509", "-req", "-CA", self.path, "-CAkey", self.key, "-days", 2,
                                        "-set_serial", 1 + len(list(self.folder.iterdir())),
                                        "-extfile", extensions, stdin=asked))
        return certificate, key


class Server:
    """An HTTPS server that answers with the name in its client's certificate; none is refused."""

    def __init__(self, own, clients):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                subject = dict(pair[0] for pair in self.connection.getpeercert()["subject"])
                body = subject["commonName"].encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request, client):
                with contextlib.suppress(OSError):  # Nobody, or a stranger.
                    connection = server.context.wrap_socket(request, server_side=True)
                    server.connections += 1
                    super().finish_request(connection, client)

        self.connections = 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*own)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(clients.path)
        self._http = Listener(("127.0.0.1", 0), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, daemon=True).start()


def endpoint(port, name="outside", secret_store=None, **tls):
    document = {"apiVersion": "dapr.io/v1alpha1", "kind": "HTTPEndpoint", "metadata": {"name": name},
                "spec": {"baseUrl": f"https://localhost:{port}", "clientTLS": tls}}
    if secret_store is not None:
        document["auth"] = {"secretStore": secret_store}
    return document


def value(path):
    return {"value": path.read_text()}


class Scene:
    """A server that wants certificates of `staff`, whose own is of `public`."""

    def __init__(self):
        self.public, self.staff = Authority("public"), Authority("staff")
        self.ann, self.bob = self.staff.issue("ann"), self.staff.issue("bob")
        self.server = Server(self.public.issue("server"), self.staff)

    def endpoint(self, client, **rest):
        return endpoint(self.server.port, rootCA={"value": self.public.pem}, certificate=value(client[0]),
                        privateKey=value(client[1]), **rest)


@shared
def scene():
    return Scene()


def refused(sidecar, words, path=CALL):
    """The call is an error at once that has one of these words."""
    answer = sidecar.get(path)
    assert answer.status == 500 and answer.json["errorCode"] == "ERR_DIRECT_INVOKE", (answer.status, answer.text)
    assert any(word in answer.text for word in words), answer.text


@test
def a_server_that_wants_a_certificate_gets_that_of_the_endpoint_and_new_ones_while_running():
    s = scene()
    sidecar = Daprd("endpoint-tls", [s.endpoint(s.ann)], run_in=ONE_LOOP)
    first = s.server.connections
    for _ in range(3):
        answer = sidecar.get(CALL)
        assert (answer.status, answer.text) == (200, "ann"), answer.text
    assert s.server.connections == first + 1
    # What does not touch the certificates leaves the connections alone.
    other = s.endpoint(s.ann)
    other["spec"]["headers"] = [{"name": "x-key", "value": "1"}]
    put(sidecar.resources, "000.yaml", other)
    wait_until(lambda: "Received HTTPEndpoint UPDATED event: outside" in sidecar.output(), "the change")
    assert sidecar.get(CALL).text == "ann"
    # A new one is shown at once, so not on the old connection.
    put(sidecar.resources, "000.yaml", s.endpoint(s.bob))
    wait_until(lambda: sidecar.get(CALL).text == "bob", "the new certificate")
    put(sidecar.resources, "000.yaml", endpoint(s.server.port, rootCA={"value": s.staff.pem}))
    wait_until(lambda: sidecar.get(CALL).status == 500, "the wrong root")
    refused(sidecar, ["tls: failed to verify certificate"])
    put(sidecar.resources, "000.yaml", s.endpoint(s.ann))
    wait_until(lambda: sidecar.get(CALL).status == 200, "the old certificate")
    assert sidecar.get(CALL).text == "ann"


@test
def certificates_come_from_a_secret_store_and_follow_it():
    s, secrets = scene(), temporary_folder() / "secrets.json"

    def write(client):
        text = {"outside": {"ca": s.public.pem, "crt": client[0].read_text(), "key": client[1].read_text()}}
        (secrets.parent / "new").write_text(json.dumps(text))
        os.replace(secrets.parent / "new", secrets)

    def secret(key):
        return {"secretKeyRef": {"name": "outside", "key": key}}
    write(s.ann)
    vault = component("vault", "secretstores.local.file", secretsFile=str(secrets), multiValued="true")
    sidecar = Daprd("endpoint-secrets", [vault, endpoint(
        s.server.port, secret_store="vault", rootCA=secret("ca"), certificate=secret("crt"), privateKey=secret("key"))])
    assert sidecar.get(CALL).text == "ann"
    write(s.bob)
    wait_until(lambda: sidecar.get(CALL).text == "bob", "the new secrets")
    # A secret that is not there is no reason to trust everybody, or to go without a certificate.
    put(sidecar.resources, "001.yaml", endpoint(s.server.port, secret_store="vault", rootCA=secret("absent")))
    wait_until(lambda: "Received HTTPEndpoint UPDATED event: outside" in sidecar.output(), "the change")
    wait_until(lambda: sidecar.get(CALL).status == 500, "its error")
    refused(sidecar, ["rootCA: the secret outside has no value under absent"])


@test
def who_has_no_certificate_or_a_wrong_one_is_told_what_the_server_says():
    s = scene()
    root = {"value": s.public.pem}
    stranger = s.public.issue("stranger")
    sidecar = Daprd("endpoint-refused", [
        endpoint(s.server.port, "without", rootCA=root),
        endpoint(s.server.port, "stranger", rootCA=root, certificate=value(stranger[0]), privateKey=value(stranger[1])),
        endpoint(s.server.port, "distrust", certificate=value(s.ann[0]), privateKey=value(s.ann[1])),
        s.endpoint(s.ann)])
    # The alert may be overtaken by the end of the connection.
    torn = ["closed the connection", "reset by peer", "Broken pipe"]
    refused(sidecar, ["remote error: tls: certificate required", *torn], CALL.replace("outside", "without"))
    refused(sidecar, ["remote error: tls: unknown certificate authority", *torn], CALL.replace("outside", "stranger"))
    refused(sidecar, ["tls: failed to verify certificate"], CALL.replace("outside", "distrust"))
    plain = f"https://localhost:{s.server.port}"
    refused(sidecar, ["tls: failed to verify certificate"], f"/v1.0/invoke/{plain}/method/who")
    assert sidecar.get(CALL).text == "ann"


@test
def an_endpoint_whose_certificates_are_unusable_says_so_and_the_others_work():
    s = scene()
    root, noise = {"value": s.public.pem}, "-----BEGIN CERTIFICATE-----\nnoise\n-----END CERTIFICATE-----"
    sidecar = Daprd("endpoint-bad", [
        endpoint(s.server.port, "mismatch", rootCA=root, certificate=value(s.ann[0]), privateKey=value(s.bob[1])),
        endpoint(s.server.port, "nocert", rootCA=root, privateKey=value(s.ann[1])),
        endpoint(s.server.port, "noise", rootCA={"value": noise}),
        endpoint(s.server.port, "swapped", rootCA=root, certificate=value(s.ann[1]), privateKey=value(s.ann[0])),
        s.endpoint(s.ann)])
    for name, words in (("mismatch", "the private key does not belong to the certificate"),
                        ("nocert", "a privateKey is given, but no certificate"),
                        ("noise", "no certificate in the root CA text"),
                        ("swapped", "the certificate is not PEM")):
        refused(sidecar, [words], CALL.replace("outside", name))
        assert words in sidecar.output()
    assert sidecar.get(CALL).text == "ann"
    assert sorted(names(sidecar, "httpEndpoints")) == ["mismatch", "nocert", "noise", "outside", "swapped"]


class ByHand(Process):
    """A server of TLS 1.2 whose every answer and new handshake a test types in."""

    def __init__(self, own):
        self.port, self._typed = free_port(), temporary_folder() / "typed"
        os.mkfifo(self._typed)
        self._keyboard = os.open(self._typed, os.O_RDWR)
        super().__init__("s_server", ["sh", "-c", 'exec openssl "$@" < ' + str(self._typed), "sh", "s_server",
                                      "-accept", f"127.0.0.1:{self.port}", "-cert", own[0], "-key", own[1],
                                      "-tls1_2", "-state"])
        self.wait_ready(lambda: "ACCEPT" in self.output())

    def type(self, text):
        os.write(self._keyboard, text.encode())

    def count(self, text):
        return self.output().count(text)


def asked_anew(sidecar, server, number):
    """A call in which the server asks for a new handshake before it answers."""
    answers = []
    # A POST: what can be done twice would be, on another connection.
    caller = threading.Thread(target=lambda: answers.append(sidecar.post(f"/v1.0/invoke/outside/method/call{number}")))
    caller.start()
    wait_until(lambda: f"POST /call{number}" in server.output(), "the request")
    done, declined = server.count("write finished"), server.count("no renegotiation")
    server.type("R\n")
    wait_until(lambda: server.count("write finished") > done or server.count("no renegotiation") > declined,
               "the new handshake")
    if server.count("no renegotiation") == declined:
        server.type("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
    caller.join()
    return answers[0]


@test
def a_server_may_ask_for_a_new_handshake_as_often_as_the_endpoint_says():
    s = scene()
    own = s.public.issue("by-hand")
    for renegotiation, allowed in (("Never", 0), ("OnceAsClient", 1), ("FreelyAsClient", 3)):
        server = ByHand(own)
        sidecar = Daprd(f"endpoint-{renegotiation.lower()}", [endpoint(
            server.port, rootCA={"value": s.public.pem}, certificate=value(s.ann[0]), privateKey=value(s.ann[1]),
            renegotiation=renegotiation)], run_in=ONE_LOOP)
        for number in range(allowed):
            answer = asked_anew(sidecar, server, number)
            assert (answer.status, answer.text) == (200, "good"), (renegotiation, number, answer.text)
        if allowed < 3:
            assert asked_anew(sidecar, server, allowed).status == 500
        sidecar.stop()
        server.stop()
