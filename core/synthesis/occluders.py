"""Random small objects between camera and object, which hide at most a given share of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..cameras import Camera
from ..geometry.winding_number import sample_triangles
from .randomization import SHAPES, Occluder, Randomization
from .samplers import rotation_matrix, to_floats

_GRID_CELLS = 48  # along the image's longer side, on which hidden area is counted
_SURFACE_POINTS = 10_000  # about four for each cell of the grid, if the object fills the image

_DEPTH = (0.5, 0.85)  # of the depth where the object begins
_MAX_RADIUS = 0.9  # of the gap to the object, so that they do not intersect
_SIZE = (0.1, 0.5)  # radius, of the side of a square of the silhouette's area
_FLATTENING = (0.4, 1)  # factors of the radius along the three axes
_SHRINK = 0.8  # factor of the radius while too much is hidden
_MIN_CELLS = 0.5  # cells: a smaller radius covers no cell, and is dropped


@dataclass(frozen=True)
class _Candidate:
    """An occluder whose size is not yet fitted.

    Args:
        shape: of ``SHAPES``.
        color: sRGB in 0..1.
        center: (3,) meters.
        radius: of its bounding ball, meters.
        pixels_per_meter: at its depth.
        rotation: (3, 3).
        flattening: (3,) factors of the radius along its axes.
        distances: (K,) of the center from the rays through the silhouette's cells, meters.
    """

    shape: str
    color: tuple[float, ...]
    center: NDArray[np.float64]
    radius: float
    pixels_per_meter: float
    rotation: NDArray[np.float64]
    flattening: NDArray[np.float64]
    distances: NDArray[np.float64]


def sample_occluders(
    rng: np.random.Generator, random: Randomization, camera: Camera, mesh: MeshArrays
) -> tuple[tuple[Occluder, ...], float]:
    """Return occluders before ``mesh``; see :func:`sample_occluders_before`."""
    vertices = mesh.vertices.astype(float)
    points, _ = sample_triangles(vertices, mesh.to_triangles(), _SURFACE_POINTS, rng)
    nearest = float(camera.project(vertices)[1].min())
    return sample_occluders_before(rng, random, camera, points, nearest)


def sample_occluders_before(
    rng: np.random.Generator,
    random: Randomization,
    camera: Camera,
    points: NDArray[np.float64],
    near: float,
) -> tuple[tuple[Occluder, ...], float]:
    """Return primitives between ``camera`` and an object, and an upper limit of what they hide.

    The limit is a share of the object's silhouette: of the cells of a grid that points of its
    surface fall into, those behind the bounding balls. There are no occluders if the camera is
    within the object or sees nothing of it.

    Args:
        rng: draws the occluders.
        random: how many there are and what share they may hide.
        camera: of the view.
        points: (P, 3) on the surface, meters.
        near: depth at which the object begins, meters.
    """
    cells = _silhouette_cells(camera, points) if near > 0 else np.empty((0, 2))
    count = rng.integers(random.occluders + 1)
    if not len(cells):
        return (), 0.0

    min_pixels = _MIN_CELLS * _cell_size(camera)
    hidden = np.zeros(len(cells), bool)
    occluders = []

    for _ in range(count):
        candidate = _sample_candidate(rng, camera, cells, near)

        # Shrink until it hides no more than is left to hide; drop what is then too small.
        radius = candidate.radius
        scale = candidate.pixels_per_meter
        while radius * scale > min_pixels:
            covered = hidden | (candidate.distances <= radius)
            if covered.mean() <= random.hidden:
                break
            radius *= _SHRINK

        if radius * scale <= min_pixels:
            continue

        hidden |= candidate.distances <= radius
        matrix = np.eye(4)
        matrix[:3, :3] = candidate.rotation * (radius * candidate.flattening)
        matrix[:3, 3] = candidate.center
        occluders.append(Occluder(candidate.shape, candidate.color, matrix))

    return tuple(occluders), float(hidden.mean())


def _sample_candidate(
    rng: np.random.Generator, camera: Camera, cells: NDArray[np.float64], near: float
) -> _Candidate:
    """Return an occluder before a random cell of the silhouette.

    Args:
        rng: draws it.
        camera: of the view.
        cells: (K, 2) pixels, of the silhouette.
        near: depth at which the object begins, meters.
    """
    cell_size = _cell_size(camera)
    depth = near * rng.uniform(*_DEPTH)
    shape = SHAPES[rng.integers(len(SHAPES))]
    pixel = cells[rng.integers(len(cells))] + cell_size * rng.uniform(-0.5, 0.5, 2)

    # Size relative to the silhouette, as far as the gap to the object permits.
    pixels_per_meter = camera.intrinsics[0, 0] / (1 if camera.orthographic else depth)
    wanted = rng.uniform(*_SIZE) * cell_size * np.sqrt(len(cells)) / pixels_per_meter
    radius = min(wanted, _MAX_RADIUS * (near - depth))

    flattening = rng.uniform(*_FLATTENING, 3)
    rotation = rotation_matrix(_random_quaternion(rng))
    center = camera.unproject(pixel[None], np.array((depth,)))[0]

    return _Candidate(
        shape=shape,
        color=to_floats(rng.random(3)),
        center=center,
        radius=radius,
        pixels_per_meter=pixels_per_meter,
        rotation=rotation,
        flattening=flattening,
        distances=_distance_from_rays(camera, cells, depth, center),
    )


def _cell_size(camera: Camera) -> float:
    """Return the side of a cell of the grid, pixels."""
    return max(camera.width, camera.height) / _GRID_CELLS


def _silhouette_cells(camera: Camera, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the centers (K, 2) of the cells that ``points`` (P, 3) fall into, pixels."""
    cell_size = _cell_size(camera)
    pixels = camera.project(points)[0]
    is_inside = ((pixels >= 0) & (pixels < (camera.width, camera.height))).all(1)
    cells = np.unique((pixels[is_inside] // cell_size).astype(int), axis=0)
    centers: NDArray[np.float64] = (cells + 0.5) * cell_size
    return centers


def _distance_from_rays(
    camera: Camera, pixels: NDArray[np.float64], depth: float, point: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distances (K,), meters, of ``point`` (3,) from rays through ``pixels`` (K, 2)."""
    start = camera.unproject(pixels, np.full(len(pixels), depth))
    end = camera.unproject(pixels, np.full(len(pixels), 2 * depth))
    directions = (end - start) / np.linalg.norm(end - start, axis=1, keepdims=True)
    distances: NDArray[np.float64] = np.linalg.norm(np.cross(point - start, directions), axis=1)
    return distances


def _random_quaternion(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a unit quaternion (4,), uniform over all rotations."""
    components = rng.normal(size=4)
    unit: NDArray[np.float64] = components / np.linalg.norm(components)
    return unit
