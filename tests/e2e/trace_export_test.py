"""Spans as a receiver gets them: what they say, how they hang together, and what happens without one."""

import threading

from support import http
from support.app import App
from support.daprd import Daprd, component, configuration
from support.placement import Placement
from support.ports import free_port
from support.processes import wait_until
from support.runner import shared, test
from support.scheduler import Scheduler
from support.zipkin import PATH, Zipkin

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
# Spans leave soon: OpenTelemetry's own variable, five seconds without it.
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
COMPONENTS = [component("trace-events", "pubsub.in-memory"), component("trace-store", "state.in-memory")]
SUBSCRIPTION = [{"pubsubname": "trace-events", "topic": "orders", "route": "/orders"}]


@shared
def shop():
    """A receiver, an application that publishes when it is called, and two sidecars."""
    zipkin = Zipkin()
    app = App(SUBSCRIPTION).on("/orders", {"status": "SUCCESS"}).on("/fail", 500)
    config = configuration(tracing=zipkin.tracing())
    callee = Daprd("trace-callee", COMPONENTS, app=app, config=config, env=SOON)
    caller = Daprd("trace-caller", COMPONENTS, config=config, env=SOON)

    def publish(request):
        # As an instrumented application: what it does belongs to the call it does it for.
        callee.post("/v1.0/publish/trace-events/orders", json=1,
                    headers={"traceparent": request.headers["traceparent"]})
        return 200

    app.on("/buy", publish)
    return zipkin, app, callee, caller


def trace_of(reply):
    return reply.headers["traceparent"].split("-")[1]


@test
def one_call_is_one_tree_through_both_sidecars_the_application_the_broker_and_the_subscriber():
    zipkin, app, _, caller = shop()
    trace = trace_of(caller.post("/v1.0/invoke/trace-callee/method/buy", body=b"x"))
    calls = zipkin.wait_for_spans("/v1.0/publish/trace-events/orders", "pubsub/orders", trace=trace)
    wait_until(lambda: len(zipkin.spans(trace)) == 4, "four spans")
    sides = {span["kind"]: span for span in zipkin.spans(trace) if span["name"] == "calllocal/trace-callee/buy"}
    client, server, (publication, delivery) = sides["CLIENT"], sides["SERVER"], calls
    assert "parentId" not in client, client
    assert client["localEndpoint"] == {"serviceName": "trace-caller"}
    assert server["parentId"] == client["id"] and server["localEndpoint"] == {"serviceName": "trace-callee"}
    assert publication["parentId"] == server["id"] and delivery["parentId"] == publication["id"]
    received = [request.headers["traceparent"] for request in app.received("/orders")]
    assert f"00-{trace}-{delivery['id']}-01" in received, (delivery, received)


@test
def the_spans_of_the_api_say_what_was_asked_and_how_it_went():
    zipkin, _, _, caller = shop()
    reply = caller.get("/v1.0/state/trace-none/key%20one?consistency=strong",
                       headers={"dapr-team": "blue", "dapr-api-token": "secret-of-the-client"})
    assert reply.status == 400
    span, = zipkin.wait_for_spans("/v1.0/state/trace-none/key one", trace=trace_of(reply))
    assert span["kind"] == "CLIENT"
    tags = span["tags"]
    assert "secret-of-the-client" not in str(span)
    assert {key: tags[key] for key in tags if key not in ("server.port", "service.name")} == {
        "dapr-team": "blue", "dapr.api": "GET /v1.0/state/trace-none/key one", "dapr.protocol": "http",
        "dapr.status_code": "400", "db.connection_string": "state", "db.name": "trace-none",
        "db.statement": "GET /v1.0/state/trace-none/key one", "db.system": "state",
        "error": "Code(400): Bad Request", "http.request.method": "GET",
        "otel.scope.name": "dapr-diagnostics", "otel.status_code": "ERROR", "server.address": "127.0.0.1",
        "url.full": "/v1.0/state/trace-none/key%20one?consistency=strong"}, tags


@test
def the_failure_of_the_application_is_the_callers_and_not_the_transports():
    zipkin, _, _, caller = shop()
    reply = caller.get("/v1.0/invoke/trace-callee/method/fail")
    trace = trace_of(reply)
    wait_until(lambda: len(zipkin.spans(trace)) == 2, "two spans")
    sides = {span["kind"]: span["tags"] for span in zipkin.spans(trace)}
    assert sides["CLIENT"]["error"] == "Code(500): Internal Server Error"
    assert "error" not in sides["SERVER"] and sides["SERVER"]["dapr.invoke_method"] == "fail"


@test
def an_unsampled_call_and_a_health_check_leave_no_span():
    zipkin, _, _, caller = shop()
    other = "1" * 32
    caller.get("/v1.0/metadata", headers={"traceparent": f"00-{other}-{SPAN}-00"})
    assert caller.get("/v1.0/healthz").headers.get("traceparent") is None
    # What came after them has arrived.
    zipkin.wait_for_spans("/v1.0/secrets/none/x", trace=trace_of(caller.get("/v1.0/secrets/none/x")))
    assert zipkin.spans(other) == []
    assert not [span for span in zipkin.spans() if "healthz" in span["name"]]


