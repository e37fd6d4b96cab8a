"""Service invocation over HTTP, through one sidecar and through two."""

import os

from support.app import App
from support.daprd import Daprd
from support.runner import shared, test


@shared
def pair():
    """The app, its sidecar, and the sidecar of a caller."""
    app = App()
    app.on("/echo", lambda request: (200, request.body, {"x-mode": request.headers.get("x-mode", "")}))
    app.on("/teapot", (418, "short and stout", {"content-type": "text/plain"}))
    return app, Daprd("callee", app=app), Daprd("caller")


@test
def a_call_reaches_the_app_and_its_answer_comes_back():
    app, _, caller = pair()
    reply = caller.post("/v1.0/invoke/callee/method/echo?a=1&b=two", body="hello",
                        headers={"x-mode": "plain"})
    assert (reply.status, reply.text) == (200, "hello"), reply
    assert reply.headers["x-mode"] == "plain", reply
    request = app.received("/echo")[-1]
    assert (request.method, request.query, request.body) == ("POST", "a=1&b=two", b"hello")


@test
def status_and_body_of_the_app_are_the_answer():
    _, _, caller = pair()
    reply = caller.get("/v1.0/invoke/callee/method/teapot")
    assert (reply.status, reply.text) == (418, "short and stout"), reply
    assert reply.headers["content-type"] == "text/plain"


@test
def the_app_is_named_by_a_header_too():
    _, _, caller = pair()
    reply = caller.post("/echo", body="by header", headers={"dapr-app-id": "callee"})
    assert (reply.status, reply.text) == (200, "by header"), reply


@test
def a_sidecar_calls_its_own_app():
    _, callee, _ = pair()
    assert callee.post("/v1.0/invoke/callee/method/echo", body="self").text == "self"


@test
def every_method_goes_through():
    app, _, caller = pair()
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert caller.call(method, "/v1.0/invoke/callee/method/echo").status == 200, method
        assert app.received("/echo")[-1].method == method


@test
def a_megabyte_comes_back_as_it_was_sent():
    _, _, caller = pair()
    body = os.urandom(1 << 20)
    assert caller.post("/v1.0/invoke/callee/method/echo", body=body).body == body


@test
def a_trace_goes_on_across_both_sidecars():
    app, _, caller = pair()
    trace = "0af7651916cd43dd8448eb211c80319c"
    caller.get("/v1.0/invoke/callee/method/echo",
               headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert app.received("/echo")[-1].headers["traceparent"].split("-")[1] == trace


@test
def an_app_that_nobody_knows_is_an_error_with_its_code():
    _, _, caller = pair()
    reply = caller.get("/v1.0/invoke/nobody/method/x")
    assert reply.status == 500, reply
    assert reply.json["errorCode"] == "ERR_DIRECT_INVOKE", reply
