"""What the model does with its figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from tests.support import DIRECTORY, document, measurements, model, prices

from connect_capacity.advice import what_to_turn
from connect_capacity.load import Load, load_of
from connect_capacity.model import SCALES
from connect_capacity.numbers import read_number, read_numbers
from connect_capacity.scenario import Scenario, ScenarioError
from connect_capacity.sizing import (
    CONNECTIONS_PER_NODE, NODES_PER_CLUSTER, BeyondDesign, connections_per_node,
    coordination_commands)

MANY = [10 ** (3 + step / 4) for step in range(21)]


class ModelTests(unittest.TestCase):
    def test_more_users_never_cost_less(self) -> None:
        built = model()
        results = [built.evaluate(users) for users in MANY]
        for part in ("gateways", "dataOut", "loadBalancers"):
            costs = [result.cost.parts[part] * result.cells for result in results]
            self.assertEqual(costs, sorted(costs), part)
        totals = [result.total for result in results]
        self.assertEqual(totals, sorted(totals))

    def test_a_user_costs_less_among_more(self) -> None:
        built = model()
        costs = [built.evaluate(users).per_user for users in SCALES]
        self.assertEqual(costs, sorted(costs, reverse=True))

    def test_no_tier_is_beyond_its_targets(self) -> None:
        built = model()
        for users in MANY:
            for tier in built.evaluate(users).deployment.tiers:
                for use in tier.uses:
                    self.assertLessEqual(use.share, 1, f"{users} {tier.name} {use.resource}")
                    self.assertGreaterEqual(use.share, 0)

    def test_one_instance_less_would_not_do(self) -> None:
        deployment = model().evaluate(1e8).deployment
        gateway = next(tier for tier in deployment.tiers if tier.name == "gateway")
        self.assertGreater(gateway.bottleneck.share * deployment.gateways,
                           deployment.gateways - 1)

    def test_each_cause_has_an_effect(self) -> None:
        usual = model().evaluate(1e7)
        for values, name in (
            ({"messages_per_day": "100"}, "dataOut"), ({"history_limit": "2000"}, "redis"),
            ({"online_share": "0.4"}, "gateways"), ({"ping_seconds": "5"}, "dataOut"),
            ({"replicas": "2"}, "redis"), ({"architecture": "x86"}, "gateways"),
            ({"vcpu_speed": "0.2"}, "messaging"), ({"body_bytes": "900"}, "redis"),
            ({"entries_per_message": "3"}, "betweenZones"), ({"snapshots": "30"}, "redis"),
            ({"positions_per_message": "2"}, "betweenZones"),
            ({"conversations_per_user": "500"}, "redis"),
        ):
            with self.subTest(values):
                changed = model(**values).evaluate(1e7)
                self.assertGreater(
                    changed.cost.parts[name] * changed.cells, usual.cost.parts[name] * usual.cells)

    def test_a_user_takes_what_the_mailbox_keeps(self) -> None:
        figures = measurements()
        few = load_of(1, Scenario().with_values({"messages_per_day": "1"}), figures)
        self.assertAlmostEqual(few.mailbox_entries, 30)
        many = load_of(1, Scenario().with_values({"messages_per_day": "5000"}), figures)
        self.assertAlmostEqual(many.mailbox_entries, 1_000 + 128 + 10)

    def test_a_copy_is_an_entry_of_a_mailbox_and_a_position_is_not(self) -> None:
        figures = measurements()

        def load(**values: str) -> Load:
            few = {"messages_per_day": "1", **values}
            return load_of(1, Scenario().with_values(few), figures)

        plain, copied = load(), load(entries_per_message="2")
        told = load(positions_per_message="1")
        self.assertAlmostEqual(copied.mailbox_entries, 2 * plain.mailbox_entries)
        self.assertEqual(told.mailbox_entries, plain.mailbox_entries)
        self.assertAlmostEqual(told.entries, copied.entries)
        # It has no body.
        for name in ("redis_bytes", "replication_bytes", "client_out_bytes"):
            with self.subTest(name):
                self.assertGreater(getattr(told, name), getattr(plain, name))
                self.assertLess(getattr(told, name), getattr(copied, name))

    def test_rates_follow_from_users(self) -> None:
        load = load_of(86_400, Scenario(), measurements())
        self.assertAlmostEqual(load.messages_mean, 50)
        self.assertAlmostEqual(load.messages, 150)
        self.assertAlmostEqual(load.connections, 86_400 * 1.5 * 0.2)

    def test_the_parts_are_the_whole(self) -> None:
        result = model().evaluate(1e6)
        self.assertAlmostEqual(sum(result.cost.parts.values()) * result.cells, result.total)

    def test_every_bottleneck_has_something_to_turn(self) -> None:
        for users in MANY:
            for tier in model().evaluate(users).deployment.tiers:
                for use in tier.uses:
                    self.assertTrue(what_to_turn(tier.name, use.resource))


class LimitTests(unittest.TestCase):
    def test_connections_are_those_of_the_operations_guide(self) -> None:
        # 4 gateways and 2 messaging instances of 2 cores, 16 partitions, one server.
        self.assertEqual(connections_per_node(4, 2, 16, 1, 2), 2 * 6 + 4 + 2 + 16)
        self.assertEqual(connections_per_node(4, 2, 16, 1, 2, replicated=True), 4 * 6 + 22)
        # Of three primaries each has all pipelines, and a third of the readers.
        self.assertEqual(connections_per_node(4, 2, 16, 3, 2), 2 * 6 + 8)

    def test_coordination_grows_with_gateways_times_partitions(self) -> None:
        self.assertGreater(
            coordination_commands(400, 2, 1_024), 50 * coordination_commands(80, 2, 64))

    def test_one_connect_ends_where_it_says(self) -> None:
        built = model()
        users, reason = built.end()
        self.assertEqual(built.evaluate(users * 0.99).cells, 1)
        beyond = built.evaluate(users * 1.01)
        self.assertEqual(beyond.cells, 2)
        self.assertEqual(beyond.beyond, reason)
        self.assertLessEqual(beyond.deployment.nodes, NODES_PER_CLUSTER)

    def test_cells_share_the_users(self) -> None:
        built = model()
        users, _ = built.end()
        result = built.evaluate(users * 9.5)
        self.assertEqual(result.cells, 10)
        self.assertAlmostEqual(result.deployment.load.users * result.cells, users * 9.5)

    def test_too_few_partitions_end_a_connect(self) -> None:
        result = model(partitions="16").evaluate(1e8)
        self.assertGreater(result.cells, 1)
        self.assertIn("messaging", result.beyond)

    def test_connections_end_a_connect_of_many_small_gateways(self) -> None:
        small = {"connections_per_vcpu": "100", "gateway_vcpus": "16", "task_growth": "1"}
        result = model(**small).evaluate(1.5e7)
        self.assertIn("connections", result.beyond)
        self.assertLessEqual(result.deployment.connections_per_node, CONNECTIONS_PER_NODE)

    def test_what_no_deployment_can_carry_is_refused(self) -> None:
        changed = document()
        changed["idle"]["report"]["processes"][2]["residentBytes"] = 10**13
        with self.assertRaises(BeyondDesign):
            model(changed).evaluate(1e6)


class ScenarioTests(unittest.TestCase):
    def test_what_is_not_known_or_cannot_be_is_refused(self) -> None:
        for values, named in (
            ({"userz": "1"}, "userz"), ({"zones": "many"}, "zones"), ({"zones": "0"}, "zones"),
            ({"architecture": "sparc"}, "architecture"), ({"cpu_target": "1.5"}, "cpu_target"),
            ({"online_share": "nan"}, "online_share"),
        ):
            with self.subTest(values), self.assertRaises(ScenarioError) as caught:
                Scenario().with_values(values)
            self.assertIn(named, str(caught.exception))

    def test_every_parameter_can_be_what_it_is_at_least(self) -> None:
        for name, item in Scenario.__dataclass_fields__.items():
            if item.type == "str" or name == "stream_node_bytes":
                continue
            with self.subTest(name):
                try:
                    model(**{name: f"{item.metadata['minimum']:g}"}).evaluate(1e5)
                except BeyondDesign as error:
                    self.assertTrue(str(error))

    def test_every_parameter_says_what_it_means(self) -> None:
        for item in Scenario.__dataclass_fields__.values():
            self.assertTrue(item.metadata["meaning"], item.name)
            self.assertTrue(item.metadata["source"], item.name)

    def test_a_node_size_that_was_not_measured_is_refused(self) -> None:
        with self.assertRaises(ScenarioError):
            model(stream_node_bytes="2048").evaluate(1_000)


class NumberTests(unittest.TestCase):
    def test_a_number_is_read_as_people_write_it(self) -> None:
        for text, number in (
            ("200000", 200_000), ("200,000", 200_000), ("1,000,000", 1_000_000), ("200k", 200_000),
            ("200 K", 200_000), ("1M", 1_000_000), ("1.5m", 1_500_000), ("2G", 2e9), ("1e6", 1e6),
            ("0.2", 0.2), (" 5 ", 5),
        ):
            with self.subTest(text):
                self.assertEqual(read_number(text), number)

    def test_what_is_no_number_is_refused_by_name(self) -> None:
        for text in ("", "k", "many", "1T", "-1", "nan", "inf", "1e999", "1.2.3", "20,00", "1,0000"):
            with self.subTest(text), self.assertRaises(ValueError) as caught:
                read_number(text)
            self.assertIn(f"'{text}'", str(caught.exception))

    def test_a_comma_separates_numbers_unless_it_separates_thousands(self) -> None:
        for text, numbers in (
            ("5000,1000", [5_000, 1_000]), ("1k,10k,1M", [1e3, 1e4, 1e6]), ("200,000", [200_000]),
            ("100, 200", [100, 200]), ("1,000, 200,000 5k", [1e3, 2e5, 5e3]), ("100,20", [100, 20]),
        ):
            with self.subTest(text):
                self.assertEqual(read_numbers(text), numbers)


class PriceTests(unittest.TestCase):
    def test_data_out_is_paid_tier_by_tier(self) -> None:
        table = prices()
        self.assertAlmostEqual(table.out_to_internet(1_000), 90)
        self.assertAlmostEqual(table.out_to_internet(20_000), 10_240 * 0.09 + 9_760 * 0.085)
        self.assertAlmostEqual(
            table.out_to_internet(1e6),
            10_240 * 0.09 + 40_960 * 0.085 + 102_400 * 0.07 + (1e6 - 153_600) * 0.05)

    def test_every_part_names_its_source(self) -> None:
        document = json.loads((DIRECTORY / "prices.json").read_text())
        self.assertIn("Check", document["remark"])
        for name, part in document.items():
            if isinstance(part, dict):
                self.assertTrue(part["source"], name)


class ProgramTests(unittest.TestCase):
    def run_model(self, *options: str) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "measurements.json"
            path.write_text(json.dumps(document()))
            return subprocess.run(
                [sys.executable, str(DIRECTORY / "model"), "--measurements", str(path), *options],
                capture_output=True, text=True, check=False)

    def test_prints_a_table_of_all_scales(self) -> None:
        run = self.run_model()
        self.assertEqual(run.returncode, 0, run.stderr)
        for word in ("100 M", "gateways", "first bottleneck", "One Connect ends", "cents per user"):
            self.assertIn(word, run.stdout)

    def test_prints_json(self) -> None:
        run = self.run_model("--json", "--users", "5000,1000")
        results = json.loads(run.stdout)["results"]
        self.assertEqual([result["users"] for result in results], [1_000, 5_000])
        self.assertEqual(set(results[0]["tiers"]), {
            "load balancer", "gateway", "messaging", "redis"})

    def test_reckons_with_the_file_beside_it(self) -> None:
        run = subprocess.run(
            [sys.executable, str(DIRECTORY / "model"), "--json"], capture_output=True, text=True,
            check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        measured = json.loads((DIRECTORY / "measurements.json").read_text())
        printed = json.loads(run.stdout)
        self.assertEqual(printed["measurements"]["commit"], measured["commit"])
        self.assertEqual([result["users"] for result in printed["results"]], list(SCALES))

    def test_users_are_read_as_people_write_them(self) -> None:
        run = self.run_model("--json", "--users", "1M, 200,000, 200k")
        results = json.loads(run.stdout)["results"]
        self.assertEqual([result["users"] for result in results], [2e5, 2e5, 1e6])

    def test_wrong_usage_is_one_line_that_names_the_option(self) -> None:
        for options, said in (
            (["--set", "history=5"], "--set: there is no parameter 'history'"),
            (["--set", "history_limit"], "--set: 'history_limit' is not NAME=VALUE"),
            (["--set", "history_limit=few"], "--set: history_limit: 'few' is not a number"),
            (["--set", "stream_node_bytes=2048"], "--set: stream_node_bytes"),
            (["--set", "partitions=1"], "--set: messaging"),
            (["--users", "many"], "--users: 'many' is not a number"),
            (["--users", "0"], "--users: '0' is not from 1"),
            (["--users", ""], "--users"), (["--users"], "--users: expected one argument"),
            (["--prices", "/nowhere"], "--prices: /nowhere"),
            (["--measurements", "/nowhere"], "--measurements: /nowhere"),
            (["--user-count", "5"], "--user-count"),
        ):
            with self.subTest(options):
                run = self.run_model(*options)
                self.assertEqual((run.returncode, len(run.stderr.splitlines())), (64, 1))
                self.assertIn(said, run.stderr)

    def test_ends_quietly_when_nobody_reads_on(self) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        run = subprocess.run(
            [sys.executable, str(DIRECTORY / "model"), "--users", "1000"], stdout=writing,
            stderr=subprocess.PIPE, text=True, check=False)
        os.close(writing)
        self.assertEqual(run.stderr, "")


if __name__ == "__main__":
    unittest.main()
