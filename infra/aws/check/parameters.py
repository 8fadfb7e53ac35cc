"""python3 -m check.parameters DIR FILE [Name=Value...]: reads a file of parameters and prints all that
there are, with the defaults of DIR/template.yaml, as JSON for the AWS CLI. What is given after the file
counts where the file is silent.

Refuses what the template's own rules, which compare texts, cannot. Standard library only: it runs before
a deployment, where nothing else is installed.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

# MiB that Fargate has for each CPU: from, to, in steps of.
_MEMORY = {
    "256": (512, 2048, 512), "512": (1024, 4096, 1024), "1024": (2048, 8192, 1024),
    "2048": (4096, 16384, 1024), "4096": (8192, 30720, 1024), "8192": (16384, 61440, 4096),
}
# Families of nodes of ElastiCache whose clusters can have a log across zones.
_DURABLE = ("r6g", "r7g", "r8g", "m6g", "m7g", "m8g", "c7gn", "c8gn")

_LINE = re.compile(r"([A-Za-z0-9]+)=(.*)")


class Refusal(Exception):
    """A file of parameters that cannot be deployed, in one line."""


def declared(template: Path) -> dict[str, str | None]:
    """The parameters of a template and their defaults."""
    text = template.read_text(encoding="utf-8")
    part = text.partition("\nParameters:\n")[2]
    part = re.split(r"^\S", re.sub(r"^#.*$", "", part, flags=re.MULTILINE), maxsplit=1, flags=re.MULTILINE)[0]
    found: dict[str, str | None] = {}
    name = ""
    for line in part.splitlines():
        if match := re.fullmatch(r"  (\w+):", line):
            name = match.group(1)
            found[name] = None
        elif match := re.fullmatch(r"    Default: (.*)", line):
            found[name] = match.group(1).strip("'\"")
    return found


def read(lines: list[str], defaults: dict[str, str | None]) -> dict[str, str]:
    """The values that lines of Name=Value give, with the defaults for the rest."""
    values = {name: value for name, value in defaults.items() if value is not None}
    for line in lines:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise Refusal(f"'{line}' is not Name=Value")
        if match.group(1) not in defaults:
            raise Refusal(f"there is no parameter {match.group(1)}; infra/aws/template.yaml has them all")
        values[match.group(1)] = match.group(2).strip()
    return values


def check(values: dict[str, str], defaults: dict[str, str | None]) -> None:
    """Refuses values that contradict each other."""
    for name, default in defaults.items():
        if default is None and not values.get(name):
            raise Refusal(f"{name} is missing")

    def number(name: str) -> int:
        if not re.fullmatch(r"[0-9]+", values[name]):
            raise Refusal(f"{name}={values[name]} is not a number")
        return int(values[name])

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
        defaults = declared(template)
        lines = file.read_text(encoding="utf-8").splitlines()
        # What the caller found out counts where the file is silent.
        named = {line.partition("=")[0].strip() for line in lines}
        values = read(lines + [item for item in given if item.partition("=")[0] not in named], defaults)
        check(values, defaults)
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
