"""What a user must know about solved cameras, and why a photograph has none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import matching, neighbor_matching, walk_order
from ..ambiguity import PairInliers
from ..matching import MatchDatabase
from ..records import LeftOut
from .acceptance import FEW_FEATURES, Accepted, is_broken
from .photo_set import BLURRED_REASON, PhotoSet

_BLURRED = 0.25  # of the median sharpness: the reason why a photograph does not fit
_DOUBTFUL = 0.4  # of the matches explained: wrong cameras give less, with few exceptions


def describe_cameras(accepted: Accepted, photos: PhotoSet, pairs: list[PairInliers]) -> list[str]:
    """Return what the user must know about the cameras, and what would give more of them."""
    notes = []
    if accepted.by_object:
        notes.append("Photographs were joined by the object alone: it was moved between them")
    if accepted.agreement is None:
        notes.append("Outlines were not compared: look whether the cameras stand as you took them")

    if accepted.model.explained < _DOUBTFUL:
        notes.append(
            f"Only {accepted.model.explained:.0%} of the matches agree with the cameras, which may "
            "be wrong: something without repetitions beside the object helps"
        )

    # Where the chain of a walk is broken, photographs in between mend it.
    count = len(photos.photographs)
    if len(accepted.model.indices) < count:
        names = [photograph.path.name for photograph in photos.photographs]
        gaps = walk_order.describe_gaps(walk_order.find_gaps(pairs, count), names)
        if gaps:
            notes.append(gaps)
        has_gaps = bool(accepted.others) or is_broken([accepted.model], count)
        if has_gaps and not neighbor_matching.is_available():
            notes.append(neighbor_matching.install_advice())

    return notes


def explain_left_out(
    accepted: Accepted, photos: PhotoSet, database: MatchDatabase, counts: NDArray[np.int64]
) -> list[LeftOut]:
    """Say of each photograph without a camera why it has none."""
    solved = [index for index in accepted.model.indices if index not in accepted.dropped]
    entries = []
    for index, photograph in enumerate(photos.photographs):
        if index not in solved:
            reason = _doubt(index, solved, accepted, photos)
            if database.feature_counts[index] < FEW_FEATURES:
                reason = (
                    f"It shows too little pattern ({database.feature_counts[index]} features): "
                    "stand the object on something patterned"
                )
            best = solved[int(np.argmax(counts[index, solved]))]
            name = photos.photographs[best].path.name
            reason = reason or _match_reason(int(counts[index, best]), name)
            entries.append(LeftOut(photograph.path, reason))

    return entries


def _doubt(index: int, solved: list[int], accepted: Accepted, photos: PhotoSet) -> str:
    """Return what speaks against a photograph beside its matches; empty for nothing."""
    if index in accepted.dropped:
        return "The object's outline in it does not agree with the others"
    sharpness = float(np.median([photos.sharpness[other] for other in solved]))
    if photos.sharpness[index] < _BLURRED * sharpness:
        return BLURRED_REASON
    group = next((group for group in accepted.others if index in group), ())

    if group:
        count = len(group) - 1
        return (
            f"It fits with {count} others that do not fit with the rest: take one or two in between"
        )

    return ""


def _match_reason(shared: int, name: str) -> str:
    if shared < matching.LEAST_INLIERS:
        return (
            f"It shares fewer than {matching.LEAST_INLIERS} points with any that has a camera: "
            "take one or two between it and its neighbors, unless it shows something else"
        )
    return f"It shares {shared} points with {name}, too few to place it: take one between"
