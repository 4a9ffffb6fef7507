r"""The plane about which a mesh is nearest to its mirror image.

The plane need not run through the center of the surface, nor along an axis: what a model guesses of
the side that no image shows moves both. A start in each direction is fitted to the surface as
iterative closest points fit a rigid motion (Besl and McKay 1992), with a reflection in its place
(Combes et al., "Automatic symmetry plane estimation of bilateral objects in point clouds", CVPR
2008):

         plane
    p .    |        1. Mirror samples p of the surface.
       \   |        2. The nearest sample q of each mirror image. The worst fifth is left out.
        \  |   q    3. The plane that mirrors all p as near to their q as possible: its point is the
         . | . o       mean of all p and q, its normal an eigenvector of a 3 x 3 matrix.
           |        4. Again, until it rests. Lastly the p go to the tangent planes of their q, so
                       that it does not matter where on the surface the samples are.

A surface of which a half was guessed is often nearly symmetric about planes that its object does
not have: a guessed back resembles the front. So images have a say: the mirror image of what they
show must lie within their masks. They can say nothing on planes that face the camera, whose halves
hide each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays, SymmetryPlane, View
from ..cameras import Camera
from .rasterization import render_vertex_depth
from .winding_number import area_normals, face_normals, sample_triangles

# Deviation up to which an object looks symmetric; beyond it, mirroring makes another shape. It is a
# mean: parts may differ by far more, and all of a half may be off by twice as much.
MAX_DEVIATION = 0.03

_SAMPLES = 6000  # points of the surface
_STARTS = 12  # horizontal directions, 15 degrees apart, from which a fit begins
_COARSE_SAMPLES = (300, 1200)  # mirrored, and to find the nearest one among, for all starts
_COARSE_STEPS = 3
_FINE_SAMPLES = (400, 2500)  # likewise for the best starts
_FINE_STEPS = 2
_POLISHING_SAMPLES = (400, 3500)  # likewise with tangent planes
_POLISHING_STEPS = 6
_RESTS = 1e-6  # 1 - cosine between normals of two steps below which a fit has come to rest
_FINALISTS = 3  # starts that are fitted further
_MEASURING_SAMPLES = (600, 3600)  # likewise for the deviation
_KEPT = 0.8  # share of the pairs that count: what differs does not move the plane
_SAME_NORMAL = 0.97  # cosine between normals of which only one is fitted further
# Height of a normal above which a plane is horizontal. Such planes are not tried: the left and
# right of an object may be alike, its top and bottom are not.
_MAX_NORMAL_HEIGHT = 0.7
_NEARLY_ALONG_AXIS = 0.999  # component of a normal along an axis: 2.5 degrees
_HARDLY = 0.001  # deviation that a plane exactly across an axis may have more
_NEAR = 2.0  # spacings of the samples within which the surface around a sample counts as flat
# Share of what an image shows whose mirror image may lie outside of the mask. Of 64 objects in one
# image, 44 had a plane with less; it was that of the object for 38. With 5 % it is 35 of 37.
_MAX_OUTSIDE = 0.07
_MAX_FACING = 0.9  # cosine between normal and view direction beyond which a half hides the other
_MIN_SEEN_COSINE = 0.2  # between normal and direction to the camera, of surface that it sees
_MIN_SPACING = 1 / 512  # of the longest side, of samples whose depth buffer is rendered
_MIN_OPACITY = 0.5  # below it a pixel is background
_MIN_CERTAINTY = 0.01  # difference of the halves' mean confidences that decides
_MIN_PREFERENCE = 0.1  # sum of cosines above which the cameras see one half better

Floats = NDArray[np.floating[Any]]


def looks_symmetric(plane: SymmetryPlane) -> bool:
    """Return whether an object with this best plane looks symmetric."""
    return plane.is_confirmed and plane.deviation <= MAX_DEVIATION


def find_symmetry_plane(
    mesh: MeshArrays, views: Sequence[View] = (), upright: bool = True
) -> SymmetryPlane:
    """Return the plane with the least deviation, of those that the images confirm if there are any.

    Takes a tenth of a second, whatever the number of faces.

    Args:
        mesh: With a surface.
        views: Images that it was made from; their alpha is the mask of the object.
        upright: Whether only planes are tried that stand upright, as those of most objects do.
    """
    # The longest side is 1.
    vertices = mesh.vertices.astype(float)
    low = vertices.min(axis=0)
    size = float(np.ptp(vertices, axis=0).max()) or 1.0
    surface = _SampledSurface.of((vertices - low) / size, mesh.to_triangles())
    planes = _fitted_planes(surface, upright)

    # Back in the space of the mesh.
    surface = surface.scaled(size, low)
    seen = [_seen_points(view, surface) for view in views]
    candidates = []

    for plane in planes:
        moved = replace(plane, point=plane.point * size + low)
        votes = [_confirms(view, points, moved) for view, points in zip(views, seen, strict=True)]
        is_confirmed = not views or any(votes)
        candidates.append(replace(moved, is_confirmed=is_confirmed))

    return min(candidates, key=lambda plane: (not plane.is_confirmed, plane.deviation))


def _fitted_planes(surface: _SampledSurface, upright: bool) -> list[SymmetryPlane]:
    """Return planes of different directions with the least deviations.

    Args:
        surface: Its longest side is 1.
        upright: Whether the planes must stand upright.
    """
    # A few steps from each start.
    center = surface.points.mean(axis=0, dtype=float)
    starts = []
    for normal in _start_normals(surface, upright):
        plane = SymmetryPlane(center, normal, 0.0)
        for _ in range(_COARSE_STEPS):
            plane = surface.fitted_plane(plane, *_COARSE_SAMPLES, upright)
        starts.append(surface.measured_plane(plane, *_COARSE_SAMPLES))

    # The best ones are fitted further.
    finalists: list[SymmetryPlane] = []
    for start in sorted(starts, key=lambda plane: plane.deviation):
        is_new = all(abs(start.normal @ plane.normal) < _SAME_NORMAL for plane in finalists)
        if is_new and len(finalists) < _FINALISTS:
            finalists.append(start)

    planes = []
    for plane in finalists:
        for _ in range(_FINE_STEPS):
            plane = surface.fitted_plane(plane, *_FINE_SAMPLES, upright)
        for _ in range(_POLISHING_STEPS):
            before = plane.normal
            plane = surface.polished_plane(plane, *_POLISHING_SAMPLES, upright)
            if abs(plane.normal @ before) > 1 - _RESTS:
                break
        planes.append(_snapped_to_axis(surface, plane))

    return planes


def _snapped_to_axis(surface: _SampledSurface, plane: SymmetryPlane) -> SymmetryPlane:
    """Return ``plane`` with its deviation; exactly across an axis if that is hardly worse."""
    measured = surface.measured_plane(plane, *_MEASURING_SAMPLES)
    axis = int(np.abs(plane.normal).argmax())
    if abs(plane.normal[axis]) < _NEARLY_ALONG_AXIS:
        return measured
    across = SymmetryPlane(plane.point, np.eye(3)[axis], 0.0)
    across = surface.measured_plane(across, *_MEASURING_SAMPLES)
    return across if across.deviation < measured.deviation + _HARDLY else measured


def _seen_points(view: View, surface: _SampledSurface) -> NDArray[np.float32]:
    """Return the samples (P, 3) of ``surface`` that a camera sees."""
    cosine = (surface.normals * view.camera.directions_from(surface.points)).sum(1)
    # Tiny remains of a surface need no finer pixels.
    longest_side = float(np.ptp(surface.points, axis=0).max())
    spacing = max(surface.spacing(_SAMPLES), _MIN_SPACING * longest_side)
    buffer = render_vertex_depth(surface.points, view.camera, spacing)
    is_seen = (cosine > _MIN_SEEN_COSINE) & ~buffer.hides(surface.points, cosine)
    seen: NDArray[np.float32] = surface.points[is_seen]

    return seen


def _confirms(view: View, seen: NDArray[np.float32], plane: SymmetryPlane) -> bool:
    """Return whether an image shows both halves, and the mirror image of what it shows as well.

    Args:
        view: The image.
        seen: (P, 3) points of the surface that its camera sees.
        plane: In the same space.
    """
    camera = view.camera
    if abs(camera.to_world[:3, 2] @ plane.normal) > _MAX_FACING or not len(seen):
        return False

    pixels, depth = camera.project(plane.mirror_points(seen))
    column, row = np.floor(pixels).astype(np.int64).T
    height, width = view.image.shape[:2]
    in_image = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (depth > 0)
    opacity = view.image[row * in_image, column * in_image, 3]
    is_outside = ~in_image | (opacity < _MIN_OPACITY)

    return bool(is_outside.mean() <= _MAX_OUTSIDE)


def choose_half(mesh: MeshArrays, plane: SymmetryPlane, cameras: Sequence[Camera] = ()) -> int:
    """Return 1 if the half on the side of the plane's normal is better, -1 if the other one is.

    The better half is the one of higher confidence. Where that does not decide, it is the one that
    the cameras see; where they see both alike, the one with more volume, since thin parts are more
    often lost than invented.

    Args:
        mesh: The mesh.
        plane: Its symmetry plane.
        cameras: Of the images from which the mesh was made.
    """
    heights = (mesh.vertices - plane.point) @ plane.normal
    if mesh.confidence is not None and (heights > 0).any() and (heights < 0).any():
        certainty = mesh.confidence[heights > 0].mean() - mesh.confidence[heights < 0].mean()
        if abs(certainty) > _MIN_CERTAINTY:
            return int(np.sign(certainty))

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


def _start_normals(surface: _SampledSurface, upright: bool) -> list[NDArray[np.float64]]:
    """Return the normals (3,) from which a fit begins."""
    angles = np.arange(_STARTS) * np.pi / _STARTS
    normals = [np.array((np.cos(angle), np.sin(angle), 0.0)) for angle in angles]

    # The normal of an exact plane is one of the principal axes.
    _, eigenvectors = np.linalg.eigh(np.cov(surface.points.T))
    if not upright:
        return [*normals, *eigenvectors.T]
    level = [axis for axis in eigenvectors.T if abs(axis[2]) < _MAX_NORMAL_HEIGHT]
    return [*normals, *level]


@dataclass(frozen=True)
class _SampledSurface:
    """Points on a surface.

    Attributes:
        points: (N, 3) float32, in random order, so that any part of them is spread evenly.
        normals: (N, 3) float32 unit normals.
        area: Of the surface.
    """

    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    area: float

    @classmethod
    def of(cls, vertices: NDArray[np.float64], triangles: NDArray[np.int32]) -> _SampledSurface:
        """Sample the triangles (T, 3) of ``vertices`` (V, 3)."""
        points, faces = sample_triangles(vertices, triangles, _SAMPLES, np.random.default_rng(0))
        normals = face_normals(vertices, triangles[faces])
        area = float(np.linalg.norm(area_normals(vertices, triangles), axis=1).sum()) / 2
        return cls(points.astype(np.float32), normals.astype(np.float32), area)

    def scaled(self, factor: float, offset: NDArray[np.float64]) -> _SampledSurface:
        """Return the surface scaled by ``factor``, then moved by ``offset`` (3,)."""
        points = self.points * factor + offset
        return _SampledSurface(points.astype(np.float32), self.normals, self.area * factor**2)

    def spacing(self, count: int) -> float:
        """Return how far ``count`` samples are apart, about."""
        return float(np.sqrt(self.area / count))

    def fitted_plane(
        self, plane: SymmetryPlane, mirrored_count: int, count: int, upright: bool
    ) -> SymmetryPlane:
        """Return the plane that mirrors the samples best onto those that ``plane`` pairs them with.

        Args:
            plane: The plane so far.
            mirrored_count: Number of samples that are mirrored, the first ones.
            count: Number of samples to find the nearest one among, the last ones.
            upright: Whether the new plane must stand upright, too.
        """
        mirrored, nearest = self._mirrored_pairs(plane, mirrored_count, count)
        distance = np.linalg.norm(mirrored - self.points[nearest], axis=1)
        is_kept = distance <= np.quantile(distance, _KEPT)
        points = self.points[:mirrored_count][is_kept].astype(float)
        partners = self.points[nearest[is_kept]].astype(float)

        # Of the residuals p - q - 2 (n p - d) n, the sum of squares is that of p - q, and four
        # times that of (n p - d) (n q - d). Its minimum is at d = n m, m being the mean of all, and
        # at the eigenvector n with the lowest eigenvalue of the symmetric part of
        # sum (p - m) (q - m)^T.
        middle = (points.mean(axis=0) + partners.mean(axis=0)) / 2
        covariance = (points - middle).T @ (partners - middle)
        _, eigenvectors = np.linalg.eigh(covariance + covariance.T)
        for normal in eigenvectors.T:
            if not upright or abs(normal[2]) < _MAX_NORMAL_HEIGHT:
                return SymmetryPlane(middle, normal, plane.deviation)
        return plane

    def polished_plane(
        self, plane: SymmetryPlane, mirrored_count: int, count: int, upright: bool
    ) -> SymmetryPlane:
        """Return the plane that mirrors the samples best onto the tangent planes of their partners.

        One step of Gauss and Newton from ``plane``; see :meth:`fitted_plane`.
        """
        mirrored, nearest = self._mirrored_pairs(plane, mirrored_count, count)
        partner_normals = self.normals[nearest].astype(float)
        residual = ((mirrored - self.points[nearest]) * partner_normals).sum(1)
        is_kept = np.abs(residual) <= np.quantile(np.abs(residual), _KEPT)

        # The mirror image of p is p - 2 h n, with the height h = n (p - c) above the point c.
        normal = plane.normal
        offsets = self.points[:mirrored_count] - plane.point
        height = offsets @ normal
        along = partner_normals @ normal

        # Its change along the partner's normal, by a tilt of n to either side and a shift of c.
        tangents = plane.frame_rotation()[1:].T
        tilt = -2 * (
            (offsets @ tangents) * along[:, None] + (partner_normals @ tangents) * height[:, None]
        )
        jacobian = np.column_stack((tilt, 2 * along))
        step, *_ = np.linalg.lstsq(jacobian[is_kept], -residual[is_kept], rcond=None)

        new_normal = normal + tangents @ step[:2]
        new_normal /= np.linalg.norm(new_normal)
        if upright and abs(new_normal[2]) >= _MAX_NORMAL_HEIGHT:
            return plane
        return SymmetryPlane(plane.point + step[2] * normal, new_normal, plane.deviation)

    def measured_plane(
        self, plane: SymmetryPlane, mirrored_count: int, count: int
    ) -> SymmetryPlane:
        """Return ``plane`` with its deviation; see :meth:`fitted_plane`.

        The distance to the nearest sample would measure how far the samples are apart. Where that
        is near, the distance to its tangent plane counts.
        """
        mirrored, nearest = self._mirrored_pairs(plane, mirrored_count, count)
        offset = mirrored - self.points[nearest]
        distance = np.linalg.norm(offset, axis=1)
        height = np.abs((offset * self.normals[nearest]).sum(1))
        is_near = distance < _NEAR * self.spacing(count)
        deviation = np.where(is_near, height, distance)
        return SymmetryPlane(plane.point, plane.normal, float(deviation.mean()))

    def _mirrored_pairs(
        self, plane: SymmetryPlane, mirrored_count: int, count: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return mirrored samples (P, 3), and the indices (P,) of their nearest samples."""
        samples = self.points[:mirrored_count]
        mirrored = plane.mirror_points(samples).astype(np.float32)
        others = self.points[-count:]

        # The nearest one has the largest q p - p p / 2, here by one product of matrices.
        ones = np.ones((len(mirrored), 1), np.float32)
        half_squares = (others**2).sum(1) / 2
        extended = np.column_stack((others, -half_squares))
        products = np.concatenate((mirrored, ones), axis=1) @ extended.T
        first = len(self.points) - len(others)
        nearest: NDArray[np.int64] = products.argmax(axis=1) + first

        return mirrored, nearest
