"""What one program writes to Redis the other reads, and under the same conditions overwrites."""

import os
import threading

from support.app import App
from support.daprd import Daprd, component
from support.runner import test
from support.servers import Redis

REFERENCE = os.environ.get("REFERENCE_DAPRD")
TOPIC = "orders"


def pairs(resources, app_of=lambda: None):
    """Our sidecar and the other one, for both ways of going about it."""
    ours = Daprd("shop", resources, app=app_of())
    theirs = Daprd("shop", resources, app=app_of(), binary=REFERENCE)
    return [(ours, theirs), (theirs, ours)]


def save(sidecar, status=204, **item):
    reply = sidecar.post("/v1.0/state/store", json=[item])
    assert reply.status == status, reply


def value_of(sidecar, key):
    reply = sidecar.get(f"/v1.0/state/store/{key}")
    return (reply.json if reply.status == 200 else None), reply.headers.get("etag")


@test
def state_of_one_is_state_of_the_other():
    server = Redis()
    store = component("store", "state.redis", redisHost=server.address)
    for number, (one, other) in enumerate(pairs([store])):
        key = f"key{number}"
        save(one, key=key, value={"a": [1, "ä", None]})
        assert value_of(other, key) == ({"a": [1, "ä", None]}, "1"), value_of(other, key)
        save(other, key=key, value="second", etag="1")
        assert value_of(one, key) == ("second", "2")
        save(one, status=409, key=key, value="stale", etag="1")
        save(other, status=409, key=key, value="stale", etag="1")
        deleted = other.delete(f"/v1.0/state/store/{key}", headers={"if-match": "1"})
        assert deleted.status == 409, deleted
        deleted = other.delete(f"/v1.0/state/store/{key}", headers={"if-match": "2"})
        assert deleted.status == 204, deleted
        assert value_of(one, key) == (None, None)


@test
def what_one_wrote_first_the_other_does_not_overwrite():
    server = Redis()
    store = component("store", "state.redis", redisHost=server.address)
    first = {"options": {"concurrency": "first-write"}}
    for number, (one, other) in enumerate(pairs([store])):
        key = f"first{number}"
        save(one, key=key, value=1, **first)
        for sidecar in (one, other):
            for options in (first, {}):
                reply = sidecar.post("/v1.0/state/store", json=[{"key": key, "value": 2, **options}])
                assert reply.status >= 400, reply
        assert value_of(other, key) == (1, "1")
        save(other, key=key, value=3, etag="1", **first)
        assert value_of(one, key) == (3, "2")


@test
def transactions_and_times_to_live_of_one_hold_for_the_other():
    server = Redis()
    store = component("store", "state.redis", redisHost=server.address)
    for number, (one, other) in enumerate(pairs([store])):
        save(one, key=f"old{number}", value="old")
        operations = [
            {"operation": "upsert", "request": {"key": f"new{number}", "value": "new",
                                                "metadata": {"ttlInSeconds": "100"}}},
            {"operation": "delete", "request": {"key": f"old{number}"}},
        ]
        reply = one.post("/v1.0/state/store/transaction", json={"operations": operations})
        assert reply.status == 204, reply
        assert value_of(other, f"new{number}") == ("new", "1")
        assert value_of(other, f"old{number}") == (None, None)
        assert 0 < int(server.command("TTL", f"shop||new{number}")) <= 100
        save(other, key=f"new{number}", value="newer", metadata={"ttlInSeconds": "-1"})
        assert server.command("TTL", f"shop||new{number}") == "-1"
        assert value_of(one, f"new{number}") == ("newer", "2")


@test
def both_leave_the_same_in_the_server():
    server = Redis()
    store = component("store", "state.redis", redisHost=server.address)
    contents = []
    for one, _ in pairs([store]):
        save(one, key="k", value={"b": 1, "a": "<&>"})
        save(one, key="k", value="text", metadata={"ttlInSeconds": "100"})
        save(one, key="f", value=1, options={"concurrency": "first-write"})
        contents.append([server.command("TYPE", "shop||k"), server.command("HGETALL", "shop||k"),
                         server.command("HGETALL", "shop||f")])
        server.command("FLUSHALL")
    assert contents[0] == contents[1], contents


def subscriber():
    app = App([{"pubsubname": "events", "topic": TOPIC, "route": "/orders"}])
    return app.on("/orders", {"status": "SUCCESS"})


@test
def events_of_one_reach_the_applications_of_the_other():
    server = Redis()
    broker = component("events", "pubsub.redis", redisHost=server.address)
    for sender_binary, receiver_binary in ((None, REFERENCE), (REFERENCE, None)):
        app = subscriber()
        receiver = Daprd("receiver", [broker], app=app, binary=receiver_binary)
        sender = Daprd("sender", [broker], binary=sender_binary)
        for number in range(20):
            reply = sender.post(f"/v1.0/publish/events/{TOPIC}", json={"number": number})
            assert reply.status == 204, reply
        requests = app.wait_for("/orders", 20)
        assert {request.json["data"]["number"] for request in requests} == set(range(20))
        assert requests[0].json["source"] == "sender", requests[0].json
        for sidecar in (receiver, sender):
            sidecar.stop()
        app.stop()


@test
def what_one_did_not_finish_the_other_takes_over():
    server = Redis()
    broker = component("events", "pubsub.redis", redisHost=server.address, processingTimeout=1000,
                       redeliverInterval=500)
    for first_binary, second_binary in ((None, REFERENCE), (REFERENCE, None)):
        server.command("FLUSHALL")
        hanging = App([{"pubsubname": "events", "topic": TOPIC, "route": "/orders"}])
        release = threading.Event()
        hanging.on("/orders", lambda _: (release.wait(60), 500)[1])
        first = Daprd("group", [broker], app=hanging, binary=first_binary)
        sender = Daprd("sender", [broker])
        sender.post(f"/v1.0/publish/events/{TOPIC}", json={"number": 1})
        hanging.wait_for("/orders")
        first.kill()
        release.set()
        app = subscriber()
        second = Daprd("group", [broker], app=app, binary=second_binary)
        assert app.wait_for("/orders")[0].json["data"] == {"number": 1}
        for sidecar in (second, sender):
            sidecar.stop()
