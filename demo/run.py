#!/usr/bin/env python3
"""The demo: three applications with a sidecar each, all under mutual TLS; every step is shown and checked."""

import argparse
import atexit
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
SAMPLES = 400
READY_SECONDS_MAX = 60
# Certificates of a day would outlive the demo: these are renewed after 5 s.
CERTIFICATE_SECONDS, CLOCK_SKEW_SECONDS, DISTRIBUTING_SECONDS = 10, 2, 6

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


class Sentry:
    """The certificate authority of the demo: who has no certificate of it is nobody."""

    def __init__(self, options, folder):
        self.program, self.port = options.daprd.parent / "sentry", free_port()
        self.folder, health = folder / "credentials", free_port()
        self.folder.mkdir()
        config = folder / "sentry.json"
        config.write_text(json.dumps({
            "apiVersion": "dapr.io/v1alpha1", "kind": "Configuration", "metadata": {"name": "sentry"},
            "spec": {"mtls": {"workloadCertTTL": f"{CERTIFICATE_SECONDS}s",
                              "allowedClockSkew": f"{CLOCK_SKEW_SECONDS}s"}}}))
        start("sentry", [self.program, "--port", self.port, "--listen-address", "127.0.0.1",
                         "--healthz-port", health, "--metrics-port", free_port(),
                         "--issuer-credentials", self.folder, "--config", config], folder)
        wait_for(lambda: call(health, "GET", "/healthz")[0] == 200, "a healthy sentry")

    @property
    def anchors(self):
        return self.folder / "ca.crt"

    def command(self, *words):
        done = subprocess.run([self.program, *words, "--issuer-credentials", self.folder],
                              capture_output=True, text=True, timeout=READY_SECONDS_MAX)
        return done.returncode, done.stdout + done.stderr


