"""Image empties, and cameras with a background image, as pictures that stand in the scene."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from ..alignment.reference import Reference, camera_of_image_plane, describe_direction, face_side
from ..arrays import View
from ..cameras import SIDES, Camera
from ..errors import ImageError, SceneError
from . import images
from .cameras import from_blender

MOST = 6


def is_reference(obj: bpy.types.Object) -> bool:
    """Whether ``obj`` is an image empty that is not wholly transparent, or a camera that shows a background image."""
    if obj.type == 'CAMERA':
        return background_image(obj) is not None
    return (
        obj.type == 'EMPTY'
        and obj.empty_display_type == 'IMAGE'
        and not (obj.use_empty_image_alpha and obj.color[3] == 0)
    )


def chosen_references(
    context: bpy.types.Context, names: Sequence[str] = (), collection: str = ""
) -> list[bpy.types.Object]:
    """The references to use: those named, or those of a collection, or those selected; if none is, all in view.

    Raises:
        SceneError: there is no such object or collection, an object named is no reference, or they are too many.
    """
    objects: Iterable[bpy.types.Object]
    if names:
        objects = [_objects_named(context, name) for name in names]
    elif collection:
        if collection not in bpy.data.collections:
            raise SceneError(f"There is no collection named {collection!r} in this file")
        objects = bpy.data.collections[collection].all_objects
    else:
        objects = context.selected_objects
    found = [obj for obj in objects if is_reference(obj)]
    if not (found or names or collection):
        found = [obj for obj in context.visible_objects if is_reference(obj)]
    if len(found) > MOST:
        raise SceneError(
            f"There are {len(found)} references, but at most {MOST} can be used. Select the ones "
            "to use"
        )
    return sorted(found, key=lambda obj: (_side_rank(obj), obj.name))


def seen_from(obj: bpy.types.Object, side: str = "") -> str:
    """What the reference ``obj`` is taken for, in words; see ``references.told``. side: what the user says it is."""
    return side or describe_direction(_viewer_direction(obj, np.array(obj.matrix_world)))


@dataclass(frozen=True)
class ReferencePose:
    """How a reference stood when it was looked at, without its pixels, which take longer.

    image: the ``session_uid`` of its image. camera: of the image's own pixels.
    side: of ``cameras.SIDES``, what it shows whichever way it faces; of its place then only the scale counts.
    """

    name: str
    image: int
    camera: Camera
    side: str = ""

    def read_image(self) -> images.ImageValues:
        """Read its image out of Blender.

        Raises:
            ImageError: it has none any more, or one without pixels.
        """
        image = next((image for image in bpy.data.images if image.session_uid == self.image), None)
        try:
            if image is None:
                raise ImageError("Its image is missing. Open it again")
            return images.image_values(image)
        except ImageError as error:
            raise ImageError(f"{self.name}: {error}") from error

    def to_reference(self, picture: images.ImageValues) -> Reference:
        """With ``picture``; touches no bpy.

        Raises:
            ImageError: it is transparent all over.
        """
        try:
            pixels = picture.to_pixels()
        except ImageError as error:
            raise ImageError(f"{self.name}: {error}") from error
        camera = self.camera.resized(pixels.shape[1], pixels.shape[0])
        if not self.side:
            return Reference(self.name, View(pixels, camera))
        return Reference(self.name, View(pixels, face_side(camera, self.side)), placed=False)


def reference_pose(
    context: bpy.types.Context, obj: bpy.types.Object, side: str = ""
) -> ReferencePose:
    """How the reference ``obj`` stands; ``side`` as in :class:`ReferencePose`.

    Raises:
        ImageError: it has no image. SceneError: it is scaled to nothing, or a camera that cannot be used.
    """
    graph = context.evaluated_depsgraph_get()
    if obj.type == 'CAMERA':
        image, camera = _background_camera(context.scene, obj, graph)
    else:
        image, camera = _empty_camera(obj, np.array(obj.evaluated_get(graph).matrix_world))
    return ReferencePose(obj.name, image.session_uid, camera, side)


def background_image(camera: bpy.types.Object) -> bpy.types.CameraBackgroundImage | None:
    """The first background image that ``camera`` shows; None if it shows none."""
    if not camera.data.show_background_images:
        return None
    shown = (one for one in camera.data.background_images if one.show_background_image)
    return next((one for one in shown if one.source == 'IMAGE' and one.image), None)


def _objects_named(context: bpy.types.Context, name: str) -> bpy.types.Object:
    obj = context.scene.objects.get(name)
    if obj is None:
        raise SceneError(f"There is no object named {name!r} in this scene")
    if not is_reference(obj):
        raise SceneError(f"{name} is not a visible image empty or a camera with a background image")
    return obj


def _side_rank(obj: bpy.types.Object) -> int:
    """The place of ``obj`` among the sides as it stands: the first is believed where two disagree by far."""
    back = _viewer_direction(obj, np.array(obj.matrix_world))
    return int(np.argmax([np.dot(back, direction) for direction, _ in SIDES.values()]))


def _viewer_direction(obj: bpy.types.Object, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The direction (3,) from the object to the viewer of the reference ``obj`` that stands at ``matrix`` (4, 4)."""
    if obj.type == 'CAMERA':
        return matrix[:3, 2]
    normal = np.cross(matrix[:3, 0], matrix[:3, 1])
    facing = matrix[:3, 2] * (-1 if obj.empty_image_side == 'BACK' else 1)
    return normal if normal @ facing >= 0 else -normal


