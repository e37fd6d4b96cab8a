"""A machine of its own, as far as TCP can tell: a network namespace with one cable to this one."""

import subprocess

from .processes import Process, wait_until
from .runner import Skipped


def _quiet(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)


def _must(*words):
    done = _quiet(*words)
    if done.returncode:
        raise Skipped(f"{' '.join(map(str, words))}: {done.stderr.strip()}")


class Machine:
    """Lives as long as its test. `here` and `there` are the addresses of both ends of the cable."""

    def __init__(self, number=1):
        self.here, self.there = f"10.213.{number}.1", f"10.213.{number}.2"
        self._cable = f"outrigger{number}"
        if _quiet("unshare", "-n", "true").returncode:
            raise Skipped("no network namespaces here")
        self._holder = Process("machine", ["unshare", "-n", "tail", "-f", "/dev/null"])
        own = _quiet("readlink", "/proc/self/ns/net").stdout
        wait_until(lambda: _quiet("readlink", f"/proc/{self._holder.pid}/ns/net").stdout not in ("", own),
                   "the namespace")
        self.run_in = ["nsenter", "-t", str(self._holder.pid), "-n"]
        _quiet("ip", "link", "del", self._cable)  # Of a suite that was killed.
        _must("ip", "link", "add", self._cable, "type", "veth", "peer", "name", "cable", "netns", self._holder.pid)
        _must("ip", "address", "add", f"{self.here}/30", "dev", self._cable)
        _must("ip", "link", "set", self._cable, "up")
        _must(*self.run_in, "ip", "link", "set", "lo", "up")
        _must(*self.run_in, "ip", "link", "set", "cable", "up")
        self.return_()

    def vanish(self):
        """From now on it hears nothing and says nothing: no end of a connection, and no refusal."""
        _must(*self.run_in, "ip", "address", "flush", "dev", "cable")

    def return_(self):
        _must(*self.run_in, "ip", "address", "add", f"{self.there}/30", "dev", "cable")
