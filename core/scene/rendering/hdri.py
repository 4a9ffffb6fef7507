"""The light domes that Blender ships (CC0): as lamps of a scene, and as pictures of places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ...imaging import color as color_space

_SUFFIXES = (".exr", ".hdr")
_GRAY = 0.18  # what the median of a picture is exposed to


def hdri_files(folder: Path | None = None) -> Sequence[Path]:
    """The light domes of ``folder``, in order, or those that Blender ships; none in some builds.

    Raises:
        DatasetError: ``folder`` holds none.
    """
    within = folder or Path(bpy.utils.resource_path('LOCAL')) / "datafiles/studiolights/world"
    found = sorted(path for path in within.glob("*") if path.suffix.lower() in _SUFFIXES)
    if folder and not found:
        raise DatasetError(f"{folder} contains no HDRI ({', '.join(_SUFFIXES)})")
    return found


def read_panoramas(files: Iterable[Path]) -> list[NDArray[np.uint8]]:
    """Equirectangular pictures (H, W, 3) in sRGB of environment maps, row 0 straight up."""
    pictures = []
    for file in files:
        image = bpy.data.images.load(str(file))
        try:
            width, height = image.size
            pixels = np.empty(width * height * image.channels, np.float32)
            image.pixels.foreach_get(pixels)
        finally:
            bpy.data.images.remove(image)
        light = pixels.reshape(height, width, -1)[::-1, :, :3]
        light = light * (_GRAY / max(float(np.median(light)), 1e-6))
        pictures.append((color_space.from_linear(light) * 255).astype(np.uint8))
    return pictures
