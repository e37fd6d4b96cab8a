"""An etcd or a PostgreSQL that hangs for longer than the leases: the scheduler stands down, says so, and comes back."""

import os
import signal

from scheduler_disk_test import WORKS, health, is_failing, schedule, wait_for_health
from scheduler_test import Counting
from support.daprd import Daprd
from support.processes import PATIENCE, wait_until
from support.runner import test
from support.scheduler import Scheduler
from support.servers import Etcd, Postgres

JOBS = 20
GIVES_UP = "gives its share of the jobs up"
HAS_SHARE = "This replica has share"


class Careful(Counting):
    """Notes a trigger that comes while another one of the same job is still being answered."""

    def __init__(self):
        super().__init__()
        self.under_way, self.twice = set(), []

    def answer(self, request):
        name = request.path
        with self.lock:
            if name in self.under_way:
                self.twice.append(name)
            self.under_way.add(name)
        try:
            return super().answer(request)
        finally:
            with self.lock:
                self.under_way.discard(name)


def send(server, number):
    for pid in (server.pid, *server.children()):
        os.kill(pid, number)


def hangs_and_comes_back(server, flags):
    scheduler = Scheduler(flags=flags)
    app = Careful()
    sidecar = Daprd("shop", app=app, flags=scheduler.flags())
    for number in range(JOBS):
        schedule(sidecar, f"steady{number}", {"schedule": "@every 1s"})
        schedule(sidecar, f"once{number}", {"dueTime": "6s"})
    wait_until(lambda: all(app.seen(f"steady{number}") for number in range(JOBS)), "the first triggers")
    send(server, signal.SIGSTOP)
    try:
        # It is told that it failed while the server still hangs.
        reply = sidecar.post("/v1.0/jobs/refused", json={"dueTime": "1h"}, seconds=PATIENCE)
        assert reply.status in (503, 504), reply
        wait_until(lambda: GIVES_UP in scheduler.output(), "the end of the share")
        wait_until(lambda: health(scheduler) == 503 and is_failing(scheduler), "to be unwell")
        # Nothing is sent without a share.
        before = [app.seen(f"steady{number}") for number in range(JOBS)]
        assert sidecar.get("/v1.0/healthz").status == 204
    finally:
        send(server, signal.SIGCONT)
    wait_until(lambda: HAS_SHARE in scheduler.output().split(GIVES_UP)[-1], "a share again")
    wait_for_health(scheduler, 200)
    wait_until(lambda: WORKS in scheduler.output() and not is_failing(scheduler), "the end of trouble")
    for number in range(JOBS):
        wait_until(lambda number=number: app.seen(f"steady{number}") >= before[number] + 2, "the jobs that recur")
        wait_until(lambda number=number: app.seen(f"once{number}") >= 1, "the jobs of one time")
        wait_until(lambda number=number: sidecar.get(f"/v1.0/jobs/once{number}").status != 200, "their end")
    assert not app.twice, app.twice
    assert scheduler.exit_status is None
    # What was refused may have been done; nobody was told that it was.
    schedule(sidecar, "new", {"dueTime": "0s"})
    wait_until(lambda: app.seen("new") == 1, "a new job")


def connections_to(server):
    """The server's processes for its clients, if none of them is at work."""
    rows = server.query("SELECT pid, state FROM pg_stat_activity WHERE backend_type = 'client backend' "
                        "AND pid <> pg_backend_pid()").splitlines()
    return [int(row.split("|")[0]) for row in rows] if all(row.endswith("|idle") for row in rows) else []


def stop_connections(server):
    """All that there are now hang from here on; new ones do not."""
    while True:
        pids = wait_until(lambda: connections_to(server), "connections that are idle")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        if connections_to(server):  # Still idle: none holds a lock.
            return pids
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@test
def connections_to_postgresql_that_hang_longer_than_a_lease_do_not_cost_the_share():
    server = Postgres()
    scheduler = Scheduler(flags=["--postgres-connection-string", server.connection_string])
    wait_until(lambda: HAS_SHARE in scheduler.output(), "a share")

    def place():
        round_, expires = server.query("SELECT round, extract(epoch FROM expires) "
                                       "FROM outrigger_scheduler_replica").split("|")
        return int(round_), float(expires)

    pids = stop_connections(server)
    try:
        began, expired = place()
        wait_until(lambda: place()[1] > expired + 11, "a place that was renewed for longer than a lease")
        assert place()[0] == began and GIVES_UP not in scheduler.output(), scheduler.output()
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@test
def an_etcd_that_hangs_longer_than_a_lease():
    server = Etcd()
    hangs_and_comes_back(server, ["--etcd-embed=false", "--etcd-client-endpoints", server.endpoint])


@test
def a_postgresql_that_hangs_longer_than_a_lease():
    server = Postgres()
    hangs_and_comes_back(server, ["--postgres-connection-string", server.connection_string])
