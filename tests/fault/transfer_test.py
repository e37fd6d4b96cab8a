"""Bodies of any size pass through both sidecars in constant memory, however slow the other end is."""

import os
import time

import grpc_streams
from streams import RawApp, call, sink, source
from support.daprd import Daprd
from support.runner import shared, test

# A short run by default. By hand: STREAM_BYTES=10000000000
BYTES = int(os.environ.get("STREAM_BYTES", 512 << 20))
PEAK_KB_MAX = 40 << 10
FLAGS = ["--max-body-size", "100Gi"]


@shared
def pair():
    """The application's sidecar and the caller's."""
    app = RawApp().on("/sink", sink).on("/source", source)
    return Daprd("callee", app=app, flags=FLAGS, log_level=None), Daprd("caller", flags=FLAGS, log_level=None)


class Watch:
    """The most memory that each of these sidecars holds meanwhile."""

    def __init__(self, *sidecars):
        self._sidecars = sidecars

    def __enter__(self):
        for sidecar in self._sidecars:
            sidecar.reset_peak()
        self._started = time.monotonic()
        return self

    def __exit__(self, failure, *_):
        if failure:
            return
        peaks = [sidecar.peak_kb() for sidecar in self._sidecars]
        seconds = time.monotonic() - self._started
        print(f"     {seconds:.1f} s, at most {', '.join(f'{peak / 1024:.1f}' for peak in peaks)} MB", flush=True)
        assert max(peaks) <= PEAK_KB_MAX, f"{peaks} KB"


def upload(length):
    """`length` None: chunked."""
    callee, caller = pair()
    with Watch(callee, caller):
        connection = call(caller.http_port, "POST", "/v1.0/invoke/callee/method/sink", length)
        connection.send_zeros(BYTES, chunked=length is None)
        if length is None:
            connection.send(b"0\r\n\r\n")
        first, fields = connection.read_head()
        assert " 200 " in first, first
        assert int(connection.body(fields)) == BYTES
    connection.close()


def download(query=""):
    callee, caller = pair()
    with Watch(callee, caller):
        connection = call(caller.http_port, "GET", f"/v1.0/invoke/callee/method/source?bytes={BYTES}{query}")
        first, fields = connection.read_head()
        assert " 200 " in first, first
        assert connection.count(fields) == BYTES
    connection.close()


@test
def an_upload_of_known_length_holds_constant_memory():
    upload(BYTES)


@test
def a_chunked_upload_holds_constant_memory():
    upload(None)


@test
def a_download_of_known_length_holds_constant_memory():
    download()


@test
def a_chunked_download_holds_constant_memory():
    download("&chunked")


@shared
def grpc_pair():
    app, flags = grpc_streams.GrpcApp(), [*FLAGS, "--app-protocol", "grpc"]
    return Daprd("grpc-callee", app=app, flags=flags, log_level=None), Daprd("grpc-caller", log_level=None)


def grpc_call(sidecar):
    return grpc_streams.call(sidecar.grpc_port, "grpc-callee", "/test.Streams/Any")


@test
def a_stream_of_grpc_messages_up_holds_constant_memory():
    callee, caller = grpc_pair()
    count = BYTES // len(grpc_streams.BLOCK)
    with Watch(callee, caller):
        connection = grpc_call(caller)
        connection.send(1, grpc_streams.message(b"up"))
        connection.send_messages(1, count)
        connection.send(1, grpc_streams.message(b"the last"), end=True)
        answer = b"".join(connection.data())
        expected = count * len(grpc_streams.BLOCK) + len(grpc_streams.message(b"the last"))
        assert answer[5:] == b"%d" % expected, answer
    connection.close()


@test
def a_stream_of_grpc_messages_down_holds_constant_memory():
    callee, caller = grpc_pair()
    count = BYTES // len(grpc_streams.BLOCK)
    with Watch(callee, caller):
        connection = grpc_call(caller)
        connection.send(1, grpc_streams.message(b"down %d" % count), end=True)
        assert sum(map(len, connection.data())) == count * len(grpc_streams.BLOCK)
    connection.close()
