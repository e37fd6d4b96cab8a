"""A placement service among sidecars that hang, flood it and go away, and how it begins and ends."""

import json
import socket
import time

from grpc_streams import DATA, call, message
from support import http
from support.daprd import run_once
from support.placement import Placement
from support.ports import free_port
from support.processes import wait_until
from support.runner import test

METHOD = "/dapr.proto.placement.v1.Placement/ReportDaprStatus"
REPORT, LOCK, UPDATE, UNLOCK = 1, 2, 3, 4
STEPS = {"lock": LOCK, "update": UPDATE, "unlock": UNLOCK}


def _text(number, text):
    return bytes([number << 3 | 2, len(text)]) + text.encode()


def _number(number, value):
    out = bytes([number << 3])
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _fields(data):
    """{field: last value} of a message whose lengths fit one or two bytes each."""
    found, at = {}, 0

    def varint(at):
        value, shift = 0, 0
        while True:
            value |= (data[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 128:
                return value, at

    while at < len(data):
        key, at = varint(at)
        value, at = varint(at)
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        found[key >> 3] = value
    return found


class Peer:
    """The placement stream of a sidecar, by hand."""

    def __init__(self, placement, name, *types):
        self.name, self.types = name, types
        self.stream = call(placement.port, "", METHOD)
        self._bytes = b""
        self.report()

    def report(self, *types):
        host = _text(1, f"{self.name}:1") + b"".join(_text(4, one) for one in types or self.types)
        self.stream.send(1, message(host + _text(5, self.name) + _text(8, "default") + _number(9, REPORT)))

    def order(self):
        """(operation, version) of the next order; None if the stream has ended."""
        while len(self._bytes) < 5 or len(self._bytes) < 5 + int.from_bytes(self._bytes[1:5], "big"):
            if self.stream.ended or self.stream.was_reset:
                return None
            kind, _, payload = self.stream.next_frame()
            self._bytes += payload if kind == DATA else b""
        end = 5 + int.from_bytes(self._bytes[1:5], "big")
        fields, self._bytes = _fields(self._bytes[5:end]), self._bytes[end:]
        return fields[2].decode(), fields.get(3, 0)

    def answer(self, order):
        operation, version = order
        self.stream.send(1, message(_text(5, self.name) + _text(8, "default") + _number(9, STEPS[operation])
                                    + _number(10, version)))

    def take_round(self):
        """Answers until a round is over; its version."""
        while True:
            order = self.order()
            self.answer(order)
            if order[0] == "unlock":
                return order[1]


def names(placement):
    """The hosts in the tables."""
    page = json.loads(http.get(f"http://127.0.0.1:{placement.health_port}/placement/state").text)
    return {host["name"] for host in page.get("tables", {}).get("default", {}).get("hosts", [])}


@test
def what_cannot_be_is_said_and_ends_it():
    assert run_once("--nonsense", program="placement")[0] == 2
    for flag, word in (("--keepalive-time=20s", "keepalive-time"), ("--disseminate-timeout=0", "disseminate-timeout"),
                       ("--initial-cluster=a=h:1,b=h:2", "leader")):
        status, out, error = run_once(flag, program="placement")
        assert status == 1 and word in out + error, (flag, status, out, error)


@test
def a_port_that_is_taken_ends_it():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, out, error = run_once("--listen-address=127.0.0.1", f"--port={taken.getsockname()[1]}",
                                      f"--healthz-port={free_port()}", f"--metrics-port={free_port()}",
                                      program="placement")
        assert status == 1 and "gRPC" in out + error, (status, out, error)


@test
def it_ends_in_order_and_its_streams_with_it():
    placement = Placement(flags=["--metadata-enabled"])
    first, idle = Peer(placement, "first", "cat"), call(placement.port, "", METHOD)
    first.take_round()
    began = time.monotonic()
    assert placement.stop() == 0
    assert first.order() is None
    assert not first.stream.was_reset and "shutting down" in placement.output()
    assert time.monotonic() - began < 10
    idle.close()


@test
def a_sidecar_that_hangs_costs_the_others_its_own_time_and_no_more():
    placement = Placement(flags=["--metadata-enabled", "--disseminate-timeout=2s"])
    first = Peer(placement, "first", "cat")
    version = first.take_round()
    hung = Peer(placement, "hung", "cat")
    hung.stream.granting = False
    began = time.monotonic()
    waiting = [Peer(placement, f"waiting-{number}", "cat") for number in range(3)]
    for _ in range(3):  # The others may change as often as they like.
        first.report("cat", "dog")
        first.report("cat")
    # The round with the one that hangs, then one without it.
    order = first.order()
    while order[1] <= version + 1:
        first.answer(order)
        order = first.order()
    assert 1.5 < time.monotonic() - began < 20, time.monotonic() - began
    for one in waiting:
        assert one.order() == ("lock", version + 2)
    assert wait_until(lambda: "hung:1" not in names(placement), "tables without the one that hangs")
    hung.stream.socket.settimeout(30)
    orders = [hung.order() for _ in range(2)]
    assert orders == [("lock", version + 1), None], orders
    assert "dissemination timeout after 2s" in placement.output()


@test
def a_sidecar_that_reports_without_end_and_reads_nothing_holds_up_nobody():
    placement = Placement(flags=["--metadata-enabled", "--disseminate-timeout=2s"])
    flood = Peer(placement, "flood")
    flood.stream.granting = False
    before = placement.resident_kb()
    for _ in range(20_000):
        flood.report()
    first = Peer(placement, "first", "cat")
    first.take_round()
    assert names(placement) == {"first:1"}
    assert placement.resident_kb() - before < 64 << 10, (before, placement.resident_kb())


@test
def streams_of_nonsense_are_refused():
    placement = Placement(flags=["--metadata-enabled"])
    for nonsense in (b"\xff\xff\xff", b"", _text(5, "app"), _text(5, "app") + _text(8, "default") + _number(10, 1),
                     _text(5, "app") + _text(8, "default") + _text(4, "dapr.internal.default.other.workflow")):
        stream = call(placement.port, "", METHOD)
        stream.send(1, message(nonsense))
        while not stream.ended:
            stream.next_frame()
        stream.close()
    assert names(placement) == set()
    first = Peer(placement, "first", "cat")
    first.take_round()
    assert names(placement) == {"first:1"}
