"""The actor API over HTTP, with our placement and scheduler."""

import json
import os
import threading

from support.app import App
from support.daprd import Daprd, component
from support.placement import Placement
from support.processes import wait_until
from support.runner import shared, test
from support.scheduler import Scheduler

placement = shared(Placement)
scheduler = shared(Scheduler)

STORE = component("store", "state.in-memory", actorStateStore="true")


class Zoo:
    """An application that hosts actors: what they were called with, and a lock that shows overlaps."""

    def __init__(self, types, **config):
        self.calls = []
        self.inside = {}
        self.most = 0
        self.hold = threading.Event()
        self.hold.set()
        self.lock = threading.Lock()
        self.app = ActorApp(self.answer)
        self.app.on("/dapr/config", (200, {"entities": types, **config}))

    def answer(self, request):
        parts = request.path.split("/")
        actor = "/".join(parts[2:4])
        with self.lock:
            self.calls.append((request.method, actor, "/".join(parts[5:]), request.body))
            self.inside[actor] = self.inside.get(actor, 0) + 1
            self.most = max(self.most, self.inside[actor])
        if parts[-1] == "slow":
            self.hold.wait(10)
        with self.lock:
            self.inside[actor] -= 1
        if parts[-1] == "fail":
            return 500, "broken"
        if parts[-1] == "error-header":
            return 200, "details", {"X-DaprErrorResponseHeader": "true"}
        return 200, {"actor": actor, "port": self.app.port, "reentrancy": request.headers.get("Dapr-Reentrancy-Id")}

    def seen(self, method, actor, what=""):
        with self.lock:
            return [call for call in self.calls if call[:3] == (method, actor, what)]

    def sidecar(self, name="zoo", wait=True, **rest):
        flags = [*placement().flags(), *scheduler().flags(), *rest.pop("flags", [])]
        resources = [STORE, *rest.pop("resources", [])]
        return Daprd(name, resources, app=self.app, flags=flags, wait=wait, **rest)


class ActorApp(App):
    """All paths below /actors are one function's."""

    def __init__(self, actors):
        super().__init__()
        self._actors = actors

    def answer(self, request):
        if request.path.startswith("/actors/"):
            self.on(request.path, self._actors)
        return super().answer(request)


def invoke(sidecar, actor, method, **rest):
    return sidecar.post(f"/v1.0/actors/{actor}/method/{method}", **rest)


@test
def a_method_is_called_and_its_answer_comes_back():
    zoo = Zoo(["answering"])
    sidecar = zoo.sidecar()
    reply = invoke(sidecar, "answering/1", "greet", body="hello", headers={"content-type": "text/plain"})
    assert (reply.status, reply.json["actor"]) == (200, "answering/1"), reply
    assert zoo.seen("PUT", "answering/1", "greet")[0][3] == b"hello"
    runtime = sidecar.get("/v1.0/metadata").json["actorRuntime"]
    assert runtime == {"runtimeStatus": "RUNNING", "activeActors": [{"type": "answering", "count": 1}],
                       "hostReady": True, "placement": "placement: connected"}, runtime


@test
def what_goes_wrong_is_said_as_upstream_says_it():
    zoo = Zoo(["failing"])
    sidecar = zoo.sidecar()
    failed = invoke(sidecar, "failing/1", "fail")
    assert (failed.status, failed.json) == (500, {
        "errorCode": "ERR_ACTOR_INVOKE_METHOD",
        "message": "error invoke actor method: error from actor service: (500) broken"}), failed
    told = invoke(sidecar, "failing/1", "error-header")
    assert (told.status, told.text) == (200, "details"), told
    assert told.headers["x-daprerrorresponseheader"] == "true", told.headers
    bad = invoke(sidecar, "failing/1", "a%3Fb")
    assert (bad.status, bad.json["errorCode"]) == (400, "ERR_BAD_REQUEST"), bad
    # The application would decode it to /admin, past every access control list.
    astray = invoke(sidecar, "failing/1", "%252e%252e%252f%252e%252e%252f..%252f..%252fadmin")
    assert (astray.status, astray.json["errorCode"]) == (500, "ERR_ACTOR_INVOKE_METHOD"), astray
    assert not any("admin" in request.path for request in zoo.app.requests)
    reserved = sidecar.get("/v1.0/actors/dapr.internal.x.y.workflow/1/state/k")
    assert (reserved.status, reserved.json["errorCode"]) == (403, "ERR_ACTOR_TYPE_RESERVED"), reserved
    stranger = sidecar.post("/v1.0/actors/unknown/1/reminders/r", json={"dueTime": "1s"})
    assert (stranger.status, stranger.json["errorCode"]) == (403, "ERR_ACTOR_REMINDER_NON_HOSTED"), stranger


