"""Image files of a training set: PNG and WebP, whose sizes are checked before they are decoded."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from . import limits

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_SIZE = 16  # byte of the width of a PNG, followed by the height


def open_image(data: bytes, formats: tuple[str, ...]) -> ImageFile:
    """Return an image whose pixels have not been decoded yet.

    Args:
        data: The file.
        formats: Formats of Pillow that it may have.

    Raises:
        ValueError: It has too many pixels or frames. Damaged files raise further exceptions of
            Pillow.
    """
    from PIL import Image

    # Pillow would warn of what it deems large, and decompress further chunks first.
    if data.startswith(_PNG_SIGNATURE):
        width = int.from_bytes(data[_PNG_SIZE : _PNG_SIZE + 4], "big")
        height = int.from_bytes(data[_PNG_SIZE + 4 : _PNG_SIZE + 8], "big")
        _check_pixels(width, height)

    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error

    _check_pixels(image.width, image.height)
    if getattr(image, "n_frames", 1) != 1:
        raise ValueError("the image is animated")
    return image


def _check_pixels(width: int, height: int) -> None:
    if width * height > limits.IMAGE_PIXELS:
        raise ValueError(f"the image is {width} x {height}, more than {limits.IMAGE_PIXELS} pixels")
