"""Draw ``samples.png`` of a training run: unseen objects and the shapes that the network sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...atomic_files import write_png
from ...imaging.contact_sheet import contact_sheet
from ..networks.reconstruction import ReconstructionNetwork
from .objects import TrainingObject, evenly_spaced
from .sampling.placement import ViewQuery, frame_object, has_views
from .validation import OUTSIDE_LOGIT, object_logits

_OBJECTS = 4
_TILE = 120  # pixels
_GRID = 48  # cells along each side of the sampled cube
_LEVEL = -0.6  # logit; about where calibration puts the surface
_REACH = 0.75  # half the side of the cube about the middle: objects are 1 long
_MARGIN = 0.03  # about the bounding box, outside of which nothing is evaluated
# What the shape is seen from: the front, the right and above.
_AWAY = np.array((-0.55, 0.75, -0.45))
_UP = (0, 0, 1)
# Direction to the light in the image: from the upper left, behind the viewer.
_LIGHT = np.array((-0.5, 0.6, 0.62))
_AMBIENT = 0.2
_SHAPE_COLOR = (0.85, 0.8, 0.75)
# Logits outside are cut off here, so that the surface between two samples is found by
# interpolation.
_LOWEST = -8

_Pixels = NDArray[np.floating[Any]]


def draw_samples(
    path: Path, model: ReconstructionNetwork, unseen: Sequence[TrainingObject]
) -> None:
    """Write an image of four objects: an unposed view and its shape, a front and that of all sides.

    An object with fewer views shows what it has.

    Args:
        path: image file to write, .png; it is replaced atomically.
        model: on the CPU.
        unseen: objects to choose from.
    """
    rows = []
    for training_object in evenly_spaced(unseen, _OBJECTS):
        tiles: list[_Pixels] = []
        for query in _queries_of(training_object):
            framed = frame_object(training_object, query, np.random.default_rng(0))
            tiles.append(framed.images[0].transpose(1, 2, 0))
            tiles.append(_shaded_shape(model, training_object, query))
        rows.append((training_object.name, tiles))

    write_png(path, contact_sheet(rows, _TILE))


def _queries_of(training_object: TrainingObject) -> list[ViewQuery]:
    """Return the queries to draw: an unposed view, and the largest set of orthographic views."""
    queries = []
    unposed = ViewQuery(1, unposed=True)
    if has_views(training_object, unposed):
        queries.append(unposed)

    for count in (4, 2, 1):
        posed = ViewQuery(count, unposed=False)
        if has_views(training_object, posed):
            queries.append(posed)
            break

    return queries


@torch.inference_mode()
def _shaded_shape(
    model: ReconstructionNetwork, training_object: TrainingObject, query: ViewQuery
) -> _Pixels:
    """Return an image (H, W, 4) of the shape that the network sees."""
    # A cube of points whose last axis runs away from the viewer.
    away = _AWAY / np.linalg.norm(_AWAY)
    horizontal = np.cross(away, _UP)
    right = horizontal / np.linalg.norm(horizontal)
    up = np.cross(right, away)
    line = np.linspace(-_REACH, _REACH, _GRID)
    y, x, depth = np.meshgrid(-line, line, line, indexing="ij")
    points = x[..., None] * right
    points = points + y[..., None] * up
    points = points + depth[..., None] * away

    # The network is evaluated as in validation, at these points instead of the uniform ones.
    in_box = (np.abs(points) < training_object.half_extent + _MARGIN).all(-1)
    logits = np.full(in_box.shape, OUTSIDE_LOGIT, np.float32)
    queried = replace(training_object, uniform=points[in_box].astype(np.float32))
    logits[in_box] = object_logits(model, queried, query)

    return _shade_surface(logits - _LEVEL, 2 * _REACH / _GRID)


def _shade_surface(field: _Pixels, spacing: float) -> _Pixels:
    """Return an image (H, W, 4) of a field's surface, seen along its last axis.

    Args:
        field: (H, W, K) above zero inside.
        spacing: between its samples.
    """
    # First sample inside along each ray, and between it and the one before, the surface.
    inside = field > 0
    first = inside.argmax(-1)
    before_first = np.maximum(first - 1, 0)
    value_inside = np.take_along_axis(field, first[..., None], -1)[..., 0]
    value_before = np.take_along_axis(field, before_first[..., None], -1)[..., 0].clip(_LOWEST)
    step_back = np.where(first > 0, value_inside / (value_inside - value_before), 0)
    depth = (first - step_back) * spacing

    # Where there is no surface, a plane behind it.
    visible = inside.any(-1)
    farthest = depth[visible].max() if visible.any() else 0
    depth = np.where(visible, depth, farthest)

    # Lambert's law with some ambient light.
    row_slope, column_slope = np.gradient(depth, spacing)
    normal = np.stack((column_slope, -row_slope, np.ones_like(depth)), axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light = (normal @ _LIGHT).clip(0.0) * (1 - _AMBIENT) + _AMBIENT
    red, green, blue = _SHAPE_COLOR

    return np.dstack((light * red, light * green, light * blue, visible))
