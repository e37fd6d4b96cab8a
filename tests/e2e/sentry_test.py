"""The certificate authority, seen by openssl and by those who ask it for certificates."""

import base64
import http.server
import json
import shutil
import ssl
import threading
import time
import urllib.request

from support.app import App
from support.daprd import Daprd
from support.ports import free_port
from support.processes import temporary_folder, wait_until
from support.runner import test
from support.sentry import Refused, Sentry, issuer_of, make_key, make_request, openssl, split_pem, tls


def refusal(sentry, **request):
    try:
        sentry.sign(**request)
    except Refused as why:
        return why
    raise AssertionError("it was not refused")


def unsigned(text):
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@test
def an_app_gets_an_identity_that_openssl_believes():
    sentry = Sentry()
    for file in ("ca.crt", "issuer.crt", "issuer.key"):
        assert (sentry.folder / file).stat().st_mode & 0o777 == 0o600
    identity = sentry.sign("shop", namespace="prod")
    assert identity.anchors == sentry.anchors
    assert len(identity.certificates()) == 2
    assert identity.verifies(sentry.anchors)
    text = identity.text()
    assert "URI:spiffe://public/ns/prod/shop" in text, text
    assert "X509v3 Subject Alternative Name: critical" in text
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in text
    assert "X509v3 Key Usage: critical\n                Digital Signature\n" in text
    assert "CA:TRUE" not in text and "DNS:" not in text
    hosts = sentry.sign("dapr-injector", trust_domain="cluster.local").text()
    assert "DNS:dapr-sidecar-injector.default.svc" in hosts and "spiffe://cluster.local/ns/default/" in hosts
    assert sentry.metric("dapr_sentry_cert_sign_request_received_total") == 2
    assert sentry.metric("dapr_sentry_cert_sign_success_total") == 2
    year = time.time() + 365 * 24 * 3600
    assert abs(sentry.metric("dapr_sentry_issuercert_expiry_timestamp") - year) < 600


@test
def what_is_no_request_is_refused():
    sentry = Sentry()
    good = make_request()
    for code, part, request in [
            (7, "CSR is required", {"request": b""}),
            (7, "namespace is required", {"namespace": ""}),
            (7, "app-id cannot be empty", {"app_id": ""}),
            (7, "cannot contain dots", {"app_id": "a.b"}),
            (7, "64 characters", {"app_id": "a" * 65}),
            (7, "path segment characters", {"app_id": "a/b"}),
            (7, "trust domain characters", {"trust_domain": "A B"}),
            (3, "not enabled", {"validator": 3, "token": "x"}),
            (3, "not enabled", {"validator": 2}),
            (3, "not enabled", {"validator": 77}),
            (3, "invalid certificate signing request", {"request": b"text"}),
            (3, "invalid certificate signing request", {"request": make_key()}),
            (3, "invalid certificate signing request", {"request": b"-" * 1_000_000}),
            (3, "failed to parse", {"request": b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"
                                               b"-----END CERTIFICATE REQUEST-----\n"})]:
        why = refusal(sentry, **{"request": good, **request})
        assert (why.code, part in why.message) == (code, True), (request, why)
    weak = make_request(make_key("RSA", ["-pkeyopt", "rsa_keygen_bits:1024"]))
    assert refusal(sentry, request=weak).code == 3
    assert sentry.metric("dapr_sentry_cert_sign_failure_total") == 15
    assert sentry.sign(request=good).verifies(sentry.anchors)


@test
def it_is_served_with_its_own_identity():
    sentry = Sentry()
    anchors = sentry.folder / "ca.crt"
    said = tls(sentry.port, "-alpn", "h2", "-CAfile", anchors, "-verify_return_error", "-showcerts")
    assert "Verification: OK" in said and "ALPN protocol: h2" in said, said
    assert "No client certificate CA names sent" in said
    leaf = split_pem(said.encode())[0]
    assert b"URI:spiffe://localhost/ns/default/dapr-sentry" in openssl("x509", "-noout", "-text", stdin=leaf)
    assert "TLSv1.2" in tls(sentry.port, "-tls1_2", "-CAfile", anchors, "-verify_return_error")
    for old in ("-tls1_1", "-tls1"):
        assert "Cipher is (NONE)" in tls(sentry.port, old, "-cipher", "ALL:@SECLEVEL=0", check=False)
    for weak in ("NULL", "RC4", "3DES", "aNULL"):
        said = tls(sentry.port, "-tls1_2", "-cipher", f"{weak}:@SECLEVEL=0", check=False)
        assert "Cipher is (NONE)" in said or "no ciphers available" in said or "no cipher match" in said, said


