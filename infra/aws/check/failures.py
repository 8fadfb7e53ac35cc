"""python3 -m check.failures AWS STACK SINCE: prints what failed in a stack and in all that it nests, oldest
first, since a time such as 2026-01-31T12:00:00 (UTC). AWS is the path of the CLI: a Python that is started
by a wrapper may find another.

The events of nested stacks are asked for by ARN, which still works when such a stack is deleted. Standard
library only: it runs in a deployment, where nothing else is installed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

# What CloudFormation gives up because of another failure.
_CONSEQUENCES = ("Resource creation cancelled", "Resource update cancelled")


def failures(aws: str, stack: str, since: str, path: str = "") -> Iterator[str]:
    """A line for each failure in a stack; what it nests comes after it."""
    answer = subprocess.run(
        [aws, "cloudformation", "describe-stack-events", "--stack-name", stack, "--output", "json"],
        capture_output=True, text=True, check=False,
    )
    if answer.returncode != 0:
        yield f"{path.rstrip('/') or stack}: its events cannot be read: {' '.join(answer.stderr.split())}"
        return
    nested: dict[str, str] = {}
    # They come newest first.
    for event in reversed(json.loads(answer.stdout)["StackEvents"]):
        # To the second; what follows differs by version of the CLI.
        if event["Timestamp"][: len(since)] < since:
            continue
        name, itself = event["LogicalResourceId"], event.get("PhysicalResourceId") or ""
        if event["ResourceType"] == "AWS::CloudFormation::Stack" and itself not in ("", event["StackId"]):
            nested[itself] = f"{path}{name}/"
        reason = event.get("ResourceStatusReason") or "no reason given"
        if event["ResourceStatus"].endswith("_FAILED") and reason not in _CONSEQUENCES:
            yield f"{path}{name} ({event['ResourceType']}) {event['ResourceStatus']}: {reason}"
    for arn, below in nested.items():
        yield from failures(aws, arn, since, below)


if __name__ == "__main__":
    for line in failures(*sys.argv[1:4]):
        print(line)