class Spans:
    """Takes what the sidecars report, as Zipkin does, and draws a trace."""

    def __init__(self):
        self.found = spans = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                spans.extend(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(202)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def of(self, trace):
        mine = [span for span in list(self.found) if span["traceId"] == trace]
        return sorted(mine, key=lambda span: span["timestamp"])

    def draw(self, trace):
        spans = self.of(trace)
        known = {span["id"] for span in spans}
        begin = spans[0]["timestamp"]
        lines = []

        def below(parent, indent):
            for span in spans:
                above = span.get("parentId")
                if (above if above in known else None) != parent:
                    continue
                who = span["localEndpoint"]["serviceName"]
                lines.append(f"{indent}{who + ': ' + span['name']:<{64 - len(indent)}}"
                             f"{(span['timestamp'] - begin) / 1000:8.1f} ms +{span.get('duration', 0) / 1000:7.1f} ms")
                below(span["id"], indent + "  ")

        below(None, "")
        return lines


class Sidecar:
    """An application and the sidecar that stands beside it."""

    def __init__(self, app_id, options, folder, sentry, config, flags=()):
        self.app_id, self.folder = app_id, folder
        self.app_port, self.port, self.internal_port = free_port(), free_port(), free_port()
        self.environment = {"DAPR_TRUST_ANCHORS": sentry.anchors.read_text()}
        start(app_id, [sys.executable, HERE / f"{app_id}.py"], folder,
              APP_PORT=self.app_port, DAPR_HTTP_PORT=self.port)
        self.command = [
            options.daprd, "--app-id", app_id, "--app-port", self.app_port,
            "--dapr-http-port", self.port, "--dapr-grpc-port", free_port(),
            "--dapr-internal-grpc-port", self.internal_port, "--metrics-port", free_port(),
            "--dapr-listen-addresses", "127.0.0.1", "--enable-mtls", "--sentry-address", f"127.0.0.1:{sentry.port}",
            "--resources-path", options.resources, "--config", config, *flags]
        self.start()

    def start(self):
        self.process = start(f"daprd-{self.app_id}", self.command, self.folder, **self.environment)

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

    def __init__(self, options, folder, sentry):
        self.placement, self.scheduler = free_port(), free_port()
        tls = ["--tls-enabled", "--sentry-address", f"127.0.0.1:{sentry.port}", "--trust-anchors-file", sentry.anchors]
        for name, port, more in (("placement", self.placement, []),
                                 ("scheduler", self.scheduler,
                                  ["--etcd-data-dir", folder / "jobs", "--etcd-client-port", free_port(),
                                   "--override-broadcast-host-port", f"127.0.0.1:{self.scheduler}"])):
            health = free_port()
            start(name, [options.daprd.parent / name, "--port", port, "--listen-address", "127.0.0.1",
                         "--healthz-port", health, "--metrics-port", free_port(), *tls, *more], folder)
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


def one_trace(steps, stock, spans, trace):
    say("4. One trace across all of it, as the sidecars report it to Zipkin")
    _, _, seen = call(stock.app_port, "GET", "/seen")
    for what, parent in (("the call", seen["calls"][0]["traceparent"]),
                         ("the event", seen["events"][0]["event"].get("traceparent"))):
        steps.check((parent or "").split("-")[1:2] == [trace], f"{what} carries {parent}")
    services = {"shop", "stock"}
    wait_for(lambda: {span["localEndpoint"]["serviceName"] for span in spans.of(trace)} >= services
             and any("orders" in span["name"] and span.get("kind") != "PRODUCER" and
                     span["localEndpoint"]["serviceName"] == "stock" for span in spans.of(trace)), "the spans")
    for line in spans.draw(trace):
        say(f"          {line}")


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


def refused(steps, shop, counter, stock):
    say("6. Who may call whom: stock lets shop in, and nobody else")
    status, _, answer = call(shop.port, "GET", "/v1.0/invoke/stock/method/ping")
    steps.check((status, answer) == (200, "pong"), f"shop asks: {status} {json.dumps(answer)}")
    status, _, problem = call(counter.port, "GET", "/v1.0/invoke/stock/method/ping")
    steps.check(status == 403, f"counter asks, with a certificate that says so: {status} {problem['message'][-60:]}")
    said = without_certificate(stock.internal_port)
    steps.check("it sent" not in said, f"a client without a certificate is not even heard: {said}")


def without_certificate(port):
    """What a sidecar answers a client that nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as client:
            return f"it sent {client.recv(100)}" if client.recv(1) else "closed at once"
    except OSError as problem:
        return str(problem)


def breakers_of(sidecar):
    metadata = call(sidecar.port, "GET", "/v1.0/metadata")[2]
    return {one["name"]: one["state"] for one in metadata.get("circuitBreakers", [])}


def breaker(steps, shop, stock):
    say("7. A circuit breaker: stock's method /moody fails, and then is well again")
    path, name = "/v1.0/invoke/stock/method/moody", "stock:moody"
    call(stock.app_port, "POST", "/mood", {"well": False})
    answers = [call(shop.port, "GET", path)[0] for _ in range(3)]
    steps.check(answers == [500] * 3 and breakers_of(shop).get(name) == "open",
                f"it failed {answers}: the breaker {name} is {breakers_of(shop).get(name)}")
    status, _, problem = call(shop.port, "GET", path)
    asked = call(stock.app_port, "GET", "/seen")[2]["moods"]
    steps.check(status == 500 and asked == 3,
                f"then stock is spared ({asked} calls reached it): {problem['message'][-40:]}")
    call(stock.app_port, "POST", "/mood", {"well": True})
    wait_for(lambda: call(shop.port, "GET", path)[0] == 200, "the breaker to let a call through")
    now = breakers_of(shop).get(name)
    steps.check(now == "closed", f"a second later one call is let through, and it is well: {now}")


class Traffic:
    """Calls from shop to stock, one after the other, all the time."""

    def __init__(self, shop):
        self.shop, self.enough, self.answers = shop, threading.Event(), []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.enough.wait(0.01):
            try:
                self.answers.append(call(self.shop.port, "GET", "/v1.0/invoke/stock/method/ping")[0])
            except OSError as problem:
                self.answers.append(str(problem))

    def stop(self):
        self.enough.set()
        self.thread.join()
        return self.answers


def begin_rotation(sentry, shop):
    status, said = sentry.command("rotate", "--wait", f"{DISTRIBUTING_SECONDS}s")
    if status != 0:
        sys.exit(f"demo: the rotation did not begin: {said}")
    say("0. The root certificate is being replaced while all that follows happens, and shop calls stock all the time\n")
    return sentry.anchors.read_text(), Traffic(shop)


def end_rotation(steps, sentry, old, traffic):
    say("8. The root certificate has been replaced meanwhile")
    wait_for(lambda: "root rotation: none" in sentry.command("status")[1], "the end of the rotation")
    answers = traffic.stop()
    for line in sentry.command("status")[1].splitlines():
        say(f"          {line}")
    steps.check(sentry.anchors.read_text() != old, "another root: all sidecars trust it, and have its certificates")
    bad = [answer for answer in answers if answer != 200]
    steps.check(not bad, f"{len(answers)} calls meanwhile, {len(bad)} of them refused {bad[:3] or ''}")


def microseconds(connection, path):
    started = time.perf_counter()
    connection.request("GET", path)
    reply = connection.getresponse()
    reply.read()
    if reply.status != 200:
        sys.exit(f"demo: GET {path} was answered {reply.status}")
    return (time.perf_counter() - started) * 1e6


def figures(shop, stock):
    say("9. What it costs, with mutual TLS and every request traced")
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
    sentry, spans = Sentry(options, folder), Spans()
    config = folder / "config.yaml"
    config.write_text((HERE / "config.yaml").read_text().replace("ZIPKIN_PORT", str(spans.port)))
    control = ControlPlane(options, folder, sentry)
    shop = Sidecar("shop", options, folder, sentry, config)
    stock = Sidecar("stock", options, folder, sentry, config, ["--config", HERE / "access.yaml"])
    counter = Sidecar("counter", options, folder, sentry, config, control.flags())
    for sidecar in (shop, stock, counter):
        sidecar.wait_ready()
    say("Three applications, a sidecar for each, a sentry, a placement and a scheduler service are up; "
        f"their logs and files are in {folder}\n")

    steps, trace = Steps(), secrets.token_hex(16)
    wait_for(lambda: call(shop.port, "GET", "/v1.0/invoke/stock/method/ping")[0] == 200, "a first call")
    old, traffic = begin_rotation(sentry, shop)
    service_call(steps, shop, stock, trace)
    state(steps, stock)
    event(steps, stock)
    one_trace(steps, stock, spans, trace)
    actor(steps, counter)
    refused(steps, shop, counter, stock)
    breaker(steps, shop, stock)
    end_rotation(steps, sentry, old, traffic)
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
