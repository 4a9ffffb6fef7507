"""``samples.png`` of a run of training: unseen objects' pictures, each beside what the network makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ...imaging.contact_sheet import contact_sheet
from .batches import frame_object, has_views
from .objects import TrainingObject, evenly_spaced

if TYPE_CHECKING:
    from ..networks.reconstruction import ReconstructionNetwork

_GRID = 48  # cells along the diagonal that is looked through
_TILE = 120
_LEVEL = -0.6  # logit; about where calibration puts the surface
_REACH = 0.75  # of the grid about the middle: objects are 1 long


def draw_samples(
    path: Path, model: ReconstructionNetwork, unseen: Sequence[TrainingObject]
) -> None:
    """Write four objects to ``path``: a free picture and the shape from it, a front and the shape from four sides.

    Or from as many sides as it has; nothing of what it has not.
    """
    rows = []
    for thing in evenly_spaced(unseen, 4):
        sides = [(views, False) for views in (4, 2, 1) if has_views(thing, views, False)]
        asked = [(1, True)] * has_views(thing, 1, True) + sides[:1]
        rows.append(
            (thing.name, [tile for how in asked for tile in _object_tiles(model, thing, *how)])
        )
    partial = path.with_suffix(".partial")
    Image.fromarray(contact_sheet(rows, _TILE)).save(partial, "PNG")
    partial.replace(path)


def _object_tiles(
    model: ReconstructionNetwork, thing: TrainingObject, views: int, free: bool
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """The first picture, and the shape seen from the front, right and above; each (H, W, 4)."""
    placed = frame_object(thing, views, free, np.random.default_rng(0), vary=False)
    return placed.pictures[0].transpose(1, 2, 0), _shaded_shape(model, thing, views, free)


@torch.inference_mode()
def _shaded_shape(
    model: ReconstructionNetwork, thing: TrainingObject, views: int, free: bool
) -> NDArray[np.floating]:
    from .trainer import object_logits  # training draws samples, too

    away = np.array((-0.55, 0.75, -0.45)) / np.linalg.norm((-0.55, 0.75, -0.45))
    right = np.cross(away, (0, 0, 1)) / np.linalg.norm(np.cross(away, (0, 0, 1)))
    line = np.linspace(-_REACH, _REACH, _GRID)
    down, across, deep = np.meshgrid(-line, line, line, indexing="ij")
    points = (
        across[..., None] * right + down[..., None] * np.cross(right, away) + deep[..., None] * away
    )
    near = (np.abs(points) < thing.half_extent + 0.03).all(-1)
    logits = np.full(near.shape, -99, np.float32)
    logits[near] = object_logits(
        model, replace(thing, uniform=points[near].astype(np.float32)), views, free
    )
    return _shade_surface(logits - _LEVEL, 2 * _REACH / _GRID)


def _shade_surface(field: NDArray[np.floating], spacing: float) -> NDArray[np.floating]:
    """The surface of ``field`` (H, W, K), above zero inside, seen along its last axis: (H, W, 4), lit from the left."""
    inside = field > 0
    first = inside.argmax(-1)
    after = np.take_along_axis(field, first[..., None], -1)[..., 0]
    before = np.take_along_axis(field, np.maximum(first - 1, 0)[..., None], -1)[..., 0].clip(-8)
    depth = (first - np.where(first > 0, after / (after - before), 0)) * spacing
    shown = inside.any(-1)
    depth = np.where(shown, depth, depth[shown].max() if shown.any() else 0)
    rise, slope = np.gradient(depth, spacing)
    normal = np.stack((slope, -rise, np.ones_like(depth)), axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light = (normal @ (np.array((-0.5, 0.6, 0.62)))).clip(0.0) * 0.8 + 0.2
    return np.dstack((light * 0.85, light * 0.8, light * 0.75, shown))
