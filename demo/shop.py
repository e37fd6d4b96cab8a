"""The shop: takes an order, asks the stock for the goods, and tells the world."""

from app import serve, sidecar, trace_of


def checkout(order, headers):
    trace = trace_of(headers)
    status, _, reserved = sidecar("POST", "/v1.0/invoke/stock/method/reserve", order, trace)
    if status != 200:
        return {"error": f"the stock answered {status}", "answer": reserved}
    status, _, _ = sidecar("POST", "/v1.0/publish/events/orders", order, trace)
    return {"left": reserved["left"], "publish status": status}


serve({"POST /checkout": checkout})
