"""A texture for an object, from the pictures that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays, View
from ..texture import bake
from ..work import Progress, Work, beside
from . import materials, remeshing

UV = "UVMap"


@dataclass(frozen=True)
class Texture:
    """picture: (S, S, 3) float32 sRGB in 0..1, row 0 at the top. uv: (F, 3 or 4, 2) of the faces' corners, v up."""

    picture: NDArray[np.float32]
    uv: NDArray[np.float32]


def texture(mesh: MeshArrays, views: Sequence[View], size: int) -> Work[Texture]:
    """Unwrap ``mesh`` and bake what ``views``, in its frame, show of it; elsewhere its own colours, else grey."""
    yield Progress(0.0, "Unwrapping")
    uv = remeshing.unwrapped(mesh, size)
    picture = yield from beside(bake(mesh, uv, views, size))
    return Texture(picture, uv)


def put_on(obj: bpy.types.Object, made: Texture) -> bpy.types.Image:
    """Give the mesh of ``obj``, whose faces are those that ``made`` was made for, its UV map, and a material with it.

    The image is new, packed, and named after the object.
    """
    mesh = obj.data
    for layer in list(mesh.uv_layers):
        mesh.uv_layers.remove(layer)
    layer = mesh.uv_layers.new(name=UV)
    layer.uv.foreach_set("vector", np.ascontiguousarray(made.uv, np.float32).ravel())
    old = list(mesh.materials)
    mesh.materials.clear()
    materials.remove_unused(old)  # first, so that their names are free
    image = _image(f"{obj.name} texture", made.picture)
    mesh.materials.append(materials.showing_image(obj.name, image, made.picture.mean((0, 1))))
    return image


def _image(name: str, picture: NDArray[np.float32]) -> bpy.types.Image:
    height, width = picture.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=False)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = picture[::-1]
    image.pixels.foreach_set(rgba.ravel())
    image.update()
    image.pack()
    return image
