"""Three placements of which one leads, by a lease in etcd or in PostgreSQL; the leader dies."""

from support.app import App
from support.daprd import Daprd, component
from support.placement import Placement
from support.ports import free_port
from support.processes import wait_until
from support.runner import shared, test
from support.servers import Etcd, Postgres

etcd, postgres = shared(Etcd), shared(Postgres)

ENGINES = {
    "etcd": lambda: ["--leader-etcd-endpoints", etcd().endpoint],
    "postgresql": lambda: ["--leader-postgres", postgres().connection_string],
}
ACTORS = 40


def replica(engine, number, **more):
    return Placement(flags=[*ENGINES[engine](), "--id", f"placement-{number}"], **more)


def leaders(replicas):
    """Those whose last word on it was that they lead."""
    lines = {one: [line for line in one.output().splitlines() if "This replica leads" in line] for one in replicas}
    return [one for one in replicas if lines[one] and "leads now" in lines[one][-1]]


def host(number, addresses):
    app = App().on("/dapr/config", (200, {"entities": ["counter"]}))
    for actor in range(ACTORS):
        app.on(f"/actors/counter/a{actor}/method/who", (200, {"host": number}))
    return Daprd(f"host-{number}", [component("store", "state.in-memory", actorStateStore="true")], app=app,
                 flags=["--placement-host-address", ",".join(addresses), "--dapr-internal-grpc-listen-address",
                        "127.0.0.1"])


def owners(sidecar):
    """Which host each actor answers from, asked through this sidecar; None while one does not answer."""
    found = {}
    for actor in range(ACTORS):
        reply = sidecar.post(f"/v1.0/actors/counter/a{actor}/method/who")
        if reply.status != 200:
            return None
        found[actor] = reply.json["host"]
    return found


def settled(sidecars, hosts):
    """All sidecars find each actor at the same host, and every host has some."""
    views = [owners(sidecar) for sidecar in sidecars]
    return all(view is not None and view == views[0] for view in views) and set(views[0].values()) == set(hosts)


def another_replica_takes_over(engine):
    ports = [free_port() for _ in range(3)]
    three = [replica(engine, number, port=port) for number, port in enumerate(ports)]
    wait_until(lambda: len(leaders(three)) == 1, "a leader")
    addresses = [f"127.0.0.1:{port}" for port in ports]
    sidecars = [host(number, addresses) for number in range(2)]
    wait_until(lambda: settled(sidecars, {0, 1}), "one view of all actors")

    leader = leaders(three)[0]
    leader.kill()
    rest = [one for one in three if one is not leader]
    # What is known goes on to be known until the others have a leader.
    wait_until(lambda: len(leaders(rest)) == 1, "another leader")
    sidecars.append(host(2, addresses))
    wait_until(lambda: settled(sidecars, {0, 1, 2}), "one view of all actors with a third host")

    # A leader that ends in order need not be waited for.
    second = leaders(rest)[0]
    assert second.stop() == 0
    last = [one for one in rest if one is not second]
    wait_until(lambda: len(leaders(last)) == 1, "the last leader")
    sidecars.pop(0).kill()
    wait_until(lambda: settled(sidecars, {1, 2}), "one view of all actors without the first host")


@test
def another_replica_takes_over_by_a_lease_in_etcd():
    another_replica_takes_over("etcd")


@test
def another_replica_takes_over_by_a_lease_in_postgresql():
    another_replica_takes_over("postgresql")