@test
def other_credentials_are_taken_up_while_it_runs():
    sentry = Sentry()
    before = sentry.sign()
    other = Sentry()
    for file in ("issuer.key", "issuer.crt", "ca.crt"):
        shutil.copy(other.folder / file, sentry.folder / file)
    wait_until(lambda: sentry.sign().anchors == other.anchors, "the other credentials")
    after = sentry.sign()
    assert after.verifies(other.anchors) and not after.verifies(before.anchors)
    assert sentry.metric("dapr_sentry_issuercert_changed_total") == 2  # It has made the first by itself.
    wait_until(lambda: "Verification: OK" in tls(sentry.port, "-CAfile", other.folder / "ca.crt"), "its own")

    # What does not hold together is not taken up, nor is what is missing.
    (sentry.folder / "issuer.key").write_bytes(make_key())
    wait_until(lambda: "issuer key does not match issuer certificate" in sentry.output(), "the refusal")
    assert sentry.sign().verifies(other.anchors)
    (sentry.folder / "ca.crt").unlink()
    wait_until(lambda: "has been removed" in sentry.output(), "the refusal")
    assert sentry.sign().verifies(other.anchors)
    assert sentry.exit_status is None


@test
def credentials_of_each_kind_of_key_are_used():
    for algorithm, options in [("EC", ["-pkeyopt", "ec_paramgen_curve:P-256"]),
                               ("EC", ["-pkeyopt", "ec_paramgen_curve:P-384"]),
                               ("RSA", ["-pkeyopt", "rsa_keygen_bits:2048"])]:
        folder = temporary_folder()
        (folder / "issuer.key").write_bytes(make_key(algorithm, options))
        root = openssl("req", "-x509", "-new", "-key", folder / "issuer.key", "-subj", "/O=mine", "-days", "9",
                       "-addext", "keyUsage=critical,keyCertSign,digitalSignature")
        (folder / "ca.crt").write_bytes(root)
        (folder / "issuer.crt").write_bytes(root)
        sentry = Sentry(folder)
        identity = sentry.sign()
        assert len(identity.certificates()) == 1, "a root is not sent"
        assert identity.verifies(root)
        assert issuer_of(identity.certificates()[0]) == "issuer=O = mine"
        sentry.stop()


@test
def credentials_that_do_not_hold_together_end_it():
    first, second = Sentry(), Sentry()
    shutil.copy(first.folder / "issuer.key", second.folder / "issuer.key")
    broken = Sentry(second.folder, wait=False)
    assert broken.wait() == 1
    assert "issuer key does not match issuer certificate" in broken.output()
    missing = Sentry(temporary_folder() / "none", wait=False)
    assert missing.wait() == 1
    assert "No such file or directory" in missing.output()


@test
def several_on_one_folder_have_the_same_authority():
    folder = temporary_folder()
    sentries = [Sentry(folder, wait=False) for _ in range(4)]
    for sentry in sentries:
        sentry.wait_healthy()
    anchors = (folder / "ca.crt").read_bytes()
    assert all(sentry.sign().verifies(anchors) for sentry in sentries)


@test
def tokens_say_the_same_and_are_verified_by_the_published_keys():
    port = free_port()
    sentry = Sentry(flags=["--jwt-enabled", "--jwt-issuer", "https://issuer.example", "--jwt-ttl", "2h", "--oidc-enabled",
                           "--oidc-server-tls-enabled=false", "--oidc-server-listen-port", port])
    identity = sentry.sign(audiences=["a", "b"])
    assert sorted(identity.tokens) == ["a", "b", "public"]
    public = temporary_folder() / "public.pem"
    public.write_bytes(openssl("pkey", "-in", sentry.folder / "jwt.key", "-pubout"))
    for audiences, token in [(["public", "a", "b"], identity.token), (["a"], identity.tokens["a"])]:
        head, payload, signature = token.split(".")
        (public.parent / "signature").write_bytes(decode(signature))
        openssl("dgst", "-sha256", "-verify", public, "-signature", public.parent / "signature",
                stdin=f"{head}.{payload}".encode())
        claims = json.loads(decode(payload))
        assert claims["aud"] == audiences and claims["sub"] == "spiffe://public/ns/default/shop"
        assert claims["iss"] == "https://issuer.example" and claims["use"] == "sig"
        assert claims["exp"] - claims["iat"] == 7200 and claims["iat"] - claims["nbf"] == 900
        keys = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{port}/jwks.json").read())["keys"]
        assert [json.loads(decode(head))["kid"]] == [key["kid"] for key in keys]
    found = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{port}/.well-known/openid-configuration").read())
    assert found["issuer"] == "https://issuer.example"
    assert found["jwks_uri"] == "https://issuer.example/jwks.json"


