"""Acknowledged writes survive the death of the sidecar and of the server behind the store."""

import random
import threading

from load import Writers, lost, serves, state_writer
from support.daprd import Daprd, component
from support.processes import temporary_folder, wait_until
from support.runner import test
from support.servers import Postgres, Redis


def sqlite():
    return component("store", "state.sqlite", connectionString=str(temporary_folder() / "state.db"))


def redis_store(server):
    return component("store", "state.redis", redisHost=server.address)


def postgres_store(server, version):
    return component("store", "state.postgresql", version, connectionString=server.connection_string)


def durable_redis(port=None, folder=None):
    """Every write is on the disk before it is acknowledged."""
    return Redis(port=port, appendonly="yes", appendfsync="always", dir=folder or temporary_folder())


def kill_the_sidecar_under_load(store):
    sidecar = Daprd("store", [store])
    ports = {"http": sidecar.http_port, "grpc": sidecar.grpc_port, "internal": sidecar.internal_port,
             "metrics": sidecar.metrics_port}
    writers = Writers(state_writer(sidecar))
    for _ in range(3):
        writers.wait_for_more(random.randint(50, 300))
        sidecar.kill()
        sidecar = Daprd("store", [store], ports=ports)
    writers.wait_for_more(50)
    acknowledged = writers.stop()
    missing = lost(sidecar, acknowledged)
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged writes are lost: {missing[:5]}"


@test
def a_killed_sidecar_loses_no_acknowledged_write_of_sqlite():
    kill_the_sidecar_under_load(sqlite())


@test
def a_killed_sidecar_loses_no_acknowledged_write_of_redis():
    kill_the_sidecar_under_load(redis_store(Redis()))


@test
def a_killed_sidecar_loses_no_acknowledged_write_of_postgresql():
    kill_the_sidecar_under_load(postgres_store(Postgres(), "v2"))


def kill_the_server_under_load(server, store, again):
    sidecar = Daprd("store", [store])
    writers = Writers(state_writer(sidecar))
    for _ in range(3):
        writers.wait_for_more(random.randint(50, 300))
        server.kill()
        server = again()
        wait_until(lambda: serves(sidecar), "the store after its server came back")
    writers.wait_for_more(50)
    acknowledged = writers.stop()
    missing = lost(sidecar, acknowledged)
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged writes are lost: {missing[:5]}"


@test
def a_killed_redis_loses_no_acknowledged_write_and_comes_back():
    folder = temporary_folder()
    server = durable_redis(folder=folder)
    kill_the_server_under_load(server, redis_store(server), lambda: durable_redis(server.port, folder))


@test
def a_killed_postgresql_loses_no_acknowledged_write_and_comes_back():
    server = Postgres()
    kill_the_server_under_load(server, postgres_store(server, "v1"),
                               lambda: Postgres(server.port, server.data))


def winners_of_a_race(sidecars, key):
    """How many of many writers with one and the same ETag were told that they won."""
    sidecars[0].post("/v1.0/state/store", json=[{"key": key, "value": "start"}])
    etag = sidecars[0].get(f"/v1.0/state/store/{key}").headers["etag"]
    outcomes, barrier = [], threading.Barrier(8)

    def write(number):
        item = {"key": key, "value": number, "etag": etag, "options": {"concurrency": "first-write"}}
        barrier.wait()
        reply = sidecars[number % len(sidecars)].post("/v1.0/state/store", json=[item], seconds=30)
        outcomes.append((reply.status, number))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [number for status, number in outcomes if status == 204]
    assert set(status for status, _ in outcomes) <= {204, 409}, outcomes
    if len(won) == 1:
        assert sidecars[0].get(f"/v1.0/state/store/{key}").json == won[0]
    return len(won)


def race(store, sidecars=2):
    running = [Daprd("racer", [store]) for _ in range(sidecars)]
    for number in range(25):
        count = winners_of_a_race(running, f"race{number}")
        assert count == 1, f"round {number} has {count} winners"


@test
def an_etag_race_has_one_winner_in_memory():
    race(component("store", "state.in-memory"), sidecars=1)


@test
def an_etag_race_has_one_winner_in_sqlite_across_two_sidecars():
    race(sqlite())


@test
def an_etag_race_has_one_winner_in_redis_across_two_sidecars():
    race(redis_store(Redis()))


@test
def an_etag_race_has_one_winner_in_postgresql_across_two_sidecars():
    race(postgres_store(Postgres(), "v1"))
