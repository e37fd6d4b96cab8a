"""Every kind of call at once and on every loop, while the sidecar starts anew and while it ends."""

import collections
import http.client
import json
import signal
import threading

from support.app import App
from support.daprd import Daprd, component
from support.processes import temporary_folder, wait_until
from support.runner import test
from support.servers import Redis

BROKERS = ("memory", "sqlite", "redis")
# Of each kind, before and after every turn of events.
CALLS = 15


class Storm:
    """Threads that repeat one kind of call each; how many calls of a kind were answered well."""

    def __init__(self, sidecar, kinds):
        self.done = collections.Counter()
        self._sidecar = sidecar
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, name=name, args=(name, call), daemon=True)
                         for name, call in kinds.items()]
        for thread in self._threads:
            thread.start()

    def _run(self, name, call):
        number, connection = 0, None
        while not self._stopping.is_set():
            number += 1
            method, path, body = call(number)
            if connection is None or number % 10 == 0:  # Kept for a while, so that both happen.
                connection = http.client.HTTPConnection("127.0.0.1", self._sidecar.http_port, timeout=10)
            try:
                connection.request(method, path, body, {"content-type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                self.done[name] += answer.status < 300
            except (OSError, http.client.HTTPException):
                connection = None
                self._stopping.wait(0.02)

    def wait_for_more(self):
        """Until calls of every kind are answered well (again)."""
        before = collections.Counter(self.done)

        def lacking():
            return [name for name in self._names() if self.done[name] < before[name] + CALLS]

        try:
            wait_until(lambda: not lacking(), "calls of every kind")
        except TimeoutError:
            raise AssertionError(f"no more answers: {lacking()}; answers so far: {self.done}") from None

    def _names(self):
        return [thread.name for thread in self._threads]

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)


def kinds_of_calls():
    def items(number):
        return [{"key": f"k{number % 50 + i}", "value": number} for i in range(5)]

    kinds = {
        "invoke": lambda n: ("POST", "/v1.0/invoke/callee/method/echo", b"x" * (n % 3)),
        "invoke large": lambda n: ("POST", "/v1.0/invoke/callee/method/echo", b"x" * 400_000),
        "outbound health": lambda n: ("GET", "/v1.0/healthz/outbound", None),
        "metadata": lambda n: ("GET", "/v1.0/metadata", None),
        "label": lambda n: ("PUT", f"/v1.0/metadata/label{n % 5}", b"value"),
        "health": lambda n: ("GET", "/v1.0/healthz", None),
        "secret": lambda n: ("GET", "/v1.0/secrets/environment/PATH", None),
    }
    for name in BROKERS:
        store, broker = f"/v1.0/state/state-{name}", f"/v1.0/publish/events-{name}/orders"
        kinds |= {
            f"save {name}": lambda n, at=store: ("POST", at, json.dumps(items(n))),
            f"get {name}": lambda n, at=store: ("GET", f"{at}/k{n % 50}", None),
            f"bulk get {name}": lambda n, at=store: ("POST", f"{at}/bulk", '{"keys":["k1","k2","k3"]}'),
            f"delete {name}": lambda n, at=store: ("DELETE", f"{at}/k{n % 50}", None),
            f"transact {name}": lambda n, at=store: ("POST", f"{at}/transaction", json.dumps(
                {"operations": [{"operation": "upsert", "request": item} for item in items(n)]})),
            f"publish {name}": lambda n, at=broker: ("POST", at, str(n)),
        }
    return kinds


def components(redis):
    folder = temporary_folder()
    return [
        component("state-memory", "state.in-memory"),
        component("state-sqlite", "state.sqlite", connectionString=str(folder / "state.db")),
        component("state-redis", "state.redis", redisHost=redis.address),
        component("events-memory", "pubsub.in-memory"),
        component("events-sqlite", "pubsub.sqlite", connectionString=str(folder / "events.db")),
        component("events-redis", "pubsub.redis", redisHost=redis.address),
        component("environment", "secretstores.local.env"),
    ]


def subscriber():
    subscriptions = [{"pubsubname": f"events-{name}", "topic": "orders", "route": f"/{name}"}
                     for name in BROKERS]
    app = App(subscriptions).on("/echo", lambda request: (200, request.body))
    for name in BROKERS:
        app.on(f"/{name}", (200, {"status": "SUCCESS"}))
    return app


@test
def calls_of_every_kind_at_once_survive_a_restart_of_the_runtime_and_do_not_hold_up_its_end():
    app, redis = subscriber(), Redis()
    callee = Daprd("callee", app=App().on("/echo", lambda request: (200, request.body)))
    sidecar = Daprd("caller", components(redis), app=app)
    storm = Storm(sidecar, kinds_of_calls())
    try:
        storm.wait_for_more()
        for _ in range(2):
            sidecar.signal(signal.SIGHUP)
            storm.wait_for_more()
        for name in BROKERS:
            app.wait_for(f"/{name}", CALLS)
        assert "dapr_" in sidecar.metrics()
        assert callee.stop() == 0, callee.tail()
        assert sidecar.stop() == 0, sidecar.tail()
    finally:
        storm.stop()
