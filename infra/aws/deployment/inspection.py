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
    """Prints a log until nothing new comes, and whether there was any. Waits a little for one that is not
    there yet."""
    end = time.monotonic() + LOG_SECONDS
    log = _Log(aws, group, stream)
    found = False
    while True:
        is_new = False
        try:
            for message in log.messages():
                print(message)
                is_new = True
        except Refused as refused:
            if refused.code != "ResourceNotFoundException":
                raise Failure(f"the log {group} {stream} cannot be read: {refused}") from None
        # Some may have come: the last lines are shown later than the first.
        if not is_new and (found or time.monotonic() > end):
            return found
        found = found or is_new
        time.sleep(LOG_LOOK_SECONDS)


class _Log:
    """A log that is read from its beginning, each time from where the last time ended."""

    def __init__(self, aws: Aws, group: str, stream: str) -> None:
        self._aws, self._group, self._stream = aws, group, stream
        self._token = ""

    def messages(self) -> Iterator[str]:
        """The lines that are new. They end where the token of the next page is that of this one; a page in
        between may be empty."""
        for _ in range(LOG_PAGES):
            answer = self._aws.ask(
                "logs", "get-log-events", "--log-group-name", self._group, "--log-stream-name", self._stream,
                *(["--next-token", self._token] if self._token else ["--start-from-head"]),
            )
            yield from (event["message"] for event in answer["events"])
            if answer["nextForwardToken"] == self._token:
                return
            self._token = answer["nextForwardToken"]
        raise Failure(
            f"the log {self._group} {self._stream} has more than {LOG_PAGES} pages: read it in the console")


def main(cli: str, stack: str, region: str, *arguments: str) -> int:
    try:
        return inspect(Aws(cli, region), stack, list(arguments))
    except Failure as failure:
        say(f"inspect: {failure}")
    except KeyboardInterrupt:
        say("inspect: interrupted. The task, if it was started, goes on.")
    return 1

