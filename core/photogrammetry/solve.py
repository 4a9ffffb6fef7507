"""From photographs to solved cameras and a sparse cloud: the steps, and what must hold between.

    read -> features -> matches -> pairs by background -> cameras -> outlines -> (pairs by order ->
    cameras -> outlines) -> frame of the floor

Runs in a process of its own: a native library that aborts must not take Blender with it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..jobs.dependencies import require_packages
from ..jobs.task import Task, subtask
from ..jobs.temporary_folders import temporary_folder
from . import ambiguity, feature_selection, matching
from .floor import find_world_frame
from .mapping import Model
from .matching import MatchDatabase
from .records import SolvedPhotograph, SolvedScene, SolveSettings, SparseCloud
from .solving.acceptance import Accepted, accept_model
from .solving.photo_set import LEAST_PHOTOGRAPHS, PhotoSet, read_photographs
from .solving.report import describe_cameras, explain_left_out

_DEFAULTS = SolveSettings()
_STAGES = {  # where each ends, of all the work
    "read": 0.12,
    "features": 0.4,
    "matched": 0.67,
    "matches": 0.7,
    "cameras": 1.0,
}


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
    if len(paths) < LEAST_PHOTOGRAPHS:
        raise ImageError(
            f"Solving cameras needs at least {LEAST_PHOTOGRAPHS} photographs, {len(paths)} given: "
            "take 12 to 24 around the object; from one or two, use Reconstruct"
        )

    with temporary_folder() as scratch:
        return (yield from _solve_in_folder(paths, settings, scratch))


def _solve_in_folder(paths: list[Path], settings: SolveSettings, folder: Path) -> Task[SolvedScene]:
    photos = PhotoSet()
    reading = read_photographs(paths, settings.max_side, folder, photos)
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
    on_object_only = ambiguity.pairs_without_background(pairs, backgrounds)
    if on_object_only:
        matching.drop_pairs(database, on_object_only)
    has_background = on_object_only is not None
    accepting = accept_model(database, photos, pairs, settings, has_background)
    accepted = yield from subtask(accepting, _STAGES["matches"], _STAGES["cameras"])
    solved = _solved_scene(accepted, photos, database, pairs)

    return replace(solved, notes=(*notes, *solved.notes))


def _ignore_still_background(database: MatchDatabase, photos: PhotoSet) -> Task[list[str]]:
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


def _solved_scene(
    accepted: Accepted,
    photos: PhotoSet,
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
    unsolved = explain_left_out(accepted, photos, database, counts)
    notes = describe_cameras(accepted, photos, pairs)
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


def _share_on_object(model: Model, photos: PhotoSet) -> NDArray[np.float64]:
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
