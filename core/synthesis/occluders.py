"""Draws small things between the camera and the object, which hide no more of it than they may."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..cameras import Camera
from ..geometry.winding_number import sample_triangles
from .randomization import SHAPES, Occluder, Randomization
from .samplers import rotation_matrix, to_floats

_CELLS = 48  # along the picture: how finely is counted what is hidden
_POINTS = 10_000


def sample_occluders(
    rng: np.random.Generator, random: Randomization, camera: Camera, mesh: MeshArrays
) -> tuple[tuple[Occluder, ...], float]:
    """As :func:`sample_occluders_before` the object ``mesh``."""
    vertices = mesh.vertices.astype(float)
    points, _ = sample_triangles(vertices, mesh.to_triangles(), _POINTS, rng)
    return sample_occluders_before(
        rng, random, camera, points, float(camera.project(vertices)[1].min())
    )


def sample_occluders_before(
    rng: np.random.Generator,
    random: Randomization,
    camera: Camera,
    points: NDArray[np.float64],
    near: float,
) -> tuple[tuple[Occluder, ...], float]:
    """Primitives between ``camera`` and what is to be seen, and what share of its silhouette they hide at most.

    The share is counted of their bounding balls, on the cells of a grid that points of the surface fall into. None
    is drawn where the camera is within the object or nothing of it is in the picture.

    Args:
        points: (P, 3) of its surface, metres. near: the depth at which it begins, metres.
    """
    spots = _silhouette_cells(camera, points) if near > 0 else np.empty((0, 2))
    count = rng.integers(random.occluders + 1)
    if not len(spots):
        return (), 0.0
    cell = max(camera.width, camera.height) / _CELLS
    behind = np.zeros(len(spots), bool)
    found = []
    for _ in range(count):
        depth = near * rng.uniform(0.5, 0.85)
        shape = SHAPES[rng.integers(len(SHAPES))]
        spot = spots[rng.integers(len(spots))] + cell * rng.uniform(-0.5, 0.5, 2)
        metre = camera.intrinsics[0, 0] / (
            1 if camera.orthographic else depth
        )  # pixels of one at that depth
        radius = min(
            rng.uniform(0.1, 0.5) * cell * np.sqrt(len(spots)) / metre, 0.9 * (near - depth)
        )
        thin = rng.uniform(0.4, 1, 3)
        turn = _random_quaternion(rng)
        color = to_floats(rng.random(3))
        center = camera.unproject(spot[None], np.array((depth,)))[0]
        distance = _from_rays(camera, spots, depth, center)
        while (
            radius * metre > 0.5 * cell and (behind | (distance <= radius)).mean() > random.hidden
        ):
            radius *= 0.8
        if radius * metre > 0.5 * cell:
            behind |= distance <= radius
            matrix = np.eye(4)
            matrix[:3, :3] = rotation_matrix(turn) * (radius * thin)
            matrix[:3, 3] = center
            found.append(Occluder(shape, color, matrix))
    return tuple(found), float(behind.mean())


def _silhouette_cells(camera: Camera, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, 2) pixels: the middles of the grid's cells that ``points`` (P, 3) fall into, within the picture."""
    cell = max(camera.width, camera.height) / _CELLS
    pixels = camera.project(points)[0]
    pixels = pixels[((pixels >= 0) & (pixels < (camera.width, camera.height))).all(1)]
    return (np.unique((pixels // cell).astype(int), axis=0) + 0.5) * cell


def _from_rays(
    camera: Camera, pixels: NDArray[np.float64], depth: float, point: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(K,) distance of ``point`` from the rays through ``pixels`` (K, 2), metres."""
    here, there = (
        camera.unproject(pixels, np.full(len(pixels), far)) for far in (depth, 2 * depth)
    )
    way = (there - here) / np.linalg.norm(there - here, axis=1, keepdims=True)
    return np.linalg.norm(np.cross(point - here, way), axis=1)


def _random_quaternion(rng: np.random.Generator) -> NDArray[np.float64]:
    four = rng.normal(size=4)
    return four / np.linalg.norm(four)
