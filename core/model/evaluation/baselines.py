"""Baselines on the same inputs: visual hull, hull carved by exact depths, mean shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays, View
from ...dataset.frames import object_frame
from ...dataset.index import ObjectLocation
from ...dataset.object_file import ObjectFile
from ...errors import MeshError
from ...geometry.surface_nets import surface_nets
from .. import metrics
from ..networks.reconstruction import BOUND

Points = NDArray[np.floating[Any]]
# From points (P, 3) to values (P,), above 0 inside.
Field = Callable[[Points], NDArray[np.float32]]

# Shares of training objects that are tried as the level of the mean shape.
_LEVELS = np.linspace(0.05, 0.6, 23)
# Points of a grid that are evaluated at once, for memory's sake.
_CHUNK = 500_000
# Pixels: depths behind and in front of a surface are cut off here.
_LARGEST_DISTANCE = 9


def hull_cover(views: Sequence[View], points: Points) -> NDArray[np.float32]:
    """Return the soft visual hull (Laurentini 1994): the least alpha (P,) of points in any view."""
    least = np.ones(len(points), np.float32)
    for view in views:
        pixels, _ = view.camera.project(points)
        least = np.minimum(least, _sample_alpha(view.image[..., 3], pixels))
    return least


def _sample_alpha(alpha: NDArray[np.float32], pixels: Points) -> NDArray[np.float32]:
    """Sample an image (H, W) bilinearly at pixel coordinates (P, 2); it is 0 outside."""
    # In the padded image, whose pixel centers are at whole numbers.
    image_size = np.array(alpha.shape[::-1])
    alpha = np.pad(alpha, 1)
    positions = (pixels + 0.5).clip(0, image_size + 0.999)
    corners = positions.astype(int).clip(0, image_size)
    i, j = corners.T
    u, v = (positions - corners).T

    # Between two columns, then between two rows.
    next_i = i + 1
    next_j = j + 1
    upper = alpha[j, i] * (1 - u) + alpha[j, next_i] * u
    lower = alpha[next_j, i] * (1 - u) + alpha[next_j, next_i] * u
    sampled: NDArray[np.float32] = upper * (1 - v) + lower * v

    return sampled


def depth_carved_hull(
    file: ObjectFile, sides: Sequence[str], to_object: NDArray[np.floating[Any]]
) -> Field:
    """Return the visual hull carved by the true depth of every pixel, as a field.

    Depth maps cannot show more (space carving, Curless and Levoy 1996, doi:10.1145/237170.237269):
    what is still wrong is hidden from all of them.

    Args:
        file: object with orthographic views.
        sides: names of the views.
        to_object: (4, 4) from the frame of the field's points to the object's frame.
    """
    to_world = np.linalg.inv(object_frame(file.record.bounds)) @ to_object
    kinds = [view.kind for view in file.record.views]
    views = [file.read_view(kinds.index(side)) for side in sides]

    # Infinite outside the object and outside the image.
    depth_maps = []
    for view in views:
        depth = np.where(view.colour[..., 3] > 127, view.depth, np.inf)
        depth_maps.append(np.pad(depth, 1, constant_values=np.inf))

    def field(points: Points) -> NDArray[np.float32]:
        world = points @ to_world[:3, :3].T + to_world[:3, 3]

        # How far each point is behind the surface in each view, pixels; those in front are outside.
        distances = []
        for view, depth_map in zip(views, depth_maps, strict=True):
            pixels, depth = view.camera.project(world)
            last_pixel = np.array(depth_map.shape[::-1]) - 1
            padded_pixels = np.floor(pixels).astype(int) + 1
            i, j = padded_pixels.clip(0, last_pixel).T
            pixels_per_meter = view.camera.intrinsics[0, 0]
            distances.append((depth - depth_map[j, i]) * pixels_per_meter)

        # Half a pixel, since the depth is that of the pixel's middle.
        behind_all = np.min(distances, axis=0) + 0.5
        clipped: NDArray[np.float32] = behind_all.clip(
            -_LARGEST_DISTANCE, _LARGEST_DISTANCE
        ).astype(np.float32)
        return clipped

    return field


class MeanShape:
    """What training objects are on average, in their frame.

    Attributes:
        grid: (D, D, D) float32 share of the objects that is inside, over the box grown by 10 %.
        level: share that counts as inside, best for those objects.
    """

    def __init__(self, grid: NDArray[np.float32], level: float) -> None:
        self.grid = grid
        self.level = level

    @classmethod
    def mean_over_objects(cls, locations: Sequence[ObjectLocation], side: int = 24) -> MeanShape:
        """Average the uniform points of objects.

        Args:
            locations: of the objects.
            side: cells along each side of the grid.
        """
        cell_count = side**3
        hits = np.zeros(cell_count)
        counts = np.zeros(cell_count)
        shapes = []

        for location in locations:
            file = location.open_object()
            shape = file.read_shape()
            low, high = file.record.bounds
            points = (shape.uniform - (low + high) / 2) / (high - low).max()
            cells = _cell_indices(points, side)
            hits += np.bincount(cells, shape.uniform_inside, cell_count)
            counts += np.bincount(cells, minlength=cell_count)
            shapes.append((cells, shape.uniform_inside))

        share = hits / np.maximum(counts, 1)

        # The level whose shape overlaps best with the objects that it is the mean of.
        def mean_iou(level: float) -> float:
            ious = [metrics.iou(share[cells] > level, inside) for cells, inside in shapes]
            return float(np.mean(ious))

        level = max(_LEVELS, key=mean_iou)
        return cls(share.reshape(side, side, side).astype(np.float32), float(level))

    def sample_at(self, points: Points, to_object: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return share minus level (P,) at points (P, 3).

        The mean shape thereby knows the object's frame and size, which no method does: its scores
        are flattering.

        Args:
            points: in any frame.
            to_object: (4, 4) from that frame to the object's.
        """
        local = points @ to_object[:3, :3].T + to_object[:3, 3]
        value = self.grid.ravel()[_cell_indices(local, len(self.grid))] - self.level
        in_box = (np.abs(local) < BOUND).all(1)
        return np.where(in_box, value, -self.level).astype(np.float32)


def _cell_indices(points: Points, side: int) -> NDArray[np.int64]:
    """Return flat indices (P,) of the cells of a grid that points (P, 3) are in, or nearest to."""
    i, j, k = ((points / (2 * BOUND) + 0.5) * side).astype(int).clip(0, side - 1).T
    indices: NDArray[np.int64] = (i * side + j) * side + k
    return indices


def extract_surface(field: Field, resolution: int = 64) -> MeshArrays | None:
    """Return the surface of a field over the volume; None if there is none.

    Args:
        field: above 0 inside.
        resolution: cells along each side of the volume.
    """
    # The corners of the grid.
    line = np.linspace(-BOUND, BOUND, resolution + 1)
    grid = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)
    points = grid.reshape(-1, 3)

    # Their values, a part at a time.
    chunks = np.array_split(points, 1 + len(points) // _CHUNK)
    values = np.concatenate([field(chunk) for chunk in chunks])
    values = values.reshape(grid.shape[:3])

    try:
        return surface_nets(
            values.astype(np.float32), 0.0, np.full(3, -BOUND), 2 * BOUND / resolution
        )
    except MeshError:
        return None
