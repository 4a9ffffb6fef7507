"""Blender's cameras as ours."""

from __future__ import annotations

import bpy
import numpy as np

from ..cameras import Camera
from ..errors import SceneError


def camera_of(obj: bpy.types.Object, scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> Camera:
    """The camera object ``obj`` as ``scene`` renders through it, at the frame of ``depsgraph``.

    The projection is that of ``Object.calc_matrix_camera``, so lens, sensor fit, shift, pixel aspect, resolution and
    its percentage are Blender's own.

    Raises:
        SceneError: it is panoramic, mirrored or flat.
    """
    if obj.data.type == 'PANO':
        raise SceneError(f"The camera {obj.name} is panoramic: make it perspective or orthographic")
    render = scene.render
    width, height = (
        max(1, size * render.resolution_percentage // 100) for size in (render.resolution_x, render.resolution_y)
    )
    matrix = np.array(
        obj.calc_matrix_camera(
            depsgraph, x=width, y=height, scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y
        )
    )
    flat = obj.data.type == 'ORTHO'
    # clip space to pixels: in OpenCV's frame a pinhole's w is z, so its offsets change their sign
    across, up = (matrix[0, 3], matrix[1, 3]) if flat else (-matrix[0, 2], -matrix[1, 2])
    intrinsics = np.array((
        (width / 2 * matrix[0, 0], 0, width / 2 * (1 + across)),
        (0, height / 2 * matrix[1, 1], height / 2 * (1 - up)),
        (0, 0, 1.0),
    ))  # fmt: skip
    pose = rigid(np.array(obj.evaluated_get(depsgraph).matrix_world))
    if pose is None or np.linalg.det(pose[:3, :3]) < 0:
        raise SceneError(f"The camera {obj.name} is mirrored or flat: apply its scale")
    return Camera(pose, intrinsics, width, height, flat)


def rigid(matrix: np.ndarray) -> np.ndarray | None:
    """``matrix`` (4, 4) without its scale, its axes orthonormal in double precision; None if it has no volume."""
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if not lengths.min() > 1e-12:
        return None
    left, stretch, right = np.linalg.svd(matrix[:3, :3] / lengths)
    if not stretch[-1] > 1e-6:
        return None
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = left @ right, matrix[:3, 3]
    return result
