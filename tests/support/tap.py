"""A wire between a client and a server of this machine, at which one can listen."""

import contextlib
import socket
import threading


class Tap:
    """Passes connections on to `port`; sent() is what clients have said so far, all together."""

    def __init__(self, port):
        self._port = port
        self._lock = threading.Lock()
        self._sent = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def sent(self):
        with self._lock:
            return self._sent

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._port))
            for source, sink, kept in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass, args=(source, sink, kept), daemon=True).start()

    def _pass(self, source, sink, kept):
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                if kept:
                    with self._lock:
                        self._sent += part
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)
