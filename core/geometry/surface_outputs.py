"""A mesh as points or as voxels: the other two outputs of a field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from .color_filling import spread_colors
from .occupancy_grid import inside_lattice
from .winding_number import OrientedSolid

_MARGIN = 1  # empty cells around the voxels
# The corners of a voxel's face towards + along the first axis, counter-clockwise seen from outside.
_FACE_CORNERS = ((1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 0, 1))


@dataclass(frozen=True)
class SurfacePoints:
    """Points on a surface.

    Attributes:
        points: (P, 3) float32, meters.
        normals: (P, 3) float32, unit length, outwards.
        colors: (P, 3) float32 sRGB in 0..1.
        confidence: (P,) float32 in 0..1.
    """

    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    colors: NDArray[np.float32]
    confidence: NDArray[np.float32]


@dataclass(frozen=True)
class Voxels:
    """Cells of a regular grid.

    Attributes:
        occupancy: (X, Y, Z) bool, whether the center of the cell is inside.
        origin: (3,) float64 center of the first cell, meters.
        spacing: Side of a cell, meters.
    """

    occupancy: NDArray[np.bool_]
    origin: NDArray[np.float64]
    spacing: float


def sample_surface(mesh: MeshArrays, count: int, seed: int = 0) -> SurfacePoints:
    """Return points that are spread evenly over a mesh.

    Args:
        mesh: Its colors and confidence are interpolated; gray and 1 where it has none.
        count: Number of points.
        seed: Of the random numbers.
    """
    triangles = mesh.to_triangles()
    corners = mesh.vertices[triangles].astype(np.float64)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(across, axis=1)

    # One point in each of ``count`` equal parts of the area, so that no region is left out.
    generator = np.random.default_rng(seed)
    ends = np.cumsum(areas)
    places = (np.arange(count) + generator.random(count)) / count * ends[-1]
    chosen = np.searchsorted(ends, places, side="right").clip(0, len(areas) - 1)

    # Uniform barycentric coordinates.
    first = np.sqrt(generator.random(count))
    second = generator.random(count)
    shares = np.stack((1 - first, first * (1 - second), first * second), axis=1)

    def interpolate(values: NDArray[np.float32]) -> NDArray[np.float32]:
        mixed: NDArray[np.float32] = np.einsum("pc,pcv->pv", shares, values[triangles[chosen]])
        return mixed.astype(np.float32)

    vertex_count = len(mesh.vertices)
    colors = mesh.colors
    if colors is None:
        colors = np.full((vertex_count, 3), 0.5, np.float32)
    confidence = mesh.confidence
    if confidence is None:
        confidence = np.ones(vertex_count, np.float32)

    return SurfacePoints(
        points=interpolate(mesh.vertices),
        normals=(across[chosen] / areas[chosen, None]).astype(np.float32),
        colors=interpolate(colors),
        confidence=interpolate(confidence[:, None])[:, 0],
    )


def voxelize(mesh: MeshArrays, resolution: int) -> Voxels:
    """Return the voxels of a closed mesh.

    Args:
        mesh: Closed, its faces outwards.
        resolution: Cells along its longest side.
    """
    vertices = mesh.vertices.astype(np.float64)
    lower = vertices.min(0)
    upper = vertices.max(0)
    spacing = float((upper - lower).max()) / resolution
    side = resolution + 2 * _MARGIN
    corner = (lower + upper) / 2 - side * spacing / 2
    solid = OrientedSolid(vertices, mesh.to_triangles(), 0.0)
    inside = inside_lattice(solid, corner, spacing, side, fill_hidden=False)

    return Voxels(inside, corner + spacing / 2, spacing)


def voxel_mesh(voxels: Voxels, mesh: MeshArrays) -> MeshArrays:
    """Return the outer faces of voxels as quads.

    Args:
        voxels: Not all empty, and none at the border of the grid.
        mesh: Which they show; gives the colors.
    """
    occupancy = voxels.occupancy
    shape = np.array(occupancy.shape)
    faces = []

    for axis in range(3):
        # The corners of a face towards +, with the axes turned so that it lies along ``axis``.
        order = [(axis + step) % 3 for step in range(3)]
        corners = np.zeros((4, 3), np.int64)
        corners[:, order] = _FACE_CORNERS
        for direction in (1, -1):
            is_outer = occupancy & ~np.roll(occupancy, -direction, axis)
            cells = np.argwhere(is_outer)
            offsets = corners.copy()
            if direction < 0:
                offsets[:, axis] = 0
                offsets = offsets[::-1]
            faces.append(cells[:, None] + offsets)

    # Corners of several faces become one vertex.
    grid_corners = np.concatenate(faces).reshape(-1, 3)
    flat = np.ravel_multi_index(tuple(grid_corners.T), tuple(shape + 1))
    numbers, index = np.unique(flat, return_inverse=True)
    places = np.stack(np.unravel_index(numbers, tuple(shape + 1)), axis=1)
    vertices = (voxels.origin + (places - 0.5) * voxels.spacing).astype(np.float32)

    colors = None
    if mesh.colors is not None:
        weights = np.ones(len(mesh.vertices))
        colors = spread_colors(mesh.vertices, mesh.colors, weights, vertices)
    return MeshArrays(vertices, index.reshape(-1, 4).astype(np.int32), colors)
