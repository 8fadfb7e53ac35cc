"""What `infra/aws/restore` runs: a Redis is put back to a snapshot.

The templates do not restore, since CloudFormation would have to replace the cluster. So a cluster that is
made of the snapshot takes the place of the one that is there, with its id and all of its properties, and
the stack goes on with it. Each step may be done again: what stops halfway goes on with the same command.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Callable, NoReturn

from .cli import Aws, Failure, Refused, say
from .limits import RESTORE_LOOK_SECONDS, RESTORE_SECONDS
from .redis_group import Group
from .stack import Stack

_NOTES = Path(__file__).resolve().parents[3] / ".build-tools"
# In the order in which they stop; they start in the reverse. Gateways accept what messaging stores.
_SERVICES = ("GatewayService", "MessagingService")


class Notes:
    """What a restore found before it changed anything, in a file: once the cluster is deleted, nothing else
    knows what it was made of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def write(self, **found: Any) -> None:
        self.found |= found
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.found, indent=1), encoding="utf-8")
        new.replace(self.path)


class Service:
    """A service of ECS, and what scales it."""

    def __init__(self, aws: Aws, cluster: str, name: str) -> None:
        self._aws, self._cluster, self.name = aws, cluster, name
        self._target = (
            "--service-namespace", "ecs", "--scalable-dimension", "ecs:service:DesiredCount",
        )
        self._id = f"service/{cluster}/{name}"

    def look(self) -> dict[str, int]:
        """How many tasks there are to be, and at least."""
        targets = self._aws.ask(
            "application-autoscaling", "describe-scalable-targets", *self._target, "--resource-ids", self._id)
        if not targets["ScalableTargets"]:
            raise Failure(f"nothing scales {self.name}: is the stack of the services complete?")
        return {"desired": self._described()["desiredCount"], "minimum": targets["ScalableTargets"][0]["MinCapacity"]}

    def stop(self) -> None:
        """Ends all tasks, and keeps scaling from starting new ones."""
        self._scale(0, suspended=True)
        self._run(0)
        _wait(f"{self.name} to stop", lambda: self._described()["runningCount"] == 0)

    def start(self, count: int, minimum: int) -> None:
        """Starts as many tasks as there were, waits until they are healthy, and lets scaling go on."""
        self._run(max(count, minimum))
        _wait(f"{self.name} to start", self._is_steady)
        self._scale(minimum, suspended=False)

    def _is_steady(self) -> bool:
        it = self._described()
        return it["runningCount"] == it["desiredCount"] and all(
            deployment.get("rolloutState") == "COMPLETED" for deployment in it["deployments"])

    def _described(self) -> dict[str, Any]:
        answer = self._aws.ask("ecs", "describe-services", "--cluster", self._cluster, "--services", self.name)
        if not answer["services"]:
            raise Failure(f"there is no service {self.name}: is the stack of the services complete?")
        found: dict[str, Any] = answer["services"][0]
        return found

    def _run(self, count: int) -> None:
        self._aws.ask(
            "ecs", "update-service", "--cluster", self._cluster, "--service", self.name,
            "--desired-count", str(count))

    def _scale(self, minimum: int, *, suspended: bool) -> None:
        state = ",".join(
            f"{kind}Suspended={str(suspended).lower()}"
            for kind in ("DynamicScalingIn", "DynamicScalingOut", "ScheduledScaling"))
        self._aws.ask(
            "application-autoscaling", "register-scalable-target", *self._target, "--resource-id", self._id,
            "--min-capacity", str(minimum), "--suspended-state", state)


