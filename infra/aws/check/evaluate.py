"""Evaluates the two stacks and what they nest for given parameters, as CloudFormation would: conditions
decided, parameters put in, outputs carried over, from the foundation to the services, too. What is known
only once it is made (an id, an ARN, an address) is a token that names its resource: `<Network/Vpc>` or,
for an attribute, `<Network/Vpc.CidrBlock>`. Knows the functions that the templates use, and no others.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .template import load

REGION = "eu-central-1"
ACCOUNT = "123456789012"
NAME = "connect"
# The stacks in the order in which infra/aws/deploy deploys them.
ROOTS = ("foundation", "services")


class EvaluationError(Exception):
    """The templates could not be evaluated: a name that is not there, a parameter without a value."""


# AWS::NoValue: whatever has it is left out.
_NO_VALUE = object()


@dataclass
class Resource:
    """A resource that a deployment has."""

    path: str
    root: str
    type: str
    properties: dict[str, Any]
    # As written: DeletionPolicy, Metadata and so on.
    body: dict[str, Any]

    @property
    def token(self) -> str:
        """What refers to it."""
        return f"<{self.path}>"

    def get(self, name: str, default: Any = None) -> Any:
        return self.properties.get(name, default)


@dataclass
class Deployment:
    """All resources of both stacks and of those that they nest, for one set of parameters."""

    name: str
    # The root templates, as written.
    templates: dict[str, dict[str, Any]]
    parameters: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    # The nested stacks, by path, as written.
    stacks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def of(self, *types: str) -> list[Resource]:
        """The resources of these types, without `AWS::`."""
        wanted = {f"AWS::{name}" for name in types}
        return [resource for resource in self.resources.values() if resource.type in wanted]

    def resource(self, token: Any) -> Resource | None:
        """The resource that a token names, itself or an attribute of it."""
        match = re.fullmatch(r"<([\w/]+)(?:\.[\w.]+)?>", str(token))
        return self.resources.get(match.group(1)) if match else None


def evaluate(directory: Path, parameters: dict[str, str], name: str = "default") -> Deployment:
    """What the templates in a directory describe for the parameters of a file, and what is looked up."""
    templates = {root: load(directory / f"{root}.yaml") for root in ROOTS}
    deployment = Deployment(name, templates)
    for given in parameters:
        if not any(given in template["Parameters"] for template in templates.values()):
            raise EvaluationError(f"neither template has a parameter {given}")
    passed: dict[str, Any] = {}
    for root, template in templates.items():
        values = {**parameters, **passed}
        stack = _Stack(
            deployment, directory, f"{root}.yaml", root, "",
            {given: value for given, value in values.items() if given in template["Parameters"]})
        deployment.parameters |= stack.parameters
        for resource in template["Resources"]:
            stack.make(resource)
        passed = {name: stack.output(name) for name in template["Outputs"] if stack.has_output(name)}
    return deployment


class _Stack:
    """One stack under evaluation."""

    def __init__(
        self, deployment: Deployment, directory: Path, file: str, root: str, path: str,
        given: dict[str, Any],
    ) -> None:
        self.deployment = deployment
        self.directory = directory
        self.file = file
        self.root = root
        self.path = path
        self.template = load(directory / file)
        self.nested: dict[str, _Stack] = {}
        self.parameters = self._parameters(given)

    def make(self, name: str) -> None:
        """Adds a resource, or what a nested stack has, to the deployment."""
        body = self.template["Resources"][name]
        if not self._holds(body):
            return
        path = f"{self.path}{name}"
        if body["Type"] == "AWS::CloudFormation::Stack":
            self.deployment.stacks[path] = body
            nested = self._nested(name)
            for resource in nested.template["Resources"]:
                nested.make(resource)
            return
        properties = self._value(body.get("Properties", {}))
        self.deployment.resources[path] = Resource(path, self.root, body["Type"], properties, body)

    def has_output(self, name: str) -> bool:
        return self._holds(self.template["Outputs"][name])

    def output(self, name: str) -> Any:
        """An output, which makes this stack come before whoever asks."""
        outputs = self.template.get("Outputs", {})
        if name not in outputs or not self._holds(outputs[name]):
            raise EvaluationError(f"{self.file} has no output {name}")
        return self._value(outputs[name]["Value"])

    def _parameters(self, given: dict[str, Any]) -> dict[str, Any]:
        declared = self.template.get("Parameters", {})
        for name in given:
            if name not in declared:
                raise EvaluationError(f"{self.file} has no parameter {name}")
        values: dict[str, Any] = {}
        for name, parameter in declared.items():
            value = given.get(name, parameter.get("Default"))
            if value is None:
                raise EvaluationError(f"{self.file} is not given {name}")
            # All that CloudFormation knows are texts, and lists of them.
            value = str(value)
            is_list = parameter["Type"] == "CommaDelimitedList" or parameter["Type"].startswith("List<")
            values[name] = value.split(",") if is_list else value
        return values

    def _holds(self, body: dict[str, Any]) -> bool:
        return "Condition" not in body or self._condition(body["Condition"])

    def _condition(self, name: str) -> bool:
        return self._value(self.template["Conditions"][name])

    def _nested(self, name: str) -> _Stack:
        if name not in self.nested:
            properties = self.template["Resources"][name]["Properties"]
            self.nested[name] = _Stack(
                self.deployment, self.directory, properties["TemplateURL"], self.root,
                f"{self.path}{name}/", self._value(properties.get("Parameters", {})))
        return self.nested[name]

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            items = [self._value(item) for item in value]
            return [item for item in items if item is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (key, argument), = value.items()
            if key == "Ref":
                return self._reference(argument)
            if key == "Condition" and isinstance(argument, str):
                return self._condition(argument)
            if key.startswith("Fn::"):
                function = getattr(self, "_" + key[4:].lower(), None)
                if function is None:
                    raise EvaluationError(f"{self.file}: {key} is not known here")
                return function(argument)
        items = {key: self._value(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not _NO_VALUE}

    def _reference(self, name: str) -> Any:
        known = {
            "AWS::NoValue": _NO_VALUE, "AWS::Region": REGION, "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": f"{NAME}-{self.root}", **self.parameters,
        }
        return known[name] if name in known else self._token(name, "")

    def _getatt(self, argument: Any) -> Any:
        name, attribute = argument
        if attribute.startswith("Outputs."):
            self._token(name, "")
            return self._nested(name).output(attribute.removeprefix("Outputs."))
        return self._token(name, f".{attribute}")

    def _token(self, name: str, attribute: str) -> str:
        if name not in self.template["Resources"]:
            raise EvaluationError(f"{self.file} has no {name}")
        if not self._holds(self.template["Resources"][name]):
            raise EvaluationError(f"{self.file}: {name} is used, but not made")
        return f"<{self.path}{name}{attribute}>"

    def _sub(self, argument: Any) -> str:
        text, names = argument if isinstance(argument, list) else (argument, {})

        def put_in(match: re.Match[str]) -> str:
            name = match.group(1)
            if name in names:
                return str(self._value(names[name]))
            return str(self._getatt(name.split(".", 1)) if "." in name else self._reference(name))

        return re.sub(r"\$\{([^}]+)\}", put_in, text)

    def _join(self, argument: Any) -> str:
        separator, items = argument
        return separator.join(self._value(items))

    def _split(self, argument: Any) -> list[str]:
        separator, text = argument
        return self._value(text).split(separator)

    def _select(self, argument: Any) -> Any:
        index, items = argument
        return self._value(items)[int(index)]

    def _if(self, argument: Any) -> Any:
        condition, yes, no = argument
        return self._value(yes if self._condition(condition) else no)

    def _equals(self, argument: Any) -> bool:
        left, right = (self._value(side) for side in argument)
        return str(left) == str(right)

    def _and(self, argument: Any) -> bool:
        return all(self._value(item) for item in argument)

    def _not(self, argument: Any) -> bool:
        return not self._value(argument[0])

    def _findinmap(self, argument: Any) -> Any:
        name, first, second = (self._value(item) for item in argument)
        return self.template["Mappings"][name][first][second]

    def _cidr(self, argument: Any) -> list[str]:
        block, count, bits = (self._value(item) for item in argument)
        subnets = list(ipaddress.ip_network(block).subnets(new_prefix=32 - int(bits)))
        if len(subnets) < int(count):
            raise EvaluationError(f"{block} has no room for {count} subnets of {bits} bits")
        return [str(subnet) for subnet in subnets[: int(count)]]
