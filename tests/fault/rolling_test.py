"""Three replicas of a service that hosts actors are replaced one after the other, under load."""

import itertools
import threading
import time

from support.app import App
from support.daprd import Daprd, component
from support.placement import Placement
from support.processes import temporary_folder, wait_until
from support.runner import test

ACTORS = 50
THREADS = 6
WARM = 200  # Calls before each step, and after the last.
DRAIN = 2  # Seconds: the default of drainOngoingCallTimeout.
ROUND = 8  # Seconds: the longest that placement lets one dissemination take.


class Service:
    """What all replicas have done together: each call carries a number of its own."""

    def __init__(self):
        self.done = set()
        self.inside = set()
        self.crowded = []
        self.lock = threading.Lock()
        self.pause = threading.Event()

    def replica(self, placement, store, binary=None):
        app = App().on("/dapr/config", (200, {"entities": ["counter"]}))
        for actor in range(ACTORS):
            app.on(f"/actors/counter/a{actor}/method/add", lambda request, actor=actor: self.add(actor, request))
            app.on(f"/actors/counter/a{actor}", 200)
        return Daprd("service", [store], app=app, binary=binary,
                     flags=["--placement-host-address", placement.address, "--dapr-internal-grpc-listen-address",
                            "127.0.0.1"])

    def add(self, actor, request):
        with self.lock:
            if actor in self.inside:
                self.crowded.append(actor)
            self.inside.add(actor)
        self.pause.wait(0.002)  # Long enough for a second call to be seen inside.
        with self.lock:
            self.inside.discard(actor)
            self.done.add(int(request.body))
        return 200


class Load:
    """Callers of all actors through one sidecar that hosts none."""

    def __init__(self, caller):
        self.caller = caller
        self.numbers = itertools.count()
        self.acknowledged = set()
        self.refused = []
        self.slowest = 0.0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.call, args=(first,)) for first in range(THREADS)]
        for thread in self.threads:
            thread.start()

    def call(self, actor):
        while not self.over.is_set():
            number = next(self.numbers)
            actor = (actor + 7) % ACTORS
            begun = time.monotonic()
            reply = self.caller.post(f"/v1.0/actors/counter/a{actor}/method/add", body=str(number).encode())
            took = time.monotonic() - begun
            self.slowest = max(self.slowest, took)
            if reply.status == 200:
                self.acknowledged.add(number)
            else:
                self.refused.append((round(took, 2), reply.status, reply.text[:200]))

    def more(self):
        target = len(self.acknowledged) + WARM
        wait_until(lambda: len(self.acknowledged) >= target, "acknowledged calls")

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def roll(binary=None, end=lambda replica: replica.stop()):
    """Replaces each of three replicas: the load, and the service as it saw it."""
    placement, service = Placement(), Service()
    store = component("store", "state.sqlite", actorStateStore="true",
                      connectionString=str(temporary_folder() / "state.db"))
    replicas = [service.replica(placement, store, binary) for _ in range(3)]
    caller = Daprd("caller", binary=binary, flags=["--placement-host-address", placement.address])

    def all_there():
        return all(caller.post(f"/v1.0/actors/counter/a{actor}/method/add", body=b"-1").status == 200
                   for actor in range(ACTORS))

    wait_until(all_there, "all actors")
    load = Load(caller)
    try:
        for number in range(3):
            load.more()
            end(replicas[number])
            replicas[number] = service.replica(placement, store, binary)
        load.more()
    finally:
        load.stop()
    return load, service


@test
def a_rolling_restart_loses_no_acknowledged_call():
    load, service = roll()
    lost = load.acknowledged - service.done
    assert not lost, f"{len(lost)} acknowledged calls were never done"
    assert not service.crowded, f"actors with two calls at a time: {service.crowded}"
    assert not load.refused, load.refused[:5]
    # A call waits for one drain and one round at most. Three times that, for a machine with other work.
    assert load.slowest < 3 * (DRAIN + ROUND), f"a call took {load.slowest:.1f} s"


@test
def replicas_that_die_lose_no_acknowledged_call():
    load, service = roll(end=lambda replica: replica.kill())
    lost = load.acknowledged - service.done
    assert not lost, f"{len(lost)} acknowledged calls were never done"
