"""What is counted of whole processes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from connect_cost import processes, stand
from connect_cost.failure import CountFailed
from connect_cost.processes import Callgrind
from connect_cost.stand import LISTENING, Redis, running

STRACE = """71 99.900000 read(5, "", 8) = 0
71 100.000001 epoll_wait(4,  <unfinished ...>
72 100.000100 futex(0x7f, FUTEX_WAKE, 1) = 1
71 100.200000 <... epoll_wait resumed>[], 64, 0) = 1
71 100.250000 timerfd_settime(6, 0, {...}, NULL) = 0
72 100.300000 --- SIGTERM {si_signo=SIGTERM} ---
71 100.400000 sendmsg(7, {...}, 0) = 3
71 101.000000 read(5, "", 8) = 0
71 101.100000 +++ exited with 0 +++
"""

# Dumps what the file next to it says, if there is one.
CALLGRIND_CONTROL = """#!/bin/sh
[ -f "$DUMPS/next" ] && mv "$DUMPS/next" "$DUMPS/messaging.out.$(ls "$DUMPS" | wc -l)"
exit 0
"""


class WindowTests(unittest.TestCase):
    def per_message(self, chat_seconds: float) -> processes.Counts:
        now = 0.0
        counter = mock.Mock(**{"end.side_effect": [{"calls": 107.0}, {"calls": 1_150.0, "new": 49.0}]})

        def passed(seconds: float) -> None:
            nonlocal now
            now += seconds

        def chat(_: object, __: object, rate: int, seconds: int = processes.SEND_SECONDS) -> int:
            passed(chat_seconds)
            return rate * seconds

        with (
            mock.patch.object(processes, "chat", chat),
            mock.patch.object(processes.time, "monotonic", lambda: now),
            mock.patch.object(processes.time, "sleep", passed),
        ):
            counts = processes.per_message(counter, Path("/connect-bench"))
        warm = chat_seconds
        self.assertGreaterEqual(now - warm, 2 * processes.WINDOW_SECONDS)
        return counts

    def test_what_is_done_by_the_clock_is_taken_off(self) -> None:
        messages = processes.SEND_SECONDS * (
            processes.MESSAGES_PER_SECOND - processes.QUIET_PER_SECOND)
        self.assertEqual(
            self.per_message(processes.SEND_SECONDS),
            {"calls": 1_043 / messages, "new": 49 / messages})

    def test_one_that_is_longer_than_the_other_is_worth_nothing(self) -> None:
        with self.assertRaises(CountFailed):
            self.per_message(processes.WINDOW_SECONDS + 1)

    def test_one_in_which_not_all_arrived_is_worth_nothing(self) -> None:
        services = mock.Mock(**{"urls.return_value": ["ws://127.0.0.1:1"]})
        report = {"delivered": 12, "rejected": 0, "disconnected": 0}
        for name, value in (("delivered", 12), ("delivered", 11), ("rejected", 1), ("disconnected", 1)):
            is_right = report[name] == value
            with (
                mock.patch.object(
                    processes, "run", return_value=json.dumps(report | {name: value})),
                contextlib.nullcontext() if is_right else self.assertRaisesRegex(CountFailed, name),
            ):
                self.assertEqual(processes.chat(services, Path("/connect-bench"), 6, 2), 12)

    def test_a_run_that_fails_is_repeated(self) -> None:
        for failures, passes in ((2, True), (3, False)):
            once = mock.Mock(side_effect=[CountFailed("busy")] * failures + [{"calls": 1.0}])
            with (
                mock.patch.object(processes, "count_once", once),
                contextlib.redirect_stdout(io.StringIO()) as said,
                contextlib.nullcontext() if passes else self.assertRaises(CountFailed),
            ):
                processes.count(Path("/connect"), Path("/connect-bench"))
            self.assertEqual(once.call_count, processes.ATTEMPTS)
            self.assertIn("busy", said.getvalue())

    def test_commands_that_are_rare_are_counted_together_with_all(self) -> None:
        counts = {"Redis: XADD": 3.0, "Redis: HSET": 0.25, "gateways: system calls": 0.25}
        self.assertEqual(processes.without_rare(counts), {
            "Redis: XADD": 3.0, "gateways: system calls": 0.25, "Redis: all commands": 3.25})

    def test_thresholds_have_the_most_of_each_name(self) -> None:
        self.assertEqual(
            processes.most([{"calls": 2.0}, {"calls": 1.0, "new": 3.0}]), {"calls": 2.0, "new": 3.0})


class CounterTests(unittest.TestCase):
    def setUp(self) -> None:
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_each_call_of_a_window_is_counted_once_and_no_setting_of_a_timer(self) -> None:
        self.assertEqual(processes.calls(STRACE, 100.0, 101.0), 3)

    def test_a_dump_counts_only_if_it_is_new_and_has_instructions(self) -> None:
        program = self.directory / "callgrind_control"
        program.write_text(CALLGRIND_CONTROL)
        program.chmod(0o755)
        services = mock.Mock(
            directory=self.directory, services={"messaging": mock.Mock(pid=1)},
            environment={
                "PATH": f"{self.directory}:{os.environ['PATH']}", "DUMPS": str(self.directory)})
        self.enterContext(mock.patch.dict(os.environ, services.environment))
        callgrind = Callgrind(services)
        for text, count in (("totals: 7\n", 7), (None, None), ("totals: 0\n", None)):
            if text:
                (self.directory / "next").write_text(text)
            if count:
                self.assertEqual(callgrind.dump("messaging"), count)
                continue
            with self.assertRaisesRegex(CountFailed, "messaging"):
                callgrind.dump("messaging")


class StandTests(unittest.TestCase):
    def test_the_port_of_a_gateway_is_in_its_log(self) -> None:
        line = (
            "2026-11-30T01:05:31+0000 notice connect.gateway: address=[IPv4]127.0.0.1/127.0.0.1:4711 "
            "gateway=gateway-1 [Gateway] gateway.listening\n")
        found = LISTENING.search(line)
        assert found
        self.assertEqual(found[1], "4711")

    def test_a_service_that_ends_is_named_and_the_others_are_ended(self) -> None:
        ended = []
        end_process = stand.end_process

        def remember(process: subprocess.Popen[bytes]) -> None:
            end_process(process)
            ended.append(process)

        def service(name: str) -> list[str]:
            return ["sh", "-c", "echo no such; exit 1" if name == "messaging" else "exec sleep 600"]

        with (
            mock.patch.object(stand, "end_process", remember),
            self.assertRaisesRegex(CountFailed, "messaging has ended; it said: no such"),
            running(Path("/connect"), lambda _: service),
        ):
            self.fail("it has started")
        self.assertEqual(len(ended), 4, "three services and their Redis")
        self.assertNotIn(None, [process.poll() for process in ended])

    def test_a_port_that_is_taken_is_not_the_redis(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            first = Redis(Path(folder))
            self.addCleanup(first.end)
            with mock.patch.object(stand.random, "sample", return_value=[first.port]):
                with self.assertRaisesRegex(CountFailed, "ports"):
                    Redis(Path(folder))


if __name__ == "__main__":
    unittest.main()
