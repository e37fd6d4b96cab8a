"""Spans over OTLP, read with OpenTelemetry's own messages behind gRPC's own server."""

import re
import subprocess

import grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from support.app import App
from support.daprd import Daprd, configuration
from support.otlp import OtlpGrpc, OtlpHttp
from support.processes import temporary_folder, wait_until
from support.runner import test
from support.tap import Tap

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=1"}
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}


def otel(address, protocol, secure=False, **more):
    spec = {"endpointAddress": address, "protocol": protocol, "isSecure": secure, **more}
    return configuration(tracing={"samplingRate": "1", "otel": spec})


def check_call(received, app_id):
    """The span of one failed call of the metadata of the API, and the resource that it is of."""
    (attributes, span), = received.wait_for_spans(1, TRACE)
    assert attributes["service.name"] == app_id, attributes
    assert span.kind == Span.SPAN_KIND_CLIENT and span.name == "/v1.0/state/none/k"
    assert span.parent_span_id.hex() == SPAN and span.trace_state == "vendor=1"
    assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    assert span.status.code == Status.STATUS_CODE_ERROR and span.status.message == "Code(500): Internal Server Error"
    values = {one.key: one.value.string_value for one in span.attributes}
    assert values["db.name"] == "none" and values["dapr.status_code"] == "500", values


@test
def spans_reach_a_collector_over_grpc_with_the_headers_of_the_configuration():
    collector = OtlpGrpc()
    sidecar = Daprd("otlp-grpc", env=SOON,
                    config=otel(collector.address, "grpc", headers=["x-api-key=k=1", "X-Upper=v"], timeout="30s"))
    sidecar.get("/v1.0/state/none/k", headers=PARENT)
    check_call(collector, "otlp-grpc")
    metadata = collector.metadata[0]
    assert metadata["x-api-key"] == "k=1" and metadata["x-upper"] == "v", metadata
    scope = collector.resources()[0]
    assert scope.schema_url == "https://opentelemetry.io/schemas/1.25.0"
    assert scope.scope_spans[0].scope.name == "dapr-diagnostics"


@test
def spans_reach_a_collector_over_http():
    collector = OtlpHttp()
    sidecar = Daprd("otlp-http", env=SOON, config=otel(collector.address, "http", headers=["x-api-key=1"]))
    sidecar.get("/v1.0/state/none/k", headers=PARENT)
    check_call(collector, "otlp-http")
    request = collector.app.received("/v1/traces")[0]
    assert request.headers["content-type"] == "application/x-protobuf" and request.headers["x-api-key"] == "1"


@test
def the_environment_alone_configures_it_as_opentelemetry_says():
    collector = OtlpHttp()
    sidecar = Daprd("otlp-env", env=SOON | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.address}", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-env=a%20b", "OTEL_SERVICE_NAME": "named",
        "OTEL_RESOURCE_ATTRIBUTES": "service.namespace=production,k8s.pod.name=pod-1"})
    sidecar.get("/v1.0/state/none/k", headers=PARENT)
    check_call(collector, "named")
    attributes = collector.spans()[0][0]
    assert attributes == {"service.name": "named", "service.namespace": "production", "k8s.pod.name": "pod-1"}
    assert collector.app.received("/v1/traces")[0].headers["x-env"] == "a b"


@test
def spans_are_compressed_if_the_environment_says_so():
    for variable in ("OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"):
        collector = OtlpHttp()
        sidecar = Daprd("otlp-gzip", env=SOON | {variable: "gzip"}, config=otel(collector.address, "http"))
        sidecar.get("/v1.0/state/none/k", headers=PARENT)
        check_call(collector, "otlp-gzip")
        assert collector.app.received("/v1/traces")[0].headers["content-encoding"] == "gzip"
        collector = OtlpGrpc()
        tap = Tap(collector.port)
        sidecar = Daprd("otlp-gzip-grpc", env=SOON | {variable: "gzip"}, config=otel(tap.address, "grpc"))
        sidecar.get("/v1.0/state/none/k", headers=PARENT)
        check_call(collector, "otlp-gzip-grpc")
        # A compressed message: the flag, its length, and how gzip begins.
        assert re.search(rb"\x01\0\0..\x1f\x8b\x08", tap.sent(), re.DOTALL), tap.sent()


