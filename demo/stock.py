"""The stock: keeps a count for each item in its state store, and hears of every order."""

from app import serve, sidecar, trace_of

STORE = "/v1.0/state/goods"
seen = {"calls": [], "events": [], "moods": 0}
mood = {"well": True}


def reserve(order, headers):
    """Takes goods from the stock; if someone else did so meanwhile (409), looks again."""
    seen["calls"].append({"order": order, "traceparent": headers.get("traceparent")})
    trace = trace_of(headers)
    while True:
        _, found, count = sidecar("GET", f"{STORE}/{order['item']}", headers=trace)
        left = (10 if count is None else count) - order["count"]
        item = {"key": order["item"], "value": left, "options": {"concurrency": "first-write"}}
        if found["etag"]:
            item["etag"] = found["etag"]
        status, _, problem = sidecar("POST", STORE, [item], trace)
        if status == 204:
            return {"left": left}
        if status != 409:
            return {"left": None, "problem": problem}


def ordered(event, headers):
    seen["events"].append({"event": event, "traceparent": headers.get("traceparent")})
    return {"status": "SUCCESS"}


def moody(_value, _headers):
    """Fails if it was told to be unwell."""
    seen["moods"] += 1
    if not mood["well"]:
        raise RuntimeError("unwell")
    return "well"


serve({
    "GET /moody": moody,
    "POST /mood": lambda value, _headers: mood.update(value) or mood,
    "POST /reserve": reserve,
    "POST /ordered": ordered,
    "GET /seen": lambda _value, _headers: seen,
    "GET /ping": lambda _value, _headers: "pong",
})
