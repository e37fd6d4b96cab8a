"""A sidecar under test, and the resource documents it reads."""

import json
import os
import pathlib
import subprocess

from . import http
from .ports import free_port
from .processes import PATIENCE, Process, temporary_folder

TOP = pathlib.Path(__file__).resolve().parents[2]
# Another folder of programs with the same names can be tested in its place.
BINARIES = pathlib.Path(os.environ.get("OUTRIGGER_BIN", TOP / "build" / "release" / "bin"))


def component(name, kind, version="v1", scopes=None, **metadata):
    """A Component document; metadata values become strings as YAML scalars do."""
    document = {
        "apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": {"name": name},
        "spec": {"type": kind, "version": version,
                 "metadata": [{"name": key, "value": value} for key, value in metadata.items()]},
    }
    if scopes is not None:
        document["scopes"] = scopes
    return document


def subscription(name, pubsub, topic, route, **spec):
    """A declarative Subscription, v2alpha1, with one default route."""
    spec = {"pubsubname": pubsub, "topic": topic, "routes": {"default": route}, **spec}
    return {"apiVersion": "dapr.io/v2alpha1", "kind": "Subscription", "metadata": {"name": name},
            "spec": spec}


def configuration(**spec):
    return {"apiVersion": "dapr.io/v1alpha1", "kind": "Configuration", "metadata": {"name": "config"},
            "spec": spec}


def resource_folder(documents):
    """A folder with one file a document. JSON is YAML, so no YAML library is needed."""
    folder = temporary_folder()
    for number, document in enumerate(documents):
        text = document if isinstance(document, str) else json.dumps(document, indent=1)
        (folder / f"{number:03}.yaml").write_text(text)
    return folder


def run_once(*flags, program="daprd", seconds=PATIENCE, env=None):
    """Runs a program to its end: (exit status, stdout, stderr)."""
    done = subprocess.run([BINARIES / program, *flags], stdin=subprocess.DEVNULL, timeout=seconds,
                          capture_output=True, text=True, env=os.environ | (env or {}))
    return done.returncode, done.stdout, done.stderr


class Daprd(Process):
    """A running sidecar on ports of its own; ready when its outbound health says so."""

    def __init__(self, app_id="app", resources=(), config=None, app=None, flags=(), env=None,
                 wait=True, ports=None, binary=None, log_level="debug", run_in=()):
        ports = ports or {}
        self.app_id = app_id
        self.http_port = ports.get("http") or free_port()
        self.grpc_port = ports.get("grpc") or free_port()
        self.internal_port = ports.get("internal") or free_port()
        self.metrics_port = ports.get("metrics") or free_port()
        self.resources = resource_folder(resources)
        command = [*run_in, binary or BINARIES / "daprd", "--app-id", app_id, "--dapr-http-port", self.http_port,
                   "--dapr-grpc-port", self.grpc_port, "--dapr-internal-grpc-port", self.internal_port,
                   "--metrics-port", self.metrics_port, "--profile-port", free_port(),
                   "--dapr-listen-addresses", "127.0.0.1", "--resources-path", self.resources,
                   "--dapr-graceful-shutdown-seconds", "2"]
        command += ["--log-level", log_level] if log_level else []
        if app is not None:
            command += ["--app-port", app.port]
        if config is not None:
            path = temporary_folder() / "config.yaml"
            path.write_text(json.dumps(config))
            command += ["--config", path]
        super().__init__(f"daprd-{app_id}", [*command, *flags], env)
        if wait:
            self.wait_healthy()

    def url(self, path):
        return f"http://127.0.0.1:{self.http_port}{path}"

    def wait_healthy(self, seconds=PATIENCE):
        # With an application: until it has answered the start-up calls too (/v1.0/healthz).
        self.wait_ready(lambda: http.answers(self.url("/v1.0/healthz"), 204), seconds)

    def call(self, method, path, **rest):
        return http.call(method, self.url(path), **rest)

    def get(self, path, **rest):
        return self.call("GET", path, **rest)

    def post(self, path, **rest):
        return self.call("POST", path, **rest)

    def delete(self, path, **rest):
        return self.call("DELETE", path, **rest)

    def metrics(self):
        return http.get(f"http://127.0.0.1:{self.metrics_port}/metrics").text