def under_policy(actor, policies, **names):
    """A Resiliency document for one actor type."""
    return {"apiVersion": "dapr.io/v1alpha1", "kind": "Resiliency", "metadata": {"name": actor},
            "spec": {"policies": policies, "targets": {"actors": {actor: names}}}}


@test
def a_call_that_fails_is_repeated_and_one_that_takes_too_long_given_up():
    policies = {"retries": {"often": {"policy": "constant", "duration": "5ms", "maxRetries": 3}},
                "timeouts": {"short": "300ms"}}
    zoo = Zoo(["retried"])
    sidecar = zoo.sidecar("retrying", resources=[under_policy("retried", policies, retry="often", timeout="short")])
    assert invoke(sidecar, "retried/1", "fail").status == 500
    assert len(zoo.seen("PUT", "retried/1", "fail")) == 4, zoo.calls
    assert invoke(sidecar, "retried/1", "greet").status == 200
    zoo.hold.clear()
    late = invoke(sidecar, "retried/1", "slow")
    assert (late.status, late.json["message"]) == (
        500, "error invoke actor method: context deadline exceeded"), late
    zoo.hold.set()
    metrics = sidecar.metrics()
    assert 'target="actor_retried"' in metrics, metrics


@test
def an_open_breaker_spares_an_actor_and_is_shown():
    policies = {"circuitBreakers": {"fuse": {"timeout": "1h", "trip": "consecutiveFailures >= 2"}}}
    zoo = Zoo(["fused"])
    document = under_policy("fused", policies, circuitBreaker="fuse", circuitBreakerScope="id")
    sidecar = zoo.sidecar("breaking", resources=[document])
    assert "circuitBreakers" not in sidecar.get("/v1.0/metadata").json
    assert [invoke(sidecar, "fused/1", "fail").status for _ in range(2)] == [500, 500]
    refused = invoke(sidecar, "fused/1", "greet")
    assert (refused.status, refused.json["message"]) == (
        500, "error invoke actor method: circuit breaker is open"), refused
    assert not zoo.seen("PUT", "fused/1", "greet")
    assert invoke(sidecar, "fused/2", "greet").status == 200
    shown = sidecar.get("/v1.0/metadata").json["circuitBreakers"]
    assert shown == [{"target": "actor_fused", "name": "fused-1", "state": "open"},
                     {"target": "actor_fused", "name": "fused-2", "state": "closed"}], shown


@test
def an_actor_runs_one_turn_at_a_time():
    zoo = Zoo(["turning"])
    sidecar = zoo.sidecar()
    zoo.hold.clear()
    threads = [threading.Thread(target=invoke, args=(sidecar, "turning/1", "slow")) for _ in range(5)]
    for thread in threads:
        thread.start()
    wait_until(lambda: zoo.seen("PUT", "turning/1", "slow"), "the first turn")
    assert invoke(sidecar, "turning/2", "quick").status == 200
    zoo.hold.set()
    for thread in threads:
        thread.join()
    assert len(zoo.seen("PUT", "turning/1", "slow")) == 5
    assert zoo.most == 1, zoo.most


@test
def state_is_kept_for_active_actors():
    zoo = Zoo(["stateful"])
    sidecar = zoo.sidecar()
    path = "/v1.0/actors/stateful/1/state"
    save = [{"operation": "upsert", "request": {"key": "k", "value": {"a": 1}}},
            {"operation": "upsert", "request": {"key": "gone", "value": 1}},
            {"operation": "delete", "request": {"key": "gone"}}]
    missing = sidecar.post(path, json=save)
    assert (missing.status, missing.json["errorCode"]) == (400, "ERR_ACTOR_INSTANCE_MISSING"), missing
    invoke(sidecar, "stateful/1", "wake")
    assert sidecar.post(path, json=save).status == 204
    assert sidecar.get(f"{path}/k").json == {"a": 1}
    assert sidecar.get(f"{path}/gone").status == 204
    ttl = [{"operation": "upsert", "request": {"key": "k", "value": 1, "metadata": {"ttlInSeconds": "9"}}}]
    refused = sidecar.post(path, json=ttl)
    assert (refused.status, refused.json["errorCode"]) == (500, "ERR_ACTOR_STATE_TRANSACTION_SAVE"), refused


