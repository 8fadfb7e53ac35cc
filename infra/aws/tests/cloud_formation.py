"""The part of the stand-in for the AWS CLI that behaves as CloudFormation does: the states of stacks, what
is refused in which, what a failed creation leaves, and change sets.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ACCOUNT = "123456789012"
ARN = f"arn:aws:cloudformation:eu-central-1:{ACCOUNT}:stack/"
_UPDATABLE = (
    "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE",
)
# What a fresh account lacks, with a resource that is refused without it.
ROLES = {
    "ecs.amazonaws.com": "Cluster", "elasticloadbalancing.amazonaws.com": "LoadBalancer",
    "elasticache.amazonaws.com": "Bus", "ecs.application-autoscaling.amazonaws.com": "ScalableTarget",
}

State = dict[str, Any]


class Text(str):
    """An answer of the CLI itself, which is not JSON."""


class Error(Exception):
    """What AWS refuses."""

    def __init__(self, code: str, operation: str, message: str) -> None:
        super().__init__(f"An error occurred ({code}) when calling the {operation} operation: {message}")


class CloudFormation:
    """The stacks of an account."""

    def __init__(self, state: State) -> None:
        self.state = state
        # Of a call, by name.
        self.options: dict[str, list[str]] = {}

    def option(self, name: str) -> str:
        value: str = self.options[name][0]
        return value

    def _stack(self, name: str, operation: str) -> Any:
        found = self.state["stacks"].get(name) or self.state["deleted"].get(name)
        if found is None:
            raise Error("ValidationError", operation, f"Stack with id {name} does not exist")
        return found

    def cloudformation_describe_stacks(self) -> Any:
        stack = self._stack(self.option("--stack-name"), "DescribeStacks")
        # What CloudFormation is at goes on.
        coming = self.state["slow"].get(stack["StackName"], [])
        if coming and stack["StackStatus"].endswith("_IN_PROGRESS"):
            stack["StackStatus"] = coming.pop(0) if len(coming) > 1 else coming[0]
        return {"Stacks": [{
            **{name: stack[name] for name in ("StackName", "StackId", "StackStatus")},
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value} for key, value in stack["Parameters"].items()
            ],
            "Outputs": [
                {"OutputKey": key, "OutputValue": value,
                 **({"Description": "for people"} if key in stack.get("Described", []) else {})}
                for key, value in stack["Outputs"].items()
            ],
        }]}

    def cloudformation_describe_stack_events(self) -> Any:
        events = self._stack(self.option("--stack-name"), "DescribeStackEvents")["Events"]
        newest_first = events[::-1]
        if "--max-items" in self.options:
            newest_first = newest_first[: int(self.option("--max-items"))]
        return {"StackEvents": newest_first}

    def cloudformation_package(self) -> Any:
        file = Path(self.option("--output-template-file"))
        file.write_text(Path(self.option("--template-file")).read_text())
        return Text(f"\nSuccessfully packaged artifacts and wrote output template to file {file}.\n")

    def cloudformation_delete_stack(self) -> Any:
        name = self.option("--stack-name")
        stack = self.state["stacks"].pop(name, None)
        if stack is not None:
            self.state["deleted"][stack["StackId"]] = stack

    def cloudformation_wait(self) -> Any:
        return None

    def cloudformation_update_termination_protection(self) -> Any:
        self._stack(self.option("--stack-name"), "UpdateTerminationProtection")["Protected"] = True
        return {"StackId": "x"}

    def _event(self, stack: Any, name: str, kind: str, status: str, itself: str = "", reason: str = "") -> None:
        self.state["clock"] += 1
        minute, second = divmod(self.state["clock"], 60)
        event = {"StackId": stack["StackId"], "LogicalResourceId": name, "PhysicalResourceId": itself,
                 "ResourceType": kind, "ResourceStatus": status,
                 "Timestamp": f"2026-01-01T00:{minute:02}:{second:02}.123000+00:00"}
        stack["Events"].append({**event, **({"ResourceStatusReason": reason} if reason else {})})

    def _begin(self, name: str, operation: str) -> Any:
        """The stack, ready to be changed; as CloudFormation makes an empty one for a change set."""
        stack = self.state["stacks"].get(name)
        if stack is None:
            stack = {"StackName": name, "StackId": f"{ARN}{name}/{self.state['clock']}",
                     "StackStatus": "REVIEW_IN_PROGRESS", "Parameters": {}, "Outputs": {}, "Events": []}
            self.state["stacks"][name] = stack
        elif stack["StackStatus"] not in (*_UPDATABLE, "REVIEW_IN_PROGRESS"):
            raise Error("ValidationError", operation,
                        f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be updated.")
        return stack

    def cloudformation_deploy(self) -> Any:
        stack = self._begin(self.option("--stack-name"), "CreateChangeSet")
        file = self.options.get("--parameter-overrides", ["file://"])[0].partition("file://")[2]
        given = dict(item.split("=", 1) for item in json.loads(Path(file).read_text())) if file else {}
        template = _template(Path(self.option("--template-file")))
        _require_values(template, given)
        is_new = stack["StackStatus"] == "REVIEW_IN_PROGRESS"
        slow = self.state["slow"].get(stack["StackName"])
        verb = "CREATE" if is_new else "UPDATE"
        self._event(stack, stack["StackName"], "AWS::CloudFormation::Stack", f"{verb}_IN_PROGRESS", stack["StackId"])
        if slow:
            stack["StackStatus"] = f"{verb}_IN_PROGRESS"
            self._up(stack, template, given)
            raise Error("Waiter", "StackCreateComplete", "Max attempts exceeded")
        if self._fails(stack, given, verb):
            stack["StackStatus"] = "ROLLBACK_COMPLETE" if is_new else "UPDATE_ROLLBACK_COMPLETE"
            self._event(stack, stack["StackName"], "AWS::CloudFormation::Stack", stack["StackStatus"], stack["StackId"])
            raise Error("Waiter", "StackCreateComplete", "Failed to create/update the stack")
        self._up(stack, template, given)
        stack["StackStatus"] = f"{verb}_COMPLETE"
        self._event(stack, stack["StackName"], "AWS::CloudFormation::Stack", f"{verb}_COMPLETE", stack["StackId"])
        if self.state.get("network_is_lost"):
            raise Error("Waiter", "DescribeStacks", "Could not connect to the endpoint URL")
        return Text(f"Successfully created/updated stack - {stack['StackName']}")

    def _up(self, stack: Any, template: dict[str, dict[str, bool]], given: dict[str, str]) -> None:
        stack["Parameters"] = given
        stack["Outputs"] = {name: f"the-{name}" for name in template.get("Outputs", {})}
        stack["Described"] = [name for name, described in template.get("Outputs", {}).items() if described]
        if "TemplateBucket" in stack["Outputs"]:
            self.state["buckets"].append(stack["Outputs"]["TemplateBucket"])

    def _fails(self, stack: Any, given: dict[str, str], verb: str) -> bool:
        """Whether a resource fails, with the events of that."""
        for role, resource in ROLES.items():
            if role not in self.state["roles"] and verb == "CREATE":
                self._nested(stack, "Redis", resource, "AWS::ElastiCache::ReplicationGroup", verb,
                             "Unable to assume the service linked role. Please verify that it exists.")
                return True
        lacking = [
            name for name in given.get("ZoneNames", "").split(",")
            if self.state["zones"].get(name) in self.state["without_arm"]
        ]
        if lacking:
            self._nested(stack, "Redis", "Bus", "AWS::ElastiCache::ReplicationGroup", verb,
                         f"The cache node type is not supported in the specified zone {lacking[0]}")
            return True
        if given.get("Image") in self.state["broken"]:
            self._nested(stack, "Gateway", "Service", "AWS::ECS::Service", verb,
                         "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'.")
            self.state["stopped_tasks"] = [
                {"group": "service:connect-gateway", "stopCode": "EssentialContainerExited",
                 "stoppedReason": "Essential container in task exited", "stoppedAt": f"2026-01-01T00:0{second}:00",
                 "containers": [{"name": "gateway", "exitCode": 64}]} for second in range(3)
            ]
            return True
        return False

    def _nested(self, stack: Any, name: str, resource: str, kind: str, verb: str, reason: str) -> None:
        """A nested stack of which a resource fails; CloudFormation deletes it as it rolls back."""
        nested = {"StackName": f"{stack['StackName']}-{name}", "StackId": f"{ARN}{stack['StackName']}-{name}/1",
                  "StackStatus": "DELETE_COMPLETE", "Parameters": {}, "Outputs": {}, "Events": []}
        self.state["deleted"][nested["StackId"]] = nested
        self._event(stack, name, "AWS::CloudFormation::Stack", f"{verb}_IN_PROGRESS", nested["StackId"])
        self._event(nested, resource, kind, f"{verb}_IN_PROGRESS")
        self._event(nested, resource, kind, f"{verb}_FAILED", reason=reason)
        self._event(stack, "Other", "AWS::EC2::VPC", f"{verb}_FAILED", reason="Resource creation cancelled")
        self._event(stack, name, "AWS::CloudFormation::Stack", f"{verb}_FAILED", nested["StackId"],
                    f"Embedded stack {nested['StackId']} was not successfully created")

    def cloudformation_create_change_set(self) -> Any:
        kind, name = self.option("--change-set-type"), self.option("--stack-name")
        if kind == "UPDATE" and name not in self.state["stacks"]:
            raise Error("ValidationError", "CreateChangeSet", f"Stack [{name}] does not exist")
        self._begin(name, "CreateChangeSet")
        given = json.loads(Path(self.option("--parameters").partition("file://")[2]).read_text())
        template = _template(Path(self.option("--template-body").partition("file://")[2]))
        _require_values(template, {it["ParameterKey"]: it["ParameterValue"] for it in given})
        identity = f"arn:change-set/{len(self.state['change_sets'])}"
        nested = "--include-nested-stacks" in self.options
        root: dict[str, Any] = {"Status": "CREATE_COMPLETE", "Pending": 1, "Changes": [
            {"Type": "Resource", "ResourceChange": {
                "Action": "Modify", "Replacement": "False", "LogicalResourceId": "Redis",
                "ResourceType": "AWS::CloudFormation::Stack",
                **({"ChangeSetId": f"{identity}/nested"} if nested else {})}},
            {"Type": "Resource", "ResourceChange": {
                "Action": "Add", "LogicalResourceId": "Cluster", "ResourceType": "AWS::ECS::Cluster"}},
        ]}
        inner: dict[str, Any] = {"Status": "CREATE_COMPLETE", "Changes": [{"Type": "Resource", "ResourceChange": {
            "Action": "Modify", "Replacement": "True", "LogicalResourceId": "Bus",
            "ResourceType": "AWS::ElastiCache::ReplicationGroup"}}]}
        if not self.state["changes"]:
            root.update(Status="FAILED", Changes=[], StatusReason=(
                "The submitted information didn't contain changes. Submit different information to create a change "
                "set."))
        elif self.state["nested_change_sets_fail"] == "both" or (self.state["nested_change_sets_fail"] and nested):
            root.update(Status="FAILED", StatusReason=(
                f"Nested change set {identity}/nested was not successfully created: Currently in FAILED."))
            inner.update(Status="FAILED", Changes=[], StatusReason=(
                "Template error: Fn::Select cannot select nonexistent value"))
        self.state["change_sets"][identity] = root
        if nested:
            self.state["change_sets"][f"{identity}/nested"] = inner
        return {"Id": identity, "StackId": name}

    def cloudformation_describe_change_set(self) -> Any:
        change_set = self.state["change_sets"][self.option("--change-set-name")]
        if change_set.get("Pending"):
            change_set["Pending"] -= 1
            return {**change_set, "Status": "CREATE_IN_PROGRESS", "Changes": []}
        return change_set

    def cloudformation_delete_change_set(self) -> Any:
        identity = self.option("--change-set-name")
        for name in [name for name in self.state["change_sets"] if name.startswith(identity)]:
            del self.state["change_sets"][name]


def _template(path: Path) -> dict[str, dict[str, bool]]:
    """The names of the parameters, each with whether it has a default, and of the outputs, each with
    whether it has a description."""
    sections: dict[str, dict[str, bool]] = {}
    names: dict[str, bool] = {}
    for line in path.read_text().splitlines():
        if match := re.fullmatch(r"(\w+):", line):
            names = sections.setdefault(match.group(1), {})
        elif match := re.fullmatch(r"  (\w+):", line):
            names[match.group(1)] = False
        elif line.startswith("    Default:" if "Outputs" not in sections else "    Description:"):
            names[list(names)[-1]] = True
    return sections


def _require_values(template: dict[str, dict[str, bool]], given: dict[str, str]) -> None:
    declared = template.get("Parameters", {})
    missing = [name for name, has_default in declared.items() if name not in given and not has_default]
    if missing:
        raise Error("ValidationError", "CreateChangeSet", f"Parameters: [{', '.join(missing)}] must have values")
    unknown = [name for name in given if name not in declared]
    if unknown:
        names = ", ".join(unknown)
        raise Error("ValidationError", "CreateChangeSet", f"Parameters: [{names}] do not exist in the template")
