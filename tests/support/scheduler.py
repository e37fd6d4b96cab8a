"""A scheduler under test, with its jobs in a folder of its own."""

from . import http
from .daprd import BINARIES
from .ports import free_port
from .processes import PATIENCE, Process, temporary_folder


class Scheduler(Process):
    """A running scheduler; ready when its health says so."""

    def __init__(self, folder=None, port=None, flags=(), binary=None, env=None):
        self.port = port or free_port()
        self.health_port = free_port()
        self.metrics_port = free_port()
        self.etcd_port = free_port()
        self.folder = folder or temporary_folder()
        command = [binary or BINARIES / "scheduler", "--port", self.port, "--listen-address", "127.0.0.1",
                   "--healthz-port", self.health_port, "--metrics-port", self.metrics_port,
                   "--etcd-client-port", self.etcd_port, "--etcd-data-dir", self.folder]
        super().__init__("scheduler", [*command, *flags], env)
        self.wait_ready(lambda: http.answers(f"http://127.0.0.1:{self.health_port}/healthz", 200), PATIENCE)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def flags(self):
        """What a sidecar is to be told."""
        return ["--scheduler-host-address", self.address]

    def metrics(self):
        return http.get(f"http://127.0.0.1:{self.metrics_port}/metrics").text
