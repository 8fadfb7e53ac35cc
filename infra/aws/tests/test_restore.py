"""A restore, against a stand-in for ElastiCache, ECS and CloudFormation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import elasticache
from deployment import restoration
from deployment.cli import Aws, Refused

Output = pytest.CaptureFixture[str]

# The calls that change something, in their order.
CHANGES = [
    "application-autoscaling register-scalable-target", "ecs update-service", "elasticache copy-snapshot",
    "elasticache delete-replication-group", "elasticache create-replication-group",
]
# Each call that a restore makes once it has begun, where it may be refused.
STEPS = [
    "application-autoscaling register-scalable-target", "ecs update-service --cluster tasks --service gateways",
    "ecs update-service --cluster tasks --service messaging", "ecs update-service --cluster tasks --service messaging "
    "--desired-count 2", "ecs update-service --cluster tasks --service gateways --desired-count 3",
    "elasticache copy-snapshot", "elasticache delete-replication-group",
    "elasticache create-replication-group", "application-autoscaling register-scalable-target --service-namespace ecs "
    "--scalable-dimension ecs:service:DesiredCount --resource-id service/tasks/gateways --min-capacity 2",
]


class Place:
    """A deployment that may be restored, and where a restore keeps its notes."""

    def __init__(self, directory: Path) -> None:
        self.state = elasticache.running()
        self.notes = directory / "restore-connect-bus.json"

    def ask(self, *arguments: str) -> Any:
        try:
            return elasticache.call(self.state, list(arguments))
        except elasticache.Error as error:
            raise Refused(str(error)) from None

    def restore(self, *options: str) -> int:
        self.state["calls"].clear()
        return restoration.main("aws", "--stack", "connect", "--region", "eu-central-1", *options)

    @property
    def changes(self) -> list[str]:
        verbs = [" ".join(call[:2]) for call in self.state["calls"]]
        return [verb for verb in verbs if verb in CHANGES]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    place = Place(tmp_path)
    monkeypatch.setattr(restoration, "_NOTES", tmp_path)
    monkeypatch.setattr(restoration, "RESTORE_LOOK_SECONDS", 0)
    monkeypatch.setattr(Aws, "ask", lambda _, *arguments: place.ask(*arguments))
    return place


def is_restored(place: Place, data: str = "yesterday") -> None:
    """The data are those of the snapshot; all else is as it was, and what was there is kept."""
    before = elasticache.running()
    group = before["groups"]["connect-bus"] | {"Data": data}
    assert place.state["groups"] == {"connect-bus": group}
    assert place.state["services"] == before["services"]
    assert place.state["wrong"] == []
    kept = [it[2] for it in place.state["snapshots"].values() if it[:2] == ["connect-bus", "manual"]]
    assert {"today", data} <= set(kept)
    assert not place.notes.exists()


def test_snapshots_are_listed(place: Place, capsys: Output) -> None:
    code = place.restore("--list")
    assert code == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["half", "by-hand", "automatic.connect-bus-1"]


def test_without_yes_it_says_what_it_would_do(place: Place, capsys: Output) -> None:
    before = json.dumps(place.state["groups"] | place.state["snapshots"] | place.state["services"])
    code = place.restore("--snapshot", "automatic.connect-bus-1")
    assert code == 0
    told = capsys.readouterr().out
    assert "gateways (3), messaging (2)" in told
    assert "--num-node-groups 3 --replicas-per-node-group 1" in told
    assert json.dumps(place.state["groups"] | place.state["snapshots"] | place.state["services"]) == before
    assert not place.changes
    assert not place.notes.exists()


@pytest.mark.parametrize(("snapshot", "data"), [("automatic.connect-bus-1", "yesterday"), ("by-hand", "last week")])
def test_a_cluster_of_the_snapshot_takes_the_place_of_the_former(place: Place, snapshot: str, data: str) -> None:
    code = place.restore("--snapshot", snapshot, "--yes")
    assert code == 0
    is_restored(place, data)
    # With the cluster, ElastiCache deletes its automatic snapshots: the one restored must be copied first.
    assert "automatic.connect-bus-1" not in place.state["snapshots"]
    order = [change for change in place.changes if change.startswith("elasticache")]
    assert order == CHANGES[2:]


@pytest.mark.parametrize("step", STEPS)
def test_wherever_it_stops_the_same_command_goes_on(place: Place, capsys: Output, step: str) -> None:
    place.state["refuses"] = step
    code = place.restore("--snapshot", "automatic.connect-bus-1", "--yes")
    assert code == 1
    assert "the same command goes on from there" in capsys.readouterr().err
    assert place.notes.exists()
    code = place.restore("--snapshot", "automatic.connect-bus-1", "--yes")
    assert code == 0
    is_restored(place)


def test_a_cluster_whose_last_snapshot_is_being_made_is_deleted_already(place: Place) -> None:
    place.state["refuses"] = "elasticache delete-replication-group"
    place.restore("--snapshot", "by-hand", "--yes")
    # AWS did what it was asked, and the answer was lost.
    notes = json.loads(place.notes.read_text())
    elasticache.call(place.state, [
        "elasticache", "delete-replication-group", "--replication-group-id", "connect-bus",
        "--final-snapshot-identifier", notes["last"]])
    assert place.restore("--snapshot", "by-hand", "--yes") == 0
    assert "elasticache delete-replication-group" not in place.changes
    is_restored(place, "last week")


def test_another_snapshot_is_refused_while_one_is_being_restored(place: Place, capsys: Output) -> None:
    place.state["refuses"] = "elasticache create-replication-group"
    place.restore("--snapshot", "by-hand", "--yes")
    code = place.restore("--snapshot", "automatic.connect-bus-1", "--yes")
    assert code == 1
    assert "a restore of by-hand has begun" in capsys.readouterr().err
    assert not place.changes


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--snapshot", "none"], "there is no snapshot none"),
        (["--snapshot", "half"], "the snapshot half is creating"),
        (["--snapshot", "of-another"], "is of connect-registry, not of connect-bus: look at --cluster"),
        (["--snapshot", "of-another", "--cluster", "registry"], "there is no cluster connect-registry"),
        (["--snapshot", "by-hand", "--cluster", "other"], "see --help"),
        ([], "either --list or --snapshot"),
    ],
)
def test_what_cannot_be_restored_is_refused_before_anything_stops(
    place: Place, capsys: Output, options: list[str], said: str
) -> None:
    code = place.restore(*options, "--yes")
    assert code == 1
    assert said in capsys.readouterr().err
    assert not place.changes
    assert not place.notes.exists()


def test_a_cluster_that_is_being_changed_is_left_alone(place: Place, capsys: Output) -> None:
    place.state["groups"]["connect-bus"]["Status"] = "modifying"
    code = place.restore("--snapshot", "by-hand", "--yes")
    assert code == 1
    assert "connect-bus is modifying" in capsys.readouterr().err
    assert not place.changes


def test_a_cli_that_would_make_the_cluster_without_its_log_is_refused(place: Place, capsys: Output) -> None:
    place.state["unknown"] = ["EffectiveDurability"]
    assert place.restore("--snapshot", "by-hand", "--yes") == 1
    assert "your AWS CLI does not know that connect-bus has a log" in capsys.readouterr().err
    assert not place.changes
    place.state["durability"] = "primary"
    assert place.restore("--snapshot", "by-hand") == 0


def test_a_deployment_without_services_is_left_alone(place: Place, capsys: Output) -> None:
    del place.state["stacks"]["connect-services"]
    code = place.restore("--snapshot", "by-hand", "--yes")
    assert code == 1
    assert "no GatewayService, MessagingService" in capsys.readouterr().err
    assert not place.changes


def test_names_of_snapshots_fit(place: Place, capsys: Output) -> None:
    """ElastiCache has 40 characters for them, and a stack at most 20."""
    place.restore("--snapshot", "by-hand")
    told = capsys.readouterr().out
    names = [word.rstrip(".") for word in told.split() if word.startswith(("connect-bus-c", "connect-bus-l"))]
    assert len(names) == 2
    longest = len("n" * 20 + "-registry") - len("connect-bus")
    assert all(len(name) + longest <= 40 for name in names)


def test_what_differs_from_the_template_is_told(place: Place, capsys: Output) -> None:
    place.state["drifts"] = [{"LogicalResourceId": "Bus", "PropertyDifferences": [
        {"PropertyPath": "/NumNodeGroups", "ActualValue": "3", "ExpectedValue": "5"}]}]
    code = place.restore("--snapshot", "by-hand", "--yes")
    assert code == 0
    assert "Differs from the template: Bus /NumNodeGroups is 3, not 5" in capsys.readouterr().err


def test_that_drift_cannot_be_looked_at_is_no_failure(place: Place, capsys: Output) -> None:
    place.state["refuses"] = "cloudformation detect-stack-drift"
    code = place.restore("--snapshot", "by-hand", "--yes")
    assert code == 0
    assert "Not checked" in capsys.readouterr().err
    is_restored(place, "last week")


def test_the_script_asks_the_cli_of_the_path(tmp_path: Path, templates: Path) -> None:
    aws, tools, state = tmp_path / "infra/aws", tmp_path / "bin", tmp_path / "state.json"
    aws.mkdir(parents=True)
    tools.mkdir()
    shutil.copy(templates / "restore", aws)
    shutil.copytree(templates / "deployment", aws / "deployment")
    shutil.copytree(templates.parent / "lib", tmp_path / "infra/lib")
    state.write_text(json.dumps(elasticache.running()))
    (tools / "aws").write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -E "{elasticache.__file__}" "{state}" "$@"\n')
    (tools / "aws").chmod(0o755)
    result = subprocess.run(
        [aws / "restore", "--stack", "connect", "--region", "eu-central-1", "--snapshot", "by-hand"],
        capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL, cwd=templates,
        env={"PATH": f"{tools}:{os.environ['PATH']}"})
    assert result.returncode == 0, result.stderr
    assert "Copy the snapshot by-hand to connect-bus-c" in result.stdout
    help_text = subprocess.run([aws / "restore", "--help"], capture_output=True, text=True, check=True).stdout
    assert "--snapshot SNAPSHOT" in help_text
