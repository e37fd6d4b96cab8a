"""A receiver of spans in Zipkin's format, and what tests ask of a trace."""

from .app import App
from .processes import PATIENCE, wait_until

PATH = "/api/v2/spans"


class Zipkin(App):
    """Keeps every span it is sent."""

    def __init__(self, port=None):
        super().__init__(port=port)
        self.on(PATH, 202)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{PATH}"

    def tracing(self, rate="1"):
        """The Configuration's spec.tracing of those who send their spans here."""
        return {"samplingRate": rate, "zipkin": {"endpointAddress": self.url}}

    def spans(self, trace=None):
        found = [span for request in self.received(PATH) for span in request.json]
        return [span for span in found if trace is None or span["traceId"] == trace]

    def wait_for_spans(self, *names, trace=None, seconds=PATIENCE):
        """One span for each name, as soon as they have all come."""
        wait_until(lambda: set(names) <= {span["name"] for span in self.spans(trace)},
                   f"spans {names}; there are {[span['name'] for span in self.spans(trace)]}", seconds)
        by_name = {span["name"]: span for span in self.spans(trace)}
        return [by_name[name] for name in names]