@test
def discovery_is_served_with_tls_when_its_files_come():
    folder, port = temporary_folder(), free_port()
    sentry = Sentry(wait=False, flags=[
        "--jwt-enabled", "--oidc-enabled", "--oidc-server-listen-port", port, "--oidc-path-prefix", "/auth",
        "--oidc-server-tls-cert-file", folder / "tls.crt", "--oidc-server-tls-key-file", folder / "tls.key"])
    wait_until(lambda: "Waiting for TLS certificate and key files" in sentry.output(), "the wait")

    def put(name):
        key = make_key()
        (folder / "new.key").write_bytes(key)
        certificate = openssl("req", "-x509", "-new", "-key", folder / "new.key", "-subj", f"/CN={name}", "-days", "9",
                              "-addext", "subjectAltName=DNS:localhost")
        (folder / "new.crt").write_bytes(certificate)
        (folder / "new.key").rename(folder / "tls.key")
        (folder / "new.crt").rename(folder / "tls.crt")

    put("first")
    wait_until(lambda: "Starting OIDC HTTP server" in sentry.output(), "the server")
    trust = ssl.create_default_context(cafile=folder / "tls.crt")
    url = f"https://localhost:{port}/auth/.well-known/openid-configuration"
    found = json.loads(urllib.request.urlopen(url, context=trust).read())
    assert found["issuer"] == f"https://localhost:{port}"
    assert found["jwks_uri"] == f"https://localhost:{port}/auth/jwks.json"
    put("second")
    wait_until(lambda: "subject=CN = second" in tls(port, "-CAfile", folder / "tls.crt"), "the second certificate")


class KeyServer:
    """A JWKS on the network, of an issuer whose key is an RSA key of openssl's."""

    def __init__(self):
        self.folder = temporary_folder()
        self.asked = 0
        self.turn("k1")
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                owner.asked += 1
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps({"keys": [owner.jwk]}).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"

    def turn(self, key_id):
        """Another key."""
        key = self.folder / "key.pem"
        key.write_bytes(make_key("RSA", ["-pkeyopt", "rsa_keygen_bits:2048"]))
        modulus = openssl("rsa", "-in", key, "-noout", "-modulus").decode().strip().split("=")[1]
        self.jwk = {"kty": "RSA", "kid": key_id, "alg": "RS256", "e": "AQAB", "n": unsigned(bytes.fromhex(modulus))}

    def token(self, **claims):
        claims = {"sub": "spiffe://public/ns/default/shop", "aud": "spiffe://localhost/ns/default/dapr-sentry",
                  "exp": int(time.time()) + 600, **claims}
        head = json.dumps({"alg": "RS256", "kid": self.jwk["kid"]}).encode()
        text = unsigned(head) + "." + unsigned(json.dumps(claims).encode())
        return text + "." + unsigned(openssl("dgst", "-sha256", "-sign", self.folder / "key.pem", stdin=text.encode()))


@test
def with_a_validator_only_those_with_a_token_get_an_identity():
    keys = KeyServer()
    sentry = Sentry(mtls={"tokenValidators": [{"name": "jwks", "options": {"source": keys.url,
                                                                           "minRefreshInterval": "2s"}}]})
    assert sentry.sign(validator=3, token=keys.token()).verifies(sentry.anchors)
    request = make_request()
    head, payload, _ = keys.token().split(".")
    none = unsigned(b'{"alg":"none","kid":"k1"}')
    for part, token in [("does not contain a token", ""),
                        ("token validation failed", "x"),
                        ("token validation failed", f"{none}.{payload}."),
                        ("token validation failed", f"{head}.{payload}.{unsigned(b'0' * 256)}"),
                        ("sub", keys.token(sub="spiffe://public/ns/default/other")),
                        ("aud", keys.token(aud="spiffe://other/ns/default/dapr-sentry")),
                        ("exp", keys.token(exp=int(time.time()) - 600)),
                        ("nbf", keys.token(nbf=int(time.time()) + 600))]:
        why = refusal(sentry, request=request, validator=3, token=token)
        assert why.code == 7 and part in why.message, (token, why)
    for validator in (0, 1, 2):
        assert refusal(sentry, request=request, validator=validator).code == 3
    # A key that is new to it is asked for.
    keys.turn("k2")
    token = keys.token()

    def accepted():
        try:
            return sentry.sign(request=request, validator=3, token=token)
        except Refused:
            return None

    wait_until(accepted, "the new key")
    assert keys.asked < 50


