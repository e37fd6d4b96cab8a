"""Files that change while the sidecar runs: no request is refused, and the end is what they say."""

import http.client
import json
import os
import re
import signal
import socket
import threading

from support.app import App
from support.daprd import Daprd, component, configuration, subscription
from support.http import Reply
from support.processes import temporary_folder, wait_until
from support.runner import test


def put(folder, name, *documents):
    """Replaces a file as editors and deployments do: at once."""
    text = "\n---\n".join(each if isinstance(each, str) else json.dumps(each) for each in documents)
    (folder / f".{name}.tmp").write_text(text)
    os.replace(folder / f".{name}.tmp", folder / name)


class Traffic:
    """Calls without pause in threads of its own; what was not answered as it should be is kept."""

    def __init__(self, call, good=lambda reply: 200 <= reply.status < 300, threads=2):
        self.answered, self.bad, self._done = 0, [], threading.Event()
        self._call, self._good = call, good
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self, number):
        count = 0
        while not self._done.is_set():
            count += 1
            try:
                reply = self._call(f"{number}-{count}")
            except OSError as error:
                self.bad.append(error)
                continue
            if not self._good(reply):
                self.bad.append(reply)
            self.answered += 1

    def goes_on(self, calls=20):
        """Returns when so many more calls have been answered."""
        goal = self.answered + calls
        wait_until(lambda: self.answered >= goal, f"{calls} more calls")

    def end(self):
        self._done.set()
        for thread in self._threads:
            thread.join()
        assert not self.bad, (len(self.bad), self.bad[:3])
        assert self.answered > 0


def names(sidecar, what="components"):
    return [each.get("name") for each in sidecar.get("/v1.0/metadata").json.get(what, [])]


def times(sidecar, line):
    return sidecar.output().count(line)


@test
def components_change_under_traffic_and_no_call_is_refused():
    database = temporary_folder() / "state.db"

    def store(number):
        return component("store", "state.sqlite", connectionString=str(database),
                         cleanupInterval=f"{number + 1}h")
    sidecar = Daprd("reload-state", [store(0)])

    def call(key):
        written = sidecar.post("/v1.0/state/store", json=[{"key": key, "value": key}])
        if written.status != 204:
            return written
        return sidecar.get(f"/v1.0/state/store/{key}")
    traffic = Traffic(call)
    for number in range(1, 11):
        put(sidecar.resources, "000.yaml", store(number))
        put(sidecar.resources, "other.yaml", component(f"other{number}", "state.in-memory"))
        wait_until(lambda: times(sidecar, "Component updated: store ") == number, "the new store")
        traffic.goes_on(5)
    wait_until(lambda: names(sidecar) == ["store", "other10"], "the last of the others")
    traffic.end()
    (sidecar.resources / "other.yaml").unlink()
    wait_until(lambda: names(sidecar) == ["store"], "the other to go")
    assert sidecar.get("/v1.0/state/other10/a").status == 400
    assert sidecar.exit_status is None


@test
def messages_are_published_and_delivered_while_their_broker_changes():
    database, app = temporary_folder() / "queue.db", App()
    app.on("/in", 200)

    def broker(number):
        return component("queue", "pubsub.sqlite", connectionString=str(database),
                         pollInterval=f"{number + 20}ms")
    sidecar = Daprd("reload-pubsub", [broker(0), subscription("sub", "queue", "t", "/in")], app=app)
    traffic = Traffic(lambda key: sidecar.post("/v1.0/publish/queue/t", json=key), threads=1)
    for number in range(1, 6):
        put(sidecar.resources, "000.yaml", broker(number))
        wait_until(lambda: times(sidecar, "Component updated: queue ") == number, "the new broker")
        traffic.goes_on(5)
    traffic.end()
    wait_until(lambda: len({request.json["data"] for request in app.received("/in")}) == traffic.answered,
               "every message")


