"""Processes that tests start: with a log of their own, waited for, and stopped by their id."""

import atexit
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

# How long to wait for what must come, on a slow machine that others use too. Only a failure lasts
# so long, so there is no reason to be tight; what a test says about time it measures.
PATIENCE = 90.0
# A sanitizer's program takes so many times the memory; what tests say is meant without it.
MEMORY_FACTOR = float(os.environ.get("OUTRIGGER_MEMORY_FACTOR", "1"))

_running = []
_folders = []


def temporary_folder(prefix="outrigger-"):
    """A new folder that goes away with the suite."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    _folders.append(folder)
    return folder


def wait_until(condition, what, seconds=PATIENCE):
    """The first true value of `condition()`, or a TimeoutError that names `what`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.02)


class Process:
    """One running program. Its output goes to `log`; it is stopped at the end of its test."""

    def __init__(self, name, command, env=None, cwd=None, user=None):
        self.name = name
        self.log = temporary_folder() / f"{name}.log"
        with open(self.log, "wb") as output:
            self._process = subprocess.Popen(
                [str(word) for word in command], env=os.environ | (env or {}), cwd=cwd, user=user,
                group=user, extra_groups=[] if user else None,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        self.pid = self._process.pid
        _running.append(self)

    @property
    def exit_status(self):
        """None while it runs; negative if a signal ended it."""
        return self._process.poll()

    def output(self):
        return self.log.read_text(errors="replace")

    def wait_ready(self, condition, seconds=PATIENCE):
        """Waits for `condition()`; fails at once if the process has ended."""

        def ready():
            if self.exit_status is not None:
                raise RuntimeError(f"{self.name} ended with status {self.exit_status}:\n{self.tail()}")
            return condition()

        return wait_until(ready, f"{self.name} ready", seconds)

    def wait(self, seconds=PATIENCE):
        """Waits for its own end; the exit status."""
        return self._process.wait(seconds)

    def signal(self, number):
        if self.exit_status is None:
            self._process.send_signal(number)

    def kill(self):
        """As bad luck does it: kill -9."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    def stop(self, seconds=30.0):
        """Asks it to end, insists after `seconds`; the exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.exit_status

    def tail(self, lines=20):
        return "\n".join(self.output().splitlines()[-lines:])

    def _status(self, field):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        return 0

    def children(self):
        """The ids of the processes it has started, if it runs."""
        try:
            return [int(pid) for pid in
                    pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except OSError:
            return []

    def sockets(self):
        """How many sockets it holds."""
        count = 0
        for link in pathlib.Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # Closed meanwhile.
                count += os.readlink(link).startswith("socket:")
        return count

    def resident_kb(self):
        return int(self._status("VmRSS") / MEMORY_FACTOR)

    def peak_kb(self):
        """The most that was resident so far, or since reset_peak()."""
        return int(self._status("VmHWM") / MEMORY_FACTOR)

    def reset_peak(self):
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def running():
    """Those not stopped yet, oldest first."""
    return list(_running)


def stop_since(mark):
    """Stops what was started after `mark` processes ran, the newest first."""
    for process in reversed(_running[mark:]):
        process.stop()
    del _running[mark:]


@atexit.register
def _stop_all():
    stop_since(0)
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)
