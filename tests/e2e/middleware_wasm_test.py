"""A guest in WebAssembly before the application, put together here byte by byte."""

import concurrent.futures
import threading

from middleware_test import handlers, sidecar
from support.app import App
from support.daprd import component, configuration
from support.processes import temporary_folder
from support.runner import test

I32, I64 = b"\x7f", b"\x7e"


def number(value):
    """Unsigned LEB128, as counts and indices are written."""
    out = b""
    while True:
        value, low = value >> 7, value & 0x7F
        out += bytes([low | 0x80 if value else low])
        if not value:
            return out


def sized(data):
    return number(len(data)) + data


def vector(items):
    return number(len(items)) + b"".join(items)


def signature(parameters, results):
    return b"\x60" + sized(parameters) + sized(results)


def constant(value):
    """An i32 below 2^13, signed LEB128."""
    return b"\x41" + bytes([value & 0x7F | 0x80, value >> 7])


class Guest:
    """Its requests run `code`, which leaves an i64: 1 to go on, 0 if the answer is there."""

    def __init__(self):
        self.imports, self.data = [], b""

    def call(self, name, parameters, results=b""):
        if (name, parameters, results) not in self.imports:
            self.imports.append((name, parameters, results))
        return b"\x10" + number(self.imports.index((name, parameters, results)))

    def text(self, words):
        at, self.data = len(self.data), self.data + words
        return constant(at) + constant(len(words))

    def file(self, code):
        types = [signature(b"", I64), signature(I32 * 2, b"")]
        imports = []
        for name, parameters, results in self.imports:
            imports.append(sized(b"http_handler") + sized(name) + b"\0" + number(len(types)))
            types.append(signature(I32 * parameters, results))
        first = len(imports)
        exports = [sized(b"handle_request") + b"\0" + number(first), sized(b"memory") + b"\2\0",
                   sized(b"handle_response") + b"\0" + number(first + 1)]
        sections = {1: vector(types), 2: vector(imports), 3: vector([b"\0", b"\1"]), 5: vector([b"\0\1"]),
                    7: vector(exports), 10: vector([sized(b"\0" + code + b"\x0b"), sized(b"\0\x0b")]),
                    11: vector([b"\0\x41\0\x0b" + sized(self.data)])}
        path = temporary_folder() / "guest.wasm"
        path.write_bytes(b"\0asm\1\0\0\0" + b"".join(bytes([key]) + sized(part) for key, part in sections.items()))
        return path


GO_ON, ANSWERED = b"\x42\x01", b"\x42\x00"


def with_guest(app_id, app, path, **metadata):
    return sidecar(app_id, app=app, config=configuration(appHttpPipeline=handlers(("guest", "wasm"))),
                   resources=[component("guest", "middleware.http.wasm", url=f"file://{path}", **metadata)])


@test
def a_guest_stands_before_the_app():
    app = App()
    app.on("/seen", lambda request: (200, f"{request.headers['x-guest']} {request.body.decode()}"))
    guest = Guest()
    code = (constant(0) + guest.text(b"x-guest") + guest.text(b"was here") + guest.call(b"set_header_value", 5)
            + constant(1) + guest.text(b"x-answer") + guest.text(b"mine") + guest.call(b"add_header_value", 5) + GO_ON)
    daprd = with_guest("guest-shop", app, guest.file(code))
    for _ in range(20):
        reply = daprd.post("/v1.0/invoke/guest-shop/method/seen", body=b"body", headers={"x-guest": "forged"})
        assert (reply.status, reply.text, reply.headers["x-answer"]) == (200, "was here body", "mine"), reply
    calls = len(app.received("/seen"))
    guest = Guest()
    code = (constant(403) + guest.call(b"set_status_code", 1) + constant(1) + guest.text(b"not today")
            + guest.call(b"write_body", 3) + ANSWERED)
    daprd = with_guest("closed-shop", app, guest.file(code))
    reply = daprd.post("/v1.0/invoke/closed-shop/method/seen", body=b"body")
    assert (reply.status, reply.text) == (403, "not today"), reply
    assert len(app.received("/seen")) == calls


@test
def a_guest_that_never_ends_holds_nobody_else_up():
    app = App()
    app.on("/seen", 200)
    endless = b"\x03\x40\x0c\x00\x0b"
    daprd = with_guest("endless-shop", app, Guest().file(endless + GO_ON), timeout="100ms")
    reply = daprd.post("/v1.0/invoke/endless-shop/method/seen", body=b"body")
    assert reply.status == 500 and "too long" in reply.text, reply
    assert app.received("/seen") == [] and daprd.get("/v1.0/healthz").status == 204


@test
def an_app_calls_back_through_the_pipeline_in_which_others_wait():
    # More at once than guests may compute (64 a loop), and each of them waits for a call of its own.
    callers = 160
    app, all_there = App(), threading.Barrier(callers)

    def outer(_):
        all_there.wait(60)
        return daprd.get("/v1.0/invoke/crowded-shop/method/inner").status
    app.on("/outer", outer)
    app.on("/inner", 204)
    daprd = with_guest("crowded-shop", app, Guest().file(GO_ON))
    with concurrent.futures.ThreadPoolExecutor(callers) as pool:
        calls = [pool.submit(daprd.get, "/v1.0/invoke/crowded-shop/method/outer") for _ in range(callers)]
        statuses = {call.result().status for call in calls}
    assert statuses == {204}, statuses
