"""Mutual TLS between sidecars and towards the control plane, with our sentry."""

import collections
import signal
import threading

from support import http
from support.app import App
from support.daprd import Daprd, component
from support.placement import Placement
from support.ports import free_port
from support.processes import temporary_folder, wait_until
from support.runner import shared, test
from support.scheduler import Scheduler
from support.sentry import Sentry, openssl, split_pem

sentry = shared(Sentry)


def anchors_file():
    path = temporary_folder() / "ca.crt"
    path.write_bytes(sentry().anchors)
    return path


def sidecar(app_id, authority=None, anchors=None, flags=(), **rest):
    authority = authority or sentry()
    return Daprd(app_id, flags=["--enable-mtls", "--sentry-address", f"127.0.0.1:{authority.port}", *flags],
                 env={"DAPR_TRUST_ANCHORS": (anchors or authority.anchors).decode()}, **rest)


def tls_flags():
    return ["--tls-enabled", "--sentry-address", f"127.0.0.1:{sentry().port}", "--trust-anchors-file",
            anchors_file()]


def echo_app():
    app = App()
    app.on("/echo", lambda request: (200, request.body))
    return app


@test
def sidecars_speak_to_each_other_and_to_nobody_else():
    callee, caller = sidecar("guarded-callee", app=echo_app()), sidecar("guarded-caller")
    assert caller.post("/v1.0/invoke/guarded-callee/method/echo", body="secret").text == "secret"
    plain = Daprd("guarded-plain")
    reply = plain.post("/v1.0/invoke/guarded-callee/method/echo", body="secret")
    assert reply.status == 500 and "ERR_DIRECT_INVOKE" in reply.text, reply
    shown = openssl("s_client", "-connect", f"127.0.0.1:{callee.internal_port}", "-alpn", "h2",
                    check=False).stdout
    names = openssl("x509", "-noout", "-ext", "subjectAltName", stdin=split_pem(shown)[0]).decode()
    assert "URI:spiffe://public/ns/default/guarded-callee" in names, names


@test
def old_protocols_and_weak_ciphers_are_refused():
    daprd = sidecar("well-guarded")
    where = ["-connect", f"127.0.0.1:{daprd.internal_port}", "-cipher", "ALL:@SECLEVEL=0"]
    for version in ("-tls1", "-tls1_1"):
        done = openssl("s_client", *where, version, check=False)
        assert b"Cipher is (NONE)" in done.stdout, done.stdout
    for cipher in ("NULL-SHA256", "RC4-SHA", "DES-CBC3-SHA"):
        done = openssl("s_client", *where[:2], "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0", check=False)
        assert b"Cipher is " + cipher.encode() not in done.stdout, done.stdout


@test
def nothing_starts_without_an_identity_and_waits_for_a_sentry_to_give_one():
    other = Sentry()
    anchors = {"DAPR_TRUST_ANCHORS": sentry().anchors.decode()}
    untrusting = Daprd("tls-nobody", flags=["--enable-mtls", "--sentry-address", f"127.0.0.1:{other.port}"], wait=False,
                       env=anchors)
    port = free_port()
    address = ("--sentry-address", f"127.0.0.1:{port}")
    early = Daprd("tls-early", flags=["--enable-mtls", *address], wait=False, env=anchors)
    service = Placement(flags=["--tls-enabled", "--trust-anchors-file", anchors_file(), *address], wait=False)
    for process, words in (untrusting, "unable to get local issuer certificate"), (early, "refused"), (service, "refused"):
        wait_until(lambda: "trying again: " in process.output(), "a complaint")  # noqa: B023
        assert words in process.output() and process.exit_status is None, process.output()
    for process in untrusting, service:
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    authority = Sentry(folder=sentry().folder, port=port)
    early.wait_healthy()
    # It is not there for a moment when another life begins.
    authority.stop()
    early.signal(signal.SIGHUP)
    wait_until(lambda: early.output().count("Fetching initial identity") == 2, "the next life")
    Sentry(folder=sentry().folder, port=port)
    wait_until(lambda: early.output().count("dapr initialized. Status: Running") == 2, "the next life")


@test
def actors_and_jobs_go_through_placement_and_scheduler_with_mutual_tls():
    placement, scheduler = Placement(flags=tls_flags()), Scheduler(flags=tls_flags())
    flags = [*placement.flags(), *scheduler.flags()]
    app, jobs = App(), threading.Event()
    app.on("/dapr/config", (200, {"entities": ["cat"]}))
    app.on("/actors/cat/tom/method/speak", (200, "meow"))
    app.on("/job/once", lambda request: (jobs.set(), 200)[1])
    store = component("store", "state.in-memory", actorStateStore="true")
    host = sidecar("tls-zoo", app=app, resources=[store], flags=flags)
    other = sidecar("tls-visitor", resources=[store], flags=flags)
    for daprd in (host, other):
        wait_until(lambda: daprd.call("PUT", "/v1.0/actors/cat/tom/method/speak").text == "meow", "an answer of the actor")
    assert host.post("/v1.0-alpha1/jobs/once", json={"dueTime": "0s"}).status == 204
    assert jobs.wait(10)
    plain = Daprd("tls-stranger", flags=flags, wait=False)
    wait_until(lambda: plain.output().count("Attempting to connect to placement") > 2, "three tries to reach placement")
    assert "id=tls-zoo" in placement.output() and "id=tls-stranger" not in placement.output(), placement.output()


@test
def certificates_of_seconds_are_renewed_under_load_without_a_failed_call():
    authority = Sentry(mtls={"workloadCertTTL": "6s"})
    callee, caller = sidecar("renewed-callee", authority, app=echo_app()), sidecar("renewed-caller", authority)
    answers, enough = collections.Counter(), threading.Event()

    def call():
        while not enough.is_set():
            answers[caller.post("/v1.0/invoke/renewed-callee/method/echo", body="x").status] += 1

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    page = f"http://127.0.0.1:{caller.metrics_port}/metrics"
    renewed = 'dapr_runtime_mtls_workload_cert_rotated_total{app_id="renewed-caller"} 2'
    wait_until(lambda: renewed in http.get(page).text, "two renewals", 60)
    enough.set()
    for thread in threads:
        thread.join()
    assert set(answers) == {200}, answers
