"""The scheduler's store, seen as the command line sees it: as an etcd."""

import base64
import json
import os
import subprocess

from support.app import App
from support.daprd import Daprd
from support.processes import wait_until
from support.runner import test
from support.scheduler import Scheduler


def etcdctl(scheduler, *words, stdin=b""):
    done = subprocess.run(["etcdctl", "--endpoints", f"http://127.0.0.1:{scheduler.etcd_port}", *words], input=stdin,
                          capture_output=True, timeout=30, env=os.environ | {"ETCDCTL_API": "3"})
    assert done.returncode == 0, done.stderr
    return done.stdout


def records(scheduler, prefix):
    """Key and value of each, as bytes."""
    found = json.loads(etcdctl(scheduler, "get", "--prefix", prefix, "-w", "json")).get("kvs", [])
    return {base64.b64decode(one["key"]).decode(): base64.b64decode(one["value"]) for one in found}


@test
def jobs_can_be_exported_deleted_and_imported_as_records():
    scheduler = Scheduler()
    app = App().on("/job/often", 200)
    sidecar = Daprd("shop", app=app, flags=scheduler.flags())
    for name, job in {"often": {"schedule": "@every 1s", "repeats": 1000}, "later": {"dueTime": "1h"}}.items():
        assert sidecar.post(f"/v1.0/jobs/{name}", json=job).status == 204
    app.wait_for("/job/often", 2)
    wait_until(lambda: records(scheduler, "dapr/counters/"), "a counter")
    jobs, counters = records(scheduler, "dapr/jobs/"), records(scheduler, "dapr/counters/")
    assert list(jobs) == ["dapr/jobs/app||default||shop||later", "dapr/jobs/app||default||shop||often"], jobs
    assert list(counters) == ["dapr/counters/app||default||shop||often"], counters

    # As `dapr scheduler delete` and `get` do it.
    both = "app||default||shop||often"
    done = etcdctl(scheduler, "txn", stdin=f'\ndel "dapr/jobs/{both}"\ndel "dapr/counters/{both}"\n\n\n'.encode())
    assert done.split()[:2] == [b"SUCCESS", b"1"], done
    assert sidecar.get("/v1.0/jobs/often").status == 500
    assert etcdctl(scheduler, "del", "--prefix", "dapr/jobs/app||default||").strip() == b"1"
    assert records(scheduler, "dapr/") == {
        key: value for key, value in records(scheduler, "dapr/leadership/").items()}

    # And another one takes them over, where the first left off.
    other = Scheduler()
    for key, value in [*jobs.items(), *counters.items()]:
        etcdctl(other, "put", key, stdin=value)
    assert records(other, "dapr/jobs/") == jobs
    before = len(app.received("/job/often"))
    second = Daprd("shop", app=app, flags=other.flags())
    app.wait_for("/job/often", before + 2)
    assert second.get("/v1.0/jobs/later").json["dueTime"] == "1h"
    count = etcdctl(other, "get", "dapr/counters/app||default||shop||often", "--print-value-only")
    assert count != b"", count


@test
def what_is_no_record_is_refused():
    scheduler = Scheduler()
    for key in ("dapr/jobs/a", "dapr/leadership/a", "other"):
        done = subprocess.run(["etcdctl", "--endpoints", f"http://127.0.0.1:{scheduler.etcd_port}", "put", key],
                              input=b"\xff\xff", capture_output=True, timeout=30, env=os.environ | {"ETCDCTL_API": "3"})
        assert done.returncode != 0, key


@test
def a_large_export_is_sent_as_it_is_read():
    scheduler = Scheduler()
    sidecar = Daprd("exporter", flags=scheduler.flags())
    names = [f"large{number:02}" for number in range(48)]
    for name in names:
        job = {"dueTime": "1h", "data": name[-1] * (1 << 20)}
        assert sidecar.post(f"/v1.0/jobs/{name}", json=job, seconds=30).status == 204
    found = records(scheduler, "dapr/jobs/")
    assert [key.rsplit("||", 1)[1] for key in found] == names
    assert all(key[-1].encode() * (1 << 20) in value for key, value in found.items())
    # Whole, it is held three times.
    assert scheduler.peak_kb() < 130 * 1024, scheduler.peak_kb()
    assert len(etcdctl(scheduler, "get", "--prefix", "dapr/jobs/", "--limit", "5", "--keys-only").split()) == 5
