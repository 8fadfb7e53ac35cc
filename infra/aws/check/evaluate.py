"""Evaluates a template and what it nests for given parameters, as CloudFormation would: conditions
decided, parameters put in, outputs of nested stacks carried over. What is known only once it is made
(an id, an ARN, an address) is a token that names its resource: `<Network/Vpc>` or, for an attribute,
`<Network/Vpc.CidrBlock>`.
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


class EvaluationError(Exception):
    """The templates could not be evaluated: a name that is not there, a parameter without a value."""


class _NoValue:
    """AWS::NoValue: whatever has it is left out."""


_NO_VALUE = _NoValue()


@dataclass
class Resource:
    """A resource that a deployment has."""

    path: str
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
    """All resources of a stack and of those that it nests, for one set of parameters."""

    name: str
    parameters: dict[str, Any]
    resources: dict[str, Resource] = field(default_factory=dict)
    # The nested stacks, by path, as written.
    stacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)

    def of(self, *types: str) -> list[Resource]:
        """The resources of these types, without `AWS::`."""
        wanted = {f"AWS::{name}" for name in types}
        return [resource for resource in self.resources.values() if resource.type in wanted]

    def resource(self, token: Any) -> Resource | None:
        """The resource that a token names, itself or an attribute of it."""
        match = re.fullmatch(r"<([\w/]+)(?:\.[\w.]+)?>", str(token))
        return self.resources.get(match.group(1)) if match else None


def evaluate(directory: Path, parameters: dict[str, str], name: str = "default") -> Deployment:
    """What directory/template.yaml describes for these parameters."""
    deployment = Deployment(name, {})
    stack = _Stack(deployment, directory, directory / "template.yaml", "", dict(parameters))
    deployment.parameters = stack.parameters
    stack.evaluate()
    return deployment


class _Stack:
    """One stack under evaluation."""

    def __init__(
        self, deployment: Deployment, directory: Path, file: Path, path: str, given: dict[str, Any]
    ) -> None:
        self.deployment = deployment
        self.directory = directory
        self.file = file
        self.path = path
        self.template = load(file)
        self.nested: dict[str, _Stack] = {}
        self.parameters = self._parameters(given)

    def evaluate(self) -> None:
        for name, rule in self.template.get("Rules", {}).items():
            if not self._truth(rule.get("RuleCondition", True)):
                continue
            for assertion in rule["Assertions"]:
                if not self._truth(assertion["Assert"]):
                    self.deployment.refusals.append(f"{name}: {assertion['AssertDescription']}")
        for name in self.template["Resources"]:
            self._resource(name)
        if not self.path:
            self.deployment.outputs = {
                name: self._value(output["Value"])
                for name, output in self.template.get("Outputs", {}).items()
            }

    def output(self, name: str) -> Any:
        """An output, which makes this stack come before whoever asks."""
        outputs = self.template.get("Outputs", {})
        if name not in outputs:
            raise EvaluationError(f"{self.file.name} has no output {name}")
        return self._value(outputs[name]["Value"])

    def _parameters(self, given: dict[str, Any]) -> dict[str, Any]:
        declared = self.template.get("Parameters", {})
        for name in given:
            if name not in declared:
                raise EvaluationError(f"{self.file.name} has no parameter {name}")
        values: dict[str, Any] = {}
        for name, parameter in declared.items():
            if name in given:
                value = given[name]
            elif "Default" in parameter:
                value = parameter["Default"]
            else:
                raise EvaluationError(f"{self.file.name} is not given {name}")
            if isinstance(value, (bool, int, float)):
                value = str(value)
            kind = parameter["Type"]
            if kind == "CommaDelimitedList" or kind.startswith("List<"):
                value = value.split(",") if isinstance(value, str) else value
            values[name] = value
        return values

    def _exists(self, name: str) -> bool:
        condition = self.template["Resources"][name].get("Condition")
        return condition is None or self._condition(condition)

    def _condition(self, name: str) -> bool:
        return self._truth(self.template["Conditions"][name])

    def _resource(self, name: str) -> None:
        if not self._exists(name):
            return
        body = self.template["Resources"][name]
        if body["Type"] == "AWS::CloudFormation::Stack":
            self.deployment.stacks[f"{self.path}{name}"] = body
            self._nested(name).evaluate()
            return
        path = f"{self.path}{name}"
        properties = self._value(body.get("Properties", {}))
        self.deployment.resources[path] = Resource(path, body["Type"], properties, body)

    def _nested(self, name: str) -> _Stack:
        if name not in self.nested:
            properties = self.template["Resources"][name]["Properties"]
            self.nested[name] = _Stack(
                self.deployment,
                self.directory,
                self.directory / properties["TemplateURL"],
                f"{self.path}{name}/",
                self._value(properties.get("Parameters", {})),
            )
        return self.nested[name]

    def _truth(self, value: Any) -> bool:
        result = self._value(value)
        if isinstance(result, bool):
            return result
        raise EvaluationError(f"{self.file.name}: {value} is neither true nor false")

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
                    raise EvaluationError(f"{self.file.name}: {key} is not known here")
                return function(argument)
        items = {key: self._value(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not _NO_VALUE}

    def _reference(self, name: str) -> Any:
        pseudo = {
            "AWS::NoValue": _NO_VALUE,
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": f"connect{'-' + self.path[:-1] if self.path else ''}",
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        if name in self.template["Resources"]:
            if not self._exists(name):
                raise EvaluationError(f"{self.file.name}: {name} is used, but not made")
            return f"<{self.path}{name}>"
        raise EvaluationError(f"{self.file.name} has no {name}")

    def _getatt(self, argument: Any) -> Any:
        name, attribute = argument
        if name not in self.template["Resources"]:
            raise EvaluationError(f"{self.file.name} has no {name}")
        if not self._exists(name):
            raise EvaluationError(f"{self.file.name}: {name} is used, but not made")
        if attribute.startswith("Outputs."):
            return self._nested(name).output(attribute.removeprefix("Outputs."))
        return f"<{self.path}{name}.{attribute}>"

    def _sub(self, argument: Any) -> str:
        text, names = argument if isinstance(argument, list) else (argument, {})

        def put_in(match: re.Match[str]) -> str:
            name = match.group(1)
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in names:
                return str(self._value(names[name]))
            if "." in name:
                return str(self._getatt(name.split(".", 1)))
            return str(self._reference(name))

        return re.sub(r"\$\{([^}]+)\}", put_in, text)

    def _join(self, argument: Any) -> str:
        separator, items = argument
        return separator.join(str(item) for item in self._value(items))

    def _split(self, argument: Any) -> list[str]:
        separator, text = argument
        return self._value(text).split(separator)

    def _select(self, argument: Any) -> Any:
        index, items = argument
        return self._value(items)[int(self._value(index))]

    def _if(self, argument: Any) -> Any:
        condition, yes, no = argument
        return self._value(yes if self._condition(condition) else no)

    def _equals(self, argument: Any) -> bool:
        left, right = (self._value(side) for side in argument)
        return str(left) == str(right)

    def _and(self, argument: Any) -> bool:
        return all(self._truth(item) for item in argument)

    def _or(self, argument: Any) -> bool:
        return any(self._truth(item) for item in argument)

    def _not(self, argument: Any) -> bool:
        return not self._truth(argument[0])

    def _contains(self, argument: Any) -> bool:
        items, item = (self._value(side) for side in argument)
        return item in items

    def _findinmap(self, argument: Any) -> Any:
        name, first, second = (self._value(item) for item in argument)
        return self.template["Mappings"][name][first][second]

    def _getazs(self, argument: Any) -> list[str]:
        return [f"{REGION}{zone}" for zone in "abc"]

    def _cidr(self, argument: Any) -> list[str]:
        block, count, bits = (self._value(item) for item in argument)
        network = ipaddress.ip_network(block)
        subnets = list(network.subnets(new_prefix=32 - int(bits)))
        if len(subnets) < int(count):
            raise EvaluationError(f"{block} has no room for {count} subnets of {bits} bits")
        return [str(subnet) for subnet in subnets[: int(count)]]
