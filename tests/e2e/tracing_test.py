"""W3C trace context: kept, continued and created."""

import http.client

from support.app import App
from support.daprd import Daprd, component, configuration
from support.processes import wait_until
from support.runner import shared, test

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
SUBSCRIPTION = [{"pubsubname": "events", "topic": "orders", "route": "/orders"}]


@shared
def traced():
    """An app beside a sidecar that samples everything, and a caller's sidecar that does so too."""
    app = App(SUBSCRIPTION).on("/echo", 200).on("/orders", {"status": "SUCCESS"})
    every = configuration(tracing={"samplingRate": "1"})
    callee = Daprd("traced", [component("events", "pubsub.in-memory")], app=app, config=every)
    return app, callee, Daprd("tracing", config=every)


def parts(traceparent):
    """(trace, span, flags)"""
    version, trace, span, flags = traceparent.split("-")
    assert version == "00", traceparent
    return trace, span, flags


@test
def a_sampled_call_becomes_a_span_of_its_own_in_the_same_trace():
    app, _, caller = traced()
    reply = caller.get("/v1.0/invoke/traced/method/echo", headers=PARENT)
    trace, span, flags = parts(app.received("/echo")[-1].headers["traceparent"])
    assert (trace, flags) == (TRACE, "01") and span != SPAN
    answered_trace, answered_span, _ = parts(reply.headers["traceparent"])
    assert answered_trace == TRACE and answered_span != SPAN


@test
def a_call_without_a_trace_starts_one():
    app, _, caller = traced()
    reply = caller.get("/v1.0/invoke/traced/method/echo")
    trace, span, flags = parts(app.received("/echo")[-1].headers["traceparent"])
    assert int(trace, 16) and int(span, 16) and flags == "01"
    assert parts(reply.headers["traceparent"])[0] == trace


@test
def a_published_event_carries_the_trace_of_its_publisher():
    app, callee, _ = traced()
    callee.post("/v1.0/publish/events/orders", json=1, headers=PARENT)
    event = app.wait_for("/orders")[-1]
    trace, span, _ = parts(event.json["traceparent"])
    assert trace == TRACE and span != SPAN, event.json
    assert parts(event.headers["traceparent"])[0] == TRACE


@test
def several_headers_of_a_list_go_on_as_one():
    app, callee, caller = traced()
    app.on("/listed", 200)
    for sidecar in (caller, callee):
        connection = http.client.HTTPConnection("127.0.0.1", sidecar.http_port, timeout=60)
        connection.putrequest("GET", "/v1.0/invoke/traced/method/listed")
        for field in (("traceparent", PARENT["traceparent"]), ("tracestate", "a=1"), ("baggage", "user=7;p"),
                      ("tracestate", "b=2,c=3"), ("baggage", "shop=blue")):
            connection.putheader(*field)
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 200 and answer.headers.get_all("baggage") == ["user=7;p,shop=blue"], answer.headers
        seen = app.received("/listed")[-1].headers
        assert seen.get_all("tracestate") == ["a=1,b=2,c=3"], seen.items()
        assert seen.get_all("baggage") == ["user=7;p,shop=blue"], seen.items()
        connection.close()


@test
def without_sampling_the_trace_of_the_caller_is_passed_on():
    app = App().on("/echo", 200)
    sidecar = Daprd("quiet", app=app)
    sidecar.get("/v1.0/invoke/quiet/method/echo", headers=PARENT)
    assert parts(app.received("/echo")[-1].headers["traceparent"])[0] == TRACE


@test
def the_lines_of_the_api_log_say_which_trace_they_belong_to():
    app = App().on("/echo", 200)
    every = configuration(tracing={"samplingRate": "1"})
    for form, line in (([], f"traceid={TRACE}"), (["--log-as-json"], f'"traceid":"{TRACE}"')):
        sidecar = Daprd(f"logged-trace{len(form)}", app=app, config=every, flags=["--enable-api-logging", *form])
        sidecar.get("/v1.0/metadata", headers=PARENT)
        wait_until(lambda sidecar=sidecar, line=line: any(
            "HTTP API Called" in said and line in said for said in sidecar.output().splitlines()), "the line with its trace")
