"""What is counted, and how often it is done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A step of a message's path, as `connect-cost` runs it."""

    name: str
    step: str
    # Messages that share a turn of the event loop.
    batch: int
    # Of the shorter of two runs: so many that what happens once in a while happens as often in each half.
    operations: int


# Messaging acknowledges 512 entries at a time, and a second of a gateway's own time has 32 operations.
MEASURES = (
    Measure("frame in", "frame-in", batch=1, operations=1024),
    Measure("envelope", "envelope", batch=1, operations=1024),
    Measure("publish, one at a time", "publish", batch=1, operations=512),
    Measure("publish, 16 at a time", "publish", batch=16, operations=512),
    Measure("store, one at a time", "store", batch=1, operations=512),
    Measure("store, 16 at a time", "store", batch=16, operations=512),
    Measure("deliver, one at a time", "deliver", batch=1, operations=512),
    Measure("deliver, 16 at a time", "deliver", batch=16, operations=512),
    Measure("frame out", "frame-out", batch=1, operations=1024),
)


def named(parts: list[str]) -> list[Measure]:
    """Those whose names have one of the parts; all of them if there are no parts."""
    return [m for m in MEASURES if not parts or any(part in m.name for part in parts)]
