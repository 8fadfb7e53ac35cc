"""What users do and how the deployment is laid out: assumptions, each with its unit and its source.

None of these figures is of Connect itself: those are measured (`measurements.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from connect_capacity.numbers import read_number


class ScenarioError(Exception):
    """A parameter that does not exist, or a value that it cannot have."""


def parameter(
    default: float | str, meaning: str, source: str, minimum: float = 0.0,
    maximum: float = float("inf"),
) -> Any:
    return field(
        default=default,
        metadata={"meaning": meaning, "source": source, "minimum": minimum, "maximum": maximum})


@dataclass(frozen=True)
class Scenario:
    """All can be set on the command line: `--set name=value`."""

    # What users do.
    messages_per_day: float = parameter(
        50, "messages that a user sends per day, mean of all users",
        "WhatsApp: 100 billion a day among 2 billion users (earnings call, October 2020)", 0.001)
    peak_factor: float = parameter(
        3, "busiest minute of a usual day, as a multiple of the mean", "assumption", 1)
    entries_per_message: float = parameter(
        1, "entries of mailboxes that a message causes: 1 for itself; 2 with `copy`",
        "what was measured: without copies", 1)
    positions_per_message: float = parameter(
        0, "positions that a message causes: 1 when it is delivered, 1 more when it is read; fewer "
        "where one tells of several messages", "what was measured: without any", 0)
    conversations_per_user: float = parameter(
        0, "conversations of a user whose positions are kept", "what was measured: without any", 0,
        1000)
    body_bytes: float = parameter(
        200, "bytes of a message's body, JSON", "assumption: a sentence, encrypted", 1)
    devices_per_user: float = parameter(
        1.5, "devices that a user has", "assumption: a phone, and half of the users another", 1)
    online_share: float = parameter(
        0.2, "share of all devices that is connected at peak", "assumption", 0.0001, 1)
    online_mean: float = parameter(
        0.6, "connections at the mean of a day, as a share of those at peak", "assumption",
        0.01, 1)
    connects_per_day: float = parameter(
        10, "times per day that a device connects, mean", "assumption: an app is opened, a phone "
        "changes its network")

    # What Connect keeps; the defaults of its settings.
    partitions: float = parameter(
        0, "partitions (--partitions); 0: as many as the peak needs, 16 at least", "Configuration.md",
        0, 1024)
    history_limit: float = parameter(
        1000, "acked entries that a mailbox keeps (--history-limit)", "default of Connect")
    retention_days: float = parameter(
        30, "days after which entries go (--retention-days)", "default of Connect", 2)
    unacked_entries: float = parameter(
        10, "entries that a mailbox has above its history, since a device was not there",
        "assumption")
    stream_node_bytes: float = parameter(
        1024, "stream-node-max-bytes of Redis: 1024 or 4096", "what Redis.md#Memory advises", 1)
    ping_seconds: float = parameter(
        25, "ping period of a connection (--ping-seconds)", "default of Connect", 1, 3600)

    # How it is laid out.
    architecture: str = parameter("arm", "Fargate's processors: arm or x86", "cheaper")
    vcpu_speed: float = parameter(
        1, "what a vCPU does there, as a multiple of one of the machine that measured",
        "assumption: not measured on AWS", 0.05)
    gateway_vcpus: float = parameter(
        1, "vCPUs of a gateway's task, the smallest", "infra/aws", 0.25, 16)
    messaging_vcpus: float = parameter(
        0.5, "vCPUs of a messaging task, the smallest", "infra/aws", 0.25, 16)
    task_growth: float = parameter(
        4, "how many times as large a task may get, by doubling", "assumption", 1, 64)
    tasks_maximum: float = parameter(
        100, "tasks of a service, beyond which larger ones are taken", "assumption", 1)
    gib_per_vcpu: float = parameter(
        2, "memory of a task, GiB per vCPU", "the least that Fargate has", 2, 8)
    connections_per_vcpu: float = parameter(
        15_000, "connections of a gateway, per vCPU, that scaling aims at",
        "infra/aws: so many reconnect when it dies", 100)
    instances_minimum: float = parameter(
        2, "instances of each service at least", "Running.md: two or more", 1)
    zones: float = parameter(3, "availability zones", "infra/aws", 1, 6)
    replicas: float = parameter(
        1, "replicas of each primary", "infra/aws; ElastiCache's Durability needs one", 0, 5)
    shards_minimum: float = parameter(3, "shards at least", "infra/aws", 1)
    replicated: float = parameter(
        0, "1 with --durability replicated:N: twice the connections to Redis",
        "ElastiCache with Durability: sync needs it not", 0, 1)
    cpu_target: float = parameter(
        0.6, "share of a CPU that is used at peak",
        "so that two zones of three carry all at 90 %", 0.01, 1)
    memory_target: float = parameter(
        0.8, "share of a memory that is used", "below an alarm at 80 to 90 %", 0.01, 1)
    limit_target: float = parameter(
        0.7, "share of any other limit that is used (network, log, connections, partitions)",
        "assumption", 0.01, 1)
    redis_reserved: float = parameter(
        0.25, "share of a node's memory that ElastiCache keeps for itself (reserved-memory-percent)",
        "ElastiCache's default", 0, 0.9)
    write_milliseconds: float = parameter(
        5, "time of a write to a durable Redis", "ElastiCache, Durability: sync: "
        "'single-digit milliseconds'", 0.01)
    snapshots: float = parameter(7, "snapshots of Redis that are kept", "infra/aws", 0)
    log_bytes_per_connect: float = parameter(
        500, "bytes of the load balancer's access log per connection, in S3", "its format", 0)

    def with_values(self, values: dict[str, str]) -> Scenario:
        """The same with some parameters set from text."""
        known = {item.name: item for item in fields(self)}
        changes: dict[str, float | str] = {}
        for name, text in values.items():
            if name not in known:
                raise ScenarioError(f"there is no parameter '{name}': see --list")
            changes[name] = text if known[name].type == "str" else _number(name, text)
        changed = replace(self, **changes)  # type: ignore[arg-type]
        changed.check()
        return changed

    def check(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if item.type == "str":
                continue
            low, high = item.metadata["minimum"], item.metadata["maximum"]
            if not low <= value <= high:
                raise ScenarioError(f"{item.name}: {value:g} is not from {low:g} to {high:g}")
        if self.architecture not in ("arm", "x86"):
            raise ScenarioError(f"architecture: '{self.architecture}' is neither arm nor x86")


def _number(name: str, text: str) -> float:
    try:
        return read_number(text)
    except ValueError as error:
        raise ScenarioError(f"{name}: {error}") from None
