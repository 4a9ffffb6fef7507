"""Ground truth of a solid shape, from a triangle mesh that need not be watertight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..errors import MeshError
from ..geometry.occupancy_grid import inside_grid
from ..geometry.signed_distance import Tree, signed_distance
from ..geometry.winding_number import OrientedSolid, Points, orient_and_thicken
from .records import Shape

GROWN = 1.1  # side of the cube of uniform points, in longest sides of the bounding box
_SMALLEST_VOLUME = 2e-4  # of the cube: a network cannot learn a smaller one
_NEAR = (0.005, 0.02, 0.06)  # standard deviations of the distance to the surface, in longest sides
_RAYS = 7  # for each point, to find out whether it is inside
_SURFACE_SHARE = 4  # one surface point for this many uniform points
_FEWEST_SURFACE_POINTS = 512  # that are sampled
_FEWEST_SURFACE = 64  # points that must remain on the surface of the solid


@dataclass(frozen=True)
class UnlabeledSamples:
    """Sample points; :meth:`label` finds out which are inside. Fields as in :class:`Shape`."""

    solid: OrientedSolid
    uniform: Points
    near: Points
    surface: NDArray[np.float32]
    surface_normals: NDArray[np.float32]

    def label(self, tree: Tree | None, bounds: NDArray[np.floating[Any]] | None = None) -> Shape:
        """Return the ground truth. This takes most of the time, and may run in another thread.

        Args:
            tree: Finds the nearest triangle, see ``geometry.signed_distance``; None for no
                distances.
            bounds: (2, 3) low and high corner of the object, for a grid around them; None for no
                grid.

        Raises:
            MeshError: The solid has almost no volume.
        """
        # Occupancy of all points at once
        count = len(self.uniform)
        points = np.concatenate((self.uniform, self.near))
        inside = self.solid.contains(points, rays=_RAYS)
        if inside[:count].mean() < _SMALLEST_VOLUME:
            raise MeshError("The mesh encloses almost no volume. It is a sheet or a wire")

        # Distances and grid are optional.
        uniform_distance = None
        near_distance = None
        if tree:
            distance = signed_distance(self.solid, points, inside, tree).astype(np.float32)
            uniform_distance, near_distance = np.split(distance, [count])
        grid = None
        if bounds is not None:
            grid = inside_grid(self.solid, bounds)

        return Shape(
            uniform=self.uniform.astype(np.float32),
            uniform_inside=inside[:count],
            near=self.near.astype(np.float32),
            near_inside=inside[count:],
            surface=self.surface,
            surface_normals=self.surface_normals,
            uniform_distance=uniform_distance,
            near_distance=near_distance,
            grid=grid,
        )


def sample_solid(mesh: MeshArrays, points: int, rng: np.random.Generator) -> UnlabeledSamples:
    """Sample points around and on the solid that a mesh bounds.

    Args:
        mesh: In any frame, which the points share.
        points: Number of uniform points, and of points near the surface; a quarter as many are on
            the surface.
        rng: Of the samples.

    Raises:
        MeshError: The mesh has no area, or bounds nothing.
    """
    # The solid, and its size
    solid = orient_and_thicken(mesh.vertices, mesh.to_triangles())
    low = mesh.vertices.min(0).astype(float)
    high = mesh.vertices.max(0).astype(float)
    size = float((high - low).max())

    # Points on its surface
    surface_count = max(points // _SURFACE_SHARE, _FEWEST_SURFACE_POINTS)
    surface, normals, _ = solid.sample_surface(surface_count, rng)
    if len(surface) < _FEWEST_SURFACE:
        raise MeshError("The mesh encloses no volume. Close its holes or give it a thickness")

    # Points in the cube around it
    in_unit_cube = rng.random((points, 3)) - 0.5
    uniform = (low + high) / 2 + size * GROWN * in_unit_cube

    # Surface points moved by normally distributed offsets of several scales
    origin_index = rng.integers(0, len(surface), points)
    scale_index = rng.integers(0, len(_NEAR), points)
    spread = np.array(_NEAR)[scale_index] * size
    offset = rng.normal(size=(points, 3)) * spread[:, None]
    near = surface[origin_index] + offset

    return UnlabeledSamples(
        solid=solid,
        uniform=uniform,
        near=near,
        surface=surface.astype(np.float32),
        surface_normals=normals.astype(np.float32),
    )
