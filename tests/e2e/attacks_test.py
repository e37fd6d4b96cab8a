"""What public audits of sidecars have found, tried here: each way in must be closed."""

import http.server
import json
import os
import socket
import struct
import threading

from middleware_test import handlers
from support.app import App
from support.daprd import Daprd, component, configuration
from support.ports import free_port
from support.runner import shared, test

TOKEN = "sesame-sesame"


@shared
def guarded():
    """An app behind a sidecar that asks for a token, and shows one of its own to the app."""
    app = App()
    app.on("/echo", lambda request: {name.lower(): value for name, value in request.headers.items()})
    daprd = Daprd("fortress", app=app, env={"DAPR_API_TOKEN": TOKEN, "APP_API_TOKEN": "of-the-sidecar"})
    return app, daprd


def raw(daprd, data, host=True):
    """Everything that the sidecar answers to these bytes, on one connection, until it closes it."""
    with socket.create_connection(("127.0.0.1", daprd.http_port), timeout=30) as connection:
        connection.sendall(data.replace(b"\n", b"\r\n") if host else data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def statuses(answer):
    return [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


@test
def no_spelling_of_a_path_is_taken_for_the_health_that_needs_no_token():
    app, daprd = guarded()
    assert daprd.get("/v1.0/healthz").status == 204
    for path in ("/v1.0/healthz/../metadata", "/v1.0/healthz/%2e%2e/metadata", "/v1.0/healthz%2f..%2fmetadata",
                 "/v1.0/healthz/outbound/../../metadata", "//v1.0/metadata", "/v1.0/metadata?/v1.0/healthz",
                 "/v1.0/metadata#/v1.0/healthz", "/v1.0/metadata;/v1.0/healthz", "/v1.0/metadata/healthz",
                 "/v1.0/healthz/metadata", "/v1.0/invoke/fortress/method/healthz",
                 "/v1.0/invoke/fortress/method/v1.0/healthz", "/v1.0/invoke/fortress/method/echo/../v1.0/healthz",
                 "/v1.0/healthz/../invoke/fortress/method/echo", "/v1.0/actors/a/b/method/healthz",
                 "/healthz", "/v1.0/state/healthz", "/V1.0/HEALTHZ/../metadata", "/v1.0/healthz%00/../metadata"):
        for method in ("GET", "POST", "PUT"):
            answer = raw(daprd, f"{method} {path} HTTP/1.1\nHost: a\nContent-Length: 0\nConnection: close\n\n".encode())
            assert statuses(answer)[0] in (400, 401, 404, 405), (method, path, answer)
            assert b"extended" not in answer and b"of-the-sidecar" not in answer, (path, answer)
    for target in ("http://127.0.0.1/v1.0/healthz/../metadata", "http://127.0.0.1/v1.0/metadata", "*"):
        answer = raw(daprd, f"GET {target} HTTP/1.1\nHost: a\nConnection: close\n\n".encode())
        assert statuses(answer)[0] in (400, 401, 404, 405), (target, answer)
    for name in ("X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "Forwarded"):
        assert daprd.get("/v1.0/metadata", headers={name: "/v1.0/healthz"}).status == 401, name
    assert app.received("/echo") == [] and app.received("/healthz") == [] and app.received("/v1.0/healthz") == []


@test
def a_token_must_be_the_whole_token():
    _, daprd = guarded()
    for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "Bearer " + TOKEN, TOKEN + "\x00", " "):
        answer = raw(daprd, f"GET /v1.0/metadata HTTP/1.1\nHost: a\ndapr-api-token: {wrong}\nConnection: close\n\n".encode())
        assert statuses(answer)[0] in (400, 401), (wrong, answer)


@test
def a_client_can_neither_take_headers_away_from_the_app_nor_forge_them():
    _, daprd = guarded()
    caller = Daprd("stranger")
    forged = {"dapr-caller-app-id": "admin", "dapr-caller-namespace": "kube-system", "dapr-callee-app-id": "admin"}
    named = "close, dapr-api-token, dapr-caller-app-id, dapr-app-id, content-type, x-private"
    hop = {"connection": named, "keep-alive": "timeout=5", "te": "trailers, deflate", "upgrade": "h2c",
           "proxy-authorization": "Basic eA==", "proxy-connection": "keep-alive", "x-private": "hidden", "x-open": "seen"}
    for sidecar, headers, name in ((daprd, {"dapr-api-token": TOKEN}, "fortress"), (caller, {}, "stranger")):
        reply = sidecar.post("/v1.0/invoke/fortress/method/echo", body=b"x", headers=headers | forged | hop)
        assert reply.status == 200, reply
        seen = reply.json
        assert seen["dapr-api-token"] == "of-the-sidecar", seen
        # A sidecar that calls its own app says nothing of callers.
        caller, callee, namespace = (name, "fortress", "default") if name == "stranger" else (None, None, None)
        assert seen.get("dapr-caller-app-id") == caller and seen.get("dapr-callee-app-id") == callee, seen
        assert seen.get("dapr-caller-namespace") == namespace and seen["x-open"] == "seen", seen
        for gone in ("x-private", "keep-alive", "upgrade", "proxy-authorization", "proxy-connection"):
            assert gone not in seen, (gone, seen)
        assert TOKEN not in str(seen)


SMUGGLED = b"GET /v1.0/invoke/target/method/smuggled HTTP/1.1\nHost: a\n\n"


@test
def no_request_hides_in_another():
    app = App()
    app.on("/front", 200).on("/smuggled", 200)
    daprd = Daprd("target", app=app)
    line = b"POST /v1.0/invoke/target/method/front HTTP/1.1\nHost: a\n"
    length = str(len(SMUGGLED.replace(b"\n", b"\r\n"))).encode()
    for head in (b"Content-Length: " + length + b"\nTransfer-Encoding: chunked\n\n0\n\n",
                 b"Transfer-Encoding: chunked\nContent-Length: 5\n\n0\n\n",
                 b"Content-Length: 0\nContent-Length: " + length + b"\n\n",
                 b"Content-Length: 0, " + length + b"\n\n",
                 b"Content-Length: +0\n\n", b"Content-Length: -1\n\n", b"Content-Length: 0x0\n\n",
                 b"Transfer-Encoding: chunked, identity\n\n0\n\n", b"Transfer-Encoding: xchunked\n\n0\n\n",
                 b"Transfer-Encoding : chunked\n\n0\n\n", b"Transfer-Encoding: \x0bchunked\n\n0\n\n",
                 b"Transfer-Encoding: chunked\nTransfer-Encoding: identity\n\n0\n\n",
                 b"Transfer-Encoding: chunked\n\n0x0\n\n", b"Transfer-Encoding: chunked\n\n-1\n\n",
                 b"Transfer-Encoding: chunked\n\n100000000000000000\n\n",
                 b"X: a\n Transfer-Encoding: chunked\n\n", b"X\x00: a\n\n", b"X Y: a\n\n", b": a\n\n"):
        answer = raw(daprd, line + head + SMUGGLED)
        assert statuses(answer) == [400] or statuses(answer) == [501], (head, answer)
    # Line ends of one character.
    one = line.replace(b"\n", b"\r\n") + b"X: a\nContent-Length: 0\r\n\r\n" + SMUGGLED.replace(b"\n", b"\r\n")
    assert statuses(raw(daprd, one, host=False)) == [400]
    assert app.received("/smuggled") == []


class Endless(http.server.BaseHTTPRequestHandler):
    """Answers that never end, as long as somebody reads them."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        try:
            self.wfile.write(b'{"keys":[')
            while True:
                self.wfile.write(b" " * 65536)
        except OSError:
            self.server.left.set()

    def log_message(self, *_):
        pass


def endless():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Endless)
    server.daemon_threads = True
    server.left = threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


@test
def answers_without_an_end_are_not_read_to_their_end():
    keys = endless()
    guard = component("guard", "middleware.http.bearer", issuer="http://issuer.test", audience="shop",
                      jwksURL=f"http://127.0.0.1:{keys.server_port}/keys")
    daprd = Daprd("flooded-keys", [guard], config=configuration(httpPipeline=handlers(("guard", "bearer"))), wait=False)
    assert daprd.wait() == 1
    assert keys.left.wait(60), "the sidecar does not read on"
    app = endless()
    app.port = app.server_port
    daprd = Daprd("flooded-app", app=app, wait=False)
    assert app.left.wait(60), "neither the app's configuration nor its subscriptions"


@test
def a_page_in_a_browser_gets_no_further_than_upstream_lets_it_and_not_past_a_token():
    app = App()
    app.on("/work", 200)
    open_to_all = Daprd("local", app=app)
    closed = Daprd("local-token", app=app, env={"DAPR_API_TOKEN": TOKEN},
                   flags=("--allowed-origins", "https://good.test"))
    simple = {"origin": "https://evil.test", "content-type": "text/plain"}
    # What a page may send without asking arrives, as it does at upstream's: only a token keeps it out.
    reply = open_to_all.post("/v1.0/invoke/local/method/work", body=b"{}", headers=simple)
    assert reply.status == 200 and "access-control-allow-origin" not in reply.headers
    work = "/v1.0/invoke/local-token/method/work"
    reply = closed.post(work, body=b"{}", headers=simple)
    assert reply.status == 401 and "access-control-allow-origin" not in reply.headers
    for origin, allowed in (("https://evil.test", None), ("https://good.test.evil.test", None), ("null", None),
                            ("https://good.test", "https://good.test")):
        asked = closed.call("OPTIONS", work, headers={"origin": origin, "access-control-request-method": "POST",
                                                      "access-control-request-headers": "dapr-api-token"})
        assert asked.headers.get("access-control-allow-origin") == allowed, origin
        read = closed.post(work, body=b"{}", headers={"origin": origin, "dapr-api-token": TOKEN})
        assert read.headers.get("access-control-allow-origin") == allowed, origin
        assert "access-control-allow-credentials" not in read.headers
    assert len(app.received("/work")) == 1 + 4
    assert json.loads(closed.get("/v1.0/metadata", headers={"dapr-api-token": TOKEN}).text)["id"] == "local-token"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def literal(name, value):
    return b"\x00" + bytes((len(name),)) + name + bytes((len(value),)) + value


def frames(connection):
    """The frames that come, as (type, flags, stream, payload)."""
    stream = connection.makefile("rb")
    while len(head := stream.read(9)) == 9:
        yield head[3], head[4], int.from_bytes(head[5:]), stream.read(int.from_bytes(head[:3]))


@test
def answers_that_nobody_reads_are_not_all_kept():
    # On one processor, so that the connections share a loop.
    pinned = ("taskset", "-c", str(min(os.sched_getaffinity(0))))
    daprd = Daprd("hoarder", [component("store", "state.in-memory")], run_in=pinned)
    value = "v" * 1_000_000
    saved = daprd.post("/v1.0/state/store", body=json.dumps([{"key": "big", "value": value}]).encode())
    assert saved.status == 204, saved
    head = b"\x83\x86\x41\x01a" + b"".join(literal(*field) for field in (
        (b":path", b"/dapr.proto.runtime.v1.Dapr/GetState"), (b"content-type", b"application/grpc"), (b"te", b"trailers")))
    question = b"\x00" + struct.pack(">I", 12) + b"\x0a\x05store\x12\x03big"
    no_window = frame(4, 0, 0, struct.pack(">HI", 4, 0))
    misers = []
    for _ in range(10):
        miser = socket.create_connection(("127.0.0.1", daprd.grpc_port), timeout=60)
        asked = b"".join(frame(1, 4, stream, head) + frame(0, 1, stream, question) for stream in range(1, 200, 2))
        miser.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + no_window + asked)
        misers.append((miser, frames(miser)))
    # 1 GB of answers: once so much is held that no more can be, streams are refused (3, REFUSED_STREAM).
    for _, seen in misers:
        assert any(kind == 3 and code == b"\0\0\0\7" for kind, _, _, code in seen)
    assert daprd.peak_kb() < 300_000, daprd.peak_kb()
    reply = daprd.get("/v1.0/state/store/big")
    assert reply.status == 200 and reply.json == value
    # A connection that begins to read is answered.
    window = struct.pack(">I", 2**24)
    miser, seen = misers[0]
    miser.sendall(frame(8, 0, 0, window) + frame(8, 0, 1, window))
    got = 0
    for kind, flags, stream, payload in seen:
        got += len(payload) if kind == 0 and stream == 1 else 0
        if kind == 1 and flags & 1 and stream == 1:
            break
    assert got > len(value), got
    for miser, _ in misers:
        miser.close()
