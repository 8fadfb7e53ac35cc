"""Reads the file that `infra/capacity/measure` writes. The model has no other figures of Connect."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connect_capacity.curve import CostCurve

FORMAT = 1

# A run beyond this latency shows what the machine can do, not what users would bear.
BEARABLE_P99_MILLISECONDS = 1_000.0


class MeasurementError(Exception):
    """The file lacks a figure, or has one that cannot be."""


class Figures:
    """A part of the file that knows its place in it, so that what is missing is named."""

    def __init__(self, value: Any, place: str) -> None:
        self._value = value
        self.place = place

    def __getitem__(self, name: str) -> Figures:
        place = f"{self.place}.{name}" if self.place else name
        if not isinstance(self._value, dict) or self._value.get(name) is None:
            raise MeasurementError(f"{place} is missing")
        return Figures(self._value[name], place)

    def has(self, name: str) -> bool:
        return isinstance(self._value, dict) and self._value.get(name) is not None

    def names(self) -> list[str]:
        return list(self._value) if isinstance(self._value, dict) else []

    def number(self) -> float:
        if isinstance(self._value, bool) or not isinstance(self._value, (int, float)):
            raise MeasurementError(f"{self.place} is not a number: {self._value!r}")
        return float(self._value)

    def positive(self) -> float:
        value = self.number()
        if value <= 0:
            raise MeasurementError(f"{self.place} must be above 0: {value}")
        return value

    def text(self) -> str:
        return str(self._value)

    def items(self) -> list[Figures]:
        if not isinstance(self._value, list) or not self._value:
            raise MeasurementError(f"{self.place} is not a list, or an empty one")
        return [Figures(item, f"{self.place}[{index}]") for index, item in enumerate(self._value)]


@dataclass(frozen=True)
class ChatRun:
    """One run of `connect-bench chat`."""

    redis: str
    partitions: int
    primaries: int
    gateways: int
    body_bytes: float
    messages_per_second: float
    p99_milliseconds: float
    cpu_microseconds: dict[str, float]  # per message: gateway, messaging, redis (all of each)
    client_in_bytes: float  # per message, from clients, without TLS and TCP
    client_out_bytes: float  # per message, to clients
    redis_bytes: float  # per message, between Redis and the services, both ways
    commands: float  # per message, of all primaries together
    commands_of_busiest: float  # of the busiest primary, as a share of the mean of all
    replication_bytes: float  # per message, of all primaries together; 0 without replicas

    @staticmethod
    def read(figures: Figures) -> ChatRun:
        report = figures["report"]
        setup = report["setup"]
        messages = report["delivered"].positive()
        used: dict[str, float] = defaultdict(float)
        clients: tuple[float, float] | None = None
        redis_bytes = 0.0
        for process in report["processes"].items():
            name = process["name"].text()
            read, written = process["readBytes"].number(), process["writtenBytes"].number()
            if name == "load generator":
                clients = (written / messages, read / messages)
                continue
            kind = name.split()[0]
            used[kind] += process["cpuMicroseconds"].positive() / messages
            if kind == "redis":
                redis_bytes += (read + written) / messages
        for kind in ("gateway", "messaging", "redis"):
            if kind not in used:
                raise MeasurementError(f"{report.place}.processes has no {kind}")
        if clients is None:
            raise MeasurementError(f"{report.place}.processes has no load generator")
        commands = [item.positive() for item in report["commands"].items()]
        replication = [item.number() for item in report["replicationBytes"].items()]
        return ChatRun(
            redis=setup["redis"].text(),
            partitions=int(setup["partitions"].positive()),
            primaries=int(setup["primaries"].positive()),
            gateways=int(setup["gateways"].positive()),
            body_bytes=report["bodyBytes"].positive(),
            messages_per_second=messages / report["seconds"].positive(),
            p99_milliseconds=report["latencyP99Milliseconds"].positive(),
            cpu_microseconds=dict(used),
            client_in_bytes=clients[0],
            client_out_bytes=clients[1],
            redis_bytes=redis_bytes,
            commands=sum(commands) / messages,
            commands_of_busiest=max(commands) / (sum(commands) / len(commands)),
            replication_bytes=sum(replication) / messages,
        )


@dataclass(frozen=True)
class MailboxMemory:
    """Bytes of Redis that a mailbox takes, by messages in it and bytes of each body."""

    samples: dict[float, tuple[tuple[float, float], ...]]  # body bytes: (messages, bytes) …

    def mailbox_bytes(self, messages: float, body_bytes: float) -> float:
        """Interpolates between what was measured; a smaller body than any counts as the smallest."""
        bodies = sorted(self.samples)
        below = max([body for body in bodies if body <= body_bytes], default=bodies[0])
        above = min([body for body in bodies if body > below], default=below)
        low = _interpolate(self.samples[below], messages)
        if above == below or body_bytes <= below:
            return low * max(1.0, body_bytes / below)
        share = (body_bytes - below) / (above - below)
        return low + share * (_interpolate(self.samples[above], messages) - low)


@dataclass(frozen=True)
class PositionMemory:
    """Bytes of Redis that a user's positions take, by rows."""

    samples: tuple[tuple[float, float], ...]  # (rows, bytes) …

    def bytes(self, rows: float) -> float:
        return _interpolate(self.samples, rows)


