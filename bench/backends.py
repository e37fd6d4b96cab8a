"""What stands around the sidecars: a fast application (nginx) and a plain proxy (nghttpx)."""

import json

import wire
from support import http
from support.ports import free_port
from support.processes import Process, temporary_folder
from support.servers import listens

SIZES = {"100B": 100, "1KB": 1 << 10, "64KB": 64 << 10, "10MB": 10 << 20}
STREAM_MESSAGES = 100

# The mirror makes nginx read a request's body before it answers; else it closes the connection.
_CONFIG = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_max_body_size 0; client_body_buffer_size 16m; client_body_temp_path {folder}/tmp;
  keepalive_requests 100000000; http2_max_concurrent_streams 1000; default_type text/plain;
  proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s; root {folder}/files;
  server {{
    listen 127.0.0.1:{port};
    error_page 405 =200 $uri;
    location / {{ mirror /read; }}
    location = /read {{ internal; return 204; }}
    location = /dapr/subscribe {{ default_type application/json; return 200 '{subscriptions}'; }}
    location = /dapr/config {{ default_type application/json; return 200 '{{"entities":["bench"]}}'; }}
    location /v1/traces {{ mirror /read; try_files /100B =404; }}
    location /actors/ {{ mirror /read; try_files /100B =404; }}
    location = /delivered {{ default_type application/json; return 200 '{{"status":"SUCCESS"}}'; }}
    location = /count {{ stub_status; }}
  }}
  server {{
    listen 127.0.0.1:{grpc_port} http2;
    error_page 405 =200 $uri;
    default_type application/grpc;
    add_trailer grpc-status 0;
    location / {{ mirror /read; }}
    location = /read {{ internal; return 204; }}
    location /dapr.proto. {{ add_header grpc-status 12; return 200; }}
  }}
}}
"""


class App(Process):
    """Answers /<size> with so many bytes, /bench.App/<size> as a gRPC method, and takes events."""

    def __init__(self, topic="orders"):
        self.folder = temporary_folder()
        self.port, self.grpc_port = free_port(), free_port()
        methods = self.folder / "files" / "bench.App"
        methods.mkdir(parents=True)
        (self.folder / "tmp").mkdir()
        for name, size in SIZES.items():
            (self.folder / "files" / name).write_bytes(b"x" * size)
            (methods / name).write_bytes(wire.frame(b"x" * size))
        (methods / "stream").write_bytes(wire.frame(b"x" * 100) * STREAM_MESSAGES)
        subscriptions = [{"pubsubname": "events", "topic": topic, "route": "/delivered"}]
        config = self.folder / "nginx.conf"
        config.write_text(_CONFIG.format(folder=self.folder, port=self.port, grpc_port=self.grpc_port,
                                         subscriptions=json.dumps(subscriptions)))
        super().__init__("nginx", ["nginx", "-c", config, "-e", self.folder / "error.log"])
        self.wait_ready(lambda: listens(self.port) and listens(self.grpc_port))

    def requests(self):
        """How many requests it has answered, this one included."""
        return int(http.get(f"http://127.0.0.1:{self.port}/count").text.split("\n")[2].split()[2])


class PlainProxy(Process):
    """nghttpx as a forwarding proxy: the least that a hop can cost."""

    def __init__(self, backend_port, grpc):
        self.port = free_port()
        protocol = ";;proto=h2" if grpc else ""
        super().__init__("nghttpx", [
            "nghttpx", f"--frontend=127.0.0.1,{self.port};no-tls", f"--backend=127.0.0.1,{backend_port}{protocol}",
            "--single-process", "--accesslog-file=/dev/null", "--conf=/dev/null", "--backend-connections-per-host=8"])
        self.wait_ready(lambda: listens(self.port))
