"""Counters that many raise at once with ETags, while what is between them and the disk is killed."""

import http.client
import random
import threading

from load import serves
from state_test import durable_redis, postgres_store, redis_store, sqlite
from support.daprd import Daprd
from support.processes import temporary_folder, wait_until
from support.runner import test
from support.servers import Postgres

KEY = "/v1.0/state/store/counter"


class Raisers:
    """Threads that read a number and write the next one, on condition that nobody did meanwhile."""

    def __init__(self, sidecars, threads=6):
        self.won, self.unknown = [], []  # The numbers whose write was acknowledged, or may have happened.
        self._sidecars, self._lock = sidecars, threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(index,), daemon=True) for index in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self, index):
        while not self._stopping.is_set():
            try:
                self._raise_once(self._sidecars[index % len(self._sidecars)])
            except (OSError, http.client.HTTPException):
                pass

    def _raise_once(self, sidecar):
        read = sidecar.get(KEY, seconds=10)
        if read.status != 200:
            return
        number = read.json + 1
        item = {"key": "counter", "value": number, "etag": read.headers["etag"],
                "options": {"concurrency": "first-write"}}
        status = None
        try:
            status = sidecar.post("/v1.0/state/store", json=[item], seconds=10).status
        finally:
            with self._lock:
                if status == 204:
                    self.won.append(number)
                elif status != 409:
                    self.unknown.append(number)

    def wait_for_more(self, more):
        target = len(self.won) + more
        wait_until(lambda: len(self.won) >= target, f"{more} more races won")

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)


def check(sidecar, raisers):
    """Each number has one winner at most, and what was acknowledged is still there."""
    twice = {number for number in raisers.won if raisers.won.count(number) > 1}
    assert not twice, f"two winners: {sorted(twice)[:5]}"
    last = sidecar.get(KEY).json
    assert last >= max(raisers.won), (last, max(raisers.won))
    unexplained = set(range(1, last + 1)) - set(raisers.won) - set(raisers.unknown)
    assert not unexplained, f"nobody wrote {sorted(unexplained)[:5]}"


def start(store, count=2):
    sidecars = [Daprd("racer", [store]) for _ in range(count)]
    assert sidecars[0].post("/v1.0/state/store", json=[{"key": "counter", "value": 0}]).status == 204
    return sidecars


def kill_the_server(server, again, store):
    sidecars = start(store)
    raisers = Raisers(sidecars)
    for _ in range(4):
        raisers.wait_for_more(random.randint(20, 100))
        server.kill()
        server = again(server)
        for sidecar in sidecars:
            wait_until(lambda sidecar=sidecar: serves(sidecar), "the store after its server came back")
    raisers.wait_for_more(20)
    raisers.stop()
    check(sidecars[0], raisers)


@test
def no_etag_race_has_two_winners_when_redis_is_killed():
    folder = temporary_folder()
    server = durable_redis(folder=folder)
    kill_the_server(server, lambda old: durable_redis(old.port, folder), redis_store(server))


@test
def no_etag_race_has_two_winners_when_postgresql_is_killed():
    for version in ("v1", "v2"):
        server = Postgres()
        kill_the_server(server, lambda old: Postgres(old.port, old.data), postgres_store(server, version))


@test
def no_etag_race_has_two_winners_when_a_sidecar_on_the_same_sqlite_file_is_killed():
    store = sqlite()
    sidecars = start(store, 3)
    raisers = Raisers(sidecars)
    for _ in range(4):
        raisers.wait_for_more(random.randint(20, 100))
        victim = sidecars[-1]
        victim.kill()
        ports = {"http": victim.http_port, "grpc": victim.grpc_port, "internal": victim.internal_port,
                 "metrics": victim.metrics_port}
        sidecars[-1] = Daprd("racer", [store], ports=ports)
    raisers.wait_for_more(20)
    raisers.stop()
    check(sidecars[0], raisers)
