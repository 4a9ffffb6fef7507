r"""Let an object that stands reach one floor with all of its feet, and cut them flat.

        |  |     |  |              |  |     |  |
        |  |     |  |      ->      |  |     |  |
        |  |     '--'              |  |     |  |
        '--'  _ _ _ _ _  floor     |__|_ _ _|__|

1. Feet: the connected parts of the mesh below ``_FOOT_SHARE`` of the height. The lift of a foot is
   the height of a plane, that of its sole, which may be askew; the plane touches it from below.
2. The lowest part of the object is stretched down by the lift of the feet, weighted by how near
   these are. This moves points of space along z only, less with their height and not at all above
   three times that share, and keeps their order. So the mesh stays closed, and cannot fold.
3. What is below ``_CUT_SHARE`` of the height is pressed onto the floor, and what is above follows
   it down, also in order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...imaging.morphology import connected_components

Floats = NDArray[np.floating[Any]]

_FOOT_SHARE = 0.06  # of the height, below which parts are feet, and by which they move at most
_STRETCHED_SHARE = 3 * _FOOT_SHARE  # of the height, above which nothing moves
_CUT_SHARE = 0.01  # of the height, which is pressed flat
_FLATNESS = 0.01  # of it that is left: vertices keep their order, and no face loses its area
_NEAREST_DISTANCE = 0.01  # of the width, below which a foot alone decides
_FOOT_POINTS = 32  # points of a foot from which the distance to it is measured
_MAX_FEET = 16  # of the largest ones
_SOLE_COSINE = 0.7  # between normals of the sole and down
_MIN_SOLE = 8  # faces of a sole whose slope is known
_SLOPE_DAMPING = 0.1  # weight of a level sole, so that a very narrow one is not askew
_MIN_SPAN = 0.21  # extent of what touches the floor, relative to the object; a ball has 0.20
_MAX_OVERHANG = 0.05  # of the object's extent, by which the center of mass may be beyond the hull
_HULL_DIRECTIONS = 32


@dataclass(frozen=True)
class _Foot:
    """A part of a mesh near the floor.

    Attributes:
        plane: (3,) height above the lowest point of the mesh at x = y = 0, and its slopes along x
            and y.
        bounds: (2, 2) lowest and highest x and y of its sole.
        points: (P, 2) x and y of some of its vertices.
        contact: (C, 2) x and y of those within ``_CUT_SHARE`` of the plane.
    """

    plane: NDArray[np.float64]
    bounds: NDArray[np.float64]
    points: NDArray[np.float64]
    contact: NDArray[np.float64]

    def lift_at(self, points: Floats, limit: float) -> NDArray[np.float64]:
        """Return the height (P,) of the sole at points (P, 2), or at the nearest ones of it.

        Args:
            points: x and y, meters.
            limit: Largest height.
        """
        return _plane_heights(self.plane, points.clip(*self.bounds)).clip(0, limit)


def flatten_base(mesh: MeshArrays, flat_base: bool | None = None) -> MeshArrays:
    """Return the mesh with all of its feet on one floor, and flat there.

    An object stands if what touches the floor extends over a fifth of it along x and y, and if the
    center of mass is above the convex hull of that, or nearly so, since neither is known exactly.

    Args:
        mesh: A closed mesh, z up.
        flat_base: Whether to do so; None for objects that stand.
    """
    height = _height(mesh)
    if flat_base is False or height <= 0:
        return mesh
    feet = _find_feet(mesh)
    if flat_base is None and not _feet_carry(mesh, feet):
        return mesh

    vertices = mesh.vertices.astype(float)
    floor = vertices[:, 2].min()
    is_low = vertices[:, 2] < floor + _STRETCHED_SHARE * height
    low = vertices[is_low]
    altitude = (low[:, 2] - floor) / height

    # Stretch down to the floor.
    lift = _lift_at(low[:, :2], feet, _FOOT_SHARE * height) / height
    fraction = (altitude - _FOOT_SHARE) / (_STRETCHED_SHARE - _FOOT_SHARE)
    fraction = fraction.clip(0, 1)
    fade = 1 - fraction**2 * (3 - 2 * fraction)
    altitude = altitude - lift * fade

    # Press flat what is below the cut, and stretch down to there what is above.
    kept = _CUT_SHARE * _FLATNESS
    rate = (_STRETCHED_SHARE - kept) / (_STRETCHED_SHARE - _CUT_SHARE)
    stretched = kept + (altitude - _CUT_SHARE) * rate
    altitude = np.where(altitude < _CUT_SHARE, altitude * _FLATNESS, stretched)
    vertices[is_low, 2] = floor + altitude * height

    return replace(mesh, vertices=vertices.astype(np.float32))


def has_flat_base(mesh: MeshArrays) -> bool:
    """Return whether a mesh is flat where it touches the floor, so that it stands."""
    vertices = mesh.vertices
    lowest = float(vertices[:, 2].min())
    is_contact = vertices[:, 2] <= lowest + 2 * _CUT_SHARE * _FLATNESS * _height(mesh)
    return _carries(mesh, vertices[is_contact, :2].astype(float))


def _height(mesh: MeshArrays) -> float:
    if not len(mesh.vertices):
        return 0.0
    return float(np.ptp(mesh.vertices[:, 2]))


def _find_feet(mesh: MeshArrays) -> list[_Foot]:
    """Return the feet of a mesh with a height, the largest ones first."""
    vertices = mesh.vertices.astype(float)
    height = _height(mesh)
    altitude = vertices[:, 2] - vertices[:, 2].min()
    low = np.flatnonzero(altitude <= _FOOT_SHARE * height)
    number = np.full(len(vertices), -1)
    number[low] = np.arange(len(low))

    # Connected parts of the low vertices.
    numbered = number[mesh.faces]
    following = np.roll(numbered, -1, axis=1)
    is_low_edge = (numbered >= 0) & (following >= 0)
    edges = np.stack((numbered[is_low_edge], following[is_low_edge]), axis=1)
    labels = connected_components(edges, len(low))

    # The sole: centers of low faces that look down.
    low_faces = mesh.faces[(numbered >= 0).all(1)]
    diagonals = vertices[low_faces[:, 2]] - vertices[low_faces[:, 0]]
    others = vertices[low_faces[:, -1]] - vertices[low_faces[:, 1]]
    normals = np.cross(diagonals, others)
    looks_down = normals[:, 2] < -_SOLE_COSINE * np.linalg.norm(normals, axis=1)
    sole_faces = low_faces[looks_down]
    sole = vertices[sole_faces].mean(1) - (0, 0, vertices[:, 2].min())
    sole_labels = labels[number[sole_faces[:, 0]]]

    points = vertices[low] - (0, 0, vertices[:, 2].min())
    sizes = np.bincount(labels)
    largest = np.argsort(-sizes, kind="stable")[:_MAX_FEET]

    return [
        _make_foot(points[labels == label], sole[sole_labels == label], _CUT_SHARE * height)
        for label in largest
    ]


def _make_foot(points: Floats, sole: Floats, tolerance: float) -> _Foot:
    """Return a foot.

    Args:
        points: (P, 3) its vertices, with heights above the lowest point of the mesh.
        sole: (S, 3) points of its sole, likewise.
        tolerance: Height above the plane of the sole of what touches the floor.
    """
    # The plane that fits best, where it is known, moved down until it is below everything.
    plane = np.zeros(3)
    if len(sole) >= _MIN_SOLE:
        middle = sole.mean(0)
        offsets = sole - middle
        scale = np.ptp(sole[:, :2], axis=0).max()
        slopes = np.linalg.lstsq(
            np.concatenate((offsets[:, :2], np.eye(2) * _SLOPE_DAMPING * scale)),
            np.concatenate((offsets[:, 2], np.zeros(2))),
            rcond=None,
        )[0]
        plane[1:] = slopes

    excess = points[:, 2] - _plane_heights(plane, points[:, :2])
    plane[0] = excess.min()

    is_contact = excess <= plane[0] + tolerance
    contact = points[is_contact, :2]
    every = -(-len(points) // _FOOT_POINTS)
    bounds = np.stack((contact.min(0), contact.max(0)))

    return _Foot(plane, bounds, points[::every, :2], contact)


def _plane_heights(plane: Floats, points: Floats) -> NDArray[np.float64]:
    """Return the heights (P,) of a plane (3,), see :class:`_Foot`, at points (P, 2)."""
    return np.asarray(plane[0] + points @ plane[1:])


def _lift_at(points: Floats, feet: list[_Foot], limit: float) -> NDArray[np.float64]:
    """Return the lift (P,) at points (P, 2): that of the feet, weighted by how near they are.

    Args:
        points: x and y, meters.
        feet: The feet.
        limit: The largest lift.
    """
    if len(feet) == 1:
        return feet[0].lift_at(points, limit)
    width = max(float(np.ptp(points, axis=0).max()), 1e-12)
    nearest = _NEAREST_DISTANCE * width
    total = np.zeros(len(points))
    total_weight = np.zeros(len(points))

    for foot in feet:
        offsets = points[:, None] - foot.points
        squared = (offsets**2).sum(2).min(1)
        weight = (squared / nearest**2 + 1) ** -2
        total += weight * foot.lift_at(points, limit)
        total_weight += weight

    lift: NDArray[np.float64] = total / total_weight
    return lift


def _feet_carry(mesh: MeshArrays, feet: list[_Foot]) -> bool:
    """Return whether a mesh would stand on its feet once all of them reach the floor."""
    return _carries(mesh, np.concatenate([foot.contact for foot in feet]))


def _carries(mesh: MeshArrays, contact: NDArray[np.float64]) -> bool:
    """Return whether points (C, 2) of the floor carry a mesh: far apart, and around its center."""
    if len(contact) < 3:
        return False
    span = np.ptp(contact, axis=0)
    extent = np.ptp(mesh.vertices[:, :2], axis=0)
    if (span < _MIN_SPAN * extent).any():
        return False

    # The center is within the convex hull if it is in every direction behind some point.
    angles = np.arange(_HULL_DIRECTIONS) * (2 * np.pi / _HULL_DIRECTIONS)
    directions = np.stack((np.cos(angles), np.sin(angles)))
    reach = (contact @ directions).max(0)
    overhang = _center_of_mass(mesh)[:2] @ directions - reach

    return bool((overhang <= _MAX_OVERHANG * extent.max()).all())


def _center_of_mass(mesh: MeshArrays) -> NDArray[np.float64]:
    """Return the center (3,) of the volume of a closed mesh; of its vertices if it has none."""
    middle = mesh.vertices.mean(0).astype(float)
    corners = mesh.vertices[mesh.to_triangles()].astype(float) - middle
    normals = np.cross(corners[:, 1], corners[:, 2])
    volumes = (corners[:, 0] * normals).sum(1) / 6
    total = volumes.sum()
    if total <= 0:
        return np.asarray(middle)

    # Of tetrahedra about the middle, each weighted by its volume.
    centers = corners.sum(1) / 4
    center = (centers * volumes[:, None]).sum(0) / total

    return np.asarray(middle + center)