@test
def a_call_inside_the_old_component_comes_to_its_end():
    app, entered, leave = App(), threading.Event(), threading.Event()
    app.on("/slow", lambda request: (entered.set(), leave.wait(), 200)[2])
    sidecar = Daprd("reload-inside", [component("bus", "pubsub.in-memory"),
                                      subscription("sub", "bus", "t", "/slow")], app=app)
    assert sidecar.post("/v1.0/publish/bus/t", json="one").status == 204
    assert entered.wait(60)
    (sidecar.resources / "001.yaml").unlink()
    wait_until(lambda: not names(sidecar, "subscriptions"), "the subscription to go")
    # Other changes do not wait for it.
    put(sidecar.resources, "x.yaml", component("x", "state.in-memory"))
    wait_until(lambda: "x" in names(sidecar), "another component")
    leave.set()
    delivered = 'dapr_component_pubsub_ingress_count{app_id="reload-inside",component="bus"'
    wait_until(lambda: any(line.startswith(delivered) and 'process_status="success"' in line
                           for line in sidecar.metrics().splitlines()), "the event to be done")


@test
def subscriptions_come_change_and_go():
    app = App()
    for route in ("/one", "/two"):
        app.on(route, 200)
    sidecar = Daprd("reload-subscriptions", [component("bus", "pubsub.in-memory")], app=app)

    def arrives(at):
        def sent():
            assert sidecar.post("/v1.0/publish/bus/t", json="x").status == 204
            return app.received(at)
        wait_until(sent, f"an event at {at}")
    put(sidecar.resources, "sub.yaml", subscription("sub", "bus", "t", "/one"))
    arrives("/one")
    # The older version of the kind, under the same name.
    put(sidecar.resources, "sub.yaml", {
        "apiVersion": "dapr.io/v1alpha1", "kind": "Subscription", "metadata": {"name": "sub"},
        "spec": {"pubsubname": "bus", "topic": "t", "route": "/two"}})
    arrives("/two")
    # A rule that is no expression changes nothing.
    wrong = subscription("sub", "bus", "t", "/one")
    wrong["spec"]["routes"]["rules"] = [{"match": "event.type ==", "path": "/one"}]
    put(sidecar.resources, "sub.yaml", wrong)
    wait_until(lambda: "Failed to reload the Subscription sub" in sidecar.output(), "its error")
    assert names(sidecar, "subscriptions") and sidecar.exit_status is None
    (sidecar.resources / "sub.yaml").unlink()
    wait_until(lambda: not names(sidecar, "subscriptions"), "the subscription to go")


@test
def resiliency_and_endpoints_change_and_breakers_stay_as_they_were():
    target, failures = App(), []
    target.on("/work", lambda request: (failures.append(1), 500)[1])
    endpoint = {"apiVersion": "dapr.io/v1alpha1", "kind": "HTTPEndpoint",
                "metadata": {"name": "outside"},
                "spec": {"baseUrl": f"http://127.0.0.1:{target.port}"}}
    sidecar = Daprd("reload-resiliency")
    work = "/v1.0/invoke/outside/method/work"
    assert sidecar.post(work).status != 200 and not failures

    def policies(retries):
        return {"apiVersion": "dapr.io/v1alpha1", "kind": "Resiliency", "metadata": {"name": "calm"},
                "spec": {"policies": {
                    "retries": {"again": {"policy": "constant", "duration": "1ms", "maxRetries": retries}},
                    "circuitBreakers": {"fuse": {"timeout": "1h", "trip": "consecutiveFailures >= 9"}}},
                    "targets": {"apps": {"outside": {"retry": "again", "circuitBreaker": "fuse"}}}}}
    put(sidecar.resources, "endpoint.yaml", endpoint)
    wait_until(lambda: names(sidecar, "httpEndpoints") == ["outside"], "the endpoint")
    sidecar.post(work)
    assert len(failures) == 1
    for retries in (2, 4):
        put(sidecar.resources, "calm.yaml", policies(retries))
        wait_until(lambda: times(sidecar, "Loading Resiliency configuration: calm") == retries // 2,
                   "the policies")
        sidecar.post(work)
    # One without a policy, three, and five, since the breaker has counted on under new retries.
    assert len(failures) == 9, len(failures)
    put(sidecar.resources, "calm.yaml", policies(1))
    wait_until(lambda: times(sidecar, "Loading Resiliency configuration: calm") == 3, "the policies")
    sidecar.post(work)
    assert len(failures) == 10, len(failures)
    assert "circuit breaker is open" in sidecar.post(work).text
    assert len(failures) == 10, len(failures)
    (sidecar.resources / "calm.yaml").unlink()
    (sidecar.resources / "endpoint.yaml").unlink()
    wait_until(lambda: not names(sidecar, "httpEndpoints") and not names(sidecar, "resiliencies"),
               "both to go")


