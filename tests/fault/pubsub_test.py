"""An acknowledged event is delivered, whoever dies on the way."""

import random
import threading

from load import Writers, publisher
from support.app import App
from support.daprd import Daprd, component
from support.processes import temporary_folder, wait_until
from support.runner import test
from support.servers import Redis

SUBSCRIPTION = [{"pubsubname": "events", "topic": "orders", "route": "/orders"}]


def redis_broker(server):
    return component("events", "pubsub.redis", redisHost=server.address, processingTimeout=2000,
                     redeliverInterval=1000, concurrency=8)


def sqlite_broker(**fields):
    return component("events", "pubsub.sqlite", connectionString=str(temporary_folder() / "events.db"), **fields)


class Receiver(App):
    """Remembers the events it was given; asks for every n-th attempt to be made again."""

    def __init__(self, refuse_every=0):
        super().__init__(SUBSCRIPTION)
        self.delivered, self._lock, self._attempts = set(), threading.Lock(), 0
        self._refuse_every = refuse_every
        self.on("/orders", self._take)

    def _take(self, request):
        with self._lock:
            self._attempts += 1
            if self._refuse_every and self._attempts % self._refuse_every == 0:
                return {"status": "RETRY"}
            self.delivered.add(request.json["data"])
        return {"status": "SUCCESS"}

    def missing(self, numbers):
        with self._lock:
            return set(numbers) - self.delivered

    def wait_for_all(self, numbers):
        """Until every acknowledged event was delivered."""
        try:
            wait_until(lambda: not self.missing(numbers), "the events")
        except TimeoutError:
            missing = sorted(self.missing(numbers))
            raise AssertionError(f"{len(missing)} of {len(numbers)} acknowledged events never came, "
                                 f"first {missing[:5]}; {self._attempts} attempts") from None


def kill_the_subscriber_under_load(broker):
    app = Receiver()
    subscriber, sender = Daprd("receiver", [broker], app=app), Daprd("sender", [broker])
    writers = Writers(publisher(sender), threads=2)
    for _ in range(3):
        writers.wait_for_more(random.randint(50, 200))
        subscriber.kill()
        subscriber = Daprd("receiver", [broker], app=app)
    writers.wait_for_more(20)
    acknowledged = writers.stop()
    app.wait_for_all(acknowledged)


@test
def a_killed_subscriber_gets_every_acknowledged_event_from_redis():
    kill_the_subscriber_under_load(redis_broker(Redis()))


@test
def a_killed_subscriber_gets_every_acknowledged_event_from_sqlite():
    kill_the_subscriber_under_load(sqlite_broker())


@test
def an_event_that_the_app_refused_is_given_again():
    app, broker = Receiver(refuse_every=3), sqlite_broker(redeliverInterval="1s")
    sidecar = Daprd("both", [broker], app=app)
    for number in range(20):
        assert publisher(sidecar)(number)
    app.wait_for_all(range(20))


@test
def a_killed_publisher_has_lost_no_acknowledged_event():
    app, broker = Receiver(), redis_broker(Redis())
    Daprd("receiver", [broker], app=app)
    sender = Daprd("sender", [broker])
    ports = {"http": sender.http_port}
    writers = Writers(publisher(sender), threads=2)
    for _ in range(3):
        writers.wait_for_more(random.randint(50, 200))
        sender.kill()
        sender = Daprd("sender", [broker], ports=ports)
    acknowledged = writers.stop()
    app.wait_for_all(acknowledged)


@test
def a_restarted_redis_delivers_every_acknowledged_event():
    folder = temporary_folder()

    def start(port=None):
        return Redis(port=port, appendonly="yes", appendfsync="always", dir=folder)

    server, app = start(), Receiver()
    broker = redis_broker(server)
    sidecar = Daprd("both", [broker], app=app)
    writers = Writers(publisher(sidecar), threads=2)
    writers.wait_for_more(100)
    server.kill()
    server = start(server.port)
    writers.wait_for_more(100)
    acknowledged = writers.stop()
    app.wait_for_all(acknowledged)
