"""Closed solids with holes, with any outline, and from signed distances: what rings of points alone do not give."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..geometry.surface_nets import surface_nets
from .primitives import Vector, make_tube, ring_mesh, signed_volume, translate_mesh

Points = NDArray[np.floating]
Field = Callable[[Points], Points]  # points (..., 3) to distances (...), negative inside


def make_bar(start: Vector, end: Vector, radius: float, sides: int = 8) -> MeshArrays:
    """A straight round bar between two points."""
    return make_tube(np.array((start, end), float), radius, sides)


def make_bars(
    points: list[Vector], radius: float, closed: bool = False, sides: int = 8
) -> list[MeshArrays]:
    """Bars from each of ``points`` to the next."""
    ends = [*points[1:], points[0]] if closed else points[1:]
    return [make_bar(a, b, radius, sides) for a, b in zip(points, ends, strict=False)]


def annulus_plate(outer: Points, inner: Points, height: float) -> MeshArrays:
    """A plate about z = 0 with a hole: between the outlines ``outer`` and ``inner`` (P, 2), counter-clockwise."""
    half = height / 2
    corners = ((inner, -half), (outer, -half), (outer, half), (inner, half))
    return ring_mesh(
        np.stack([np.c_[line, np.full(len(line), z)] for line, z in corners], axis=1), closed=True
    )


def circle_outline(radius: float, sides: int = 32, phase: float = 0.0) -> Points:
    """Points (P, 2) of a circle, counter-clockwise."""
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False) + phase
    return radius * np.c_[np.cos(turn), np.sin(turn)]


def rectangle_outline(width: float, height: float, sides: int = 32) -> Points:
    """``sides`` points (P, 2) of a rectangle in the directions of those of :func:`circle_outline`; its corners among them."""
    ray = circle_outline(1.0, sides, 2 * np.pi / 8)
    corners = np.sign(ray) * (width / 2, height / 2)
    scaled = ray / np.abs(ray).max(1, keepdims=True) * (width / 2, height / 2)
    at_corner = np.isclose(np.abs(ray[:, :1]), np.abs(ray[:, 1:]))
    return np.where(at_corner, corners, scaled)


def extrude_outline(outline: Points, height: float) -> MeshArrays:
    """Any simple ``outline`` (P, 2), counter-clockwise, raised from z = -height/2 to height/2."""
    count = len(outline)
    vertices = np.concatenate(
        [np.c_[outline, np.full(count, z)] for z in (-height / 2, height / 2)]
    )
    caps = np.array(_ear_triangles(outline))
    i = np.arange(count)
    j = (i + 1) % count
    walls = np.concatenate((np.c_[i, j, j + count], np.c_[i, j + count, i + count]))
    faces = np.concatenate((caps[:, ::-1], caps + count, walls)).astype(np.int32)
    mesh = MeshArrays(vertices.astype(np.float32), faces)
    return mesh if signed_volume(mesh) > 0 else MeshArrays(mesh.vertices, faces[:, ::-1])


def _ear_triangles(outline: Points) -> list[tuple[int, int, int]]:
    """Triangles of a simple polygon, by cutting ears off (Meisters 1975)."""
    left = list(range(len(outline)))
    triangles = []
    while len(left) > 3:
        for place, b in enumerate(left):
            a = left[place - 1]
            c = left[(place + 1) % len(left)]
            others = outline[[v for v in left if v not in (a, b, c)]]
            if (
                _signed_double_area(outline[a], outline[b], outline[c]) > 1e-12
                and not _points_in_triangle(outline[[a, b, c]], others).any()
            ):
                break
        triangles.append((a, b, c))
        left.pop(place)
    return [*triangles, (left[0], left[1], left[2])]


def _signed_double_area(a: Points, b: Points, c: Points) -> Points:
    """Twice the area of triangles; above zero if counter-clockwise."""
    return (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (
        c[..., 0] - a[..., 0]
    )


def _points_in_triangle(corners: Points, points: Points) -> NDArray[np.bool_]:
    return np.all(
        [_signed_double_area(corners[i], corners[(i + 1) % 3], points) >= 0 for i in range(3)],
        axis=0,
    )


# Signed distances (Quilez, iquilezles.org/articles/distfunctions), and what is made of them.


def ball_field(center: Vector, radius: float) -> Field:
    return lambda p: np.linalg.norm(p - np.asarray(center, float), axis=-1) - radius


def capsule_field(start: Vector, end: Vector, first: float, second: float) -> Field:
    """About the line from ``start`` to ``end``, thick as ``first`` and ``second`` at its ends."""
    a = np.asarray(start, float)
    way = np.subtract(end, start).astype(float)

    def field(p: Points) -> Points:
        along = ((p - a) @ way / max(way @ way, 1e-9)).clip(0, 1)
        return np.linalg.norm(p - a - along[..., None] * way, axis=-1) - (
            first + (second - first) * along
        )

    return field


def block_field(
    center: Vector, size: Vector, round_by: float = 0.0, turn: Points | None = None
) -> Field:
    """A box, turned by the matrix ``turn`` (3, 3), its edges rounded."""
    half = np.asarray(size, float) / 2 - round_by

    def field(p: Points) -> Points:
        local = p - np.asarray(center, float)
        away = np.abs(local if turn is None else local @ turn) - half
        return np.linalg.norm(np.maximum(away, 0), axis=-1) + np.minimum(away.max(-1), 0) - round_by

    return field


def rod_field(center: Vector, axis: int, radius: float, length: float) -> Field:
    """A cylinder along one of the axes."""

    def field(p: Points) -> Points:
        local = p - np.asarray(center, float)
        away = np.linalg.norm(np.delete(local, axis, axis=-1), axis=-1) - radius
        return np.maximum(away, np.abs(local[..., axis]) - length / 2)

    return field


def union_field(fields: list[Field], soft: float = 0.0) -> Field:
    """All of ``fields``, melted into each other over the length ``soft``."""

    def field(p: Points) -> Points:
        values = np.stack([one(p) for one in fields])
        return values.min(0) if soft <= 0 else -soft * np.logaddexp.reduce(-values / soft)

    return field


def subtract_fields(field: Field, others: list[Field]) -> Field:
    """``field`` without ``others``."""
    return lambda p: np.maximum(field(p), -np.stack([one(p) for one in others]).min(0))


def roughen_field(
    field: Field, rng: np.random.Generator, height: float, frequency: float, ridges: bool = False
) -> Field:
    """``field`` with a sum of waves of ``height`` on its surface, sharp where they turn if ``ridges``."""
    ways = [(rng.normal(size=3), rng.uniform(0, 6.3), 2.0**octave) for octave in (0, 0, 0, 1, 1, 2)]

    def rough(p: Points) -> Points:
        total = np.zeros(p.shape[:-1])
        for way, phase, scale in ways:
            wave = np.sin(p @ way * frequency * scale / np.linalg.norm(way) + phase)
            total += (1 - 2 * np.abs(wave) if ridges else wave) / scale / 4
        return field(p) - height * total

    return rough


def solid_of_field(field: Field, low: Vector, high: Vector, cells: int = 44) -> MeshArrays:
    """The surface of ``field`` within a box, which has ``cells`` along its longest side."""
    low = np.asarray(low, float)
    high = np.asarray(high, float)
    spacing = float((high - low).max()) / cells
    lines = [np.arange(a, b + spacing, spacing) for a, b in zip(low, high, strict=True)]
    mesh = surface_nets(
        -field(np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)), 0.0, low, spacing
    )
    return MeshArrays(mesh.vertices, mesh.to_triangles())


def align_to_axis(mesh: MeshArrays, axis: str) -> MeshArrays:
    """``mesh``, made about z, with z laid along the ``axis``."""
    order = {"x": (2, 0, 1), "y": (1, 2, 0), "z": (0, 1, 2)}[axis]
    return MeshArrays(np.ascontiguousarray(mesh.vertices[:, order]), mesh.faces)


def place_meshes(meshes: list[MeshArrays], by: Vector) -> list[MeshArrays]:
    return [translate_mesh(mesh, by) for mesh in meshes]
