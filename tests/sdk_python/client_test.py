"""DaprClient: state, metadata, secrets, publishing."""

import json

import grpc
from dapr.clients import DaprClient
from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType
from dapr.clients.grpc._state import Concurrency, StateOptions
from dapr.conf import settings

from support.daprd import Daprd, component
from support.processes import temporary_folder
from support.runner import shared, test


@shared
def sidecar():
    secrets = temporary_folder() / "secrets.json"
    secrets.write_text(json.dumps({"door": "sesame", "window": "glass"}))
    return Daprd("python", [
        component("store", "state.in-memory"), component("events", "pubsub.in-memory"),
        component("secrets", "secretstores.local.file", secretsFile=str(secrets))])


def client():
    # The SDK asks this port for the sidecar's health.
    settings.DAPR_HTTP_PORT = sidecar().http_port
    return DaprClient(f"127.0.0.1:{sidecar().grpc_port}")


def code_of(action):
    try:
        action()
    except grpc.RpcError as error:
        return error.code()
    return None


@test
def it_waits_for_the_sidecar_and_reads_its_metadata():
    with client() as dapr:
        dapr.wait(5)
        metadata = dapr.get_metadata()
        assert metadata.application_id == "python", metadata
        assert {one.name for one in metadata.registered_components} == {"store", "events", "secrets"}
        dapr.set_metadata("colour", "blue")
        assert dapr.get_metadata().extended_metadata["colour"] == "blue"


@test
def state_is_saved_read_and_deleted():
    with client() as dapr:
        dapr.save_state("store", "basket", json.dumps({"apples": 3}))
        found = dapr.get_state("store", "basket")
        assert found.json() == {"apples": 3} and found.etag, found.data
        dapr.delete_state("store", "basket")
        assert dapr.get_state("store", "basket").data == b""


@test
def a_stale_etag_is_aborted():
    first_write = StateOptions(concurrency=Concurrency.first_write)
    with client() as dapr:
        dapr.save_state("store", "contested", "1")
        etag = dapr.get_state("store", "contested").etag
        dapr.save_state("store", "contested", "2", etag=etag, options=first_write)
        stale = code_of(lambda: dapr.save_state("store", "contested", "3", etag=etag, options=first_write))
        assert stale == grpc.StatusCode.ABORTED, stale
        assert dapr.get_state("store", "contested").data == b"2"


@test
def a_transaction_and_a_bulk_read_agree():
    with client() as dapr:
        dapr.save_state("store", "old", "1")
        dapr.execute_state_transaction("store", [
            TransactionalStateOperation(key="new", data="2", operation_type=TransactionOperationType.upsert),
            TransactionalStateOperation(key="old", operation_type=TransactionOperationType.delete)])
        found = {item.key: item.data for item in dapr.get_bulk_state("store", ["new", "old"]).items}
        assert found["new"] == b"2" and not found["old"], found


@test
def an_unknown_store_is_an_error_with_its_code():
    with client() as dapr:
        assert code_of(lambda: dapr.get_state("nowhere", "key")) is not None


@test
def secrets_are_read_one_and_all():
    with client() as dapr:
        assert dapr.get_secret("secrets", "door").secret == {"door": "sesame"}
        every = dapr.get_bulk_secret("secrets").secrets
        assert every["window"] == {"window": "glass"}, every


@test
def events_are_published_one_and_many():
    with client() as dapr:
        dapr.publish_event("events", "orders", json.dumps({"order": 1}), data_content_type="application/json")
        reply = dapr.publish_events("events", "orders", ["1", "2"], data_content_type="application/json")
        assert not reply.failed_entries, reply.failed_entries


@test
def a_streaming_subscription_receives_what_is_published():
    with client() as dapr:
        subscription = dapr.subscribe("events", "streamed")
        try:
            # None is the SDK's word for "I have reconnected": it ends its stream itself when its
            # sending thread is ahead of the one that says that the stream is active.
            message = None
            while message is None:
                dapr.publish_event("events", "streamed", json.dumps({"order": 7}),
                                   data_content_type="application/json")
                message = subscription.next_message()
            assert message.data() == {"order": 7}, message.data()
            subscription.respond_success(message)
        finally:
            subscription.close()
