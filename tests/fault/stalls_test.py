"""Ends that stop: nobody's memory grows, and who leaves is missed at once at the other end."""

import itertools
import select
import socket
import struct
import threading

import grpc_streams
from streams import BLOCK, Broken, RawApp, call, source
from support import tcp
from support.daprd import Daprd
from support.processes import wait_until
from support.runner import shared, test
from transfer_test import PEAK_KB_MAX, Watch

OFFERED = 100 << 20
PIECE = 16 << 10
# With less room than this it is worth a look whether anybody reads.
ROOM_MIN = 256 << 10
TCP_INFO, SND_WND = 11, 228  # linux/tcp.h: the window is that far inside of struct tcp_info.
# What lies in the sockets and the pipes of the way, at most: far less than what is on offer.
UNDER_WAY_MAX = 32 << 20
FLAGS = ["--max-body-size", "100Gi"]


class Pace:
    """Turns that come no faster than the clock allows."""

    def __init__(self, seconds):
        self._never, self._seconds = threading.Event(), seconds

    def turns(self, count):
        for number in range(count):
            self._never.wait(self._seconds)
            yield number


class Stuck:
    """An application that takes the head and some bytes of a request, and then no more."""

    def __init__(self):
        self.stopped, self.told = threading.Event(), threading.Event()

    def __call__(self, exchange):
        next(exchange.connection.pieces(exchange.fields))
        self.stopped.set()
        # It reads no more, so of the end of the connection it learns only if that is a reset.
        poll = select.poll()
        poll.register(exchange.connection.socket, select.POLLRDHUP)
        if poll.poll(120_000):
            self.told.set()
        raise Broken


class Tap:
    """Counts what an application could send, and remembers how its answer ended."""

    def __init__(self):
        self.sent, self.ended = 0, threading.Event()

    def __call__(self, exchange):
        try:
            exchange.start(OFFERED)
            for _ in range(OFFERED // len(BLOCK)):
                exchange.connection.send(BLOCK)
                self.sent += len(BLOCK)
        finally:
            self.ended.set()


@shared
def pair():
    """An application's sidecar, a caller's, and the application, for scripts of its own."""
    app = RawApp().on("/source", source)
    callee = Daprd("stalls", app=app, flags=FLAGS, log_level=None)
    return app, callee, Daprd("stalling", flags=FLAGS, log_level=None)


def room(connection):
    """How many bytes the other end's kernel would take now."""
    return struct.unpack_from("I", connection.socket.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 256), SND_WND)[0]


def unread(connection):
    """The bytes that have arrived at the other end, which is on this machine, and were not read yet."""
    (_, here), (_, there) = connection.socket.getsockname(), connection.socket.getpeername()
    return sum(one.unread for one in tcp.sockets(there, here))


def fill(connection):
    """Sends until nothing is read any more, but not more than the other end's kernel takes: an end
    behind that would not be told. Returns how much."""
    sent, rest = 0, Pace(0.05)
    while True:
        sent += connection.socket.send(BLOCK[:PIECE])
        assert sent < OFFERED, "an application that takes nothing takes everything"
        if room(connection) < ROOM_MIN and unread(connection) and all(
                unread(connection) for _ in rest.turns(10)):
            return sent


_numbers = itertools.count()


class StuckGrpcApp(grpc_streams.GrpcApp):
    """Takes the first message of a stream, and then no more; or sends while it may, and notes how much."""

    def __init__(self):
        super().__init__()
        self.stopped, self.told, self.sent = threading.Event(), threading.Event(), 0

    def _talk(self, connection):
        connection.socket.recv(len(grpc_streams.PREFACE), socket.MSG_WAITALL)
        connection.greet()
        while True:
            kind, stream, payload = connection.next_frame()
            if kind == grpc_streams.DATA and connection.ended and len(payload) == 5:
                self._answer(connection, stream, [], status="12")
            elif kind == grpc_streams.DATA and not self.stopped.is_set():
                connection.granting = False
                connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
                if payload[5:].startswith(b"down"):
                    self.sent = connection.fill(stream, OFFERED)
                    connection.socket.settimeout(120)
                self.stopped.set()
            elif kind == grpc_streams.RESET:
                self.told.set()


