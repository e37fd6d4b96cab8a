"""An application written with the SDK's gRPC server: called by method, called with events."""

import json
import threading

from dapr.clients import DaprClient
from dapr.conf import settings
from dapr.ext.grpc import App, InvokeMethodResponse

from support.daprd import Daprd, component
from support.ports import free_port
from support.processes import wait_until
from support.runner import shared, test
from support.servers import listens


class Callee:
    """The app in a thread of this process, its sidecar, and what it was told."""

    def __init__(self):
        self.events = []
        self.port = free_port()
        app = App()

        @app.method("reverse")
        def reverse(request):
            return InvokeMethodResponse(request.text()[::-1], "text/plain")

        @app.subscribe(pubsub_name="events", topic="orders")
        def ordered(event):
            self.events.append(event)

        threading.Thread(target=app.run, args=(self.port,), daemon=True).start()
        wait_until(lambda: listens(self.port), "the app")
        self.sidecar = Daprd("callee", [component("events", "pubsub.in-memory")],
                             flags=["--app-port", self.port, "--app-protocol", "grpc"])
        self.caller = Daprd("caller")


callee = shared(Callee)


def client(sidecar):
    settings.DAPR_HTTP_PORT = sidecar.http_port  # For the health check of the SDK.
    return DaprClient(f"127.0.0.1:{sidecar.grpc_port}")


@test
def a_method_is_called_through_both_sidecars_over_grpc():
    settings.DAPR_API_METHOD_INVOCATION_PROTOCOL = "grpc"
    with client(callee().caller) as dapr:
        reply = dapr.invoke_method("callee", "reverse", "stressed", content_type="text/plain")
        assert reply.text() == "desserts", reply.data


@test
def a_method_is_called_over_http_too():
    reply = callee().caller.post("/v1.0/invoke/callee/method/reverse", body="stressed")
    assert (reply.status, reply.text) == (200, "desserts"), reply


@test
def an_event_reaches_the_subscribed_function():
    with client(callee().sidecar) as dapr:
        dapr.publish_event("events", "orders", json.dumps({"order": 7}), data_content_type="application/json")
    event = wait_until(lambda: callee().events, "the event")[0]
    assert json.loads(event.Data()) == {"order": 7}, event.Data()
