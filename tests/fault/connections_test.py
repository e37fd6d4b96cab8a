"""Peers that stall, vanish or talk nonsense cost little and disturb nobody."""

import resource
import socket

from support.app import App
from support.daprd import Daprd, component
from support.processes import wait_until
from support.runner import test

IDLE = 5000
# For each idle connection at most so much memory may be held.
IDLE_KB_MAX = 16


def connect(sidecar, port=None):
    return socket.create_connection(("127.0.0.1", port or sidecar.http_port), timeout=10)


def check_alive(sidecar):
    assert sidecar.get("/v1.0/healthz").status == 204


@test
def five_thousand_idle_connections_are_cheap():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    sidecar = Daprd("idle")
    before = sidecar.resident_kb()
    held = []
    try:
        for _ in range(IDLE):
            held.append(connect(sidecar))
        check_alive(sidecar)
        grown = sidecar.resident_kb() - before
        assert grown <= IDLE * IDLE_KB_MAX, f"{grown} KB for {IDLE} connections"
    finally:
        for one in held:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    check_alive(sidecar)


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
    app = App()
    sidecar = Daprd("left", app=app)
    held = [connect(sidecar) for _ in range(20)]
    for one in held:
        one.sendall(b"GET /v1.0/invoke/left/method/never HTTP/1.1\r\nhost: a\r\n\r\n")
    app.wait_for("/never", 20)
    for one in held:
        one.close()
    check_alive(sidecar)
    wait_until(lambda: sidecar.get("/v1.0/metadata").status == 200, "an answer")
