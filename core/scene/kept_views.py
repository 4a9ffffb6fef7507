"""The pictures that an object was made from: packed images, and their cameras in the object's frame, kept with it."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np

from ..arrays import KeptView, View
from ..cameras import Camera
from .images import packed, pixels

_KEY = "maquette_views"


def keep(obj: bpy.types.Object, views: tuple[KeptView, ...]) -> None:
    """Keep ``views`` in the custom property ``maquette_views`` of ``obj``: they are saved and go with it."""
    if not views:
        return
    obj[_KEY] = [
        {
            "image": packed(f"{obj.name} view", view.png.tobytes()),
            "size": (view.camera.width, view.camera.height),
            "to_world": view.camera.to_world.ravel().tolist(),
            "intrinsics": view.camera.intrinsics.ravel().tolist(),
            "orthographic": view.camera.orthographic,
        }
        for view in views
    ]


def kept_with(obj: bpy.types.Object) -> list[KeptView | View]:
    """The views that were kept with ``obj``, less those whose image is gone. None are for other objects.

    Those that are still packed come as they are: reading them, see :func:`opened`, takes long.

    Raises:
        ImageError: an image has lost its pixels.
    """
    return [_kept(kept) for kept in obj.get(_KEY, ()) if kept["image"]]


def opened(views: Sequence[KeptView | View]) -> list[View]:
    """``views`` with their pictures.

    Raises:
        ImageError: one cannot be read.
    """
    return [_opened(view) if isinstance(view, KeptView) else view for view in views]


def _kept(kept: bpy.types.bpy_struct) -> KeptView | View:
    image, (width, height) = kept["image"], kept["size"]
    to_world, intrinsics = np.array(kept["to_world"]).reshape(4, 4), np.array(kept["intrinsics"]).reshape(3, 3)
    camera = Camera(to_world, intrinsics, width, height, bool(kept["orthographic"]))
    if image.packed_file and not image.is_dirty:
        return KeptView(np.frombuffer(image.packed_file.data, np.uint8), camera)
    picture = pixels(image)
    return View(picture, camera.resized(picture.shape[1], picture.shape[0]))


def _opened(view: KeptView) -> View:
    image = packed("Maquette view", view.png.tobytes())
    try:
        picture = pixels(image)
    finally:
        bpy.data.images.remove(image)
    return View(picture, view.camera.resized(picture.shape[1], picture.shape[0]))
