"""An application that dies in the middle of its answer: nobody takes what came for the whole of it."""

import re
import subprocess
import threading

import grpc_streams
from streams import BLOCK, Broken, RawApp, call
from support.daprd import Daprd
from support.processes import temporary_folder, wait_until
from support.runner import shared, test

EVENTS = b"".join(b"data: %d\n\n" % number for number in range(3))


class Dying:
    """Begins to answer well; ends in its own way once the beginning was seen at the other end."""

    def __init__(self, end, framed_as, kind="application/octet-stream", data=BLOCK):
        self.end, self.framed_as, self.kind, self.data = end, framed_as, kind, data
        self.seen = threading.Event()

    def __call__(self, exchange):
        connection = exchange.connection
        connection.count(exchange.fields)
        if self.framed_as == "chunked":
            exchange.start(None, self.kind)
            connection.send_chunk(self.data)
        elif self.framed_as == "length":
            exchange.start(2 * len(self.data), self.kind)
            connection.send(self.data)
        else:  # The body ends where the connection does.
            connection.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + self.data)
        self.seen.wait(60)
        getattr(connection, self.end)()
        raise Broken


@shared
def pair():
    app = RawApp()
    return app, Daprd("dying", app=app), Daprd("watching")


def check_broken(dying, headers=()):
    app, callee, caller = pair()
    app.on("/dying", dying)
    for sidecar in (callee, caller):
        dying.seen.clear()
        client = call(sidecar.http_port, "GET", "/v1.0/invoke/dying/method/dying", headers=headers)
        first, fields = client.read_head()
        assert first.split()[1] == "200", first
        came = 0
        try:
            for piece in client.pieces(fields):
                came += len(piece)
                if came == len(dying.data):
                    dying.seen.set()
        except (Broken, ConnectionResetError):
            assert came == len(dying.data), came
            continue
        finally:
            client.close()
        raise AssertionError(f"{sidecar.app_id}: {came} bytes look like all of {dying.framed_as}, {fields}")


@test
def an_answer_of_known_length_that_breaks_off_is_broken_for_the_client():
    for end in ("close", "reset"):
        check_broken(Dying(end, "length"))


@test
def a_chunked_answer_that_breaks_off_is_broken_for_the_client():
    for end in ("close", "reset"):
        check_broken(Dying(end, "chunked"))


@test
def events_that_break_off_are_broken_for_the_client():
    for end in ("close", "reset"):
        check_broken(Dying(end, "chunked", "text/event-stream", EVENTS), ["accept: text/event-stream"])


@test
def an_answer_that_ends_with_its_connection_is_broken_by_a_reset():
    check_broken(Dying("reset", "connection"))


@test
def an_upload_whose_client_dies_is_broken_for_the_app():
    app, callee, caller = pair()
    for length in (2 * len(BLOCK), None):
        for sidecar in (callee, caller):
            outcome, begun = [], threading.Event()

            def take(exchange, outcome=outcome, begun=begun):
                try:
                    for _ in exchange.connection.pieces(exchange.fields):
                        begun.set()
                    outcome.append("whole")
                except (Broken, OSError):
                    outcome.append("broken")
                begun.set()
                raise Broken

            app.on("/take", take)
            client = call(sidecar.http_port, "POST", "/v1.0/invoke/dying/method/take", length)
            client.send(BLOCK) if length else client.send_chunk(BLOCK)
            assert begun.wait(60)
            client.close()
            wait_until(lambda outcome=outcome: outcome, "the end of the upload")
            assert outcome == ["broken"], (sidecar.app_id, length)


class DyingGrpcApp(grpc_streams.GrpcApp):
    """Answers one message, and is gone."""

    @staticmethod
    def _answer(connection, stream, messages, zeros=0, status="0"):
        if status == "0":
            connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
            connection.send(stream, messages[0])
            raise ConnectionAbortedError
        grpc_streams.GrpcApp._answer(connection, stream, messages, zeros, status)


@test
def a_grpc_stream_that_breaks_off_has_no_good_status():
    callee = Daprd("dying-grpc", app=DyingGrpcApp(), flags=["--app-protocol", "grpc"])
    caller = Daprd("watching-grpc")
    folder = temporary_folder()
    (folder / "message").write_bytes(grpc_streams.message(b"up"))
    for sidecar in (callee, caller):
        done = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "--max-time", "60", "-D", "-",
                               "-o", folder / "answer", "-H", "content-type: application/grpc",
                               "-H", "te: trailers", "-H", "dapr-app-id: dying-grpc",
                               "--data-binary", f"@{folder / 'message'}",
                               f"http://127.0.0.1:{sidecar.grpc_port}/test.Streams/Any"],
                              capture_output=True, text=True)
        status = re.findall(r"(?im)^grpc-status: *(\d+)", done.stdout)
        assert done.returncode != 0 or (status and status[-1] != "0"), (done, sidecar.app_id)
