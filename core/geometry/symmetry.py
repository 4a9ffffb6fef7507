"""The plane about which a mesh is nearest to its own mirror image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..cameras import Camera
from .signed_distance import Nearest, closest_on_triangles
from .winding_number import area_normals, sample_triangles

_SAMPLES = 2000
_SAME = 0.999  # cosine between normals of which only one is tried
_LYING = 0.7  # height of a normal above which a plane lies: things stand, so left and right are alike, not up and down


@dataclass(frozen=True)
class SymmetryPlane:
    """A plane through ``point`` (3,) with the unit ``normal`` (3,), and how well it mirrors a mesh.

    deviation: mean distance between the mesh and its mirror image, as a share of the mesh's longest side.
    """

    point: NDArray[np.float64]
    normal: NDArray[np.float64]
    deviation: float

    def summary(self) -> str:
        """Such as "plane across X, 0.4% off"."""
        axis = int(np.abs(self.normal).argmax())
        name = (
            "XYZ"[axis]
            if abs(self.normal[axis]) > 0.98
            else "({:.2f}, {:.2f}, {:.2f})".format(*self.normal)
        )
        return f"plane across {name}, {self.deviation:.1%} off"

    def mirror_points(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """``points`` (P, 3) on the other side of it."""
        return points - 2 * ((points - self.point) @ self.normal)[:, None] * self.normal

    def frame_rotation(self) -> NDArray[np.float64]:
        """(3, 3) rotation whose rows are the axes of a frame that has the plane at x = 0, when moved to ``point``."""
        other = np.eye(3)[np.abs(self.normal).argmin()]
        second = np.cross(self.normal, other)
        second /= np.linalg.norm(second)
        return np.stack((self.normal, second, np.cross(self.normal, second)))


def find_symmetry_plane(mesh: MeshArrays, nearest: Nearest) -> SymmetryPlane:
    """The best of the planes through the centre of area whose normals are x, y or a principal axis that is not upright.

    Args:
        nearest: of the mesh's :meth:`~.arrays.MeshArrays.to_triangles`, see ``core.scene.bvh``.
    """
    triangles = mesh.to_triangles()
    vertices = mesh.vertices.astype(float)
    points, _ = sample_triangles(vertices, triangles, _SAMPLES, np.random.default_rng(0))
    corners = vertices[triangles]
    area = np.linalg.norm(area_normals(vertices, triangles), axis=1)
    center = (corners.mean(1) * area[:, None]).sum(0) / area.sum()
    size = float(np.ptp(vertices, axis=0).max())

    def judged(normal: NDArray[np.float64]) -> SymmetryPlane:
        image = SymmetryPlane(center, normal, 0.0).mirror_points(points)
        squared, _ = closest_on_triangles(image, corners[nearest(image)])
        return SymmetryPlane(center, normal, float(np.sqrt(squared).mean()) / size)

    return min(
        (judged(normal) for normal in _candidate_normals(corners.mean(1) - center, area)),
        key=lambda plane: plane.deviation,
    )


def choose_half(mesh: MeshArrays, plane: SymmetryPlane, cameras: Sequence[Camera] = ()) -> int:
    """1 for the half of ``mesh`` that the plane's normal points to, -1 for the other.

    The better one is the one that ``cameras``, of the pictures it was made from, look at; where they see both alike,
    the one of more volume, since thin parts are lost rather than made up.
    """
    ways = [camera.to_world[:3, 2] @ plane.normal for camera in cameras]
    if ways and abs(np.sum(ways)) > 0.1:
        return int(np.sign(np.sum(ways)))
    corners = mesh.vertices[mesh.to_triangles()].astype(float) - plane.point
    volume = (corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum(1) / 6
    return 1 if (volume * np.sign(corners.mean(1) @ plane.normal)).sum() >= 0 else -1


def _candidate_normals(
    middles: NDArray[np.float64], area: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """Those worth trying, of triangles with ``middles`` (T, 3) about the centre and an ``area`` (T,)."""
    tried: list[NDArray[np.float64]] = []
    principal = np.linalg.eigh((middles * area[:, None]).T @ middles)[1].T
    for normal in (*np.eye(3)[:2], *principal):
        if abs(normal[2]) < _LYING and all(abs(normal @ other) < _SAME for other in tried):
            tried.append(normal)
            yield normal
