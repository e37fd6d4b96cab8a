"""Flags, exit statuses, start and end of the sidecar."""

import re
import signal
import socket
import struct
import time

from support import http
from support.app import App
from support.daprd import Daprd, component, run_once
from support.ports import free_port
from support.processes import wait_until
from support.runner import test


@test
def version_prints_a_version_and_ends_well():
    status, out, _ = run_once("--version")
    assert status == 0, status
    assert re.match(r"\S+", out), out


@test
def build_info_names_version_and_commit():
    status, out, _ = run_once("--build-info")
    assert status == 0, status
    assert "Version:" in out and "Git Commit:" in out, out


@test
def an_unknown_flag_is_refused_by_its_name():
    status, out, err = run_once("--no-such-flag")
    assert status != 0
    assert "no-such-flag" in out + err, out + err


@test
def a_sidecar_without_an_app_id_does_not_start():
    status, _, _ = run_once("--dapr-http-port", str(free_port()), "--dapr-grpc-port", str(free_port()))
    assert status == 1, status


@test
def a_port_in_use_is_named_and_ends_the_program():
    first = Daprd("first")
    second = Daprd("second", ports={"http": first.http_port}, wait=False)
    assert second.wait() == 1
    assert str(first.http_port) in second.output(), second.tail()


@test
def a_port_that_nobody_will_leave_ends_the_program_at_once():
    taken = Daprd("first")
    for flag in ("--metrics-port", "--dapr-public-port"):
        second = Daprd("second", flags=[flag, taken.http_port, "--metrics-listen-address", "127.0.0.1",
                                        "--dapr-public-listen-address", "127.0.0.1"], wait=False)
        started = time.monotonic()
        assert second.wait() == 1
        assert time.monotonic() - started < 8, "upstream tries such a port once"
        assert f"127.0.0.1:{taken.http_port}" in second.output(), second.tail()


@test
def a_sidecar_that_cannot_protect_itself_as_asked_does_not_start():
    anchors = {"DAPR_TRUST_ANCHORS": "-----BEGIN CERTIFICATE-----"}
    for env, words in ({}, "trust anchors are required"), (anchors, "certificate"):
        sidecar = Daprd("secret", flags=["--enable-mtls"], env=env, wait=False)
        assert sidecar.wait() == 1
        assert words in sidecar.output(), sidecar.tail()


@test
def a_grpc_connection_may_open_many_streams_but_not_any_number():
    sidecar = Daprd("bounded")
    with socket.create_connection(("127.0.0.1", sidecar.grpc_port)) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        head = connection.recv(9, socket.MSG_WAITALL)
        assert head[3] == 4, head  # SETTINGS
        settings = connection.recv(int.from_bytes(head[:3], "big"), socket.MSG_WAITALL)
    values = dict(struct.unpack_from(">HI", settings, at) for at in range(0, len(settings), 6))
    assert values[3] == 10_000, values


@test
def health_is_answered_without_a_body():
    sidecar = Daprd("healthy")
    for path in ("/v1.0/healthz", "/v1.0/healthz/outbound"):
        reply = sidecar.get(path)
        assert (reply.status, reply.body) == (204, b""), reply


@test
def metadata_tells_the_id_and_the_components():
    sidecar = Daprd("described", [component("store", "state.in-memory")])
    reply = sidecar.get("/v1.0/metadata")
    assert reply.status == 200, reply
    assert reply.json["id"] == "described", reply
    assert [(one["name"], one["type"], one["version"]) for one in reply.json["components"]] == [
        ("store", "state.in-memory", "v1")], reply


@test
def a_metadata_value_that_was_put_is_told():
    sidecar = Daprd("described")
    assert sidecar.call("PUT", "/v1.0/metadata/colour", body="blue").status == 204
    assert sidecar.get("/v1.0/metadata").json["extended"]["colour"] == "blue"


@test
def an_unknown_path_is_a_404():
    assert Daprd("lost").get("/v1.0/nothing/here").status == 404


@test
def sigterm_ends_it_with_status_0():
    sidecar = Daprd("ended")
    sidecar.signal(signal.SIGTERM)
    assert sidecar.wait() == 0


@test
def the_shutdown_call_ends_it_with_status_0():
    sidecar = Daprd("ended")
    assert sidecar.post("/v1.0/shutdown").status == 204
    assert sidecar.wait() == 0


@test
def a_sidecar_waits_for_the_port_of_its_app():
    port = free_port()
    sidecar = Daprd("patient", flags=["--app-port", port], wait=False)
    sidecar.wait_ready(lambda: http.answers(sidecar.url("/v1.0/healthz/outbound"), 204))
    assert sidecar.get("/v1.0/healthz").status == 500
    sidecar.stop()


@test
def metrics_are_served_as_prometheus_text():
    sidecar = Daprd("measured")
    sidecar.get("/v1.0/metadata")
    assert "# TYPE dapr_" in sidecar.metrics()


@test
def api_calls_need_the_token_and_health_does_not():
    sidecar = Daprd("guarded", env={"DAPR_API_TOKEN": "sesame"})
    assert sidecar.get("/v1.0/metadata").status == 401
    assert sidecar.get("/v1.0/metadata", headers={"dapr-api-token": "sesame"}).status == 200
    assert sidecar.get("/v1.0/healthz").status == 204


@test
def a_component_of_an_unknown_type_ends_the_program_and_is_named():
    sidecar = Daprd("wrong", [component("odd", "state.no-such-thing")], wait=False)
    assert sidecar.wait() == 1
    assert "state.no-such-thing" in sidecar.output(), sidecar.tail()


@test
def a_component_that_may_fail_does_not_end_the_program():
    odd = component("odd", "state.no-such-thing")
    odd["spec"]["ignoreErrors"] = True
    assert Daprd("lenient", [odd]).get("/v1.0/healthz").status == 204


@test
def a_malformed_resource_file_is_named():
    sidecar = Daprd("wrong", ["apiVersion: dapr.io/v1alpha1\nkind: Component\n  metadata: [\n"],
                    wait=False)
    wait_until(lambda: sidecar.exit_status is not None or "000.yaml" in sidecar.output(), "its name")
    assert "000.yaml" in sidecar.output(), sidecar.tail()


@test
def the_app_is_asked_for_its_config_and_subscriptions():
    app = App()
    Daprd("curious", [component("events", "pubsub.in-memory")], app=app)
    assert app.wait_for("/dapr/subscribe")[0].method == "GET"
    assert app.wait_for("/dapr/config")[0].method == "GET"
