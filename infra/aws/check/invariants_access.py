"""Invariants of IAM and of data at rest: nothing is allowed but what is used."""

from __future__ import annotations

from collections.abc import Iterator

from .evaluate import Deployment, Resource
from .invariant import as_list, invariant
from .invariants_services import tasks
from .project import Project

# What starting a task takes. `kms:Decrypt` only with a key of one's own.
_EXECUTION = {
    "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer", "logs:CreateLogStream", "logs:PutLogEvents",
    "secretsmanager:GetSecretValue",
}
# What ECS Exec takes.
_EXECUTE_COMMAND = {
    "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
}
# What AWS can allow for everything only.
_WITHOUT_RESOURCE = {"ecr:GetAuthorizationToken"} | _EXECUTE_COMMAND


def _statements(role: Resource) -> Iterator[dict]:
    for policy in as_list(role.get("Policies")):
        yield from as_list(policy["PolicyDocument"]["Statement"])


def _actions(role: Resource) -> set[str]:
    return {
        action
        for statement in _statements(role)
        if statement["Effect"] == "Allow"
        for action in as_list(statement.get("Action"))
    }


def _documents(deployment: Deployment) -> Iterator[tuple[str, dict]]:
    """Every statement of every policy, but for those that say who may be a role."""
    for role in deployment.of("IAM::Role"):
        for statement in _statements(role):
            yield role.path, statement
    for resource in deployment.resources.values():
        document = resource.get("PolicyDocument")
        if document:
            for statement in as_list(document["Statement"]):
                yield resource.path, statement


@invariant
def task_roles_may_do_nothing(deployment: Deployment, project: Project) -> Iterator[str]:
    """Connect calls nothing of AWS, so the roles of its tasks allow nothing; with ExecuteCommand, what
    ECS Exec needs and no more."""
    for task, _, executes in tasks(deployment):
        role = deployment.resource(task.get("TaskRoleArn"))
        if role is None:
            yield f"{task.path} has no role of its own"
            continue
        for action in sorted(_actions(role) - (_EXECUTE_COMMAND if executes else set())):
            yield f"{role.path} allows {action}"
        if role.get("ManagedPolicyArns"):
            yield f"{role.path} has policies that others may change"


@invariant
def execution_roles_may_do_what_starts_a_task(deployment: Deployment, project: Project) -> Iterator[str]:
    """The roles with which ECS starts tasks pull one image, read the task's own secrets, and write its
    own log."""
    for task, container, _ in tasks(deployment):
        role = deployment.resource(task.get("ExecutionRoleArn"))
        if role is None or role.get("ManagedPolicyArns"):
            yield f"{task.path} has no execution role of its own"
            continue
        allowed = set(_EXECUTION)
        if deployment.parameters["KmsKeyArn"]:
            allowed.add("kms:Decrypt")
        for action in sorted(_actions(role) ^ allowed):
            yield f"{role.path}: {action} is not needed, or missing"
        # Whatever version, it is the secret that is named.
        secrets = {secret["ValueFrom"].partition("::")[0] for secret in container.get("Secrets", [])}
        for statement in _statements(role):
            if "secretsmanager:GetSecretValue" in as_list(statement["Action"]):
                if set(as_list(statement["Resource"])) != secrets:
                    yield f"{role.path} reads {statement['Resource']}"


@invariant
def policies_allow_no_wildcards(deployment: Deployment, project: Project) -> Iterator[str]:
    """No policy allows a wildcard of actions, and none everything as a resource but where AWS knows
    nothing narrower."""
    for path, statement in _documents(deployment):
        if statement["Effect"] != "Allow":
            continue
        if "NotAction" in statement or "NotResource" in statement:
            yield f"{path} allows all but something"
        actions = set(as_list(statement.get("Action")))
        for action in sorted(actions):
            if "*" in action:
                yield f"{path} allows {action}"
        if "*" in as_list(statement.get("Resource")) and not actions <= _WITHOUT_RESOURCE:
            yield f"{path} allows {sorted(actions)} for everything"


@invariant
def roles_are_for_the_tasks_of_this_account(deployment: Deployment, project: Project) -> Iterator[str]:
    """Only ECS may take on a role, for tasks of this account."""
    for role in deployment.of("IAM::Role"):
        for statement in as_list(role.get("AssumeRolePolicyDocument")["Statement"]):
            if statement.get("Principal") != {"Service": "ecs-tasks.amazonaws.com"}:
                yield f"{role.path} is for {statement.get('Principal')}"
            if "aws:SourceAccount" not in str(statement.get("Condition")):
                yield f"{role.path} is for tasks of any account"


@invariant
def everything_is_encrypted_with_the_key_that_is_given(
    deployment: Deployment, project: Project
) -> Iterator[str]:
    """Secrets, logs and the topic of alarms are encrypted with KmsKeyArn, if there is one."""
    key = deployment.parameters["KmsKeyArn"]
    for kind, name in (
        ("SecretsManager::Secret", "KmsKeyId"),
        ("Logs::LogGroup", "KmsKeyId"),
        ("SNS::Topic", "KmsMasterKeyId"),
    ):
        for resource in deployment.of(kind):
            if (resource.get(name) or "") != key:
                yield f"{resource.path} is encrypted with {resource.get(name)}"


@invariant
def suppressions_have_reasons(deployment: Deployment, project: Project) -> Iterator[str]:
    """Whatever checkov is told to skip has a sentence that says why."""
    for resource in deployment.resources.values():
        for skipped in resource.body.get("Metadata", {}).get("checkov", {}).get("skip", []):
            if len(str(skipped.get("comment", "")).split()) < 5:
                yield f"{resource.path} skips {skipped.get('id')} without a reason"