def _interpolate(points: tuple[tuple[float, float], ...], x: float) -> float:
    if x <= points[0][0]:
        return points[0][1] if x > 0 else 0.0
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        if x <= x1:
            return y0 + (x - x0) / (x1 - x0) * (y1 - y0)
    return points[-1][1] * x / points[-1][0]


@dataclass(frozen=True)
class IdleCost:
    """What an idle connection costs, and what it costs to open one."""

    gateway_bytes: float
    gateway_base_bytes: float  # a gateway without connections
    gateway_microseconds_per_second: float
    redis_microseconds_per_second: float
    redis_commands_per_second: float
    open_gateway_microseconds: float
    open_redis_microseconds: float
    open_redis_commands: float


@dataclass(frozen=True)
class Measurements:
    """All that the model knows of Connect."""

    date: str
    version: str
    commit: str
    machine: str
    gateway: CostCurve
    messaging: CostCurve
    redis: CostCurve
    partition_messages_per_second: float  # the most that one partition was seen to carry
    commands_per_message: float
    redis_microseconds_per_command: float
    busiest_primary: float  # share of the mean
    replication_bytes: float  # per message
    redis_bytes: float  # per message, both ways
    client_in_bytes: float  # per message
    client_out_bytes: float  # per message
    body_bytes: float  # of the messages of all that
    idle: IdleCost
    mailboxes: dict[int, MailboxMemory]  # by stream-node-max-bytes
    cursor_bytes: dict[int, float]  # by devices
    session_bytes: dict[int, float]  # by devices
    positions: PositionMemory


def read_measurements(path: Path) -> Measurements:
    """Reads the file, and complains about what is missing by its place."""
    try:
        root = Figures(json.loads(path.read_text()), "")
    except OSError as error:
        raise MeasurementError(f"{path}: {error.strerror}: run infra/capacity/measure") from error
    except json.JSONDecodeError as error:
        raise MeasurementError(f"{path} is not JSON: {error}") from error
    if root["format"].number() != FORMAT:
        raise MeasurementError(f"{path} has a format that this model does not know")
    runs = [ChatRun.read(figures) for figures in root["chat"].items()]
    tls = [run for run in runs if run.redis == "tls"]
    spread = _one([run for run in runs if run.redis == "cluster"], "a run with --redis cluster")
    replicated = _one(
        [run for run in runs if run.replication_bytes > 0], "a run with --redis cluster-tls")
    # At the lowest rate no two messages share anything: what follows from it is the most there is.
    lowest = min(_some(tls, "a run with --redis tls"), key=lambda run: run.messages_per_second)
    machine = root["machine"]
    return Measurements(
        date=root["date"].text(),
        version=root["version"].text(),
        commit=root["commit"].text(),
        machine=f"{machine['processors'].text()} × {machine['processor'].text()}",
        gateway=_curve(tls, "gateway"),
        messaging=_curve(tls, "messaging"),
        redis=_curve(tls, "redis"),
        partition_messages_per_second=max(
            run.messages_per_second / run.partitions
            for run in _some(
                [run for run in tls if run.p99_milliseconds <= BEARABLE_P99_MILLISECONDS],
                f"a run with --redis tls below {BEARABLE_P99_MILLISECONDS:.0f} ms (p99)")),
        commands_per_message=spread.commands,
        redis_microseconds_per_command=lowest.cpu_microseconds["redis"] / lowest.commands,
        busiest_primary=spread.commands_of_busiest,
        replication_bytes=replicated.replication_bytes,
        redis_bytes=lowest.redis_bytes,
        client_in_bytes=lowest.client_in_bytes,
        client_out_bytes=lowest.client_out_bytes,
        body_bytes=lowest.body_bytes,
        idle=_idle(root["idle"]["report"]),
        mailboxes=_mailboxes(root["mailboxes"]["report"]["mailboxes"]),
        cursor_bytes=_by_devices(root["mailboxes"]["report"]["cursors"]),
        session_bytes=_by_devices(root["mailboxes"]["report"]["sessions"]),
        positions=_positions(root["mailboxes"]["report"]["positions"]),
    )


