"""Images in labeled rows, to view many results at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..atomic_files import write_image
from ..console import printable

_GAP = 4  # pixels between images
_LABEL_HEIGHT = 14  # pixels
_PAPER = (255, 255, 255)
_INK = (60, 60, 60)

Row = tuple[str, Sequence[NDArray[np.floating[Any]]]]


def contact_sheet(rows: Sequence[Row], size: int, columns: int = 1) -> NDArray[np.uint8]:
    """Return rows of images, each below its label, as one image.

    Args:
        rows: Label and images (h, w, 4), in 0..1 with straight alpha, of any size.
        size: Side of the square into which each image is fitted, pixels.
        columns: Number of rows side by side.

    Returns:
        (H, W, 3) uint8.
    """
    most_images = max(len(images) for _, images in rows)
    row_width = most_images * (size + _GAP) + 2 * _GAP
    row_height = size + _LABEL_HEIGHT + _GAP
    lines = -(-len(rows) // columns)  # rounded up
    sheet = Image.new("RGB", (columns * row_width, lines * row_height), _PAPER)
    draw = ImageDraw.Draw(sheet)

    for index, (label, images) in enumerate(rows):
        column, line = divmod(index, lines)
        left = column * row_width + _GAP
        top = line * row_height
        draw.text((left, top + 1), printable(label), fill=_INK)

        # Center each image in its square.
        for position, image in enumerate(images):
            tile = _fit_into_square(image, size)
            square_left = left + position * (size + _GAP)
            square_top = top + _LABEL_HEIGHT
            x = square_left + (size - tile.width) // 2
            y = square_top + (size - tile.height) // 2
            sheet.paste(tile, (x, y), tile)

    return np.asarray(sheet)


def write_contact_sheet(path: Path, rows: Sequence[Row], size: int, columns: int = 1) -> None:
    """Write a :func:`contact_sheet` to a file.

    Args:
        path: Image file to write.
        rows: Label and images (h, w, 4), in 0..1 with straight alpha, of any size.
        size: Side of the square into which each image is fitted, pixels.
        columns: Number of rows side by side.

    Raises:
        OutputError: The file cannot be written, or is not one of an image.
    """
    write_image(path, Image.fromarray(contact_sheet(rows, size, columns)))


def _fit_into_square(pixels: NDArray[np.floating[Any]], size: int) -> Image.Image:
    """Return an image scaled until its longer side is ``size`` pixels."""
    shares = np.asarray(pixels).clip(0, 1)
    values = shares * 255 + 0.5
    image = Image.fromarray(values.astype(np.uint8))

    scale = size / max(image.size)
    width = max(1, round(image.width * scale))
    height = max(1, round(image.height * scale))
    return image.resize((width, height), Image.Resampling.LANCZOS)
