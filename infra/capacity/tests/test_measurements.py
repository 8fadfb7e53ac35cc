"""The figures of the model come from the file, and only from it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support import DIRECTORY, chat, document, measurements, model, with_cpu

from connect_capacity.curve import CostCurve
from connect_capacity.measurements import MailboxMemory, MeasurementError, read_measurements


def needed(value: Any, place: str = "") -> Iterator[tuple[str, Any, str]]:
    """Every figure in a document: its place, the object that has it, its name there."""
    if isinstance(value, dict):
        for name, part in value.items():
            inner = f"{place}.{name}" if place else name
            yield inner, value, name
            yield from needed(part, inner)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from needed(part, f"{place}[{index}]")


class ReadingTests(unittest.TestCase):
    # What is for the reader of the file alone.
    not_needed = (".command", "setup.messaging", "report.version")

    def test_a_missing_figure_is_named(self) -> None:
        places = [place for place, _, _ in needed(document())]
        self.assertGreater(len(places), 100)
        for place in places:
            changed = document()
            _, owner, name = next(item for item in needed(changed) if item[0] == place)
            if place.endswith(self.not_needed) or self._is_not_looked_at(owner, place):
                continue
            del owner[name]
            with self.subTest(place):
                with self.assertRaises(MeasurementError) as caught:
                    measurements(changed)
                self.assertIn(place, str(caught.exception))

    @staticmethod
    def _is_not_looked_at(owner: dict[str, Any], place: str) -> bool:
        """An idle connection is nothing to messaging, and its memory in Redis is that of keys; what
        the load generator uses is not ours."""
        name = owner.get("name", "")
        memory = ("bytesPerConnection", "residentBytes")
        return (
            (place.startswith("idle") and name.startswith("messaging"))
            or (place.startswith("idle") and name == "redis" and place.endswith(memory))
            or (name == "load generator" and place.endswith("cpuMicroseconds")))

    def test_a_figure_that_cannot_be_is_refused(self) -> None:
        for value in ("fast", True, 0, -1):
            changed = document()
            changed["chat"][0]["report"]["delivered"] = value
            with self.subTest(value), self.assertRaises(MeasurementError) as caught:
                measurements(changed)
            self.assertIn("chat[0].report.delivered", str(caught.exception))

    def test_a_kind_of_run_that_is_missing_is_named(self) -> None:
        for redis in ("tls", "cluster", "cluster-tls"):
            changed = document()
            changed["chat"] = [
                run for run in changed["chat"] if run["report"]["setup"]["redis"] != redis]
            with self.subTest(redis), self.assertRaises(MeasurementError) as caught:
                measurements(changed)
            self.assertIn(f"--redis {redis}", str(caught.exception))

    def test_a_file_that_is_not_there_says_what_makes_it(self) -> None:
        with self.assertRaises(MeasurementError) as caught:
            read_measurements(Path("/nonexistent/measurements.json"))
        self.assertIn("infra/capacity/measure", str(caught.exception))

    def test_the_program_names_what_is_missing(self) -> None:
        changed = document()
        del changed["idle"]["report"]["redis"]["openCommandsPerConnection"]
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "measurements.json"
            path.write_text(json.dumps(changed))
            run = subprocess.run(
                [sys.executable, str(DIRECTORY / "model"), "--measurements", str(path)],
                capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 64)
        self.assertIn("idle.report.redis.openCommandsPerConnection", run.stderr)
        self.assertEqual(len(run.stderr.splitlines()), 1)

    def test_a_run_beyond_what_users_bear_says_nothing_of_partitions(self) -> None:
        changed = document()
        changed["chat"].append(
            chat("tls", 9_000, 50, partitions=1, latencyP99Milliseconds=5_000))
        self.assertAlmostEqual(measurements(changed).partition_messages_per_second, 1_600)


class ChangeTests(unittest.TestCase):
    """Each figure of the file moves what it should."""

    def test_doubled_cpu_doubles_what_is_needed(self) -> None:
        values = {"shards_minimum": "200", "partitions": "256", "task_growth": "1"}
        once, twice = (model(with_cpu(factor), **values).evaluate(1e7) for factor in (1, 2))
        self.assertEqual((once.cells, twice.cells), (1, 1))
        self.assertEqual(once.deployment.shards, twice.deployment.shards)
        # Whole instances with whole partitions each: nearly twice as many.
        self.assertAlmostEqual(
            twice.deployment.messaging / once.deployment.messaging, 2, delta=0.25)
        for tier_once, tier_twice in zip(once.deployment.tiers[1:], twice.deployment.tiers[1:]):
            with self.subTest(tier_once.name):
                self.assertAlmostEqual(tier_twice.vcpus / tier_once.vcpus, 2, delta=0.05)

    def test_memory_of_mailboxes_decides_on_redis(self) -> None:
        changed = document()
        for sample in changed["mailboxes"]["report"]["mailboxes"]:
            sample["bytes"] *= 2
        once, twice = model().evaluate(1e6), model(changed).evaluate(1e6)
        self.assertAlmostEqual(
            twice.deployment.load.keys_bytes / once.deployment.load.keys_bytes, 2, delta=0.01)
        self.assertGreater(twice.cost.redis, 1.8 * once.cost.redis)

    def test_memory_of_connections_decides_on_gateways(self) -> None:
        changed = document()
        changed["idle"]["report"]["processes"][2]["bytesPerConnection"] *= 100
        changed["idle"]["report"]["processes"][2]["residentBytes"] *= 100
        once, more = model().evaluate(1e7).deployment, model(changed).evaluate(1e7).deployment
        self.assertGreater(more.gateways, once.gateways)
        self.assertEqual(
            next(t for t in more.tiers if t.name == "gateway").bottleneck.resource, "memory")

    def test_bytes_for_replicas_decide_on_the_log(self) -> None:
        changed = document()
        changed["chat"][-1]["report"]["replicationBytes"] = [50_000_000] * 3
        once, more = model().evaluate(1e7).deployment, model(changed).evaluate(1e7).deployment
        self.assertGreater(more.durable_bytes_per_primary, once.durable_bytes_per_primary)


class CurveTests(unittest.TestCase):
    curve = CostCurve(((10, 400), (100, 100), (1_000, 50)))

    def test_a_message_costs_what_was_measured_at_its_rate(self) -> None:
        for rate, cost in self.curve.points:
            self.assertAlmostEqual(self.curve.microseconds_per_message(rate), cost)

    def test_nothing_is_gained_that_was_not_measured(self) -> None:
        self.assertAlmostEqual(self.curve.microseconds_per_message(1), 400)
        self.assertAlmostEqual(self.curve.microseconds_per_message(50_000), 50)

    def test_more_messages_never_need_less(self) -> None:
        for curve in (self.curve, CostCurve(((10, 400), (20, 100), (30, 400)))):
            totals = [curve.microseconds_per_second(rate / 2) for rate in range(1, 5_000)]
            self.assertEqual(totals, sorted(totals))

    def test_points_out_of_order_are_refused(self) -> None:
        for points in ((), ((2, 1), (1, 1)), ((0, 1),)):
            with self.assertRaises(ValueError):
                CostCurve(points)  # type: ignore[arg-type]


class MailboxTests(unittest.TestCase):
    memory = MailboxMemory({
        200.0: ((1, 1_300), (10, 4_500), (1_000, 360_000)),
        1_000.0: ((1, 1_600), (10, 14_000), (1_000, 1_350_000))})

    def test_what_was_measured_comes_back(self) -> None:
        for body, points in self.memory.samples.items():
            for messages, count in points:
                self.assertAlmostEqual(self.memory.mailbox_bytes(messages, body), count)

    def test_more_and_longer_messages_never_take_less(self) -> None:
        for body in (100, 200, 500, 1_000, 4_000):
            sizes = [self.memory.mailbox_bytes(messages, body) for messages in range(0, 3_000, 7)]
            self.assertEqual(sizes, sorted(sizes))
        for messages in (0, 1, 5, 10, 500, 5_000):
            sizes = [self.memory.mailbox_bytes(messages, body) for body in range(50, 4_000, 50)]
            self.assertEqual(sizes, sorted(sizes))


if __name__ == "__main__":
    unittest.main()
