"""Cameras that a scene has, as our own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera
from ..dataset.records import ViewRecord
from ..errors import SceneError
from ..synthesis.camera_rigs import OF_SCENE, Rig

_RIGID = 1e-5


def from_blender(
    scene: bpy.types.Scene, obj: bpy.types.Object, graph: bpy.types.Depsgraph
) -> Camera:
    """The camera ``obj`` as ``scene`` renders with it at the frame that ``graph`` is evaluated at.

    Sensor fit, shift, pixel aspect and the percentage of the resolution are all in the intrinsics, since Blender's own
    projection matrix is taken. The picture is as large as the scene's; a border of the render is left out of account.

    Raises:
        SceneError: it is a panoramic camera, or mirrored or sheared by the scale of its parents.
    """
    evaluated = obj.evaluated_get(graph)
    kind = evaluated.data.type
    if kind not in ('PERSP', 'ORTHO'):
        raise SceneError(
            f"{obj.name} is a {kind.lower()} camera. Only perspective and orthographic cameras "
            "are supported"
        )
    width, height = image_size(scene.render)
    projection = np.array(
        obj.calc_matrix_camera(
            graph,
            x=width,
            y=height,
            scale_x=scene.render.pixel_aspect_x,
            scale_y=scene.render.pixel_aspect_y,
        )
    )
    return Camera(
        _camera_pose(obj.name, evaluated),
        _intrinsics_of_projection(projection, width, height),
        width,
        height,
        kind == 'ORTHO',
    )


def image_size(render: bpy.types.RenderSettings) -> tuple[int, int]:
    """Width and height in pixels of what is rendered; Blender rounds the percentage down."""
    share = render.resolution_percentage
    return max(render.resolution_x * share // 100, 1), max(render.resolution_y * share // 100, 1)


def of_scene(
    context: bpy.types.Context, rigs: Iterable[Rig], size: int
) -> dict[str, Sequence[ViewRecord]]:
    """The views of each rig that takes the scene's own cameras, by its text; see ``viewpoints.draw``.

    size: of the longer side of the pictures, pixels; their shape is that of the scene's. The frame is as before after.

    Raises:
        SceneError: there is no camera, or none that we can use.
    """
    wanted = [rig for rig in rigs if rig.kind in OF_SCENE]
    return {
        str(rig): [
            ViewRecord(view.kind, _resized_camera(view.camera, size), view.drawn)
            for view in (
                scene_cameras(context)
                if rig.kind == "scene"
                else camera_path(context, rig.frames, rig.step)
            )
        ]
        for rig in wanted
    }


def scene_cameras(context: bpy.types.Context) -> list[ViewRecord]:
    """Each camera of the scene at the present frame, in the order of their names.

    Raises:
        SceneError: there is none, or one that we cannot use.
    """
    graph = context.evaluated_depsgraph_get()
    cameras = sorted(
        (obj for obj in context.view_layer.objects if obj.type == 'CAMERA'),
        key=lambda obj: obj.name,
    )
    if not cameras:
        raise SceneError("The scene has no camera. Add one, or choose other views")
    return [
        ViewRecord("scene", from_blender(context.scene, obj, graph), {"camera": obj.name})
        for obj in cameras
    ]


def camera_path(
    context: bpy.types.Context, frames: tuple[int, int] | None, step: int = 1
) -> list[ViewRecord]:
    """The active camera (which markers may change) at every ``step``-th of ``frames``, both ends counted.

    frames: the first and the last; None: those of the scene.

    Raises:
        SceneError: there is no active camera, or one that we cannot use.
    """
    scene = context.scene
    first, last = frames or (scene.frame_start, scene.frame_end)
    before = (scene.frame_current, scene.frame_subframe)
    camera = scene.camera
    views = []
    try:
        for frame in range(first, last + 1, step):
            scene.frame_set(frame)
            if not scene.camera:
                raise SceneError("The scene has no active camera. Set one in the Scene properties")
            now = from_blender(scene, scene.camera, context.evaluated_depsgraph_get())
            views.append(ViewRecord("path", now, {"camera": scene.camera.name, "frame": frame}))
    finally:
        scene.frame_set(before[0], subframe=before[1])
        scene.camera = camera
    return views


def _intrinsics_of_projection(
    projection: NDArray[np.float64], width: int, height: int
) -> NDArray[np.float64]:
    """From OpenGL's projection (4, 4), whose picture is -1..1 with y up, to pixels; see ``cameras``."""
    (fx, _, tilt_x, move_x), (_, fy, tilt_y, move_y) = projection[:2]
    across = (1 + move_x - tilt_x) / 2
    down = (1 - move_y + tilt_y) / 2
    return np.array(
        ((fx * width / 2, 0, across * width), (0, fy * height / 2, down * height), (0, 0, 1.0))
    )


def _camera_pose(name: str, evaluated: bpy.types.Object) -> NDArray[np.float64]:
    """Camera-to-world (4, 4) without the object's scale, as it is rendered."""
    matrix = np.array(evaluated.matrix_world, float)
    pose = rigid_matrix(matrix)
    turn = matrix[:3, :3] / np.maximum(np.linalg.norm(matrix[:3, :3], axis=0), 1e-12)
    if pose is None or np.abs(turn.T @ turn - np.eye(3)).max() > _RIGID or np.linalg.det(turn) < 0:
        raise SceneError(
            f"{name} is mirrored or sheared by its own or a parent's scale. Apply the scale"
        )
    return pose


def rigid_matrix(matrix: np.ndarray) -> np.ndarray | None:
    """``matrix`` (4, 4) without its scale, its axes orthonormal in double precision; None if it has no volume."""
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if not lengths.min() > 1e-12:
        return None
    left, stretch, right = np.linalg.svd(matrix[:3, :3] / lengths)
    if not stretch[-1] > 1e-6:
        return None
    result = np.eye(4)
    result[:3, :3] = left @ right
    result[:3, 3] = matrix[:3, 3]
    return result


def _resized_camera(camera: Camera, size: int) -> Camera:
    scale = size / max(camera.width, camera.height)
    return camera.resized(max(round(camera.width * scale), 1), max(round(camera.height * scale), 1))
