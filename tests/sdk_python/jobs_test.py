"""Jobs: scheduled, shown and deleted by DaprClient; received by the SDK's gRPC server."""

import threading

from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc._jobs import ConstantFailurePolicy, DropFailurePolicy, Job
from dapr.conf import settings
from dapr.ext.grpc import App
from google.protobuf.any_pb2 import Any
from google.protobuf.wrappers_pb2 import StringValue

from support.daprd import Daprd
from support.ports import free_port
from support.processes import wait_until
from support.runner import shared, test
from support.scheduler import Scheduler
from support.servers import listens


class Shop:
    """The app in a thread of this process, its sidecar and a scheduler, and what the app was told."""

    def __init__(self):
        self.events = []
        self.attempts = {"stubborn": 0, "dropped": 0}
        self.port = free_port()
        app = App()

        @app.job_event("pack")
        def pack(event):
            self.events.append(event)

        @app.job_event("stubborn")
        def stubborn(event):
            self.attempts["stubborn"] += 1
            raise RuntimeError("not now")

        @app.job_event("dropped")
        def dropped(event):
            self.attempts["dropped"] += 1
            raise RuntimeError("never")

        threading.Thread(target=app.run, args=(self.port,), daemon=True).start()
        wait_until(lambda: listens(self.port), "the app")
        self.scheduler = Scheduler()
        self.sidecar = Daprd("shop", flags=["--app-port", self.port, "--app-protocol", "grpc",
                                            *self.scheduler.flags()])


shop = shared(Shop)


def client():
    settings.DAPR_HTTP_PORT = shop().sidecar.http_port  # For the health check of the SDK.
    return DaprClient(f"127.0.0.1:{shop().sidecar.grpc_port}")


def packed(message):
    data = Any()
    data.Pack(message)
    return data


def gone(dapr, name):
    try:
        dapr.get_job(name)
    except DaprGrpcError:
        return True
    return False


@test
def a_job_reaches_its_handler_with_its_data():
    data = packed(StringValue(value="seven boxes"))
    with client() as dapr:
        dapr.schedule_job(Job(name="pack", schedule="@every 200ms", repeats=2, due_time="0s", data=data))
        wait_until(lambda: len(shop().events) >= 2, "two events")
        wait_until(lambda: gone(dapr, "pack"), "the end of the job")
    assert [event.name for event in shop().events] == ["pack", "pack"]
    value = StringValue()
    value.ParseFromString(shop().events[0].data)
    assert value.value == "seven boxes", shop().events


@test
def a_job_is_shown_as_it_was_scheduled():
    policy = ConstantFailurePolicy(max_retries=4, interval_seconds=2)
    with client() as dapr:
        dapr.schedule_job(Job(name="shown", schedule="0 30 * * * *", repeats=9, failure_policy=policy,
                              data=packed(StringValue(value="x"))))
        shown = dapr.get_job("shown")
        assert (shown.name, shown.schedule, shown.repeats) == ("shown", "0 30 * * * *", 9), shown
        assert shown.failure_policy.max_retries == 4 and shown.failure_policy.interval_seconds == 2, shown
        assert shown.data.type_url.endswith("/google.protobuf.StringValue"), shown
        dapr.delete_job("shown")
        assert gone(dapr, "shown")


@test
def the_alpha_names_do_the_same():
    with client() as dapr:
        dapr.schedule_job_alpha1(Job(name="old", schedule="@daily"))
        assert dapr.get_job_alpha1("old").schedule == "@daily"
        dapr.delete_job_alpha1("old")
        assert gone(dapr, "old")


@test
def a_handler_that_fails_is_called_as_the_policy_says():
    with client() as dapr:
        dapr.schedule_job(Job(name="stubborn", due_time="0s",
                              failure_policy=ConstantFailurePolicy(max_retries=1, interval_seconds=0)))
        dapr.schedule_job(Job(name="dropped", due_time="0s", failure_policy=DropFailurePolicy()))
        wait_until(lambda: gone(dapr, "stubborn") and gone(dapr, "dropped"), "the end of both")
    assert shop().attempts == {"stubborn": 2, "dropped": 1}


@test
def an_error_has_the_code_of_its_cause():
    with client() as dapr:
        dapr.schedule_job(Job(name="kept", schedule="@daily"))
        try:
            dapr.schedule_job(Job(name="kept", schedule="@daily"))
            raise AssertionError("scheduled twice")
        except DaprGrpcError as error:
            assert error.code().name == "ALREADY_EXISTS", error
        dapr.schedule_job(Job(name="kept", schedule="@weekly"), overwrite=True)
        assert dapr.get_job("kept").schedule == "@weekly"


@test
def jobs_are_listed_and_deleted_by_the_beginning_of_their_names():
    from dapr.proto import api_v1

    with client() as dapr:
        for name in ("list-a", "list-b", "other"):
            dapr.schedule_job(Job(name=name, schedule="@daily"))
        jobs = dapr._stub.ListJobs(api_v1.ListJobsRequest()).jobs
        assert {"list-a", "list-b", "other"} <= {job.name for job in jobs}, jobs
        dapr._stub.DeleteJobsByPrefix(api_v1.DeleteJobsByPrefixRequest(name_prefix="list-"))
        left = {job.name for job in dapr._stub.ListJobsAlpha1(api_v1.ListJobsRequestAlpha1()).jobs}
        assert "other" in left and not {"list-a", "list-b"} & left, left
