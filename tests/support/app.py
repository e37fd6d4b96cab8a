"""An application for sidecars to call: records every request, answers as the test says."""

import dataclasses
import http.server
import json
import sys
import threading
import urllib.parse

from .ports import free_port
from .processes import PATIENCE, wait_until


@dataclasses.dataclass
class Request:
    method: str
    path: str
    query: str
    headers: object
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class App:
    """An HTTP server of one test. `on(path, reply)` scripts a path; what is not scripted is a 404.

    A reply is a status, a (status, body) or (status, body, headers) tuple, any JSON value, or a
    function of the Request that returns one of these.
    """

    def __init__(self, subscriptions=None, port=None, replies=None):
        self.port = port or free_port()
        self.requests = []
        self._replies = {"/dapr/config": (200, {})}
        self._replies["/dapr/subscribe"] = (200, subscriptions or [])
        self._replies |= replies or {}
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def on(self, path, reply):
        self._replies[path] = reply
        return self

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def received(self, path):
        """The requests to `path` so far."""
        with self._changed:
            return [request for request in self.requests if request.path == path]

    def wait_for(self, path, count=1, seconds=PATIENCE):
        """The requests to `path` once there are at least `count`."""
        wait_until(lambda: len(self.received(path)) >= count, f"{count} calls of {path}", seconds)
        return self.received(path)

    def answer(self, request):
        with self._changed:
            self.requests.append(request)
        reply = self._replies.get(request.path, 404)
        if callable(reply):
            reply = reply(request)
        if isinstance(reply, int):
            return reply, b"", {}
        if not isinstance(reply, tuple):
            reply = (200, reply)
        status, body, headers = (*reply, {})[:3]
        if not isinstance(body, (bytes, str)):
            body, headers = json.dumps(body), {"content-type": "application/json", **headers}
        return status, body.encode() if isinstance(body, str) else body, headers


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # The default of 5 makes connections of a burst wait a second.

    def handle_error(self, request, client_address):
        # A sidecar that was killed is no news.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _handler(app):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body leave in one piece and at once: otherwise the second piece waits for the
        # acknowledgement of the first, 40 ms where the peer delays it.
        disable_nagle_algorithm = True
        wbufsize = -1

        def _body(self):
            if self.headers.get("transfer-encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return body

        def _serve(self):
            target = urllib.parse.urlsplit(self.path)
            request = Request(self.command, target.path, target.query, self.headers, self._body())
            status, body, headers = app.answer(request)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status not in (204, 304):
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _serve

        def log_message(self, *_):
            pass

    return Handler
