"""Masks beside photographs, which anyone may paint: ``masks/NAME.png``, white is the object.

NAME is that of the photograph, with its suffix (as COLMAP has it) or without: ``masks/7.jpg.png``
or ``masks/7.png``. Such a mask is used instead of the alpha or what a plain background gives.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..atomic_files import make_folder, write_bytes
from ..errors import ImageError
from ..imaging import image_files

FOLDER = "masks"
_KEY = "maquette-by-cameras"  # of the text in a PNG: the digest of its pixels
_LARGEST_STRETCH = 0.03  # by which the shape of a mask may differ from its photograph's


def mask_path(photograph: Path) -> Path:
    """Return where the mask of ``photograph`` is written."""
    return photograph.parent / FOLDER / f"{photograph.name}.png"


def find_mask(photograph: Path) -> Path | None:
    """Return the mask file of ``photograph``; None if there is none."""
    for name in (photograph.name, photograph.stem):
        path = photograph.parent / FOLDER / f"{name}.png"
        if path.is_file():
            return path
    return None


def find_masks(photographs: Iterable[Path]) -> tuple[Path, ...]:
    """Return the mask files that there are of ``photographs``."""
    masks = (find_mask(photograph) for photograph in photographs)
    return tuple(mask for mask in masks if mask is not None)


def read_mask(path: Path, width: int, height: int) -> NDArray[np.bool_]:
    """Read a mask file: bright and opaque pixels are the object.

    Args:
        path: Of the file, of any size.
        width: Of the photograph, turned upright, pixels.
        height: Of the photograph.

    Returns:
        (height, width) bool.

    Raises:
        ImageError: It cannot be read, or has another shape than the photograph.
    """
    from PIL import Image

    pixels = image_files.read_image(path)
    stretch = pixels.shape[1] * height / (pixels.shape[0] * width)
    if abs(np.log(stretch)) > _LARGEST_STRETCH:
        raise ImageError(
            f"The mask {path} has {pixels.shape[1]} x {pixels.shape[0]} pixels, which is another "
            f"shape than {width} x {height} of its photograph: paint on the masks that are written"
        )

    inside = pixels[..., :3].mean(axis=2) * pixels[..., 3] > 0.5
    resized = Image.fromarray(inside).resize((width, height), Image.Resampling.NEAREST)
    return np.asarray(resized)


def write_mask(photograph: Path, mask: NDArray[np.bool_], by_cameras: bool = False) -> None:
    """Write a mask beside its photograph.

    Args:
        photograph: Its file.
        mask: (H, W) where the object is.
        by_cameras: Whether it was found by solved cameras, see :func:`is_by_cameras`.

    Raises:
        OutputError: The file cannot be written.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    pixels = np.where(mask, 255, 0).astype(np.uint8)
    text = PngInfo()
    if by_cameras:
        text.add_text(_KEY, _digest(pixels))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=text)

    path = mask_path(photograph)
    make_folder(path.parent)
    write_bytes(path, buffer.getvalue())


def is_by_cameras(path: Path) -> bool:
    """Return whether a mask was found by solved cameras, and nobody has painted on it since.

    Such a mask cannot tell whether the cameras are right.

    Raises:
        ImageError: It cannot be read.
    """
    with image_files.opened_image(path) as image:
        digest = image.info.get(_KEY)
        return digest is not None and digest == _digest(np.asarray(image))


def _digest(pixels: NDArray[np.uint8]) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()
