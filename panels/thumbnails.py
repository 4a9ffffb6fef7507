"""Thumbnails of image files and of arrays in panels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews
import numpy as np
from bpy.types import UILayout
from numpy.typing import NDArray

_SCALE = 3.0  # of Blender's icons
_collection: Any = None  # an ImagePreviewCollection between register and unregister


def draw_thumbnail(layout: UILayout, path: Path) -> None:
    """Draw the image of a file small, or an icon if the file is gone."""
    preview = thumbnail(path)
    if preview:
        layout.template_icon(preview.icon_id, scale=_SCALE)
    else:
        layout.label(icon='ERROR')


def thumbnail(path: Path) -> bpy.types.ImagePreview | None:
    """Return the preview of an image file; None if the file is gone.

    Blender reads the file in the background when it is drawn for the first time.
    """
    try:
        changed = path.stat().st_mtime_ns
    except (OSError, ValueError):  # missing, or a path that cannot be
        return None

    name = f"{changed} {path}"  # a file that has changed gets a new one
    if name not in _collection:
        _collection.load(name, str(path), 'IMAGE')
    return _collection[name]


def pixel_thumbnail(name: str, pixels: NDArray[np.uint8]) -> bpy.types.ImagePreview:
    """Return the preview of an image that is no file.

    Args:
        name: That tells it from others.
        pixels: (H, W, 4), sRGB with straight alpha, row 0 at the top. Read at the first call.
    """
    key = f"pixels {name}"
    if key in _collection:
        return _collection[key]
    preview = _collection.new(key)
    height, width = pixels.shape[:2]
    preview.image_size = (width, height)

    # Blender's rows go from the bottom to the top, and it draws them as premultiplied.
    shares = pixels[::-1].astype(np.float32) / 255
    shares[..., :3] *= shares[..., 3:]
    preview.image_pixels_float.foreach_set(np.ascontiguousarray(shares).ravel())
    return preview


def register() -> None:
    """Make room for thumbnails."""
    global _collection
    _collection = bpy.utils.previews.new()


def unregister() -> None:
    """Free them."""
    global _collection
    bpy.utils.previews.remove(_collection)
    _collection = None
