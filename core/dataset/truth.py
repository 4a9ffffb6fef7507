"""Ground truth of a solid shape, from a triangle mesh that may be messy."""

from __future__ import annotations

import numpy as np

from ..arrays import MeshArrays
from ..errors import MeshError
from ..signed_distance import signed_distance
from ..solid import make_solid
from .records import Shape

GROWN = 1.1
_SMALLEST_VOLUME = 2e-4  # of the cube: below it there is nothing for a network to learn
_NEAR = (0.005, 0.02, 0.06)  # standard deviations of the distance to the surface, in longest sides


def ground_truth(mesh: MeshArrays, points: int, rng: np.random.Generator) -> tuple[Shape, tuple[float, ...]]:
    """Sample the solid that ``mesh`` bounds.

    Args:
        points: how many uniform points, and as many near the surface; a quarter as many on it.

    Returns:
        The samples, and the fingerprint of :func:`fingerprint`.

    Raises:
        MeshError: the mesh has no area, or bounds next to nothing.
    """
    solid = make_solid(mesh.vertices, mesh.triangles())
    low, high = mesh.vertices.min(0).astype(float), mesh.vertices.max(0).astype(float)
    size = float((high - low).max())
    surface, normals, _ = solid.surface(max(points // 4, 512), rng)
    if len(surface) < 64:
        raise MeshError("The mesh bounds no solid: nothing of its surface parts an inside from an outside")
    uniform = (low + high) / 2 + size * GROWN * (rng.random((points, 3)) - 0.5)
    pick = rng.integers(0, len(surface), points)
    spread = np.array(_NEAR)[rng.integers(0, len(_NEAR), points)] * size
    near = surface[pick] + rng.normal(size=(points, 3)) * spread[:, None]
    both = np.concatenate((uniform, near))
    inside = solid.inside(both, rays=7)
    if inside[:points].mean() < _SMALLEST_VOLUME:
        raise MeshError("The mesh bounds next to no volume: it is a sheet or a wire")
    distance = signed_distance(solid, both, inside).astype(np.float32)
    shape = Shape(
        uniform.astype(np.float32), inside[:points], near.astype(np.float32), inside[points:],
        surface.astype(np.float32), normals.astype(np.float32), distance[:points], distance[points:],
    )  # fmt: skip
    return shape, fingerprint(mesh)


def fingerprint(mesh: MeshArrays) -> tuple[float, ...]:
    """Ten numbers that a copy under another name or colour shares: proportions, area, centre and spread of the surface.

    All in longest sides, along the fixed axes: 3 extents, the area, 3 of the centre, 3 of the spread.
    """
    corners = mesh.vertices.astype(float)[mesh.triangles()]
    low, high = mesh.vertices.min(0).astype(float), mesh.vertices.max(0).astype(float)
    size = (high - low).max()
    corners = (corners - (low + high) / 2) / size
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    weight = (area / area.sum())[:, None]
    mean = (weight * corners.mean(1)).sum(0)
    square = (weight * ((corners**2).sum(1) + corners.sum(1) ** 2) / 12).sum(0)
    values = (*(high - low) / size, area.sum() / 4, *mean, *np.sqrt(np.maximum(square - mean**2, 0)))
    return tuple(round(float(value), 4) for value in values)
