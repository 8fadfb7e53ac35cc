"""python -m check DIR: evaluates the templates in DIR for each variant, and asks each invariant.

Prints what is broken, by name, and exits with 1 if anything is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from . import (  # noqa: F401 (they add their invariants)
    invariants_access,
    invariants_alarms,
    invariants_edge,
    invariants_network,
    invariants_redis,
    invariants_services,
    invariants_stacks,
)
from .evaluate import Deployment, EvaluationError, evaluate
from .invariant import INVARIANTS, Invariant
from .project import Project
from .variants import BASE, VARIANTS


def deployments(directory: Path) -> list[Deployment]:
    """The templates in a directory, evaluated for each variant."""
    return [evaluate(directory, {**BASE, **given}, name) for name, given in VARIANTS.items()]


def problems(invariant: Invariant, deployment: Deployment, project: Project) -> Iterator[str]:
    """What breaks an invariant. One that cannot even ask its question is broken, too."""
    try:
        yield from invariant.check(deployment, project)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        yield f"what it asks for is not there: {type(error).__name__} {error}"


def broken(directory: Path) -> dict[str, list[str]]:
    """What breaks which invariant, by the invariant's name."""
    found: dict[str, list[str]] = {}
    project = Project()
    for deployment in deployments(directory):
        for invariant in INVARIANTS:
            for problem in problems(invariant, deployment, project):
                known = found.setdefault(invariant.name, [])
                # The variant once, where it first shows.
                if not any(entry.endswith(f": {problem}") for entry in known):
                    known.append(f"{deployment.name}: {problem}")
    return found


def main(arguments: list[str]) -> int:
    directory = Path(arguments[0])
    try:
        found = broken(directory)
    except EvaluationError as error:
        print(f"The templates cannot be evaluated: {error}")
        return 1
    sentences = {invariant.name: invariant.sentence for invariant in INVARIANTS}
    for name, details in found.items():
        print(f"BROKEN {name}: {sentences[name]}")
        for problem in details:
            print(f"  {problem}")
    count = f"{len(INVARIANTS)} invariants, {len(VARIANTS)} variants"
    print(f"{count}: {'all hold' if not found else f'{len(found)} broken'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
