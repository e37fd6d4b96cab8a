"""The house rules that a compiler does not see: rooms, includes, limits, coroutine forms.

Every rule is a function of one File that yields (line, message).
"""

import os
import re
import sys

import cpp_text

COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
LINES_MAX = {".h": 250, ".cc": 600}

LAYERS = ["base", "net", "security", "resources", "components", "runtime"]
TOPS = ["control", "cli", "dashboard"]
# Parts of runtime/ that every building block may use.
SHARED = {"api", "app", "cel", "core", "filters", "middleware", "options", "peers", "processor", "resiliency", "security",
          "telemetry"}
# What puts the blocks together, and so knows all of them.
COMPOSERS = {"sidecar"}

THIRD_PARTY = re.compile(
    r"^(asio|nghttp2|openssl|nlohmann|yaml-cpp|google/protobuf|re2|boost)/|^zlib\.h"
    r"|^(asio|simdjson|sqlite3|libpq-fe|ares|yaml)\.h|^asio\.hpp|\.pb\.h$")
# Where a third-party header may be included at all; what is not named here: any .cc file.
HOMES = {
    "asio": ("src/base/", "src/net/", "src/components/", "src/runtime/"),
    "nghttp2": ("src/net/",),
}

# Where generated messages may be met: what translates between them and our structs, and tests.
MESSAGE = re.compile(r"\.pb\.h$")
MESSAGE_HOMES = re.compile(r"(^|[/_])grpc\.cc$|_test\.cc$|^src/components/pluggable/|^(?!src/)")

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
MACHINE_PATH = re.compile(r"(?<![\w.-])/(?:root|work|home/[a-z]+)/")
SLEEP_CPP = re.compile(r"\bthis_thread::sleep_\w+|\b(?:usleep|nanosleep)\s*\(|(?<!\w)::sleep\(")
SLEEP_SCRIPT = re.compile(r"\bsleep\b\s*[( ]")
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")
NOLINT = re.compile(r"NOLINT(?:NEXTLINE|BEGIN)?\b(?!(?:\([^)]+\))?: \S)")

TEXT = (".h", ".cc", ".py", ".sh", ".cmake", ".txt", ".md", ".yaml", ".json", ".proto", ".service")
SKIPPED = {"build", ".git", ".ccache", "node_modules", "__pycache__", "corpus", "golden"}


class File:
    """A file of the repository: its path from the top, its text, and views that rules need."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.extension = os.path.splitext(path)[1]
        self.is_cpp = self.extension in LINES_MAX
        self.masked = cpp_text.mask(text) if self.is_cpp else text
        self.lines = cpp_text.Lines(text)
        # (line, quote, target) of every #include; comments are not looked into.
        self.includes = [
            (self.lines.at(match.start(1)), match.group(1), match.group(2))
            for match in INCLUDE.finditer(text)
        ] if self.is_cpp else []


def _room(path):
    """The folders of a path below src/: src/runtime/state/http.cc -> [runtime, state]."""
    parts = path.split("/")
    return parts[1:-1] if parts[0] == "src" else []


def layers(file, _tree):
    """base < net < security < resources < components < runtime < {control, cli, dashboard} < main."""
    room = _room(file.path)
    if not room:
        return
    rank = {name: index for index, name in enumerate(LAYERS)} | {top: 9 for top in TOPS}
    own = room[0]
    if own not in rank:
        yield 1, f"src/{own} is not a layer of the map in docs/architecture.md"
        return
    for line, quote, target in file.includes:
        other = target.split("/")[0]
        if quote == "<" or other not in rank or other == own:
            continue
        if rank[other] >= rank[own] or (own == "control" and other == "runtime"):
            yield line, f"{own} must not include {other} ({target})"


def blocks(file, _tree):
    """A building block sees of another block its service.h only."""
    room = _room(file.path)
    if room[:1] != ["runtime"] or len(room) < 2 or room[1] in COMPOSERS:
        return
    for line, quote, target in file.includes:
        parts = target.split("/")
        if quote == "<" or parts[0] != "runtime" or len(parts) < 3:
            continue
        if parts[1] == room[1] or parts[1] in SHARED or parts[-1] == "service.h":
            continue
        yield line, f"of another block only service.h may be included, not {target}"


def includes(file, tree):
    """Includes are rooted at src/, name a header, and start with the file's own."""
    own = file.path[len("src/"):-len(file.extension)] + ".h"
    quoted = [entry for entry in file.includes if entry[1] == '"']
    for line, _, target in quoted:
        if target.startswith(".") or "/../" in target or "/" not in target:
            yield line, f'write the include from src/ on: "{target}"'
        elif target.endswith(".cc"):
            yield line, f"a source file is never included: {target}"
        elif not target.endswith(".pb.h") and "src/" + target not in tree and target not in tree:
            yield line, f"there is no src/{target}"
    if file.extension == ".cc" and "src/" + own in tree and file.includes:
        if file.includes[0][2] != own:
            yield file.includes[0][0], f'the first include must be the file\'s own header "{own}"'


