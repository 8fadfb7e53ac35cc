"""What `infra/aws/inspect` runs: a task that looks into Redis, and its whole log."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from .cli import Aws, Failure, Refused, say
from .limits import (
    INSPECT_LOOK_SECONDS,
    INSPECT_SECONDS,
    LOG_LOOK_SECONDS,
    LOG_PAGES,
    LOG_SECONDS,
)
from .stack import Stack

_CONTAINER = "operator"


def inspect(aws: Aws, name: str, arguments: list[str]) -> int:
    """Runs `connect inspect` with the arguments, and prints its log. The exit code is that of the task."""
    foundation = Stack(aws, f"{name}-foundation").look()
    outputs = foundation.outputs
    missing = [output for output in ("Cluster", "PrivateSubnets", "MessagingGroup") if output not in outputs]
    if missing:
        raise Failure(
            f"the stack {foundation.name} in {aws.region} is not there or not complete (no {', '.join(missing)}): "
            "is --stack the name that you deployed with?"
        )
    cluster = outputs["Cluster"]
    network = (
        f"awsvpcConfiguration={{subnets=[{outputs['PrivateSubnets']}],"
        f"securityGroups=[{outputs['MessagingGroup']}],assignPublicIp=DISABLED}}"
    )
    overrides = {"containerOverrides": [{"name": _CONTAINER, "command": ["inspect", *arguments]}]}
    try:
        answer = aws.ask(
            "ecs", "run-task", "--cluster", cluster, "--launch-type", "FARGATE",
            "--task-definition", f"{name}-operator", "--network-configuration", network,
            "--overrides", json.dumps(overrides),
        )
    except Refused as refused:
        raise Failure(f"the task could not be started: {refused}") from None
    if not answer["tasks"]:
        reasons = "; ".join(failure.get("reason", "no reason given") for failure in answer.get("failures", []))
        raise Failure(f"the task could not be started: {reasons or 'no reason given'}")
    task = answer["tasks"][0]["taskArn"]
    code, reason = _ended(aws, cluster, task)
    stream = f"{_CONTAINER}/{_CONTAINER}/{task.rpartition('/')[2]}"
    if not _print_log(aws, f"/connect/{name}/operator", stream):
        say(f"It left no log; the task says of its end: {reason}.")
    if code is None:
        raise Failure(f"the task {task} never ran: {reason}")
    return code


def _ended(aws: Aws, cluster: str, task: str) -> tuple[int | None, str]:
    """Waits for a task. Its exit code, None if it never ran, and why it ended."""
    end = time.monotonic() + INSPECT_SECONDS
    while time.monotonic() < end:
        try:
            answer = aws.ask("ecs", "describe-tasks", "--cluster", cluster, "--tasks", task)
        except Refused as refused:
            raise Failure(f"the task {task} cannot be looked at ({refused}), and may still run") from None
        # A task that was just started may not be known everywhere yet.
        if answer["tasks"] and answer["tasks"][0]["lastStatus"] == "STOPPED":
            it = answer["tasks"][0]
            container = it["containers"][0]
            reason = container.get("reason") or it.get("stoppedReason") or "no reason given"
            return container.get("exitCode"), reason
        time.sleep(INSPECT_LOOK_SECONDS)
    raise Failure(
        f"the task {task} did not end within {INSPECT_SECONDS // 60} minutes: "
        + aws.command(f"ecs stop-task --cluster {cluster} --task {task}") + " ends it"
    )


def _print_log(aws: Aws, group: str, stream: str) -> bool:
    """Prints a log to its end, and whether there is any. Waits a little for one that is not there yet."""
    end = time.monotonic() + LOG_SECONDS
    while True:
        found = False
        try:
            for message in _messages(aws, group, stream):
                print(message)
                found = True
        except Refused as refused:
            if refused.code != "ResourceNotFoundException":
                raise Failure(f"the log {group} {stream} cannot be read: {refused}") from None
        if found or time.monotonic() > end:
            return found
        time.sleep(LOG_LOOK_SECONDS)


def _messages(aws: Aws, group: str, stream: str) -> Iterator[str]:
    """All lines of a log. It ends where the token of the next page is that of this one; a page in between
    may be empty."""
    token = ""
    for _ in range(LOG_PAGES):
        answer = aws.ask(
            "logs", "get-log-events", "--log-group-name", group, "--log-stream-name", stream,
            *(["--next-token", token] if token else ["--start-from-head"]),
        )
        yield from (event["message"] for event in answer["events"])
        if answer["nextForwardToken"] == token:
            return
        token = answer["nextForwardToken"]
    raise Failure(f"the log {group} {stream} has more than {LOG_PAGES} pages: read it in the console")


def main(cli: str, stack: str, region: str, *arguments: str) -> int:
    try:
        return inspect(Aws(cli, region), stack, list(arguments))
    except Failure as failure:
        say(f"inspect: {failure}")
    except KeyboardInterrupt:
        say("inspect: interrupted. The task, if it was started, goes on.")
    return 1