@test
def a_configuration_takes_effect_under_traffic():
    app, folder = App(), temporary_folder()
    app.on("/free", (200, "free"))
    app.on("/secret", (200, "secret"))
    secrets = temporary_folder() / "secrets.json"
    secrets.write_text('{"a": "1"}')
    put(folder, "config.yaml", configuration())
    callee = Daprd("reload-config", [component("vault", "secretstores.local.file", secretsFile=str(secrets))],
                   app=app, flags=("--config", folder / "config.yaml"))
    caller = Daprd("reload-config-caller")
    method = "/v1.0/invoke/reload-config/method"
    traffic = Traffic(lambda key: caller.get(f"{method}/free"))
    assert caller.get(f"{method}/secret").status == 200
    rules = {"defaultAction": "deny", "policies": []}
    put(folder, "config.yaml", configuration(accessControl={"defaultAction": "allow", "policies": []},
                                             secrets={"scopes": [{"storeName": "vault", "defaultAccess": "deny"}]}))
    wait_until(lambda: callee.get("/v1.0/secrets/vault/a").status == 403, "the secret to be denied")
    traffic.goes_on()
    put(folder, "config.yaml", configuration(api={"denied": [{"name": "secrets", "version": "v1", "protocol": "http"}]}))
    wait_until(lambda: callee.get("/v1.0/secrets/vault/a").status == 404, "the API to be off")
    traffic.goes_on()
    # What is no configuration changes nothing.
    put(folder, "config.yaml", "spec: [")
    wait_until(lambda: "the configuration stays as it was" in callee.output(), "its error")
    traffic.goes_on()
    assert callee.get("/v1.0/secrets/vault/a").status == 404
    put(folder, "config.yaml", configuration(components={"deny": ["secretstores.local.file"]}))
    wait_until(lambda: names(callee) == [], "the store to be closed")
    traffic.end()
    put(folder, "config.yaml", configuration(accessControl=rules, metrics={"enabled": False}))
    wait_until(lambda: caller.get(f"{method}/free").status == 403, "the caller to be denied")
    # Who may call does not wait for the store to be open again.
    wait_until(lambda: names(callee) == ["vault"], "the store to be open")
    assert callee.get("/v1.0/secrets/vault/a").json == {"a": "1"}
    wait_until(lambda: "take effect after SIGHUP or a restart: metrics" in callee.output(), "the warning")


@test
def a_guard_of_another_name_takes_over_and_no_request_slips_through():
    folder, issuer = temporary_folder(), App()
    asked, answer = threading.Event(), threading.Event()
    url = f"http://127.0.0.1:{issuer.port}"
    about = json.dumps({"issuer": url, "jwks_uri": url + "/keys"})
    issuer.on("/.well-known/openid-configuration", lambda request: (asked.set(), answer.wait(), (200, about))[2])
    issuer.on("/keys", (200, '{"keys":[]}'))

    def pipeline(name, kind):
        return configuration(httpPipeline={"handlers": [{"name": name, "type": f"middleware.http.{kind}"}]})
    put(folder, "config.yaml", pipeline("old", "routerchecker"))
    old = component("old", "middleware.http.routerchecker", rule="^/v1.0/(healthz|metadata)")
    sidecar = Daprd("reload-guard", [component("store", "state.in-memory"), old],
                    flags=("--config", folder / "config.yaml"))
    traffic = Traffic(lambda key: sidecar.get("/v1.0/state/store/k"), good=lambda reply: reply.status in (400, 401))
    new = component("new", "middleware.http.bearer", issuer=url, audience="shop")
    new["spec"]["initTimeout"] = "60s"
    put(sidecar.resources, "new.yaml", new)
    put(folder, "config.yaml", pipeline("new", "bearer"))
    (sidecar.resources / "001.yaml").unlink()
    # For as long as the new one is not open the old one is there.
    assert asked.wait(60)
    traffic.goes_on()
    answer.set()
    wait_until(lambda: sidecar.get("/v1.0/state/store/k").status == 401, "the new guard")
    wait_until(lambda: times(sidecar, "Closing deleted Component: old ") == 1, "the old one to go")
    traffic.goes_on()
    traffic.end()


