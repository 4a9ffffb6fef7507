"""The pictures that an object was made from: packed images, and their cameras in the object's frame, kept with it."""

from __future__ import annotations

import bpy
import numpy as np

from ..arrays import KeptView, View
from ..cameras import Camera
from .images import pixels

_KEY = "maquette_views"


def keep(obj: bpy.types.Object, views: tuple[KeptView, ...]) -> None:
    """Keep ``views`` in the custom property ``maquette_views`` of ``obj``: they are saved and go with it."""
    if not views:
        return
    obj[_KEY] = [
        {
            "image": _packed(f"{obj.name} view", view.png.tobytes()),
            "to_world": view.camera.to_world.ravel().tolist(),
            "intrinsics": view.camera.intrinsics.ravel().tolist(),
            "orthographic": view.camera.orthographic,
        }
        for view in views
    ]


def views_of(obj: bpy.types.Object) -> list[View]:
    """The views that were kept with ``obj``, less those whose image is gone. None are for other objects.

    Raises:
        ImageError: an image has lost its pixels.
    """
    views = []
    for kept in obj.get(_KEY, ()):
        if kept["image"] is None:
            continue
        picture = pixels(kept["image"])
        to_world, intrinsics = np.array(kept["to_world"]).reshape(4, 4), np.array(kept["intrinsics"]).reshape(3, 3)
        width, height = kept["image"].size
        camera = Camera(to_world, intrinsics, width, height, bool(kept["orthographic"]))
        views.append(View(picture, camera.resized(picture.shape[1], picture.shape[0])))
    return views


def _packed(name: str, png: bytes) -> bpy.types.Image:
    image = bpy.data.images.new(name, 1, 1, alpha=True)
    image.pack(data=png, data_len=len(png))
    image.source = 'FILE'
    return image
