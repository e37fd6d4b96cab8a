"""The runner of the end-to-end suites: every test by name, the logs of what failed, the counts.

A suite's `run` calls main() with its folder; each of its *_test.py holds functions marked @test,
whose names are sentences. What a test starts is stopped when it ends; a function marked @shared is
called once in a suite and what it starts stays until the end.
"""

import functools
import importlib.util
import pathlib
import signal
import sys
import time
import traceback

from . import processes

# What hangs fails: a test is interrupted after this time.
SECONDS_MAX = 240

_tests = []
_kept = 0


def test(function):
    _tests.append(function)
    return function


def shared(make):
    """Makes the fixture at its first use, and keeps it (and its processes) for the suite."""

    @functools.cache
    def once():
        global _kept
        value = make()
        _kept = len(processes.running())
        return value

    return once


def _load(folder):
    for path in sorted(pathlib.Path(folder).glob("*_test.py")):
        if path.stem in sys.modules:
            continue  # One before it uses it.
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)


def _name(function):
    return f"{function.__module__.removesuffix('_test')}: {function.__name__.replace('_', ' ')}"


class Skipped(Exception):
    """What this machine cannot do is neither well nor wrong."""


def _interrupt(*_):
    raise TimeoutError(f"not done within {SECONDS_MAX} s")


def _run(function):
    """Whether it passed, None if it was skipped; says why not."""
    started = time.monotonic()
    signal.signal(signal.SIGALRM, _interrupt)
    signal.alarm(SECONDS_MAX)
    failure = skipped = None
    try:
        function()
    except Skipped as why:
        skipped = why
    except Exception:  # Whatever it is, it fails this one test.
        failure = traceback.format_exc()
    signal.alarm(0)
    verdict = "FAIL" if failure else "skip" if skipped else "ok  "
    print(f"{verdict} {_name(function)} ({time.monotonic() - started:.2f} s)", flush=True)
    if skipped:
        print(f"     {skipped}")
    if failure:
        print(failure)
        for process in processes.running():
            print(f"--- log of {process.name} (exit status {process.exit_status}):\n{process.tail()}")
    processes.stop_since(_kept)
    return None if skipped else failure is None


def main(folder, names=None):
    """Runs the tests of `folder` whose name contains one of `names`; the exit status."""
    _load(folder)
    names = sys.argv[1:] if names is None else names
    chosen = [one for one in _tests if not names or any(name in _name(one) for name in names)]
    outcomes = [_run(one) for one in chosen]
    passed, failed, skipped = (outcomes.count(outcome) for outcome in (True, False, None))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if chosen and not failed else 1
