"""Where a new object goes: beside what stands there, and in view."""

from __future__ import annotations

from collections.abc import Iterable

import bpy
import numpy as np
from bpy_extras import view3d_utils
from mathutils import Matrix, Vector
from numpy.typing import NDArray

_SHAPES = frozenset({'MESH', 'CURVE', 'SURFACE', 'META', 'FONT', 'CURVES', 'POINTCLOUD', 'VOLUME'})
_GAP = 0.1  # distance to what stands beside it, in longest sides of the new object
_TOUCH = 1e-3  # overlap that counts as touching, in longest sides
_MAX_MOVES = 1000


def free_offset(context: bpy.types.Context, bounds: NDArray[np.float64]) -> float:
    """Return how far to move a new object along X so that it overlaps no visible object.

    Bounding boxes are compared. The object stays where it is if it is free there; else it goes to
    the right of what it overlaps, again and again.

    Args:
        context: Its view layer.
        bounds: (2, 3) of the new object in world space.

    Returns:
        Distance in units of the scene, at least 0.
    """
    return free_offset_among(context.visible_objects, bounds)


def free_offset_among(objects: Iterable[bpy.types.Object], bounds: NDArray[np.float64]) -> float:
    """Return how far to move a new object along X so that it overlaps none of ``objects``.

    See :func:`free_offset`.
    """
    size = float(np.ptp(bounds, axis=0).max())
    others = [_world_bounds(obj) for obj in objects if _has_shape(obj)]
    offset = 0.0

    for _ in range(_MAX_MOVES):
        moved = bounds + (offset, 0.0, 0.0)
        ends = [float(other[1, 0]) for other in others if _overlap(moved, other, size)]
        if not ends:
            break
        offset = max(ends) + _GAP * size - float(bounds[0, 0])

    return offset


def show_objects(context: bpy.types.Context, objects: Iterable[bpy.types.Object]) -> None:
    """Frame the selected objects in the 3D Viewport of the context unless it shows all of them."""
    area = context.area
    if area is None or area.type != 'VIEW_3D':
        return
    region = next((region for region in area.regions if region.type == 'WINDOW'), None)
    view = area.spaces.active.region_3d
    if region is None or view is None or view.view_perspective == 'CAMERA':
        return

    corners = [corner for obj in objects for corner in _world_corners(obj)]
    if all(_is_in_region(region, view, corner) for corner in corners):
        return
    with context.temp_override(area=area, region=region):
        bpy.ops.view3d.view_selected()


def _is_in_region(region: bpy.types.Region, view: bpy.types.RegionView3D, point: Vector) -> bool:
    pixel = view3d_utils.location_3d_to_region_2d(region, view, point)
    return pixel is not None and 0 <= pixel.x <= region.width and 0 <= pixel.y <= region.height


def _has_shape(obj: bpy.types.Object) -> bool:
    """Return whether an object has a bounding box, its own or that of an instanced collection."""
    return obj.type in _SHAPES or bool(_instanced_shapes(obj))


def _instanced_shapes(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the objects of the collection that ``obj`` instances; none if it does not."""
    if obj.instance_type != 'COLLECTION' or obj.instance_collection is None:
        return []
    return [child for child in obj.instance_collection.all_objects if child.type in _SHAPES]


def _world_corners(obj: bpy.types.Object) -> list[Vector]:
    shapes = _instanced_shapes(obj)
    if shapes:
        offset = Matrix.Translation(-Vector(obj.instance_collection.instance_offset))
        matrix = obj.matrix_world @ offset
        return [matrix @ corner for child in shapes for corner in _world_corners(child)]
    return [obj.matrix_world @ Vector(corner) for corner in obj.bound_box]


def _world_bounds(obj: bpy.types.Object) -> NDArray[np.float64]:
    corners = np.array(_world_corners(obj))
    return np.stack((corners.min(0), corners.max(0)))


def _overlap(first: NDArray[np.float64], second: NDArray[np.float64], size: float) -> bool:
    """Return whether two boxes (2, 3) overlap by more than a touch."""
    shared = np.minimum(first[1], second[1]) - np.maximum(first[0], second[0])
    return bool((shared > _TOUCH * size).all())
