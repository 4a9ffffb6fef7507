"""From photographs to solved cameras and a sparse cloud: the steps, and what must hold between.

    read -> features -> matches -> pairs by background -> cameras -> outlines -> (pairs by order ->
    cameras -> outlines) -> frame of the floor

Runs in a process of its own: a native library that aborts must not take Blender with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..atomic_files import report_write_errors
from ..errors import DependencyError, ImageError, failure_reason
from ..jobs.dependencies import require_packages
from ..jobs.task import Progress, Task, subtask
from ..jobs.temporary_folders import temporary_folder
from . import ambiguity, feature_selection, matching, neighbor_matching, photo_files, walk_order
from .floor import find_world_frame
from .hull_check import AGREEMENT, check_outlines
from .mapping import Model, enough_registered, map_photographs, registered_count
from .matching import MatchDatabase
from .photo_files import Photograph
from .records import LeftOut, SolvedPhotograph, SolvedScene, SolveSettings, SparseCloud

_DEFAULTS = SolveSettings()
_LEAST = 3  # photographs
_FEW_FEATURES = 60
_BLURRED = 0.25  # of the median sharpness: the reason why a photograph does not fit
_USELESS = 0.02  # of the median sharpness: a photograph of this would spoil colors and depth
_BLURRED_REASON = "It is blurred: take it again"
_MASKED = 0.8  # share of the photographs with masks from which outlines are checked
_PROVEN = 0.5  # share of the photographs: outlines of a few agree by chance, wherever they were
_PLAIN = 0.95  # share of the features that lie on the object before a plain background
_STAGES = {  # where each ends, of all the work
    "read": 0.12,
    "features": 0.4,
    "matched": 0.67,
    "matches": 0.7,
    "cameras": 0.84,
    "bridges": 0.89,
    "mapped": 0.92,
    "outlines": 0.94,
    "ordered": 0.97,
}


@dataclass
class _PhotoSet:
    """Photographs that could be read, and what each is known by."""

    photographs: list[Photograph] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    masks: list[NDArray[np.bool_] | None] = field(default_factory=list)
    plain: list[bool] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


@dataclass(frozen=True)
class _Accepted:
    """A model, which of its photographs are believed, and how well outlines agree.

    others: smaller groups of photographs that fit together, but not with the model.
    by_object: whether matches on the object alone gave it.
    """

    model: Model
    others: tuple[tuple[int, ...], ...] = ()
    dropped: tuple[int, ...] = ()
    agreement: float | None = None
    by_object: bool = False


def solve_photographs(paths: list[Path], settings: SolveSettings = _DEFAULTS) -> Task[SolvedScene]:
    """Solve the cameras of photographs of one still object from many sides.

    Args:
        paths: image files; if they were taken in order around the object, in that order.
        settings: see there.

    Raises:
        ImageError: fewer than three can be read, or fit together, or their cameras do not agree
            with the outlines.
        DependencyError: pycolmap or Pillow is not installed.
        OutputError: the temporary folder cannot be written.
    """
    require_packages("pycolmap", "PIL")
    if len(paths) < _LEAST:
        raise ImageError(
            f"Solving cameras needs at least {_LEAST} photographs, {len(paths)} given: "
            "take 12 to 24 around the object; from one or two, use Reconstruct"
        )
    with temporary_folder() as scratch:
        return (yield from _solve_in_folder(paths, settings, scratch))


def _solve_in_folder(paths: list[Path], settings: SolveSettings, folder: Path) -> Task[SolvedScene]:
    photos = _PhotoSet()
    reading = _read_photographs(paths, settings.max_side, folder, photos)
    names = yield from subtask(reading, 0.0, _STAGES["read"])
    database = MatchDatabase(folder, names)
    extraction = matching.extract_features(database, photos.photographs, photos.sizes)
    yield from subtask(extraction, _STAGES["read"], _STAGES["features"])
    yield from subtask(matching.match_features(database), _STAGES["features"], _STAGES["matched"])
    notes = yield from _ignore_still_background(database, photos)

    # Sides that look alike match on the object only: drop such pairs before mapping.
    pairs = matching.read_pairs(database)
    backgrounds = [
        None if plain else mask for mask, plain in zip(photos.masks, photos.plain, strict=True)
    ]
    dropped_pairs = ambiguity.pairs_without_background(pairs, backgrounds)
    if dropped_pairs:
        matching.drop_pairs(database, dropped_pairs)
    accepted = yield from _accepted_model(database, photos, pairs, settings)
    solved = _solved_scene(accepted, photos, database, pairs)
    return replace(solved, notes=(*notes, *solved.notes))


def _ignore_still_background(database: MatchDatabase, photos: _PhotoSet) -> Task[list[str]]:
    """Take features that stay in their place out, as behind a turntable; return notes on it."""
    still = feature_selection.still_features(database, photos.sizes)
    if still is None:
        return []
    moving = [~flags for flags in still]
    verification = feature_selection.match_only(database, moving)
    yield from subtask(verification, _STAGES["matched"], _STAGES["matches"])
    count = int(np.mean([flags.sum() for flags in still]))
    return [
        f"The object turned before a still background, of which {count} features in each "
        "photograph were ignored"
    ]


def _accepted_model(
    database: MatchDatabase,
    photos: _PhotoSet,
    pairs: list[ambiguity.PairInliers],
    settings: SolveSettings,
) -> Task[_Accepted]:
    """Map, and where outlines refuse the cameras, map again with neighbors in order only."""
    mapping = map_photographs(database)
    models = yield from subtask(mapping, _STAGES["matches"], _STAGES["cameras"])
    models = yield from _bridge_gaps(database, models, pairs)
    model = _largest_model(models, photos, pairs, database)
    if not settings.check_outlines or not _has_masks(photos, model):
        return _Accepted(model, _other_groups(models))

    yield Progress(_STAGES["mapped"], "Comparing outlines")
    accepted = _check_models(models, photos)
    if accepted is not None and not accepted.others:
        return accepted

    # The order of a walk around the object tells look-alike sides apart.
    if accepted is None:
        matching.drop_pairs(database, ambiguity.pairs_out_of_order(pairs, len(photos.photographs)))
        again = map_photographs(database)
        models = yield from subtask(again, _STAGES["outlines"], _STAGES["ordered"])
        accepted = _check_models(models, photos) if models else None
        accepted = _unless_few(accepted, photos)

    # An object that was turned over between two rings has moved on its floor.
    joined = yield from subtask(_join_by_object(database, photos), _STAGES["ordered"], 1.0)
    accepted = _more_photographs(accepted, joined)
    if accepted is None:
        raise ImageError(
            f"The cameras do not agree with the object's outlines (less than {AGREEMENT:.0%}): "
            "sides that look alike match each other. Name the photographs in the order in which "
            "they were taken around the object, stand it on something patterned, such as a "
            "newspaper, or turn Check Outlines off"
        )
    return accepted


def _join_by_object(database: MatchDatabase, photos: _PhotoSet) -> Task[_Accepted | None]:
    """Map with matches on the object alone; None if outlines refuse the cameras.

    There is nothing to try either if hardly any feature lies on the background.
    """
    on_object = feature_selection.features_within(database, photos.masks)
    if np.concatenate(on_object).mean() > _PLAIN:
        return None
    yield from subtask(feature_selection.match_only(database, on_object), 0.0, 0.4)
    models = yield from subtask(map_photographs(database), 0.4, 1.0)
    if not models or len(models[0].indices) < _LEAST or not _has_masks(photos, models[0]):
        return None
    accepted = _unless_few(_check_models(models, photos), photos)
    return accepted and replace(accepted, by_object=True)


def _unless_few(accepted: _Accepted | None, photos: _PhotoSet) -> _Accepted | None:
    """Return None for cameras of few photographs, where those of more were refused."""
    if accepted and len(accepted.model.indices) >= _PROVEN * len(photos.photographs):
        return accepted
    return None


def _more_photographs(first: _Accepted | None, second: _Accepted | None) -> _Accepted | None:
    """Return what has more cameras, ``first`` if equal."""
    if first is None or second is None:
        return first or second
    return max(first, second, key=lambda each: len(each.model.indices) - len(each.dropped))


def _bridge_gaps(
    database: MatchDatabase, models: list[Model], pairs: list[ambiguity.PairInliers]
) -> Task[list[Model]]:
    """Where the chain of a walk breaks, map again with learned matches between neighbors."""
    count = len(database.image_names)
    if not _is_broken(models, count) or not neighbor_matching.is_available():
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


def _is_broken(models: list[Model], count: int) -> bool:
    """Return whether few photographs fit together, or some that fit only with each other."""
    return not enough_registered(models, count) or bool(_other_groups(models))


def _read_photographs(
    paths: list[Path], max_side: int, folder: Path, photos: _PhotoSet
) -> Task[list[str]]:
    """Read into ``photos``, write images reduced into ``folder``, and return their names there."""
    from PIL import Image

    names: list[str] = []
    digests: dict[bytes, Path] = {}
    for index, path in enumerate(paths):
        yield Progress(index / len(paths), f"Reading {index + 1}/{len(paths)}")
        try:
            photograph = photo_files.inspect_photograph(path)
            reduced = photo_files.read_reduced(path, max_side)
            digest = photo_files.file_digest(path)
        except DependencyError:
            raise
        except Exception as error:  # whatever is wrong with one, the others are used
            photos.left_out.append(LeftOut(path, failure_reason(error), unreadable=True))
            continue

        # A copy adds nothing, and would register perfectly.
        twin = digests.setdefault(digest, path)
        if twin is not path:
            photos.left_out.append(LeftOut(path, f"It is the same file as {twin.name}"))
            continue

        name = f"{len(names):04d}.png"
        with report_write_errors(folder / name):
            Image.fromarray(reduced.color).save(folder / name, compress_level=1)
        names.append(name)
        photos.photographs.append(photograph)
        photos.sizes.append((reduced.color.shape[1], reduced.color.shape[0]))
        photos.masks.append(reduced.mask)
        photos.plain.append(reduced.plain)
        photos.sharpness.append(reduced.sharpness)
    names = _without_blurred(names, photos)
    if len(names) < _LEAST:
        reasons = "; ".join(entry.reason for entry in photos.left_out[:3])
        raise ImageError(f"Only {len(names)} of {len(paths)} photographs can be used: {reasons}")
    return names


def _without_blurred(names: list[str], photos: _PhotoSet) -> list[str]:
    """Take the photographs that show hardly any detail out of ``photos``; return other names."""
    typical = float(np.median(photos.sharpness or [0.0]))
    sharp = [index for index, value in enumerate(photos.sharpness) if value >= _USELESS * typical]
    for index, photograph in enumerate(photos.photographs):
        if index not in sharp:
            photos.left_out.append(LeftOut(photograph.path, _BLURRED_REASON))

    photos.photographs = [photos.photographs[index] for index in sharp]
    photos.sizes = [photos.sizes[index] for index in sharp]
    photos.masks = [photos.masks[index] for index in sharp]
    photos.plain = [photos.plain[index] for index in sharp]
    photos.sharpness = [photos.sharpness[index] for index in sharp]
    return [names[index] for index in sharp]


def _largest_model(
    models: list[Model],
    photos: _PhotoSet,
    pairs: list[ambiguity.PairInliers],
    database: MatchDatabase,
) -> Model:
    if models and len(models[0].indices) >= _LEAST:
        return models[0]

    # What is missing: pattern, what photographs have in common, or those in between.
    total = len(photos.photographs)
    features = int(np.median(database.feature_counts))
    names = [photograph.path.name for photograph in photos.photographs]
    advice = walk_order.describe_gaps(walk_order.find_gaps(pairs, total), names)
    newspaper = "Stand the object on something patterned, such as a newspaper"
    if features < _FEW_FEATURES:
        advice = f"they show too little pattern ({features} features each). {newspaper}"
    elif not pairs:
        advice = f"no two of them show the same pattern. {newspaper}"
    elif not advice:
        advice = "take more photographs, about 20 degrees apart"
    raise ImageError(f"The cameras of {total} photographs cannot be solved: {advice}")


def _has_masks(photos: _PhotoSet, model: Model) -> bool:
    known = sum(photos.masks[index] is not None for index in model.indices)
    return known >= max(_MASKED * len(model.indices), 2)


def _other_groups(models: list[Model]) -> tuple[tuple[int, ...], ...]:
    first = set(models[0].indices) if models else set()
    groups = [tuple(index for index in model.indices if index not in first) for model in models[1:]]
    return tuple(group for group in groups if len(group) > 1)


def _check_models(models: list[Model], photos: _PhotoSet) -> _Accepted | None:
    """Return the largest model less the photographs that disagree; None if too many do."""
    model = models[0]

    # Photographs without a mask have no part in the check.
    masked = [place for place, index in enumerate(model.indices) if photos.masks[index] is not None]
    masks = [photos.masks[model.indices[place]] for place in masked]
    small = [_shrink(mask) for mask in masks if mask is not None]
    check = check_outlines([model.cameras[place] for place in masked], small)
    if not check.accepted:
        return None
    dropped = tuple(model.indices[masked[place]] for place in check.dropped)
    return _Accepted(model, _other_groups(models), dropped, float(check.agreement.min()))


def _shrink(mask: NDArray[np.bool_], side: int = 480) -> NDArray[np.bool_]:
    step = max(max(mask.shape) // side, 1)
    return mask[::step, ::step]


def _solved_scene(
    accepted: _Accepted,
    photos: _PhotoSet,
    database: MatchDatabase,
    pairs: list[ambiguity.PairInliers],
) -> SolvedScene:
    model = accepted.model
    on_object = _share_on_object(model, photos)
    frame = find_world_frame(model.cameras, model.cloud.points.astype(np.float64), on_object)

    # Cameras at the full size of the photographs, in the world.
    solved = []
    for index, camera, distortion in zip(
        model.indices, model.cameras, model.distortions, strict=True
    ):
        if index not in accepted.dropped:
            photograph = photos.photographs[index]
            full = camera.resized(photograph.width, photograph.height)
            placed = full.moved(frame.rigid).scaled(frame.factor)
            solved.append(SolvedPhotograph(photograph.path, placed, distortion, photograph.turned))

    # The cloud, and what the user must know about it.
    points = frame.apply(model.cloud.points).astype(np.float32)
    cloud: SparseCloud = replace(model.cloud, points=points)
    counts = matching.match_counts(pairs, len(photos.photographs))
    unsolved = _left_out(accepted, photos, database, counts)
    notes = _notes(accepted, photos, pairs)
    if not frame.floor_found:
        notes.append("No floor was found: up is as the photographs were held")
    return SolvedScene(
        photographs=tuple(solved),
        cloud=cloud,
        left_out=(*photos.left_out, *unsolved),
        outline_agreement=accepted.agreement,
        floor_found=frame.floor_found,
        notes=tuple(notes),
    )


def _notes(accepted: _Accepted, photos: _PhotoSet, pairs: list[ambiguity.PairInliers]) -> list[str]:
    """Return what the user must know about the cameras, and what would give more of them."""
    notes = []
    if accepted.by_object:
        notes.append("Photographs were joined by the object alone: it was moved between them")
    if accepted.agreement is None:
        notes.append("Outlines were not compared: look whether the cameras stand as you took them")

    # Where the chain of a walk is broken, photographs in between mend it.
    count = len(photos.photographs)
    if len(accepted.model.indices) < count:
        names = [photograph.path.name for photograph in photos.photographs]
        gaps = walk_order.describe_gaps(walk_order.find_gaps(pairs, count), names)
        if gaps:
            notes.append(gaps)
        if _is_broken([accepted.model], count) and not neighbor_matching.is_available():
            notes.append(neighbor_matching.install_advice())
    return notes


def _share_on_object(model: Model, photos: _PhotoSet) -> NDArray[np.float64]:
    """Return the share (P,) of masks that hold each point; NaN where no mask shows it."""
    inside = np.zeros(len(model.cloud.points))
    seen = np.zeros(len(model.cloud.points))
    for index in model.indices:
        mask = photos.masks[index]
        if mask is None:
            continue
        shown = model.observations[model.observations[:, 0] == index]
        rows = shown[:, 1].astype(int)
        np.add.at(seen, rows, 1)
        np.add.at(inside, rows, ambiguity.sample_mask(mask, shown[:, 2:]))
    share: NDArray[np.float64] = np.where(seen > 0, inside / np.maximum(seen, 1), np.nan)
    return share


def _left_out(
    accepted: _Accepted, photos: _PhotoSet, database: MatchDatabase, counts: NDArray[np.int64]
) -> list[LeftOut]:
    """Say of each photograph without a camera why it has none."""
    solved = [index for index in accepted.model.indices if index not in accepted.dropped]
    entries = []
    for index, photograph in enumerate(photos.photographs):
        if index not in solved:
            reason = _doubt(index, solved, accepted, photos)
            if database.feature_counts[index] < _FEW_FEATURES:
                reason = (
                    f"It shows too little pattern ({database.feature_counts[index]} features): "
                    "stand the object on something patterned"
                )
            best = solved[int(np.argmax(counts[index, solved]))]
            name = photos.photographs[best].path.name
            reason = reason or _match_reason(int(counts[index, best]), name)
            entries.append(LeftOut(photograph.path, reason))
    return entries


def _doubt(index: int, solved: list[int], accepted: _Accepted, photos: _PhotoSet) -> str:
    """Return what speaks against a photograph beside its matches; empty for nothing."""
    if index in accepted.dropped:
        return "The object's outline in it does not agree with the others"
    sharpness = float(np.median([photos.sharpness[other] for other in solved]))
    if photos.sharpness[index] < _BLURRED * sharpness:
        return _BLURRED_REASON
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
