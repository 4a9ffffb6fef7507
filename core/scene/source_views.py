"""The pictures that an object was made from: packed images, and their cameras in the object's frame, kept with it."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ..arrays import SourceView, View
from ..cameras import Camera
from .images import image_pixels, packed_image

_KEY = "maquette_views"
_OVERLAP = 0.5  # IoU of where a mesh was in a picture and is: sculpted it keeps more, moved or scaled it loses more


def store_views(obj: bpy.types.Object, views: tuple[SourceView, ...]) -> None:
    """Keep ``views`` in the custom property ``maquette_views`` of ``obj``: they are saved and go with it."""
    if not views:
        return
    obj[_KEY] = [
        {
            "image": packed_image(f"{obj.name} view", view.png.tobytes()),
            "size": (view.camera.width, view.camera.height),
            "to_world": view.camera.to_world.ravel().tolist(),
            "intrinsics": view.camera.intrinsics.ravel().tolist(),
            "orthographic": view.camera.orthographic,
            "box": _mesh_box(obj, view.camera).ravel().tolist(),
        }
        for view in views
    ]


def load_views(obj: bpy.types.Object) -> list[SourceView | View]:
    """The views that were kept with ``obj``, less those whose image is gone or of which :func:`count_stale` tells. None are
    for other objects.

    Those that are still packed come as they are: reading them, see :func:`decode_views`, takes long.

    Raises:
        ImageError: an image has lost its pixels.
    """
    return [
        _view_to_property(kept)
        for kept in obj.get(_KEY, ())
        if kept["image"] and not _is_stale(obj, kept)
    ]


def count_stale(obj: bpy.types.Object) -> int:
    """Of how many views the mesh of ``obj`` is no longer where it was: its transform was applied, say."""
    return sum(_is_stale(obj, kept) for kept in obj.get(_KEY, ()))


def _is_stale(obj: bpy.types.Object, kept: bpy.types.bpy_struct) -> bool:
    if "box" not in kept or not len(obj.data.vertices):
        return False
    now = _mesh_box(obj, _camera_from_json(kept))
    then = np.array(kept["box"]).reshape(2, 2)
    both = np.prod((np.minimum(now[1], then[1]) - np.maximum(now[0], then[0])).clip(0))
    return bool(both < _OVERLAP * (np.prod(now[1] - now[0]) + np.prod(then[1] - then[0]) - both))


def _mesh_box(obj: bpy.types.Object, camera: Camera) -> NDArray[np.float64]:
    """Where the mesh of ``obj`` lies in the picture, pixels: (2, 2), low and high."""
    vertices = np.empty(3 * len(obj.data.vertices), np.float32)
    obj.data.vertices.foreach_get("co", vertices)
    at, _ = camera.project(vertices.reshape(-1, 3))
    return np.stack((at.min(0), at.max(0)))


def decode_views(views: Sequence[SourceView | View]) -> list[View]:
    """``views`` with their pictures.

    Raises:
        ImageError: one cannot be read.
    """
    return [_decode_view(view) if isinstance(view, SourceView) else view for view in views]


def _camera_from_json(kept: bpy.types.bpy_struct) -> Camera:
    to_world = np.array(kept["to_world"]).reshape(4, 4)
    intrinsics = np.array(kept["intrinsics"]).reshape(3, 3)
    return Camera(to_world, intrinsics, *kept["size"], bool(kept["orthographic"]))


def _view_to_property(kept: bpy.types.bpy_struct) -> SourceView | View:
    image = kept["image"]
    camera = _camera_from_json(kept)
    if image.packed_file and not image.is_dirty:
        return SourceView(np.frombuffer(image.packed_file.data, np.uint8), camera)
    picture = image_pixels(image)
    return View(picture, camera.resized(picture.shape[1], picture.shape[0]))


def _decode_view(view: SourceView) -> View:
    image = packed_image("Maquette view", view.png.tobytes())
    try:
        picture = image_pixels(image)
    finally:
        bpy.data.images.remove(image)
    return View(picture, view.camera.resized(picture.shape[1], picture.shape[0]))
