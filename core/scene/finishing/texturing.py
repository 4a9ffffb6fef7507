"""A texture for an object, from the pictures that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays, View
from ...geometry.texture_baking import bake_texture
from ...jobs.task import Progress, Task, in_thread
from .. import images, materials
from . import blender_remeshers

UV = "UVMap"


@dataclass(frozen=True)
class BakedTexture:
    """png: (N,) uint8, the bytes of its file. size: its width and height. mean: (3,) sRGB in 0..1.
    uv: (F, 3 or 4, 2) of the faces' corners, v up.
    """

    png: NDArray[np.uint8]
    size: tuple[int, int]
    mean: NDArray[np.float32]
    uv: NDArray[np.float32]


def bake_texture_of_views(mesh: MeshArrays, views: Sequence[View], size: int) -> Task[BakedTexture]:
    """Unwrap ``mesh`` and bake what ``views``, in its frame, show of it; elsewhere its own colours, else grey."""
    yield Progress(0.0, "Unwrapping")
    uv = blender_remeshers.unwrap_uv(mesh, size)
    picture = yield from in_thread(bake_texture(mesh, uv, views, size))
    yield Progress(0.95, "Packing")
    return encode_texture(picture, uv)


def encode_texture(picture: NDArray[np.float32], uv: NDArray[np.float32]) -> BakedTexture:
    """The texture of ``picture`` (H, W, 3), sRGB in 0..1, row 0 at the top, for ``uv`` as in :class:`BakedTexture`.

    By Blender, which writes a PNG file only when it packs an image.
    """
    height, width = picture.shape[:2]
    image = bpy.data.images.new("Maquette texture", width, height, alpha=False)
    try:
        rgba = np.ones((height, width, 4), np.float32)
        rgba[..., :3] = picture[::-1]
        image.pixels.foreach_set(rgba.ravel())
        image.pack()
        png = np.frombuffer(image.packed_file.data, np.uint8)
    finally:
        bpy.data.images.remove(image)
    return BakedTexture(png, (width, height), picture.mean((0, 1)), uv)


def apply_texture(obj: bpy.types.Object, made: BakedTexture) -> bpy.types.Image:
    """Give the mesh of ``obj``, whose faces are those that ``made`` was made for, its UV map, and a material with it.

    The image is new, packed, and named after the object.
    """
    mesh = obj.data
    while mesh.uv_layers:  # each removal moves the others
        mesh.uv_layers.remove(mesh.uv_layers[0])
    layer = mesh.uv_layers.new(name=UV)
    layer.uv.foreach_set("vector", np.ascontiguousarray(made.uv, np.float32).ravel())
    old = list(mesh.materials)
    mesh.materials.clear()
    materials.remove_unused(old)  # first, so that their names are free
    image = images.packed_image(f"{obj.name} texture", made.png.tobytes())
    mesh.materials.append(materials.showing_image(obj.name, image, made.mean))
    return image
