"""The jobs API over HTTP, with our scheduler."""

from support import http
from support.app import App
from support.daprd import Daprd
from support.processes import wait_until
from support.runner import shared, test
from support.scheduler import Scheduler

scheduler = shared(Scheduler)


def shop(app=None, name="shop"):
    return Daprd(name, app=app, flags=scheduler().flags())


def gone(sidecar, name):
    return sidecar.get(f"/v1.0/jobs/{name}").status == 500


@test
def a_job_reaches_the_application_with_its_data():
    app = App().on("/job/once", 200)
    sidecar = shop(app)
    reply = sidecar.post("/v1.0/jobs/once", json={"dueTime": "0s", "data": {"order": 7, "gift": None}})
    assert (reply.status, reply.text) == (204, ""), reply
    request = app.wait_for("/job/once")[0]
    assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
    assert request.json == {"order": 7, "gift": None}, request
    wait_until(lambda: gone(sidecar, "once"), "the end of a job that was due once")
    assert len(app.received("/job/once")) == 1
    counts = sidecar.metrics()
    assert 'dapr_component_job_success_count{app_id="shop",namespace="",operation="job_trigger_op"} 1' in counts
    calls = [line for line in counts.splitlines() if "Scheduler/ScheduleJob" in line]
    assert any("dapr_grpc_io_client_completed_rpcs" in line for line in calls), calls


@test
def a_job_repeats_as_often_as_it_says():
    app = App().on("/job/thrice", 200)
    sidecar = shop(app)
    sidecar.post("/v1.0/jobs/thrice", json={"schedule": "@every 200ms", "repeats": 3, "dueTime": "0s"})
    app.wait_for("/job/thrice", 3)
    wait_until(lambda: gone(sidecar, "thrice"), "the end of a job that was due three times")
    assert len(app.received("/job/thrice")) == 3


@test
def a_job_is_shown_and_deleted():
    sidecar = shop()
    job = {"schedule": "@every 1h", "repeats": 5, "dueTime": "1000s", "ttl": "3000s", "data": "hello",
           "failurePolicy": {"constant": {"interval": "3s", "maxRetries": 5}}}
    assert sidecar.post("/v1.0-alpha1/jobs/shown", json=job).status == 204
    shown = sidecar.get("/v1.0/jobs/shown")
    assert (shown.status, shown.headers["content-type"]) == (200, "application/json"), shown
    data = {"@type": "type.googleapis.com/google.protobuf.Value", "value": "hello"}
    found = shown.json
    assert found["data"] == data and found["name"] == "shown", found
    for key in ("schedule", "repeats", "dueTime", "failurePolicy"):
        assert found[key] == job[key], (key, found)
    assert sidecar.delete("/v1.0/jobs/shown").status == 204
    missing = sidecar.get("/v1.0/jobs/shown")
    assert (missing.status, missing.json["errorCode"]) == (500, "DAPR_SCHEDULER_GET_JOB"), missing
    assert "rpc error: code = NotFound desc = " in missing.json["message"], missing
    assert sidecar.delete("/v1.0/jobs/shown").status == 204


@test
def a_job_is_replaced_only_if_that_is_asked_for():
    sidecar = shop()
    assert sidecar.post("/v1.0/jobs/kept", json={"schedule": "@daily"}).status == 204
    again = sidecar.post("/v1.0/jobs/kept", json={"schedule": "@weekly"})
    assert (again.status, again.json["errorCode"]) == (409, "DAPR_SCHEDULER_SCHEDULE_JOB"), again
    assert "rpc error: code = AlreadyExists desc = " in again.json["message"], again
    assert sidecar.post("/v1.0/jobs/kept", json={"schedule": "@weekly", "overwrite": True}).status == 204
    assert sidecar.get("/v1.0/jobs/kept").json["schedule"] == "@weekly"


@test
def what_cannot_be_scheduled_is_refused():
    sidecar = shop()
    reply = sidecar.post("/v1.0/jobs/bad", json={"schedule": "every now and then"})
    assert reply.json["errorCode"] == "DAPR_SCHEDULER_SCHEDULE_JOB", reply
    for body, code in ((b"{}", "DAPR_SCHEDULER_SCHEDULE_EMPTY"), (b"{", "ERR_MALFORMED_REQUEST"),
                       (b'{"name":"bad","dueTime":"1s"}', "DAPR_SCHEDULER_JOB_NAME")):
        reply = sidecar.post("/v1.0/jobs/bad", body=body)
        assert (reply.status, reply.json["errorCode"]) == (400, code), reply