@test
def what_is_left_is_sent_when_the_sidecar_ends():
    zipkin = Zipkin()
    late = {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}  # It waits an hour for more.
    sidecar = Daprd("trace-last", config=configuration(tracing=zipkin.tracing()), env=late)
    sidecar.get("/v1.0/metadata", headers=PARENT)
    assert zipkin.spans(TRACE) == []
    sidecar.stop()
    span, = zipkin.spans(TRACE)
    assert span["parentId"] == SPAN


@test
def without_a_receiver_calls_go_on_and_the_log_and_the_metrics_tell():
    port = free_port()
    tracing = {"samplingRate": "1", "zipkin": {"endpointAddress": f"http://127.0.0.1:{port}{PATH}"}}
    sidecar = Daprd("trace-gone", config=configuration(tracing=tracing),
                    env=SOON | {"OTEL_BSP_MAX_QUEUE_SIZE": "20"})
    for _ in range(300):
        assert sidecar.get("/v1.0/metadata").status == 200
    metric = 'dapr_runtime_trace_spans_dropped{app_id="trace-gone",exporter="zipkin"}'
    wait_until(lambda: metric in sidecar.metrics(), "lost spans in the metrics")
    wait_until(lambda: "trace exporter zipkin" in sidecar.output(), "a line of the log")
    # It comes up, and spans arrive again.
    zipkin = Zipkin(port=port)
    sidecar.get("/v1.0/secrets/none/back")
    wait_until(lambda: sidecar.get("/v1.0/secrets/none/back") and zipkin.spans(), "spans after all")
    sidecar.stop()
    assert sidecar.output().count("fails: ") <= 3, sidecar.output()


@test
def a_receiver_that_never_answers_holds_up_neither_calls_nor_the_end():
    hung = threading.Event()
    receiver = App().on(PATH, lambda request: hung.wait(60) and 202)
    tracing = {"samplingRate": "1", "zipkin": {"endpointAddress": f"http://127.0.0.1:{receiver.port}{PATH}"}}
    sidecar = Daprd("trace-hung", config=configuration(tracing=tracing), env=SOON)
    sidecar.get("/v1.0/metadata")
    receiver.wait_for(PATH)
    for _ in range(100):
        assert sidecar.get("/v1.0/metadata").status == 200
    sidecar.stop()
    hung.set()
    assert "Graceful shutdown timeout exceeded" not in sidecar.output()


@test
def spans_on_stdout_are_lines_of_the_log():
    sidecar = Daprd("trace-print", config=configuration(tracing={"samplingRate": "1", "stdout": True}), env=SOON)
    sidecar.get("/v1.0/metadata", headers=PARENT)
    line = f"[/v1.0/metadata] Trace: {TRACE} Span: {SPAN}/"
    wait_until(lambda: line in sidecar.output(), line)


@test
def a_configuration_that_cannot_be_is_refused_at_the_start():
    for tracing, word in [({"samplingRate": "1", "zipkin": {"endpointAddress": "zipkin:9411"}}, "invalid collector URL"),
                          ({"samplingRate": "1", "otel": {"endpointAddress": "c:1", "protocol": "tcp", "isSecure": False}},
                           "invalid protocol tcp provided for Otel endpoint")]:
        sidecar = Daprd("trace-refused", config=configuration(tracing=tracing), wait=False)
        assert sidecar.wait() != 0
        assert word in sidecar.output() and "failed to setup tracing" in sidecar.output(), sidecar.output()


@test
def a_job_and_a_reminder_that_are_due_each_begin_a_trace_that_the_application_sees():
    zipkin, scheduler, placement = Zipkin(), Scheduler(), Placement()
    app = App().on("/dapr/config", (200, {"entities": ["TraceClock"]})).on("/job/trace-job", 200)
    app.on("/actors/TraceClock/1/method/remind/tick", 200).on("/actors/TraceClock/1/method/hello", 200)
    app.on("/actors/TraceClock/1", 200)
    sidecar = Daprd("trace-due", [component("actors", "state.in-memory", actorStateStore="true")], app=app,
                    config=configuration(tracing=zipkin.tracing()), env=SOON,
                    flags=[*scheduler.flags(), *placement.flags()])
    assert sidecar.post("/v1.0/actors/TraceClock/1/method/hello", body=b"", headers=PARENT).status == 200
    call, = zipkin.wait_for_spans("callactor/traceclock/hello", trace=TRACE)
    assert call["tags"]["dapr.actor"] == "TraceClock.1"
    assert app.received("/actors/TraceClock/1/method/hello")[0].headers["traceparent"] == f"00-{TRACE}-{call['id']}-01"
    assert sidecar.post("/v1.0/jobs/trace-job", json={"dueTime": "0s"}).status < 300
    sidecar.post("/v1.0/actors/TraceClock/1/reminders/tick", json={"dueTime": "0s"})
    for path, name in [("/job/trace-job", "jobs/trace-job"),
                       ("/actors/TraceClock/1/method/remind/tick", "callactor/traceclock/remind/tick")]:
        header = app.wait_for(path)[0].headers["traceparent"]
        span, = zipkin.wait_for_spans(name)
        assert header == f"00-{span['traceId']}-{span['id']}-01" and "parentId" not in span, (header, span)


@test
def sampling_at_a_tenth_reports_about_a_tenth():
    zipkin = Zipkin()
    sidecar = Daprd("trace-tenth", config=configuration(tracing=zipkin.tracing("0.1")), env=SOON)
    for _ in range(500):
        http.get(sidecar.url("/v1.0/metadata"))
    sidecar.stop()
    assert 10 < len(zipkin.spans()) < 120, len(zipkin.spans())
