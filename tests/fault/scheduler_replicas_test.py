"""Three schedulers that share their jobs in etcd or in PostgreSQL, and die."""

import base64
import collections
import json
import threading

from support.app import App
from support.daprd import Daprd
from support.ports import free_port
from support.processes import wait_until
from support.runner import shared, test
from support.scheduler import Scheduler
from support.servers import Etcd, Postgres

etcd, postgres = shared(Etcd), shared(Postgres)

ENGINES = {
    "etcd": lambda: ["--etcd-embed=false", "--etcd-client-endpoints", etcd().endpoint],
    "postgresql": lambda: ["--postgres-connection-string", postgres().connection_string],
}
JOBS = 60


class Counting(App):
    """How often each job has come."""

    def __init__(self):
        super().__init__()
        self.counts = collections.Counter()
        self.lock = threading.Lock()
        for number in range(JOBS):
            self.on(f"/job/j{number}", self.came)

    def came(self, request):
        with self.lock:
            self.counts[request.path.rsplit("/", 1)[1]] += 1
        return 200

    def least(self):
        with self.lock:
            return min(self.counts[f"j{number}"] for number in range(JOBS))


class Slow(App):
    """An application that answers a round's jobs when it is told to, and counts them."""

    def __init__(self, names):
        super().__init__()
        self.counts = collections.Counter()
        self.lock = threading.Lock()
        self.go_on = threading.Event()
        for name in names:
            self.on(f"/job/{name}", self.came)

    def came(self, request):
        with self.lock:
            self.counts[request.path.rsplit("/", 1)[1]] += 1
        self.go_on.wait()
        return 200

    def all_came(self, names):
        with self.lock:
            return all(self.counts[name] for name in names)


def replica(engine, number, **more):
    return Scheduler(flags=[*ENGINES[engine](), "--id", f"scheduler-{number}"], **more)


def replicas(engine):
    three = [replica(engine, number) for number in range(3)]
    for one in three:
        wait_until(lambda one=one: f"of {len(three)} of the jobs" in one.output(), "the shares of three")
    return three


def each_job_survives(engine):
    three = replicas(engine)
    app = Counting()
    sidecar = Daprd("shop", app=app, flags=["--scheduler-host-address", ",".join(one.address for one in three)])
    for number in range(JOBS):
        reply = sidecar.post(f"/v1.0/jobs/j{number}", json={"schedule": "@every 1s"})
        assert reply.status == 204, reply
    wait_until(lambda: app.least() >= 1, "each job once")
    three[0].kill()
    # Its jobs go to the others when its lease has run out.
    wait_until(lambda: all("of 2 of the jobs" in one.output() for one in three[1:]), "the shares of two")
    before = app.least()
    wait_until(lambda: app.least() >= before + 2, "each job, from two")
    back = replica(engine, 0, port=three[0].port)
    wait_until(lambda: "of 3 of the jobs" in back.output(), "a share for the third again")
    before = app.least()
    wait_until(lambda: app.least() >= before + 2, "each job, from three again")
    for number in range(JOBS):
        assert sidecar.delete(f"/v1.0/jobs/j{number}").status == 204
    return three[1:] + [back]


def each_job_of_one_time_comes_once(engine):
    three = replicas(engine)
    app = Counting()
    sidecar = Daprd("shop", app=app, flags=["--scheduler-host-address", ",".join(one.address for one in three)])
    for number in range(JOBS):
        assert sidecar.post(f"/v1.0/jobs/j{number}", json={"dueTime": "1s"}).status == 204
    wait_until(lambda: app.least() >= 1, "each job")
    wait_until(lambda: all(sidecar.get(f"/v1.0/jobs/j{number}").status == 500 for number in range(JOBS)),
               "the end of all jobs")
    assert set(app.counts.values()) == {1}, app.counts


WAITS = "waiting for triggers that sidecars are at work on"


def begin_all(app, sidecar, names):
    """All of them are at the application, which works on them."""
    app.go_on.clear()
    for name in names:
        assert sidecar.post(f"/v1.0/jobs/{name}", json={"dueTime": "0s"}).status == 204
    wait_until(lambda: app.all_came(names), "all jobs in flight")