@test
def without_the_keys_of_its_validator_it_is_not_ready():
    port = free_port()
    sentry = Sentry(wait=False, mtls={"tokenValidators": [
        {"name": "jwks", "options": {"source": f"http://127.0.0.1:{port}/jwks"}}]})
    wait_until(lambda: "failed to fetch JWKS" in sentry.output(), "the warning")

    def listening():
        try:
            return refusal(sentry, validator=3, token="x")
        except AssertionError:
            return None

    why = wait_until(listening, "an answer")
    assert why.code == 7 and "not ready" in why.message, why
    assert sentry.exit_status is None


@test
def a_root_is_replaced_while_everyone_goes_on_trusting_everyone():
    mtls = {"workloadCertTTL": "4s", "allowedClockSkew": "1s"}
    sentry = Sentry(mtls=mtls)
    request = make_request()
    old_anchors = sentry.anchors
    first = sentry.sign(request=request)
    assert "root rotation: none" in sentry.command("status")[1]
    assert sentry.metric("dapr_sentry_root_rotation_stage") == 0

    status, said = sentry.command("rotate", "--wait", "3s", "--hold")
    assert status == 0, said
    status, said = sentry.command("rotate")
    assert status == 1 and "runs already" in said, said
    wait_until(lambda: len(split_pem(sentry.anchors)) == 2, "both roots")
    both = sentry.anchors
    wait_until(lambda: sentry.sign(request=request).anchors == both, "both roots handed out")
    issued = [sentry.sign(request=request)]

    # Killed on the way, it goes on where it was.
    sentry.kill()
    sentry = Sentry(sentry.folder, mtls=mtls)
    wait_until(lambda: sentry.metric("dapr_sentry_root_rotation_stage") == 4, "the new issuer")
    switched = sentry.sign(request=request)
    assert issuer_of(switched.certificates()[0]) == issuer_of(first.certificates()[0])  # The same name ...
    assert switched.certificates()[1] != first.certificates()[1]  # ... another key.
    assert "root rotation: signing" in sentry.command("status")[1]
    issued.append(switched)
    # Those who were told of the old root only, when they started, go on as well.
    for identity in [first, *issued]:
        assert identity.verifies(old_anchors) and identity.verifies(both)
    assert "Verification: OK" in tls(sentry.port, "-CAfile", sentry.folder / "ca.crt")

    # Held until it is released.
    assert sentry.command("rotate", "--release")[0] == 0
    wait_until(lambda: "the rotation is over" in sentry.output(), "its end")
    wait_until(lambda: len(split_pem(sentry.sign(request=request).anchors)) == 1, "one root")
    last = sentry.sign(request=request)
    assert len(last.certificates()) == 2
    assert last.anchors == sentry.anchors and last.anchors in both
    assert last.verifies(both) and not last.verifies(old_anchors)
    assert switched.verifies(last.anchors)
    assert "root rotation: none" in sentry.command("status")[1]
    assert not (sentry.folder / "rotation.json").exists()
    assert "PRIVATE KEY" not in sentry.output()


@test
def nothing_is_refused_while_traffic_flows_through_a_full_root_rotation():
    # A sidecar renews after 9 s of 24; the rest is for machines that are slow.
    sentry = Sentry(mtls={"workloadCertTTL": "24s", "allowedClockSkew": "6s"})
    old_anchors = sentry.anchors.decode()
    app = App().on("/hello", 200)

    def sidecar(app_id, app=None):
        return Daprd(app_id, app=app, env={"DAPR_TRUST_ANCHORS": old_anchors}, log_level="info",
                     flags=["--enable-mtls", "--sentry-address", f"127.0.0.1:{sentry.port}"])

    called, caller = sidecar("called", app), sidecar("caller")

    def call():
        return caller.get("/v1.0/invoke/called/method/hello")

    wait_until(lambda: call().status == 200, "the first call")
    assert sentry.command("rotate", "--wait", "16s")[0] == 0
    calls, refused, stages = 0, [], []
    while not stages or stages[-1] != 0:
        reply = call()
        calls += 1
        if reply.status != 200:
            refused.append(reply)
        stage = sentry.metric("dapr_sentry_root_rotation_stage")
        if (stage or stages) and (not stages or stages[-1] != stage):
            stages.append(stage)
    assert not refused, (len(refused), calls, refused[0])
    assert calls > 50 and 2 in stages and 4 in stages, (calls, stages)
    # On the new root alone, which both were told of when they renewed.
    assert len(split_pem(sentry.anchors)) == 1 and sentry.anchors.decode() not in old_anchors
    renewed = sentry.metric("dapr_sentry_cert_sign_success_total")
    wait_until(lambda: sentry.metric("dapr_sentry_cert_sign_success_total") >= renewed + 2, "a renewal of each")
    assert call().status == 200
    assert called.exit_status is None and caller.exit_status is None
