"""Reads `prices.json`, the one place of all prices."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from connect_capacity.measurements import Figures, MeasurementError

GIB = 2**30
GIGABIT = 10**9


@dataclass(frozen=True)
class NodeType:
    """A type of ElastiCache's nodes."""

    name: str
    vcpus: int
    memory_bytes: float
    bytes_per_second: float  # of the network, without bursts
    hour: float


@dataclass(frozen=True)
class Prices:
    date: str
    region: str
    remark: str
    hours: float  # of a month
    nodes: tuple[NodeType, ...]
    figures: Figures

    def of(self, path: str) -> float:
        """The price at a place such as `fargate.arm.vcpuHour`."""
        figures = self.figures
        for name in path.split("."):
            figures = figures[name]
        return figures.number()

    def out_to_internet(self, gigabytes: float) -> float:
        """What a month's data out costs, tier by tier."""
        cost, below = 0.0, 0.0
        for tier in self._tiers():
            upper, price = tier
            cost += max(0.0, min(gigabytes, upper) - below) * price
            below = upper
        return cost

    def _tiers(self) -> list[tuple[float, float]]:
        tiers = self.figures["transfer"]["outTiersGigabytes"].items()
        return [
            (tier["upTo"].positive() if tier.has("upTo") else float("inf"),
             tier["gigabyte"].number())
            for tier in tiers
        ]

    @property
    def durable_write_gib(self) -> float | None:
        """Nil where it is not known."""
        elasticache = self.figures["elasticache"]
        return elasticache["durableWriteGib"].number() if elasticache.has(
            "durableWriteGib") else None


def read_prices(path: Path) -> Prices:
    try:
        root = Figures(json.loads(path.read_text()), "")
    except (OSError, json.JSONDecodeError) as error:
        raise MeasurementError(f"{path}: {error}") from error
    nodes = root["elasticache"]["nodes"]
    return Prices(
        date=root["date"].text(),
        region=root["region"].text(),
        remark=root["remark"].text(),
        hours=root["hoursPerMonth"].positive(),
        nodes=tuple(
            NodeType(
                name=name,
                vcpus=int(nodes[name]["vcpus"].positive()),
                memory_bytes=nodes[name]["memoryGib"].positive() * GIB,
                bytes_per_second=nodes[name]["gigabits"].positive() * GIGABIT / 8,
                hour=nodes[name]["hour"].positive(),
            )
            for name in nodes.names()
        ),
        figures=root,
    )
