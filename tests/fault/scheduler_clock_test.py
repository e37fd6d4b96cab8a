"""The wall clock of a scheduler is set an hour forward and back: nothing is left out, nothing stands still."""

import datetime

from bad_machine import BadMachine
from scheduler_disk_test import health, schedule, settled
from scheduler_test import Counting
from support.daprd import Daprd
from support.processes import temporary_folder, wait_until
from support.runner import test
from support.scheduler import Scheduler

HOUR = 3600


def world():
    folder = temporary_folder()
    machine = BadMachine(folder)
    scheduler = Scheduler(folder, env=machine.env)
    app = Counting()
    return machine, scheduler, app, Daprd("shop", app=app, flags=scheduler.flags())


def jumps(scheduler):
    return scheduler.output().count("The clock was set")


def set_clock(machine, scheduler, seconds_ahead):
    before = jumps(scheduler)
    machine.set_clock(seconds_ahead)
    wait_until(lambda: jumps(scheduler) > before, "the log to tell of the clock")


def at(seconds_from_now):
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds_from_now)
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")


@test
def a_clock_that_is_set_forward_makes_due_what_is_due_by_it():
    machine, scheduler, app, sidecar = world()
    schedule(sidecar, "steady", {"schedule": "@every 1s"})
    for number in range(20):
        schedule(sidecar, f"soon{number}", {"dueTime": "30m"})
    schedule(sidecar, "late", {"dueTime": "90m"})
    schedule(sidecar, "quarters", {"schedule": "@every 15m"})
    wait_until(lambda: app.seen("steady") >= 1, "the first trigger")
    before = app.seen("steady")
    set_clock(machine, scheduler, HOUR)
    for number in range(20):
        settled(app, f"soon{number}")
    # What was missed is made up for, one after the other.
    settled(app, "quarters", 4)
    wait_until(lambda: app.seen("steady") >= before + 100, "what the job of each second has missed")
    schedule(sidecar, "new", {"dueTime": "1s"})
    settled(app, "new")
    assert app.seen("late") == 0
    assert health(scheduler) == 200
    set_clock(machine, scheduler, 2 * HOUR)
    settled(app, "late")


@test
def a_clock_that_is_set_back_stops_no_interval():
    machine, scheduler, app, sidecar = world()
    schedule(sidecar, "steady", {"schedule": "@every 1s"})
    schedule(sidecar, "calendar", {"dueTime": at(2)})
    wait_until(lambda: app.seen("steady") >= 1, "the first trigger")
    set_clock(machine, scheduler, -HOUR)
    before = app.seen("steady")
    wait_until(lambda: app.seen("steady") >= before + 3, "three more seconds", 30)
    schedule(sidecar, "new", {"dueTime": "1s"})
    settled(app, "new")
    assert health(scheduler) == 200
    # It waits until the clock shows its time, and no longer. The clock may have been set too late.
    assert app.seen("calendar") <= 1
    set_clock(machine, scheduler, 0)
    settled(app, "calendar")
    # A life that begins while the clock is behind.
    schedule(sidecar, "kept", {"schedule": "@every 1s"})
    wait_until(lambda: app.seen("kept") >= 1, "its first trigger")
    scheduler.kill()
    machine.set_clock(-HOUR)
    scheduler = Scheduler(scheduler.folder, port=scheduler.port, env=machine.env)
    before = app.seen("kept"), app.seen("steady")
    wait_until(lambda: app.seen("kept") >= before[0] + 2 and app.seen("steady") >= before[1] + 2,
               "intervals in the next life", 30)