def what_is_in_flight_is_waited_for(engine):
    two = [replica(engine, number) for number in range(2)]
    for one in two:
        wait_until(lambda one=one: "of 2 of the jobs" in one.output(), "the shares of two")
    rounds = [[f"r{number}-{job}" for job in range(12)] for number in range(2)]
    app = Slow(rounds[0] + rounds[1])
    third_port = free_port()
    addresses = ",".join([one.address for one in two] + [f"127.0.0.1:{third_port}"])
    sidecar = Daprd("shop", app=app, flags=["--scheduler-host-address", addresses])

    begin_all(app, sidecar, rounds[0])
    third = replica(engine, 2, port=third_port)
    wait_until(lambda: any(WAITS in one.output() for one in two), "a share that ends while jobs are in flight")
    app.go_on.set()
    for one in [*two, third]:
        wait_until(lambda one=one: "of 3 of the jobs" in one.output(), "the shares of three")

    begin_all(app, sidecar, rounds[1])
    ended = threading.Thread(target=third.stop)
    ended.start()
    wait_until(lambda: WAITS in third.output(), "an end while jobs are in flight")
    app.go_on.set()
    ended.join()
    for one in two:
        wait_until(lambda one=one: one.output().count("of 2 of the jobs") >= 2, "the shares of two again")

    names = rounds[0] + rounds[1]
    wait_until(lambda: all(sidecar.get(f"/v1.0/jobs/{name}").status == 500 for name in names), "the end of all jobs")
    assert app.counts == dict.fromkeys(names, 1), app.counts
    assert not any("they may repeat" in one.output() for one in [*two, third])


def partitions_in_etcd(names):
    """Of each job, as its record says: the first field of it."""
    found = {}
    for item in json.loads(etcd().control("get", "--prefix", "dapr/jobs/app||default||shop||", "-w", "json"))["kvs"]:
        name = base64.b64decode(item["key"]).decode().rsplit("||", 1)[1]
        record = base64.b64decode(item["value"])
        assert record[0] == 8, record
        number = shift = 0
        for byte in record[1:]:
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        found[name] = number & (2**64 - 1)
    return {name: found[name] for name in names}


def partitions_in_postgresql(names):
    rows = postgres().query("SELECT convert_from(name, 'UTF8'), part FROM outrigger_scheduler_job").splitlines()
    found = {row.rsplit("|", 1)[0].rsplit("||", 1)[1]: int(row.rsplit("|", 1)[1]) for row in rows if "||" in row}
    return {name: found[name] for name in names}


PARTITIONS = {"etcd": partitions_in_etcd, "postgresql": partitions_in_postgresql}


def wait_for_shares(schedulers, before, count):
    """Each has had one more share since `before`, of so many."""
    for one, times in zip(schedulers, before):
        wait_until(lambda one=one, times=times: one.output().count(f"of {count} of the jobs") > times,
                   f"the shares of {count}")


def shares_so_far(schedulers, count):
    return [one.output().count(f"of {count} of the jobs") for one in schedulers]


def what_takes_long_is_not_repeated_where_it_stays(engine):
    """More than a drain waits for: what another replica gets comes again, and nothing else."""
    two = [replica(engine, number) for number in range(2)]
    wait_for_shares(two, [0, 0], 2)
    rounds = [[f"long{number}-{job}" for job in range(24)] for number in range(2)]
    app = Slow(rounds[0] + rounds[1])
    third_port = free_port()
    addresses = ",".join([one.address for one in two] + [f"127.0.0.1:{third_port}"])
    sidecar = Daprd("shop", app=app, flags=["--scheduler-host-address", addresses])

    def end_round(names, stays):
        moved = [name for name in names if name not in stays]
        wait_until(lambda: all(app.counts[name] >= 2 for name in moved), "what has moved, again")
        app.go_on.set()
        wait_until(lambda: all(sidecar.get(f"/v1.0/jobs/{name}").status == 500 for name in names),
                   "the end of all jobs")
        wanted = {name: 1 if name in stays else 2 for name in names}
        assert {name: app.counts[name] for name in names} == wanted, (app.counts, stays)

    def in_flight(names):
        """Those jobs that are with one of the two before and after."""
        begin_all(app, sidecar, names)
        numbers = PARTITIONS[engine](names)
        return {name for name in names if numbers[name] % 2 == numbers[name] % 3}

    stays = in_flight(rounds[0])
    third = replica(engine, 2, port=third_port)
    wait_for_shares([*two, third], [0, 0, 0], 3)
    end_round(rounds[0], stays)

    before = shares_so_far(two, 2)
    stays = in_flight(rounds[1])
    third.stop()
    wait_for_shares(two, before, 2)
    end_round(rounds[1], stays)


