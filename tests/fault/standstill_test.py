"""A sidecar that hosts actors stands still for a while, as SIGSTOP, a container's freezer or a paused machine do it."""

import signal
import threading

from support.app import App
from support.daprd import Daprd, component
from support.placement import Placement
from support.processes import wait_until
from support.runner import test

ACTORS = [f"a{number}" for number in range(20)]
STORE = component("store", "state.in-memory", actorStateStore="true")


class Replica:
    """An application that notes the calls and the deactivations of its actors, and its sidecar."""

    def __init__(self, placement, name, events):
        self.events = events
        self.app = App().on("/dapr/config", (200, {"entities": ["counter"]}))
        for actor in ACTORS:
            path = f"/actors/counter/{actor}"
            self.app.on(path, lambda request, actor=actor: self.note("deactivated", actor))
            self.app.on(f"{path}/method/where", lambda request, actor=actor: self.note("called", actor))
        self.sidecar = Daprd(name, [STORE], app=self.app, flags=placement.flags())

    def note(self, what, actor):
        self.events.append((what, self, actor))
        return 200, {"port": self.app.port}

    def where(self, actor):
        return self.sidecar.post(f"/v1.0/actors/counter/{actor}/method/where").json.get("port")

    def ask(self, actors):
        """Asks for all of them at once: the threads that wait, and where their answers come."""
        answers = []
        threads = [threading.Thread(target=lambda actor=actor: answers.append(self.where(actor))) for actor in actors]
        for thread in threads:
            thread.start()
        return threads, answers


@test
def no_call_that_waited_in_its_sockets_finds_an_actor_that_lives_elsewhere_now():
    placement, events = Placement(), []
    sleeper, other = Replica(placement, "sleeper", events), Replica(placement, "other", events)
    wait_until(lambda: {other.where(actor) for actor in ACTORS} == {sleeper.app.port, other.app.port}, "actors on both")
    own = [actor for actor in ACTORS if other.where(actor) == sleeper.app.port]
    sleeper.sidecar.signal(signal.SIGSTOP)
    try:
        waiting, late = sleeper.ask(own)
        moving, moved = other.ask(own)
        for thread in moving:  # Until placement and its peer have given up the sleeper.
            thread.join()
        assert set(moved) == {other.app.port}, moved
        asleep = len(events)
    finally:
        sleeper.sidecar.signal(signal.SIGCONT)
    for thread in waiting:
        thread.join()
    assert len(late) == len(own) and set(late) <= {sleeper.app.port, other.app.port}, late
    at_the_other = set(own)
    for what, replica, actor in events[asleep:]:
        if replica is other:
            (at_the_other.add if what == "called" else at_the_other.discard)(actor)
        elif what == "called":
            assert actor not in at_the_other, f"{actor} is called at the sleeper while it lives at the other"
