"""Resiliency documents: time-outs, retries and circuit breakers, seen from outside."""

import json
import socket
import threading
from http import client as http_client

from support import http
from support.app import App
from support.daprd import Daprd, component, subscription
from support.processes import wait_until
from support.runner import test


def resiliency(policies, targets, name="calm", scopes=None):
    document = {"apiVersion": "dapr.io/v1alpha1", "kind": "Resiliency", "metadata": {"name": name},
                "spec": {"policies": policies, "targets": targets}}
    if scopes is not None:
        document["scopes"] = scopes
    return document


def failing_first(times, status=503):
    """A handler that fails so often, then succeeds."""
    calls = []

    def handle(request):
        calls.append(request.body)
        return (status, "no") if len(calls) <= times else (200, "yes")
    handle.calls = calls
    return handle


@test
def a_call_that_fails_is_repeated_as_the_policy_says():
    app, handler = App(), failing_first(2)
    app.on("/work", handler)
    policies = {"retries": {"often": {"policy": "constant", "duration": "10ms", "maxRetries": 5,
                                      "matching": {"httpStatusCodes": "500-599"}}}}
    documents = [resiliency(policies, {"apps": {"repeated-callee": {"retry": "often"}}})]
    Daprd("repeated-callee", app=app)
    caller = Daprd("repeated-caller", resources=documents)
    reply = caller.post("/v1.0/invoke/repeated-callee/method/work", body="once")
    assert (reply.status, reply.text) == (200, "yes"), reply
    assert handler.calls == [b"once"] * 3, handler.calls
    app.on("/refuse", (422, "never"))
    assert caller.post("/v1.0/invoke/repeated-callee/method/refuse").status == 422
    assert len(app.received("/refuse")) == 1
    metrics = http.get(f"http://127.0.0.1:{caller.metrics_port}/metrics").text
    assert 'dapr_resiliency_loaded{app_id="repeated-caller",name="calm"' in metrics, metrics
    assert 'policy="retry",status="",target="app_repeated-callee"} 2' in metrics, metrics


@test
def an_open_breaker_spares_the_app_and_closes_when_it_is_well_again():
    app, handler = App(), failing_first(2, status=500)
    app.on("/work", handler)
    policies = {"circuitBreakers": {"fuse": {"maxRequests": 1, "timeout": "1s",
                                             "trip": "consecutiveFailures >= 2"}}}
    documents = [resiliency(policies, {"apps": {"broken-callee": {"circuitBreaker": "fuse"}}})]
    Daprd("broken-callee", app=app)
    caller = Daprd("broken-caller", resources=documents)
    work = "/v1.0/invoke/broken-callee/method/work"
    assert [caller.post(work).status for _ in range(2)] == [500, 500]
    refused = caller.post(work)
    assert refused.status == 500 and "circuit breaker is open" in refused.text, refused
    assert len(handler.calls) == 2
    wait_until(lambda: caller.post(work).status == 200, "the breaker to let a call through")
    assert len(handler.calls) == 3
    assert "changed state from half-open to closed" in caller.output()


@test
def a_call_that_takes_too_long_is_given_up():
    app, given_up = App(), threading.Event()
    app.on("/slow", lambda request: (given_up.wait(), (200, "late"))[1])
    policies = {"timeouts": {"DefaultAppTimeoutPolicy": "200ms"}}
    Daprd("slow-callee", app=app)
    caller = Daprd("slow-caller", resources=[resiliency(policies, {})])
    reply = caller.post("/v1.0/invoke/slow-callee/method/slow")
    assert reply.status == 500 and "context deadline exceeded" in reply.text, reply
    given_up.set()


@test
def events_are_delivered_again_and_then_go_to_the_dead_letters():
    app, handler = App(), failing_first(2, status=500)
    app.on("/in", handler)
    app.on("/lost", failing_first(99))
    app.on("/dead", (200, "{}"))
    policies = {"retries": {"twice": {"policy": "constant", "duration": "5ms", "maxRetries": 2}}}
    documents = [component("pubsub", "pubsub.in-memory"),
                 subscription("in", "pubsub", "orders", "/in"),
                 subscription("lost", "pubsub", "losers", "/lost", deadLetterTopic="dead"),
                 subscription("dead", "pubsub", "dead", "/dead"),
                 resiliency(policies, {"components": {"pubsub": {"inbound": {"retry": "twice"}}}})]
    daprd = Daprd("events-shop", app=app, resources=documents)
    assert daprd.post("/v1.0/publish/pubsub/orders", json={"n": 1}).status == 204
    wait_until(lambda: len(handler.calls) == 3, "the third attempt")
    assert daprd.post("/v1.0/publish/pubsub/losers", json={"n": 2}).status == 204
    wait_until(lambda: app.received("/dead"), "the dead letter")
    assert len(app.received("/lost")) == 3
    assert json.loads(app.received("/dead")[0].body)["data"] == {"n": 2}


@test
def a_document_for_another_app_changes_nothing():
    app, handler = App(), failing_first(1)
    app.on("/work", handler)
    policies = {"retries": {"DefaultRetryPolicy": {"policy": "constant", "duration": "5ms"}}}
    Daprd("foreign-callee", app=app)
    caller = Daprd("foreign-caller", resources=[resiliency(policies, {}, scopes=["somebody"])])
    assert caller.post("/v1.0/invoke/foreign-callee/method/work").status == 503


class Dripping:
    """An application that answers at once, and never comes to the end of its answer."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.gone = threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection, connection.makefile("rb") as stream:
            while line := stream.readline():
                if line.startswith(b"POST /endless"):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n")
                    while stream.readline():
                        pass
                    self.gone.set()
                elif line.startswith(b"GET /"):
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


@test
def a_time_out_ends_an_answer_that_never_ends():
    app = Dripping()
    policies = {"timeouts": {"short": "300ms"}}
    Daprd("endless-callee", app=app)
    caller = Daprd("endless-caller", [resiliency(policies, {"apps": {"endless-callee": {"timeout": "short"}}})])
    try:
        reply = caller.post("/v1.0/invoke/endless-callee/method/endless")
        raise AssertionError(f"an end where there is none: {reply}")
    except http_client.IncompleteRead as broken:
        assert broken.partial in (b"begun", b""), broken.partial
    assert app.gone.wait(60), "the application still writes for nobody"
    assert caller.get("/v1.0/healthz").status == 204
