"""Publish and subscribe over HTTP with the in-memory broker."""

from support.app import App
from support.daprd import Daprd, component, subscription
from support.runner import test

BROKER = component("events", "pubsub.in-memory")


def subscribed(topic, **more):
    return [{"pubsubname": "events", "topic": topic, "route": f"/{topic}", **more}]


@test
def a_published_event_arrives_in_its_envelope():
    app = App(subscribed("orders"))
    app.on("/orders", {"status": "SUCCESS"})
    sidecar = Daprd("shop", [BROKER], app=app)
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    reply = sidecar.post("/v1.0/publish/events/orders", json={"order": 7}, headers=trace)
    assert reply.status == 204, reply
    event = app.wait_for("/orders")[0]
    assert event.headers["content-type"] == "application/cloudevents+json"
    body = event.json
    assert body["data"] == {"order": 7}, body
    assert (body["specversion"], body["type"], body["source"]) == (
        "1.0", "com.dapr.event.sent", "shop"), body
    assert (body["topic"], body["pubsubname"], body["datacontenttype"]) == (
        "orders", "events", "application/json"), body
    assert body["id"] and body["time"], body
    assert body["traceparent"].split("-")[1] == "0af7651916cd43dd8448eb211c80319c", body


@test
def a_declared_subscription_is_served_like_a_programmed_one():
    app = App()
    app.on("/declared", {"status": "SUCCESS"})
    sidecar = Daprd("shop", [BROKER, subscription("orders", "events", "orders", "/declared")], app=app)
    sidecar.post("/v1.0/publish/events/orders", body="plain", headers={"content-type": "text/plain"})
    body = app.wait_for("/declared")[0].json
    assert (body["data"], body["datacontenttype"]) == ("plain", "text/plain"), body


@test
def a_rule_chooses_the_route():
    rules = {"rules": [{"match": 'event.type == "refund"', "path": "/refunds"}], "default": "/rest"}
    app = App([{"pubsubname": "events", "topic": "orders", "routes": rules}])
    app.on("/refunds", {"status": "SUCCESS"}).on("/rest", {"status": "SUCCESS"})
    sidecar = Daprd("shop", [BROKER], app=app)
    for kind in ("refund", "sale"):
        event = {"specversion": "1.0", "id": kind, "source": "s", "type": kind, "data": kind}
        sidecar.post("/v1.0/publish/events/orders", json=event,
                     headers={"content-type": "application/cloudevents+json"})
    assert app.wait_for("/refunds")[0].json["id"] == "refund"
    assert app.wait_for("/rest")[0].json["id"] == "sale"


@test
def an_event_that_is_dropped_goes_to_the_dead_letter_topic():
    app = App(subscribed("orders", deadLetterTopic="dead") + subscribed("dead"))
    app.on("/orders", {"status": "DROP"}).on("/dead", {"status": "SUCCESS"})
    sidecar = Daprd("shop", [BROKER], app=app)
    sidecar.post("/v1.0/publish/events/orders", json="bad")
    assert app.wait_for("/dead")[0].json["data"] == "bad"


@test
def a_raw_publish_is_delivered_as_its_bytes():
    app = App(subscribed("orders", metadata={"rawPayload": "true"}))
    app.on("/orders", {"status": "SUCCESS"})
    sidecar = Daprd("shop", [BROKER], app=app)
    sidecar.post("/v1.0/publish/events/orders?metadata.rawPayload=true", body="raw bytes",
                 headers={"content-type": "text/plain"})
    assert app.wait_for("/orders")[0].json["data_base64"] == "cmF3IGJ5dGVz"


@test
def a_bulk_publish_delivers_every_entry():
    app = App(subscribed("orders"))
    app.on("/orders", {"status": "SUCCESS"})
    sidecar = Daprd("shop", [BROKER], app=app)
    entries = [{"entryId": str(n), "event": n, "contentType": "application/json"} for n in range(3)]
    reply = sidecar.post("/v1.0/publish/bulk/events/orders", json=entries)
    assert reply.status == 204, reply
    assert sorted(event.json["data"] for event in app.wait_for("/orders", 3)) == [0, 1, 2]


@test
def a_broker_that_does_not_exist_is_a_404_with_its_code():
    reply = Daprd("shop").post("/v1.0/publish/nowhere/orders", json=1)
    assert reply.status == 404, reply
    assert "PUBSUB_NOT_FOUND" in reply.json["errorCode"], reply


@test
def a_topic_outside_of_the_scopes_is_forbidden():
    broker = component("events", "pubsub.in-memory", publishingScopes="shop=allowed")
    sidecar = Daprd("shop", [broker])
    assert sidecar.post("/v1.0/publish/events/allowed", json=1).status == 204
    reply = sidecar.post("/v1.0/publish/events/other", json=1)
    assert reply.status == 403, reply
