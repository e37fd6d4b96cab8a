"""The scheduler's port for clients of etcd: keys of all kinds, answers that nobody reads, what is no request."""

import os
import socket
import subprocess

from grpc_streams import HEADERS, PREFACE, SETTINGS, Http2, message
from scheduler_disk_test import schedule
from support.daprd import Daprd
from support.processes import wait_until
from support.runner import test
from support.scheduler import Scheduler
from support.servers import Postgres

SERVICE = "/etcdserverpb.KV/"
JOBS, JOB_BYTES = 400, 256 << 10


def on_sqlite():
    return Scheduler()


def on_postgresql():
    scheduler = Scheduler(flags=["--postgres-connection-string", Postgres().connection_string])
    wait_until(lambda: "This replica has share" in scheduler.output(), "a share")
    return scheduler


def etcdctl(scheduler, *words, stdin=b""):
    """What it says; an answer of the port that is an internal error is none."""
    command = [b"etcdctl", b"--endpoints", f"http://127.0.0.1:{scheduler.etcd_port}".encode(), *words]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=120, env=os.environ | {"ETCDCTL_API": "3"})
    assert b"Internal" not in done.stderr, (words, done.stderr)
    return done.stdout if done.returncode == 0 else done.stderr.split(b'"error":')[-1]


def field(number, value):
    """Of a message, of less than 128 bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


ALL_JOBS = message(field(1, b"dapr/jobs/") + field(2, b"dapr/jobs0"))


class Client:
    """A connection of which no answer is read, unless by hand."""

    def __init__(self, scheduler):
        self.http = Http2(socket.create_connection(("127.0.0.1", scheduler.etcd_port)))
        self.http.granting = False
        self.http.greet(PREFACE)
        while self.http.next_frame()[0] != SETTINGS:
            pass
        self.streams = 0

    def ask(self, method, body):
        stream = 2 * self.streams + 1
        self.streams += 1
        self.http.send_headers(stream, [(":method", "POST"), (":scheme", "http"), (":path", SERVICE + method),
                                        (":authority", "x"), ("content-type", "application/grpc"), ("te", "trailers")])
        self.http.send(stream, body, end=True)

    def await_heads(self, count):
        """Of so many answers: what they bring is on its way."""
        while count > 0:
            count -= self.http.next_frame()[0] == HEADERS


# As etcdctl reads them in a transaction: in quotes, with escapes.
NAMES = ["a", "a\\xc3\\xa9", "a\\xf0\\x9f\\x98\\x80", "a%_'; --", "b" * 200]  # Of jobs there are;
OTHERS = ["\\xff", "a\\xc3", "a\\x00b", "\\x00", "a\\xffb", "a\\\\b", "a/b", "c" * 600]  # of none.


def asked_for_all_kinds_of_keys(make, record):
    """What a new scheduler answers to all of them, the counts and keys."""
    scheduler = make()
    answers = [etcdctl(scheduler, b"put", f"dapr/jobs/{name}".encode().decode("unicode_escape").encode("latin-1"),
                       stdin=record) for name in NAMES]
    for folder in ("dapr/jobs/", "dapr/counters/"):
        for name in ["", *NAMES, *OTHERS]:
            key = folder + name
            reads = [f'get "{key}" {rest}' for rest in (
                "--keys-only", "--prefix --keys-only", "--from-key --keys-only", f'"{key}0" --keys-only',
                '"dapr/jobs/b" --keys-only', '"dapr/jobs/\\xff" --keys-only', "--prefix --keys-only --limit 2",
                "--prefix --keys-only --order DESCEND", "--from-key --limit 3 --keys-only")]
            answers.append((key, etcdctl(scheduler, b"txn", stdin="\n{}\n\n\n".format("\n".join(reads)).encode())))
    for name in OTHERS:
        refused = f'\nput "dapr/jobs/{name}" ""\n\n\n'
        answers.append((name, etcdctl(scheduler, b"txn", stdin=refused.encode())))
        answers.append((name, etcdctl(scheduler, b"txn", stdin=f'\ndel "dapr/jobs/{name}" --prefix\n\n\n'.encode())))
    for name in NAMES:
        answers.append((name, etcdctl(scheduler, b"txn", stdin=f'\ndel "dapr/jobs/{name}" --prev-kv\n\n\n'.encode())))
    assert etcdctl(scheduler, b"get", b"--prefix", b"dapr/jobs/") == b""
    assert scheduler.stop() == 0
    return answers


@test
def keys_of_all_kinds_are_answered_alike_by_both_engines():
    scheduler = Scheduler()
    schedule(Daprd("keys", flags=scheduler.flags()), "one", {"dueTime": "100h"})
    record = etcdctl(scheduler, b"get", b"dapr/jobs/app||default||keys||one", b"--print-value-only")[:-1]
    here = asked_for_all_kinds_of_keys(on_sqlite, record)
    assert here[:len(NAMES)] == [b"OK\n"] * len(NAMES), here[:len(NAMES)]
    assert sum(answer.count(b"SUCCESS") for _, answer in here[len(NAMES):]) >= 2 * (len(NAMES) + len(OTHERS)), here
    there = asked_for_all_kinds_of_keys(on_postgresql, record)
    for one, other in zip(here, there, strict=True):
        assert one == other


def holds_little_for_who_reads_nothing(make):
    scheduler = make()
    sidecar = Daprd("exporter", flags=scheduler.flags())
    for number in range(JOBS):
        schedule(sidecar, f"large{number:04}", {"dueTime": "100h", "data": "x" * JOB_BYTES})
    resident = scheduler.resident_kb()
    scheduler.reset_peak()
    # Pages that are cut short are not taken for the last one.
    found = etcdctl(scheduler, b"get", b"--prefix", b"dapr/jobs/", b"--keys-only").split()
    assert found == [f"dapr/jobs/app||default||exporter||large{number:04}".encode() for number in range(JOBS)], found
    assert len(etcdctl(scheduler, b"get", b"--prefix", b"dapr/jobs/")) > JOBS * JOB_BYTES
    assert scheduler.peak_kb() < resident + 64 * 1024, (resident, scheduler.peak_kb())

    clients = [Client(scheduler) for _ in range(5)]
    for client in clients:
        for _ in range(10):
            client.ask("Range", ALL_JOBS)
    for client in clients:
        client.await_heads(10)
    assert scheduler.peak_kb() < resident + 128 * 1024, (resident, scheduler.peak_kb())
    # Others are served, and an end is an end.
    assert etcdctl(scheduler, b"get", b"dapr/jobs/app||default||exporter||large0007", b"--keys-only").strip()
    assert scheduler.stop() == 0, scheduler.tail()


@test
def large_answers_that_nobody_reads_take_little_memory_and_do_not_hold_up_the_end():
    holds_little_for_who_reads_nothing(on_sqlite)


@test
def large_answers_from_postgresql_that_nobody_reads_take_little_memory_and_do_not_hold_up_the_end():
    holds_little_for_who_reads_nothing(on_postgresql)
