"""The real servers that stores and brokers are tested against, as processes of this suite."""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess

from .ports import free_port
from .processes import Process, temporary_folder, wait_until


def _output(command):
    """What it prints; '' if it fails or does not end."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def redis_command(port, *words, password=None, host="127.0.0.1"):
    """Sends one command to a Redis server: its raw reply, '' if it does not answer."""
    login = ["-a", password, "--no-auth-warning"] if password else []
    return _output(["redis-cli", "-h", host, "-p", str(port), *login, *map(str, words)])


class Redis(Process):
    """One Redis server in memory. `options` are lines of redis.conf without their values quoted."""

    def __init__(self, password=None, port=None, name="redis", **options):
        self.port = port or free_port()
        self.password = password
        self.address = f"127.0.0.1:{self.port}"
        settings = {"port": self.port, "bind": "127.0.0.1", "dir": temporary_folder(), "save": "",
                    "appendonly": "no", **options}
        if password:
            settings |= {"requirepass": password, "masterauth": password}
        flags = [word for key, value in settings.items()
                 for word in ("--" + key.replace("_", "-"), str(value))]
        super().__init__(f"{name}-{self.port}", ["redis-server", *flags])
        self.wait_ready(lambda: "PONG" in self.command("PING"))

    def command(self, *words):
        return redis_command(self.port, *words, password=self.password)


class RedisCluster:
    """Three masters that share the slots."""

    def __init__(self):
        self.nodes = [Redis(name="redis-cluster", cluster_enabled="yes", cluster_node_timeout=5000,
                            cluster_port=free_port()) for _ in range(3)]
        self.addresses = ",".join(node.address for node in self.nodes)
        subprocess.run(["redis-cli", "--cluster", "create", *self.addresses.split(","),
                        "--cluster-yes"], check=True, capture_output=True, timeout=120)
        wait_until(lambda: all("cluster_state:ok" in node.command("CLUSTER", "INFO")
                               for node in self.nodes), "Redis cluster")


class RedisSentinel:
    """A master, a replica, and one sentinel that watches them under `master_name`."""

    def __init__(self, master_name="mymaster"):
        self.master_name = master_name
        self.master = Redis(name="redis-master")
        self.replica = Redis(name="redis-replica", replicaof=f"127.0.0.1 {self.master.port}")
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        file = temporary_folder() / "sentinel.conf"
        file.write_text(f"port {self.port}\nbind 127.0.0.1\ndir {file.parent}\n"
                        f"sentinel monitor {master_name} 127.0.0.1 {self.master.port} 1\n"
                        f"sentinel down-after-milliseconds {master_name} 2000\n"
                        f"sentinel failover-timeout {master_name} 5000\n")
        self.sentinel = Process("redis-sentinel", ["redis-server", file, "--sentinel"])
        self.sentinel.wait_ready(lambda: redis_command(self.port, "SENTINEL", "replicas", master_name))


class Etcd(Process):
    """An etcd of one member."""

    def __init__(self, port=None, data=None):
        self.port = port or free_port()
        self.data = data or temporary_folder()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        peer = f"http://127.0.0.1:{free_port()}"
        super().__init__(f"etcd-{self.port}", [
            "etcd", "--data-dir", self.data, "--listen-client-urls", self.endpoint,
            "--advertise-client-urls", self.endpoint, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
            "--log-level", "warn"])
        self.wait_ready(lambda: "is healthy" in self.control("endpoint", "health"))

    def control(self, *words):
        """What etcdctl prints; '' if the server does not answer."""
        done = subprocess.run(["etcdctl", "--endpoints", self.endpoint, *words], capture_output=True,
                              text=True, timeout=30, env=os.environ | {"ETCDCTL_API": "3"})
        return done.stdout + done.stderr


def _postgres_folder():
    """Where Debian keeps initdb and postgres: in a folder of the version."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise RuntimeError("PostgreSQL is not installed (tools/install test)")
    return found[-1].parent


class Postgres(Process):
    """A PostgreSQL server with an empty data folder; never as root, which it refuses."""

    def __init__(self, port=None, data=None):
        programs = _postgres_folder()
        user = "postgres" if os.getuid() == 0 else None
        self.port = port or free_port()
        self.data = data or temporary_folder()
        self.connection_string = (f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres "
                                  "sslmode=disable connect_timeout=10")
        if user:
            owner = pwd.getpwnam(user)
            os.chmod(self.data, 0o700)
            shutil.chown(self.data, owner.pw_uid, owner.pw_gid)
        if not (self.data / "PG_VERSION").exists():
            subprocess.run([programs / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E",
                            "UTF8", "--no-sync"], check=True, capture_output=True, user=user,
                           group=user, extra_groups=[] if user else None, cwd="/")
        super().__init__(f"postgres-{self.port}",
                         [programs / "postgres", "-D", self.data, "-p", self.port,
                          "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.data}",
                          "-c", "fsync=off", "-c", "max_connections=200"], user=user, cwd="/")
        self.wait_ready(lambda: self.query("SELECT 1") == "1")

    def stop(self, seconds=30.0):
        # SIGTERM waits for clients to leave; SIGINT disconnects them.
        self.signal(signal.SIGINT)
        return super().stop(seconds)

    def kill(self):
        # Its children notice its death a little later; no server starts on its data before that.
        children = self.children()
        super().kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        wait_until(lambda: not any(pathlib.Path(f"/proc/{child}").exists() for child in children),
                   "the end of the server's processes")

    def query(self, sql):
        """The rows as psql prints them, unaligned; '' if the server does not answer."""
        return _output(["psql", "-XtA", self.connection_string, "-c", sql])


def listens(port):
    """Whether someone accepts connections on this port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