def stall_a_grpc_stream(first, through_both, stall):
    """`stall(connection)` holds its end still until the app has stopped too, and then leaves."""
    app, app_id = StuckGrpcApp(), f"still-{next(_numbers)}"
    callee = Daprd(app_id, app=app, flags=["--app-protocol", "grpc"], log_level=None)
    caller = Daprd("stiller", log_level=None)
    with Watch(callee, caller):
        client = grpc_streams.call((caller if through_both else callee).grpc_port, app_id, "/test.Streams/Any")
        client.granting = False
        client.send(1, grpc_streams.message(first))
        stall(client, app)
        assert not app.told.is_set()
        client.close()
        assert app.told.wait(20), "the application was not told that its client has left"
    return app


@test
def a_grpc_stream_to_an_app_that_stopped_reading_is_held_and_its_end_is_told():
    def stall(client, app):
        assert app.stopped.wait(60)
        assert client.fill(1, OFFERED) <= UNDER_WAY_MAX

    for through_both in (False, True):
        stall_a_grpc_stream(b"up", through_both, stall)


@test
def a_grpc_stream_to_a_client_that_stopped_reading_is_held_and_its_end_is_told():
    for through_both in (False, True):
        app = stall_a_grpc_stream(b"down", through_both, lambda _, app: app.stopped.wait(60))
        assert 0 < app.sent <= UNDER_WAY_MAX, app.sent


@test
def slow_readers_hold_constant_memory_and_slow_the_source_down():
    app, callee, caller = pair()
    taps = [Tap() for _ in range(8)]
    with Watch(callee, caller):
        readers = []
        for number, tap in enumerate(taps):
            app.on(f"/tap{number}", tap)
            readers.append(call(caller.http_port, "GET", f"/v1.0/invoke/stalls/method/tap{number}",
                                receive_bytes=16384))
        for _ in Pace(0.5).turns(6):
            for reader in readers:
                assert reader.socket.recv(10240)
        sent = [tap.sent for tap in taps]
        assert max(sent) <= UNDER_WAY_MAX, sent
    for reader in readers:
        reader.close()
    for tap in taps:
        assert tap.ended.wait(60), "the application was not told that its reader has left"
        assert tap.sent < OFFERED


@test
def a_slow_writer_is_read_as_it_writes():
    app, _, caller = pair()
    seen = []

    def note(exchange):
        for piece in exchange.connection.pieces(exchange.fields):
            seen.append(bytes(piece))
        exchange.answer(b"done")

    app.on("/note", note)
    writer = call(caller.http_port, "POST", "/v1.0/invoke/stalls/method/note", None)
    for number in Pace(0.1).turns(5):
        writer.send_chunk(b"%d" % number)
        wait_until(lambda expected=number + 1: len(b"".join(seen)) == expected, "the bytes written so far")
    writer.send(b"0\r\n\r\n")
    first, fields = writer.read_head()
    assert (first.split()[1], writer.body(fields)) == ("200", b"done")
    writer.close()


def leave_an_upload(length, leave, through_both):
    app, callee, caller = pair()
    stuck = Stuck()
    app.on("/stuck", stuck)
    before = len(tcp.sockets(peer_port=app.port))
    with Watch(callee, caller):
        client = call((caller if through_both else callee).http_port, "POST",
                      "/v1.0/invoke/stalls/method/stuck", length)
        if length is None:
            client.send(b"%x\r\n" % OFFERED)
        assert fill(client) <= UNDER_WAY_MAX
        assert stuck.stopped.is_set() and not stuck.told.is_set()
        leave(client)
        wait_until(lambda: len(tcp.sockets(peer_port=app.port)) <= before, "the end of the call", 20)
        assert stuck.told.wait(20), "the application was not told that its client has left"


@test
def a_client_that_closes_is_missed_by_an_app_that_stopped_reading():
    for length in (OFFERED, None):
        for through_both in (False, True):
            leave_an_upload(length, lambda client: client.close(), through_both)


@test
def a_client_that_crashes_is_missed_by_an_app_that_stopped_reading():
    for length in (OFFERED, None):
        for through_both in (False, True):
            leave_an_upload(length, lambda client: client.reset(), through_both)
