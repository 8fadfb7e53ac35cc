"""Instructions of the drivers, counted with valgrind."""

from __future__ import annotations

import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from connect_cost import programs
from connect_cost.failure import CountFailed
from connect_cost.measures import Measure

# Of one run, in seconds: it takes two on an idle machine.
TIMEOUT_SECONDS = 120
# A driver that stands still for seconds, on a machine that is so busy, is taken for a service that was paused, and
# fails: then it is run again.
ATTEMPTS = 2
REFERENCES = re.compile(r"\bI\s+refs:\s+([\d,]+)")


def instructions(log: str) -> int:
    """What cachegrind counted, by its log."""
    found = REFERENCES.search(log)
    if not found:
        raise CountFailed(f"valgrind counted nothing; it said: {log.strip()[-programs.SAID_CHARACTERS:]}")
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
    why = None
    for _ in range(ATTEMPTS):
        try:
            programs.run(command, timeout=TIMEOUT_SECONDS, environment=environment)
            return instructions(log.read_text())
        except CountFailed as failed:
            why = failed
    raise CountFailed(f"{measure.name}: {why}") from why


def count(executable: Path, measures: list[Measure]) -> dict[str, int]:
    """Instructions of one operation of each, by name; as many runs at a time as there are processors."""
    with tempfile.TemporaryDirectory(prefix="connect-cost-") as name:
        directory = Path(name)
        program = directory / "connect-cost"
        programs.strip(executable, program)
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
