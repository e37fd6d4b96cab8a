"""GoogleTest programs: how to run one from a suite, and how to count what it printed."""

import os
import pathlib
import re
import subprocess

# Those of another build can be run in their place.
PROGRAMS = pathlib.Path(os.environ.get(
    "OUTRIGGER_TEST_BIN", pathlib.Path(__file__).resolve().parents[2] / "build" / "dev" / "bin"))


def count(output):
    """(passed, failed, skipped) so far, also of a program that crashed on its way."""

    def lines(word):
        return len(re.findall(rf"^\[\s*{word}\s*\] \S+.*\(\d+ ms\)$", output, re.MULTILINE))

    return lines("OK"), lines("FAILED"), lines("SKIPPED")


def run(program, chosen="*", env=None, seconds=600):
    """Runs the tests that match a GoogleTest filter: their counts. A crash, or no test at all, is a failure."""
    command = [PROGRAMS / program, f"--gtest_filter={chosen}", "--gtest_brief=0"]
    try:
        done = subprocess.run(command, env=os.environ | (env or {}), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=seconds)
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as expired:
        status, output = 1, (expired.stdout or b"").decode(errors="replace") + "\n(took too long)"
    passed, failed, skipped = count(output)
    print(output, flush=True)
    if not failed and (status or not passed + skipped):
        failed = 1
    return passed, failed, skipped
