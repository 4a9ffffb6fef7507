"""Blender's cameras as ``core.cameras.Camera``: of one object, of a scene, along a path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera
from ..dataset.records import ViewRecord
from ..errors import SceneError
from ..synthesis.camera_rigs import OF_SCENE, Rig
from .evaluation.hidden_objects import evaluated_objects
from .evaluation.playback import play_simulation, restored_frame

_RIGID = 1e-5  # deviation from orthonormal axes that rounding explains
_MIN_LENGTH = 1e-12  # of an axis of a matrix that still has a direction
_MIN_STRETCH = 1e-6  # smallest singular value of unit axes that still span a volume


def from_blender(
    scene: bpy.types.Scene,
    obj: bpy.types.Object,
    graph: bpy.types.Depsgraph,
    name: str = "",
    size: tuple[int, int] | None = None,
) -> Camera:
    """Return the camera ``obj`` as ``scene`` renders with it.

    Sensor fit, shift, pixel aspect and the percentage of the resolution are all in the intrinsics,
    because they are computed from Blender's projection matrix. The image is as large as the
    scene's unless another size is given; the border of a render region is ignored.

    Args:
        scene: Whose render settings give the size of the image.
        obj: The camera object.
        graph: Evaluated at the frame of interest, with ``obj``.
        name: What errors call the camera; empty for the name of ``obj``.
        size: Width and height of an image with square pixels that replaces the scene's.

    Raises:
        SceneError: The camera is panoramic, or mirrored or sheared by the scale of its parents.
    """
    evaluated = obj.evaluated_get(graph)
    kind = evaluated.data.type
    if kind not in ('PERSP', 'ORTHO'):
        raise SceneError(
            f"{name or obj.name} is a {kind.lower()} camera. Only perspective and orthographic "
            "cameras are supported"
        )

    # Blender's projection matrix has sensor fit, shift and pixel aspect in it.
    width, height = size or image_size(scene.render)
    projection = obj.calc_matrix_camera(
        graph,
        x=width,
        y=height,
        scale_x=1.0 if size else scene.render.pixel_aspect_x,
        scale_y=1.0 if size else scene.render.pixel_aspect_y,
    )

    return Camera(
        to_world=_camera_pose(name or obj.name, evaluated),
        intrinsics=_intrinsics_of_projection(np.array(projection), width, height),
        width=width,
        height=height,
        orthographic=kind == 'ORTHO',
    )


def image_size(render: bpy.types.RenderSettings) -> tuple[int, int]:
    """Return the width and height in pixels of a rendered image.

    Blender rounds the percentage of the resolution down.
    """
    percentage = render.resolution_percentage
    width = render.resolution_x * percentage // 100
    height = render.resolution_y * percentage // 100
    return max(width, 1), max(height, 1)


def of_scene(
    context: bpy.types.Context, rigs: Iterable[Rig], size: int
) -> dict[str, Sequence[ViewRecord]]:
    """Return the views of the rigs that use the scene's cameras.

    The current frame is restored.

    Args:
        context: Its scene has the cameras.
        rigs: Those of other kinds are skipped.
        size: Longer side of the images, pixels; they have the proportions of the scene's.

    Returns:
        The views by the text of their rig, as ``camera_sampling.sample_views`` takes them.

    Raises:
        SceneError: There is no camera, or one that cannot be used.
    """
    views_of_rigs: dict[str, Sequence[ViewRecord]] = {}
    for rig in rigs:
        if rig.kind not in OF_SCENE:
            continue
        if rig.kind == "scene":
            views = scene_cameras(context)
        else:
            views = camera_path(context, rig.frames, rig.step)

        # Only their proportions are those of the scene's images.
        views_of_rigs[str(rig)] = [
            ViewRecord(view.kind, _resized_camera(view.camera, size), view.drawn) for view in views
        ]

    return views_of_rigs


def scene_cameras(context: bpy.types.Context) -> list[ViewRecord]:
    """Return each camera of the scene at the current frame, sorted by name.

    Raises:
        SceneError: There is no camera, or one that cannot be used.
    """
    cameras = cameras_of_layer(context.scene, context.view_layer)
    if not cameras:
        raise SceneError("The scene has no camera. Add one, or choose other views")

    # By name, so that the order does not depend on the file.
    with evaluated_objects(context, cameras.values()) as graph_of:
        return [
            ViewRecord("scene", from_blender(context.scene, obj, graph_of(obj)), {"camera": name})
            for name, obj in sorted(cameras.items())
        ]


def cameras_of_layer(
    scene: bpy.types.Scene, layer: bpy.types.ViewLayer
) -> dict[str, bpy.types.Object]:
    """Return the cameras of a view layer, and those that the scene and its markers use, by name.

    Of two cameras of one name, of which one is linked from another file, the linked one is called
    as Blender calls it, "Camera [file.blend]".
    """
    cameras = [obj for obj in layer.objects if obj and obj.type == 'CAMERA']
    used = [scene.camera, *(marker.camera for marker in scene.timeline_markers)]
    for obj in used:
        if obj and obj.type == 'CAMERA' and obj not in cameras:
            cameras.append(obj)

    counts = Counter(obj.name for obj in cameras)
    return {obj.name if counts[obj.name] == 1 else obj.name_full: obj for obj in cameras}


def camera_path(
    context: bpy.types.Context, frames: tuple[int, int] | None, step: int = 1
) -> list[ViewRecord]:
    """Return the active camera at every ``step``-th frame; markers may change which it is.

    The scene is as before afterwards. What is simulated is played from its first frame.

    Args:
        context: Its scene has the camera.
        frames: The first and the last frame, both included; None: those of the scene.
        step: From one frame to the next.

    Raises:
        SceneError: There is no active camera, or one that cannot be used, or something is simulated
            that the viewport does not show.
    """
    scene = context.scene
    first, last = frames or (scene.frame_start, scene.frame_end)

    # Only a change of the frame evaluates animation and markers.
    views = []
    with restored_frame(scene) as keeper:
        for _ in play_simulation(scene, context.view_layer, last, keeper):
            pass
        for frame in range(first, last + 1, step):
            keeper.set_frame(frame)
            if not scene.camera:
                raise SceneError("The scene has no active camera. Set one in the Scene properties")
            camera = from_blender(scene, scene.camera, context.evaluated_depsgraph_get())
            settings = {"camera": scene.camera.name, "frame": frame}
            views.append(ViewRecord("path", camera, settings))

    return views


def _intrinsics_of_projection(
    projection: NDArray[np.float64], width: int, height: int
) -> NDArray[np.float64]:
    """Return the intrinsics (3, 3) of OpenGL's projection matrix (4, 4).

    OpenGL's image is -1..1 with y up; ours is in pixels with v down, see ``core.cameras``.
    """
    (scale_x, _, tilt_x, shift_x), (_, scale_y, tilt_y, shift_y) = projection[:2]

    # Scale from half the image to pixels.
    focal_x = scale_x * width / 2
    focal_y = scale_y * height / 2

    # The principal point; the tilt of a perspective matrix is that of its third column.
    center_x = (1 + shift_x - tilt_x) / 2 * width
    center_y = (1 - shift_y + tilt_y) / 2 * height

    return np.array(
        (
            (focal_x, 0, center_x),
            (0, focal_y, center_y),
            (0, 0, 1.0),
        )
    )


def _camera_pose(name: str, evaluated: bpy.types.Object) -> NDArray[np.float64]:
    """Return the camera-to-world matrix (4, 4) without the object's scale, as it is rendered."""
    matrix = np.array(evaluated.matrix_world, float)
    pose = rigid_matrix(matrix)

    # Axes that are not orthogonal are sheared, and a negative determinant mirrors.
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    axes = matrix[:3, :3] / np.maximum(lengths, _MIN_LENGTH)
    shear = np.abs(axes.T @ axes - np.eye(3)).max()
    is_mirrored = np.linalg.det(axes) < 0

    if pose is None or shear > _RIGID or is_mirrored:
        raise SceneError(
            f"{name} is mirrored or sheared by its own or a parent's scale. Apply the scale"
        )

    return pose


def rigid_matrix(matrix: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return ``matrix`` (4, 4) without its scale, its axes orthonormal in double precision.

    Returns:
        The nearest rigid matrix (by singular values), or None if ``matrix`` flattens space.
    """
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if not lengths.min() > _MIN_LENGTH:
        return None

    # The rotation nearest to the axes: singular values replaced by 1 (Procrustes).
    axes = matrix[:3, :3] / lengths
    left, stretch, right = np.linalg.svd(axes)
    if not stretch[-1] > _MIN_STRETCH:
        return None

    rigid = np.eye(4)
    rigid[:3, :3] = left @ right
    rigid[:3, 3] = matrix[:3, 3]
    return rigid


def _resized_camera(camera: Camera, size: int) -> Camera:
    """Return ``camera`` for an image whose longer side has ``size`` pixels."""
    scale = size / max(camera.width, camera.height)
    width = max(round(camera.width * scale), 1)
    height = max(round(camera.height * scale), 1)
    return camera.resized(width, height)
