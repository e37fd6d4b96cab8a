"""Machines that vanish without a word: half-open connections are noticed, and left behind."""

import pathlib
import socket
import sys
import time

from support import tcp
from support.daprd import Daprd, component, configuration
from support.network import Machine
from support.ports import free_port
from support.processes import Process, temporary_folder, wait_until
from support.runner import test
from support.servers import redis_command

# A peer is asked every 10 seconds whether it is there, and has 5 to say so; then it is dialled anew, some times.
NOTICE_SECONDS_MAX = 100


def registry():
    """A configuration by which sidecars of several machines find each other: a file of both."""
    path = str(temporary_folder() / "names.db")
    return configuration(nameResolution={"component": "sqlite", "version": "v1",
                                         "configuration": {"connectionString": path}})


def timed(function):
    started = time.monotonic()
    value = function()
    return value, time.monotonic() - started


@test
def a_call_to_a_machine_that_vanished_ends_and_its_return_is_noticed():
    machine, names, app_port = Machine(), registry(), free_port()
    Process("app", [*machine.run_in, sys.executable, pathlib.Path(__file__).with_name("mortal.py"), app_port,
                    "/dev/null", 0])
    remote = Daprd("far", config=names, run_in=machine.run_in, wait=False, env={"DAPR_HOST_IP": machine.there},
                   flags=["--app-port", app_port])
    caller = Daprd("near", config=names, env={"DAPR_HOST_IP": machine.here})

    def answer():
        reply = caller.post("/v1.0/invoke/far/method/echo", body="hello", seconds=200)
        return reply.status

    wait_until(lambda: answer() == 200, "the first answer")
    machine.vanish()
    status, seconds = timed(answer)
    assert status == 500 and seconds < NOTICE_SECONDS_MAX, (status, seconds)
    assert caller.get("/v1.0/healthz").status == 204
    machine.return_()
    wait_until(lambda: answer() == 200, "an answer after its return")
    remote.kill()


@test
def a_store_on_a_machine_that_vanished_fails_and_its_return_is_noticed():
    machine, port = Machine(2), free_port()
    server = Process("far-redis", [*machine.run_in, "redis-server", "--port", port, "--bind", "0.0.0.0",
                                   "--save", "", "--protected-mode", "no"])
    server.wait_ready(lambda: "PONG" in redis_command(port, "PING", host=machine.there))
    sidecar = Daprd("stored", [component("store", "state.redis", redisHost=f"{machine.there}:{port}")])

    def write(number):
        reply = sidecar.post("/v1.0/state/store", json=[{"key": f"k{number}", "value": number}], seconds=200)
        return reply.status

    assert write(1) == 204
    machine.vanish()
    status, seconds = timed(lambda: write(2))
    assert status == 500 and seconds < NOTICE_SECONDS_MAX, (status, seconds)
    machine.return_()
    wait_until(lambda: write(3) == 204, "a write after its return")
    assert sidecar.get("/v1.0/state/store/k1").json == 1


@test
def a_client_that_says_nothing_is_asked_for_a_sign():
    """The kernel asks every 15 seconds and gives up after minutes: that it will is enough here."""
    sidecar = Daprd("asking")
    for port in (sidecar.http_port, sidecar.grpc_port, sidecar.internal_port):
        wait_until(lambda port=port: not tcp.sockets(port), "the port to be quiet")
        held = socket.create_connection(("127.0.0.1", port))
        wait_until(lambda port=port: [one.timer for one in tcp.sockets(port)] == [2], f"the timer of {port}")
        held.close()
