"""One message at a time through whole processes: commands of Redis, system calls, instructions.

A pair of users writes at a pace at which each message is alone. What the processes do by the clock is counted in a
window as long in which nearly nothing is written, and taken off.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from connect_cost.failure import CountFailed
from connect_cost.programs import run, strip
from connect_cost.stand import SERVICES, Stand, running

# 167 ms apart. What is acknowledged waits for others for 100 ms, so each message has an acknowledgement of its own
# unless it is late by more than 67 ms.
MESSAGES_PER_SECOND = 6
# In the other window: one, since there must be some.
QUIET_PER_SECOND = 1
SEND_SECONDS = 10
# Before the windows, for what is done at the first messages only.
WARM_SECONDS = 2
# The sending itself, and the opening and closing of connections, in seconds.
WINDOW_SECONDS = SEND_SECONDS + 3
# For all that a load of some seconds may take, in seconds.
CHAT_SECONDS = 120
# For one call of callgrind_control, in seconds.
CONTROL_SECONDS = 60
# A busy machine may keep the services from their work, so that not all messages arrive in time.
ATTEMPTS = 3
# A window may be so much longer than it should be, in seconds: what is done by the clock is taken off.
SLACK_SECONDS = 0.5
# Of the commands that are less often called than this per message, most are called by the clock.
COMMANDS_FROM = 0.5
# Before the name of one.
COMMAND = "Redis: "

# A call by its time, in what `strace -f -ttt` writes; not the end of one that others came between, nor a signal.
# Nor the setting of a timer: whether an event loop must set its own before it waits depends on how it falls, which
# differs by a tenth of those calls from run to run.
STRACE_CALL = re.compile(r"^\d+ +(\d+\.\d+) (?!timerfd_settime)\w+\(", re.MULTILINE)
CALLGRIND_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)
SIGSUSPEND = Path(__file__).resolve().parents[1] / "sigsuspend.c"

Counts = dict[str, float]


class Counter(Protocol):
    """Counts what the services of a stand do."""

    stand: Stand

    def begin(self) -> None: ...

    def end(self) -> Counts:
        """What was counted since `begin`, by name."""
        ...


def chat(stand: Stand, bench: Path, rate: int, seconds: int = SEND_SECONDS) -> int:
    """A pair of users writes; how many messages have arrived, which are all."""
    urls = [word for url in stand.urls() for word in ("--url", url)]
    report = json.loads(run(
        [str(bench), "chat", *urls, "--connections", "2", "--rate", str(rate),
         "--seconds", str(seconds), "--json"],
        timeout=CHAT_SECONDS, environment=stand.environment))
    expected = {"delivered": rate * seconds, "rejected": 0, "disconnected": 0}
    found = {name: report[name] for name in expected}
    if found != expected:
        raise CountFailed(f"connect-bench chat: {found} instead of {expected}")
    return rate * seconds


def per_message(counter: Counter, bench: Path) -> Counts:
    """What it counts for one message."""
    chat(counter.stand, bench, MESSAGES_PER_SECOND, WARM_SECONDS)

    def window(rate: int) -> tuple[int, float, Counts]:
        counter.begin()
        began = time.monotonic()
        messages = chat(counter.stand, bench, rate)
        time.sleep(max(0.0, began + WINDOW_SECONDS - time.monotonic()))
        return messages, time.monotonic() - began, counter.end()

    few, quiet_seconds, quiet = window(QUIET_PER_SECOND)
    many, busy_seconds, busy = window(MESSAGES_PER_SECOND)
    if max(quiet_seconds, busy_seconds) > WINDOW_SECONDS + SLACK_SECONDS:
        raise CountFailed(
            f"windows of {quiet_seconds:.1f} and {busy_seconds:.1f} s instead of {WINDOW_SECONDS}")
    return {name: (busy[name] - quiet.get(name, 0)) / (many - few) for name in busy}


def calls(log: str, begin: float, end: float) -> int:
    """System calls that began in a window, by what `strace -f -ttt` wrote."""
    times = (float(match[1]) for match in STRACE_CALL.finditer(log))
    return sum(begin <= at < end for at in times)


class Strace:
    """Counts system calls of the services, which run under it, and commands of their Redis."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.began = 0.0
        self.commands: dict[str, int] = {}

    @staticmethod
    def wrapper(directory: Path) -> Callable[[str], list[str]]:
        # -D: the service stays the child that is started, and gets the signals.
        return lambda name: ["strace", "-D", "-f", "-ttt", "-o", f"{directory}/{name}.strace"]

    def begin(self) -> None:
        self.commands = self.stand.redis.commands()
        self.began = time.time()

    def end(self) -> Counts:
        after = self.stand.redis.commands()
        ended = time.time()
        counts = defaultdict(float, {
            f"{COMMAND}{name}": count - self.commands.get(name, 0) for name, count in after.items()})
        for name in SERVICES:
            log = (self.stand.directory / f"{name}.strace").read_text(errors="replace")
            found = calls(log, self.began, ended)
            if not found:
                raise CountFailed(f"strace has written no call of {name}")
            counts[f"{service(name)}: system calls"] += found
        return dict(counts)


