"""The thresholds, and what was counted beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FORMAT = 1

# By the kind of a count and its name.
Counts = dict[str, dict[str, float]]

# How much more may be counted, in percent. From run to run, instructions of a step differ by less than 0.1 %, and what
# whole processes do on an idle machine by up to 2 %.
BOUND_PERCENT = {"steps": 3.0, "processes": 5.0}


class BadThresholds(Exception):
    """The file cannot be used."""


@dataclass(frozen=True)
class Thresholds:
    # What the counts depend on; see `system`.
    system: dict[str, str]
    counts: Counts

    @staticmethod
    def read(path: Path) -> Thresholds:
        try:
            document = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise BadThresholds(f"{path}: {error}; write it with --write") from error
        if document.get("format") != FORMAT:
            raise BadThresholds(f"{path}: not of format {FORMAT}; write it with --write")
        return Thresholds(
            document["system"], {kind: document.get(kind, {}) for kind in BOUND_PERCENT})

    def write(self, path: Path) -> None:
        document = {"format": FORMAT, "made": "infra/cost/check --write", "system": self.system}
        path.write_text(json.dumps(document | self.counts, indent=2) + "\n")

    def differences(self, system: dict[str, str]) -> list[str]:
        """Why counts on a system are not to be compared with these."""
        return [
            f"{name} {system.get(name, '-')} instead of {value}"
            for name, value in self.system.items() if system.get(name) != value]


def text(count: float) -> str:
    """A count for a person."""
    return f"{count:,.0f}" if count >= 1_000 else f"{count:.4g}"


@dataclass(frozen=True)
class Finding:
    """One count beside its threshold."""

    name: str
    # None for what is no longer counted.
    counted: float | None
    # None for what is new.
    threshold: float | None
    bound_percent: float

    @property
    def percent(self) -> float:
        """How much more than the threshold; 0 for what has none, or was not counted."""
        if not self.threshold or self.counted is None:
            return 0.0
        return 100 * (self.counted - self.threshold) / self.threshold

    @property
    def is_failure(self) -> bool:
        return self.threshold is None or self.percent > self.bound_percent

    @property
    def is_gain(self) -> bool:
        return self.counted is None or self.percent < -self.bound_percent

    def __str__(self) -> str:
        if self.counted is None:
            return f"{self.name}: no longer counted: remove its threshold, with --write"
        counted = f"{self.name}: {text(self.counted)}"
        if self.threshold is None:
            return f"{counted}, and no threshold: give it one with --write"
        compared = f"{counted}, {self.percent:+.1f} % of {text(self.threshold)}"
        if self.is_failure:
            return f"{compared}: more than {self.bound_percent:g} % above"
        if self.is_gain:
            return f"{compared}: lower the threshold, with --write"
        return compared


def compare(thresholds: Thresholds, counts: Counts, *, whole: bool = True) -> list[Finding]:
    """What was counted beside its thresholds.

    With `whole`, all of each kind was counted: a threshold without a count is obsolete.
    """
    findings = []
    for kind, named in counts.items():
        before = thresholds.counts.get(kind, {})
        names = [*named, *(name for name in before if whole and name not in named)]
        findings += [
            Finding(name, named.get(name), before.get(name), BOUND_PERCENT[kind]) for name in names]
    return findings
