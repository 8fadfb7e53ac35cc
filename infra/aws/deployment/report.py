"""The end of a deployment that failed: which stack, why, what stands, and what to do."""

from __future__ import annotations

from typing import NoReturn

from .cli import Aws, Failure, say
from .failures import advice, failures
from .stack import Stack
from .tasks import reasons_of_stopped_tasks


def end_with_failures(aws: Aws, stack: Stack, since: str, was_new: bool, foundation: Stack) -> NoReturn:
    """Says what failed in a stack after a time, and raises `Failure`."""
    lines = list(failures(aws, stack.name, since))
    if lines:
        _list(f"What failed in {stack.name}, oldest first, each stack before those that it nests:", lines)
    else:
        say("CloudFormation changed nothing; the AWS CLI says why, above.")
    cluster = foundation.outputs.get("Cluster")
    if stack is not foundation and cluster:
        _list("Why tasks ended, the newest first:", reasons_of_stopped_tasks(aws, cluster))
    for line in advice(lines):
        say(f"To do: {line}.")
    raise Failure(f"the stack {stack.look().name} failed. {_what_stands(stack, was_new, foundation)}")


def _list(head: str, lines: list[str]) -> None:
    if lines:
        say(head)
    for line in lines:
        say(f"  {line}")


def _what_stands(stack: Stack, was_new: bool, foundation: Stack) -> str:
    again = "Fix the cause, and deploy again by the same command"
    if stack.status.endswith("_FAILED"):
        return f"It is in {stack.status}: {stack.remedy()}"
    if stack.status in ("", "REVIEW_IN_PROGRESS"):
        return f"Nothing of it was made. {again}"
    if stack is foundation:
        if was_new:
            return f"What it had made was taken back. {again}, which removes the empty stack first"
        return f"It is as it was before, and the services were not touched. {again}"
    if was_new:
        return (
            f"What it had made was taken back; {foundation.name}, with the network, Redis and the certificate, "
            f"is up and stays. {again}, which removes the empty stack first"
        )
    return f"The services run as before; {foundation.name} is up. {again}"
