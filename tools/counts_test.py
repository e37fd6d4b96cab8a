"""How tools/test counts: what a suite printed is what is added up, and a crash is never a success."""

import importlib.machinery
import importlib.util
import pathlib
import sys
import tempfile
import unittest


def _load():
    path = str(pathlib.Path(__file__).resolve().parent / "test")
    loader = importlib.machinery.SourceFileLoader("runner", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("runner", loader))
    sys.modules["runner"] = module
    loader.exec_module(module)
    return module


runner = _load()
GTEST = """[==========] Running 3 tests from 1 test suite.
[       OK ] A.First (0 ms)
[  FAILED  ] A.Second (12 ms)
[  SKIPPED ] A.Third (0 ms)
[==========] 3 tests from 1 test suite ran. (12 ms total)
[  FAILED  ] 1 test, listed below:
[  FAILED  ] A.Second
"""


class Counts(unittest.TestCase):
    def test_a_gtest_program_is_counted_line_by_line(self):
        self.assertEqual(runner.gtest.count(GTEST), (1, 1, 1))
        self.assertEqual(runner.gtest.count("[       OK ] E/S.Name/0 (3 ms)\n"), (1, 0, 0))

    def test_the_last_closing_line_counts(self):
        self.assertEqual(runner.count_line("1 passed, 0 failed\n7 passed, 2 failed, 1 skipped\n"), (7, 2, 1))
        self.assertIsNone(runner.count_line("it passed"))

    def test_python_unit_tests_are_counted(self):
        self.assertEqual(runner.count_unittest("Ran 9 tests in 1s\nFAILED (failures=2, errors=1)\n"), (6, 3, 0))
        self.assertEqual(runner.count_unittest("Ran 9 tests in 1s\n\nOK (skipped=2)\n"), (7, 0, 2))


class Outcomes(unittest.TestCase):
    def setUp(self):
        self.logs = tempfile.TemporaryDirectory()
        runner.LOGS = pathlib.Path(self.logs.name)
        runner.RACES = runner.LOGS / "races"
        runner.RACES.mkdir()
        self.addCleanup(self.logs.cleanup)

    def outcome(self, script, seconds_max=20):
        suite = runner.Suite("probe", ["sh", "-c", script], runner.count_line, seconds_max)
        outcome = runner.run(suite)
        return outcome.passed, outcome.failed

    def test_what_was_counted_is_the_outcome(self):
        self.assertEqual(self.outcome("echo 3 passed, 0 failed"), (3, 0))

    def test_silence_a_bad_exit_status_a_signal_and_a_hang_are_failures(self):
        self.assertEqual(self.outcome("true"), (0, 1))
        self.assertEqual(self.outcome("echo 0 passed, 0 failed"), (0, 1))
        self.assertEqual(self.outcome("echo 3 passed, 0 failed; exit 3"), (3, 1))
        self.assertEqual(self.outcome("echo 3 passed, 0 failed; kill -9 $$"), (3, 1))
        self.assertEqual(self.outcome("exec tail -f /dev/null", seconds_max=1), (0, 1))

    def test_a_race_is_a_failure_of_a_suite_that_is_well_otherwise(self):
        report = f"echo 'SUMMARY: ThreadSanitizer: data race' > {runner.RACES}/probe.1234"
        self.assertEqual(self.outcome(f"{report}; echo 3 passed, 0 failed"), (3, 1))


if __name__ == "__main__":
    unittest.main()
