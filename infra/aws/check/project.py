"""What the rest of the project says, to hold the templates against it: settings, rights, runbooks."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

# What AWS sends and we look at, by namespace.
AWS_METRICS: dict[str, set[str]] = {
    "AWS/ApplicationELB": {
        "HTTPCode_ELB_5XX_Count", "HTTPCode_Target_5XX_Count", "HealthyHostCount",
        "UnHealthyHostCount",
    },
    "AWS/NetworkELB": {"HealthyHostCount", "UnHealthyHostCount"},
    "AWS/ECS": {"CPUUtilization", "MemoryUtilization"},
    "AWS/ElastiCache": {
        "EngineCPUUtilization", "DatabaseMemoryUsagePercentage",
        "DatabaseMemoryUsageCountedForEvictPercentage", "Evictions", "CurrConnections",
        "TrafficManagementActive", "DurabilityLag", "DurabilityBufferExceededErrorCount",
    },
}

# A gateway's stop takes the drain and this, seconds; messaging's, this alone. Configuration.md.
STOP_SECONDS = 10


class Project:
    """The sources and documents of the checkout that this file is in."""

    def __init__(self) -> None:
        self.root = Path(__file__).resolve().parents[3]
        self.documents = self.root / "Sources/ConnectCommand/Documentation.docc"

    @cached_property
    def settings(self) -> set[str]:
        """The environment variables that Connect reads."""
        source = self.root / "Sources/Settings/Setting.swift"
        names = re.findall(r'^  case \w+ = "([a-z0-9-]+)"$', source.read_text(), re.MULTILINE)
        return {"CONNECT_" + name.upper().replace("-", "_") for name in names}

    @cached_property
    def metrics(self) -> dict[str, set[str]]:
        """What the services report to CloudWatch, by service (the dimension `Service`)."""
        source = self.root / "Sources/ServiceMetrics/EmbeddedMetrics/EmbeddedMetric.swift"
        parts = re.split(r"static let (gateway|messaging|redis): ", source.read_text())
        found = {
            name: set(re.findall(r'\bname: "(\w+)"', part))
            for name, part in zip(parts[1::2], parts[2::2], strict=True)
        }
        both = found.pop("redis")
        return {name: metrics | both for name, metrics in found.items()}

    @cached_property
    def access_string(self) -> str:
        """The rights of the services' Redis user, as Redis.md documents them."""
        text = (self.documents / "Redis.md").read_text()
        match = re.search(r"^ACL SETUSER connect on >PASSWORD (.+)$", text, re.MULTILINE)
        if not match:
            raise LookupError("Redis.md has no line 'ACL SETUSER connect on >PASSWORD …'")
        return "on " + match.group(1).strip()

    @cached_property
    def aws_access_string(self) -> str:
        """The same for AWS, whose users have the keys of their string alone: without `resetkeys`."""
        return self.access_string.replace(" resetkeys ", " ", 1)

    @cached_property
    def operator_access_string(self) -> str:
        """The rights of the user with whom people run `connect inspect` on AWS, as Running.md has them."""
        text = (self.documents / "Running.md").read_text()
        match = re.search(r"needs `(\+[^`]+)`, and `(\+[^`]+)` to requeue or drop", text)
        if not match:
            raise LookupError("Running.md does not say what connect inspect needs")
        return f"{self.aws_access_string} {match.group(1)} {match.group(2)}"

    @cached_property
    def runbooks(self) -> set[str]:
        """The headings of the runbooks in AWS.md."""
        text = (self.documents / "AWS.md").read_text()
        _, _, part = text.partition("\n## Runbooks\n")
        part = re.split(r"^## ", part, maxsplit=1, flags=re.MULTILINE)[0]
        return set(re.findall(r"^### (.+)$", part, re.MULTILINE))
