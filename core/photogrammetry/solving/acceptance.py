"""Which cameras are believed: the largest model that outlines, order and background support."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError
from ...jobs.task import Progress, Task, subtask
from .. import ambiguity, feature_selection, matching, neighbor_matching, walk_order
from ..hull_check import check_outlines
from ..mapping import Model, enough_registered, map_photographs, registered_count
from ..matching import MatchDatabase
from ..records import SolveSettings
from .photo_set import LEAST_PHOTOGRAPHS, PhotoSet

FEW_FEATURES = 60
_MASKED = 0.8  # share of the photographs with masks from which outlines are checked
_PROVEN = 0.5  # share of the photographs: outlines of a few agree by chance, wherever they were
_PLAIN = 0.95  # share of the features that lie on the object before a plain background
_STAGES = {  # where each ends, of all the work
    "cameras": 0.6,
    "bridges": 0.7,
    "mapped": 0.75,
    "outlines": 0.8,
    "ordered": 0.9,
}


@dataclass(frozen=True)
class Accepted:
    """A model, which of its photographs are believed, and how well outlines agree.

    others: smaller groups of photographs that fit together, but not with the model.
    by_object: whether matches on the object alone gave it.
    """

    model: Model
    others: tuple[tuple[int, ...], ...] = ()
    dropped: tuple[int, ...] = ()
    agreement: float | None = None
    by_object: bool = False

    @property
    def count(self) -> int:
        """Of the photographs that are believed."""
        return len(self.model.indices) - len(self.dropped)


def accept_model(
    database: MatchDatabase,
    photos: PhotoSet,
    pairs: list[ambiguity.PairInliers],
    settings: SolveSettings,
    has_background: bool,
) -> Task[Accepted]:
    """Map the photographs, and return the model that is believed.

    Where outlines refuse the cameras, neighbors in order are mapped alone. So also where the ring
    of cameras is folded and no background tells sides apart that look alike: outlines agree then.

    Args:
        database: With verified matches; those that are not believed are taken out.
        photos: The photographs.
        pairs: The verified matches.
        settings: Whether to check anything.
        has_background: Whether matches on a background were required of each pair.

    Raises:
        ImageError: Too few photographs fit together, or their cameras are not believed.
    """
    mapping = map_photographs(database)
    models = yield from subtask(mapping, 0.0, _STAGES["cameras"])
    models = yield from _bridge_gaps(database, models, pairs)
    model = _largest_model(models, photos, pairs, database)
    if not settings.check_outlines:
        return Accepted(model, _other_groups(models))

    yield Progress(_STAGES["mapped"], "Comparing outlines")
    accepted = _check_models(models, photos)
    if accepted is None or _is_doubtful(accepted, photos, has_background):
        ordering = _model_in_order(database, photos, pairs, accepted)
        accepted = yield from subtask(ordering, _STAGES["outlines"], _STAGES["ordered"])
    if accepted and not accepted.others:
        return accepted

    # An object that was turned over between two rings has moved on its floor.
    joined = yield from subtask(_join_by_object(database, photos), _STAGES["ordered"], 1.0)
    accepted = _more_photographs(accepted, joined)
    if accepted is None:
        raise ImageError(
            "Where the photographs were taken cannot be decided: sides that look alike match each "
            "other, or the cameras contradict the object's outlines. Name the photographs in the "
            "order in which they were taken around the object, stand it on something patterned, "
            "such as a newspaper, or turn Check Outlines off"
        )

    return accepted


def _model_in_order(
    database: MatchDatabase,
    photos: PhotoSet,
    pairs: list[ambiguity.PairInliers],
    folded: Accepted | None,
) -> Task[Accepted | None]:
    """Map with neighbors in order only, ever nearer ones while the ring of cameras is folded.

    Args:
        database: With verified matches; those of others are taken out.
        photos: The photographs.
        pairs: The verified matches.
        folded: The model of all matches that outlines accept; None if they refuse it.

    Returns:
        The first model that is not folded; ``folded`` if it stays so with neighbors alone, as after
        two walks around; None if outlines refuse the cameras or photographs are lost.
    """
    least = _PROVEN * len(photos.photographs)
    if folded:
        least = folded.count
    ordered = None
    begin = 0.0

    for reach in ambiguity.REACHES:
        distant = ambiguity.pairs_out_of_order(pairs, len(photos.photographs), reach)
        matching.drop_pairs(database, distant)
        end = (begin + 1) / 2
        models = yield from subtask(map_photographs(database), begin, end)
        begin = end
        ordered = _check_models(models, photos) if models else None
        if ordered and ordered.count < least:
            ordered = None
        if ordered and not _is_folded(ordered, photos):
            return ordered

    return folded if ordered else None


def _join_by_object(database: MatchDatabase, photos: PhotoSet) -> Task[Accepted | None]:
    """Map with matches on the object alone; None if outlines refuse the cameras.

    There is nothing to try either if hardly any feature lies on the background.
    """
    if sum(mask is not None for mask in photos.masks) < _MASKED * len(photos.masks):
        return None
    on_object = feature_selection.features_within(database, photos.masks)
    if np.concatenate(on_object).mean() > _PLAIN:
        return None
    yield from subtask(feature_selection.match_only(database, on_object), 0.0, 0.4)
    models = yield from subtask(map_photographs(database), 0.4, 1.0)
    if registered_count(models) < LEAST_PHOTOGRAPHS or not _has_masks(photos, models[0]):
        return None
    accepted = _check_models(models, photos)
    if accepted is None or _is_folded(accepted, photos):
        return None
    if accepted.count < _PROVEN * len(photos.photographs):
        return None
    return replace(accepted, by_object=True)


def _more_photographs(first: Accepted | None, second: Accepted | None) -> Accepted | None:
    """Return what has more cameras, ``first`` if equal."""
    if first is None or second is None:
        return first or second
    return max(first, second, key=lambda each: each.count)


def _bridge_gaps(
    database: MatchDatabase, models: list[Model], pairs: list[ambiguity.PairInliers]
) -> Task[list[Model]]:
    """Where the chain of a walk breaks, map again with learned matches between neighbors."""
    count = len(database.image_names)
    if not is_broken(models, count) or not neighbor_matching.is_available():
        return models
    if not walk_order.is_walk(pairs, count):
        return models
    matching_again = neighbor_matching.add_neighbor_matches(database, pairs)
    pair_count = yield from subtask(matching_again, _STAGES["cameras"], _STAGES["bridges"])
    if not pair_count:
        return models
    again = map_photographs(database)
    bridged = yield from subtask(again, _STAGES["bridges"], _STAGES["mapped"])

    # Matches that are wrong would change what is known already.
    is_larger = registered_count(bridged) > registered_count(models)
    is_same = is_larger and neighbor_matching.keeps_cameras(models, bridged[0])
    return bridged if is_same else models


def is_broken(models: list[Model], count: int) -> bool:
    """Return whether few photographs fit together, or some that fit only with each other."""
    return not enough_registered(models, count) or bool(_other_groups(models))


def _largest_model(
    models: list[Model],
    photos: PhotoSet,
    pairs: list[ambiguity.PairInliers],
    database: MatchDatabase,
) -> Model:
    if models and len(models[0].indices) >= LEAST_PHOTOGRAPHS:
        return models[0]

    # What is missing: pattern, what photographs have in common, or those in between.
    total = len(photos.photographs)
    features = int(np.median(database.feature_counts))
    names = [photograph.path.name for photograph in photos.photographs]
    advice = walk_order.describe_gaps(walk_order.find_gaps(pairs, total), names)
    newspaper = "Stand the object on something patterned, such as a newspaper"

    if features < FEW_FEATURES:
        advice = f"they show too little pattern ({features} features each). {newspaper}"
    elif not pairs:
        advice = f"no two of them show the same pattern. {newspaper}"
    elif not advice:
        advice = "take more photographs, about 20 degrees apart"

    raise ImageError(f"The cameras of {total} photographs cannot be solved: {advice}")


def _has_masks(photos: PhotoSet, model: Model) -> bool:
    known = sum(photos.masks[index] is not None for index in model.indices)
    return known >= max(_MASKED * len(model.indices), 2)


def _other_groups(models: list[Model]) -> tuple[tuple[int, ...], ...]:
    first = set(models[0].indices) if models else set()
    groups = [tuple(index for index in model.indices if index not in first) for model in models[1:]]
    return tuple(group for group in groups if len(group) > 1)


def _is_doubtful(accepted: Accepted, photos: PhotoSet, has_background: bool) -> bool:
    """Return whether nothing but outlines supports a ring of cameras that is folded.

    Without masks the background may be rich, and photographs are taken in any order.
    """
    has_outlines = accepted.agreement is not None
    return has_outlines and not has_background and _is_folded(accepted, photos)


def _is_folded(accepted: Accepted, photos: PhotoSet) -> bool:
    model = accepted.model
    return ambiguity.is_folded(model.cameras, model.indices, len(photos.photographs))


def _check_models(models: list[Model], photos: PhotoSet) -> Accepted | None:
    """Return the largest model less the photographs that disagree; None if too many do."""
    model = models[0]
    if not _has_masks(photos, model):
        return Accepted(model, _other_groups(models))

    # Photographs without a mask have no part in the check.
    masked = [place for place, index in enumerate(model.indices) if photos.masks[index] is not None]
    masks = [photos.masks[model.indices[place]] for place in masked]
    small = [_shrink(mask) for mask in masks if mask is not None]
    check = check_outlines([model.cameras[place] for place in masked], small)
    if not check.accepted:
        return None
    dropped = tuple(model.indices[masked[place]] for place in check.dropped)

    return Accepted(model, _other_groups(models), dropped, float(check.agreement.min()))


def _shrink(mask: NDArray[np.bool_], side: int = 480) -> NDArray[np.bool_]:
    step = max(max(mask.shape) // side, 1)
    return mask[::step, ::step]