@test
def a_secret_that_changes_in_its_file_is_taken_up():
    folder = temporary_folder()
    secrets = folder / "secrets.json"
    put(folder, "secrets.json", {"database": {"path": f"{folder}/one.db"}})
    store = component("store", "state.sqlite")
    store["spec"]["metadata"] = [{"name": "connectionString",
                                  "secretKeyRef": {"name": "database", "key": "path"}}]
    store["auth"] = {"secretStore": "vault"}
    vault = component("vault", "secretstores.local.file", secretsFile=str(secrets), multiValued="true")
    sidecar = Daprd("reload-secrets", [store, vault])
    sidecar.post("/v1.0/state/store", json=[{"key": "k", "value": "one"}])
    traffic = Traffic(lambda key: sidecar.get("/v1.0/state/store/k"))
    traffic.goes_on()
    # Half of a file takes nothing away.
    secrets.write_text('{"database": {"pa')
    wait_until(lambda: "vault (secretstores.local.file/v1) goes on as it was" in sidecar.output(), "its error")
    put(folder, "secrets.json", {"database": {"path": f"{folder}/two.db"}})
    wait_until(lambda: sidecar.get("/v1.0/state/store/k").status == 204, "the other database")
    traffic.end()
    assert sidecar.get("/v1.0/secrets/vault/database").json == {"path": f"{folder}/two.db"}
    put(folder, "secrets.json", {"database": {"path": f"{folder}/one.db"}})
    wait_until(lambda: sidecar.get("/v1.0/state/store/k").status == 200, "the first database")


@test
def what_cannot_be_read_changes_nothing_and_is_told():
    sidecar = Daprd("reload-broken", [component("store", "state.in-memory")])
    assert sidecar.post("/v1.0/state/store", json=[{"key": "k", "value": "v"}]).status == 204
    traffic = Traffic(lambda key: sidecar.get("/v1.0/state/store/k"), lambda reply: reply.status == 200)
    put(sidecar.resources, "000.yaml", "kind: Component\nspec: [\n")
    wait_until(lambda: f"document left out: {sidecar.resources}/000.yaml:3:1:" in sidecar.output(), "where it is")
    put(sidecar.resources, "more.yaml", component("more", "state.in-memory"))
    wait_until(lambda: names(sidecar) == ["store", "more"], "the other file")
    put(sidecar.resources, "000.yaml", component("store", "state.in-memory"))
    put(sidecar.resources, "more.yaml", component("last", "state.in-memory"))
    wait_until(lambda: names(sidecar) == ["store", "last"], "both files")
    traffic.end()
    # The very same component throughout, for it kept what was in it.
    assert sidecar.get("/v1.0/state/store/k").json == "v"


@test
def a_folder_of_links_changes_as_kubernetes_changes_it():
    folder = temporary_folder()
    for version in ("v1", "v2"):
        (folder / version).mkdir()
        put(folder / version, "store.yaml", component(f"store-{version}", "state.in-memory"))
    (folder / "..data").symlink_to("v1")
    (folder / "store.yaml").symlink_to("..data/store.yaml")
    sidecar = Daprd("reload-links", flags=("--resources-path", folder))
    assert names(sidecar) == ["store-v1"]
    (folder / "..tmp").symlink_to("v2")
    os.replace(folder / "..tmp", folder / "..data")
    wait_until(lambda: names(sidecar) == ["store-v2"], "what the link points to now")


