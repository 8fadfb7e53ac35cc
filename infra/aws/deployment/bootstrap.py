"""What an account and Region need before the first deployment."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from .cli import Aws, Failure, Refused, say
from .report import end_with_failures
from .stack import Stack


class _Output(NamedTuple):
    stack: str
    output: str


_STACK = "connect-bootstrap"
TEMPLATE_BUCKET = _Output(_STACK, "TemplateBucket")

# AWS makes these roles when a service is first used, which in a fresh account may be too late for the
# resource that needs one (*Unable to assume the service linked role*).
SERVICES_WITH_ROLES = (
    "ecs.amazonaws.com", "ecs.application-autoscaling.amazonaws.com", "elasticloadbalancing.amazonaws.com",
    "elasticache.amazonaws.com",
)


def bootstrap(aws: Aws, template: Path) -> None:
    """Makes the roles, the repository and the bucket, or what of them is not there."""
    aws.require_credentials()
    for service in SERVICES_WITH_ROLES:
        try:
            aws.ask("iam", "create-service-linked-role", "--aws-service-name", service)
        except Refused as refused:
            if "has been taken" not in refused.message:
                raise Failure(
                    f"the service-linked role of {service} could not be made (iam:CreateServiceLinkedRole): {refused}"
                ) from None
        else:
            say(f"Made the service-linked role of {service}.")
    stack = Stack(aws, _STACK).look()
    stack.require_deployable()
    was_new = stack.is_new
    since = stack.deploy(template, [])
    if since is not None:
        end_with_failures(aws, stack, since, was_new, stack)
    say(f"Push the image to {stack.outputs.get('Repository', 'the repository')}, then deploy.")
