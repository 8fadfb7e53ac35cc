"""Why tasks of the services ended: CloudFormation says of a service only that it did not become stable."""

from __future__ import annotations

from typing import Any

from .cli import Aws, Refused
from .limits import TASK_REASONS, TASKS_DESCRIBED

_FAILED = ("TaskFailedToStart", "EssentialContainerExited")


def reasons_of_stopped_tasks(aws: Aws, cluster: str) -> list[str]:
    """A line for each reason, the newest first. ECS remembers tasks for about an hour."""
    try:
        listed = aws.ask("ecs", "list-tasks", "--cluster", cluster, "--desired-status", "STOPPED")
        arns = listed["taskArns"][:TASKS_DESCRIBED]
        if not arns:
            return []
        tasks = aws.ask("ecs", "describe-tasks", "--cluster", cluster, "--tasks", *arns)["tasks"]
    except Refused as refused:
        return [f"the tasks of the cluster {cluster} cannot be read: {refused}"]
    tasks.sort(key=lambda task: str(task.get("stoppedAt", "")), reverse=True)
    lines = [_line(task) for task in tasks if _failed(task)]
    # Each once: a service tries the same again and again.
    return list(dict.fromkeys(lines))[:TASK_REASONS]


def _failed(task: dict[str, Any]) -> bool:
    return task.get("stopCode") in _FAILED or "health check" in task.get("stoppedReason", "").lower()


def _line(task: dict[str, Any]) -> str:
    # Such as service:connect-gateway or family:connect-operator.
    name = task.get("group", "").partition(":")[2] or "a task"
    parts = [task.get("stoppedReason", "")]
    for container in task.get("containers", []):
        if container.get("reason"):
            parts.append(container["reason"])
        if container.get("exitCode") is not None:
            parts.append(f"{container['name']} ended with exit code {container['exitCode']}")
    return f"{name}: {'; '.join(dict.fromkeys(filter(None, parts))) or 'no reason given'}"
