"""An application to be killed: a process of its own that writes down what it took before it says so.

Run by itself: mortal.py PORT JOURNAL. In a suite: MortalApp, which starts and kills it.
"""

import json
import os
import pathlib
import sys
import threading

TOP = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(TOP.parent))

from support import http  # noqa: E402
from support.app import App  # noqa: E402
from support.ports import free_port  # noqa: E402
from support.processes import Process, temporary_folder  # noqa: E402

SUBSCRIPTION = [{"pubsubname": "events", "topic": "orders", "route": "/orders"}]


class MortalApp:
    """Keeps its port through all its lives."""

    def __init__(self, sidecar_port=0):
        self.port, self._sidecar_port = free_port(), sidecar_port
        self.journal = temporary_folder() / "journal"
        self.journal.touch()
        self.start()

    def start(self):
        self.process = Process(f"app-{self.port}", [sys.executable, __file__, self.port, self.journal,
                                                    self._sidecar_port])
        self.process.wait_ready(lambda: http.answers(f"http://127.0.0.1:{self.port}/healthz", 200))

    def kill(self):
        self.process.kill()

    def entries(self, kind):
        """The numbers it wrote down as `kind`, of all its lives."""
        lines = [line.split() for line in self.journal.read_text().splitlines()]
        return [int(line[1]) for line in lines if len(line) == 2 and line[0] == kind]


def _write_state(sidecar_port, note):
    """Writes keys k<number> through the sidecar for ever; notes the acknowledged ones."""
    number = int.from_bytes(os.urandom(4), "big") << 20  # No life repeats another's numbers.
    while True:
        number += 1
        try:
            reply = http.post(f"http://127.0.0.1:{sidecar_port}/v1.0/state/store",
                              json=[{"key": f"k{number}", "value": number}])
        except OSError:
            continue
        if reply.status == 204:
            note("state", number)


def main(port, journal, sidecar_port):
    output = os.open(journal, os.O_WRONLY | os.O_APPEND)

    def note(kind, number):
        os.write(output, f"{kind} {number}\n".encode())  # One call: whole lines, or none.

    def take(request):
        note("event", request.json["data"])
        return {"status": "SUCCESS"}

    def echo(request):
        return 200, request.body, {"content-type": "text/plain"}

    App(SUBSCRIPTION, port, {"/orders": take, "/healthz": 200, "/echo": echo})
    if sidecar_port:
        threading.Thread(target=_write_state, args=(sidecar_port, note), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
