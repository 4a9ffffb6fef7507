"""Closed solids to build objects of.

Each is a triangle mesh, oriented outwards, in any unit of length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays

Vector = Sequence[float] | NDArray[np.floating[Any]]
Points = NDArray[np.floating[Any]]

_MIN_RADIUS = 1e-4  # of a ring of a lathe: a point would make faces without area
_MIN_POLE = 1e-3  # of the rings at the poles of an ellipsoid
_MIN_DISPLACED = 0.2  # share of a vertex' distance from the center that displacement leaves


def make_box(size: Vector, center: Vector = (0, 0, 0), bevel: float = 0.0) -> MeshArrays:
    """Return a box.

    Args:
        size: (3,) along x, y and z.
        center: (3,) its center.
        bevel: length that its edges are cut off by; none if 0.
    """
    half = np.asarray(size, float) / 2
    if bevel <= 0:
        outline = np.array(((-1, -1), (1, -1), (1, 1), (-1, 1)))
        rings = np.array([np.c_[outline, np.full(4, z)] for z in (-1, 1)]) * half
        return translate_mesh(ring_mesh(rings), center)

    # Four octagonal rings; those at the ends are smaller by the bevel.
    bevel = min(bevel, 0.99 * half.min())
    inner = half - bevel
    inner_x = inner[0]
    inner_y = inner[1]
    bevelled_rings = []

    for z, growth in ((-half[2], 0.0), (-inner[2], bevel), (inner[2], bevel), (half[2], 0.0)):
        x = inner_x + growth
        y = inner_y + growth
        octagon = (
            (-inner_x, -y),
            (inner_x, -y),
            (x, -inner_y),
            (x, inner_y),
            (inner_x, y),
            (-inner_x, y),
            (-x, inner_y),
            (-x, -inner_y),
        )
        bevelled_rings.append([(u, v, z) for u, v in octagon])

    return translate_mesh(ring_mesh(np.array(bevelled_rings)), center)


def make_cylinder(
    radius: float,
    height: float,
    center: Vector = (0, 0, 0),
    top: float | None = None,
    sides: int = 24,
) -> MeshArrays:
    """Return an upright cylinder, cone or prism.

    Args:
        radius: of its foot.
        height: along z.
        center: (3,) its center.
        top: radius of its upper end; None for that of its foot.
        sides: of the polygon that its section is.
    """
    top_radius = radius if top is None else top
    profile = ((radius, -height / 2), (top_radius, height / 2))
    return translate_mesh(lathe_solid(profile, sides), center)


def lathe_solid(profile: Sequence[tuple[float, float]], sides: int = 32) -> MeshArrays:
    """Return a solid of revolution about z.

    Args:
        profile: (radius, z) from the bottom over the outside to the top, or, of a vessel, on over
            the inside down to the middle of the bottom. Both ends are closed with a flat disk.
        sides: of the polygon that its section is.
    """
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    radius, z = np.array(profile, float).T
    radius = np.maximum(radius, _MIN_RADIUS)

    # A ring of points for each point of the profile.
    x = radius[:, None] * np.cos(angles)
    y = radius[:, None] * np.sin(angles)
    ring_z = np.repeat(z[:, None], sides, 1)
    rings = np.stack((x, y, ring_z), axis=2)

    return ring_mesh(rings)


def make_ellipsoid(
    radii: Vector, center: Vector = (0, 0, 0), power: float = 2.0, rings: int = 14
) -> MeshArrays:
    """Return an ellipsoid or a superellipsoid (Barr 1981, Superquadrics).

    Args:
        radii: (3,) along x, y and z.
        center: (3,) its center.
        power: exponent of its equation: 2 an ellipsoid, more a rounded box.
        rings: from pole to pole.
    """
    latitudes = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)
    longitudes = np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False)
    exponent = 2 / power

    def signed_power(value: NDArray[np.float64]) -> NDArray[np.float64]:
        powers: NDArray[np.float64] = np.sign(value) * np.abs(value) ** exponent
        return powers

    # The unit solid by latitude and longitude; its poles are small rings, not points.
    widths = signed_power(np.cos(latitudes))
    heights = signed_power(np.sin(latitudes))
    ring_radius = np.maximum(widths, _MIN_POLE)[:, None]
    x = ring_radius * signed_power(np.cos(longitudes))
    y = ring_radius * signed_power(np.sin(longitudes))
    z = np.repeat(heights[:, None], len(longitudes), 1)

    unit_rings = np.stack((x, y, z), axis=2)
    scaled_rings = unit_rings * np.asarray(radii, float)
    return translate_mesh(ring_mesh(scaled_rings), center)


def make_torus(
    radius: float,
    thickness: float,
    center: Vector = (0, 0, 0),
    sides: int = 32,
    round_sides: int = 12,
) -> MeshArrays:
    """Return a ring about z.

    Args:
        radius: from its center to the middle of its wire.
        thickness: radius of its wire.
        center: (3,) its center.
        sides: around it.
        round_sides: around its wire.
    """
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    wire_angles = np.linspace(0, 2 * np.pi, round_sides, endpoint=False)
    distance = radius + thickness * np.cos(wire_angles)

    # A ring of the wire's section for each angle about z.
    x = np.cos(angles)[:, None] * distance
    y = np.sin(angles)[:, None] * distance
    heights = thickness * np.sin(wire_angles)
    z = np.repeat(heights[None], sides, 0)
    rings = np.stack((x, y, z), axis=2)
    torus = ring_mesh(rings, closed=True)

    return translate_mesh(torus, center)


def make_tube(
    path: Points, radius: float | Points, sides: int = 10, flat: float = 1.0
) -> MeshArrays:
    """Return a round bar along a path.

    Its rings are moved from point to point without twist (parallel transport).

    Args:
        path: (P, 3) points.
        radius: of the bar, or (P,) radii.
        sides: of its section.
        flat: factor of the radius across; below 1 the bar is flat.
    """
    points = np.asarray(path, float)
    radii = np.broadcast_to(np.asarray(radius, float), len(points))
    tangents = np.gradient(points, axis=0)
    tangents /= np.maximum(np.linalg.norm(tangents, axis=1, keepdims=True), 1e-9)

    # Any direction across the first tangent; at each point it is made perpendicular again.
    side = np.cross(tangents[0], np.eye(3)[np.argmin(np.abs(tangents[0]))])
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    cosines = np.cos(angles)[:, None]
    sines = np.sin(angles)[:, None]
    rings = []

    for point, tangent, ring_radius in zip(points, tangents, radii, strict=True):
        side = side - tangent * (side @ tangent)
        side /= max(float(np.linalg.norm(side)), 1e-9)
        across = _cross(tangent, side)
        rings.append(point + ring_radius * (cosines * side + flat * sines * across))

    return ring_mesh(np.array(rings))


def _cross(first: Points, second: Points) -> Points:
    """Return the cross product of two vectors (3,); ``np.cross`` takes eight times as long."""
    ax, ay, az = first
    bx, by, bz = second
    return np.array((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx))


def make_prism(outline: Points, height: float) -> MeshArrays:
    """Return a star-shaped outline raised from z = -height/2 to height/2.

    Args:
        outline: (P, 2) counter-clockwise about its mean.
        height: along z.
    """
    rings = [np.c_[outline, np.full(len(outline), z)] for z in (-height / 2, height / 2)]
    return ring_mesh(np.array(rings))


def translate_mesh(mesh: MeshArrays, by: Vector) -> MeshArrays:
    """Return ``mesh`` moved by a vector (3,)."""
    moved = mesh.vertices + np.asarray(by, np.float32)
    return MeshArrays(moved.astype(np.float32), mesh.faces)


def rotate_mesh(mesh: MeshArrays, axis: str, degrees: float) -> MeshArrays:
    """Return ``mesh`` rotated about an axis through the origin.

    Args:
        mesh: what is rotated.
        axis: "x", "y" or "z".
        degrees: counter-clockwise, seen from the end of the axis.
    """
    c = np.cos(np.radians(degrees))
    s = np.sin(np.radians(degrees))
    i = "xyz".index(axis)
    j = (i + 1) % 3
    k = (i + 2) % 3

    rotation = np.eye(3)
    rotation[[j, j, k, k], [j, k, j, k]] = c, -s, s, c
    return MeshArrays((mesh.vertices @ rotation.T).astype(np.float32), mesh.faces)


def stretch_mesh(mesh: MeshArrays, factors: Vector) -> MeshArrays:
    """Return ``mesh`` scaled along x, y and z by ``factors`` (3,).

    Faces keep their outer side where an odd number of factors is negative.
    """
    is_mirrored = np.prod(np.asarray(factors)) < 0
    vertices = mesh.vertices * np.asarray(factors, np.float32)
    faces = mesh.faces[:, ::-1] if is_mirrored else mesh.faces
    return MeshArrays(vertices.astype(np.float32), faces)


def displace_mesh(
    mesh: MeshArrays,
    rng: np.random.Generator,
    height: float,
    waves: int = 5,
    frequency: float = 6.0,
) -> MeshArrays:
    """Return ``mesh`` displaced from its center by a smooth random field; it stays closed.

    Args:
        mesh: what is displaced.
        rng: draws the waves.
        height: of the field.
        waves: sines that are summed.
        frequency: of the waves, radians over the mesh's longest side.
    """
    center = mesh.vertices.mean(0)
    offset = mesh.vertices - center
    distance = np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-6)
    size = float(np.ptp(mesh.vertices, axis=0).max())

    # Sum sines along random directions.
    field = np.zeros(len(offset))
    for _ in range(waves):
        direction = rng.normal(size=3)
        phase = offset @ direction * frequency / size / np.linalg.norm(direction)
        field += np.sin(phase + rng.uniform(0, 6.3)) / waves

    # Move each vertex along its line from the center, never through it.
    factor = np.maximum(1 + height * field[:, None] / distance, _MIN_DISPLACED)
    displaced = center + offset * factor
    return MeshArrays(displaced.astype(np.float32), mesh.faces)


def smooth_curve(*points: Vector, steps: int = 14) -> NDArray[np.float64]:
    """Return a smooth path (S, 3) through ``points`` (Catmull and Rom 1974).

    Args:
        *points: (3,) each.
        steps: of the path from each point to the next.
    """
    # A mirrored point before the first and after the last gives them a tangent.
    p = np.asarray(points, float)
    before = 2 * p[:1] - p[1:2]
    after = 2 * p[-1:] - p[-2:-1]
    p = np.concatenate((before, p, after))
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]

    # Between b and c the path is a cubic polynomial that also depends on a and d.
    segments = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False):
        linear = (c - a) * t
        quadratic = (2 * a - 5 * b + 4 * c - d) * t**2
        cubic = (3 * b - a - 3 * c + d) * t**3
        segments.append(0.5 * (2 * b + linear + quadratic + cubic))

    return np.concatenate((*segments, p[-2:-1]))


def ring_mesh(rings: Points, closed: bool = False) -> MeshArrays:
    """Return the triangles between successive rings of points.

    The first and the last ring are closed with a fan, or joined if ``closed``.

    Args:
        rings: (R, S, 3), each counter-clockwise seen against the direction in which they follow.
        closed: whether the last ring is joined to the first.
    """
    count, sides = rings.shape[:2]
    index = np.arange(count * sides).reshape(count, sides)

    # Two triangles for each quad a, b, c, d between a ring and the next.
    a = index if closed else index[:-1]
    d = np.roll(index, -1, 0) if closed else index[1:]
    b = np.roll(a, -1, 1)
    c = np.roll(d, -1, 1)
    faces = [np.stack((a, b, c), -1).reshape(-1, 3), np.stack((a, c, d), -1).reshape(-1, 3)]

    # A fan at each end, about the ring's mean.
    vertices = rings.reshape(-1, 3)
    if not closed:
        for ring, is_first in ((index[0], True), (index[-1], False)):
            middle = len(vertices)
            vertices = np.concatenate((vertices, vertices[ring].mean(0, keepdims=True)))
            fan = np.stack((ring, np.roll(ring, -1), np.full(sides, middle)), axis=1)
            faces.append(fan[:, ::-1] if is_first else fan)

    mesh = MeshArrays(vertices.astype(np.float32), np.concatenate(faces).astype(np.int32))
    if signed_volume(mesh) < 0:
        return MeshArrays(mesh.vertices, mesh.faces[:, ::-1])
    return mesh


def signed_volume(mesh: MeshArrays) -> float:
    """Return the volume of a closed ``mesh``; negative if its faces look inwards."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]].astype(float) for corner in range(3))
    return float((a * np.cross(b, c)).sum() / 6)