@test
def a_call_between_two_sidecars_is_one_trace_over_grpc():
    collector = OtlpGrpc()
    app = App().on("/echo", 200)
    Daprd("otlp-callee", app=app, config=otel(collector.address, "grpc"), env=SOON)
    caller = Daprd("otlp-caller", config=otel(collector.address, "grpc"), env=SOON)
    trace = caller.get("/v1.0/invoke/otlp-callee/method/echo").headers["traceparent"].split("-")[1]
    kinds = {span.kind: (attributes, span) for attributes, span in collector.wait_for_spans(2, trace)}
    (client_resource, client), (server_resource, server) = kinds[Span.SPAN_KIND_CLIENT], kinds[Span.SPAN_KIND_SERVER]
    assert client.name == server.name == "CallLocal/otlp-callee/echo"
    assert (client_resource["service.name"], server_resource["service.name"]) == ("otlp-caller", "otlp-callee")
    assert client.parent_span_id == b"" and server.parent_span_id == client.span_id
    assert app.received("/echo")[0].headers["traceparent"] == f"00-{trace}-{server.span_id.hex()}-01"


@test
def a_collector_that_is_busy_gets_the_same_spans_again():
    refusals = []

    def busy(_request, context):
        if len(refusals) < 2:
            refusals.append(1)
            context.abort(grpc.StatusCode.UNAVAILABLE, "busy")

    collector = OtlpGrpc(answer=busy)
    sidecar = Daprd("otlp-busy", config=otel(collector.address, "grpc"), env=SOON)
    sidecar.get("/v1.0/state/none/k", headers=PARENT)
    check_call(collector, "otlp-busy")
    wait_until(lambda: "works again" in sidecar.output(), "a line of the log")
    failures = 'dapr_runtime_trace_export_failures{app_id="otlp-busy",exporter="otlp"} 2'
    assert failures in sidecar.metrics(), sidecar.metrics()


@test
def a_collector_that_refuses_is_not_asked_again():
    collector = OtlpGrpc(answer=lambda _request, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you"))
    sidecar = Daprd("otlp-refused", config=otel(collector.address, "grpc"), env=SOON)
    sidecar.get("/v1.0/state/none/k", headers=PARENT)
    dropped = 'dapr_runtime_trace_spans_dropped{app_id="otlp-refused",exporter="otlp"} 1'
    wait_until(lambda: dropped in sidecar.metrics(), dropped)
    assert "who are you" in sidecar.output() and len(collector.metadata) == 1


@test
def tls_is_spoken_with_the_certificate_that_the_environment_names():
    folder = temporary_folder()
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=collector",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    collector = OtlpGrpc(credentials=credentials)
    sidecar = Daprd("otlp-tls", config=otel(collector.address, "grpc", secure=True),
                    env=SOON | {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(certificate)})
    sidecar.get("/v1.0/state/none/k", headers=PARENT)
    check_call(collector, "otlp-tls")
    stranger = Daprd("otlp-stranger", config=otel(collector.address, "grpc", secure=True), env=SOON)
    stranger.get("/v1.0/state/none/k", headers=PARENT)
    wait_until(lambda: "trace exporter otlp" in stranger.output(), "a line of the log")
    assert len(collector.spans(TRACE)) == 1


@test
def thousands_of_spans_arrive_each_once():
    collector = OtlpGrpc()
    sidecar = Daprd("otlp-many", config=otel(collector.address, "grpc"),
                    env=SOON | {"OTEL_BSP_MAX_QUEUE_SIZE": "100000"})
    for number in range(2000):
        trace = f"{number + 1:032x}"
        sidecar.get("/v1.0/metadata", headers={"traceparent": f"00-{trace}-{SPAN}-01"})
    sidecar.stop()
    spans = [span for _, span in collector.spans()]
    assert len({span.trace_id for span in spans}) == len(spans) == 2000
    assert len({span.span_id for span in spans}) == 2000
