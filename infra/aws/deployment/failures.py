"""Why a stack failed: its events, those of all that it nests, and what is known about such failures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .cli import Aws, Refused

# What CloudFormation gives up because of another failure.
_CONSEQUENCES = ("Resource creation cancelled", "Resource update cancelled")

# Parts of the reasons that AWS gives, in lower case, and what to do. FirstDeployment.md has the same.
ADVICE = (
    (("circuit breaker was triggered", "did not stabilize"),
     "tasks of a service do not start, or do not become healthy: why they ended is above, and in their log"),
    (("service linked role", "service-linked role"),
     "'infra/aws/deploy --bootstrap' makes the roles that AWS itself needs; deploy again after that"),
    (("not authorized to perform", "accessdenied"),
     "your credentials lack the right that is named; AWS.md says which are needed"),
    (("limit exceeded", "limitexceeded", "has been reached", "quota"),
     "a quota of your account is used up: ask for more under Service Quotas, or remove what you do not need"),
    (("already exists",),
     "something of that name is there already: if a former deployment has left it, delete it by hand; if it is in use, "
     "take another --stack"),
    (("does not support creating load balancers",),
     "AWS has not verified your account yet: ask its support to lift that"),
    (("insufficientcacheclustercapacity", "insufficient cache cluster capacity"),
     "AWS has no such node left in a zone: take another RedisNodeType, or try later"),
    (("caa_error", "caa record"),
     "a CAA record forbids AWS to issue the certificate: add one that allows amazon.com"),
)


def newest_event(aws: Aws, stack: str) -> str:
    """When the newest event of a stack was, by the clock of AWS; empty if there is none."""
    try:
        events = _events(aws, stack, "--max-items", "1")
    except Refused:
        return ""
    return max((event["Timestamp"] for event in events), default="")


def failures(aws: Aws, stack: str, since: str, path: str = "") -> Iterator[str]:
    """A line for each failure in a stack after a time, oldest first; what it nests comes after it. Nested
    stacks are asked for by ARN, which still works when they are deleted."""
    try:
        events = _events(aws, stack)
    except Refused as refused:
        yield f"{path.rstrip('/') or stack}: its events cannot be read: {refused}"
        return
    nested: dict[str, str] = {}
    # They come newest first.
    for event in reversed(events):
        if event["Timestamp"] <= since:
            continue
        name, itself = event["LogicalResourceId"], event.get("PhysicalResourceId") or ""
        if event["ResourceType"] == "AWS::CloudFormation::Stack" and itself not in ("", event["StackId"]):
            nested[itself] = f"{path}{name}/"
        reason = event.get("ResourceStatusReason") or "no reason given"
        if event["ResourceStatus"].endswith("_FAILED") and reason not in _CONSEQUENCES:
            yield f"{path}{name} ({event['ResourceType']}) {event['ResourceStatus']}: {reason}"
    for arn, below in nested.items():
        yield from failures(aws, arn, since, below)


def advice(lines: list[str]) -> list[str]:
    """What to do about failures, as far as they are known."""
    text = "\n".join(lines).lower()
    return [what for phrases, what in ADVICE if any(phrase in text for phrase in phrases)]


def _events(aws: Aws, stack: str, *more: str) -> list[dict[str, Any]]:
    answer = aws.ask("cloudformation", "describe-stack-events", "--stack-name", stack, *more)
    events: list[dict[str, Any]] = answer["StackEvents"]
    return events
