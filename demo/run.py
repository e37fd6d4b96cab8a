#!/usr/bin/env python3
"""The demo: three applications with a sidecar each; every step is shown and checked."""

import argparse
import atexit
import contextlib
import http.client
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SAMPLES = 400
READY_SECONDS_MAX = 30

processes = []


def say(text=""):
    print(text, flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def call(port, method, path, value=None, headers=None):
    """(status, headers, JSON value or None)"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        body = None if value is None else json.dumps(value)
        connection.request(method, path, body, {"content-type": "application/json", **(headers or {})})
        reply = connection.getresponse()
        content = reply.read()
        return reply.status, reply.headers, json.loads(content) if content else None


def wait_for(condition, what):
    """Polls `condition` until it gives something; what it raises meanwhile only means "not yet"."""
    end = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if value := condition():
                return value
        for process in processes:
            if process.poll() is not None:
                sys.exit(f"demo: '{process.title}' ended; its log is {process.log}")
        time.sleep(0.02)
    sys.exit(f"demo: {what} did not come within {READY_SECONDS_MAX} s")


def start(title, command, folder, **environment):
    log = folder / f"{title}.log"
    with open(log, "wb") as output:
        process = subprocess.Popen([str(word) for word in command], cwd=folder, stdout=output,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   env=os.environ | {key: str(value) for key, value in environment.items()})
    process.title, process.log = title, log
    processes.append(process)
    return process


@atexit.register
def stop_all():
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


class Sidecar:
    """An application and the sidecar that stands beside it."""

    def __init__(self, app_id, options, folder, flags=()):
        self.app_id, self.folder = app_id, folder
        self.app_port, self.port = free_port(), free_port()
        start(app_id, [sys.executable, HERE / f"{app_id}.py"], folder,
              APP_PORT=self.app_port, DAPR_HTTP_PORT=self.port)
        self.command = [
            options.daprd, "--app-id", app_id, "--app-port", self.app_port,
            "--dapr-http-port", self.port, "--dapr-grpc-port", free_port(),
            "--dapr-internal-grpc-port", free_port(), "--metrics-port", free_port(),
            "--dapr-listen-addresses", "127.0.0.1",
            "--resources-path", options.resources, "--config", HERE / "config.yaml", *flags]
        self.start()

    def start(self):
        self.process = start(f"daprd-{self.app_id}", self.command, self.folder)

    def kill(self):
        """As bad luck does it: kill -9."""
        processes.remove(self.process)
        self.process.kill()
        self.process.wait()

    def wait_ready(self):
        wait_for(lambda: call(self.port, "GET", "/v1.0/healthz")[0] == 204, "a healthy sidecar")

    def resident_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


class ControlPlane:
    """The two services that actors need: who lives where, and what is due when."""

    def __init__(self, options, folder):
        self.placement, self.scheduler = free_port(), free_port()
        for name, port, more in (("placement", self.placement, []),
                                 ("scheduler", self.scheduler,
                                  ["--etcd-data-dir", folder / "jobs", "--etcd-client-port", free_port(),
                                   "--override-broadcast-host-port", f"127.0.0.1:{self.scheduler}"])):
            health = free_port()
            start(name, [options.daprd.parent / name, "--port", port, "--listen-address", "127.0.0.1",
                         "--healthz-port", health, "--metrics-port", free_port(), *more], folder)
            wait_for(lambda port=health: call(port, "GET", "/healthz")[0] == 200, f"a healthy {name}")

    def flags(self):
        return ["--placement-host-address", f"127.0.0.1:{self.placement}",
                "--scheduler-host-address", f"127.0.0.1:{self.scheduler}"]


class Steps:
    """What was looked for, and whether it was seen."""

    def __init__(self):
        self.missed = 0

    def check(self, seen, text):
        self.missed += not seen
        say(f"   {'seen  ' if seen else 'MISSED'} {text}")


def service_call(steps, shop, stock, trace):
    say("1. A service call: shop -> its sidecar -> the sidecar of stock -> stock")
    headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
    status, _, answer = call(shop.app_port, "POST", "/checkout", {"item": "apples", "count": 3}, headers)
    _, _, seen = call(stock.app_port, "GET", "/seen")
    steps.check(len(seen["calls"]) == 1, f"stock was asked for {seen['calls'][-1:]}")
    steps.check((status, answer.get("left")) == (200, 7), f"the shop answered {status} {json.dumps(answer)}")


def state(steps, stock):
    say("2. State in an SQLite file, and what happens when two write at once")
    path = "/v1.0/state/goods"
    status, headers, value = call(stock.port, "GET", f"{path}/apples")
    etag = headers["etag"]
    steps.check((status, value) == (200, 7), f"stock's sidecar has apples = {value}, ETag {etag}")
    outcomes = []
    for name, count in (("one writer", 6), ("another", 5)):
        item = {"key": "apples", "value": count, "etag": etag, "options": {"concurrency": "first-write"}}
        status, _, problem = call(stock.port, "POST", path, [item])
        outcomes.append(status)
        say(f"          {name} saves {count} with ETag {etag}: {status} {problem or ''}")
    _, headers, value = call(stock.port, "GET", f"{path}/apples")
    steps.check(outcomes == [204, 409], "the first was accepted, the second refused with a conflict")
    steps.check(value == 6 and headers["etag"] != etag, f"apples = {value}, ETag {headers['etag']}")


def event(steps, stock):
    say("3. An event: published by shop, received by stock")
    seen = wait_for(lambda: call(stock.app_port, "GET", "/seen")[2]["events"], "the event")
    body = seen[0]["event"]
    steps.check(body["data"] == {"item": "apples", "count": 3} and body["source"] == "shop",
                f"stock received {body['type']} from {body['source']}: {json.dumps(body['data'])}")
    steps.check(len(seen) == 1, f"it was delivered {len(seen)} time(s)")


def one_trace(steps, stock, trace):
    say("4. One trace across all of it")
    _, _, seen = call(stock.app_port, "GET", "/seen")
    for what, parent in (("the call", seen["calls"][0]["traceparent"]),
                         ("the event", seen["events"][0]["event"].get("traceparent"))):
        steps.check((parent or "").split("-")[1:2] == [trace], f"{what} carries {parent}")


def actor(steps, counter):
    say("5. A virtual actor, and a reminder that outlives its sidecar")
    path = "/v1.0/actors/counter/apples"

    def value():
        return call(counter.port, "GET", f"{path}/state/value")[2]

    wait_for(lambda: call(counter.port, "POST", f"{path}/method/add")[0] == 200, "the actor")
    call(counter.port, "POST", f"{path}/method/add")
    steps.check(value() == 20, f"two calls of counter/apples, 10 each: {value()}")
    status, _, problem = call(counter.port, "POST", f"{path}/reminders/tick", {"dueTime": "1s", "period": "1s"})
    steps.check(status == 204, f"a reminder each second was accepted: {status} {problem or ''}")
    before = wait_for(lambda: value() if value() > 20 else None, "the reminder")
    say(f"          it has come: the actor counts {before}; now its sidecar is killed")
    counter.kill()
    counter.start()
    after = wait_for(lambda: value() if (value() or 0) > before else None, "the reminder after the kill")
    steps.check(after > before, f"a new sidecar is up, and the same reminder goes on: {after}")
    call(counter.port, "DELETE", f"{path}/reminders/tick")


def microseconds(connection, path):
    started = time.perf_counter()
    connection.request("GET", path)
    reply = connection.getresponse()
    reply.read()
    if reply.status != 200:
        sys.exit(f"demo: GET {path} was answered {reply.status}")
    return (time.perf_counter() - started) * 1e6


def figures(shop, stock):
    say("6. What it costs")
    direct = http.client.HTTPConnection("127.0.0.1", stock.app_port)
    through = http.client.HTTPConnection("127.0.0.1", shop.port)
    with contextlib.closing(direct), contextlib.closing(through):
        pairs = [(microseconds(direct, "/ping"), microseconds(through, "/v1.0/invoke/stock/method/ping"))
                 for _ in range(SAMPLES)]
    bare, whole = (statistics.median(column) for column in zip(*pairs))
    say(f"          memory    sidecar of shop {shop.resident_mb():.1f} MB, of stock {stock.resident_mb():.1f} MB")
    say(f"          latency   {bare:.0f} us from app to app, {whole:.0f} us through both sidecars: "
        f"{whole - bare:.0f} us added (median of {SAMPLES})")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--daprd", type=pathlib.Path, required=True)
    arguments.add_argument("--resources", type=pathlib.Path, default=HERE / "resources")
    options = arguments.parse_args()
    options.daprd, options.resources = options.daprd.absolute(), options.resources.absolute()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    folder = HERE.parent / "build" / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    control = ControlPlane(options, folder)
    shop, stock = Sidecar("shop", options, folder), Sidecar("stock", options, folder)
    counter = Sidecar("counter", options, folder, control.flags())
    for sidecar in (shop, stock, counter):
        sidecar.wait_ready()
    say("Three applications, a sidecar for each, a placement and a scheduler service are up; "
        f"their logs and files are in {folder}\n")

    steps, trace = Steps(), secrets.token_hex(16)
    service_call(steps, shop, stock, trace)
    state(steps, stock)
    event(steps, stock)
    one_trace(steps, stock, trace)
    actor(steps, counter)
    figures(shop, stock)
    say(f"\n{'Every step was seen.' if not steps.missed else f'{steps.missed} step(s) were not seen.'}")

    if os.environ.get("KEEP", "") not in ("", "0"):
        say(f"\nStill running. The sidecar of shop: http://127.0.0.1:{shop.port}/v1.0/metadata\n"
            f"curl -d '{{\"item\": \"pears\", \"count\": 1}}' http://127.0.0.1:{shop.app_port}/checkout\n"
            "Ctrl-C ends it.")
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 1 if steps.missed else 0


if __name__ == "__main__":
    sys.exit(main())
