"""Redis as a cluster and under a sentinel: slots that move and masters that die."""

import signal
import threading

from load import Writers, lost, publisher, serves, state_writer
from pubsub_test import Receiver
from support.daprd import Daprd, component
from support.processes import wait_until
from support.runner import test
from support.servers import RedisCluster, RedisSentinel


def cluster_store(cluster):
    return component("store", "state.redis", redisHost=cluster.addresses, redisType="cluster")


def sentinel_fields(sentinel):
    return {"redisHost": sentinel.address, "failover": "true", "sentinelMasterName": sentinel.master_name,
            "redisMaxRetries": 20}


def node_ids(cluster):
    return [node.command("CLUSTER", "MYID") for node in cluster.nodes]


def move_slot(cluster, slot, source, target):
    """As resharding does it, key by key, while clients go on."""
    ids = node_ids(cluster)
    cluster.nodes[target].command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    cluster.nodes[source].command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    while keys := cluster.nodes[source].command("CLUSTER", "GETKEYSINSLOT", slot, 10).split():
        cluster.nodes[source].command("MIGRATE", "127.0.0.1", cluster.nodes[target].port, "", 0, 2000,
                                      "KEYS", *keys)
    for index in (target, source):
        cluster.nodes[index].command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])


@test
def slots_that_move_under_load_lose_no_write_and_fail_none():
    cluster = RedisCluster()
    sidecar = Daprd("store", [cluster_store(cluster)])
    failures = []
    write = state_writer(sidecar)

    def checked(number):
        done = write(number)
        if not done:
            failures.append(number)
        return done

    writers = Writers(checked)
    writers.wait_for_more(100)
    for number in range(40):
        slot = int(cluster.nodes[0].command("CLUSTER", "KEYSLOT", f"store||k{number}"))
        holders = [int(node.command("CLUSTER", "COUNTKEYSINSLOT", slot)) for node in cluster.nodes]
        source = holders.index(max(holders))
        move_slot(cluster, slot, source, (source + 1) % 3)
    writers.wait_for_more(100)
    acknowledged = writers.stop()
    missing = lost(sidecar, acknowledged)
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged writes are lost: {missing[:5]}"
    assert not failures, f"{len(failures)} writes failed: {failures[:5]}"


@test
def a_server_of_a_cluster_that_pauses_is_waited_for():
    cluster = RedisCluster()
    sidecar = Daprd("store", [cluster_store(cluster)])
    writers = Writers(state_writer(sidecar))
    writers.wait_for_more(100)
    # Too short to be thought dead by the others.
    paused = cluster.nodes[1]
    paused.signal(signal.SIGSTOP)
    threading.Timer(1.5, paused.signal, [signal.SIGCONT]).start()
    writers.wait_for_more(100)
    acknowledged = writers.stop()
    assert not lost(sidecar, acknowledged)


@test
def a_master_that_dies_is_followed_by_its_replica():
    sentinel = RedisSentinel()
    sidecar = Daprd("store", [component("store", "state.redis", **sentinel_fields(sentinel))])
    writers = Writers(state_writer(sidecar))
    writers.wait_for_more(100)
    # Redis replicates after it acknowledges: what the replica has is what can be kept.
    before = writers.count()
    wait_until(lambda: int(sentinel.replica.command("DBSIZE") or 0) >= before, "replication")
    kept = writers.acknowledged[:before // 2]
    sentinel.master.kill()
    wait_until(lambda: serves(sidecar), "the new master")
    writers.wait_for_more(100)
    writers.stop()
    assert sentinel.replica.command("ROLE").startswith("master")
    assert not lost(sidecar, kept)


@test
def subscriptions_follow_the_master_too():
    sentinel = RedisSentinel()
    broker = component("events", "pubsub.redis", processingTimeout=2000, redeliverInterval=1000,
                       **sentinel_fields(sentinel))
    app = Receiver()
    Daprd("receiver", [broker], app=app)
    sender = Daprd("sender", [broker])
    writers = Writers(publisher(sender), threads=2)
    writers.wait_for_more(50)
    sentinel.master.kill()
    wait_until(lambda: "master" in sentinel.replica.command("ROLE"), "the new master")
    writers.wait_for_more(100)
    writers.stop()
    # Those of before the failover may not have been replicated; those of after it must come.
    app.wait_for_all(writers.acknowledged[-50:])
