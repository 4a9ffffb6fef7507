"""Hair and points, which have no faces, as thin solids: what a renderer shows of them."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ...errors import SceneError

Triangles = tuple[NDArray[np.float64], NDArray[np.int32]]

_MOST = 500_000  # points or pieces of hair; the solids of these take a gigabyte
_RADIUS = 0.01  # of hair and points without one, as Blender draws them
_MIN_LENGTH = 1e-12  # of a piece of hair that has a direction
# A point is an octahedron, with corners along +-x, +-y, +-z.
_OCTAHEDRON = np.concatenate((np.eye(3), -np.eye(3)))
_OCTAHEDRON_FACES = (
    ((0, 1, 2), (1, 3, 2), (3, 4, 2), (4, 0, 2)),
    ((1, 0, 5), (3, 1, 5), (4, 3, 5), (0, 4, 5)),
)
# A piece of hair is a prism of three sides: corners 0 to 2 at its root, 3 to 5 at its tip.
_PRISM_FACES = (
    ((0, 1, 4), (0, 4, 3), (1, 2, 5), (1, 5, 4)),
    ((2, 0, 3), (2, 3, 5), (0, 2, 1), (3, 4, 5)),
)
_TURNS = np.arange(3) * (2 * np.pi / 3)  # of the prism's corners about the hair


def point_triangles(cloud: bpy.types.PointCloud, name: str) -> Triangles:
    """Return the points of a cloud as octahedra.

    Args:
        cloud: To read.
        name: Of its object.

    Returns:
        vertices (V, 3) and triangles (F, 3).

    Raises:
        SceneError: There are too many.
    """
    centers = _positions(cloud, len(cloud.points))
    _check_count(len(centers), name)
    radii = _radii(cloud, len(centers))
    vertices = centers[:, None] + radii[:, None, None] * _OCTAHEDRON
    return _solids(vertices, _OCTAHEDRON_FACES)


def curve_triangles(curves: bpy.types.Curves, name: str) -> Triangles:
    """Return hair as a prism for each piece between two of its points.

    Args:
        curves: To read.
        name: Of its object.

    Returns:
        vertices (V, 3) and triangles (F, 3).

    Raises:
        SceneError: There are too many pieces.
    """
    points = _positions(curves, len(curves.points))
    _check_count(len(points), name)
    radii = _radii(curves, len(points))

    # Every point but the last one of its curve begins a piece.
    offsets = np.zeros(len(curves.curve_offset_data), np.int32)
    curves.curve_offset_data.foreach_get("value", offsets)
    is_root = np.ones(len(points), bool)
    is_root[offsets[1:] - 1] = False

    return _prisms(points, radii, np.flatnonzero(is_root))


def has_particle_hair(obj: bpy.types.Object) -> bool:
    """Return whether an evaluated object has particles that are rendered as hair."""
    return any(_is_hair(system) for system in obj.particle_systems)


def particle_hair_triangles(obj: bpy.types.Object) -> Triangles:
    """Return the particle hair of an evaluated object, as :func:`curve_triangles`, in its space.

    Raises:
        SceneError: There is too much of it.
    """
    to_local = np.linalg.inv(np.array(obj.matrix_world))
    vertices = [np.zeros((0, 3))]
    triangles = [np.zeros((0, 3), np.int32)]

    for system in obj.particle_systems:
        if not _is_hair(system):
            continue
        settings = system.settings
        world = _hair_points(obj, system)
        count, steps, _ = world.shape

        # Every point but the last one of its hair begins a piece.
        points = world.reshape(-1, 3) @ to_local[:3, :3].T + to_local[:3, 3]
        radii = np.full(len(points), settings.root_radius * settings.radius_scale)
        is_root = np.tile(np.arange(steps) < steps - 1, count)
        prisms, faces = _prisms(points, radii, np.flatnonzero(is_root))
        triangles.append(faces + sum(map(len, vertices)))
        vertices.append(prisms)

    return np.concatenate(vertices), np.concatenate(triangles).astype(np.int32)


def _is_hair(system: bpy.types.ParticleSystem) -> bool:
    """Return whether particles are rendered as hair."""
    settings = system.settings
    return settings.type == 'HAIR' and settings.render_type == 'PATH'


def _hair_points(obj: bpy.types.Object, system: bpy.types.ParticleSystem) -> NDArray[np.float64]:
    """Return the points (hairs, steps, 3) of particle hair in world space, as Cycles reads them."""
    settings = system.settings
    steps = 2**settings.render_step + 1
    if settings.kink == 'SPIRAL':
        steps += settings.kink_extra_steps

    # Children are in place of their parents, and numbered after them.
    first = 0
    last = len(system.particles)
    if settings.child_type != 'NONE' and len(system.child_particles):
        first = last
        last += len(system.child_particles)
    _check_count((last - first) * steps, obj.name)

    points = np.zeros((last - first, steps, 3))
    for hair in range(first, last):
        for step in range(steps):
            points[hair - first, step] = system.co_hair(obj, particle_no=hair, step=step)
    return points


def _prisms(
    points: NDArray[np.float64], radii: NDArray[np.float64], roots: NDArray[np.integer]
) -> Triangles:
    """Return a prism from each point of index ``roots`` to the next one.

    Args:
        points: (N, 3).
        radii: (N,) of the points.
        roots: (P,).
    """
    lengths = np.linalg.norm(points[roots + 1] - points[roots], axis=1)
    roots = roots[lengths > _MIN_LENGTH]
    tips = roots + 1

    # Two directions across each piece.
    along = points[tips] - points[roots]
    least_axis = np.eye(3)[np.abs(along).argmin(1)]
    across = np.cross(along, least_axis)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    other = np.cross(along, across)
    other /= np.linalg.norm(other, axis=1, keepdims=True)

    # Corners (pieces, 3) around each end.
    cosine = np.cos(_TURNS)[:, None]
    sine = np.sin(_TURNS)[:, None]
    ring = cosine * across[:, None] + sine * other[:, None]
    root_corners = points[roots, None] + radii[roots, None, None] * ring
    tip_corners = points[tips, None] + radii[tips, None, None] * ring

    return _solids(np.concatenate((root_corners, tip_corners), axis=1), _PRISM_FACES)


def _solids(vertices: NDArray[np.float64], faces: Sequence[object]) -> Triangles:
    """Return solids (N, corners, 3), all with the same ``faces``, as one mesh."""
    count, corners, _ = vertices.shape
    each = np.array(faces, np.int32).reshape(-1, 3)
    starts = np.arange(count, dtype=np.int32) * corners
    triangles = starts[:, None, None] + each
    return vertices.reshape(-1, 3), triangles.reshape(-1, 3)


def _positions(data: bpy.types.PointCloud | bpy.types.Curves, count: int) -> NDArray[np.float64]:
    """Return the points (N, 3) of a cloud or of hair."""
    positions = np.zeros((count, 3), np.float32)
    attribute = data.attributes.get("position")
    if count and attribute:
        attribute.data.foreach_get("vector", positions.ravel())
    return positions.astype(float)


def _radii(data: bpy.types.PointCloud | bpy.types.Curves, count: int) -> NDArray[np.float64]:
    """Return the radius (N,) of each point."""
    radii = np.full(count, _RADIUS, np.float32)
    attribute = data.attributes.get("radius")
    if count and attribute and attribute.domain == 'POINT':
        attribute.data.foreach_get("value", radii)
    return radii.astype(float)


def _check_count(count: int, name: str) -> None:
    """Raise SceneError if an object has too many points."""
    if count > _MOST:
        raise SceneError(
            f"{name} has {count:,} points of hair or of a point cloud, but at most {_MOST:,} are "
            "supported. Reduce them, or hide it in renders"
        )