@test
def timers_fire_until_they_are_over():
    zoo = Zoo(["timed"])
    sidecar = zoo.sidecar()
    timer = {"dueTime": "50ms", "period": "R3/PT1S", "callback": "tick", "data": {"n": 1}}
    assert sidecar.post("/v1.0/actors/timed/1/timers/t", json=timer).status == 204
    endless = {"dueTime": "0s", "period": "50ms"}
    assert sidecar.post("/v1.0/actors/timed/1/timers/endless", json=endless).status == 204
    wait_until(lambda: len(zoo.seen("PUT", "timed/1", "timer/t")) == 3, "three ticks")
    assert zoo.seen("PUT", "timed/1", "timer/t")[0][3] == \
        b'{"data":{"n":1},"callback":"tick","dueTime":"50ms","period":"R3/PT1S"}'
    assert sidecar.delete("/v1.0/actors/timed/1/timers/endless").status == 204
    assert len(zoo.seen("PUT", "timed/1", "timer/endless")) > 3
    counts = sidecar.metrics()
    assert 'dapr_runtime_actor_timers_fired_total{actor_type="timed",app_id="zoo",success="true"}' in counts, counts
    wait_until(lambda: 'dapr_runtime_actor_timers{actor_type="timed",app_id="zoo"} 0' in sidecar.metrics(), "no timer")
    bad = sidecar.post("/v1.0/actors/timed/1/timers/t", json={"period": "R0/PT1S"})
    assert bad.json["message"] == "error creating actor timer: invalid timer period: has zero repetitions", bad


@test
def a_reminder_comes_back_from_the_scheduler():
    zoo = Zoo(["reminded"])
    sidecar = zoo.sidecar()
    path = "/v1.0/actors/reminded/1/reminders"
    assert sidecar.post(f"{path}/r", json={"dueTime": "0s", "period": "R2/PT1S", "data": "x"}).status == 204
    wait_until(lambda: len(zoo.seen("PUT", "reminded/1", "remind/r")) == 2, "two reminders")
    assert zoo.seen("PUT", "reminded/1", "remind/r")[0][3] == b'{"data":"x","dueTime":"","period":""}'
    assert sidecar.post(f"{path}/far", json={"dueTime": "1h", "data": 7}).status == 204
    assert sidecar.get(f"{path}/far").json == {"actorID": "1", "actorType": "reminded", "data": 7, "dueTime": "1h"}
    assert sidecar.post(f"{path}/far", json={"dueTime": "2h", "overwrite": False}).status == 409
    assert sidecar.delete(f"{path}/far").status == 204
    assert sidecar.get(f"{path}/far").status == 404


@test
def actors_are_deactivated_when_they_idle_and_at_the_end():
    zoo = Zoo(["brief", "lasting"], entitiesConfig=[{"entities": ["brief"], "actorIdleTimeout": "100ms"}])
    sidecar = zoo.sidecar()
    invoke(sidecar, "brief/1", "wake")
    invoke(sidecar, "lasting/1", "wake")
    wait_until(lambda: zoo.seen("DELETE", "brief/1"), "the idle actor's deactivation")
    assert not zoo.seen("DELETE", "lasting/1")
    counted = 'dapr_runtime_actor_deactivated_total{actor_type="brief",app_id="zoo"} 1'
    wait_until(lambda: counted in sidecar.metrics(), "the count of it")
    sidecar.stop()
    assert zoo.seen("DELETE", "lasting/1")


@test
def two_sidecars_agree_where_an_actor_lives():
    one, two = Zoo(["shared"]), Zoo(["shared"])
    first, second = one.sidecar("first"), two.sidecar("second")
    def ports(sidecar):
        return [invoke(sidecar, f"shared/{number}", "where").json.get("port") for number in range(20)]
    wait_until(lambda: set(ports(first)) == {one.app.port, two.app.port}, "actors on both")
    assert ports(first) == ports(second)
    failed = [invoke(first, f"shared/{number}", "fail").json["message"] for number in range(20)]
    here = "error invoke actor method: error from actor service: (500) broken"
    there = f"error invoke actor method: rpc error: code = Internal desc = {here}"
    assert set(failed) == {here, there}, set(failed)


