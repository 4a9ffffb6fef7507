"""Closed solids that rings of points alone do not give: with holes, of any outline, from fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..geometry.surface_nets import surface_nets
from .primitives import Points, Vector, make_tube, ring_mesh, signed_volume

Field = Callable[[Points], Points]  # points (..., 3) to distances (...), negative inside

_MIN_EAR_AREA = 1e-12  # doubled area above which three corners turn left


def make_bar(start: Vector, end: Vector, radius: float, sides: int = 8) -> MeshArrays:
    """Return a straight round bar between two points (3,)."""
    return make_tube(np.array((start, end), float), radius, sides)


def make_bars(
    points: Sequence[Vector], radius: float, closed: bool = False, sides: int = 8
) -> list[MeshArrays]:
    """Return bars from each of ``points`` to the next, around if ``closed``."""
    ends = [*points[1:], points[0]] if closed else points[1:]
    return [make_bar(a, b, radius, sides) for a, b in zip(points, ends, strict=False)]


def annulus_plate(outer: Points, inner: Points, height: float) -> MeshArrays:
    """Return a plate about z = 0 with a hole.

    Args:
        outer: (P, 2) outline, counter-clockwise.
        inner: (P, 2) outline of the hole, likewise.
        height: along z.
    """
    half = height / 2
    corners = ((inner, -half), (outer, -half), (outer, half), (inner, half))
    lines = [np.c_[outline, np.full(len(outline), z)] for outline, z in corners]
    return ring_mesh(np.stack(lines, axis=1), closed=True)


def circle_outline(radius: float, sides: int = 32, phase: float = 0.0) -> NDArray[np.float64]:
    """Return points (P, 2) of a circle, counter-clockwise.

    Args:
        radius: of the circle.
        sides: number of points.
        phase: angle of the first, radians.
    """
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False) + phase
    outline: NDArray[np.float64] = radius * np.c_[np.cos(angles), np.sin(angles)]
    return outline


def rectangle_outline(width: float, height: float, sides: int = 32) -> NDArray[np.float64]:
    """Return ``sides`` points (P, 2) of a rectangle, its corners among them.

    They are in the directions of the points of :func:`circle_outline` with a phase of 45 degrees.
    """
    directions = circle_outline(1.0, sides, 2 * np.pi / 8)
    half = (width / 2, height / 2)
    corners = np.sign(directions) * half

    # Corners are set, not computed, so that they are exact.
    sizes = np.abs(directions)
    scaled = directions / sizes.max(1, keepdims=True) * half
    is_corner = np.isclose(sizes[:, :1], sizes[:, 1:])
    return np.where(is_corner, corners, scaled)


def extrude_outline(outline: Points, height: float) -> MeshArrays:
    """Return any simple outline raised from z = -height/2 to height/2.

    Args:
        outline: (P, 2), counter-clockwise.
        height: along z.
    """
    count = len(outline)
    bottom = np.c_[outline, np.full(count, -height / 2)]
    top = np.c_[outline, np.full(count, height / 2)]
    vertices = np.concatenate((bottom, top))

    # The caps are the outline's triangles, the lower one turned over.
    caps = np.array(_ear_triangles(outline))

    # Each wall is two triangles, between an edge at the bottom and the one above it.
    i = np.arange(count)
    j = (i + 1) % count
    lower_walls = np.c_[i, j, j + count]
    upper_walls = np.c_[i, j + count, i + count]
    walls = np.concatenate((lower_walls, upper_walls))
    faces = np.concatenate((caps[:, ::-1], caps + count, walls)).astype(np.int32)

    # A clockwise outline gives a solid with its inside out.
    mesh = MeshArrays(vertices.astype(np.float32), faces)
    return mesh if signed_volume(mesh) > 0 else MeshArrays(mesh.vertices, faces[:, ::-1])


def _ear_triangles(outline: Points) -> list[tuple[int, int, int]]:
    """Return the triangles of a simple polygon (P, 2), by cutting ears off (Meisters 1975).

    An ear is a corner that turns left and whose triangle contains no other corner.
    """
    remaining = list(range(len(outline)))
    triangles = []
    while len(remaining) > 3:
        for position, b in enumerate(remaining):
            a = remaining[position - 1]
            c = remaining[(position + 1) % len(remaining)]
            others = outline[[v for v in remaining if v not in (a, b, c)]]

            turns_left = _signed_double_area(outline[a], outline[b], outline[c]) > _MIN_EAR_AREA
            if turns_left and not _points_in_triangle(outline[[a, b, c]], others).any():
                break

        triangles.append((a, b, c))
        remaining.pop(position)

    return [*triangles, (remaining[0], remaining[1], remaining[2])]


def _signed_double_area(a: Points, b: Points, c: Points) -> Points:
    """Return twice the area of triangles, corners (..., 2); above zero if counter-clockwise."""
    first = (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1])
    second = (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
    area: Points = first - second
    return area


def _points_in_triangle(corners: Points, points: Points) -> NDArray[np.bool_]:
    """Return which ``points`` (P, 2) are in a triangle (3, 2), counter-clockwise."""
    sides = []
    for i in range(3):
        area = _signed_double_area(corners[i], corners[(i + 1) % 3], points)
        sides.append(area >= 0)
    inside: NDArray[np.bool_] = np.all(sides, axis=0)
    return inside


# Signed distances (Quilez, iquilezles.org/articles/distfunctions), and the solids made of them.


def ball_field(center: Vector, radius: float) -> Field:
    """Return the field of a ball."""

    def field(p: Points) -> Points:
        distance: Points = np.linalg.norm(p - np.asarray(center, float), axis=-1)
        return distance - radius

    return field


def capsule_field(start: Vector, end: Vector, first: float, second: float) -> Field:
    """Return the field of a rounded bar.

    Args:
        start: (3,) of its axis.
        end: (3,) of its axis.
        first: radius at ``start``.
        second: radius at ``end``.
    """
    origin = np.asarray(start, float)
    axis = np.subtract(end, start).astype(float)

    def field(p: Points) -> Points:
        share = ((p - origin) @ axis / max(axis @ axis, 1e-9)).clip(0, 1)
        distance = np.linalg.norm(p - origin - share[..., None] * axis, axis=-1)
        result: Points = distance - (first + (second - first) * share)
        return result

    return field


def block_field(
    center: Vector, size: Vector, round_by: float = 0.0, turn: Points | None = None
) -> Field:
    """Return the field of a box.

    Args:
        center: (3,) of the box.
        size: (3,) of the box.
        round_by: radius of its edges.
        turn: (3, 3) rotation; None for none.
    """
    half = np.asarray(size, float) / 2 - round_by

    def field(p: Points) -> Points:
        local = p - np.asarray(center, float)
        rotated = local if turn is None else local @ turn
        excess = np.abs(rotated) - half
        outside = np.linalg.norm(np.maximum(excess, 0), axis=-1)
        result: Points = outside + np.minimum(excess.max(-1), 0) - round_by
        return result

    return field


def rod_field(center: Vector, axis: int, radius: float, length: float) -> Field:
    """Return the field of a cylinder along one of the axes, 0 to 2."""

    def field(p: Points) -> Points:
        local = p - np.asarray(center, float)
        radial = np.linalg.norm(np.delete(local, axis, axis=-1), axis=-1) - radius
        result: Points = np.maximum(radial, np.abs(local[..., axis]) - length / 2)
        return result

    return field


def union_field(fields: list[Field], soft: float = 0.0) -> Field:
    """Return the union of ``fields``, melted into each other over the length ``soft``."""

    def field(p: Points) -> Points:
        values = np.stack([part(p) for part in fields])
        sharp: Points = values.min(0)
        if soft <= 0:
            return sharp
        melted: Points = -soft * np.logaddexp.reduce(-values / soft)
        return melted

    return field


def subtract_fields(field: Field, others: list[Field]) -> Field:
    """Return ``field`` without ``others``."""

    def difference(p: Points) -> Points:
        body = field(p)
        cut = np.stack([other(p) for other in others]).min(0)
        result: Points = np.maximum(body, -cut)
        return result

    return difference


def roughen_field(
    field: Field, rng: np.random.Generator, height: float, frequency: float, ridges: bool = False
) -> Field:
    """Return ``field`` with a sum of waves on its surface.

    Args:
        field: what is roughened.
        rng: draws the waves.
        height: of the waves.
        frequency: of the lowest waves, radians a unit.
        ridges: whether the waves are sharp where they turn.
    """
    waves = []
    for octave in (0, 0, 0, 1, 1, 2):
        direction = rng.normal(size=3)
        waves.append((direction, rng.uniform(0, 6.3), 2.0**octave))

    def rough(p: Points) -> Points:
        total = np.zeros(p.shape[:-1])
        for direction, phase, scale in waves:
            angle = p @ direction * frequency * scale / np.linalg.norm(direction) + phase
            wave = np.sin(angle)
            if ridges:
                wave = 1 - 2 * np.abs(wave)
            total += wave / scale / 4

        return field(p) - height * total

    return rough


def solid_of_field(field: Field, low: Vector, high: Vector, cells: int = 44) -> MeshArrays:
    """Return the surface of ``field`` within a box.

    Args:
        field: signed distance.
        low: (3,) lowest corner of the box.
        high: (3,) highest corner.
        cells: along its longest side.
    """
    start = np.asarray(low, float)
    end = np.asarray(high, float)
    spacing = float((end - start).max()) / cells
    axes = [np.arange(a, b + spacing, spacing) for a, b in zip(start, end, strict=True)]
    coordinates = np.meshgrid(*axes, indexing="ij")
    grid = np.stack(coordinates, axis=-1)

    # Surface nets take what is above 0 for the inside, a signed distance is below 0 there.
    mesh = surface_nets(-field(grid), 0.0, start, spacing)
    return MeshArrays(mesh.vertices, mesh.to_triangles())


def align_to_axis(mesh: MeshArrays, axis: str) -> MeshArrays:
    """Return ``mesh``, made about z, with its z along the ``axis`` "x", "y" or "z"."""
    order = {"x": (2, 0, 1), "y": (1, 2, 0), "z": (0, 1, 2)}[axis]
    return MeshArrays(np.ascontiguousarray(mesh.vertices[:, order]), mesh.faces)
