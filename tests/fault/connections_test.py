"""Peers that stall, vanish or talk nonsense cost little and disturb nobody."""

import contextlib
import resource
import socket
import threading

from support.app import App
from support.daprd import Daprd, component
from support.processes import wait_until
from support.runner import test

IDLE = 5000
SPARE = 500  # Files that this process and the sidecar have open besides.
# For each idle connection at most so much memory may be held.
IDLE_KB_MAX = 16


def connect(sidecar, port=None):
    return socket.create_connection(("127.0.0.1", port or sidecar.http_port), timeout=10)


def check_alive(sidecar):
    assert sidecar.get("/v1.0/healthz").status == 204


@contextlib.contextmanager
def many_files():
    """How many connections may be open at once while this lasts, here and in what is started."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = hard if hard != resource.RLIM_INFINITY else 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 4 * IDLE), hard))
    try:
        yield min(IDLE, min(limit, 4 * IDLE) - SPARE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def hold(sidecar, count, talk):
    """Opens connections and does `talk` on each; checks what they cost, and that all were open at once."""
    before, sockets = sidecar.resident_kb(), sidecar.sockets()
    held = []
    try:
        for _ in range(count):
            held.append(connect(sidecar))
            talk(held[-1])
        check_alive(sidecar)
        wait_until(lambda: sidecar.sockets() >= count, "all connections to be accepted")
        grown = sidecar.resident_kb() - before
        print(f"     {grown / 1024:.1f} MB for {count} connections", flush=True)
        assert grown <= count * IDLE_KB_MAX, f"{grown} KB for {count} connections"
    finally:
        for one in held:
            one.close()
    check_alive(sidecar)
    wait_until(lambda: sidecar.sockets() <= sockets + 2, "all connections to be closed")


@test
def five_thousand_idle_connections_are_cheap():
    with many_files() as count:
        hold(Daprd("idle"), count, lambda connection: None)


@test
def five_thousand_connections_that_were_used_are_cheap_when_idle():
    def use(connection):
        connection.sendall(b"GET /v1.0/healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 204")

    with many_files() as count:
        hold(Daprd("used"), count, use)


@test
def connections_that_wait_for_an_answer_are_held_and_answered():
    app, release = App(), threading.Event()
    app.on("/wait", lambda _: (release.wait(120), (200, "at last"))[1])
    sidecar = Daprd("waiting", app=app)
    held = [connect(sidecar) for _ in range(500)]
    for one in held:
        one.sendall(b"GET /v1.0/invoke/waiting/method/wait HTTP/1.1\r\nhost: a\r\n\r\n")
    app.wait_for("/wait", len(held))
    check_alive(sidecar)
    release.set()
    for one in held:
        one.settimeout(60)
        assert one.recv(15).startswith(b"HTTP/1.1 200")
        one.close()


@test
def a_reader_that_stops_reading_does_not_make_the_sidecar_grow():
    app = App().on("/big", (200, b"x" * (64 << 20), {"content-type": "text/plain"}))
    sidecar = Daprd("slow", app=app, flags=["--max-body-size", "100Mi"])
    before = sidecar.resident_kb()
    stalled = [connect(sidecar) for _ in range(4)]
    for one in stalled:
        one.sendall(b"GET /v1.0/invoke/slow/method/big HTTP/1.1\r\nhost: a\r\n\r\n")
    app.wait_for("/big", 4)
    check_alive(sidecar)
    assert stalled[0].recv(15).startswith(b"HTTP/1.1 200"), "the answer begins before it is whole"
    grown = sidecar.resident_kb() - before
    assert grown < 4 * 8 << 10, f"{grown} KB for four stalled readers"
    for one in stalled:
        one.close()


@test
def a_half_sent_request_disturbs_nobody():
    sidecar = Daprd("half", [component("store", "state.in-memory")])
    halves = [b"GET /v1.0/he", b"POST /v1.0/state/store HTTP/1.1\r\ncontent-length: 100\r\n\r\n[{",
              b"POST /v1.0/state/store HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
              b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00"]
    held = []
    for half in halves * 10:
        held.append(connect(sidecar))
        held[-1].sendall(half)
    check_alive(sidecar)
    for one in held:
        one.close()
    check_alive(sidecar)


@test
def nonsense_is_refused_on_every_port():
    sidecar = Daprd("nonsense")
    for port in (sidecar.http_port, sidecar.grpc_port, sidecar.internal_port):
        for bytes_sent in (b"\x00" * 64, b"\xff" * 4096, b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
            one = connect(sidecar, port)
            one.sendall(bytes_sent)
            one.shutdown(socket.SHUT_WR)
            try:
                while one.recv(65536):
                    pass
            except ConnectionResetError:
                pass
            one.close()
    check_alive(sidecar)


@test
def a_client_that_leaves_cancels_what_is_done_for_it():
    app, release = App(), threading.Event()
    app.on("/never", lambda _: (release.wait(120), 200)[1])
    sidecar = Daprd("left", app=app)
    before = sidecar.sockets()
    held = [connect(sidecar) for _ in range(20)]
    for one in held:
        one.sendall(b"GET /v1.0/invoke/left/method/never HTTP/1.1\r\nhost: a\r\n\r\n")
    app.wait_for("/never", 20)
    for one in held:
        one.close()
    wait_until(lambda: sidecar.sockets() <= before, "the end of the calls to the app")
    check_alive(sidecar)
    release.set()
