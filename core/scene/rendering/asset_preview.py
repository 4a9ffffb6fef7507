"""Objects as assets of Blender's asset browser: with a preview, and with what they were made of."""

from __future__ import annotations

from collections.abc import Mapping

import bpy
import numpy as np

from .thumbnails import render_thumbnails

_SIDE = 128  # pixels of a preview
_FROM = ((35, 25),)  # degrees: above the right front
_SAMPLES = 8


def mark_as_asset(obj: bpy.types.Object, about: Mapping[str, str | int | float]) -> None:
    """Make ``obj``, which is in the scene, an asset that tells ``about`` itself, as custom properties and as text."""
    obj.asset_mark()
    data = obj.asset_data
    data.description = ", ".join(f"{key} {value}" for key, value in about.items())
    data.tags.new("Maquette", skip_if_exists=True)
    for key, value in about.items():
        data[key] = value
    if bpy.app.background:
        _render_preview(obj)
    else:
        obj.asset_generate_preview()  # beside the window; without one it gives nothing


def _render_preview(obj: bpy.types.Object) -> None:
    (picture,) = render_thumbnails(obj, _SIDE, _FROM, _SAMPLES)
    preview = obj.preview_ensure()
    preview.image_size = (_SIDE, _SIDE)
    preview.image_pixels_float.foreach_set(np.ascontiguousarray(picture[::-1], np.float32).ravel())
