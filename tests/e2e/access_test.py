"""Access control lists, seen from outside: who may call which method, with mutual TLS and without."""

import posixpath
import urllib.parse

from support.app import App
from support.daprd import Daprd, configuration
from support.runner import shared, test
from support.sentry import Sentry


def policy(app_id, default, **operations):
    """A policy for callers of that id; operations by name, each (action, verbs)."""
    return {"appId": app_id, "defaultAction": default, "trustDomain": "public", "namespace": "default",
            "operations": [{"name": name, "action": action, "httpVerb": verbs}
                           for name, (action, verbs) in operations.items()]}


@shared
def sentry():
    return Sentry()


def sidecar(app_id, **rest):
    """One with an identity."""
    authority = sentry()
    env = {"DAPR_TRUST_ANCHORS": authority.anchors.decode(), "NAMESPACE": "default"}
    flags = ["--enable-mtls", "--sentry-address", f"127.0.0.1:{authority.port}"]
    return Daprd(app_id, flags=flags, env=env, **rest)


class Echo(App):
    """Says what it was asked for, as most applications read it: decoded, dot segments resolved."""

    def answer(self, request):
        if request.path.startswith("/dapr/"):
            return super().answer(request)
        super().answer(request)
        read = posixpath.normpath("/" + urllib.parse.unquote(request.path).lstrip("/"))
        return 200, f"{request.method} {read}".encode(), {}


@test
def without_an_identity_every_caller_is_under_the_global_action():
    app = Echo()
    rules = {"defaultAction": "deny", "policies": [policy("caller", "allow")]}
    strict = Daprd("strict", app=app, config=configuration(accessControl=rules))
    Daprd("open", app=app, config=configuration(accessControl={"policies": [policy("caller", "deny")]}))
    caller = Daprd("caller")
    refused = caller.get("/v1.0/invoke/strict/method/orders")
    assert refused.status == 403, refused
    assert refused.json["errorCode"] == "ERR_DIRECT_INVOKE", refused
    words = "access control policy has denied access to id:  operation: orders verb: GET"
    assert words in refused.json["message"], refused
    assert not app.received("/orders")
    # What calls itself is asked nothing.
    assert strict.get("/v1.0/invoke/strict/method/orders").status == 200
    assert caller.get("/v1.0/invoke/open/method/orders").status == 200
    blocked = [line for line in strict.metrics().splitlines()
               if line.startswith("dapr_runtime_acl_global_policy_action_blocked_total{")]
    assert len(blocked) == 1 and blocked[0].endswith(" 1"), strict.metrics()


@test
def a_policy_is_for_the_app_that_the_certificate_names():
    app = Echo()
    rules = {"defaultAction": "deny", "trustDomain": "public",
             "policies": [policy("friend", "deny", **{"/orders/*": ("allow", ["GET"]),
                                                      "/Public": ("allow", ["*"])})]}
    callee = sidecar("callee", app=app, config=configuration(accessControl=rules))
    friend, stranger = sidecar("friend"), sidecar("stranger")
    method = "/v1.0/invoke/callee/method"
    assert friend.get(f"{method}/orders/1").text == "GET /orders/1"
    assert friend.get(f"{method}/ORDERS/1").status == 200
    assert friend.post(f"{method}/public").text == "POST /public"
    for refused in (friend.post(f"{method}/orders/1"), friend.get(f"{method}/orders/1/lines"),
                    friend.get(f"{method}/"), stranger.get(f"{method}/orders/1"),
                    # A header names no caller.
                    stranger.get(f"{method}/orders/1", headers={"dapr-caller-app-id": "friend"})):
        assert refused.status == 403, refused
    words = "denied access to id: spiffe://public/ns/default/stranger operation: orders/1 verb: GET"
    assert words in stranger.get(f"{method}/orders/1").text
    metrics = callee.metrics()
    for name, caller in (("app_policy_action_allowed", "friend"), ("app_policy_action_blocked", "friend"),
                         ("global_policy_action_blocked", "stranger")):
        counted = [line for line in metrics.splitlines()
                   if line.startswith(f"dapr_runtime_acl_{name}_total") and f'app_id="{caller}"' in line]
        assert counted and 'trustDomain="public"' in counted[0], metrics


# Each would reach /admin past a list that reads it otherwise than the application does.
WAYS_ROUND = [
    "admin", "Admin", "/admin", "//admin", "./admin", "x/../admin", "public/../admin", "%61dmin", "%2561dmin",
    "public%2F..%2Fadmin", "public%252F..%252Fadmin", "..%2Fadmin", "..%2F..%2Fadmin", "admin%2F", "admin/.",
    "admin%23", "admin%3F", "admin%3Fx", "public%23%2F..%2Fadmin", "public%3F%2F..%2Fadmin", "%2Fadmin",
    "admin%00", "public%0D/../admin", "%2e%2fadmin", "public/%2e%2e/admin", "%252e%252e%252fadmin",
    "public%20%252F..%252Fadmin", "a%20b%252f%252e%252e%252fadmin",
]


@test
def no_spelling_of_a_method_leads_past_the_list():
    app = Echo()
    denied = {"defaultAction": "allow", "trustDomain": "public",
              "policies": [policy("caller", "allow", **{"/admin": ("deny", ["*"])})]}
    granted = {"defaultAction": "deny", "trustDomain": "public",
               "policies": [policy("caller", "deny", **{"/public*": ("allow", ["*"])})]}
    sidecar("denying", app=app, config=configuration(accessControl=denied))
    sidecar("granting", app=app, config=configuration(accessControl=granted))
    caller = sidecar("caller")
    assert caller.get("/v1.0/invoke/denying/method/public").text == "GET /public"
    assert caller.get("/v1.0/invoke/granting/method/public").text == "GET /public"
    for callee in ("denying", "granting"):
        for way in WAYS_ROUND:
            reply = caller.get(f"/v1.0/invoke/{callee}/method/{way}")
            assert reply.status != 200 or not reply.text.lower().startswith("get /admin"), (callee, way, reply)
    assert caller.get("/v1.0/invoke/denying/method/%2561dmin").status == 403
