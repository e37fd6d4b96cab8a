"""Middlewares that ask other servers: OAuth 2 providers, and a server of Open Policy Agent."""

import json
import threading
import urllib.parse

from middleware_test import handlers, sidecar
from support import http
from support.app import App
from support.daprd import component, configuration
from support.runner import test


def with_scopes(name, kind, scopes, **metadata):
    """Scopes of OAuth 2, not of the component."""
    document = component(name, kind, **metadata)
    document["spec"]["metadata"].append({"name": "scopes", "value": scopes})
    return document


class Provider(App):
    """Logs everybody in whom it is told to, and counts the tokens that it has given."""

    def __init__(self):
        super().__init__()
        self.codes = {}
        self.tokens = 0
        self.lock = threading.Lock()
        self.on("/authorize", self.authorize)
        self.on("/token", self.token)
        self.url = f"http://127.0.0.1:{self.port}"

    def authorize(self, request):
        query = dict(urllib.parse.parse_qsl(request.query))
        with self.lock:
            code = f"code-{len(self.codes)}"
            self.codes[code] = query["client_id"]
        back = query["redirect_uri"] + "?" + urllib.parse.urlencode({"code": code, "state": query["state"]})
        return 302, b"", {"location": back}

    def token(self, request):
        form = dict(urllib.parse.parse_qsl(request.body.decode()))
        with self.lock:
            if form["grant_type"] == "authorization_code" and self.codes.pop(form["code"], None) is None:
                return 400, {"error": "invalid_grant"}
            self.tokens += 1
            return {"access_token": f"token-{self.tokens}", "token_type": "bearer", "expires_in": 3600}


class Browser:
    """Follows redirects and keeps cookies, one for each name."""

    def __init__(self):
        self.cookies = {}

    def get(self, url, follow=5):
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        reply = http.get(url, headers=headers if self.cookies else {})
        for given in reply.headers.get_all("set-cookie") or []:
            name, _, rest = given.partition("=")
            self.cookies[name] = rest.split(";")[0]
        location = reply.headers.get("location")
        if reply.status == 302 and follow:
            return self.get(urllib.parse.urljoin(url, location), follow - 1)
        return reply


def guarded(app_id, app, provider, **more):
    metadata = {"clientID": "shop", "clientSecret": "secret", "authURL": provider.url + "/authorize",
                "tokenURL": provider.url + "/token", "authHeaderName": "Authorization",
                "pathFilter": "/method/private", **more}
    daprd = sidecar(app_id, app=app, config=configuration(httpPipeline=handlers(("login", "oauth2"))),
                    resources=[with_scopes("login", "middleware.http.oauth2", "openid,profile", **metadata)])
    return daprd


@test
def a_browser_logs_in_and_comes_back_to_where_it_wanted_to_go():
    app, provider = App(), Provider()
    app.on("/private/page", lambda request: (200, f"{request.query} {request.headers['authorization']}"))
    app.on("/open", 200)
    # A port is needed before the sidecar has one: the way back is relative to where the browser is.
    daprd = guarded("login-shop", app, provider, redirectURL="/v1.0/invoke/login-shop/method/private/back")
    provider.on("/authorize", lambda request: here(provider, daprd, request))
    page = daprd.url("/v1.0/invoke/login-shop/method/private/page?a=b")
    browser = Browser()
    reply = browser.get(page)
    assert (reply.status, reply.text) == (200, "a=b Bearer token-1"), reply
    assert browser.get(page).status == 200 and provider.tokens == 1
    assert daprd.get("/v1.0/invoke/login-shop/method/open").status == 200
    # Not for others: without its cookie, with a made-up one, or with a forged header.
    for headers in ({}, {"cookie": "gosessionsid=guess"}, {"authorization": "Bearer token-1"}):
        assert http.get(page, headers=headers).status == 302, headers
    for way in ("/v1.0/invoke/login-shop/method//private/page", "/v1.0/invoke/login-shop/method/%70rivate/page"):
        assert daprd.get(way).status == 302, way


def here(provider, daprd, request):
    status, body, headers = provider.authorize(request)
    return status, body, {"location": daprd.url(headers["location"])}


@test
def a_stolen_or_made_up_way_back_is_refused():
    app, provider = App(), Provider()
    daprd = guarded("thief-shop", app, provider, redirectURL="http://shop.test/back")
    start = daprd.get("/v1.0/invoke/thief-shop/method/private/page")
    state = urllib.parse.parse_qs(urllib.parse.urlsplit(start.headers["location"]).query)["state"][0]
    way = f"/v1.0/invoke/thief-shop/method/private/back?code=code-9&state={state}"
    cookie = {"cookie": start.headers["set-cookie"].split(";")[0]}
    refused = daprd.get(way)
    assert (refused.status, refused.text) == (400, "invalid state")
    assert daprd.get(way, headers=cookie).status == 500, "the provider knows no such code"
    assert daprd.get(way, headers=cookie).text == "invalid state", "a replay"
    assert app.received("/private/back") == [] and provider.tokens == 0


