"""A certificate authority under test, and those who ask it for certificates: with openssl and curl."""

import json
import re
import struct
import subprocess
import time

from . import http
from .daprd import BINARIES, run_once
from .ports import free_port
from .processes import PATIENCE, Process, temporary_folder


def openssl(*words, stdin=b"", check=True):
    """What it prints; with `check`, it must succeed."""
    done = subprocess.run(["openssl", *map(str, words)], input=stdin, capture_output=True, timeout=PATIENCE)
    assert not check or done.returncode == 0, (words, done.stderr)
    return done.stdout if check else done


def make_key(algorithm="ed25519", options=()):
    return openssl("genpkey", "-algorithm", algorithm, *options)


def make_request(key=None):
    """A signing request of a new key, in PEM."""
    path = temporary_folder() / "key.pem"
    path.write_bytes(key or make_key())
    return openssl("req", "-new", "-key", path, "-subj", "/", "-config", "/dev/null")


def _field(number, value):
    """One field of a protobuf message."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    value = value.encode() if isinstance(value, str) else value
    size, length = b"", len(value)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + value


def _fields(message):
    """(number, value) of each field; nested messages are bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        value = varint()
        if key & 7 == 2:
            value, at = message[at:at + value], at + value
        yield key >> 3, value


class Refused(Exception):
    """A gRPC status other than OK."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Identity:
    """What an app gets."""

    def __init__(self, message):
        self.asked = time.time()
        self.token, self.tokens = None, {}
        for number, value in _fields(message):
            if number == 1:
                self.chain = value
            elif number == 2:
                self.anchors = value
            elif number == 4:
                self.token = dict(_fields(value))[1].decode()
            elif number == 5:
                entry = dict(_fields(value))
                self.tokens[entry[1].decode()] = dict(_fields(entry[2]))[1].decode()

    def certificates(self):
        return split_pem(self.chain)

    def text(self):
        return openssl("x509", "-noout", "-text", stdin=self.certificates()[0]).decode()

    def verifies(self, anchors, at=None):
        """Whether openssl finds a way from the leaf to one of the anchors."""
        folder = temporary_folder()
        (folder / "anchors").write_bytes(anchors)
        (folder / "chain").write_bytes(self.chain)
        done = openssl("verify", "-attime", int(at or self.asked), "-CAfile", folder / "anchors", "-untrusted",
                       folder / "chain", stdin=self.certificates()[0], check=False)
        return done.returncode == 0


def split_pem(text):
    return re.findall(rb"-----BEGIN.*?-----END[^\n]*\n", text, re.DOTALL)


def issuer_of(certificate):
    return openssl("x509", "-noout", "-issuer", stdin=certificate).decode().strip()


class Sentry(Process):
    """A running sentry; ready when its health says so."""

    def __init__(self, folder=None, flags=(), mtls=None, wait=True, binary=None, port=None):
        self.port, self.health_port, self.metrics_port = port or free_port(), free_port(), free_port()
        self.folder = folder or temporary_folder()
        config = temporary_folder() / "config.yaml"
        config.write_text(json.dumps({"apiVersion": "dapr.io/v1alpha1", "kind": "Configuration",
                                      "metadata": {"name": "sentry"}, "spec": {"mtls": mtls or {}}}))
        command = [binary or BINARIES / "sentry", "--port", self.port, "--listen-address", "127.0.0.1",
                   "--healthz-port", self.health_port, "--metrics-port", self.metrics_port,
                   "--issuer-credentials", self.folder, "--config", config]
        super().__init__("sentry", [*command, *flags])
        if wait:
            self.wait_healthy()

    def wait_healthy(self):
        self.wait_ready(lambda: http.answers(f"http://127.0.0.1:{self.health_port}/healthz", 200), PATIENCE)

    @property
    def anchors(self):
        return (self.folder / "ca.crt").read_bytes()

    def metrics(self):
        return http.get(f"http://127.0.0.1:{self.metrics_port}/metrics").text

    def metric(self, name):
        for line in self.metrics().splitlines():
            if line.startswith(name + " ") or line.startswith(name + "{"):
                return float(line.rsplit(" ", 1)[1])
        return None

    def sign(self, app_id="shop", request=None, namespace="default", token="", trust_domain="", validator=0,
             audiences=()):
        """The identity of an app, or Refused."""
        message = b"".join(_field(number, value) for number, value in [
            (1, app_id), (2, token), (3, trust_domain), (4, namespace),
            (5, make_request() if request is None else request), (6, validator)] if value)
        message += b"".join(_field(7, audience) for audience in audiences)
        return Identity(self.call(message))

    def call(self, message):
        """The reply to a SignCertificate request."""
        folder = temporary_folder()
        done = subprocess.run(
            ["curl", "-sS", "-k", "--http2", "--max-time", str(int(PATIENCE)), "-D", folder / "head", "-o",
             folder / "body", "-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary", "@-",
             f"https://127.0.0.1:{self.port}/dapr.proto.sentry.v1.CA/SignCertificate"],
            input=b"\0" + struct.pack(">I", len(message)) + message, capture_output=True, timeout=2 * PATIENCE)
        assert done.returncode == 0, done.stderr
        head = (folder / "head").read_text()
        status = re.search(r"^grpc-status: (\d+)", head, re.MULTILINE)
        assert status, head
        if status[1] != "0":
            why = re.search(r"^grpc-message: (.*?)\r?$", head, re.MULTILINE)
            raise Refused(int(status[1]), why[1] if why else "")
        return (folder / "body").read_bytes()[5:]

    def command(self, word, *flags):
        """`sentry <word>` on its folder: (exit status, what it printed)."""
        status, out, error = run_once(word, "--issuer-credentials", self.folder, *flags, program="sentry")
        return status, out + error


def tls(port, *words, check=True):
    """What openssl says of the TLS server on a port."""
    done = openssl("s_client", "-connect", f"127.0.0.1:{port}", *words, stdin=b"", check=False)
    assert not check or done.returncode == 0, done.stderr
    return (done.stdout + done.stderr).decode()
