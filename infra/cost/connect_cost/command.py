"""The command: `infra/cost/check`."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from connect_cost.counting import count
from connect_cost.failure import CountFailed
from connect_cost.measures import named
from connect_cost.system import system
from connect_cost.thresholds import (
    BOUND_PERCENT, BadThresholds, Counts, Thresholds, compare, text)

HERE = Path(__file__).resolve().parents[1]
BUILD = HERE.parents[1] / ".build/optimized/release"
FILE = HERE / "thresholds.json"
# What must be there, and what to do if it is not.
PROGRAMS = {
    "valgrind": "install valgrind", "strip": "install binutils",
    "swift": "https://www.swift.org/install/"}


def arguments(words: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="infra/cost/check", add_help=False)
    parser.add_argument("--build", type=Path, default=BUILD)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--write", action="store_true")
    return parser.parse_args(words)


def fail(what: str) -> int:
    # Behind what was found, where both go into one log.
    sys.stdout.flush()
    print(f"check: {what}", file=sys.stderr)
    return 1


def main(*words: str) -> int:
    options = arguments(words)
    measures = named(options.only)
    if not measures:
        return fail(f"--only: nothing has {' or '.join(options.only)} in its name")
    executable = options.build / "connect-cost"
    if not executable.exists():
        return fail(f"there is no {executable}: build it, as infra/test --all does")
    for program, remedy in PROGRAMS.items():
        if not shutil.which(program):
            return fail(f"{program} was not found in PATH: {remedy}")
    try:
        # Before minutes are spent on counts.
        thresholds = before(options.write)
        counts: Counts = {"steps": count(executable, measures)}
        return write(thresholds, counts) if options.write else check(thresholds, counts)
    except (CountFailed, BadThresholds) as error:
        return fail(str(error))


def check(thresholds: Thresholds, counts: Counts) -> int:
    differences = thresholds.differences(system())
    if differences:
        for named_counts in counts.values():
            for name, number in named_counts.items():
                print(f"{name}: {text(number)}")
        print(f"Not compared with thresholds.json: {', '.join(differences)}.")
        return 0
    findings = compare(thresholds, counts)
    for finding in findings:
        print(finding)
    failures = [finding.name for finding in findings if finding.is_failure]
    if not failures:
        return 0
    return fail(
        f"more than thresholds.json allows: {'; '.join(failures)}. Find out why; if it is worth it, write the "
        "file with --write, and say in the commit what it is worth.")


def before(writes: bool) -> Thresholds:
    """What the file says; to replace it, nothing where it is damaged, missing or of another system."""
    if not writes:
        return Thresholds.read(FILE)
    here = system()
    try:
        thresholds = Thresholds.read(FILE)
    except BadThresholds:
        return Thresholds(here, {})
    return Thresholds(here, {}) if thresholds.differences(here) else thresholds


def write(thresholds: Thresholds, counts: Counts) -> int:
    """Writes the thresholds. Those of what was not counted stay."""
    before = thresholds.counts
    after = {kind: before.get(kind, {}) | counts.get(kind, {}) for kind in BOUND_PERCENT}
    for kind, numbers in counts.items():
        for name, number in numbers.items():
            print(f"{name}: {text(before.get(kind, {}).get(name, 0))} -> {text(number)}")
    names = {measure.name for measure in named([])}
    after["steps"] = {name: n for name, n in after["steps"].items() if name in names}
    Thresholds(thresholds.system, after).write(FILE)
    return 0
