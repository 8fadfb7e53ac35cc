"""What an invariant is: a function whose name says what holds, and whose docstring is its sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .evaluate import Deployment
from .project import Project

# Takes a deployment, and yields what breaks the invariant.
Check = Callable[[Deployment, Project], Iterator[str]]


@dataclass(frozen=True)
class Invariant:
    name: str
    sentence: str
    check: Check


INVARIANTS: list[Invariant] = []


def invariant(check: Check) -> Check:
    """Adds a function to the invariants."""
    sentence = " ".join((check.__doc__ or "").split())
    INVARIANTS.append(Invariant(check.__name__, sentence, check))
    return check


def as_list(value: object) -> list:
    """A list, where IAM and CloudFormation take one thing or several."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def attributes(items: list[dict] | None) -> dict[str, str]:
    """The attributes of a load balancer or target group, by key."""
    return {item["Key"]: str(item["Value"]) for item in items or []}
