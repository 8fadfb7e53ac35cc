"""python3 -m check.parameters DIR FILE [Name=Value...]: reads a file of parameters and prints all that
there are, with the defaults of DIR/template.yaml, as JSON for the AWS CLI. What is given after the file
counts where the file is silent.

Refuses, before AWS is asked, each value that the template does not allow, and values that contradict
each other, which the template's own rules cannot: they compare texts. Standard library only: it runs
before a deployment, where nothing else is installed.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

# MiB that Fargate has for each CPU: from, to, in steps of.
_MEMORY = {
    "256": (512, 2048, 512), "512": (1024, 4096, 1024), "1024": (2048, 8192, 1024),
    "2048": (4096, 16384, 1024), "4096": (8192, 30720, 1024), "8192": (16384, 61440, 4096),
}
# Families of nodes of ElastiCache whose clusters can have a log across zones.
_DURABLE = ("r6g", "r7g", "r8g", "m6g", "m7g", "m8g", "c7gn", "c8gn")

_LINE = re.compile(r"([A-Za-z0-9]+)(\s*)=(\s*)(.*)")


class Refusal(Exception):
    """A file of parameters that cannot be deployed, in one line."""


@dataclass(frozen=True)
class Parameter:
    """A parameter as a template declares it, and what it may be."""

    default: str | None = None
    numeric: bool = False
    pattern: str | None = None
    values: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    # What the pattern means, for people.
    constraint: str | None = None

    def allows(self, value: str) -> bool:
        """Whether CloudFormation would take the value."""
        if self.values and value not in self.values:
            return False
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            return False
        if not self.numeric:
            return True
        if not re.fullmatch(r"-?[0-9]+", value):
            return False
        return (self.minimum is None or self.minimum <= int(value)) and (
            self.maximum is None or int(value) <= self.maximum
        )

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        if self.values:
            return " or ".join(filter(None, [", ".join(self.values[:-1]), self.values[-1]]))
        if self.constraint or self.pattern is not None:
            return self.constraint or f"what matches {self.pattern}"
        low = "" if self.minimum is None else f" from {self.minimum}"
        return f"a whole number{low}" + ("" if self.maximum is None else f" to {self.maximum}")


def declared(template: Path) -> dict[str, Parameter]:
    """The parameters of a template. What `allows` needs is on one line there, as tests check."""
    text = template.read_text(encoding="utf-8")
    part = text.partition("\nParameters:\n")[2]
    part = re.split(r"^\S", re.sub(r"^#.*$", "", part, flags=re.MULTILINE), maxsplit=1, flags=re.MULTILINE)[0]
    found: dict[str, dict[str, str]] = {}
    name = ""
    for line in part.splitlines():
        if match := re.fullmatch(r"  (\w+):", line):
            name = match.group(1)
            found[name] = {}
        elif match := re.fullmatch(r"    (\w+): (.*)", line):
            found[name][match.group(1)] = match.group(2)
    return {name: _parameter(attributes) for name, attributes in found.items()}


def _parameter(attributes: dict[str, str]) -> Parameter:
    def text(name: str) -> str | None:
        return _scalar(attributes[name]) if name in attributes else None

    def number(name: str) -> int | None:
        return int(attributes[name]) if name in attributes else None

    values = attributes.get("AllowedValues", "").strip("[]")
    return Parameter(
        default=text("Default"), numeric=text("Type") == "Number", pattern=text("AllowedPattern"),
        values=tuple(_scalar(value) for value in values.split(",")) if values else (),
        minimum=number("MinValue"), maximum=number("MaxValue"), constraint=text("ConstraintDescription"),
    )


def _scalar(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def read(lines: list[str], parameters: dict[str, Parameter]) -> dict[str, str]:
    """The values that lines of Name=Value give, with the defaults for the rest."""
    values = {name: it.default for name, it in parameters.items() if it.default is not None}
    given: set[str] = set()
    for line in lines:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise Refusal(f"'{line}' is not Name=Value")
        name, before, after, value = match.groups()
        if name not in parameters:
            raise Refusal(f"there is no parameter {name}; infra/aws/template.yaml has them all")
        if before or after:
            raise Refusal(f"'{line}': no spaces around =")
        if name in given:
            raise Refusal(f"{name} is given twice")
        given.add(name)
        values[name] = value
    return values


def check(values: dict[str, str], parameters: dict[str, Parameter]) -> None:
    """Refuses values that the template does not allow, and those that contradict each other."""
    for name, parameter in parameters.items():
        if parameter.default is None and not values.get(name):
            raise Refusal(f"{name} is missing")
    for name, parameter in parameters.items():
        if not parameter.allows(values[name]):
            raise Refusal(f"{name}={values[name]}: allowed is {parameter.allowed}")

    def number(name: str) -> int:
        # Those of the memory of a task are texts to the template.
        if not re.fullmatch(r"[0-9]+", values[name]):
            raise Refusal(f"{name}={values[name]}: allowed is a whole number")
        return int(values[name])

    if not values["HostedZoneId"] and not values["CertificateArn"]:
        raise Refusal("neither HostedZoneId nor CertificateArn is given: one of them has to be")

    for low, high, reason in (
        ("GatewayMinimum", "GatewayMaximum", "the minimum is above the maximum"),
        ("MessagingMinimum", "MessagingMaximum", "the minimum is above the maximum"),
        ("MessagingMaximum", "Partitions", "each partition has one owner, more instances would idle"),
        ("GatewayConnections", "GatewayMaximumConnections", "scaling would aim at more than is taken"),
    ):
        if number(low) > number(high):
            raise Refusal(f"{low}={values[low]} with {high}={values[high]}: {reason}")
    if number("IdleTimeoutSeconds") < 2 * number("PingSeconds"):
        raise Refusal("IdleTimeoutSeconds must be at least twice PingSeconds")
    needed = number("DrainSeconds") + 10
    if number("StopSeconds") <= needed:
        raise Refusal(f"StopSeconds must be more than DrainSeconds and 10, {needed}")
    if number("DeregistrationDelaySeconds") < needed:
        raise Refusal(f"DeregistrationDelaySeconds must be at least DrainSeconds and 10, {needed}")
    if values["Durability"] == "replicas" and number("RedisReplicas") < 2:
        raise Refusal("Durability=replicas needs RedisReplicas=2 or more")
    if values["Database"] == "elasticache" and values["Durability"].startswith("log-"):
        for name in ("RedisNodeType", "RegistryNodeType"):
            if values[name].partition(".")[0] not in _DURABLE:
                raise Refusal(f"{name}={values[name]} has no log: take {', '.join(_DURABLE)}, or another Durability")
    for service in ("Gateway", "Messaging"):
        cpu, memory = values[f"{service}Cpu"], number(f"{service}Memory")
        least, most, step = _MEMORY.get(cpu, (0, 0, 1))
        # There is no 1,536 for 256.
        if not least <= memory <= most or memory % step or (cpu, memory) == ("256", 1536):
            raise Refusal(f"{service}Memory={memory}: Fargate has {least} to {most} MiB for {service}Cpu={cpu}")


def main(arguments: list[str]) -> int:
    template, file, given = Path(arguments[0]) / "template.yaml", Path(arguments[1]), arguments[2:]
    try:
        parameters = declared(template)
        lines = file.read_text(encoding="utf-8").splitlines()
        # What the caller found out counts where the file is silent.
        named = {line.partition("=")[0].strip() for line in lines}
        values = read(lines + [item for item in given if item.partition("=")[0] not in named], parameters)
        check(values, parameters)
    except (OSError, UnicodeDecodeError) as error:
        print(f"{file}: {error}", file=sys.stderr)
        return 1
    except Refusal as refusal:
        print(f"{file}: {refusal}", file=sys.stderr)
        return 1
    # The one form that both versions of the CLI take from a file.
    json.dump([f"{name}={value}" for name, value in values.items()], sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
