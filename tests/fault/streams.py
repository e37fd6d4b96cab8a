"""Bodies of any length at the speed of the kernel: an HTTP/1.1 peer that is told byte by byte what to do."""

import contextlib
import socket
import struct
import threading
import urllib.parse

from support.ports import free_port

BLOCK = bytes(256 << 10)
_CHUNK = b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK)


class Broken(Exception):
    """The stream ended before its message did."""


class Connection:
    """One end of an HTTP/1.1 connection."""

    def __init__(self, connected, seconds=120.0):
        self.socket = connected
        connected.settimeout(seconds)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(1 << 20)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0

    def _fill(self):
        """Whether there are bytes; waits for some."""
        if self._start == self._end:
            self._start, self._end = 0, self.socket.recv_into(self._buffer)
        return self._end > self._start

    def _line(self):
        parts = []
        while True:
            if not self._fill():
                raise Broken("the connection was closed within a head or a chunk's length")
            at = self._buffer.find(b"\n", self._start, self._end)
            stop = self._end if at < 0 else at + 1
            parts.append(bytes(self._view[self._start:stop]))
            self._start = stop
            if at >= 0:
                return b"".join(parts).rstrip(b"\r\n")

    def read_head(self):
        """The first line, and the fields by their names in lower case. None if nobody speaks."""
        if not self._fill():
            return None
        first, fields = self._line().decode(), {}
        while line := self._line():
            name, _, value = line.decode().partition(":")
            fields[name.lower()] = value.strip()
        return first, fields

    def _pieces_of(self, length):
        while length:
            if not self._fill():
                raise Broken(f"the connection was closed {length} bytes before the end")
            stop = min(self._end, self._start + length)
            piece = self._view[self._start:stop]
            length -= len(piece)
            self._start = stop
            yield piece

    def pieces(self, fields):
        """The body in pieces as they come, each valid until the next. Broken if it does not end as
        HTTP says a body ends."""
        if fields.get("transfer-encoding", "").lower() == "chunked":
            while length := int(self._line().split(b";")[0], 16):
                yield from self._pieces_of(length)
                self._line()
            while self._line():
                pass
        elif "content-length" in fields:
            yield from self._pieces_of(int(fields["content-length"]))

    def count(self, fields):
        """The length of the body, which is thrown away."""
        return sum(map(len, self.pieces(fields)))

    def body(self, fields):
        return b"".join(map(bytes, self.pieces(fields)))

    def send(self, data):
        self.socket.sendall(data)

    def send_chunk(self, data):
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def send_zeros(self, length, chunked):
        """A body of `length` zeros, without its end if chunked."""
        whole, rest = divmod(length, len(BLOCK))
        block = _CHUNK if chunked else BLOCK
        for _ in range(whole):
            self.send(block)
        if rest:
            self.send_chunk(BLOCK[:rest]) if chunked else self.send(BLOCK[:rest])

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends the connection as a crash does: at once, and without a word of farewell."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def framing(length):
    """The field that announces a body: chunked if the length is not told."""
    return b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length


def call(port, method, path, length=0, headers=(), receive_bytes=None):
    """A connection on which the head of a request was sent."""
    connected = socket.socket()
    if receive_bytes:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connected.connect(("127.0.0.1", port))
    connection = Connection(connected)
    lines = [f"{method} {path} HTTP/1.1".encode(), b"host: localhost", framing(length),
             *(line.encode() for line in headers)]
    connection.send(b"\r\n".join(lines) + b"\r\n\r\n")
    return connection


class Exchange:
    """One request that an application has got, of which only the head was read."""

    def __init__(self, connection, first, fields):
        self.connection, self.fields = connection, fields
        self.method, target, _ = first.split(" ")
        parts = urllib.parse.urlsplit(target)
        self.path, self.query = parts.path, dict(urllib.parse.parse_qsl(parts.query))

    def start(self, length=None, kind="application/octet-stream"):
        """The head of the answer."""
        self.connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n%s\r\n\r\n"
                             % (kind.encode(), framing(length)))

    def answer(self, body):
        self.start(len(body), "text/plain")
        self.connection.send(body)


class RawApp:
    """An application of which the test decides every byte: `on(path, function of the Exchange)`."""

    def __init__(self):
        self.port = free_port()
        self._paths = {}
        self._server = socket.create_server(("127.0.0.1", self.port), backlog=256)
        threading.Thread(target=self._accept, daemon=True).start()

    def on(self, path, function):
        self._paths[path] = function
        return self

    def stop(self):
        self._server.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connected, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected):
        connection = Connection(connected, seconds=240.0)
        # Who leaves in the middle is what these tests are about.
        with contextlib.suppress(OSError, Broken):
            while head := connection.read_head():
                exchange = Exchange(connection, *head)
                self._paths.get(exchange.path, _small)(exchange)
        connection.close()


def _small(exchange):
    """What a sidecar asks at its start is answered with nothing."""
    exchange.connection.count(exchange.fields)
    exchange.answer(b"[]" if exchange.path == "/dapr/subscribe" else b"{}")


def sink(exchange):
    """Takes what comes; answers how much it was."""
    exchange.answer(b"%d" % exchange.connection.count(exchange.fields))


def source(exchange):
    """Gives `bytes` zeros, chunked if the query says so."""
    exchange.connection.count(exchange.fields)
    length, chunked = int(exchange.query["bytes"]), "chunked" in exchange.query
    exchange.start(None if chunked else length)
    exchange.connection.send_zeros(length, chunked)
    if chunked:
        exchange.connection.send(b"0\r\n\r\n")
