"""Actors of an application without a port: their calls come over a stream that it opened, in the SDK's messages."""

import queue
import threading
import time

import grpc
from dapr.proto.runtime.v1 import actors_pb2 as pb
from dapr.proto.runtime.v1 import dapr_pb2_grpc, metadata_pb2

from support.daprd import Daprd, component
from support.placement import Placement
from support.processes import wait_until
from support.runner import shared, test
from support.scheduler import Scheduler

placement = shared(Placement)
scheduler = shared(Scheduler)


class Streamer:
    """One stream: registers its types, answers calls with what `answer` makes of them."""

    def __init__(self, sidecar, types, answer=None, **initial):
        self.seen = []
        self.answer = answer or (lambda call: {"invoke_response": {"data": b"streamed"}})
        self.channel = grpc.insecure_channel(f"127.0.0.1:{sidecar.grpc_port}")
        self.api = dapr_pb2_grpc.DaprStub(self.channel)
        self.out = queue.Queue()
        self.out.put(pb.SubscribeActorEventsRequestAlpha1(initial_request={"entities": types, **initial}))
        self.stream = self.api.SubscribeActorEventsAlpha1(iter(self.out.get, None))
        assert next(self.stream).HasField("initial_response")
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for message in self.stream:
                kind = message.WhichOneof("response_type")
                call = getattr(message, kind)
                self.seen.append((kind, call))
                threading.Thread(target=self.reply, args=(kind, call), daemon=True).start()
        except grpc.RpcError:
            pass  # The stream was ended.

    def reply(self, kind, call):
        name = kind.replace("_request", "_response")
        answer = self.answer(call) if kind == "invoke_request" else {name: {}}
        ((field, content),) = answer.items()
        self.out.put(pb.SubscribeActorEventsRequestAlpha1(**{field: {"id": call.id, **content}}))

    def kinds(self, kind):
        return [call for seen, call in self.seen if seen == kind]

    def close(self):
        self.out.put(None)
        self.stream.cancel()
        self.channel.close()

    def invoke(self, actor_type, actor_id, method, data=b"", **metadata):
        request = pb.InvokeActorRequest(actor_type=actor_type, actor_id=actor_id, method=method, data=data,
                                        metadata=metadata)
        return self.api.InvokeActor(request, timeout=20)


def sidecar(name="streaming"):
    flags = [*placement().flags(), *scheduler().flags()]
    return Daprd(name, [component("store", "state.in-memory", actorStateStore="true")], flags=flags)


@test
def a_method_is_called_over_the_stream():
    app = Streamer(sidecar(), ["told"])
    assert app.invoke("told", "1", "greet", b"hello", color="blue").data == b"streamed"
    call = app.kinds("invoke_request")[0]
    assert (call.actor_type, call.actor_id, call.method, call.data) == ("told", "1", "greet", b"hello"), call
    assert call.metadata["color"] == "blue", call
    app.close()


@test
def a_call_over_the_stream_belongs_to_the_trace_of_its_caller():
    app = Streamer(sidecar("streamed-trace"), ["traced"])
    trace = "0af7651916cd43dd8448eb211c80319c"
    request = pb.InvokeActorRequest(actor_type="traced", actor_id="1", method="greet")
    app.api.InvokeActor(request, timeout=20, metadata=(("traceparent", f"00-{trace}-b7ad6b7169203331-01"),))
    call = app.kinds("invoke_request")[0]
    assert call.metadata["traceparent"].split("-")[1] == trace, call
    app.close()


@test
def the_ways_a_method_fails():
    def answer(call):
        if call.method == "missing":
            return {"request_failed": {"code": 5, "message": "what?"}}
        if call.method == "broken":
            return {"request_failed": {"code": 13, "message": "oh no"}}
        return {"invoke_response": {"data": b"why", "error": True}}

    app = Streamer(sidecar(), ["failing"], answer)
    assert app.invoke("failing", "1", "error").data == b"why"
    for method, text in (("missing", "actor method not found: missing"), ("broken", "error from actor service: oh no")):
        try:
            app.invoke("failing", "1", method)
            raise AssertionError("no error")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INTERNAL, error
            assert error.details() == f"error invoke actor method: {text}", error.details()
    app.close()


@test
def timers_reminders_and_deactivations_come_over_it_too():
    duration = {"nanos": 300_000_000}
    app = Streamer(sidecar(), ["timed"], actor_idle_timeout=duration)
    app.invoke("timed", "1", "wake")
    app.api.RegisterActorTimer(pb.RegisterActorTimerRequest(
        actor_type="timed", actor_id="1", name="t", due_time="0s", callback="tick", data=b"x"))
    app.api.RegisterActorReminder(pb.RegisterActorReminderRequest(
        actor_type="timed", actor_id="1", name="r", due_time="0s", data=b"y"))
    wait_until(lambda: app.kinds("timer_request") and app.kinds("reminder_request"), "timer and reminder")
    timer, reminder = app.kinds("timer_request")[0], app.kinds("reminder_request")[0]
    assert (timer.name, timer.callback) == ("t", "tick") and b'"eA=="' in timer.data.value, timer
    assert reminder.name == "r" and b'"eQ=="' in reminder.data.value, reminder
    wait_until(lambda: app.kinds("deactivate_request"), "the idle actor's deactivation")
    app.close()


@test
def a_new_stream_takes_over_and_the_last_one_takes_the_types_along():
    host = sidecar()
    first = Streamer(host, ["kept"], lambda call: {"invoke_response": {"data": b"first"}})
    second = Streamer(host, ["kept"], lambda call: {"invoke_response": {"data": b"second"}})
    assert first.invoke("kept", "1", "who").data == b"second"
    first.close()
    assert second.invoke("kept", "1", "who").data == b"second"
    second.close()

    def status():
        return host.get("/v1.0/metadata").json["actorRuntime"]["runtimeStatus"]

    wait_until(lambda: status() == "INITIALIZING", "the types to go")
    third = Streamer(host, ["kept"], lambda call: {"invoke_response": {"data": b"third"}})
    assert third.invoke("kept", "1", "who").data == b"third"
    assert status() == "RUNNING"
    third.close()


@test
def an_open_stream_does_not_hold_up_the_end():
    host = sidecar()
    app = Streamer(host, ["ended"])
    app.invoke("ended", "1", "wake")
    began = time.monotonic()
    host.stop()
    assert time.monotonic() - began < 2, "the end took too long"
    assert app.kinds("deactivate_request"), app.seen
    assert "Graceful shutdown timeout" not in host.output()
    app.channel.close()


@test
def a_stream_that_begins_with_something_else_is_refused():
    host = sidecar()
    with grpc.insecure_channel(f"127.0.0.1:{host.grpc_port}") as channel:
        wrong = pb.SubscribeActorEventsRequestAlpha1(request_failed={"id": "1"})
        stream = dapr_pb2_grpc.DaprStub(channel).SubscribeActorEventsAlpha1(iter([wrong]))
        try:
            next(stream)
            raise AssertionError("accepted")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
            assert error.details() == "first message must be SubscribeActorEventsRequestInitialAlpha1", error
        reply = dapr_pb2_grpc.DaprStub(channel).GetMetadata(metadata_pb2.GetMetadataRequest())
        assert reply.actor_runtime.runtime_status == metadata_pb2.ActorRuntime.RUNNING, reply.actor_runtime