class Restoration:
    """One restore, from looking to starting again."""

    def __init__(self, aws: Aws, stack: str, cluster: str) -> None:
        self._aws, self._stack = aws, stack
        self.group = Group(aws, f"{stack}-{cluster}")
        self.notes = Notes(_NOTES / f"restore-{stack}-{cluster}.json")

    def look(self, snapshot: str) -> None:
        """Notes all that has to be known later, or takes the notes of an attempt that stopped."""
        if self.notes.found:
            before = self.notes.found["snapshot"]
            if before != snapshot:
                raise Failure(
                    f"a restore of {before} has begun and is not done: finish it with --snapshot {before}, or, if "
                    f"{self.group.name} is as it was, remove {self.notes.path}")
            say(f"Going on with the restore of {snapshot} that {self.notes.path} has notes of.")
            return
        self.group.require_snapshot(snapshot)
        foundation = Stack(self._aws, f"{self._stack}-foundation").look()
        outputs = {
            **foundation.outputs,
            **Stack(self._aws, f"{self._stack}-services").look().outputs,
        }
        missing = [name for name in ("Cluster", *_SERVICES) if name not in outputs]
        if missing:
            raise Failure(
                f"the stacks of {self._stack} in {self._aws.region} are not there or not complete (no "
                f"{', '.join(missing)}): is --stack the name that you deployed with?")
        services = {
            outputs[name]: Service(self._aws, outputs["Cluster"], outputs[name]).look() for name in _SERVICES
        }
        properties = self.group.properties()
        # A CLI that is too old leaves out what it does not know, and the group would be made without a log.
        if foundation.parameters.get("Durability", "").startswith("log-") and "--durability" not in properties:
            raise Failure(
                f"your AWS CLI does not know that {self.group.name} has a log, and would make it without: update it "
                "(version 2, of June 2026 or later)")
        # Of at most 40 characters, with the longest name of a stack.
        stamp = time.strftime("%m%d%H%M", time.gmtime())
        self.notes.found = {
            "snapshot": snapshot, "cluster": outputs["Cluster"], "services": services,
            "properties": properties, "deleted": False,
            "copy": f"{self.group.name}-c{stamp}", "last": f"{self.group.name}-l{stamp}",
        }

    def plan(self) -> str:
        """What would be done, for people."""
        found = self.notes.found
        tasks = ", ".join(f"{name} ({it['desired']})" for name, it in found["services"].items())
        return "\n".join([
            f"Stop {tasks}, and hold their scaling.",
            f"Copy the snapshot {found['snapshot']} to {found['copy']}.",
            f"Delete {self.group.name}, with a last snapshot {found['last']}.",
            f"Make it again of the copy: aws elasticache create-replication-group {' '.join(found['properties'])}",
            "Start the services in the reverse order, and let them scale.",
        ])

    def restore(self) -> None:
        """Does it. Each step looks at what is there, so that all of it may be run again."""
        found = self.notes.found
        self.notes.write()
        services = [Service(self._aws, found["cluster"], name) for name in found["services"]]
        if not found["deleted"]:
            for service in services:
                say(f"Stopping {service.name}.")
                service.stop()
            say(f"Copying {found['snapshot']}.")
            self.group.copy(found["snapshot"], found["copy"])
            _wait(f"{found['copy']} to be there", lambda: self.group.has_snapshot(found["copy"]))
            say(f"Deleting {self.group.name}.")
            self.group.delete(found["last"])
            _wait(f"{self.group.name} to be gone", lambda: self.group.status() == "")
            self.notes.write(deleted=True)
        say(f"Making {self.group.name} of {found['copy']}.")
        self.group.make(found["copy"], found["properties"])
        _wait(f"{self.group.name} to be there", self.group.is_available)
        for service in reversed(services):
            say(f"Starting {service.name}.")
            numbers = found["services"][service.name]
            service.start(numbers["desired"], numbers["minimum"])
        self._tell_drift()
        self.notes.path.unlink()
        say(
            f"Done. {found['copy']} and {found['last']} cost until you delete them (aws elasticache "
            f"delete-snapshot). Look: infra/aws/inspect --stack {self._stack} --region {self._aws.region} partitions")

    def _tell_drift(self) -> None:
        """What CloudFormation sees that differs from the template. If it cannot look, the restore still holds."""
        try:
            resources = self._aws.ask(
                "cloudformation", "describe-stack-resource", "--stack-name", f"{self._stack}-foundation",
                "--logical-resource-id", "Redis")
            nested = resources["StackResourceDetail"]["PhysicalResourceId"]
            looked = self._aws.ask("cloudformation", "detect-stack-drift", "--stack-name", nested)
            _wait("CloudFormation to compare", lambda: self._drift_is_known(looked["StackDriftDetectionId"]))
            drifts = self._aws.ask(
                "cloudformation", "describe-stack-resource-drifts", "--stack-name", nested,
                "--stack-resource-drift-status-filters", "MODIFIED", "DELETED")
        except (Refused, Failure) as reason:
            say(f"Not checked: whether the cluster is as the template has it ({reason}).")
            return
        for drift in drifts["StackResourceDrifts"]:
            for difference in drift.get("PropertyDifferences") or [{}]:
                say(
                    f"Differs from the template: {drift['LogicalResourceId']} {difference.get('PropertyPath', '')} is "
                    f"{difference.get('ActualValue', 'gone')}, not {difference.get('ExpectedValue', '')}")

    def _drift_is_known(self, identity: str) -> bool:
        answer = self._aws.ask(
            "cloudformation", "describe-stack-drift-detection-status", "--stack-drift-detection-id", identity)
        return bool(answer["DetectionStatus"] != "DETECTION_IN_PROGRESS")


def _wait(for_what: str, is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + RESTORE_SECONDS
    while not is_so():
        if time.monotonic() > end:
            raise Failure(f"{RESTORE_SECONDS // 3600} hours were not enough for {for_what}")
        time.sleep(RESTORE_LOOK_SECONDS)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Failure(f"{message}; see --help")


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="restore", add_help=False, allow_abbrev=False)
    for name in ("--stack", "--region"):
        parser.add_argument(name, required=True)
    parser.add_argument("--cluster", choices=("bus", "registry"), default="bus")
    parser.add_argument("--snapshot", default="")
    for name in ("--list", "--yes"):
        parser.add_argument(name, action="store_true")
    options = parser.parse_args(arguments)
    if options.list == bool(options.snapshot):
        raise Failure("either --list or --snapshot has to be given; see --help")
    return options


def main(cli: str, *arguments: str) -> int:
    try:
        options = _options(list(arguments))
        aws = Aws(cli, options.region)
        aws.require_credentials()
        restoration = Restoration(aws, options.stack, options.cluster)
        if options.list:
            print("\n".join(restoration.group.snapshots()) or "There is no snapshot.")
            return 0
        restoration.look(options.snapshot)
        if not options.yes:
            print(restoration.plan())
            say("Nothing was changed. With --yes, this is done.")
            return 0
        try:
            restoration.restore()
        except (Refused, Failure) as reason:
            raise Failure(f"{reason}. What is done is noted: the same command goes on from there") from None
        except KeyboardInterrupt:
            raise Failure("interrupted. What is done is noted: the same command goes on from there") from None
    except Refused as refused:
        say(f"restore: AWS refuses: {refused}")
        return 1
    except Failure as failure:
        say(f"restore: {failure}")
        return 1
    return 0
