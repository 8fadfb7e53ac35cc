"""A file of measurements with round figures, for tests."""

from __future__ import annotations

import copy
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(DIRECTORY))

from connect_capacity.measurements import Measurements, read_measurements  # noqa: E402
from connect_capacity.model import Model  # noqa: E402
from connect_capacity.prices import Prices, read_prices  # noqa: E402
from connect_capacity.scenario import Scenario  # noqa: E402

SECONDS = 10


def chat(redis: str, rate: int, cpu: float, partitions: int = 16, **changes: Any) -> dict[str, Any]:
    """A run in which each service takes `cpu` microseconds per message."""
    primaries = 1 if redis == "tls" else 3
    messages = rate * SECONDS

    def process(name: str, share: float = 1.0) -> dict[str, Any]:
        return {
            "name": name, "cpuMicroseconds": messages * cpu * share,
            "readBytes": messages * 1_000 * share, "writtenBytes": messages * 1_000 * share}

    report = {
        "version": "9.9.9",
        "setup": {
            "redis": redis, "partitions": partitions, "primaries": primaries, "gateways": 2,
            "messaging": 1},
        "bodyBytes": 200, "delivered": messages, "seconds": SECONDS,
        "latencyP99Milliseconds": 10.0,
        "commands": [messages * 4] * primaries,
        "replicationBytes": [messages * 500 if redis == "cluster-tls" else 0] * primaries,
        "processes": [
            process("redis"), process("messaging 1"), process("gateway 1", 0.5),
            process("gateway 2", 0.5), process("load generator")],
    }
    return {"command": "connect-bench chat", "report": {**report, **changes}}


def document() -> dict[str, Any]:
    sizes = [(1, 1_300), (10, 4_500), (1_000, 360_000)]
    return {
        "format": 1, "date": "2026-01-01T00:00:00+00:00", "version": "9.9.9", "commit": "abc",
        "machine": {"processors": 2, "processor": "test"},
        "chat": [
            chat("tls", 160, 400), chat("tls", 1_600, 100),
            chat("tls", 1_600, 50, partitions=1), chat("cluster", 1_000, 400),
            chat("cluster-tls", 1_000, 400)],
        "idle": {"command": "connect-bench idle", "report": {
            "setup": {"gateways": 1}, "connections": 10_000,
            "processes": [
                {"name": name, "bytesPerConnection": 4_000, "residentBytes": 60_000_000,
                 "cpuMicrosecondsPerConnectionAndSecond": 2.0,
                 "openCPUMicrosecondsPerConnection": 300.0}
                for name in ("redis", "messaging 1", "gateway 1")],
            "redis": {
                "openCommandsPerConnection": 8, "commandsPerConnectionAndSecond": 0.08}}},
        "mailboxes": {"command": "mailbox_memory.py", "report": {
            "mailboxes": [
                {"streamNodeMaxBytes": node, "bodyBytes": body, "messages": messages,
                 "bytes": count * body / 200}
                for node in (1024, 4096) for body in (200, 1_000) for messages, count in sizes],
            "cursors": [{"devices": 1, "bytes": 144}, {"devices": 2, "bytes": 192}],
            "sessions": [{"devices": 1, "bytes": 144}, {"devices": 2, "bytes": 176}],
            "positions": [{"rows": 1, "bytes": 300}, {"rows": 100, "bytes": 10_000}]}},
    }


def measurements(changed: dict[str, Any] | None = None) -> Measurements:
    """Through a file, as the model reads them."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "measurements.json"
        path.write_text(json.dumps(changed or document()))
        return read_measurements(path)


def prices() -> Prices:
    return read_prices(DIRECTORY / "prices.json")


def model(changed: dict[str, Any] | None = None, **values: str) -> Model:
    return Model(Scenario().with_values(values), measurements(changed), prices())


def with_cpu(factor: float) -> dict[str, Any]:
    """The document with all CPU times multiplied."""
    changed = copy.deepcopy(document())
    for run in changed["chat"]:
        for process in run["report"]["processes"]:
            process["cpuMicroseconds"] *= factor
    for process in changed["idle"]["report"]["processes"]:
        for name in ("cpuMicrosecondsPerConnectionAndSecond", "openCPUMicrosecondsPerConnection"):
            process[name] *= factor
    return changed
