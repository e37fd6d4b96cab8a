"""--max-body-size holds for every body, whether its length is told before or not."""

import json

from streams import Broken, RawApp, call
from support.daprd import Daprd, component
from support.runner import shared, test

LIMIT = 64 << 10
PIECE = 16 << 10
TOO_LARGE = "stream too large"  # Upstream's words.


@shared
def limited():
    """An app, what it got of each body, its sidecar, and a caller's, both limited."""
    app, taken = RawApp(), []

    def take(exchange):
        came = 0
        try:
            for piece in exchange.connection.pieces(exchange.fields):
                came += len(piece)
        except (Broken, OSError):
            taken.append(("broken", came))
            raise Broken from None
        taken.append(("whole", came))
        exchange.answer(b"%d" % came)

    app.on("/take", take)
    outside = {"apiVersion": "dapr.io/v1alpha1", "kind": "HTTPEndpoint", "metadata": {"name": "outside"},
               "spec": {"baseUrl": f"http://127.0.0.1:{app.port}"}}
    resources = [component("store", "state.in-memory"), component("events", "pubsub.in-memory"), outside]
    flags = ["--max-body-size", "64Ki"]
    return (app, taken, Daprd("limited", resources, app=app, flags=flags),
            Daprd("caller", resources, flags=flags))


def send(sidecar, method, path, body, chunked):
    """(status, body) of the answer."""
    connection = call(sidecar.http_port, method, path, None if chunked else len(body),
                      ["content-type: application/json"])
    try:
        for at in range(0, len(body), PIECE):
            piece = body[at:at + PIECE]
            connection.send_chunk(piece) if chunked else connection.send(piece)
        if chunked:
            connection.send(b"0\r\n\r\n")
    except OSError:
        pass  # Refused before it was sent: the answer may be there all the same.
    first, fields = connection.read_head()
    answer = connection.body(fields).decode()
    connection.close()
    return int(first.split()[1]), answer


def paths_of_invocation():
    app, _, callee, caller = limited()
    return [(callee, "/v1.0/invoke/limited/method/take"), (caller, "/v1.0/invoke/limited/method/take"),
            (caller, "/v1.0/invoke/outside/method/take"),
            (caller, f"/v1.0/invoke/http://127.0.0.1:{app.port}/method/take")]


@test
def a_body_at_the_limit_passes():
    for chunked in (False, True):
        for sidecar, path in paths_of_invocation():
            assert send(sidecar, "POST", path, bytes(LIMIT), chunked) == (200, str(LIMIT)), (path, chunked)


@test
def an_invocation_above_the_limit_is_refused_and_no_app_takes_it_for_whole():
    taken = limited()[1]
    for chunked in (False, True):
        for size in (LIMIT + 1, 70_000, 1 << 20, 8 << 20):
            for sidecar, path in paths_of_invocation():
                taken.clear()
                status, answer = send(sidecar, "POST", path, bytes(size), chunked)
                assert status == 500 and TOO_LARGE in answer, (path, size, chunked, status, answer)
                assert json.loads(answer)["errorCode"] == "ERR_DIRECT_INVOKE", answer
                assert ("whole", size) not in taken and all(came <= LIMIT for _, came in taken), taken


@test
def what_is_read_whole_is_refused_above_the_limit():
    caller = limited()[3]
    text = json.dumps("x" * (LIMIT - 2)).encode()
    assert len(text) == LIMIT
    item = b'[{"key": "a", "value": %s}]'
    for chunked in (False, True):
        assert send(caller, "POST", "/v1.0/publish/events/orders", text, chunked)[0] == 204
        for size in (70_000, 1 << 20):
            text_above = json.dumps("x" * size).encode()
            status, answer = send(caller, "POST", "/v1.0/publish/events/orders", text_above, chunked)
            assert status == 500 and TOO_LARGE in answer, (status, answer)
            status, answer = send(caller, "POST", "/v1.0/state/store", item % text_above, chunked)
            assert status == 400 and json.loads(answer) == {
                "errorCode": "ERR_MALFORMED_REQUEST", "message": TOO_LARGE}, (status, answer)
            status, answer = send(caller, "PUT", "/v1.0/metadata/key", bytes(size), chunked)
            assert status == 400 and json.loads(answer)["errorCode"] == "ERR_BODY_READ", (status, answer)
            assert TOO_LARGE in answer, answer


@test
def a_sidecar_that_refused_a_body_goes_on():
    assert limited()[3].get("/v1.0/healthz").status == 204
