"""A scheduler whose disk is full, stalls, or loses its folder: it says so, loses nothing, and recovers by itself."""

import shutil
import threading
import time

from bad_machine import BadMachine
from scheduler_test import Counting
from support import http
from support.daprd import Daprd
from support.processes import temporary_folder, wait_until
from support.runner import test
from support.scheduler import Scheduler

# Trouble is not told to who asks for health before it has lasted ten seconds.
SICK_SECONDS = 10
# What is answered by itself is answered within this time, on a machine that has much else to do.
PROMPT_SECONDS = 10
FAILS = "The store of jobs fails to be written"
WORKS = "The store of jobs works again to be written"


def world():
    """A scheduler on a bad machine with a job that recurs each second, its app and its sidecar."""
    folder = temporary_folder()
    machine = BadMachine(folder)
    scheduler = Scheduler(folder, env=machine.env)
    app = Counting()
    sidecar = Daprd("shop", app=app, flags=scheduler.flags())
    schedule(sidecar, "steady", {"schedule": "@every 1s"})
    wait_until(lambda: app.seen("steady") >= 1, "the first trigger")
    return machine, scheduler, app, sidecar


def schedule(sidecar, name, job, seconds=30):
    reply = sidecar.post(f"/v1.0/jobs/{name}", json=job, seconds=seconds)
    assert reply.status == 204, reply


def health(scheduler):
    return http.get(f"http://127.0.0.1:{scheduler.health_port}/healthz", seconds=60).status


def wait_for_health(scheduler, status):
    wait_until(lambda: health(scheduler) == status, f"health {status}")


def is_failing(scheduler):
    return "\ndapr_scheduler_store_failing 1\n" in scheduler.metrics()


def settled(app, name, count=1):
    """Each trigger came, and none a second time while this looks."""
    wait_until(lambda: app.seen(name) >= count, f"{count} of {name}")
    assert app.seen(name) == count, (name, app.seen(name))


@test
def a_full_disk_refuses_jobs_at_once_and_loses_none():
    machine, scheduler, app, sidecar = world()
    for number in range(20):
        schedule(sidecar, f"before{number}", {"dueTime": "3s"})
    machine.fill_disk()
    filled = time.monotonic()
    for number in range(20):
        begun = time.monotonic()
        reply = sidecar.post(f"/v1.0/jobs/refused{number}", json={"dueTime": "1s"}, seconds=20)
        assert reply.status == 429 and "full" in reply.text, reply  # RESOURCE_EXHAUSTED
        assert time.monotonic() - begun < PROMPT_SECONDS
    # What can be read is read, and what is due is triggered.
    assert sidecar.get("/v1.0/jobs/steady").status == 200
    for number in range(20):
        settled(app, f"before{number}")
    wait_for_health(scheduler, 503)
    assert time.monotonic() - filled >= SICK_SECONDS, "not for a moment's trouble"
    assert is_failing(scheduler) and machine.refused() > 0
    assert FAILS in scheduler.output() and WORKS not in scheduler.output()
    machine.empty_disk()
    wait_for_health(scheduler, 200)
    wait_until(lambda: WORKS in scheduler.output(), "the end of trouble in the log")
    assert not is_failing(scheduler)
    # The interval goes on, what was answered is written, and what was refused was not kept.
    before = app.seen("steady")
    wait_until(lambda: app.seen("steady") >= before + 2, "the job that recurs")
    schedule(sidecar, "after", {"dueTime": "0s"})
    settled(app, "after")
    for number in range(20):
        wait_until(lambda number=number: sidecar.get(f"/v1.0/jobs/before{number}").status != 200, "its end")
        assert app.seen(f"before{number}") == 1 and app.seen(f"refused{number}") == 0


