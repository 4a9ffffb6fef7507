"""The draws of an object as numbers in 0..1, and as options: what a search changes.

Draws of colors and finishes are left out, and so are those without a range.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..parameters import list_parameters
from ..parts import ProceduralObject

_FEW_OPTIONS = 6  # of a choice, up to which all are tried


@dataclass(frozen=True)
class Axis:
    """One draw that can be changed.

    Attributes:
        address: Of the draw.
        low: Smallest value.
        high: Largest value.
        value: That the object has.
        is_discrete: Whether it is a whole number or the index of an option.
        is_chance: Whether it may decide between two branches: a draw in 0..1 that has no name.
    """

    address: str
    low: float
    high: float
    value: float
    is_discrete: bool
    is_chance: bool

    @property
    def is_stepped(self) -> bool:
        """Whether a small change does nothing, or makes another shape."""
        return self.is_discrete or self.is_chance

    @property
    def quantile(self) -> float:
        """The value as its place in the range, 0..1."""
        return min(max((self.value - self.low) / (self.high - self.low), 0.0), 1.0)

    def value_at(self, quantile: float) -> float:
        """Return the value at a place in the range."""
        return self.low + min(max(quantile, 0.0), 1.0) * (self.high - self.low)

    def alternatives(self) -> list[float]:
        """Return other values to try: neighbors of a whole number, all of few options."""
        if self.is_chance:
            return [self.value_at(0.02 if self.quantile > 0.5 else 0.98)]
        if not self.is_discrete:
            return []
        first = int(self.low)
        last = int(self.high)
        value = int(self.value)
        options: Iterable[int] = range(first, last + 1)
        if last - first >= _FEW_OPTIONS:
            options = (value - 2, value - 1, value + 1, value + 2)
        return [float(option) for option in options if first <= option <= last and option != value]


def axes_of(obj: ProceduralObject) -> list[Axis]:
    """Return the draws of an object that shape it, in the order in which they are drawn."""
    kinds = {draw.address: draw.kind for draw in obj.draws}
    axes = []
    for parameter in list_parameters(obj):
        if parameter.is_material:
            continue
        axis = Axis(
            address=parameter.address,
            low=parameter.low,
            high=parameter.high,
            value=parameter.value,
            is_discrete=parameter.kind != "number",
            is_chance=kinds[parameter.address] == "random",
        )
        axes.append(axis)
    return axes
