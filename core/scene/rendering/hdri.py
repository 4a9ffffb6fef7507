"""HDRIs (environment images): those that Blender ships (CC0), and those of a folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ...imaging import color as color_space

_SUFFIXES = (".exr", ".hdr")
_GRAY = 0.18  # linear value that the median of an image is exposed to: middle gray
_MIN_MEDIAN = 1e-6  # of an image that is not black


def hdri_files(folder: Path | None = None) -> Sequence[Path]:
    """Return the HDRI files of ``folder``, sorted, or those that Blender ships.

    Some builds of Blender ship none.

    Raises:
        DatasetError: ``folder`` has none.
    """
    shipped = Path(bpy.utils.resource_path('LOCAL')) / "datafiles/studiolights/world"
    paths = (folder or shipped).glob("*")
    files = sorted(path for path in paths if path.suffix.lower() in _SUFFIXES)

    # That Blender ships none is no error: lights are white then.
    if folder and not files:
        raise DatasetError(f"{folder} contains no HDRI ({', '.join(_SUFFIXES)})")
    return files


def read_panoramas(files: Iterable[Path]) -> list[NDArray[np.uint8]]:
    """Read HDRIs as equirectangular images (H, W, 3) in 8 bit sRGB, row 0 straight up."""
    return [_read_panorama(file) for file in files]


def _read_panorama(file: Path) -> NDArray[np.uint8]:
    """Read an HDRI as an image (H, W, 3) in 8 bit sRGB, exposed by its median."""
    image = bpy.data.images.load(str(file))
    try:
        width, height = image.size
        pixels = np.empty(width * height * image.channels, np.float32)
        image.pixels.foreach_get(pixels)
    finally:
        bpy.data.images.remove(image)

    # Row 0 at the top, without alpha.
    radiance = pixels.reshape(height, width, -1)[::-1, :, :3]

    exposure = _GRAY / max(float(np.median(radiance)), _MIN_MEDIAN)
    return (color_space.from_linear(radiance * exposure) * 255).astype(np.uint8)
