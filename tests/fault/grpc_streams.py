"""Streams of gRPC messages at full speed, both ends: the frames of HTTP/2, and no more of it than that takes."""

import socket
import struct
import threading

from support.ports import free_port

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
_GRANT = 4 << 20
_FRAME = 16384


def message(data):
    """One message as it lies in a stream of them."""
    return struct.pack(">BI", 0, len(data)) + data


# Two frames full: the length of a gRPC message and its zeros.
BLOCK = message(bytes(2 * _FRAME - 5))


def _fields(pairs):
    """A header block: literal fields, never indexed, without Huffman."""
    return b"".join(b"\x10" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
                    for name, value in pairs)


class Http2:
    """One connection of HTTP/2 with one call at a time: frames in, frames out, windows kept."""

    def __init__(self, connected, seconds=120.0):
        connected.settimeout(seconds)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connected
        self._in, self._at = b"", 0
        self._initial = 65535  # What the peer lets a new stream send.
        self._window, self._stream_windows, self._taken = 65535, {}, {}
        self.ended, self.was_reset = False, False
        self.granting = True  # Otherwise the peer's windows close, as if nobody read.

    def greet(self, preface=b""):
        settings = struct.pack(">HI", 4, _GRANT)
        self.socket.sendall(preface + self._head(SETTINGS, 0, 0, len(settings)) + settings
                            + self._head(WINDOW, 0, 0, 4) + struct.pack(">I", _GRANT - 65535))

    @staticmethod
    def _head(kind, flags, stream, length):
        return struct.pack(">I", length << 8 | kind) + struct.pack(">BI", flags, stream)

    def send_headers(self, stream, pairs, flags=0):
        block = _fields(pairs)
        self._stream_windows.setdefault(stream, self._initial)
        self.socket.sendall(self._head(HEADERS, flags | END_HEADERS, stream, len(block)) + block)

    def reset_stream(self, stream, code=8):
        self.socket.sendall(self._head(RESET, 0, stream, 4) + struct.pack(">I", code))

    def send(self, stream, data, end=False):
        """As the peer's windows allow it; meanwhile reads only what they need."""
        data = memoryview(data)
        while data:
            room = min(self._window, self._stream_windows[stream], _FRAME)
            if room <= 0:
                self.next_frame()
                continue
            piece, data = data[:room], data[room:]
            flags = END_STREAM if end and not data else 0
            self.socket.sendmsg([self._head(DATA, flags, stream, len(piece)), piece])
            self._window -= len(piece)
            self._stream_windows[stream] -= len(piece)

    def send_messages(self, stream, count):
        """Messages of zeros, as fast as the peer takes them."""
        frame = self._head(DATA, 0, stream, _FRAME)
        block = b"".join(frame + BLOCK[at:at + _FRAME] for at in range(0, len(BLOCK), _FRAME))
        for _ in range(count):
            while min(self._window, self._stream_windows[stream]) < len(BLOCK):
                self.next_frame()
            self.socket.sendall(block)
            self._window -= len(BLOCK)
            self._stream_windows[stream] -= len(BLOCK)

    def fill(self, stream, most):
        """Sends messages of zeros until nothing has been taken for a while; how many bytes were."""
        sent = 0
        self.socket.settimeout(2)
        try:
            while sent < most:
                self.send_messages(stream, 1)
                sent += len(BLOCK)
        except TimeoutError:
            pass
        return sent

    def _grant(self, stream, length):
        """Gives back what was taken, a megabyte at a time."""
        if not self.granting:
            return
        for of in (0, stream):
            self._taken[of] = self._taken.get(of, 0) + length
            if self._taken[of] >= 1 << 20:
                self.socket.sendall(self._head(WINDOW, 0, of, 4) + struct.pack(">I", self._taken[of]))
                self._taken[of] = 0

    def _have(self, length):
        """Waits until so many bytes are there to be taken. A timeout loses none."""
        while len(self._in) - self._at < length:
            more = self.socket.recv(1 << 20)
            if not more:
                raise ConnectionError("the peer closed the connection")
            self._in, self._at = self._in[self._at:] + more, 0

    def _whole_frame(self):
        """(head, payload)"""
        self._have(9)
        length = struct.unpack_from(">I", self._in, self._at)[0] >> 8
        self._have(9 + length)
        start = self._at + 9
        self._at = start + length
        return self._in[start - 9:start], self._in[start:self._at]

    def next_frame(self):
        """(kind, stream, payload) of the next frame, after what HTTP/2 itself demands was done for it."""
        head, payload = self._whole_frame()
        length, kind = len(payload), head[3]
        flags, stream = head[4], struct.unpack(">I", head[5:])[0] & 0x7FFFFFFF
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, length, 6):
                name, value = struct.unpack(">HI", payload[at:at + 6])
                if name == 4:
                    self._initial = value
            self.socket.sendall(self._head(SETTINGS, ACK, 0, 0))
        elif kind == PING and not flags & ACK:
            self.socket.sendall(self._head(PING, ACK, 0, 8) + payload)
        elif kind == WINDOW:
            more = struct.unpack(">I", payload)[0]
            if stream:
                self._stream_windows[stream] = self._stream_windows.get(stream, self._initial) + more
            else:
                self._window += more
        elif kind == DATA:
            self._grant(stream, length)
        elif kind == RESET:
            self.was_reset = True
        if kind in (DATA, HEADERS):
            self.ended = bool(flags & END_STREAM)
        return kind, stream, payload

    def data(self):
        """The payloads of DATA until the stream ends."""
        while not self.ended:
            kind, _, payload = self.next_frame()
            if self.was_reset:
                raise ConnectionError("the stream was reset")
            if kind == DATA:
                yield payload

    def close(self):
        self.socket.close()


