"""Closed solids to build objects of: each a triangle mesh, oriented outwards, in any unit of length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays

Vector = Sequence[float] | NDArray[np.floating]


def make_box(size: Vector, center: Vector = (0, 0, 0), bevel: float = 0.0) -> MeshArrays:
    """A box of ``size`` (3,); its edges cut off by ``bevel`` (a length) if above zero."""
    half = np.asarray(size, float) / 2
    if bevel <= 0:
        corners = (
            np.array([(x, y, z) for z in (-1, 1) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
            * half
        )
        return translate_mesh(ring_mesh(corners.reshape(2, 4, 3)), center)
    bevel = min(bevel, 0.99 * half.min())
    inner = half - bevel
    rings = []
    for z, grown in ((-half[2], 0.0), (-inner[2], bevel), (inner[2], bevel), (half[2], 0.0)):
        x = inner[0] + grown
        y = inner[1] + grown
        a = inner[0]
        b = inner[1]
        outline = ((-a, -y), (a, -y), (x, -b), (x, b), (a, y), (-a, y), (-x, b), (-x, -b))
        rings.append([(u, v, z) for u, v in outline])
    return translate_mesh(ring_mesh(np.array(rings)), center)


def make_cylinder(
    radius: float,
    height: float,
    center: Vector = (0, 0, 0),
    top: float | None = None,
    sides: int = 24,
) -> MeshArrays:
    """An upright cylinder about ``center``; a cone or prism with another radius at the ``top`` or few ``sides``."""
    return translate_mesh(
        lathe_solid(((radius, -height / 2), (radius if top is None else top, height / 2)), sides),
        center,
    )


def lathe_solid(profile: Sequence[tuple[float, float]], sides: int = 32) -> MeshArrays:
    """A solid of revolution about z.

    Args:
        profile: (radius, z) from the lowest middle over the outside to the highest, or, for a vessel, on over the
            inside and down to the bottom's middle. Both ends are closed with a flat disc.
    """
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    radius, z = np.array(profile, float).T
    radius = np.maximum(radius, 1e-4)
    rings = np.stack(
        (
            radius[:, None] * np.cos(turn),
            radius[:, None] * np.sin(turn),
            np.repeat(z[:, None], sides, 1),
        ),
        axis=2,
    )
    return ring_mesh(rings)


def make_ellipsoid(
    radii: Vector, center: Vector = (0, 0, 0), power: float = 2.0, rings: int = 14
) -> MeshArrays:
    """An ellipsoid, or with a ``power`` above 2 a rounded box (superellipsoid, Barr 1981)."""
    polar = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)
    turn = np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False)
    bent = 2 / power

    def curve(value: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.sign(value) * np.abs(value) ** bent

    flat = np.maximum(curve(np.cos(polar)), 1e-3)[:, None]
    grid = np.stack(
        (
            flat * curve(np.cos(turn)),
            flat * curve(np.sin(turn)),
            np.repeat(curve(np.sin(polar))[:, None], len(turn), 1),
        ),
        axis=2,
    )
    return translate_mesh(ring_mesh(grid * np.asarray(radii, float)), center)


def make_torus(
    radius: float,
    thickness: float,
    center: Vector = (0, 0, 0),
    sides: int = 32,
    round_sides: int = 12,
) -> MeshArrays:
    """A ring about z: ``radius`` to the middle of its wire, which has the radius ``thickness``."""
    turn, small = (np.linspace(0, 2 * np.pi, n, endpoint=False) for n in (sides, round_sides))
    away = radius + thickness * np.cos(small)
    rings = np.stack(
        (
            np.cos(turn)[:, None] * away,
            np.sin(turn)[:, None] * away,
            np.repeat(thickness * np.sin(small)[None], sides, 0),
        ),
        axis=2,
    )
    return translate_mesh(ring_mesh(rings, closed=True), center)


def make_tube(
    path: NDArray[np.floating],
    radius: float | NDArray[np.floating],
    sides: int = 10,
    flat: float = 1.0,
) -> MeshArrays:
    """A round bar along the points ``path`` (P, 3) with the ``radius`` (or radii, (P,)); ``flat`` squeezes it."""
    path = np.asarray(path, float)
    radii = np.broadcast_to(np.asarray(radius, float), len(path))
    tangent = np.gradient(path, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    side = np.cross(tangent[0], np.eye(3)[np.argmin(np.abs(tangent[0]))])
    rings = []
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    for point, along, r in zip(path, tangent, radii, strict=True):
        side = side - along * (side @ along)
        side /= max(float(np.linalg.norm(side)), 1e-9)
        other = np.cross(along, side)
        rings.append(
            point + r * (np.cos(turn)[:, None] * side + flat * np.sin(turn)[:, None] * other)
        )
    return ring_mesh(np.array(rings))


def make_prism(outline: NDArray[np.floating], height: float) -> MeshArrays:
    """A star-shaped ``outline`` (P, 2), counter-clockwise about its mean, raised from z = -height/2 to height/2."""
    rings = [np.c_[outline, np.full(len(outline), z)] for z in (-height / 2, height / 2)]
    return ring_mesh(np.array(rings))


def translate_mesh(mesh: MeshArrays, by: Vector) -> MeshArrays:
    return MeshArrays((mesh.vertices + np.asarray(by, np.float32)).astype(np.float32), mesh.faces)


def rotate_mesh(mesh: MeshArrays, axis: str, degrees: float) -> MeshArrays:
    """``mesh`` turned about the ``axis`` x, y or z through the origin, counter-clockwise seen from its end."""
    c = np.cos(np.radians(degrees))
    s = np.sin(np.radians(degrees))
    i = "xyz".index(axis)
    j = (i + 1) % 3
    k = (i + 2) % 3
    turn = np.eye(3)
    turn[[j, j, k, k], [j, k, j, k]] = c, -s, s, c
    return MeshArrays((mesh.vertices @ turn.T).astype(np.float32), mesh.faces)


def stretch_mesh(mesh: MeshArrays, factors: Vector) -> MeshArrays:
    """``mesh`` scaled along x, y and z; a negative number of them mirrored keeps facing outwards."""
    flip = np.prod(np.asarray(factors)) < 0
    return MeshArrays(
        (mesh.vertices * np.asarray(factors, np.float32)).astype(np.float32),
        mesh.faces[:, ::-1] if flip else mesh.faces,
    )


def displace_mesh(
    mesh: MeshArrays,
    rng: np.random.Generator,
    height: float,
    waves: int = 5,
    frequency: float = 6.0,
) -> MeshArrays:
    """``mesh`` with a smooth random field of ``height`` added away from its middle; it stays closed."""
    center = mesh.vertices.mean(0)
    away = mesh.vertices - center
    length = np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    size = float(np.ptp(mesh.vertices, axis=0).max())
    total = np.zeros(len(away))
    for _ in range(waves):
        direction = rng.normal(size=3)
        total += (
            np.sin(
                away @ direction * frequency / size / np.linalg.norm(direction)
                + rng.uniform(0, 6.3)
            )
            / waves
        )
    factor = 1 + height * total[:, None] / length
    return MeshArrays((center + away * np.maximum(factor, 0.2)).astype(np.float32), mesh.faces)


def smooth_curve(*points: Vector, steps: int = 14) -> NDArray[np.float64]:
    """A smooth path (S, 3) through ``points`` (Catmull and Rom 1974)."""
    p = np.asarray(points, float)
    p = np.concatenate((2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]))
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False):
        parts.append(
            0.5
            * (
                2 * b
                + (c - a) * t
                + (2 * a - 5 * b + 4 * c - d) * t**2
                + (3 * b - a - 3 * c + d) * t**3
            )
        )
    return np.concatenate((*parts, p[-2:-1]))


def ring_mesh(rings: NDArray[np.floating], closed: bool = False) -> MeshArrays:
    """Triangles between successive rings of points (R, S, 3), each counter-clockwise seen against the way they go.

    The first and the last ring are closed with a fan, or joined if ``closed``.
    """
    count, sides = rings.shape[:2]
    index = np.arange(count * sides).reshape(count, sides)
    low = index if closed else index[:-1]
    high = np.roll(index, -1, 0) if closed else index[1:]
    a = low
    b = np.roll(low, -1, 1)
    c = np.roll(high, -1, 1)
    d = high
    faces = [np.stack((a, b, c), -1).reshape(-1, 3), np.stack((a, c, d), -1).reshape(-1, 3)]
    vertices = rings.reshape(-1, 3)
    if not closed:
        for ring, flip in ((index[0], True), (index[-1], False)):
            middle = len(vertices)
            vertices = np.concatenate((vertices, vertices[ring].mean(0, keepdims=True)))
            fan = np.stack((ring, np.roll(ring, -1), np.full(sides, middle)), axis=1)
            faces.append(fan[:, ::-1] if flip else fan)
    mesh = MeshArrays(vertices.astype(np.float32), np.concatenate(faces).astype(np.int32))
    return MeshArrays(mesh.vertices, mesh.faces[:, ::-1]) if signed_volume(mesh) < 0 else mesh


def signed_volume(mesh: MeshArrays) -> float:
    """Above zero if the faces of the closed ``mesh`` look outwards."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(float) for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)
