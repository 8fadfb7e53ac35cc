"""Programs that are run to their end."""

from __future__ import annotations

import subprocess
from pathlib import Path

from connect_cost.failure import CountFailed

SAID_CHARACTERS = 500


def run(command: list[str], *, timeout: float, environment: dict[str, str] | None = None) -> str:
    """What it printed. Fails with what it said, or if it has not ended after `timeout` seconds."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired as expired:
        raise CountFailed(f"{name}: no end after {timeout:g} s") from expired
    except OSError as error:
        raise CountFailed(f"{name}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-SAID_CHARACTERS:]
        raise CountFailed(f"{name}: exit code {done.returncode}; it said: {said}")
    return done.stdout


def strip(program: Path, copy: Path) -> None:
    """Copies a program without its debug information: valgrind cannot read Swift's."""
    run(["strip", "-g", "-o", str(copy), str(program)], timeout=60)
