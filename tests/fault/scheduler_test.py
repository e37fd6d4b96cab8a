"""A scheduler that dies loses no job that was acknowledged, and goes on where it was."""

import collections
import random
import threading

from load import Writers
from support.app import App
from support.daprd import Daprd
from support.processes import temporary_folder, wait_until
from support.runner import test
from support.scheduler import Scheduler


class Counting(App):
    """How often each job has come."""

    def __init__(self):
        super().__init__()
        self.counts = collections.Counter()
        self.lock = threading.Lock()

    def answer(self, request):
        if not request.path.startswith("/job/"):
            return super().answer(request)
        with self.lock:
            self.counts[request.path.removeprefix("/job/")] += 1
        return 200, b"", {}

    def seen(self, name):
        with self.lock:
            return self.counts[name]


def scheduling(sidecar, job):
    def write(number):
        return sidecar.post(f"/v1.0/jobs/j{number}", json=job, seconds=5).status == 204

    return write


def killed_under_load(job, folder):
    """Schedules jobs while the scheduler is killed again and again; the app, and what was acknowledged."""
    app = Counting()
    scheduler = Scheduler(folder)
    sidecar = Daprd("shop", app=app, flags=scheduler.flags())
    writers = Writers(scheduling(sidecar, job))
    for _ in range(4):
        writers.wait_for_more(random.randint(20, 150))
        scheduler.kill()
        scheduler = Scheduler(folder, port=scheduler.port)
    writers.wait_for_more(20)
    return app, sidecar, writers.stop()


@test
def a_killed_scheduler_loses_no_acknowledged_job():
    app, sidecar, acknowledged = killed_under_load({"dueTime": "2s"}, temporary_folder())
    wait_until(lambda: all(app.seen(f"j{number}") for number in acknowledged), "each acknowledged job")
    assert len(acknowledged) > 100, len(acknowledged)
    # Those of one time are gone afterwards.
    wait_until(lambda: all(sidecar.get(f"/v1.0/jobs/j{number}").status != 200 for number in acknowledged[:50]),
               "the end of jobs that were due once")


@test
def a_killed_scheduler_goes_on_with_jobs_that_recur():
    app, _, acknowledged = killed_under_load({"schedule": "@every 1s"}, temporary_folder())
    before = {number: app.seen(f"j{number}") for number in acknowledged}
    wait_until(lambda: all(app.seen(f"j{number}") >= before[number] + 2 for number in acknowledged),
               "each acknowledged job twice more")


@test
def jobs_that_nobody_takes_survive_the_scheduler_and_come_when_somebody_does():
    folder = temporary_folder()
    scheduler = Scheduler(folder)
    # Without an application nothing is taken.
    sidecar = Daprd("shop", flags=scheduler.flags())
    for number in range(50):
        assert sidecar.post(f"/v1.0/jobs/j{number}", json={"dueTime": "0s"}).status == 204
    scheduler.kill()
    scheduler = Scheduler(folder, port=scheduler.port)
    sidecar.stop()
    app = Counting()
    Daprd("shop", app=app, flags=scheduler.flags())
    wait_until(lambda: all(app.seen(f"j{number}") for number in range(50)), "the jobs that waited")
