"""A counter that is a virtual actor: any number of them, each by its id, one call at a time."""

from app import serve, sidecar

TYPE = "counter"


def count(actor, by):
    """Reads, adds and writes: no other call of this actor can come between."""
    path = f"/v1.0/actors/{TYPE}/{actor}/state"
    _, _, value = sidecar("GET", f"{path}/value")
    value = (value or 0) + by
    change = {"operation": "upsert", "request": {"key": "value", "value": value}}
    status, _, problem = sidecar("POST", path, [change])
    return {"value": value} if status == 204 else {"problem": problem}


def actor_route(method, parts, _value):
    """PUT /actors/counter/<id>/method/...: a call, or a reminder that is due."""
    actor, what = parts[2], parts[4:]
    if method == "DELETE":
        return {}
    return count(actor, 1 if what == ["remind", "tick"] else 10)


serve({
    "GET /dapr/config": lambda _value, _headers: {"entities": [TYPE]},
    "GET /healthz": lambda _value, _headers: {},
}, actors=actor_route)