def service(name: str) -> str:
    """What an instance counts for: both gateways together."""
    return "messaging" if name == "messaging" else "gateways"


class Callgrind:
    """Counts instructions of the services, which run under it, between `begin` and `end`."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand

    @staticmethod
    def wrapper(directory: Path) -> Callable[[str], list[str]]:
        return lambda name: [
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/{name}.out"]

    def control(self, word: str, name: str) -> None:
        # In the environment of the service, by which both find the same pipe. It exits with 0 in any case.
        run(["callgrind_control", word, str(self.stand.services[name].pid)],
            timeout=CONTROL_SECONDS, environment=self.stand.environment)

    def dumps(self, name: str) -> set[Path]:
        return set(self.stand.directory.glob(f"{name}.out.*"))

    def dump(self, name: str) -> int:
        """Instructions since the last dump."""
        before = self.dumps(name)
        self.control("-d", name)
        new = self.dumps(name) - before
        found = CALLGRIND_TOTAL.search(new.pop().read_text()) if len(new) == 1 else None
        if not found or found[1] == "0":
            raise CountFailed(f"callgrind has dumped nothing of {name}")
        return int(found[1])

    def begin(self) -> None:
        # And not `-z`, of which nothing says whether it was done.
        for name in SERVICES:
            self.dump(name)

    def end(self) -> Counts:
        counts: dict[str, float] = defaultdict(float)
        for name in SERVICES:
            counts[f"{service(name)}: instructions"] += self.dump(name)
        return dict(counts)


def without_rare(counts: Counts) -> Counts:
    """Without commands of Redis that are called by the clock, of which all together are counted as one more."""
    commands = {name: count for name, count in counts.items() if name.startswith(COMMAND)}
    rare = {name for name, count in commands.items() if count < COMMANDS_FROM}
    kept = {name: count for name, count in counts.items() if name not in rare}
    return kept | {f"{COMMAND}all commands": sum(commands.values())}


def count_once(connect: Path, bench: Path) -> Counts:
    with tempfile.TemporaryDirectory(prefix="connect-cost-") as folder:
        program = Path(folder) / "connect"
        strip(connect, program)
        library = Path(folder) / "sigsuspend.so"
        run(["clang", "-shared", "-fPIC", "-o", str(library), str(SIGSUSPEND)], timeout=60)
        # One after the other: beside the second, the services of the first would make fewer system calls.
        with running(connect, Strace.wrapper) as stand:
            counts = per_message(Strace(stand), bench)
        with running(program, Callgrind.wrapper, {"LD_PRELOAD": str(library)}) as stand:
            counts |= per_message(Callgrind(stand), bench)
    return {
        name: round(value, 2) if value < 1_000 else round(value)
        for name, value in without_rare(counts).items()}


def count(connect: Path, bench: Path) -> Counts:
    """System calls, instructions and commands of Redis for one message, by name."""
    for _ in range(ATTEMPTS - 1):
        try:
            return count_once(connect, bench)
        except CountFailed as why:
            print(f"Counted again: {why}", flush=True)
    return count_once(connect, bench)


def most(rounds: list[Counts]) -> Counts:
    """The most of several counts of each name."""
    return {name: max(counts.get(name, 0) for counts in rounds)
            for name in dict.fromkeys(name for counts in rounds for name in counts)}
