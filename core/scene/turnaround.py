"""Places the figures of a turnaround sheet around the origin, as references."""

from __future__ import annotations

from collections.abc import Mapping

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from ..cameras import SIDES, look_at
from .images import image_from_pixels

_DISTANCE = 1.5  # from the origin to each image, in sizes of the largest figure


def place_references(
    collection: bpy.types.Collection,
    name: str,
    figures: Mapping[str, NDArray[np.float32]],
    size: float,
) -> list[bpy.types.Object]:
    """Add an image empty for each figure, all at one scale and on the ground.

    Each is behind the object as seen from its side, so that in front view the mesh is in front of
    the front image. The images are packed into the file.

    Args:
        collection: The empties are linked to it.
        name: Of the sheet; the images are named after it.
        figures: Cut out images (H, W, 4) by the names of ``cameras.SIDES``.
        size: Of the largest figure, meters.
    """
    # One scale for all figures: the largest one has the requested size.
    largest = max(max(figure.shape[:2]) for figure in figures.values())
    pixel_size = size / largest
    empties = []

    for side, figure in figures.items():
        # A transparent border of a pixel, so that edges are not smeared outward.
        padded = np.pad(figure, ((1, 1), (1, 1), (0, 0)))
        image = image_from_pixels(f"{name} {side}", padded)

        # An empty at its place behind the object.
        empty = bpy.data.objects.new(side.capitalize(), None)
        collection.objects.link(empty)
        _set_up_empty(empty, image, side, pixel_size)
        empty.matrix_world = Matrix(_empty_pose(side, _DISTANCE * size))
        empties.append(empty)

    return empties


def _set_up_empty(
    empty: bpy.types.Object, image: bpy.types.Image, side: str, pixel_size: float
) -> None:
    """Let ``empty`` show ``image`` from one side, with its figure above the ground.

    Args:
        empty: To change.
        image: With a border of one pixel.
        side: Of ``cameras.SIDES``.
        pixel_size: Meters.
    """
    width, height = image.size
    empty.empty_display_type = 'IMAGE'
    empty.data = image

    # The display size is that of the longer side.
    longer_side = max(width, height)
    empty.empty_display_size = longer_side * pixel_size
    empty.empty_image_side = 'FRONT'

    # Images of the top and bottom are centered; in the others the figure starts above the border.
    direction, _ = SIDES[side]
    offset_y = -0.5 if direction[2] else -1 / height
    empty.empty_image_offset = (-0.5, offset_y)


def _empty_pose(side: str, distance: float) -> NDArray[np.float64]:
    """Return the matrix (4, 4) of an image that faces the viewer of ``side``, behind the origin."""
    direction, up = (np.array(vector, float) for vector in SIDES[side])
    pose = look_at(direction, np.zeros(3), up)
    pose[:3, 3] = -distance * direction
    return pose
