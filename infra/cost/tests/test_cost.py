"""What is held against the thresholds, and how it is counted."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from connect_cost import command, counting
from connect_cost.failure import CountFailed
from connect_cost.measures import MEASURES, Measure, named
from connect_cost.system import extensions, swift_version
from connect_cost.thresholds import BadThresholds, Thresholds, compare

HERE = {"platform": "Linux x86_64", "library": "glibc 2.36", "swift": "6.3.1"}
STORE = {"steps": {"store": 1_000}}
MEASURE = Measure("store", "store", batch=4, operations=8)

# Counts 1,000,000 instructions, and 500 for each operation; refuses to count batches of 5.
VALGRIND = """#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    --log-file=*) log=${1#--log-file=} ;;
    --batch) batch=$2 ;;
    --operations) operations=$2 ;;
  esac
  shift
done
[ "$batch" != 5 ] || { echo "no such batch" >&2; exit 64; }
printf '==1==\\n==1== I   refs:      %d\\n' $((1000000 + 500 * operations)) >"$log"
"""


class CountingTests(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        for name, text in (("valgrind", VALGRIND), ("strip", "#!/bin/sh\ntouch \"$3\"\n")):
            (self.directory / name).write_text(text)
            (self.directory / name).chmod(0o755)
        path = f"{self.directory}:{os.environ['PATH']}"
        self.enterContext(mock.patch.dict(os.environ, {"PATH": path}))

    def test_reads_what_cachegrind_counted(self) -> None:
        self.assertEqual(counting.instructions("==7== I   refs:      1,234,567\n"), 1_234_567)
        with self.assertRaises(CountFailed):
            counting.instructions("==7== Process terminating with default action of signal 4")

    def test_counts_an_operation_without_the_start(self) -> None:
        self.assertEqual(counting.count(Path("/connect-cost"), [MEASURE]), {"store": 500})

    def test_says_what_a_run_said_that_failed(self) -> None:
        measure = Measure("store", "store", batch=5, operations=5)
        with self.assertRaisesRegex(CountFailed, "store: valgrind: exit code 64; .*no such batch"):
            counting.count(Path("/connect-cost"), [measure])

    def test_says_why_a_program_cannot_be_counted(self) -> None:
        (self.directory / "strip").write_text("#!/bin/sh\necho no such file >&2\nexit 1\n")
        with self.assertRaisesRegex(CountFailed, "strip: exit code 1; it said: no such file"):
            counting.count(Path("/connect-cost"), [MEASURE])


class MeasureTests(unittest.TestCase):
    def test_all_of_them_have_names_of_their_own(self) -> None:
        self.assertEqual(len({measure.name for measure in MEASURES}), len(MEASURES))

    def test_runs_have_whole_rounds(self) -> None:
        for measure in MEASURES:
            self.assertEqual(measure.operations % measure.batch, 0, measure.name)

    def test_are_chosen_by_a_part_of_the_name(self) -> None:
        self.assertEqual({m.step for m in named(["store", "frame in"])}, {"store", "frame-in"})
        self.assertEqual(named([]), list(MEASURES))


class ThresholdTests(unittest.TestCase):
    def compare(self, counted: int) -> tuple[bool, bool]:
        [finding] = compare(Thresholds(HERE, STORE), {"steps": {"store": counted}})
        return finding.is_failure, finding.is_gain

    def test_fail_above_three_percent_only(self) -> None:
        self.assertEqual(self.compare(1_030), (False, False))
        self.assertEqual(self.compare(1_031), (True, False))

    def test_ask_to_be_lowered_below_three_percent(self) -> None:
        self.assertEqual(self.compare(970), (False, False))
        self.assertEqual(self.compare(969), (False, True))

    def test_fail_where_there_is_none(self) -> None:
        [finding] = compare(Thresholds(HERE, {}), STORE)
        self.assertTrue(finding.is_failure)
        self.assertIn("--write", str(finding))

    def test_are_taken_away_with_what_they_were_for(self) -> None:
        [finding] = compare(Thresholds(HERE, STORE), {"steps": {}})
        self.assertEqual((finding.is_failure, finding.is_gain), (False, True))
        self.assertIn("store: no longer counted", str(finding))
        self.assertEqual(compare(Thresholds(HERE, STORE), {"steps": {}}, whole=False), [])

    def test_are_wider_for_whole_processes(self) -> None:
        thresholds = Thresholds(HERE, {"processes": {"system calls": 100}})
        for counted, is_failure in ((105, False), (106, True)):
            [finding] = compare(thresholds, {"processes": {"system calls": counted}})
            self.assertEqual(finding.is_failure, is_failure)

    def test_are_read_as_they_were_written(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "thresholds.json"
            thresholds = Thresholds(HERE, STORE | {"processes": {"system calls": 33.25}})
            thresholds.write(path)
            self.assertEqual(Thresholds.read(path), thresholds)

    def test_say_what_to_do_about_a_file_that_is_not_theirs(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "thresholds.json"
            for text in (None, "{", '{"format": 0}'):
                if text:
                    path.write_text(text)
                with self.assertRaisesRegex(BadThresholds, "--write"):
                    Thresholds.read(path)

    def test_have_each_measure_that_is_checked_in(self) -> None:
        checked_in = Thresholds.read(command.FILE)
        self.assertEqual(
            set(checked_in.counts["steps"]), {measure.name for measure in MEASURES})
        self.assertIn("gateways: instructions", checked_in.counts["processes"])


class CommandTests(unittest.TestCase):
    def check(self, counted: int, system: dict[str, str] = HERE) -> tuple[int, str]:
        said = io.StringIO()
        with (
            mock.patch.object(command, "system", return_value=system),
            contextlib.redirect_stdout(said), contextlib.redirect_stderr(said),
        ):
            code = command.check(Thresholds(HERE, STORE), {"steps": {"store": counted}})
        return code, said.getvalue()

    def test_fails_with_the_names_of_what_costs_more(self) -> None:
        code, said = self.check(1_100)
        self.assertEqual(code, 1)
        self.assertIn("allows: store.", said)
        self.assertIn("+10.0 %", said)

    def test_passes_what_costs_less_and_says_so(self) -> None:
        code, said = self.check(900)
        self.assertEqual(code, 0)
        self.assertIn("lower the threshold", said)

    def test_compares_nothing_with_another_swift(self) -> None:
        code, said = self.check(2_000, HERE | {"swift": "6.4"})
        self.assertEqual(code, 0)
        self.assertIn("swift 6.4 instead of 6.3.1", said)

    def test_replaces_a_damaged_file_only_if_asked(self) -> None:
        with (
            tempfile.TemporaryDirectory() as directory,
            mock.patch.object(command, "FILE", Path(directory) / "thresholds.json"),
            mock.patch.object(command, "system", return_value=HERE),
        ):
            command.FILE.write_text("{")
            with self.assertRaises(BadThresholds):
                command.before(writes=False)
            self.assertEqual(command.before(writes=True), Thresholds(HERE, {}))

    def test_knows_the_version_of_either_form(self) -> None:
        self.assertEqual(swift_version("Swift version 6.3.1 (swift-6.3.1-RELEASE)"), "6.3.1")
        self.assertEqual(swift_version("Apple Swift version 6.4 (swiftlang)"), "6.4")
        self.assertEqual(swift_version(""), "-")

    def test_knows_a_processor_with_avx2(self) -> None:
        self.assertEqual(extensions("processor\t: 0\nflags\t\t: fpu avx avx2\nbugs: -\n"), "avx2")
        self.assertEqual(extensions("flags : fpu avx\n"), "-")
        self.assertEqual(extensions(""), "-")


if __name__ == "__main__":
    unittest.main()
