"""Objects as assets of Blender's asset browser, with a preview and metadata."""

from __future__ import annotations

from collections.abc import Mapping

import bpy
import numpy as np

from ...console import printable
from .thumbnails import render_thumbnails

_SIZE = 128  # pixels of a preview
_DIRECTIONS = ((35, 25),)  # azimuth and elevation, degrees: from above the right front
_SAMPLES = 8


def mark_as_asset(obj: bpy.types.Object, metadata: Mapping[str, str | int | float]) -> None:
    """Make ``obj`` an asset.

    Args:
        obj: In the scene.
        metadata: Stored as custom properties of the asset, and as its description.
    """
    obj.asset_mark()
    data = obj.asset_data
    texts = [f"{key} {value}" for key, value in metadata.items()]
    data.description = printable(", ".join(texts))
    data.tags.new("Maquette", skip_if_exists=True)
    for key, value in metadata.items():
        data[key] = printable(value) if isinstance(value, str) else value

    if bpy.app.background:
        _render_preview(obj)
    else:
        # In a thread, while the window stays responsive; without a window it does nothing.
        obj.asset_generate_preview()


def _render_preview(obj: bpy.types.Object) -> None:
    """Render the preview of ``obj``."""
    (pixels,) = render_thumbnails(obj, _SIZE, _DIRECTIONS, _SAMPLES)
    bottom_up = np.ascontiguousarray(pixels[::-1], np.float32)
    preview = obj.preview_ensure()
    preview.image_size = (_SIZE, _SIZE)
    preview.image_pixels_float.foreach_set(bottom_up.ravel())
