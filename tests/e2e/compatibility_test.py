"""docs/compatibility.md says the truth: what it calls `yes` is there."""

import pathlib
import re
import subprocess

from support.daprd import Daprd, component
from support.processes import temporary_folder
from support.runner import shared, test

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
# Kinds that are opened by a Component document alone.
LOADED = ("state.", "pubsub.", "secretstores.", "bindings.", "configuration.", "lock.", "crypto.")


def rows(heading):
    """The rows below the heading that starts so, as lists of cells without backticks."""
    section = re.search(rf"^## {re.escape(heading)}.*?$(.*?)(?=^## |\Z)", PAGE.read_text(),
                        re.MULTILINE | re.DOTALL).group(1)
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


def later(heading):
    return [row for row in rows(heading) if row[-1].startswith("later")]


def working(heading):
    found = [row for row in rows(heading) if row[-1].startswith("yes")]
    assert found, f"nothing is said to work under {heading}"
    return found


@shared
def sidecar():
    return Daprd("asked")


@test
def every_row_says_whether_it_works():
    # What follows this heading compares behaviours instead.
    tables = PAGE.read_text().split("\n## Where we differ on purpose")[0]
    for line in tables.splitlines():
        if line.startswith("| ") and not line.endswith("| here |"):
            assert re.search(r"\| (yes|partly|later)\b[^|]*\|$", line), line


@test
def every_http_route_that_works_is_routed():
    for methods, path, _ in working("HTTP API"):
        if path.startswith(("/metrics", "/debug", "/v1.0/shutdown", "/v1.0/invoke")):
            continue  # On another port, or asked for by tests of their own.
        for method in methods.split(", "):
            reply = sidecar().call(method, re.sub(r"\{[^}]*\}", "x", path))
            assert "failed getting app id" not in reply.text, f"{method} {path}: {reply}"


@test
def every_http_route_that_comes_later_answers_as_where_nothing_is_configured():
    for methods, path, _ in later("HTTP API"):
        if path.startswith("/debug"):
            continue  # On another port.
        for method in methods.split(", "):
            reply = sidecar().call(method, re.sub(r"\{[^}]*\}", "x", path))
            assert '"errorCode"' in reply.text, f"{method} {path}: {reply}"
            assert "failed getting app id" not in reply.text, f"{method} {path}: {reply}"


def grpc_headers(method):
    """The head and trailers of a call with an empty message."""
    empty, answer = temporary_folder() / "empty", temporary_folder() / "answer"
    empty.write_bytes(bytes(5))
    subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "--max-time", "5", "-o", "/dev/null",
                    "-D", answer, "-H", "content-type: application/grpc", "-H", "te: trailers",
                    "--data-binary", f"@{empty}",
                    f"http://127.0.0.1:{sidecar().grpc_port}/dapr.proto.runtime.v1.Dapr/{method}"],
                   check=True)
    return answer.read_text()


@test
def every_grpc_method_that_works_is_implemented():
    for method, _ in working("gRPC API"):
        if method == "Shutdown" or method.startswith("Subscribe"):
            continue  # They end the sidecar, or do not end.
        headers = grpc_headers(method)
        assert not re.search(r"(?im)^grpc-status: 12\s*$", headers), f"{method}:\n{headers}"


@test
def every_grpc_method_that_comes_later_answers_as_where_nothing_is_configured():
    for method, _ in later("gRPC API"):
        headers = grpc_headers(method)
        assert re.search(r"(?im)^grpc-status: [1-9]", headers), f"{method}:\n{headers}"
        assert "proxy" not in headers, f"{method}:\n{headers}"


@test
def every_component_that_works_can_be_opened():
    documents, types = [], []
    for kind, version, _ in working("Components"):
        kind = kind.split("`")[0]
        if kind.startswith(LOADED):
            document = component(f"c{len(types)}", kind, version)
            document["spec"] |= {"ignoreErrors": True, "initTimeout": "1s"}
            documents.append(document)
            types.append(f"{kind}/{version}")
    asked = Daprd("components", documents)
    missing = [kind for kind in types if re.search(rf"couldn't find .*{re.escape(kind)}\b", asked.output())]
    assert not missing, missing
