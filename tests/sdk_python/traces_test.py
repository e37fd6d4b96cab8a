"""The spans of what the SDK does over gRPC, and the trace that an application written with it is given."""

import json
import threading

from dapr.clients import DaprClient
from dapr.conf import settings
from dapr.ext.grpc import App, InvokeMethodResponse

from support.daprd import Daprd, component, configuration
from support.ports import free_port
from support.processes import temporary_folder, wait_until
from support.runner import shared, test
from support.servers import listens
from support.zipkin import Zipkin

API = "/dapr.proto.runtime.v1.dapr/"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
TRACE = "0af7651916cd43dd8448eb211c80319c"


class Shop:
    """An application that speaks gRPC beside its sidecar, a caller's sidecar, and a receiver of spans."""

    def __init__(self):
        self.zipkin, self.calls, self.events = Zipkin(), [], []
        self.port = free_port()
        app = App()

        @app.method("buy")
        def buy(request):
            self.calls.append(dict(request.metadata))
            return InvokeMethodResponse("bought", "text/plain")

        @app.subscribe(pubsub_name="sdk-events", topic="orders")
        def ordered(event):
            self.events.append(event)

        threading.Thread(target=app.run, args=(self.port,), daemon=True).start()
        wait_until(lambda: listens(self.port), "the app")
        secrets = temporary_folder() / "secrets.json"
        secrets.write_text(json.dumps({"door": "sesame"}))
        config = configuration(tracing=self.zipkin.tracing())
        parts = [component("sdk-store", "state.in-memory"), component("sdk-events", "pubsub.in-memory"),
                 component("sdk-secrets", "secretstores.local.file", secretsFile=str(secrets))]
        self.sidecar = Daprd("sdk-traced", parts, config=config, env=SOON,
                             flags=["--app-port", self.port, "--app-protocol", "grpc"])
        self.caller = Daprd("sdk-tracing", config=config, env=SOON)


shop = shared(Shop)


def client(sidecar):
    settings.DAPR_HTTP_PORT = sidecar.http_port  # For the health check of the SDK.
    return DaprClient(f"127.0.0.1:{sidecar.grpc_port}")


@test
def state_secrets_and_events_over_grpc_have_spans_that_name_the_component():
    with client(shop().sidecar) as dapr:
        dapr.save_state("sdk-store", "basket", "1")
        dapr.get_state("sdk-store", "basket")
        dapr.get_secret("sdk-secrets", "door")
        dapr.publish_event("sdk-events", "orders", "{}", data_content_type="application/json")
    names = [API + method for method in ("savestate", "getstate", "getsecret", "publishevent")]
    save, get, secret, publish = shop().zipkin.wait_for_spans(*names)
    for span, block, name in [(save, "state", "sdk-store"), (get, "state", "sdk-store"), (secret, "secrets", "sdk-secrets")]:
        tags = span["tags"]
        assert span["kind"] == "CLIENT" and tags["rpc.service"] == "Dapr" and tags["dapr.protocol"] == "grpc", span
        assert (tags["db.system"], tags["db.name"], tags["db.statement"]) == (block, name, tags["dapr.api"]), span
        assert "sesame" not in str(span)
    assert publish["tags"]["messaging.destination.name"] == "orders"
    delivery, = shop().zipkin.wait_for_spans("pubsub/orders", trace=publish["traceId"])
    assert delivery["parentId"] == publish["id"]
    wait_until(lambda: shop().events, "the event")


@test
def a_grpc_application_is_given_the_span_of_its_own_sidecar():
    header = f"00-{TRACE}-b7ad6b7169203331-01"
    for number, call in enumerate([
            lambda: shop().caller.post("/v1.0/invoke/sdk-traced/method/buy", body="x", headers={"traceparent": header}),
            lambda: shop().sidecar.post("/v1.0/invoke/sdk-traced/method/buy", body="x", headers={"traceparent": header})]):
        assert call().status == 200
        # Both sidecars' spans, then one more: the sidecar calls its own application itself.
        wait_until(lambda: len(shop().zipkin.spans(TRACE)) == 2 + number, "spans")
        spans = {span["id"]: span for span in shop().zipkin.spans(TRACE)}
        given, = shop().calls[-1]["traceparent"]
        _, trace, parent, flags = given.split("-")
        assert (trace, flags) == (TRACE, "01")
        assert spans[parent]["localEndpoint"] == {"serviceName": "sdk-traced"}, (parent, spans)
        assert spans[parent]["kind"] == ("CLIENT" if number else "SERVER")
