"""The state API over HTTP."""

from support.daprd import Daprd, component
from support.processes import temporary_folder
from support.runner import shared, test


@shared
def sidecar():
    return Daprd("state", [component("store", "state.in-memory")])


def save(*items):
    return sidecar().post("/v1.0/state/store", json=list(items))


@test
def a_value_that_was_saved_is_read_back_as_it_was():
    assert save({"key": "basket", "value": {"apples": 3}}).status == 204
    reply = sidecar().get("/v1.0/state/store/basket")
    assert reply.status == 200, reply
    assert reply.json == {"apples": 3}, reply
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["etag"]


@test
def an_absent_key_has_no_content():
    reply = sidecar().get("/v1.0/state/store/absent")
    assert (reply.status, reply.body) == (204, b""), reply


@test
def a_deleted_key_is_absent():
    save({"key": "gone", "value": 1})
    assert sidecar().delete("/v1.0/state/store/gone").status == 204
    assert sidecar().get("/v1.0/state/store/gone").status == 204


@test
def a_stale_etag_is_a_conflict_and_changes_nothing():
    save({"key": "contested", "value": "first"})
    etag = sidecar().get("/v1.0/state/store/contested").headers["etag"]
    save({"key": "contested", "value": "second"})
    reply = save({"key": "contested", "value": "third", "etag": etag})
    assert reply.status == 409, reply
    assert reply.json["errorCode"] == "ERR_STATE_SAVE", reply
    assert sidecar().get("/v1.0/state/store/contested").json == "second"


@test
def a_current_etag_wins():
    save({"key": "owned", "value": "first"})
    etag = sidecar().get("/v1.0/state/store/owned").headers["etag"]
    assert save({"key": "owned", "value": "second", "etag": etag}).status == 204
    assert sidecar().get("/v1.0/state/store/owned").json == "second"


@test
def a_delete_with_a_stale_etag_is_a_conflict():
    save({"key": "kept", "value": 1})
    reply = sidecar().delete("/v1.0/state/store/kept", headers={"If-Match": "never-issued"})
    assert reply.status == 409, reply
    assert reply.json["errorCode"] == "ERR_STATE_DELETE", reply
    assert sidecar().get("/v1.0/state/store/kept").status == 200


@test
def many_keys_are_read_in_one_call():
    save({"key": "one", "value": 1}, {"key": "two", "value": 2})
    reply = sidecar().post("/v1.0/state/store/bulk", json={"keys": ["one", "two", "three"]})
    assert reply.status == 200, reply
    found = {item["key"]: item.get("data") for item in reply.json}
    assert found == {"one": 1, "two": 2, "three": None}, reply


@test
def as_many_items_as_a_body_holds_are_saved_and_read():
    folder = temporary_folder()
    keeper = Daprd("keeper", [component("file", "state.sqlite", connectionString=f"{folder}/state.db")])
    keys = [f"k{number}" for number in range(50_000)]
    reply = keeper.post("/v1.0/state/file", json=[{"key": key, "value": 1} for key in keys])
    assert reply.status == 204, reply
    reply = keeper.post("/v1.0/state/file/bulk", json={"keys": keys, "parallelism": 1_000_000})
    assert reply.status == 200, reply
    assert sum(item.get("data") == 1 for item in reply.json) == 50_000
    keeper.stop()


@test
def a_transaction_applies_all_of_its_operations():
    save({"key": "old", "value": 1})
    reply = sidecar().post("/v1.0/state/store/transaction", json={"operations": [
        {"operation": "upsert", "request": {"key": "new", "value": 2}},
        {"operation": "delete", "request": {"key": "old"}}]})
    assert reply.status == 204, reply
    assert sidecar().get("/v1.0/state/store/new").json == 2
    assert sidecar().get("/v1.0/state/store/old").status == 204


@test
def a_store_that_does_not_exist_is_a_400_with_its_code():
    reply = sidecar().get("/v1.0/state/nowhere/key")
    assert reply.status == 400, reply
    assert reply.json["errorCode"] == "ERR_STATE_STORE_NOT_FOUND", reply


@test
def a_body_that_is_not_json_is_a_400_with_its_code():
    reply = sidecar().post("/v1.0/state/store", body="[{", headers={"content-type": "application/json"})
    assert reply.status == 400, reply
    assert reply.json["errorCode"] == "ERR_MALFORMED_REQUEST", reply


@test
def keys_of_two_apps_do_not_meet():
    other = Daprd("other", [component("store", "state.in-memory")])
    save({"key": "private", "value": 1})
    assert other.get("/v1.0/state/store/private").status == 204
