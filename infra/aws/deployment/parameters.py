"""The file of parameters, one for both stacks, against what the two root templates declare.

Refuses, before AWS is asked, each value that a template does not allow, and values that contradict each
other, which CloudFormation would find late or not at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

# The templates of the two stacks, in the order in which they are deployed.
ROOTS = ("foundation", "services")
# Groups of parameters, under Metadata in the templates, that are not the user's to set: why not.
NOT_YOURS = {
    "Looked up by deploy": "infra/aws/deploy looks it up",
    "Passed by deploy from the foundation": "infra/aws/deploy takes it from the foundation",
}

# MiB that Fargate has for each CPU: from, to, in steps of.
_MEMORY = {
    "256": (512, 2048, 512), "512": (1024, 4096, 1024), "1024": (2048, 8192, 1024),
    "2048": (4096, 16384, 1024), "4096": (8192, 30720, 1024), "8192": (16384, 61440, 4096),
}
# Families of nodes of ElastiCache whose clusters can have a log across zones.
_DURABLE = ("r6g", "r7g", "r8g", "m6g", "m7g", "m8g", "c7gn", "c8gn")

_LINE = re.compile(r"([A-Za-z0-9]+)(\s*)=(\s*)(.*)")
_GROUP = re.compile(r"- Label: \{default: ([^}]+)\}\s+Parameters:\s*\[([^\]]*)\]")


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


@dataclass(frozen=True)
class Templates:
    """What the two root templates declare: their parameters, and who sets them."""

    roots: dict[str, dict[str, Parameter]]
    # Of parameters that are not the user's: why not.
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def settable(self) -> dict[str, Parameter]:
        """Those that a file may set. What both templates have, both declare alike."""
        every = {name: it for root in self.roots.values() for name, it in root.items()}
        return {name: it for name, it in every.items() if name not in self.reasons}

    def values_for(self, root: str, given: dict[str, str]) -> list[str]:
        """Name=Value for each parameter of a root; those without a value have their default."""
        values = {
            name: given.get(name, it.default) for name, it in self.roots[root].items()
        }
        missing = sorted(name for name, value in values.items() if value is None)
        if missing:
            raise Refusal(f"{root}.yaml needs {', '.join(missing)}, which nothing gives: the templates do not fit")
        return [f"{name}={value}" for name, value in values.items()]


def templates(directory: Path) -> Templates:
    """The templates in a directory, read without a parser of YAML, which a Python may not have."""
    texts = {root: (directory / f"{root}.yaml").read_text(encoding="utf-8") for root in ROOTS}
    reasons = {
        name: NOT_YOURS[label]
        for text in texts.values() for label, names in _GROUP.findall(text) if label in NOT_YOURS
        for name in re.findall(r"\w+", names)
    }
    return Templates({root: declared(directory / f"{root}.yaml") for root in ROOTS}, reasons)


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


def load(file: Path, known: Templates) -> dict[str, str]:
    """The values of a file, checked, with the defaults for the rest. Raises `Refusal`."""
    try:
        values = read(file.read_text(encoding="utf-8").splitlines(), known)
        check(values, known)
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"--parameters {file} cannot be read: {error}") from None
    except Refusal as refusal:
        raise Refusal(f"{file}: {refusal}") from None
    return values


def read(lines: list[str], known: Templates) -> dict[str, str]:
    """The values that lines of Name=Value give, with the defaults for the rest."""
    settable = known.settable
    values = {name: it.default for name, it in settable.items() if it.default is not None}
    given: set[str] = set()
    for line in lines:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise Refusal(f"'{line}' is not Name=Value")
        name, before, after, value = match.groups()
        if name in known.reasons:
            raise Refusal(f"{name} is not yours to set, {known.reasons[name]}: remove the line")
        if name not in settable:
            raise Refusal(
                f"there is no parameter {name}: infra/aws/foundation.yaml and infra/aws/services.yaml have them all"
            )
        if before or after:
            raise Refusal(f"'{line}': no spaces around =")
        if name in given:
            raise Refusal(f"{name} is given twice")
        given.add(name)
        values[name] = value
    return values


def check(values: dict[str, str], known: Templates) -> None:
    """Refuses values that the templates do not allow, and those that contradict each other."""
    for name, parameter in known.settable.items():
        if parameter.default is None and not values.get(name):
            raise Refusal(f"{name} is missing")
    for name, parameter in known.settable.items():
        if not parameter.allows(values[name]):
            raise Refusal(f"{name}={values[name]}: allowed is {parameter.allowed}")
    if not values["HostedZoneId"] and not values["CertificateArn"]:
        raise Refusal("neither HostedZoneId nor CertificateArn is given: one of them has to be")
    _check_numbers(values)
    _check_redis(values)
    for service in ("Gateway", "Messaging"):
        cpu, memory = values[f"{service}Cpu"], _number(values, f"{service}Memory")
        least, most, step = _MEMORY.get(cpu, (0, 0, 1))
        # There is no 1,536 for 256.
        if not least <= memory <= most or memory % step or (cpu, memory) == ("256", 1536):
            raise Refusal(f"{service}Memory={memory}: Fargate has {least} to {most} MiB for {service}Cpu={cpu}")


def _check_numbers(values: dict[str, str]) -> None:
    for low, high, reason in (
        ("GatewayMinimum", "GatewayMaximum", "the minimum is above the maximum"),
        ("MessagingMinimum", "MessagingMaximum", "the minimum is above the maximum"),
        ("MessagingMaximum", "Partitions", "each partition has one owner, more instances would idle"),
        ("GatewayConnections", "GatewayMaximumConnections", "scaling would aim at more than is taken"),
    ):
        if _number(values, low) > _number(values, high):
            raise Refusal(f"{low}={values[low]} with {high}={values[high]}: {reason}")


def _check_redis(values: dict[str, str]) -> None:
    if values["Durability"] == "replicas" and _number(values, "RedisReplicas") < 2:
        raise Refusal("Durability=replicas needs RedisReplicas=2 or more")
    if values["Durability"].startswith("log-"):
        for name in ("RedisNodeType", "RegistryNodeType"):
            if values[name].partition(".")[0] not in _DURABLE:
                raise Refusal(f"{name}={values[name]} has no log: take {', '.join(_DURABLE)}, or another Durability")


def _number(values: dict[str, str], name: str) -> int:
    # Those of the memory of a task are texts to the template.
    if not re.fullmatch(r"[0-9]+", values[name]):
        raise Refusal(f"{name}={values[name]}: allowed is a whole number")
    return int(values[name])
