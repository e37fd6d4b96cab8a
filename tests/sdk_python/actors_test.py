"""Actors written with the SDK: hosted by FastAPI, called through ActorProxy."""

import asyncio
import datetime
import threading

import uvicorn
from dapr.actor import Actor, ActorId, ActorInterface, ActorProxy, Remindable, actormethod
from dapr.actor.runtime.config import ActorReentrancyConfig, ActorRuntimeConfig
from dapr.actor.runtime.runtime import ActorRuntime
from dapr.conf import settings
from dapr.ext.fastapi import DaprActor
from fastapi import FastAPI

from support.daprd import Daprd, component
from support.placement import Placement
from support.ports import free_port
from support.processes import wait_until
from support.runner import shared, test
from support.scheduler import Scheduler
from support.servers import listens

events = []


class CounterInterface(ActorInterface):
    @actormethod(name="Add")
    async def add(self, amount: int) -> object: ...

    @actormethod(name="Value")
    async def value(self) -> object: ...

    @actormethod(name="Watch")
    async def watch(self) -> object: ...

    @actormethod(name="Forget")
    async def forget(self) -> object: ...

    @actormethod(name="Fail")
    async def fail(self) -> object: ...

    @actormethod(name="Recurse")
    async def recurse(self, depth: int) -> object: ...


class Counter(Actor, CounterInterface, Remindable):
    async def _on_activate(self):
        events.append(("activate", self.id.id))

    async def _on_deactivate(self):
        events.append(("deactivate", self.id.id))

    async def add(self, amount: int) -> object:
        found, value = await self._state_manager.try_get_state("value")
        value = (value if found else 0) + amount
        await self._state_manager.set_state("value", value)
        await self._state_manager.save_state()
        return value

    async def value(self) -> object:
        found, value = await self._state_manager.try_get_state("value")
        return value if found else None

    async def watch(self) -> object:
        second = datetime.timedelta(seconds=1)
        nothing = datetime.timedelta()
        await self.register_reminder("bell", b"ring", nothing, second)
        await self.register_timer("tick", self.tick, "tock", nothing, second)

    async def forget(self) -> object:
        await self.unregister_reminder("bell")
        await self.unregister_timer("tick")

    async def tick(self, state):
        events.append(("tick", self.id.id, state))

    async def receive_reminder(self, name, state, due_time, period, ttl=None):
        events.append(("reminder", self.id.id, name, state))

    async def fail(self) -> object:
        raise RuntimeError("no such luck")

    async def recurse(self, depth: int) -> object:
        if depth == 0:
            return "deep"
        return await proxy(self.id.id).Recurse(depth - 1)


class Host:
    """The app in a thread of this process, its sidecar and the services actors need."""

    def __init__(self):
        ActorRuntime.set_actor_config(ActorRuntimeConfig(reentrancy=ActorReentrancyConfig(enabled=True)))
        self.port = free_port()
        self.placement, self.scheduler = Placement(), Scheduler()
        # The SDK asks for the sidecar's health before anything else, and that waits for the app.
        self.sidecar = Daprd("counters", [component("store", "state.in-memory", actorStateStore="true")],
                             flags=["--app-port", self.port, *self.placement.flags(), *self.scheduler.flags()],
                             wait=False)
        settings.DAPR_HTTP_PORT = self.sidecar.http_port
        settings.HTTP_APP_PORT = self.port
        app = FastAPI()
        actors = DaprActor(app)
        asyncio.run(actors.register_actor(Counter))
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="warning"))
        threading.Thread(target=server.run, daemon=True).start()
        wait_until(lambda: listens(self.port), "the app")
        self.sidecar.wait_healthy()


host = shared(Host)


def proxy(name):
    return ActorProxy.create("Counter", ActorId(name), CounterInterface)


def run(call):
    host()
    return asyncio.run(call())


@test
def an_actor_counts_and_keeps_its_state():
    async def count():
        await proxy("one").Add(3)
        await proxy("one").Add(4)
        await proxy("other").Add(1)
        return await proxy("one").Value()

    assert run(count) == 7
    assert ("activate", "one") in events, events


@test
def turns_do_not_overlap_so_no_count_is_lost():
    async def count():
        await asyncio.gather(*(proxy("busy").Add(1) for _ in range(50)))
        return await proxy("busy").Value()

    assert run(count) == 50


@test
def an_actor_may_call_itself_through_the_sidecar():
    assert run(lambda: proxy("deep").Recurse(5)) == "deep"


@test
def reminders_and_timers_reach_the_actor_until_it_forgets_them():
    run(lambda: proxy("watcher").Watch())
    wait_until(lambda: len([e for e in events if e[:3] == ("reminder", "watcher", "bell")]) > 1, "two reminders")
    wait_until(lambda: len([e for e in events if e[:2] == ("tick", "watcher")]) > 1, "two ticks")
    run(lambda: proxy("watcher").Forget())
    assert ("reminder", "watcher", "bell", b"ring") in events, events
    assert ("tick", "watcher", "tock") in events, events
    assert host().sidecar.get("/v1.0/actors/Counter/watcher/reminders/bell").status == 404


@test
def what_an_actor_raises_reaches_its_caller():
    reply = host().sidecar.post("/v1.0/actors/Counter/unlucky/method/Fail")
    assert reply.status == 500 and reply.json["errorCode"] == "ERR_ACTOR_INVOKE_METHOD", reply
    assert "no such luck" in reply.text, reply
