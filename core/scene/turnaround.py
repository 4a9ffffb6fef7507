"""Stands the figures of a turnaround around the origin, as references."""

from __future__ import annotations

from collections.abc import Mapping

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from ..cameras import SIDES, look_at

_AWAY = 1.5  # of the largest figure, that each stands from the origin


def place_references(
    collection: bpy.types.Collection,
    name: str,
    figures: Mapping[str, NDArray[np.float32]],
    size: float,
) -> list[bpy.types.Object]:
    """An image empty for each of ``figures``, with its picture in the file, at one scale and on the ground.

    Each stands behind the object as it shows it, so that in front view the mesh lies before the front's.

    Args:
        name: of the sheet. figures: cut out (H, W, 4) by the names of ``cameras.SIDES``. size: of the largest, metres.
    """
    scale = size / max(max(figure.shape[:2]) for figure in figures.values())
    made = []
    for side, figure in figures.items():
        image = _pack_image(f"{name} {side}", np.pad(figure, ((1, 1), (1, 1), (0, 0))))
        width, height = image.size
        empty = bpy.data.objects.new(side.capitalize(), None)
        collection.objects.link(empty)
        empty.empty_display_type = 'IMAGE'
        empty.data = image
        empty.empty_display_size = max(width, height) * scale
        empty.empty_image_side = 'FRONT'
        direction, up = (np.array(vector, float) for vector in SIDES[side])
        empty.empty_image_offset = (-0.5, -0.5 if direction[2] else -1 / height)
        pose = look_at(direction, np.zeros(3), up)
        pose[:3, 3] = -_AWAY * size * direction
        empty.matrix_world = Matrix(pose)
        made.append(empty)
    return made


def _pack_image(name: str, values: NDArray[np.float32]) -> bpy.types.Image:
    """An image of the open file with ``values`` (H, W, 4), row 0 at the top, sRGB and straight alpha."""
    image = bpy.data.images.new(name, values.shape[1], values.shape[0], alpha=True)
    image.pixels.foreach_set(np.ascontiguousarray(values[::-1], np.float32).ravel())
    image.pack()
    return image
