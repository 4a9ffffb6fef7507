"""References of the scene: image empties, and cameras with a background image."""

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
from .evaluation.hidden_objects import displayed_matrix, evaluated_objects

Size = tuple[int, int]  # width and height, pixels

MOST = 6
_MIN_AREA = 1e-12  # m^2, of an empty's image that has a size


def is_reference(obj: bpy.types.Object) -> bool:
    """Return whether ``obj`` shows a reference image.

    That is an image empty that is not completely transparent, or a camera with a visible background
    image.
    """
    if obj.type == 'CAMERA':
        return background_image(obj) is not None
    if obj.type != 'EMPTY' or obj.empty_display_type != 'IMAGE':
        return False
    return not (obj.use_empty_image_alpha and obj.color[3] == 0)


def chosen_references(
    context: bpy.types.Context, names: Sequence[str] = (), collection: str = ""
) -> list[bpy.types.Object]:
    """Return the references to use, in the order of their sides.

    Args:
        context: Its selection is used without names and collection; if no reference is selected,
            all visible ones are used.
        names: Of the objects to use.
        collection: Name of the collection whose objects to use.

    Raises:
        SceneError: There is no such object or collection, a named object is no reference, or there
            are too many.
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

    # Without names or collection, an empty selection means all that is visible.
    references = [obj for obj in objects if is_reference(obj)]
    if not (references or names or collection):
        references = [obj for obj in context.visible_objects if is_reference(obj)]

    if len(references) > MOST:
        raise SceneError(
            f"There are {len(references)} references, but at most {MOST} can be used. Select the "
            "ones to use"
        )

    return sorted(references, key=lambda obj: (_side_rank(obj, displayed_matrix(obj)), obj.name))


def seen_from(obj: bpy.types.Object, side: str = "") -> str:
    """Return the direction that the reference ``obj`` shows, as text, for drawing.

    Args:
        obj: The reference.
        side: What the user has set it to, which takes precedence.
    """
    return _direction_text(obj, displayed_matrix(obj), side)


@dataclass(frozen=True)
class ReferencePose:
    """A reference at the time when it was read, without its pixels, which take longer.

    Attributes:
        name: Of the object.
        image: ``session_uid`` of its image.
        camera: For the image at its full size.
        side: Of ``cameras.SIDES``: the side that it shows whichever way it faces. Of its pose only
            the scale is then used. "" to use the pose.
        frame: Of a movie or an image sequence: the one that is shown; None for a single image.
        seen_from: The direction that it shows, as text.
    """

    name: str
    image: int
    camera: Camera
    side: str = ""
    frame: int | None = None
    seen_from: str = ""

    def read_image(self) -> images.ImageValues:
        """Read the image out of Blender.

        Raises:
            ImageError: The image was removed, or has no pixels.
        """
        image = next((image for image in bpy.data.images if image.session_uid == self.image), None)
        try:
            if image is None:
                raise ImageError("Its image is missing. Open it again")
            return images.image_values(image, self.frame)
        except ImageError as error:
            raise ImageError(f"{self.name}: {error}") from error

    def to_reference(self, values: images.ImageValues) -> Reference:
        """Return the reference with its image; uses no bpy.

        Raises:
            ImageError: The image is transparent all over.
        """
        try:
            pixels = values.to_pixels()
        except ImageError as error:
            raise ImageError(f"{self.name}: {error}") from error

        height, width = pixels.shape[:2]
        camera = self.camera.resized(width, height)

        # A side that the user has set replaces the direction of the pose.
        if not self.side:
            return Reference(self.name, View(pixels, camera))
        return Reference(self.name, View(pixels, face_side(camera, self.side)), placed=False)


def reference_poses(
    context: bpy.types.Context, objects: Sequence[bpy.types.Object], sides: Sequence[str]
) -> list[ReferencePose]:
    """Return the poses of the references ``objects`` at the current frame, hidden ones included.

    Args:
        context: Its scene has the references.
        objects: The references.
        sides: For each of them the side of :class:`ReferencePose`.

    Returns:
        The poses in the order of the sides that they show.

    Raises:
        ImageError: One has no image.
        SceneError: One is scaled to nothing, or is a camera that cannot be used.
    """
    ranked = []
    with evaluated_objects(context, objects) as graph_of:
        for obj, side in zip(objects, sides, strict=True):
            graph = graph_of(obj)
            matrix = np.array(obj.evaluated_get(graph).matrix_world)
            pose = _reference_pose(context.scene, obj, graph, side)
            ranked.append((_side_rank(obj, matrix), obj.name, pose))

    return [pose for _, _, pose in sorted(ranked, key=lambda item: item[:2])]


def reference_pose(
    context: bpy.types.Context, obj: bpy.types.Object, side: str = ""
) -> ReferencePose:
    """Return the pose of one reference, see :func:`reference_poses`."""
    return reference_poses(context, [obj], [side])[0]


def _reference_pose(
    scene: bpy.types.Scene, obj: bpy.types.Object, graph: bpy.types.Depsgraph, side: str
) -> ReferencePose:
    """Return the pose of the reference ``obj``, which ``graph`` has evaluated."""
    matrix = np.array(obj.evaluated_get(graph).matrix_world)
    if obj.type == 'CAMERA':
        background = background_image(obj)
        assert background is not None, "only references are read"
        image = background.image
        user = background.image_user
    else:
        image = obj.data
        user = obj.image_user
    if image is None:
        raise ImageError(
            f"{obj.name}: This empty has no image. Open one in the Object Data properties"
        )

    # Of movies and sequences the frame that is shown now, whenever it is read.
    frame = images.shown_frame(image, user, int(scene.frame_current_final))
    size = images.frame_size(image, frame)
    if obj.type == 'CAMERA':
        camera = _background_camera(scene, obj, graph, size)
    else:
        camera = _empty_camera(obj, matrix, size)

    return ReferencePose(
        name=obj.name,
        image=image.session_uid,
        camera=camera,
        side=side,
        frame=frame,
        seen_from=_direction_text(obj, matrix, side),
    )


def background_image(camera: bpy.types.Object) -> bpy.types.CameraBackgroundImage | None:
    """Return the first background image that ``camera`` shows; None if it shows none."""
    if not camera.data.show_background_images:
        return None
    for background in camera.data.background_images:
        # Movie clips are no references.
        has_image = background.source == 'IMAGE' and background.image
        if background.show_background_image and has_image:
            return background

    return None


def _objects_named(context: bpy.types.Context, name: str) -> bpy.types.Object:
    """Return the reference called ``name`` of the scene."""
    obj = context.scene.objects.get(name)
    if obj is None:
        raise SceneError(f"There is no object named {name!r} in this scene")
    if not is_reference(obj):
        raise SceneError(f"{name} is not a visible image empty or a camera with a background image")
    return obj


def _direction_text(obj: bpy.types.Object, matrix: NDArray[np.float64], side: str) -> str:
    """Return the direction that ``obj`` shows at ``matrix`` (4, 4), or ``side`` if it is set."""
    return side or describe_direction(_viewer_direction(obj, matrix))


def _side_rank(obj: bpy.types.Object, matrix: NDArray[np.float64]) -> int:
    """Return the index of the side that ``obj`` shows at ``matrix`` (4, 4).

    Where two references disagree by far, the one with the lower rank is believed.
    """
    direction = _viewer_direction(obj, matrix)

    # The side whose direction is nearest to the viewer's.
    alignment = [np.dot(direction, side_direction) for side_direction, _ in SIDES.values()]
    return int(np.argmax(alignment))


def _viewer_direction(obj: bpy.types.Object, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the direction (3,) from the object to the viewer of its image.

    Args:
        obj: The reference.
        matrix: (4, 4) its pose in world space.
    """
    if obj.type == 'CAMERA':
        return matrix[:3, 2]

    # An empty may be mirrored or sheared: the plane's normal, on the side that it faces.
    axis_x, axis_y, axis_z = matrix[:3, :3].T
    normal = np.cross(axis_x, axis_y)
    front_sign = -1 if obj.empty_image_side == 'BACK' else 1
    is_front = normal @ (axis_z * front_sign) >= 0

    return normal if is_front else -normal