@test
def jobs_from_before_and_after_a_full_disk_survive_a_kill():
    machine, scheduler, app, sidecar = world()
    for number in range(20):
        schedule(sidecar, f"before{number}", {"dueTime": "1h"})
    machine.fill_disk()
    assert sidecar.post("/v1.0/jobs/refused", json={"dueTime": "1h"}, seconds=20).status == 429
    scheduler.kill()
    machine.empty_disk()
    scheduler = Scheduler(scheduler.folder, port=scheduler.port, env=machine.env)
    wait_until(lambda: sidecar.get("/v1.0/jobs/before0").status == 200, "the scheduler's next life")
    for number in range(20):
        assert sidecar.get(f"/v1.0/jobs/before{number}").status == 200
    assert sidecar.get("/v1.0/jobs/refused").status != 200
    before = app.seen("steady")
    wait_until(lambda: app.seen("steady") > before, "the job that recurs")


@test
def a_stalled_disk_freezes_nothing_but_what_must_be_written():
    machine, scheduler, app, sidecar = world()
    for number in range(20):
        schedule(sidecar, f"before{number}", {"dueTime": "2s"})
    machine.stall_disk()
    replies = {}

    def write(name, seconds):
        try:
            replies[name] = sidecar.post(f"/v1.0/jobs/{name}", json={"dueTime": "1s"}, seconds=seconds).status
        except TimeoutError:
            replies[name] = "given up"

    impatient = threading.Thread(target=write, args=("impatient", 2), daemon=True)
    impatient.start()
    wait_until(machine.waiting, "a write that waits")
    impatient.join()
    assert replies == {"impatient": "given up"}, replies
    begun = time.monotonic()
    while health(scheduler) == 200:
        for ask in (scheduler.metrics, lambda: sidecar.get("/v1.0/jobs/steady")):
            asked = time.monotonic()
            ask()
            assert time.monotonic() - asked < PROMPT_SECONDS, "everything else goes on"
        assert time.monotonic() - begun < 60, "never sick"
    assert health(scheduler) == 503 and is_failing(scheduler) and FAILS in scheduler.output()
    for number in range(20):
        settled(app, f"before{number}")
    patient = [threading.Thread(target=write, args=(f"patient{number}", 60), daemon=True) for number in range(10)]
    for one in patient:
        one.start()
    machine.release_disk()
    for one in patient:
        one.join()
    wait_for_health(scheduler, 200)
    wait_until(lambda: WORKS in scheduler.output() and not is_failing(scheduler), "the end of trouble")
    # What was acknowledged comes, once; so may what nobody heard the answer of.
    for number in range(10):
        assert replies[f"patient{number}"] == 204, replies
        settled(app, f"patient{number}")
    before = app.seen("steady")
    wait_until(lambda: app.seen("steady") >= before + 2, "the job that recurs")
    for number in range(20):
        assert app.seen(f"before{number}") == 1


@test
def a_folder_that_is_removed_takes_no_more_jobs():
    _, scheduler, app, sidecar = world()
    aside = scheduler.folder.with_name(scheduler.folder.name + "-aside")
    scheduler.folder.rename(aside)
    try:
        reply = wait_until(lambda: refusal(sidecar), "a refusal")
        assert reply.status == 400 and "was removed or replaced" in reply.text, reply  # FAILED_PRECONDITION
        wait_for_health(scheduler, 503)
        assert is_failing(scheduler) and FAILS in scheduler.output()
        # An empty folder in its place is not it.
        scheduler.folder.mkdir()
        assert refusal(sidecar)
        scheduler.folder.rmdir()
        aside.rename(scheduler.folder)
        wait_for_health(scheduler, 200)
        schedule(sidecar, "back", {"dueTime": "0s"})
        settled(app, "back")
        before = app.seen("steady")
        wait_until(lambda: app.seen("steady") > before, "the job that recurs")
        # And for good.
        shutil.rmtree(scheduler.folder)
        wait_until(lambda: refusal(sidecar), "a refusal again")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def refusal(sidecar):
    reply = sidecar.post("/v1.0/jobs/refused", json={"dueTime": "1h"}, seconds=20)
    return reply if reply.status != 204 else None
