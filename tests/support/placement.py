"""A placement service under test."""

from . import http
from .daprd import BINARIES
from .ports import free_port
from .processes import PATIENCE, Process


class Placement(Process):
    """A running placement service; ready when its health says so."""

    def __init__(self, port=None, flags=(), binary=None, wait=True):
        self.port = port or free_port()
        self.health_port = free_port()
        self.metrics_port = free_port()
        command = [binary or BINARIES / "placement", "--port", self.port, "--listen-address", "127.0.0.1",
                   "--healthz-port", self.health_port, "--metrics-port", self.metrics_port,
                   "--id", "one", "--initial-cluster", f"one=127.0.0.1:{free_port()}"]
        super().__init__("placement", [*command, *flags])
        if wait:
            self.wait_ready(lambda: http.answers(f"http://127.0.0.1:{self.health_port}/healthz", 200), PATIENCE)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def flags(self):
        """What a sidecar is to be told."""
        return ["--placement-host-address", self.address, "--dapr-internal-grpc-listen-address", "127.0.0.1"]