def _image_aspect(image: bpy.types.Image, size: Size) -> float:
    """Return the width of ``image`` as displayed, divided by its height.

    Args:
        image: Of which a frame is displayed.
        size: Width and height of the frame, pixels.
    """
    width, height = size
    return width / max(height, 1) * image.display_aspect[0] / image.display_aspect[1]


def _empty_camera(obj: bpy.types.Object, matrix: NDArray[np.float64], size: Size) -> Camera:
    """Return the orthographic camera that sees the image of an empty as it is placed.

    As Blender draws it (``overlay_image_calc_aspect``): the longer side is as long as the display
    size.

    Args:
        obj: The image empty.
        matrix: (4, 4) its pose in world space.
        size: Of the image, pixels.
    """
    width, height = size
    aspect = _image_aspect(obj.data, size) if height else 1.0

    # The lower and left edge of the image in world space, and its lower left corner.
    proportions = np.array((min(1.0, aspect), min(1.0, 1 / aspect)))
    sides = obj.empty_display_size * proportions
    edges = sides[:, None] * matrix[:3, :2].T
    area = np.linalg.norm(np.cross(*edges))
    if area < _MIN_AREA:
        raise SceneError(f"{obj.name} has a scale of zero. Give it a size")
    corner = matrix[:3, 3] + np.array(obj.empty_image_offset) @ edges

    # Seen from its front, or from its back if only that is shown.
    direction = _viewer_direction(obj, matrix)
    return camera_of_image_plane(edges, corner, direction, max(width, 1), max(height, 1))