def _some(runs: list[ChatRun], what: str) -> list[ChatRun]:
    if not runs:
        raise MeasurementError(f"chat has no usable run: {what} is missing")
    return runs


def _one(runs: list[ChatRun], what: str) -> ChatRun:
    return _some(runs, what)[0]


def _curve(runs: list[ChatRun], kind: str) -> CostCurve:
    """By messages per second of one pipeline: of a gateway's to a primary, or of a partition's."""
    points: dict[float, float] = {}
    for run in runs:
        writers = run.gateways if kind == "gateway" else run.partitions
        rate = run.messages_per_second / writers / run.primaries
        points[rate] = max(points.get(rate, 0.0), run.cpu_microseconds[kind])
    return CostCurve(tuple(sorted(points.items())))


def _idle(report: Figures) -> IdleCost:
    processes = {
        process["name"].text().split()[0]: process for process in report["processes"].items()}
    for kind in ("gateway", "redis"):
        if kind not in processes:
            raise MeasurementError(f"{report.place}.processes has no {kind}")
    gateway, redis, keys = processes["gateway"], processes["redis"], report["redis"]
    per_connection = gateway["bytesPerConnection"].positive()
    share = report["connections"].positive() / report["setup"]["gateways"].positive()
    return IdleCost(
        gateway_bytes=per_connection,
        gateway_base_bytes=max(0.0, gateway["residentBytes"].positive() - per_connection * share),
        gateway_microseconds_per_second=gateway[
            "cpuMicrosecondsPerConnectionAndSecond"].positive(),
        redis_microseconds_per_second=redis["cpuMicrosecondsPerConnectionAndSecond"].positive(),
        redis_commands_per_second=keys["commandsPerConnectionAndSecond"].positive(),
        open_gateway_microseconds=gateway["openCPUMicrosecondsPerConnection"].positive(),
        open_redis_microseconds=redis["openCPUMicrosecondsPerConnection"].positive(),
        open_redis_commands=keys["openCommandsPerConnection"].positive(),
    )


def _mailboxes(samples: Figures) -> dict[int, MailboxMemory]:
    found: dict[int, dict[float, list[tuple[float, float]]]] = {}
    for sample in samples.items():
        node = int(sample["streamNodeMaxBytes"].positive())
        points = found.setdefault(node, {}).setdefault(sample["bodyBytes"].positive(), [])
        points.append((sample["messages"].positive(), sample["bytes"].positive()))
    return {
        node: MailboxMemory({body: tuple(sorted(points)) for body, points in bodies.items()})
        for node, bodies in found.items()
    }


def _positions(samples: Figures) -> PositionMemory:
    return PositionMemory(tuple(sorted(
        (sample["rows"].positive(), sample["bytes"].positive()) for sample in samples.items())))


def _by_devices(samples: Figures) -> dict[int, float]:
    return {
        int(sample["devices"].positive()): sample["bytes"].positive() for sample in samples.items()}
