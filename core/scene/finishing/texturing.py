"""A texture for an object, from the images that it was made from."""

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
    """A texture and the UV map that it is for.

    Attributes:
        png: (N,) uint8, the bytes of its PNG file.
        size: Width and height, texels.
        mean: (3,) sRGB in 0..1.
        uv: (F, 3 or 4, 2) of the corners of the faces, 0..1, v up.
    """

    png: NDArray[np.uint8]
    size: tuple[int, int]
    mean: NDArray[np.float32]
    uv: NDArray[np.float32]


def bake_texture_of_views(mesh: MeshArrays, views: Sequence[View], size: int) -> Task[BakedTexture]:
    """Unwrap ``mesh`` and bake what ``views`` show of it.

    Where no view shows it, the texture has the vertex colors of the mesh, else gray.

    Args:
        mesh: To texture.
        views: Their cameras are in its frame.
        size: Texels along each side.
    """
    yield Progress(0.0, "Unwrapping")
    uv = blender_remeshers.unwrap_uv(mesh, size)
    pixels = yield from in_thread(bake_texture(mesh, uv, views, size))
    yield Progress(0.95, "Packing")
    return encode_texture(pixels, uv)


def encode_texture(pixels: NDArray[np.float32], uv: NDArray[np.float32]) -> BakedTexture:
    """Return the texture of ``pixels`` with its PNG file.

    Encoded by Blender, which writes a PNG file only when it packs an image.

    Args:
        pixels: (H, W, 3) sRGB in 0..1, row 0 at the top.
        uv: As in :class:`BakedTexture`.
    """
    height, width = pixels.shape[:2]

    # Blender's images have four channels; the texture is opaque.
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = pixels
    image = images.image_from_pixels("Maquette texture", rgba, alpha=False)

    try:
        png = np.frombuffer(image.packed_file.data, np.uint8)
    finally:
        bpy.data.images.remove(image)

    return BakedTexture(png=png, size=(width, height), mean=pixels.mean((0, 1)), uv=uv)


def apply_texture(obj: bpy.types.Object, texture: BakedTexture) -> bpy.types.Image:
    """Give the mesh of ``obj`` a UV map and a material with a texture.

    Args:
        obj: Its faces are those that the texture was made for.
        texture: To apply.

    Returns:
        The new packed image, named after the object.
    """
    mesh = obj.data
    while mesh.uv_layers:  # each removal moves the others
        mesh.uv_layers.remove(mesh.uv_layers[0])

    layer = mesh.uv_layers.new(name=UV)
    uv = np.ascontiguousarray(texture.uv, np.float32)
    layer.uv.foreach_set("vector", uv.ravel())

    # The old materials first, so that their names are free.
    old_materials = list(mesh.materials)
    mesh.materials.clear()
    materials.remove_unused(old_materials)

    image = images.packed_image(f"{obj.name} texture", texture.png.tobytes())
    material = materials.showing_image(obj.name, image, texture.mean)
    mesh.materials.append(material)
    return image
