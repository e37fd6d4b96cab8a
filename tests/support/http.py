"""A small HTTP client for tests: no redirects, no retries, every status is an answer."""

import http.client
import json as json_module
import urllib.parse


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self):
        return self.body.decode(errors="replace")

    @property
    def json(self):
        return json_module.loads(self.body)

    def __repr__(self):
        return f"Reply({self.status}, {self.text[:300]!r})"


def call(method, url, body=None, json=None, headers=None, seconds=60.0):
    """One request on a connection of its own."""
    parts = urllib.parse.urlsplit(url)
    headers = dict(headers or {})
    if json is not None:
        body = json_module.dumps(json)
        headers.setdefault("content-type", "application/json")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=seconds)
    try:
        connection.request(method, target, body=body, headers=headers)
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def get(url, **rest):
    return call("GET", url, **rest)


def post(url, **rest):
    return call("POST", url, **rest)


def answers(url, status=None):
    """Whether a GET is answered at all (with `status`, if given): for waiting."""
    try:
        reply = get(url, seconds=5.0)
    except (OSError, http.client.HTTPException):
        return False
    return status is None or reply.status == status
