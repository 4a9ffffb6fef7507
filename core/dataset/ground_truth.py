"""Ground truth of a solid shape, from a triangle mesh that may be messy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..errors import MeshError
from ..geometry.occupancy_grid import inside_grid
from ..geometry.signed_distance import Tree, signed_distance
from ..geometry.winding_number import OrientedSolid, Points, orient_and_thicken
from .records import Shape

GROWN = 1.1
_SMALLEST_VOLUME = 2e-4  # of the cube: below it there is nothing for a network to learn
_NEAR = (0.005, 0.02, 0.06)  # standard deviations of the distance to the surface, in longest sides


@dataclass(frozen=True)
class UnlabelledSamples:
    """Points of which :meth:`label` tells whether they are inside: as in :class:`~.records.Shape`."""

    solid: OrientedSolid
    uniform: Points
    near: Points
    surface: NDArray[np.float32]
    surface_normals: NDArray[np.float32]

    def label(self, tree: Tree | None, bounds: NDArray[np.floating] | None = None) -> Shape:
        """The ground truth: most of its time goes here, and it may go in a thread of its own.

        Args:
            tree: see :func:`~..signed_distance.signed_distance`; None for no distances.
            bounds: (2, 3) low and high corner of the object, for a grid about them; None for no grid.

        Raises:
            MeshError: the solid is next to nothing.
        """
        count = len(self.uniform)
        both = np.concatenate((self.uniform, self.near))
        inside = self.solid.contains(both, rays=7)
        if inside[:count].mean() < _SMALLEST_VOLUME:
            raise MeshError("The mesh encloses almost no volume. It is a sheet or a wire")
        distances: list[NDArray[np.float32]] = []
        if tree:
            distances = np.split(
                signed_distance(self.solid, both, inside, tree).astype(np.float32), [count]
            )
        return Shape(
            self.uniform.astype(np.float32),
            inside[:count],
            self.near.astype(np.float32),
            inside[count:],
            self.surface,
            self.surface_normals,
            *distances,
            grid=None if bounds is None else inside_grid(self.solid, bounds),
        )


def sample_solid(mesh: MeshArrays, points: int, rng: np.random.Generator) -> UnlabelledSamples:
    """Draw points about and on the solid that ``mesh`` bounds.

    Args:
        points: how many uniform points, and as many near the surface; a quarter as many on it.

    Raises:
        MeshError: the mesh has no area, or bounds nothing.
    """
    solid = orient_and_thicken(mesh.vertices, mesh.to_triangles())
    low = mesh.vertices.min(0).astype(float)
    high = mesh.vertices.max(0).astype(float)
    size = float((high - low).max())
    surface, normals, _ = solid.sample_surface(max(points // 4, 512), rng)
    if len(surface) < 64:
        raise MeshError("The mesh encloses no volume. Close its holes or give it a thickness")
    uniform = (low + high) / 2 + size * GROWN * (rng.random((points, 3)) - 0.5)
    pick = rng.integers(0, len(surface), points)
    spread = np.array(_NEAR)[rng.integers(0, len(_NEAR), points)] * size
    near = surface[pick] + rng.normal(size=(points, 3)) * spread[:, None]
    return UnlabelledSamples(
        solid, uniform, near, surface.astype(np.float32), normals.astype(np.float32)
    )
