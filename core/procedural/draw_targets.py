"""Which draws of a family are predicted from images, and as what: bins or categories.

A target is the first visit of a site of the frozen table (see ``addresses``) that is of the shape:
draws of colors and finishes are left out, and so are families with more targets than
:data:`MOST_TARGETS`, whose objects are random compositions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .addresses import read_table

BINS = 32  # of a continuous draw; also the most categories of a discrete one
MOST_TARGETS = 44  # of a family

_NUMBERS = re.compile(r"[\d#\[\]]+$")
_MATERIAL = "_material"
_DISCRETE = ("integers", "choice")


@dataclass(frozen=True)
class DrawTarget:
    """One draw that is predicted.

    Args:
        address: of the draw, see ``recording``.
        kind: of the draw, see ``recording.Draw``.
        low: the smallest possible value.
        high: the largest possible value, inclusive.
        count: number of bins, or of categories: the whole numbers from ``low`` to ``high``.
    """

    address: str
    kind: str
    low: float
    high: float
    count: int

    @property
    def is_category(self) -> bool:
        """Whether each class is one whole number."""
        return self.kind in _DISCRETE and self.count == round(self.high - self.low) + 1

    def class_of(self, value: float) -> int:
        """Return the bin or category of ``value``, which is clipped to the range."""
        if self.is_category:
            index = round(value - self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
            index = int(share * self.count)
        return min(max(index, 0), self.count - 1)

    def value_of(self, index: int, share: float = 0.5) -> float:
        """Return the value of a class: of a bin the place ``share`` between its ends, 0..1."""
        if self.is_category:
            return self.low + index
        value = self.low + (index + share) / self.count * (self.high - self.low)
        return float(round(value)) if self.kind in _DISCRETE else value


@lru_cache(maxsize=1)
def draw_targets() -> dict[str, tuple[DrawTarget, ...]]:
    """Return the targets of each family, sorted by address; none of families that are left out."""
    targets = {}
    for family, sites in read_table().items():
        shape_sites = {}
        for address, (kind, low, high, _) in sites.items():
            if low < high and not _is_material(address):
                shape_sites[address] = (kind, low, high)
        if len(shape_sites) > MOST_TARGETS:
            continue
        family_targets = []

        for address, (kind, low, high) in shape_sites.items():
            count = BINS
            if kind in _DISCRETE:
                count = min(BINS, round(high - low) + 1)
            family_targets.append(DrawTarget(address, kind, low, high, count))

        targets[family] = tuple(family_targets)

    return targets


def _is_material(address: str) -> bool:
    """Return whether the draw at ``address`` is of a color or finish."""
    elements = address.split(".")
    return any(_NUMBERS.sub("", element).endswith(_MATERIAL) for element in elements)