def headers(file, _tree):
    """Headers have #pragma once and keep third-party headers out."""
    if file.extension == ".h" and not file.path.startswith("proto/"):
        if not re.match(r"\s*#pragma once\n", file.masked):
            yield 1, "a header starts with #pragma once"
        for line, _, target in file.includes:
            if THIRD_PARTY.search(target):
                yield line, f"no header of ours includes a third-party one: {target}"
    for line, _, target in file.includes:
        homes = HOMES.get(re.split(r"[./]", target)[0])
        if homes and not target.startswith("base/") and not file.path.startswith(homes):
            yield line, f"{target} belongs in {' and '.join(homes)}"


def messages(file, _tree):
    """Generated messages stay in files named grpc.cc or *_grpc.cc, in pluggable/ and in tests."""
    if file.extension != ".cc" or MESSAGE_HOMES.search(file.path):
        return
    for line, _, target in file.includes:
        if MESSAGE.search(target):
            yield line, f"{target} belongs in a file named grpc.cc or *_grpc.cc"


def limits(file, _tree):
    """Lines of a file, lines of a function, columns of a line."""
    count = file.text.count("\n")
    if count > LINES_MAX.get(file.extension, count):
        yield count, f"{count} lines; a {file.extension} file has {LINES_MAX[file.extension]} at most"
    if file.is_cpp:
        for number, text in enumerate(file.text.splitlines(), 1):
            if len(text) > COLUMNS_MAX and not text.lstrip().startswith("#include"):
                yield number, f"{len(text)} columns; {COLUMNS_MAX} at most"
        for start, end in cpp_text.functions(file.masked):
            length = file.lines.at(end) - file.lines.at(start) + 1
            if length > FUNCTION_LINES_MAX:
                yield file.lines.at(start), f"a function of {length} lines; {FUNCTION_LINES_MAX} at most"


def coroutines(file, _tree):
    """A1 to A3: what stands in an expression with co_await; tests may be terser."""
    if not file.is_cpp or file.path.endswith("_test.cc"):
        return
    for at, statement, braced in cpp_text.awaits(file.masked):
        line = file.lines.at(at)
        if re.search(r"\bauto\s*&{0,2}\s*\[[^\]]*\]\s*[={(]", statement):
            yield line, "A3: name the awaited result, then bind its parts"
        if braced:
            yield line, "A1: name the braced list or lambda before the await, then move it in"
        if re.search(r"\?(?!\?)", statement):
            yield line, "A2: no ?: in an expression that has co_await"


def tests(file, _tree):
    """A test waits for what it expects; it never sleeps."""
    is_test = file.path.endswith(("_test.cc", "_test.py")) or file.path.startswith("tests/")
    if not is_test or file.path.startswith("tests/support/") or file.path.startswith("tools/"):
        return
    for match in (SLEEP_CPP if file.is_cpp else SLEEP_SCRIPT).finditer(file.masked):
        yield file.lines.at(match.start()), "a test never sleeps: wait for the event itself"


def words(file, _tree):
    """No path of one machine, nothing left undone, no NOLINT without its reason."""
    patterns = [(MACHINE_PATH, "a path of one machine"), (UNFINISHED, "finish it, or open an issue")]
    if file.is_cpp:
        patterns.append((NOLINT, "give the reason, as in NOLINT(check): reason"))
    for pattern, message in patterns:
        for match in pattern.finditer(file.text):
            yield file.lines.at(match.start()), f"{message}: {match.group()}"


RULES = [layers, blocks, includes, headers, messages, limits, coroutines, tests, words]


def check(file, tree):
    """Every breach in one file, as (line, rule, message), in the order of the lines."""
    found = [(line, rule.__name__, message) for rule in RULES for line, message in rule(file, tree)]
    return sorted(found)


def paths(top):
    """Every text file of the repository, as paths from its top."""
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), top)
            if name.endswith(TEXT) or "." not in name and name not in ("LICENSE", "daprd"):
                yield path


def main(top):
    tree = set(paths(top))
    failed = 0
    for path in sorted(tree):
        with open(os.path.join(top, path), encoding="utf-8", errors="replace") as source:
            breaches = check(File(path, source.read()), tree)
        failed += bool(breaches)
        for line, rule, message in breaches:
            print(f"{path}:{line}: {rule}: {message}")
    print(f"{len(tree) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
