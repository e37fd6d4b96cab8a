"""The pages of metrics: as Prometheus reads them, with what dashboards ask for, and bounded."""

import random
import re
import socket

from prometheus_client.parser import text_string_to_metric_families

from support import http
from support.app import App
from support.daprd import Daprd, component, configuration
from support.placement import Placement
from support.processes import MEMORY_FACTOR, wait_until
from support.runner import test
from support.scheduler import Scheduler
from support.sentry import Sentry

# What the Grafana dashboards that Dapr publishes ask a sidecar for, each by the label it selects.
SIDECAR_DASHBOARD = {
    "dapr_grpc_io_client_completed_rpcs": "grpc_client_status", "dapr_grpc_io_client_roundtrip_latency_bucket": "grpc_client_method",
    "dapr_grpc_io_server_completed_rpcs": "grpc_server_status", "dapr_grpc_io_server_server_latency_bucket": "grpc_server_method",
    "dapr_http_client_completed_count": "status", "dapr_http_client_roundtrip_latency_bucket": "method",
    "dapr_http_server_latency_bucket": "path", "dapr_http_server_response_count": "status",
    "dapr_runtime_actor_pending_actor_calls": "actor_type", "dapr_runtime_actor_status_report_total": "operation",
    "dapr_runtime_actor_table_operation_recv_total": "operation", "dapr_runtime_component_init_total": "component",
    "dapr_runtime_component_loaded": "app_id", "go_goroutines": None, "go_memstats_alloc_bytes": None,
    "process_start_time_seconds": None, "process_virtual_memory_bytes": None,
}
SYSTEM_DASHBOARD = {
    "placement": {"dapr_placement_runtimes_total", "dapr_placement_actor_runtimes_total"},
    "sentry": {"dapr_sentry_cert_sign_request_received_total", "dapr_sentry_cert_sign_success_total",
               "dapr_sentry_issuercert_expiry_timestamp"},
    "scheduler": {"dapr_scheduler_sidecars_connected"},
}
# Label sets that one group of metrics keeps (src/base/metrics/metrics.h).
SERIES_MAX = 2_000