def _background_camera(
    scene: bpy.types.Scene, obj: bpy.types.Object, graph: bpy.types.Depsgraph, size: Size
) -> Camera:
    """Return the camera of the pixels of a camera object's background image.

    The camera's intrinsics map to pixels of the render. From there to pixels of the background
    image it goes by the plane of the camera's ``view_frame``:

        render pixel --(inverse of to_render)--> view frame --(inverse of to_frame)--> image pixel
    """
    background = background_image(obj)
    assert background is not None, "only references are read"
    camera = from_blender(scene, obj, graph)
    width = max(size[0], 1)
    height = max(size[1], 1)

    # Image pixels, v down -> the image as -0.5..0.5 with y up -> the view frame.
    to_unit = np.array(
        (
            (1 / width, 0, -0.5),
            (0, -1 / height, 0.5),
            (0, 0, 1),
        )
    )
    data = obj.evaluated_get(graph).data
    aspect = _image_aspect(background.image, (width, height))
    to_frame = _image_to_frame(background, aspect, data, scene) @ to_unit

    # The view frame -> render pixels, v down.
    low, high = _frame_corners(data, scene)
    frame_width, frame_height = high - low
    scale_x = camera.width / frame_width
    scale_y = camera.height / frame_height
    to_render = np.array(
        (
            (scale_x, 0, -low[0] * camera.width / frame_width),
            (0, -scale_y, high[1] * camera.height / frame_height),
            (0, 0, 1),
        )
    )

    intrinsics = np.linalg.inv(to_render @ to_frame) @ camera.intrinsics
    return Camera(camera.to_world, intrinsics, width, height, camera.orthographic)


def _frame_corners(
    camera: bpy.types.Camera, scene: bpy.types.Scene
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the low and high corner (2,) of the camera's ``view_frame`` in its plane."""
    corners = np.array([corner[:2] for corner in camera.view_frame(scene=scene)])
    return corners.min(0), corners.max(0)


def _image_to_frame(
    background: bpy.types.CameraBackgroundImage,
    aspect: float,
    camera: bpy.types.Camera,
    scene: bpy.types.Scene,
) -> NDArray[np.float64]:
    """Return the matrix (3, 3) from the image, -0.5..0.5 with y up, to the ``view_frame``.

    As Blender draws it (``image_camera_background_matrix_get`` of its overlay engine).

    Args:
        background: With the image.
        aspect: Width of the image as displayed, divided by its height.
        camera: That shows it, evaluated.
        scene: Whose render settings give the frame.
    """
    low, high = _frame_corners(camera, scene)
    frame_size = high - low
    frame_aspect = frame_size[0] / frame_size[1]

    # Size of the image in the frame.
    flip_x = -1 if background.use_flip_x else 1
    flip_y = -1 if background.use_flip_y else 1
    flip = np.array((flip_x, flip_y))
    fitted_size = _fitted_image_size(frame_size, aspect, background.frame_method)
    size = fitted_size * background.scale * flip

    # Its center.
    unit = camera.ortho_scale if camera.type == 'ORTHO' else 1.0
    offset = np.array(background.offset) * unit
    offset *= min(1.0, frame_aspect), 1 / (max(1.0, frame_aspect) * aspect / frame_aspect)
    center = (low + high) / 2 + offset

    cosine = np.cos(background.rotation)
    sine = np.sin(background.rotation)
    rotation = np.array(((cosine, sine), (-sine, cosine)))

    to_frame = np.eye(3)
    to_frame[:2, :2] = rotation * size
    to_frame[:2, 2] = center
    return to_frame


def _fitted_image_size(
    frame_size: NDArray[np.float64], aspect: float, method: str
) -> NDArray[np.float64]:
    """Return the size (2,) of an image that is fitted into a frame.

    Args:
        frame_size: (2,) width and height of the frame.
        aspect: Width of the image divided by its height.
        method: 'STRETCH' to the frame, 'FIT' into it, or 'CROP' to cover it.
    """
    if method == 'STRETCH':
        return frame_size

    # 'CROP' covers the frame by the shorter side, 'FIT' fits the longer one.
    width, height = frame_size
    is_wider = aspect > width / height
    if is_wider == (method == 'CROP'):
        return np.array((height * aspect, height))
    return np.array((width, width / aspect))
