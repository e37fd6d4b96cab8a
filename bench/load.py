"""One burst of requests with h2load, and what it told."""

import dataclasses
import pathlib
import re
import subprocess

SECONDS_MAX = 300


@dataclasses.dataclass
class Load:
    """What is sent: to which path of which face, how often, over how many connections and streams."""

    path: str
    requests: int
    grpc: bool = False
    body: bytes = None
    headers: dict = dataclasses.field(default_factory=dict)
    connections: int = 32
    streams: int = 1
    spread: int = 0  # Over so many paths, which have its number for "{}".


@dataclasses.dataclass
class Result:
    requests_per_second: float
    p50_us: int
    p99_us: int


def run(load, port, folder):
    """Sends the load to a port of loopback. RuntimeError if a single request was not answered with 2xx."""
    folder = pathlib.Path(folder)
    log, body = folder / "h2load.log", folder / "body"
    log.unlink(missing_ok=True)
    command = ["h2load", "-n", load.requests, "-c", load.connections, "-m", load.streams, "-t", 1,
               "-w", 22, "-W", 24, f"--log-file={log}"]
    if load.body is not None:
        body.write_bytes(load.body)
        command += ["-d", body]
    headers = dict(load.headers)
    if load.grpc:
        headers |= {"content-type": "application/grpc", "te": "trailers"}
    else:
        command.append("--h1")
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    paths = [load.path.format(number) for number in range(load.spread)] or [load.path]
    command += [f"http://127.0.0.1:{port}{path}" for path in paths]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=SECONDS_MAX)
    if f" {load.requests} 2xx" not in done.stdout.replace("status codes:", ""):
        raise RuntimeError(f"{load.path}: not every request was answered with 2xx\n{done.stdout[-900:]}")
    rate = float(re.search(r"([\d.]+) req/s", done.stdout).group(1))
    times = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    return Result(rate, times[len(times) // 2], times[len(times) * 99 // 100])


def check_grpc(load, port, folder):
    """h2load counts any HTTP 200: one call that must end with grpc-status 0."""
    body = pathlib.Path(folder) / "probe"
    body.write_bytes(load.body)
    headers = load.headers | {"content-type": "application/grpc", "te": "trailers"}
    words = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    done = subprocess.run(["nghttp", "-v", "-t", "20s", *words, "-d", body,
                           f"http://127.0.0.1:{port}{load.path}"], capture_output=True, timeout=60)
    if b"grpc-status: 0" not in done.stdout:
        raise RuntimeError(f"{load.path} does not end with grpc-status 0:\n"
                           + done.stdout[-1200:].decode(errors="replace"))