def _image_aspect(image: bpy.types.Image) -> float:
    width, height = image.size
    return width / max(height, 1) * image.display_aspect[0] / image.display_aspect[1]


def _empty_camera(
    obj: bpy.types.Object, matrix: NDArray[np.float64]
) -> tuple[bpy.types.Image, Camera]:
    """As Blender draws it (``overlay_image_calc_aspect``): the longer side is as long as the display size."""
    if obj.data is None:
        raise ImageError(
            f"{obj.name}: This empty has no image. Open one in the Object Data properties"
        )
    width, height = obj.data.size
    aspect = _image_aspect(obj.data) if height else 1.0
    sides = obj.empty_display_size * np.array((min(1.0, aspect), min(1.0, 1 / aspect)))
    edges = sides[:, None] * matrix[:3, :2].T
    if np.linalg.norm(np.cross(*edges)) < 1e-12:
        raise SceneError(f"{obj.name} has a scale of zero. Give it a size")
    corner = matrix[:3, 3] + np.array(obj.empty_image_offset) @ edges
    return obj.data, camera_of_image_plane(
        edges, corner, _viewer_direction(obj, matrix), max(width, 1), max(height, 1)
    )


def _background_camera(
    scene: bpy.types.Scene, obj: bpy.types.Object, graph: bpy.types.Depsgraph
) -> tuple[bpy.types.Image, Camera]:
    """The camera of its background image's own pixels."""
    shown = background_image(obj)
    assert shown is not None, "only references are read"
    camera = from_blender(scene, obj, graph)
    width = max(shown.image.size[0], 1)
    height = max(shown.image.size[1], 1)
    to_frame = _on_frame(shown, obj.data, scene) @ np.array(
        ((1 / width, 0, -0.5), (0, -1 / height, 0.5), (0, 0, 1))
    )
    corners = np.array([corner[:2] for corner in obj.data.view_frame(scene=scene)])
    low = corners.min(0)
    high = corners.max(0)
    to_pixels = np.array(
        (
            (camera.width / (high[0] - low[0]), 0, -low[0] * camera.width / (high[0] - low[0])),
            (0, -camera.height / (high[1] - low[1]), high[1] * camera.height / (high[1] - low[1])),
            (0, 0, 1),
        )
    )
    intrinsics = np.linalg.inv(to_pixels @ to_frame) @ camera.intrinsics
    return shown.image, Camera(camera.to_world, intrinsics, width, height, camera.orthographic)


def _on_frame(
    shown: bpy.types.CameraBackgroundImage, camera: bpy.types.Camera, scene: bpy.types.Scene
) -> NDArray[np.float64]:
    """From the picture, -0.5 to 0.5 with y up, to the plane of the camera's ``view_frame`` (3, 3).

    As Blender draws it (``image_camera_background_matrix_get`` of its overlay engine).
    """
    corners = np.array([corner[:2] for corner in camera.view_frame(scene=scene)])
    frame = np.ptp(corners, axis=0)
    aspect = _image_aspect(shown.image)
    frame_aspect = frame[0] / frame[1]
    size = frame
    if shown.frame_method != 'STRETCH':
        by_height = (aspect > frame_aspect) == (shown.frame_method == 'CROP')
        size = (
            np.array((frame[1] * aspect, frame[1]))
            if by_height
            else np.array((frame[0], frame[0] / aspect))
        )
    size = (
        size
        * shown.scale
        * np.array((-1 if shown.use_flip_x else 1, -1 if shown.use_flip_y else 1))
    )
    unit = camera.ortho_scale if camera.type == 'ORTHO' else 1.0
    offset = np.array(shown.offset) * unit
    offset *= min(1.0, frame_aspect), 1 / (max(1.0, frame_aspect) * aspect / frame_aspect)
    c = np.cos(shown.rotation)
    s = np.sin(shown.rotation)
    middle = (corners.min(0) + corners.max(0)) / 2 + offset
    turn = np.array(((c, s), (-s, c)))
    result = np.eye(3)
    result[:2, :2] = turn * size
    result[:2, 2] = middle
    return result
