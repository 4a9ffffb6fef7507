"""Pictures of the open .blend into arrays."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..imaging import color as color_space
from ..imaging.image_files import MAX_SIDE, check_size, downscale, require_visible


def image_named(name: str) -> bpy.types.Image:
    """The picture of the open file called ``name``.

    Raises:
        ImageError: there is none.
    """
    image = bpy.data.images.get(name)
    if image is None:
        raise ImageError(f"There is no image named {name!r} in this file")
    return image


def packed_image(name: str, png: bytes) -> bpy.types.Image:
    """A new image with the file ``png`` in it, which Blender reads when it first needs its pixels."""
    image = bpy.data.images.new(name, 1, 1, alpha=True)
    image.pack(data=png, data_len=len(png))
    image.source = 'FILE'
    return image


@dataclass(frozen=True)
class ImageValues:
    """A picture read out of Blender, which is all that needs Blender: the rest is for a thread.

    values: (H, W, C) float32 as Blender keeps them, row 0 at the bottom.
    opaque: whether its alpha does not count. linear: scene linear, premultiplied. data: of no colour space.
    """

    name: str
    values: NDArray[np.float32]
    opaque: bool
    linear: bool
    data: bool

    def to_pixels(self, max_side: int = MAX_SIDE) -> NDArray[np.float32]:
        """As of :func:`image_pixels`.

        Raises:
            ImageError: it is empty.
        """
        rgba = _as_rgba(self.values[::-1])
        if self.opaque:
            rgba[..., 3] = 1
        elif self.linear:  # Blender keeps bytes straight and floats premultiplied
            rgba[..., :3] /= np.maximum(rgba[..., 3:], 1e-6)
        if self.linear and not self.data:  # bytes are as in the file, floats scene linear
            rgba[..., :3] = color_space.from_linear(rgba[..., :3])
        return require_visible(downscale(rgba.clip(0, 1), max_side), f"Image {self.name!r}")


def image_values(image: bpy.types.Image) -> ImageValues:
    """What ``image`` holds. Takes some 5 ms a megapixel.

    Raises:
        ImageError: its file is missing, it has no pixels, is too large or too small.
    """
    width, height = image.size
    if not width * height:
        raise ImageError(_why_empty(image))
    check_size(width, height, f"Image {image.name!r}")
    values = np.empty((height, width, image.channels), np.float32)
    image.pixels.foreach_get(values.ravel())
    opaque = image.alpha_mode in {'NONE', 'CHANNEL_PACKED'}
    return ImageValues(
        image.name, values, opaque, image.is_float, image.colorspace_settings.is_data
    )


def image_pixels(image: bpy.types.Image, max_side: int = MAX_SIDE) -> NDArray[np.float32]:
    """What ``image`` shows, in the form of ``core.imaging.image_files.read_image``: (H, W, 4) float32, row 0 at the top, sRGB,
    straight alpha; reduced if a side is longer than ``max_side``.

    Raises:
        ImageError: its file is missing, it has no pixels, is too large, too small or empty.
    """
    return image_values(image).to_pixels(max_side)


def _as_rgba(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, 4) from (H, W, C) with C of 1 (grey), 2 (grey, alpha), 3 or 4."""
    height, width, channels = values.shape
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = values[..., :3] if channels >= 3 else values[..., :1]
    if channels in (2, 4):
        rgba[..., 3] = values[..., -1]
    return rgba


def _why_empty(image: bpy.types.Image) -> str:
    if image.type in {'RENDER_RESULT', 'COMPOSITING'}:
        return f"Image {image.name!r} has no pixels to read. Save it to a file and open that"
    if image.source == 'FILE' and not image.packed_file:
        path = bpy.path.abspath(image.filepath, library=image.library)
        return (
            f"Image {image.name!r} cannot be read from {path or 'an empty path'}. Find its file "
            "or open another"
        )
    return f"Image {image.name!r} has no pixels"
