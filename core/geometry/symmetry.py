"""The plane about which a mesh is nearest to its mirror image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..cameras import Camera
from .signed_distance import Nearest, closest_on_triangles
from .winding_number import area_normals, sample_triangles

_SAMPLES = 2000  # points of the surface that are mirrored
_SAME_NORMAL = 0.999  # cosine between normals of which only one is tried
# Height of a normal above which a plane is horizontal. Such planes are not tried: the left and
# right of an object may be alike, its top and bottom are not.
_MAX_NORMAL_HEIGHT = 0.7
_ALONG_AXIS = 0.98  # component of a normal above which it is named by the axis
_MIN_PREFERENCE = 0.1  # sum of cosines above which the cameras see one half better


@dataclass(frozen=True)
class SymmetryPlane:
    """A plane, and how well it mirrors a mesh.

    Attributes:
        point: (3,) a point of the plane, meters.
        normal: (3,) unit normal.
        deviation: Mean distance between the mesh and its mirror image, as a share of the mesh's
            longest side.
    """

    point: NDArray[np.float64]
    normal: NDArray[np.float64]
    deviation: float

    def summary(self) -> str:
        """Return a text such as "plane across X, 0.4% off"."""
        axis = int(np.abs(self.normal).argmax())
        if abs(self.normal[axis]) > _ALONG_AXIS:
            name = "XYZ"[axis]
        else:
            name = "({:.2f}, {:.2f}, {:.2f})".format(*self.normal)
        return f"plane across {name}, {self.deviation:.1%} off"

    def mirror_points(self, points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the mirror images (P, 3) of ``points`` (P, 3)."""
        height = ((points - self.point) @ self.normal)[:, None]
        mirrored: NDArray[np.float64] = points - 2 * height * self.normal
        return mirrored

    def frame_rotation(self) -> NDArray[np.float64]:
        """Return the rotation (3, 3) to a frame with the plane at x = 0; rows are its axes.

        The frame's origin is at ``point``.
        """
        helper = np.eye(3)[np.abs(self.normal).argmin()]
        second = np.cross(self.normal, helper)
        second /= np.linalg.norm(second)
        return np.stack((self.normal, second, np.cross(self.normal, second)))


def find_symmetry_plane(mesh: MeshArrays, nearest: Nearest) -> SymmetryPlane:
    """Return the plane with the least deviation through the center of a mesh's surface.

    The normals x, y and those principal axes that are not upright are tried.

    Args:
        mesh: The mesh.
        nearest: Finds the nearest of its triangles (``MeshArrays.to_triangles``), see
            ``core.scene.bvh``.
    """
    triangles = mesh.to_triangles()
    vertices = mesh.vertices.astype(float)
    points, _ = sample_triangles(vertices, triangles, _SAMPLES, np.random.default_rng(0))

    corners = vertices[triangles]
    area = np.linalg.norm(area_normals(vertices, triangles), axis=1)
    face_centers = corners.mean(1)
    center = (face_centers * area[:, None]).sum(0) / area.sum()
    size = float(np.ptp(vertices, axis=0).max())

    def measured_plane(normal: NDArray[np.float64]) -> SymmetryPlane:
        mirrored = SymmetryPlane(center, normal, 0.0).mirror_points(points)
        squared, _ = closest_on_triangles(mirrored, corners[nearest(mirrored)])
        return SymmetryPlane(center, normal, float(np.sqrt(squared).mean()) / size)

    normals = _candidate_normals(face_centers - center, area)
    planes = [measured_plane(normal) for normal in normals]
    return min(planes, key=lambda plane: plane.deviation)


def choose_half(mesh: MeshArrays, plane: SymmetryPlane, cameras: Sequence[Camera] = ()) -> int:
    """Return 1 if the half on the side of the plane's normal is better, -1 if the other one is.

    The better half is the one that the cameras see. Where they see both alike, it is the one with
    more volume, since thin parts are more often lost than invented.

    Args:
        mesh: The mesh.
        plane: Its symmetry plane.
        cameras: Of the images from which the mesh was made.
    """
    cosines = [camera.to_world[:3, 2] @ plane.normal for camera in cameras]
    preference = np.sum(cosines)
    if cosines and abs(preference) > _MIN_PREFERENCE:
        return int(np.sign(preference))

    # Volumes of tetrahedra with a point of the plane, positive on the normal's side.
    corners = mesh.vertices[mesh.to_triangles()].astype(float) - plane.point
    normals = np.cross(corners[:, 1], corners[:, 2])
    volume = (corners[:, 0] * normals).sum(1) / 6
    side = np.sign(corners.mean(1) @ plane.normal)
    if (volume * side).sum() >= 0:
        return 1
    return -1


def _candidate_normals(
    face_centers: NDArray[np.float64], area: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """Yield the normals (3,) to try.

    Args:
        face_centers: (T, 3) centers of the triangles about the center of the surface.
        area: (T,) their areas, in any unit.
    """
    weighted_centers = face_centers * area[:, None]
    covariance = weighted_centers.T @ face_centers
    _, eigenvectors = np.linalg.eigh(covariance)
    x_and_y = np.eye(3)[:2]
    candidates = (*x_and_y, *eigenvectors.T)

    # Skip directions that are nearly upright or nearly the same as an earlier one.
    tried: list[NDArray[np.float64]] = []
    for normal in candidates:
        is_new = all(abs(normal @ other) < _SAME_NORMAL for other in tried)
        if abs(normal[2]) < _MAX_NORMAL_HEIGHT and is_new:
            tried.append(normal)
            yield normal