def samples(text):
    """{name: [sample]}; fails where Prometheus' own parser would."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
            # The parser gives counters this ending where they have none.
            if family.type == "counter":
                found.setdefault(sample.name.removesuffix("_total"), []).append(sample)
    return found


def page(port):
    # Prometheus refuses a page that is not UTF-8.
    return http.get(f"http://127.0.0.1:{port}/metrics").body.decode()


def value(found, name, **labels):
    values = [one.value for one in found.get(name, []) if labels.items() <= one.labels.items()]
    assert len(values) == 1, f"{name} {labels}: {found.get(name)}"
    return values[0]


def check_histograms(text):
    """Buckets only grow, and the last one is the count."""
    for family in text_string_to_metric_families(text):
        if family.type != "histogram":
            continue
        series = {}
        for sample in family.samples:
            labels = tuple(sorted((key, text) for key, text in sample.labels.items() if key != "le"))
            series.setdefault(labels, {"buckets": []})
            if sample.name.endswith("_bucket"):
                series[labels]["buckets"].append((float(sample.labels["le"]), sample.value))
            else:
                series[labels][sample.name.rsplit("_", 1)[1]] = sample.value
        for labels, parts in series.items():
            counts = [count for _, count in parts["buckets"]]
            assert parts["buckets"] == sorted(parts["buckets"]) and counts == sorted(counts), (family.name, labels)
            assert parts["buckets"][-1] == (float("inf"), parts["count"]), (family.name, labels)


def send_many(port, paths):
    """GETs of all paths over one connection, many at once; returns how many were answered."""
    answered = 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        stream = connection.makefile("rb")
        for begin in range(0, len(paths), 200):
            batch = paths[begin:begin + 200]
            connection.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode() for path in batch))
            for _ in batch:
                assert stream.readline().startswith(b"HTTP/1.1 "), "no answer"
                length = 0
                while (line := stream.readline()) not in (b"\r\n", b""):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                stream.read(length)
                answered += 1
    return answered


@test
def a_sidecar_has_what_the_dashboards_ask_for():
    placement = Placement()
    app = App().on("/dapr/config", {"entities": ["cat"]}).on("/hello", "world")
    app.on("/actors/cat/tom/method/purr", 200).on("/healthz", 200)
    sidecar = Daprd("seen", [component("store", "state.in-memory", actorStateStore="true")], app=app,
                    flags=placement.flags())
    other = Daprd("seen-caller", flags=placement.flags())
    assert other.get("/v1.0/invoke/seen/method/hello").status == 200
    assert sidecar.post("/v1.0/state/store", json=[{"key": "a", "value": 1}]).status == 204
    for one in (sidecar, other):
        wait_until(lambda one=one: one.post("/v1.0/actors/cat/tom/method/purr").status == 200, "an actor's answer")
    texts = [page(sidecar.metrics_port), page(other.metrics_port)]
    both = {}
    for text in texts:
        check_histograms(text)
        for name, found in samples(text).items():
            both.setdefault(name, []).extend(found)
    for name, label in SIDECAR_DASHBOARD.items():
        assert name in both, f"{name} is missing"
        assert label is None or label in both[name][0].labels, both[name][0]
    seen = samples(texts[0])
    orders = {one.labels["operation"] for one in seen["dapr_runtime_actor_table_operation_recv_total"]}
    assert orders == {"lock", "update", "unlock"}, orders
    assert value(seen, "go_memstats_alloc_bytes") > 100_000
    assert value(seen, "go_goroutines") >= 1


@test
def every_service_has_what_the_dashboards_ask_for():
    placement, scheduler, sentry = Placement(), Scheduler(), Sentry()
    app = App().on("/dapr/config", {"entities": ["dog"]})
    Daprd("watched", [component("store", "state.in-memory", actorStateStore="true")], app=app,
          flags=[*placement.flags(), *scheduler.flags()])
    trusted = Daprd("trusted", flags=["--enable-mtls", "--sentry-address", f"127.0.0.1:{sentry.port}"],
                    env={"DAPR_TRUST_ANCHORS": sentry.anchors.decode()})
    for name, service in (("placement", placement), ("scheduler", scheduler), ("sentry", sentry)):
        def complete(service=service, name=name):
            text = page(service.metrics_port)
            check_histograms(text)
            return SYSTEM_DASHBOARD[name] <= samples(text).keys()
        wait_until(complete, f"the metrics of {name}")
    assert value(samples(page(trusted.metrics_port)), "dapr_runtime_mtls_init_total") == 1


@test
def labels_with_odd_characters_stay_readable():
    sidecar = Daprd("odd-labels", [component("bus", "pubsub.in-memory"), component("store", "state.in-memory")])
    for path in ("/v1.0/publish/bus/%FF%FE", "/v1.0/publish/%FF/t", "/v1.0/invoke/%FF/method/%FE"):
        sidecar.post(path, json=1)
    for path in ("/v1.0/a%22b", "/v1.0/a%0Ab", "/v1.0/a%5Cb", "/v1.0/%C3%A9%F0%9F%90%99", "/v1.0/%FF%FE", "/v1.0/%00"):
        sidecar.get(path)
    text = page(sidecar.metrics_port)
    paths = {one.labels["path"] for one in samples(text)["dapr_http_server_request_count"]}
    assert any('a"b' in path for path in paths) and any("a\nb" in path for path in paths), paths
    assert any("a\\b" in path for path in paths), paths
    topics = {one.labels["topic"] for one in samples(text)["dapr_component_pubsub_egress_count"]}
    assert "\ufffd\ufffd" in topics, topics


@test
def random_paths_and_ids_fill_no_memory():
    sidecar = Daprd("flooded", [component("store", "state.in-memory"), component("events", "pubsub.in-memory")],
                    log_level="fatal")
    numbers = random.Random(7)

    def flood(count):
        forms = ("/v1.0/state/store/{}", "/v1.0/jobs/{}", "/v1.0/actors/{}/{}/state/{}", "/{}/{}?{}",
                 "/v1.0/secrets/{}/{}", "/v1.0/metadata/{}")
        paths = [form.replace("{}", f"{numbers.getrandbits(64):x}") for form in forms for _ in range(count // len(forms))]
        assert send_many(sidecar.http_port, paths) == len(paths)

    # Until every table of label values is full, and what is sent after that changes nothing.
    flood(12_000)
    before = sidecar.resident_kb()
    flood(30_000)
    grown = sidecar.resident_kb() - before
    assert grown < 4096 * MEMORY_FACTOR, f"{grown} kB more after 30,000 requests that are all different"
    found = samples(page(sidecar.metrics_port))
    series = found["dapr_http_server_request_count"]
    assert len(series) <= SERIES_MAX + 1, len(series)
    assert sum(one.value for one in series) >= 42_000
    assert value(found, "dapr_http_server_request_count", path="other") > 30_000


@test
def low_cardinality_has_no_ids_in_paths():
    low = configuration(metrics={"http": {"increasedCardinality": False}})
    sidecar = Daprd("low", [component("store", "state.in-memory")], config=low)
    for number in range(20):
        sidecar.get(f"/v1.0/state/store/key-{number}")
    series = samples(page(sidecar.metrics_port))["dapr_http_server_request_count"]
    assert not [one for one in series if re.search("key-", one.labels["path"])], series
    assert sum(one.value for one in series) >= 20


@test
def templates_collect_paths_and_the_rest_has_none():
    matching = configuration(metrics={"http": {"increasedCardinality": False, "excludeVerbs": True,
                                               "pathMatching": ["/v1.0/state/store/{key}"]}})
    sidecar = Daprd("matched", [component("store", "state.in-memory")], config=matching)
    for number in range(5):
        sidecar.get(f"/v1.0/state/store/key-{number}")
    sidecar.get("/v1.0/metadata")
    found = samples(page(sidecar.metrics_port))
    assert value(found, "dapr_http_server_request_count", path="/v1.0/state/store/{key}") == 5
    assert {one.labels["method"] for one in found["dapr_http_server_request_count"]} == {""}
