"""Reads C++ as text: just enough structure for the house rules, without a compiler."""

import re
from bisect import bisect_right

_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/                       # comments
    |R"(?P<tag>[^(\s]{0,16})\(.*?\)(?P=tag)"     # raw strings
    |"(?:\\.|[^"\\\n])*"|(?<![0-9a-zA-Z_])'(?:\\.|[^'\\\n])+'""",
    re.VERBOSE | re.DOTALL,
)
_SCOPE = re.compile(r"\s*(?:inline\s+)?(?:namespace|class|struct|union|enum|extern)\b")
_TEMPLATE = re.compile(r"^\s*template\s*<")
_INIT_LIST = re.compile(r"\)[\w\s()]*:(?!:)")
_NOT_A_NAME = {"else", "do", "try", "const", "noexcept", "mutable", "override", "final"}


def mask(text):
    """The text with comments and the inside of literals blanked, every offset unchanged."""

    def blank(match):
        token = match.group()
        inside = re.sub(r"[^\n]", " ", token)
        if token[0] in "\"'" or token[0] == "R":
            return token[0].replace("R", '"') + inside[1:-1] + token[-1]
        return inside

    return _TOKEN.sub(blank, text)


class Lines:
    """Turns offsets of a text into line numbers, from 1."""

    def __init__(self, text):
        self._starts = [0] + [match.end() for match in re.finditer("\n", text)]

    def at(self, offset):
        return bisect_right(self._starts, offset)


def _without_template(head):
    """`head` without its leading template<...> parameters."""
    while match := _TEMPLATE.match(head):
        depth, end = 1, match.end()
        while end < len(head) and depth:
            depth += {"<": 1, ">": -1}.get(head[end], 0)
            end += 1
        head = head[end:]
    return head


def _kind_of_brace(head):
    """What a `{` outside of functions opens, by the text before it: scope, init or function."""
    head = _without_template(head)
    head = re.sub(r"\[\[[^\]]*\]\]", "", head)
    if "(" not in head.split("=")[0]:
        return "scope" if _SCOPE.match(head) else "init"
    if _SCOPE.match(head) and not re.search(r"\)\s*(const|noexcept|override|final|\s)*$", head):
        return "scope"
    last = head.rstrip()[-1:]
    if _INIT_LIST.search(head) and last not in ")}":
        return "init"
    return "function"


def functions(masked):
    """(start, end) offsets of every function at namespace or class level, signature included."""
    found, stack, head_start = [], [], 0
    for match in re.finditer(r"[{};]|(?:public|private|protected)\s*:|#[^\n]*", masked):
        token, at = match.group(), match.start()
        in_function = "function" in stack
        if token == "{":
            kind = "block" if in_function else _kind_of_brace(masked[head_start:at])
            if kind == "function":
                start = head_start + len(masked[head_start:at]) - len(masked[head_start:at].lstrip())
                found.append([start, at])
            if kind == "scope":
                head_start = match.end()
            stack.append(kind)
        elif token == "}":
            kind = stack.pop() if stack else "block"
            if kind == "function":
                found[-1][1] = at
            if kind in ("function", "scope") and "function" not in stack:
                head_start = match.end()
        elif not in_function and (not stack or stack[-1] == "scope"):
            head_start = match.end()
    return [tuple(pair) for pair in found]


def _opens_block(before):
    """Whether a `{` after this text opens a block of statements, not a braced list."""
    before = before.rstrip()
    if not before or before[-1] in "){};:":
        return True
    if re.search(r"\)[\w\s]*->[^;{}]*$", before):
        return True
    word = re.search(r"(\w+)$", before)
    return bool(word) and word.group(1) in _NOT_A_NAME


def _before(masked, at):
    """The start of the statement around `at`, and whether a braced list is open there."""
    depth, braced, offset = 0, False, at
    while offset > 0:
        offset -= 1
        char = masked[offset]
        if char in ")]}":
            if char == "}" and depth == 0 and _ends_block(masked, offset):
                return offset + 1, braced
            depth += 1
        elif char == "{" and depth == 0:
            if _opens_block(masked[max(0, offset - 300):offset]):
                return offset + 1, braced
            braced = True
        elif char in "([{":
            depth = max(0, depth - 1)
        elif char == ";" and depth == 0:
            return offset + 1, braced
    return 0, braced


def _ends_block(masked, close):
    """Whether the `}` at this offset ends a block of statements, not a braced list."""
    return masked[close + 1:close + 40].lstrip()[:1] not in tuple(",);.)]?")


def _after(masked, at):
    """The end of the statement after `at`, and whether the awaited operand has a braced list."""
    depth, left_operand, braced = 0, False, False
    for offset in range(at, len(masked)):
        char = masked[offset]
        if char == "{":
            if left_operand and masked[:offset].rstrip()[-1:] == ")":
                return offset, braced
            braced = braced or not left_operand
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            left_operand = left_operand or depth < 0
        elif char == ";" and depth <= 0:
            return offset, braced
    return len(masked), braced


def awaits(masked):
    """For every co_await: its offset, its whole statement, and whether a braced list is in it."""
    for match in re.finditer(r"(?<!operator )\bco_await\b", masked):
        start, braced_before = _before(masked, match.start())
        end, braced_after = _after(masked, match.end())
        yield match.start(), masked[start:end], braced_before or braced_after
