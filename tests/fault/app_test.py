"""kill -9 of the application: nothing acknowledged is lost, callers are told, and its next life is found."""

import http.client
import random
import threading
import time

from load import Writers, lost, publisher
from mortal import MortalApp
from pubsub_test import redis_broker, sqlite_broker
from state_test import redis_store, sqlite
from support.daprd import Daprd
from support.ports import free_port
from support.processes import wait_until
from support.runner import test
from support.servers import Redis

# A call to an application that is not there is an answer, and soon.
ANSWER_SECONDS_MAX = 20
HEALTH = ["--enable-app-health-check", "--app-health-check-path", "/healthz", "--app-health-probe-interval", "1",
          "--app-health-probe-timeout", "500", "--app-health-threshold", "1"]


def kill_the_app_under_events(broker):
    app = MortalApp()
    Daprd("receiver", [broker], app=app)
    writers = Writers(publisher(Daprd("sender", [broker])), threads=2)
    for _ in range(3):
        writers.wait_for_more(random.randint(50, 200))
        delivered = len(app.entries("event"))
        wait_until(lambda: len(app.entries("event")) > delivered, "deliveries")
        app.kill()
        writers.wait_for_more(20)
        app.start()
    writers.wait_for_more(20)
    acknowledged = set(writers.stop())
    wait_until(lambda: acknowledged <= set(app.entries("event")), "every acknowledged event")


@test
def a_killed_app_gets_every_acknowledged_event_from_redis():
    kill_the_app_under_events(redis_broker(Redis()))


@test
def a_killed_app_gets_every_acknowledged_event_from_sqlite():
    kill_the_app_under_events(sqlite_broker())


def kill_the_app_that_writes(store):
    port = free_port()
    sidecar = Daprd("writer", [store], ports={"http": port})
    app = MortalApp(sidecar_port=port)
    for life in range(4):
        before = len(app.entries("state"))
        wait_until(lambda: len(app.entries("state")) >= before + 50, "acknowledged writes")
        app.kill()
        if life < 3:
            app.start()
    acknowledged = app.entries("state")
    missing = lost(sidecar, acknowledged)
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged writes are lost: {missing[:5]}"


@test
def a_killed_app_finds_all_that_was_acknowledged_to_it_in_sqlite():
    kill_the_app_that_writes(sqlite())


@test
def a_killed_app_finds_all_that_was_acknowledged_to_it_in_redis():
    kill_the_app_that_writes(redis_store(Redis()))


class Callers:
    """Calls of /echo, one after the other in each thread, until stop()."""

    def __init__(self, sidecar, app_id, threads=4):
        self.good, self.bad, self.wrong, self.slowest = 0, 0, [], 0.0
        self._sidecar, self._path = sidecar, f"/v1.0/invoke/{app_id}/method/echo"
        self._stopping, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self):
        while not self._stopping.is_set():
            body, started = str(random.random()), time.monotonic()
            try:
                reply = self._sidecar.post(self._path, body=body, seconds=90)
                good = reply.status == 200
                wrong = reply if reply.status not in (200, 500) or (good and reply.text != body) else None
            except (OSError, http.client.HTTPException) as error:
                good, wrong = False, error  # The sidecar lives: it has to answer.
            with self._lock:
                self.good += good
                self.bad += not good
                self.wrong += [wrong] if wrong else []
                self.slowest = max(self.slowest, time.monotonic() - started)

    def wait_for_more(self, kind, more=20):
        target = getattr(self, kind) + more
        wait_until(lambda: getattr(self, kind) >= target, f"{more} more {kind} answers")

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join(90)
        assert not self.wrong, self.wrong[:3]
        assert self.slowest < ANSWER_SECONDS_MAX, self.slowest


@test
def callers_of_a_killed_app_are_answered_with_errors_and_find_its_next_life():
    app = MortalApp()
    callee, caller = Daprd("killed", app=app), Daprd("caller")
    for sidecar in (callee, caller):
        callers = Callers(sidecar, "killed")
        for _ in range(2):
            callers.wait_for_more("good")
            app.kill()
            callers.wait_for_more("bad")
            app.start()
            callers.wait_for_more("good")
        callers.stop()


@test
def a_killed_app_is_unhealthy_and_gets_its_events_when_it_is_healthy_again():
    broker, app = sqlite_broker(), MortalApp()
    callee = Daprd("watched", [broker], app=app, flags=HEALTH)
    caller = Daprd("caller", [broker])

    def answer():
        reply = caller.post("/v1.0/invoke/watched/method/echo", body="hello")
        return reply.status, reply.text

    wait_until(lambda: answer() == (200, "hello"), "the first answer")
    app.kill()
    wait_until(lambda: "app is not in a healthy state" in answer()[1], "the app to be unhealthy")
    assert callee.get("/v1.0/healthz").status == 204, "the sidecar itself is healthy"
    for number in range(20):
        assert publisher(caller)(number)
    app.start()
    wait_until(lambda: answer() == (200, "hello"), "the app to be healthy again")
    wait_until(lambda: set(range(20)) <= set(app.entries("event")), "the events of meanwhile")