@test
def actors_survive_the_death_of_placement():
    own = Placement()
    zoo = Zoo(["surviving"])
    sidecar = Daprd("zoo", [STORE], app=zoo.app, flags=[*own.flags(), *scheduler().flags()])
    assert invoke(sidecar, "surviving/1", "before").status == 200
    own.kill()
    wait_until(lambda: zoo.seen("DELETE", "surviving/1"), "the deactivation of what nobody vouches for")
    replies = []
    waiting = threading.Thread(target=lambda: replies.append(invoke(sidecar, "surviving/1", "during")))
    waiting.start()
    wait_until(lambda: not sidecar.get("/v1.0/metadata").json["actorRuntime"]["hostReady"], "the loss")
    Placement(port=own.port)
    waiting.join()
    assert replies[0].status == 200, replies


@test
def an_ill_application_hands_its_actors_over():
    zoos = [Zoo(["nursed"]), Zoo(["nursed"])]
    for zoo in zoos:
        zoo.app.on("/healthz", 200)
    probes = ["--enable-app-health-check", "--app-health-probe-interval", "1", "--app-health-threshold", "1"]
    first = zoos[0].sidecar("first", flags=probes)
    zoos[1].sidecar("second", flags=probes)
    caller = Daprd("caller", flags=placement().flags())

    def ports():
        return {invoke(caller, f"nursed/{number}", "where").json.get("port") for number in range(20)}

    wait_until(lambda: ports() == {zoo.app.port for zoo in zoos}, "actors on both")
    zoos[0].app.on("/healthz", 500)
    wait_until(lambda: ports() == {zoos[1].app.port}, "all actors at the healthy one")
    assert first.get("/v1.0/metadata").json["actorRuntime"]["runtimeStatus"] == "INITIALIZING"
    zoos[0].app.on("/healthz", 200)
    wait_until(lambda: ports() == {zoo.app.port for zoo in zoos}, "actors on both again")


@test
def without_placement_there_are_no_actors():
    sidecar = Daprd("alone")
    reply = invoke(sidecar, "any/1", "m")
    assert (reply.status, reply.json) == (400, {"errorCode": "ERR_ACTOR_NO_PLACEMENT",
                                                "message": "placement service is not configured"}), reply


@test
def a_store_for_actors_may_come_go_and_change():
    zoo = Zoo(["Moving"])
    sidecar = zoo.sidecar("reload-zoo")
    method, state = "/v1.0/actors/Moving/1/method/look", "/v1.0/actors/Moving/1/state"
    file = sidecar.resources / "000.yaml"

    def put(document):
        (sidecar.resources / ".new").write_text(json.dumps(document))
        os.replace(sidecar.resources / ".new", file)

    def answers(status):
        return lambda: sidecar.post(method).status == status
    wait_until(answers(200), "the actor")
    write = [{"operation": "upsert", "request": {"key": "k", "value": "v"}}]
    assert sidecar.post(state, json=write).status == 204
    # Another store in its place: nobody is deactivated, and what was in memory is gone.
    put(component("store", "state.in-memory", actorStateStore="true", marker="new"))
    wait_until(lambda: "Actor state store store updated - actor hosting continues" in sidecar.output(),
               "the other store")
    assert sidecar.get(f"{state}/k").status == 204
    assert not zoo.seen("DELETE", "Moving/1") and sidecar.post(method).status == 200
    # A second one is not taken, as long as the first is there.
    (sidecar.resources / "second.yaml").write_text(
        json.dumps(component("second", "state.in-memory", actorStateStore="true")))
    wait_until(lambda: "only one actor state store is allowed" in sidecar.output(), "its refusal")
    (sidecar.resources / "second.yaml").unlink()
    file.unlink()
    wait_until(lambda: zoo.seen("DELETE", "Moving/1"), "the actor to be deactivated")
    wait_until(lambda: "the state store is not configured to use the actor runtime" in sidecar.get(f"{state}/k").text,
               "its state to be gone")
    wait_until(lambda: "did not find address for actor" in sidecar.post(method).text, "nobody to host it")
    put(STORE)
    wait_until(answers(200), "the actor once more")
    assert sidecar.post(state, json=write).status == 204
