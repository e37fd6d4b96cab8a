"""What both applications of the demo share: a JSON server, and calls of their sidecar. No SDK."""

import http.client
import http.server
import json
import os

APP_PORT = int(os.environ["APP_PORT"])
SIDECAR_PORT = int(os.environ["DAPR_HTTP_PORT"])


def sidecar(method, path, value=None, headers=None):
    """One call of our own sidecar: (status, headers, JSON value or None)."""
    connection = http.client.HTTPConnection("127.0.0.1", SIDECAR_PORT, timeout=10)
    try:
        body = None if value is None else json.dumps(value)
        connection.request(method, path, body, {"content-type": "application/json", **(headers or {})})
        reply = connection.getresponse()
        content = reply.read()
        return reply.status, reply.headers, json.loads(content) if content else None
    finally:
        connection.close()


def trace_of(headers):
    """The headers to pass on so that what we call belongs to the trace of our caller."""
    return {"traceparent": headers["traceparent"]} if headers.get("traceparent") else {}


def serve(routes, actors=None):
    """Serves for ever. A route is a function (value, headers) -> JSON value, by "METHOD /path";
    `actors`, if there are any, takes (method, parts of the path, value) of everything below /actors."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self):
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            route = routes.get(f"{self.command} {self.path.split('?')[0]}")
            status, value = 404, {"error": "no such route"}
            given = json.loads(content) if content else None
            parts = self.path.split("?")[0].strip("/").split("/")
            if route:
                status, value = 200, None
                try:
                    value = route(given, self.headers)
                except RuntimeError as problem:
                    status, value = 500, {"error": str(problem)}
            elif actors and parts[0] == "actors":
                status, value = 200, actors(self.command, parts, given)
            reply = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", APP_PORT), Handler).serve_forever()
