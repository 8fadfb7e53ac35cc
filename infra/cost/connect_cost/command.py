"""The command: `infra/cost/check`."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from pathlib import Path

from connect_cost import counting, processes
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
PROGRAMS_OF_PROCESSES = {
    "strace": "install strace", "redis-server": "install redis-server",
    "clang": "it comes with Swift's toolchain"}
# The thresholds of whole processes are the highest of so many counts.
WRITTEN_ROUNDS = 3


def end_in_order(*_: object) -> None:
    """Ends what runs, as an interrupt does."""
    sys.exit(128 + signal.SIGTERM)


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
    signal.signal(signal.SIGTERM, end_in_order)
    options = arguments(words)
    kinds = set(options.only or BOUND_PERCENT) & BOUND_PERCENT.keys()
    parts = [part for part in options.only if part not in BOUND_PERCENT]
    for part in parts:
        if not named([part]):
            return fail(f"--only: nothing has {part} in its name")
    measures = named([]) if "steps" in kinds else named(parts) if parts else []
    cost, connect, bench = (
        options.build / name for name in ("connect-cost", "connect", "connect-bench"))
    programs = PROGRAMS
    executables = [cost] if measures else []
    if "processes" in kinds:
        programs = PROGRAMS | PROGRAMS_OF_PROCESSES
        executables += [connect, bench]
    for executable in executables:
        if not executable.exists():
            return fail(f"there is no {executable}: build it, as infra/test --all does")
    for program, remedy in programs.items():
        if not shutil.which(program):
            return fail(f"{program} was not found in PATH: {remedy}")
    try:
        # Before minutes are spent on counts.
        thresholds = before(options.write)
        counts: Counts = {}
        if measures:
            counts["steps"] = counting.count(cost, measures)
        if "processes" in kinds:
            rounds = WRITTEN_ROUNDS if options.write else 1
            counts["processes"] = processes.most(
                [processes.count(connect, bench) for _ in range(rounds)])
        if options.write:
            return write(thresholds, counts)
        return check(thresholds, counts, whole=not parts)
    except (CountFailed, BadThresholds) as error:
        return fail(str(error))


def check(thresholds: Thresholds, counts: Counts, *, whole: bool = True) -> int:
    differences = thresholds.differences(system())
    if differences:
        for named_counts in counts.values():
            for name, number in named_counts.items():
                print(f"{name}: {text(number)}")
        print(f"Not compared with thresholds.json: {', '.join(differences)}.")
        return 0
    findings = compare(thresholds, counts, whole=whole)
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
    return Thresholds(here, {} if thresholds.differences(here) else thresholds.counts)


def write(thresholds: Thresholds, counts: Counts) -> int:
    """Writes the thresholds. Those of what was not counted stay, unless they are of another system."""
    before = thresholds.counts
    after = {kind: before.get(kind, {}) for kind in BOUND_PERCENT} | counts
    for kind, numbers in counts.items():
        for name, number in numbers.items():
            print(f"{name}: {text(before.get(kind, {}).get(name, 0))} -> {text(number)}")
    steps = before.get("steps", {}) | counts.get("steps", {})
    after["steps"] = {m.name: steps[m.name] for m in named([]) if m.name in steps}
    Thresholds(thresholds.system, after).write(FILE)
    return 0