def call(port, app_id, method):
    """A call of `method` through a sidecar's gRPC port, of which only the headers were sent: stream 1."""
    connection = Http2(socket.create_connection(("127.0.0.1", port)))
    connection.greet(PREFACE)
    while connection.next_frame()[0] != SETTINGS:
        pass
    connection.send_headers(1, [(":method", "POST"), (":scheme", "http"), (":path", method),
                                (":authority", "localhost"), ("content-type", "application/grpc"),
                                ("te", "trailers"), ("dapr-app-id", app_id)])
    return connection


class GrpcApp:
    """An application with one streaming method: the first message of a call tells what to do.

    "up": counts the bytes of DATA until the end and answers their number. "down N": answers N
    messages of zeros. An empty first message is a sidecar that asks what there is: nothing.
    """

    def __init__(self):
        self.port = free_port()
        self.counted = 0
        self._server = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connected, _ = self._server.accept()
            threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected):
        connection = Http2(connected, seconds=240.0)
        try:
            self._talk(connection)
        except OSError:
            pass  # The sidecar has gone.
        finally:
            connection.close()

    def _talk(self, connection):
        connection.socket.recv(len(PREFACE), socket.MSG_WAITALL)
        connection.greet()
        while True:
            kind, stream, payload = connection.next_frame()
            if kind == DATA and not connection.ended and payload[5:].startswith(b"up"):
                self.counted = len(payload) - len(message(b"up"))  # Messages may share a frame.
                for piece in connection.data():
                    self.counted += len(piece)
                self._answer(connection, stream, [message(b"%d" % self.counted)])
            elif kind == DATA and payload[5:].startswith(b"down"):
                for _ in connection.data():
                    pass
                self._answer(connection, stream, [], int(payload[5:].split()[1]))
            elif kind in (DATA, HEADERS) and connection.ended:
                self._answer(connection, stream, [], status="12")

    @staticmethod
    def _answer(connection, stream, messages, zeros=0, status="0"):
        connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        for one in messages:
            connection.send(stream, one)
        connection.send_messages(stream, zeros)
        connection.send_headers(stream, [("grpc-status", status)], END_STREAM)
        connection.ended = False
