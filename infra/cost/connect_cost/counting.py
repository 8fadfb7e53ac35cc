"""Instructions of the drivers, counted with valgrind."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from connect_cost.failure import CountFailed
from connect_cost.measures import Measure

# Of one run, in seconds: it takes two on an idle machine.
TIMEOUT_SECONDS = 300
# A driver that stands still for seconds, on a machine that is so busy, is taken for a service that was paused, and
# fails: then it is run again.
ATTEMPTS = 2
REFERENCES = re.compile(r"\bI\s+refs:\s+([\d,]+)")


def instructions(log: str) -> int:
    """What cachegrind counted, by its log."""
    found = REFERENCES.search(log)
    if not found:
        raise CountFailed(f"valgrind counted nothing; it said: {log.strip()[-500:]}")
    return int(found[1].replace(",", ""))


def per_operation(once: int, twice: int, operations: int) -> int:
    """What one operation takes, by two runs of which one did twice as many."""
    return round((twice - once) / operations)


def run(program: Path, measure: Measure, operations: int, directory: Path) -> int:
    log = directory / f"{measure.step}-{measure.batch}-{operations}.log"
    command = [
        "valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null",
        f"--log-file={log}", str(program), "--step", measure.step,
        "--batch", str(measure.batch), "--operations", str(operations)]
    # Else dictionaries have another order, and so other collisions, in each run.
    environment = {"PATH": os.environ["PATH"], "SWIFT_DETERMINISTIC_HASHING": "1"}
    for _ in range(ATTEMPTS):
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as expired:
            raise CountFailed(f"{measure.name}: no end after {TIMEOUT_SECONDS} s") from expired
        if not done.returncode:
            return instructions(log.read_text())
    said = (done.stderr or done.stdout).strip()[-500:]
    raise CountFailed(f"{measure.name}: exit code {done.returncode}; it said: {said}")


def count(executable: Path, measures: list[Measure]) -> dict[str, int]:
    """Instructions of one operation of each, by name; as many runs at a time as there are processors."""
    with tempfile.TemporaryDirectory(prefix="connect-cost-") as name:
        directory = Path(name)
        program = directory / "connect-cost"
        # valgrind cannot read Swift's debug information.
        stripped = subprocess.run(
            ["strip", "-g", "-o", str(program), str(executable)], capture_output=True, text=True)
        if stripped.returncode:
            raise CountFailed(f"strip: {stripped.stderr.strip()[-500:]}")
        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            pairs = {
                measure: [
                    pool.submit(run, program, measure, factor * measure.operations, directory)
                    for factor in (2, 1)]
                for measure in measures}
            return {
                measure.name: per_operation(once.result(), twice.result(), measure.operations)
                for measure, (twice, once) in pairs.items()}
        finally:
            pool.shutdown(cancel_futures=True)