@test
def triggers_that_take_long_are_not_repeated_where_their_jobs_stay_on_etcd():
    what_takes_long_is_not_repeated_where_it_stays("etcd")


@test
def triggers_that_take_long_are_not_repeated_where_their_jobs_stay_on_postgresql():
    what_takes_long_is_not_repeated_where_it_stays("postgresql")


@test
def triggers_in_flight_come_once_when_replicas_on_etcd_come_and_go():
    what_is_in_flight_is_waited_for("etcd")


@test
def triggers_in_flight_come_once_when_replicas_on_postgresql_come_and_go():
    what_is_in_flight_is_waited_for("postgresql")


@test
def a_share_on_etcd_that_begins_again_as_it_was_takes_no_writing_of_before():
    own = Etcd()
    one = Scheduler(flags=["--etcd-embed=false", "--etcd-client-endpoints", own.endpoint, "--id", "only"])
    app = Slow(["held"])
    sidecar = Daprd("shop", app=app, flags=one.flags())
    begin_all(app, sidecar, ["held"])

    def revisions():
        """What a writing of a term can ask for: the keys of this replica as they are."""
        items = json.loads(own.control("get", "--prefix", "dapr/", "-w", "json"))["kvs"]
        found = {base64.b64decode(item["key"]).decode(): item["mod_revision"] for item in items}
        return {key: revision for key, revision in found.items() if key.endswith("/only")}

    before = revisions()
    # Comes and goes while the share is about to end, for a trigger is in flight.
    own.control("put", "dapr/leadership/other", "")
    wait_until(lambda: WAITS in one.output(), "the end of the share")
    own.control("del", "dapr/leadership/other")
    app.go_on.set()
    wait_until(lambda: one.output().count("of 1 of the jobs") == 2, "a share again")
    wait_until(lambda: revisions() != before, "another token")
    wait_until(lambda: sidecar.get("/v1.0/jobs/held").status == 500, "the end of the job")


@test
def jobs_in_etcd_survive_the_death_of_a_replica():
    each_job_survives("etcd")


@test
def jobs_in_postgresql_survive_the_death_of_a_replica():
    each_job_survives("postgresql")


@test
def no_replica_triggers_what_another_has_in_etcd():
    each_job_of_one_time_comes_once("etcd")


@test
def no_replica_triggers_what_another_has_in_postgresql():
    each_job_of_one_time_comes_once("postgresql")


@test
def an_etcd_that_dies_and_returns_is_waited_for():
    own = Etcd()
    one = Scheduler(flags=["--etcd-embed=false", "--etcd-client-endpoints", own.endpoint])
    app = App().on("/job/lasting", 200)
    sidecar = Daprd("shop", app=app, flags=one.flags())
    assert sidecar.post("/v1.0/jobs/lasting", json={"schedule": "@every 1s"}).status == 204
    app.wait_for("/job/lasting")
    own.kill()
    wait_until(lambda: "gives its share of the jobs up" in one.output(), "the loss of the share")
    refused = sidecar.post("/v1.0/jobs/lost", json={"schedule": "@every 1h"})
    assert refused.status == 503, refused
    before = len(app.received("/job/lasting"))
    Etcd(port=own.port, data=own.data)
    app.wait_for("/job/lasting", before + 2)
    assert one.exit_status is None
    records = own.control("get", "--prefix", "dapr/jobs/", "--keys-only")
    assert "dapr/jobs/app||default||shop||lasting" in records, records
    counters = own.control("get", "--prefix", "dapr/counters/", "-w", "json")
    assert json.loads(counters)["count"] == 1, counters
