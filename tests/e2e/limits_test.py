"""Limits of applications and replicas that are passed over: additions of ours to Resiliency documents."""

import json
import threading

from resiliency_test import resiliency
from support.app import App
from support.daprd import Daprd
from support.processes import temporary_folder, wait_until
from support.runner import test


@test
def an_app_over_its_concurrency_answers_429_and_when_to_ask_again():
    app, inside, go_on = App(), threading.Semaphore(0), threading.Event()
    app.on("/slow", lambda request: (inside.release(), go_on.wait(60), (200, "done"))[2])
    document = resiliency({"limits": {"few": {"maxConcurrency": 2}}}, {"apps": {"limited": {"limit": "few"}}})
    callee = Daprd("limited", [document], app=app)
    caller = Daprd("limited-caller")
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(caller.post("/v1.0/invoke/limited/method/slow")))
               for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert inside.acquire(timeout=60)
    for sidecar in (caller, callee):
        refused = sidecar.post("/v1.0/invoke/limited/method/slow", body="x")
        assert refused.status == 429 and refused.headers["retry-after"] == "1", refused
        assert json.loads(refused.text)["errorCode"] == "ERR_TOO_MANY_REQUESTS", refused
    go_on.set()
    for thread in threads:
        thread.join()
    assert [reply.status for reply in replies] == [200, 200]
    assert caller.post("/v1.0/invoke/limited/method/slow").status == 200
    line = [line for line in callee.metrics().splitlines() if 'policy="limit"' in line and "activations" in line]
    assert len(line) == 1 and line[0].endswith(" 2") and 'target="app_limited"' in line[0], line


@test
def an_app_over_its_rate_answers_429():
    app = App().on("/work", "done")
    document = resiliency({"limits": {"slow": {"requestsPerSecond": 0.01, "burst": 3}}},
                          {"apps": {"rated": {"limit": "slow"}}})
    Daprd("rated", [document], app=app)
    caller = Daprd("rated-caller")
    replies = [caller.post("/v1.0/invoke/rated/method/work") for _ in range(5)]
    assert [reply.status for reply in replies] == [200] * 3 + [429] * 2, replies
    assert 1 <= int(replies[-1].headers["retry-after"]) <= 100, replies[-1]
    assert len(app.received("/work")) == 3


def sqlite_names(folder):
    """A Configuration by which sidecars find each other in a file: replicas of one app on one machine."""
    path = folder / "names.db"
    return {"apiVersion": "dapr.io/v1alpha1", "kind": "Configuration", "metadata": {"name": "names"},
            "spec": {"nameResolution": {"component": "sqlite", "version": "v1",
                                        "configuration": {"connectionString": str(path)}}}}


@test
def a_replica_that_fails_again_and_again_is_passed_over():
    names = sqlite_names(temporary_folder())
    well, ill = App().on("/work", "well"), App().on("/work", (500, "ill"))
    for app in (well, ill):
        Daprd("replicated", app=app, config=names)
    document = resiliency({"ejections": {"soon": {"failures": 3, "duration": "10m"}},
                           "retries": {"none": {"policy": "constant", "maxRetries": 0}}},
                          {"apps": {"replicated": {"ejection": "soon", "retry": "none"}}})
    caller = Daprd("replicated-caller", [document], config=names)

    def call():
        return caller.post("/v1.0/invoke/replicated/method/work").status

    wait_until(lambda: call() == 500 and "for 10m0s" in caller.output(), "the ill one to be ejected")
    asked = len(ill.received("/work"))
    assert {call() for _ in range(40)} == {200}
    assert len(ill.received("/work")) == asked
    assert 'policy="ejection"' in caller.metrics()


@test
def the_only_replica_is_never_passed_over():
    app = App().on("/work", (500, "ill"))
    Daprd("lonely", app=app)
    document = resiliency({"ejections": {"soon": {"failures": 1, "maxPercent": 100, "duration": "10m"}}},
                          {"apps": {"lonely": {"ejection": "soon"}}})
    caller = Daprd("lonely-caller", [document])
    for _ in range(4):
        assert caller.post("/v1.0/invoke/lonely/method/work").status == 500
    assert len(app.received("/work")) == 4
    app.on("/work", "well again")
    assert caller.post("/v1.0/invoke/lonely/method/work").status == 200
