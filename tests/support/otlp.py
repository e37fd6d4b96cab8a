"""A receiver of spans over OTLP, with OpenTelemetry's own messages and gRPC's own server.

For suites whose environment has grpcio and opentelemetry-proto.
"""

import concurrent.futures
import gzip
import threading

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from .app import App
from .processes import PATIENCE, wait_until


class _Received:
    """What has come, in the words of the messages."""

    def __init__(self):
        self._lock = threading.Lock()
        self._batches = []

    def take(self, batch):
        with self._lock:
            self._batches.append(batch)

    def resources(self):
        with self._lock:
            return [resource for batch in self._batches for resource in batch.resource_spans]

    def spans(self, trace=None):
        """(the resource's attributes, span), each as it came."""
        found = []
        for resource in self.resources():
            attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                found += [(attributes, span) for span in scope.spans]
        return [one for one in found if trace is None or one[1].trace_id.hex() == trace]

    def wait_for_spans(self, count, trace=None, seconds=PATIENCE):
        wait_until(lambda: len(self.spans(trace)) >= count, f"{count} spans", seconds)
        return self.spans(trace)


class OtlpGrpc(_Received, trace_service_pb2_grpc.TraceServiceServicer):
    """`answer(request, context)` may stand for the answer. `credentials` of gRPC: with TLS."""

    def __init__(self, answer=None, credentials=None, port=0):
        super().__init__()
        self.metadata = []
        self._answer = answer
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)
        address = f"127.0.0.1:{port}"
        self.port = (self._server.add_secure_port(address, credentials) if credentials
                     else self._server.add_insecure_port(address))
        self._server.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def Export(self, request, context):  # The name in the service.
        self.metadata.append(dict(context.invocation_metadata()))
        if self._answer is not None:
            answered = self._answer(request, context)
            if answered is not None:
                return answered
        self.take(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    def stop(self):
        self._server.stop(0).wait()


class OtlpHttp(_Received):
    def __init__(self, status=200):
        super().__init__()
        self.app = App()
        self._status = status
        self.app.on("/v1/traces", self._export)

    @property
    def address(self):
        return f"127.0.0.1:{self.app.port}"

    def _export(self, request):
        body = gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
        self.take(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
        empty = trace_service_pb2.ExportTraceServiceResponse().SerializeToString()
        return self._status, empty, {"content-type": "application/x-protobuf"}
