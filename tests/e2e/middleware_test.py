"""Pipelines of middleware, before the HTTP API and before the application."""

import base64
import http.server
import json
import re
import threading
import time

from support.app import App
from support.daprd import Daprd, component, configuration
from support.ports import free_port
from support.processes import temporary_folder, wait_until
from support.runner import test
from support.sentry import make_key, openssl


def handlers(*names):
    return {"handlers": [{"name": name, "type": f"middleware.http.{kind}"} for name, kind in names]}


def sidecar(app_id, **rest):
    """Its health stands behind the pipeline, too, as upstream's does: the log says when it is ready."""
    daprd = Daprd(app_id, wait=False, **rest)
    wait_until(lambda: "dapr initialized" in daprd.output(), "the sidecar ready")
    return daprd


def encoded(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Publishes the key that it signs its tokens with."""

    def __init__(self):
        self.key = temporary_folder() / "key.pem"
        self.key.write_bytes(make_key("RSA", ["-pkeyopt", "rsa_keygen_bits:2048"]))
        modulus = openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().split("=")[1]
        self.keys = {"keys": [{"kty": "RSA", "kid": "one", "use": "sig", "alg": "RS256",
                               "n": encoded(bytes.fromhex(modulus)), "e": "AQAB"}]}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        pages = {"/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": self.url + "/keys"},
                 "/keys": self.keys}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                page = pages.get(self.path)
                self.send_response(200 if page else 404)
                self.end_headers()
                self.wfile.write(json.dumps(page).encode())

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def token(self, **claims):
        claims = {"iss": self.url, "aud": "shop", "exp": time.time() + 600, **claims}
        text = encoded({"alg": "RS256", "kid": "one"}) + "." + encoded(claims)
        signature = openssl("dgst", "-sha256", "-sign", self.key, stdin=text.encode())
        return f"{text}.{encoded(signature)}"


@test
def a_bearer_token_of_the_issuer_is_asked_for():
    issuer = Issuer()
    daprd = sidecar("guarded-shop", config=configuration(httpPipeline=handlers(("guard", "bearer"))),
                  resources=[component("guard", "middleware.http.bearer", issuer=issuer.url, audience="shop")])
    page = "/v1.0/metadata"
    good = issuer.token()
    assert daprd.get(page, headers={"authorization": f"Bearer {good}"}).status == 200
    for header in ("", f"Basic {good}", f"Bearer {good[:-6]}AAAAAA", f"Bearer {issuer.token(aud='else')}",
                   f"Bearer {issuer.token(exp=time.time() - 600)}", f"Bearer {issuer.token(iss='https://other')}",
                   "Bearer " + encoded({"alg": "none"}) + "." + encoded({"iss": issuer.url, "aud": "shop"}) + "."):
        assert daprd.get(page, headers={"authorization": header}).status == 401, header


@test
def middlewares_stand_in_the_order_of_the_configuration():
    app = App()
    app.on("/hello", lambda request: (200, f"hello {request.query}"))
    resources = [
        component("alias", "middleware.http.routeralias",
                  routes=json.dumps({"/short/{name}": "/v1.0/invoke/alias-shop/method/hello"})),
        component("rule", "middleware.http.routerchecker", rule="^/v1.0/(invoke|metadata)")]
    both = configuration(httpPipeline=handlers(("alias", "routeralias"), ("rule", "routerchecker")))
    daprd = sidecar("alias-shop", app=app, resources=resources, config=both)
    assert daprd.get("/short/joe").text == "hello name=joe"
    assert daprd.get("/v1.0/secrets/x/y").status == 400
    turned = configuration(httpPipeline=handlers(("rule", "routerchecker"), ("alias", "routeralias")))
    daprd = sidecar("turned-shop", app=app, resources=resources, config=turned)
    assert daprd.get("/short/joe").status == 400


@test
def a_rate_limit_before_the_app_holds_for_all_who_call_it():
    app = App()
    app.on("/work", 200)
    limited = configuration(appHttpPipeline=handlers(("limit", "ratelimit")))
    daprd = sidecar("limited-shop", app=app, config=limited,
                  resources=[component("limit", "middleware.http.ratelimit", maxRequestsPerSecond="1")])
    statuses = [daprd.post("/v1.0/invoke/limited-shop/method/work").status for _ in range(5)]
    assert statuses[0] == 200 and 429 in statuses, statuses
    assert len(app.received("/work")) == statuses.count(200)


@test
def a_middleware_that_is_not_there_is_named_in_the_log():
    daprd = sidecar("guarded-shop", config=configuration(httpPipeline=handlers(("gone", "bearer"))))
    assert daprd.get("/v1.0/healthz").status == 204
    assert re.search(r"The middleware gone \(middleware.http.bearer\) .* is not there", daprd.output())
