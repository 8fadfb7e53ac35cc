"""The model: users in, deployment, bottlenecks and cost out."""

from __future__ import annotations

from dataclasses import dataclass

from connect_capacity.cost import Cost, cost_of
from connect_capacity.load import load_of
from connect_capacity.measurements import Measurements
from connect_capacity.prices import Prices
from connect_capacity.scenario import Scenario
from connect_capacity.sizing import BeyondDesign, Deployment, size

SCALES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)

CELLS_TRIED = 1 << 20
USERS_TRIED = 1e12


@dataclass(frozen=True)
class Result:
    """So many users, on one Connect or, where that is beyond its design, on several equal ones."""

    users: float
    cells: int
    beyond: str  # why one does not do; empty where it does
    deployment: Deployment  # of one cell
    cost: Cost  # of one cell

    @property
    def total(self) -> float:
        """US dollars per month, of all cells."""
        return self.cells * self.cost.total

    @property
    def per_user(self) -> float:
        return self.total / self.users


@dataclass(frozen=True)
class Model:
    scenario: Scenario
    measured: Measurements
    prices: Prices

    def evaluate(self, users: float) -> Result:
        beyond = ""
        try:
            cells, deployment = 1, self._size(users)
        except BeyondDesign as error:
            beyond = str(error)
            cells = self._cells(users)
            deployment = self._size(users / cells)
        return Result(
            users=users, cells=cells, beyond=beyond, deployment=deployment,
            cost=cost_of(deployment, self.prices))

    def end(self) -> tuple[float, str]:
        """How many users a single Connect carries at most (to one in a thousand), and what ends it."""
        low, high = 1.0, 2.0
        while high < USERS_TRIED and self._reason(high) is None:
            low, high = high, high * 2
        while high / low > 1.001:
            middle = (low + high) / 2
            low, high = (low, middle) if self._reason(middle) else (middle, high)
        return low, self._reason(high) or "nothing that the model knows"

    def _size(self, users: float) -> Deployment:
        return size(
            load_of(users, self.scenario, self.measured), self.scenario, self.measured, self.prices)

    def _reason(self, users: float) -> str | None:
        try:
            self._size(users)
        except BeyondDesign as error:
            return str(error)
        return None

    def _cells(self, users: float) -> int:
        """The fewest equal parts of the users of which one Connect carries one."""
        high = 2
        while self._reason(users / high) is not None:
            if high > CELLS_TRIED:
                raise BeyondDesign(self._reason(users / high) or "")
            high *= 2
        low = high // 2
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._reason(users / middle) else (low, middle)
        return high
