"""What is measured: each scenario is a load, the sidecars it goes through, and what they load."""

import dataclasses

import wire
from backends import SIZES, STREAM_MESSAGES
from load import Load

VALUE = b'"' + b"v" * 98 + b'"'
_GRPC = "/dapr.proto.runtime.v1.Dapr/"


@dataclasses.dataclass
class Scenario:
    name: str
    load: Load
    # api: one sidecar; invoke: two and an app; deliver: one with a subscribed app; actor: one with actors
    kind: str = "api"
    telemetry: bool = False  # this program against itself, by what it tells of the requests
    redis: bool = False   # whether the components are Redis' or in memory


def _api():
    for redis in (False, True):
        where = "redis" if redis else "memory"
        save = b'[{"key":"k","value":' + VALUE + b"}]"
        json = {"content-type": "application/json"}
        yield Scenario(f"state get http {where}", Load("/v1.0/state/store/k", 20000), redis=redis)
        yield Scenario(f"state set http {where}",
                       Load("/v1.0/state/store", 20000, body=save, headers=json), redis=redis)
        yield Scenario(f"state get grpc {where}", _grpc("GetState", wire.get_state("store", "k")), redis=redis)
        yield Scenario(f"state set grpc {where}",
                       _grpc("SaveState", wire.save_state("store", "k", VALUE)), redis=redis)
        yield Scenario(f"publish http {where}",
                       Load("/v1.0/publish/events/unheard", 20000, body=VALUE, headers=json), redis=redis)
        yield Scenario(f"publish grpc {where}",
                       _grpc("PublishEvent", wire.publish("events", "unheard", VALUE)), redis=redis)
        yield Scenario(f"publish to delivery {where}",
                       Load("/v1.0/publish/events/orders", 10000, body=VALUE, headers=json),
                       kind="deliver", redis=redis)


def _grpc(method, body, requests=20000):
    return Load(_GRPC + method, requests, grpc=True, body=body, connections=8, streams=20)


def _invoke():
    for name, size in SIZES.items():
        large, huge = size > 10_000, size > 1_000_000
        requests = 20 if huge else 2000 if large else 10000
        connections = 2 if huge else 8 if large else 32
        yield Scenario(f"invoke http {name}",
                       Load(f"/{name}", requests, body=b"x" * size, connections=connections),
                       kind="invoke")
        if not huge:
            yield Scenario(f"invoke grpc {name}",
                           Load(f"/bench.App/{name}", requests, grpc=True, body=wire.frame(b"x" * size),
                                connections=8, streams=1 if large else 10), kind="invoke")
    stream = wire.frame(b"x" * 100) * STREAM_MESSAGES
    yield Scenario(f"invoke grpc stream of {STREAM_MESSAGES}",
                   Load("/bench.App/stream", 2000, grpc=True, body=stream, connections=8), kind="invoke")


def _actors():
    yield Scenario("actor invoke http",
                   Load("/v1.0/actors/bench/{}/method/go", 20000, body=b"x" * 100, spread=500), kind="actor")


def _telemetry():
    yield Scenario("telemetry state get http", Load("/v1.0/state/store/k", 20000), telemetry=True)
    yield Scenario("telemetry state get grpc", _grpc("GetState", wire.get_state("store", "k")), telemetry=True)
    yield Scenario("telemetry invoke http 100B", Load("/100B", 10000, body=b"x" * 100), kind="invoke", telemetry=True)


SCENARIOS = [*_api(), *_invoke(), *_actors(), *_telemetry()]
