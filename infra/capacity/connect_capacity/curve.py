"""What a message costs, which depends on how many share a pipeline."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CostCurve:
    """CPU time over messages per second of one pipeline: between one reader or writer and one primary.

    Points are (messages per second, microseconds of CPU per message). Between two points, the CPU
    time per second is interpolated; it never falls as the rate grows, although a measured one may.
    Below the first point a message costs what it costs there, above the last one too: nothing is
    gained that was not measured.
    """

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("a curve needs a point")
        rates = [rate for rate, _ in self.points]
        if rates != sorted(set(rates)) or rates[0] <= 0:
            raise ValueError(f"the rates of a curve must be above 0 and grow: {rates}")

    def microseconds_per_second(self, rate: float) -> float:
        """CPU time per second of one pipeline that carries `rate` messages per second."""
        first_rate, first_cost = self.points[0]
        if rate <= first_rate:
            return rate * first_cost
        total = first_rate * first_cost
        previous_rate, cost = first_rate, first_cost
        for point_rate, cost in self.points[1:]:
            next_total = max(total, point_rate * cost)
            if rate <= point_rate:
                share = (rate - previous_rate) / (point_rate - previous_rate)
                return total + share * (next_total - total)
            previous_rate, total = point_rate, next_total
        return max(total, rate * cost)

    def microseconds_per_message(self, rate: float) -> float:
        """What one message costs at that rate."""
        return self.microseconds_per_second(rate) / rate if rate > 0 else self.points[0][1]