@test
def a_component_that_cannot_be_opened_ends_the_sidecar_or_is_left_out():
    sidecar = Daprd("reload-failing", [component("store", "state.in-memory")])
    broken = component("store", "state.sqlite")
    broken["spec"]["ignoreErrors"] = True
    put(sidecar.resources, "000.yaml", broken)
    wait_until(lambda: names(sidecar) == [], "the component to be left out")
    put(sidecar.resources, "000.yaml", component("store", "state.in-memory"))
    wait_until(lambda: names(sidecar) == ["store"], "the component to be back")
    put(sidecar.resources, "000.yaml", component("store", "state.sqlite"))
    assert sidecar.wait() == 1
    assert "Fatal error from runtime: process component store error: " in sidecar.output()


@test
def a_component_waits_for_its_secret_store():
    secrets = temporary_folder() / "secrets.json"
    secrets.write_text(json.dumps({"path": f"{secrets.parent}/state.db"}))
    store = component("store", "state.sqlite")
    store["spec"]["metadata"] = [{"name": "connectionString", "secretKeyRef": {"name": "path"}}]
    store["auth"] = {"secretStore": "vault"}
    sidecar = Daprd("reload-waiting")
    put(sidecar.resources, "store.yaml", store)
    wait_until(lambda: "waits for the secret store vault" in sidecar.output(), "the store to wait")
    assert names(sidecar) == []
    put(sidecar.resources, "vault.yaml", component("vault", "secretstores.local.file", secretsFile=str(secrets)))
    wait_until(lambda: names(sidecar) == ["vault", "store"], "both")
    assert sidecar.post("/v1.0/state/store", json=[{"key": "k", "value": "v"}]).status == 204


@test
def without_the_feature_files_count_at_the_start_only():
    off = configuration(features=[{"name": "HotReload", "enabled": False}])
    sidecar = Daprd("reload-off", [component("store", "state.in-memory")], config=off)
    assert "Hot reloading disabled" in sidecar.output()
    assert "Watching directories" not in sidecar.output()
    put(sidecar.resources, "more.yaml", component("more", "state.in-memory"))
    assert names(sidecar) == ["store"]
    sidecar.signal(signal.SIGHUP)
    wait_until(lambda: names(sidecar) == ["store", "more"], "the next life")


class KeptConnections:
    """A client that asks again and again on the same connection for as long as the server lets it."""

    def __init__(self, sidecar):
        self._port, self._local = sidecar.http_port, threading.local()

    def get(self, path):
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request("GET", path)
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())


def lives(sidecar):
    return times(sidecar, "dapr initialized. Status: Running")


@test
def a_new_life_refuses_no_request():
    app = App()
    app.on("/work", (200, "done"))
    sidecar = Daprd("reload-lives", [component("store", "state.in-memory")], app=app)
    caller = Daprd("reload-lives-caller")
    kept = KeptConnections(sidecar)
    traffic = [
        Traffic(lambda key: sidecar.post("/v1.0/state/store", json=[{"key": key, "value": key}])),
        Traffic(lambda key: kept.get("/v1.0/state/store/none")),
        Traffic(lambda key: caller.get("/v1.0/invoke/reload-lives/method/work")),
    ]
    for life in range(2, 5):
        for each in traffic:
            each.goes_on()
        sidecar.signal(signal.SIGHUP)
        wait_until(lambda: lives(sidecar) == life, f"life {life}")  # noqa: B023
    for each in traffic:
        each.goes_on()
        each.end()
    # And at the end of the last one the ports are free at once.
    sidecar.signal(signal.SIGTERM)
    assert sidecar.wait() == 0


