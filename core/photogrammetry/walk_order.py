"""Whether photographs are in the order of a walk around the object, and where that has gaps."""

from __future__ import annotations

from .ambiguity import PairInliers, ring_distance
from .matching import LEAST_INLIERS

_ORDERED = 0.9  # share of the pairs with many matches that are near in order
_NEAR = 3  # places apart in order
_STRONG = 60  # matches, by which the order is judged
_MOST_NAMED = 3  # gaps in a sentence


def is_walk(pairs: list[PairInliers], count: int) -> bool:
    """Return whether ``count`` photographs are in the order of a walk, judged by their matches."""
    strong = [pair for pair in pairs if len(pair.first_pixels) >= _STRONG]
    near = [pair for pair in strong if ring_distance(pair.first, pair.second, count) <= _NEAR]
    return bool(strong) and len(near) >= _ORDERED * len(strong)


def find_gaps(pairs: list[PairInliers], count: int) -> list[int]:
    """Return the photographs that share nothing with the next one, if all are in order."""
    if not is_walk(pairs, count):
        return []
    matched = {
        (pair.first, pair.second) for pair in pairs if len(pair.first_pixels) >= LEAST_INLIERS
    }
    return [index for index in range(count - 1) if (index, index + 1) not in matched]


def describe_gaps(gaps: list[int], names: list[str]) -> str:
    """Return where to take more photographs; empty if there are no gaps.

    Args:
        gaps: As of :func:`find_gaps`.
        names: Of the photographs in order.
    """
    places = [f"between {names[index]} and {names[index + 1]}" for index in gaps]
    if not places:
        return ""
    text = "Take one or two photographs " + ", ".join(places[:_MOST_NAMED])
    if len(places) > _MOST_NAMED:
        text += f" and in {len(places) - _MOST_NAMED} other gaps"
    return text
