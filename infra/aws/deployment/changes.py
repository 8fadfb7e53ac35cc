"""A dry run: what a deployment would change, by change sets of CloudFormation."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from .cli import Aws, Failure, Refused, say
from .limits import CHANGE_SET_LOOK_SECONDS, CHANGE_SET_SECONDS, TEMPLATE_BYTES
from .stack import Stack

# What CloudFormation says of a change set without a change.
_NOTHING = ("didn't contain changes", "No updates are to be performed")
_REPLACEMENT = {"True": " REPLACED", "Conditional": " perhaps replaced"}


def review(aws: Aws, stack: Stack, template: Path, values: list[str]) -> None:
    """Prints what deploying a template would change in a stack that is up."""
    if template.stat().st_size > TEMPLATE_BYTES:
        raise Failure(f"{template} has more than {TEMPLATE_BYTES} bytes, which CloudFormation takes in no call")
    parameters = template.with_suffix(".changeset.json")
    # Another form than `deploy` takes.
    pairs = [dict(zip(("ParameterKey", "ParameterValue"), value.split("=", 1))) for value in values]
    parameters.write_text(json.dumps(pairs, indent=1), encoding="utf-8")
    # Change sets of nested stacks fail where a value is not known before another stack is updated.
    for nested in (True, False):
        identity = _create(aws, stack.name, template, parameters, nested)
        try:
            state = _finished(aws, identity)
            if state["Status"] == "CREATE_COMPLETE":
                if not nested:
                    print("  (of nested stacks, only which: CloudFormation cannot say what within them)")
                _print(aws, state, "  ")
                return
            reason = state.get("StatusReason") or "no reason given"
            if any(phrase in reason for phrase in _NOTHING):
                print("  nothing")
                return
            reason = "; ".join([reason, *_reasons_of_nested(aws, state)])
        finally:
            _delete(aws, identity)
        if nested:
            say(f"The change set of {stack.name} with its nested stacks failed ({reason}): trying without them.")
    raise Failure(f"CloudFormation cannot say what would change in {stack.name}, and nothing was changed: {reason}")


def _create(aws: Aws, stack: str, template: Path, parameters: Path, nested: bool) -> str:
    try:
        answer = aws.ask(
            "cloudformation", "create-change-set", "--stack-name", stack, "--change-set-type", "UPDATE",
            "--change-set-name", f"dry-run-{time.time_ns()}", "--capabilities", "CAPABILITY_IAM",
            "--template-body", f"file://{template}", "--parameters", f"file://{parameters}",
            *(["--include-nested-stacks"] if nested else []),
        )
    except Refused as refused:
        raise Failure(f"there is no change set of {stack}, and nothing was changed: {refused}") from None
    identity: str = answer["Id"]
    return identity


def _finished(aws: Aws, identity: str) -> dict[str, Any]:
    end = time.monotonic() + CHANGE_SET_SECONDS
    while True:
        state = _described(aws, identity)
        if state["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            return state
        if time.monotonic() > end:
            raise Failure(
                f"the change set {identity} is not done after {CHANGE_SET_SECONDS} s, and nothing was changed"
            )
        time.sleep(CHANGE_SET_LOOK_SECONDS)


def _described(aws: Aws, identity: str) -> dict[str, Any]:
    try:
        state: dict[str, Any] = aws.ask("cloudformation", "describe-change-set", "--change-set-name", identity)
    except Refused as refused:
        raise Failure(f"the change set {identity} cannot be read, and nothing was changed: {refused}") from None
    return state


def _print(aws: Aws, state: dict[str, Any], indent: str) -> None:
    """A line for each change, and for each of nested stacks."""
    for change in state.get("Changes", []):
        it = change.get("ResourceChange")
        if it is None:
            continue
        replaced = _REPLACEMENT.get(it.get("Replacement", ""), "")
        print(f"{indent}{it['Action']} {it['LogicalResourceId']} ({it['ResourceType']}){replaced}")
        if it.get("ChangeSetId"):
            _print(aws, _described(aws, it["ChangeSetId"]), f"{indent}  ")


def _reasons_of_nested(aws: Aws, state: dict[str, Any]) -> list[str]:
    """Of a change set that failed: why those of nested stacks did, which alone say what was wrong."""
    reasons = []
    for change in state.get("Changes", []):
        identity = change.get("ResourceChange", {}).get("ChangeSetId")
        if identity:
            nested = _described(aws, identity)
            if nested["Status"] == "FAILED" and nested.get("StatusReason"):
                reasons.append(f"{change['ResourceChange']['LogicalResourceId']}: {nested['StatusReason']}")
    return reasons


def _delete(aws: Aws, identity: str) -> None:
    try:
        aws.ask("cloudformation", "delete-change-set", "--change-set-name", identity)
    except Refused as refused:
        say(f"The change set {identity} is left: {refused}")