@test
def a_sidecar_shows_its_own_token_to_the_app():
    app, provider = App(), Provider()
    app.on("/work", lambda request: (200, request.headers.get("x-token", "none")))
    metadata = {"clientID": "shop", "clientSecret": "hush-hush", "headerName": "x-token",
                "tokenURL": provider.url + "/token", "pathFilter": "/work"}
    daprd = sidecar("machine-shop", app=app,
                    config=configuration(appHttpPipeline=handlers(("own", "oauth2clientcredentials"))),
                    resources=[with_scopes("own", "middleware.http.oauth2clientcredentials", "a", **metadata)])
    replies = [daprd.get("/v1.0/invoke/machine-shop/method/work", headers={"x-token": "forged"}) for _ in range(5)]
    assert [reply.text for reply in replies] == ["Bearer token-1"] * 5, replies
    provider.on("/token", 503)
    daprd = sidecar("broken-shop", app=app,
                    config=configuration(appHttpPipeline=handlers(("own", "oauth2clientcredentials"))),
                    resources=[with_scopes("own", "middleware.http.oauth2clientcredentials", "b", **metadata)])
    calls = len(app.received("/work"))
    assert daprd.get("/v1.0/invoke/broken-shop/method/work").status == 500
    assert len(app.received("/work")) == calls
    assert "hush-hush" not in daprd.output()


class PolicyServer(App):
    """Answers as a policy would that lets through who says who they are."""

    def __init__(self):
        super().__init__()
        self.policies = {}
        self.on("/v1/data/http/allow", self.decide)
        self.url = f"http://127.0.0.1:{self.port}"

    def answer(self, request):
        if request.path.startswith("/v1/policies/"):
            self.policies[request.path] = request.body.decode()
            return 200, b"{}", {}
        return super().answer(request)

    def decide(self, request):
        asked = json.loads(request.body)["input"]["request"]
        if asked["path_parts"][-1] == "unknown":
            return {}
        user = asked["headers"].get("X-User")
        if user is None:
            return {"result": {"allow": False, "status_code": 401, "additional_headers": {"x-why": "no user"}}}
        return {"result": {"allow": True, "additional_headers": {"x-checked": user + " " + asked["body"]}}}


@test
def a_policy_decides():
    app, server = App(), PolicyServer()
    app.on("/work", lambda request: (200, request.headers["x-checked"] + request.body.decode()))
    policy = "package http\ndefault allow = false\n"
    daprd = sidecar("policy-shop", app=app, config=configuration(appHttpPipeline=handlers(("gate", "opa"))),
                    resources=[component("gate", "middleware.http.opa", rego=policy, opaURL=server.url,
                                         includedHeaders="x-user", readBody="true")])
    assert server.policies == {"/v1/policies/dapr/default/policy-shop/gate": policy}
    way = "/v1.0/invoke/policy-shop/method/"
    reply = daprd.post(way + "work", body=b"text", headers={"x-user": "joe"})
    assert (reply.status, reply.text) == (200, "joe texttext"), reply
    refused = daprd.post(way + "work", body=b"text")
    assert refused.status == 401 and refused.headers["x-why"] == "no user"
    unknown = daprd.get(way + "unknown")
    assert unknown.status == 403 and unknown.headers["x-dapr-opa-error"] == "true"
    server.on("/v1/data/http/allow", 500)
    assert daprd.post(way + "work", body=b"text", headers={"x-user": "joe"}).status == 403
    assert len(app.received("/work")) == 1


@test
def sentinel_holds_back_what_its_rules_name():
    app = App()
    app.on("/slow", 200).on("/fails", 500)
    rules = [{"resource": "GET:/v1.0/invoke/calm-shop/method/slow", "threshold": 2, "statIntervalInMs": 600000}]
    breakers = [{"resource": "GET:/v1.0/invoke/calm-shop/method/fails", "strategy": 2, "threshold": 3,
                 "retryTimeoutMs": 600000, "statIntervalMs": 600000}]
    daprd = sidecar("calm-shop", app=app, config=configuration(httpPipeline=handlers(("calm", "sentinel"))),
                    resources=[component("calm", "middleware.http.sentinel", appName="calm",
                                         flowRules=json.dumps(rules), circuitBreakerRules=json.dumps(breakers))])
    statuses = [daprd.get("/v1.0/invoke/calm-shop/method/slow").status for _ in range(7)]
    # The interval may have ended once in between.
    assert 429 in statuses and statuses.count(200) in range(2, 5), statuses
    statuses = [daprd.get("/v1.0/invoke/calm-shop/method/fails").status for _ in range(9)]
    assert 429 in statuses and 500 in statuses, statuses
    assert daprd.get("/v1.0/invoke/calm-shop/method/slow").headers["content-type"] == "text/plain; charset=utf-8"
