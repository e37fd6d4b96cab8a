"""Load that keeps a record of what was acknowledged."""

import http.client
import threading

from support.processes import wait_until


class Writers:
    """Threads that call `write(number)` with numbers of their own until stop(); the acknowledged ones."""

    def __init__(self, write, threads=4):
        self.acknowledged = []
        self._write = write
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(index, threads), daemon=True)
                         for index in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self, number, step):
        while not self._stopping.is_set():
            try:
                if self._write(number):
                    with self._lock:
                        self.acknowledged.append(number)
            except (OSError, http.client.HTTPException):
                pass  # Not acknowledged: it may or may not have happened.
            number += step

    def count(self):
        with self._lock:
            return len(self.acknowledged)

    def wait_for_more(self, more):
        """Until `more` further writes were acknowledged: the load is running (again)."""
        target = self.count() + more
        wait_until(lambda: self.count() >= target, f"{more} more acknowledged writes")

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)
        return sorted(self.acknowledged)


def state_writer(sidecar, store="store"):
    """A write of key n with value n; whether it was acknowledged."""

    def write(number):
        reply = sidecar.post(f"/v1.0/state/{store}", json=[{"key": f"k{number}", "value": number}], seconds=5)
        return reply.status == 204

    return write


def lost(sidecar, numbers, store="store"):
    """The acknowledged numbers whose value is not there."""
    missing = []
    for start in range(0, len(numbers), 500):
        keys = [f"k{number}" for number in numbers[start:start + 500]]
        reply = sidecar.post(f"/v1.0/state/{store}/bulk", json={"keys": keys}, seconds=30)
        assert reply.status == 200, reply
        found = {item["key"]: item.get("data") for item in reply.json}
        missing += [key for key in keys if found.get(key) != int(key[1:])]
    return missing


def publisher(sidecar, topic="orders"):
    def write(number):
        return sidecar.post(f"/v1.0/publish/events/{topic}", json=number, seconds=5).status == 204

    return write


def serves(sidecar):
    """Whether a GET of a key is answered properly: the store behind is there."""
    try:
        return sidecar.get("/v1.0/state/store/any", seconds=5).status in (200, 204)
    except (OSError, http.client.HTTPException):
        return False