@test
def a_job_that_fails_is_tried_again_as_its_policy_says():
    app = App().on("/job/stubborn", 500).on("/job/dropped", 500)
    sidecar = shop(app)
    stubborn = {"constant": {"interval": "0.1s", "maxRetries": 2}}
    sidecar.post("/v1.0/jobs/stubborn", json={"dueTime": "0s", "failurePolicy": stubborn})
    sidecar.post("/v1.0/jobs/dropped", json={"dueTime": "0s", "failurePolicy": {"drop": {}}})
    app.wait_for("/job/stubborn", 3)
    app.wait_for("/job/dropped")
    wait_until(lambda: gone(sidecar, "stubborn") and gone(sidecar, "dropped"), "the end of both")
    assert (len(app.received("/job/stubborn")), len(app.received("/job/dropped"))) == (3, 1)


@test
def a_job_that_the_application_does_not_know_is_not_tried_again():
    app = App()
    sidecar = shop(app)
    sidecar.post("/v1.0/jobs/unknown", json={"dueTime": "0s"})
    app.wait_for("/job/unknown")
    wait_until(lambda: gone(sidecar, "unknown"), "the end of the job")
    assert len(app.received("/job/unknown")) == 1


@test
def a_job_waits_until_its_application_is_there():
    absent = Daprd("late", flags=[*scheduler().flags(), "--app-port", "1"], wait=False)
    absent.wait_ready(lambda: http.answers(absent.url("/v1.0/healthz/outbound"), 204))
    assert absent.post("/v1.0/jobs/early", json={"dueTime": "0s"}).status == 204
    absent.stop()
    app = App().on("/job/early", 200)
    shop(app, name="late")
    app.wait_for("/job/early")


@test
def jobs_outlive_the_death_of_scheduler_and_sidecar():
    own = Scheduler()
    app = App().on("/job/survivor", 200)
    sidecar = Daprd("shop", app=app, flags=own.flags())
    assert sidecar.post("/v1.0/jobs/survivor", json={"schedule": "@every 300ms"}).status == 204
    app.wait_for("/job/survivor")
    own.kill()
    wait_until(lambda: "Scheduler stream to" in sidecar.output(), "the loss of the scheduler")
    before = len(app.received("/job/survivor"))
    Scheduler(folder=own.folder, port=own.port)
    app.wait_for("/job/survivor", before + 2)
    sidecar.kill()
    before = len(app.received("/job/survivor"))
    Daprd("shop", app=app, flags=own.flags())
    app.wait_for("/job/survivor", before + 2)


@test
def an_end_lets_a_running_job_end():
    def slow(_):
        wait_until(lambda: "Dapr is shutting down" in sidecar.output(), "the end")
        return 200

    app = App().on("/job/slow", slow)
    sidecar = shop(app)
    sidecar.post("/v1.0/jobs/slow", json={"dueTime": "0s"})
    app.wait_for("/job/slow")
    assert sidecar.stop() == 0
    again = shop(app)
    wait_until(lambda: gone(again, "slow"), "the end of the job")
    assert len(app.received("/job/slow")) == 1


@test
def the_sidecar_says_which_schedulers_it_knows():
    sidecar = shop()
    assert sidecar.get("/v1.0/metadata").json["scheduler"] == {"connected_addresses": [scheduler().address]}
    assert "scheduler" not in Daprd("alone").get("/v1.0/metadata").json


@test
def without_a_scheduler_the_api_says_so():
    reply = Daprd("alone").post("/v1.0/jobs/j", json={"dueTime": "1s"})
    assert (reply.status, reply.json["errorCode"]) == (500, "DAPR_SCHEDULER_SCHEDULE_JOB"), reply
    assert reply.json["message"] == "failed to schedule job due to: scheduler clients are disabled", reply


@test
def a_sidecar_waits_for_a_scheduler_that_comes_later():
    later = Scheduler()
    later.kill()
    sidecar = Daprd("shop", flags=later.flags(), wait=False)
    wait_until(lambda: "WatchHosts stream error" in sidecar.output(), "the first attempt")
    assert sidecar.exit_status is None
    Scheduler(port=later.port)
    sidecar.wait_healthy()
    assert sidecar.post("/v1.0/jobs/j", json={"schedule": "@daily"}).status == 204