@test
def an_event_that_takes_too_long_does_not_hold_up_a_new_life_and_comes_again():
    app, begun = App(), threading.Semaphore(0)
    goes_on = threading.Event()
    app.on("/dapr/subscribe", (200, json.dumps([{"pubsubname": "bus", "topic": "slow", "route": "/slow"}])))
    app.on("/slow", lambda request: (begun.release(), goes_on.wait(60), (200, ""))[2])
    file = temporary_folder() / "bus.db"
    sidecar = Daprd("reload-slow", [component("bus", "pubsub.sqlite", connectionString=str(file))], app=app,
                    flags=("--dapr-graceful-shutdown-seconds", 10))
    assert sidecar.post("/v1.0/publish/bus/slow", json="one").status == 204
    assert begun.acquire(timeout=60)
    sidecar.signal(signal.SIGHUP)
    wait_until(lambda: lives(sidecar) == 2, "the next life")
    assert begun.acquire(timeout=60)
    goes_on.set()


@test
def a_new_life_stays_on_its_internal_port_though_the_usual_one_has_become_free():
    flags = ("--dapr-internal-grpc-port", 0, "--dapr-internal-grpc-listen-address", "127.0.0.1")
    usual, other = (Daprd("reload-usual", flags=flags) for _ in range(2))

    def ports(sidecar):
        return re.findall(r"Internal gRPC server is running on [^ ]*:(\d+)", sidecar.output())

    assert ports(usual) != ports(other)
    usual.signal(signal.SIGTERM)
    assert usual.wait() == 0
    other.signal(signal.SIGHUP)
    wait_until(lambda: lives(other) == 2, "the next life")
    before, now = ports(other)
    assert before == now


@test
def an_end_that_is_asked_for_on_the_way_to_a_new_life_is_the_end():
    for point in ("Received SIGHUP", "Dapr is shutting down", "Dapr runtime stopped"):
        sidecar = Daprd("reload-end")
        sidecar.signal(signal.SIGHUP)
        wait_until(lambda: point in sidecar.output(), point)  # noqa: B023
        sidecar.signal(signal.SIGTERM)
        assert sidecar.wait() == 0


@test
def a_configuration_among_the_resources_begins_a_new_life_for_what_cannot_change():
    folder = temporary_folder()
    put(folder, "config.yaml", configuration())
    sidecar = Daprd("reload-anew", flags=("--resources-path", folder, "--config", folder / "config.yaml"))
    traffic = Traffic(lambda key: sidecar.get("/v1.0/metadata"))
    wait_until(lambda: 'le="3"' in sidecar.metrics(), "the metrics")
    put(folder, "config.yaml", configuration(metrics={"latencyDistributionBuckets": [7, 77]}))
    wait_until(lambda: lives(sidecar) == 2, "the next life")
    wait_until(lambda: 'le="77"' in sidecar.metrics(), "the new buckets")
    assert 'le="3"' not in sidecar.metrics()
    # What can change at once does so in the same life.
    put(folder, "config.yaml", configuration(
        metrics={"latencyDistributionBuckets": [7, 77]},
        api={"denied": [{"name": "state", "version": "v1", "protocol": "http"}]}))
    wait_until(lambda: sidecar.get("/v1.0/state/store/key").status == 404, "the API to be off")
    assert lives(sidecar) == 2
    traffic.end()


@test
def who_may_call_whom_does_not_wait_for_a_component_that_does_not_open():
    app, folder = App(), temporary_folder()
    app.on("/work", (200, "done"))
    put(folder, "config.yaml", configuration())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        callee = Daprd("reload-hung", app=app, flags=("--config", folder / "config.yaml"))
        caller = Daprd("reload-hung-caller")
        work = "/v1.0/invoke/reload-hung/method/work"
        assert caller.get(work).status == 200
        hung = component("hung", "state.redis", redisHost=f"127.0.0.1:{silent.getsockname()[1]}",
                         dialTimeout="1h", readTimeout="1h")
        hung["spec"]["initTimeout"] = "1h"
        hung["spec"]["ignoreErrors"] = True
        put(callee.resources, "hung.yaml", hung)
        wait_until(lambda: "Loading component: hung" in callee.output(), "the component to be opened")
        put(folder, "config.yaml", configuration(accessControl={"defaultAction": "deny", "policies": []}))
        wait_until(lambda: caller.get(work).status == 403, "the caller to be denied")
        assert names(callee) == []
