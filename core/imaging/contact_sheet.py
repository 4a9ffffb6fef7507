"""Pictures in rows, for looking at many results at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..errors import OutputError

_GAP = 4
_TEXT = 14
_PAPER = (255, 255, 255)


def contact_sheet(
    rows: Sequence[tuple[str, Sequence[NDArray[np.floating]]]], size: int, columns: int = 1
) -> NDArray[np.uint8]:
    """Rows of pictures, each under its label, as one picture (H, W, 3) uint8.

    Args:
        rows: label and pictures (h, w, 4) in 0..1 with straight alpha, of any size.
        size: of the square that each picture is fitted into, pixels.
        columns: how many rows stand side by side.
    """
    across = max(len(pictures) for _, pictures in rows)
    width = across * (size + _GAP) + 2 * _GAP
    height = size + _TEXT + _GAP
    lines = -(-len(rows) // columns)
    sheet = Image.new("RGB", (columns * width, lines * height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, (label, pictures) in enumerate(rows):
        left = index // lines * width + _GAP
        top = index % lines * height
        draw.text((left, top + 1), label, fill=(60, 60, 60))
        for place, picture in enumerate(pictures):
            tile = _fit_into_cell(picture, size)
            at = (
                left + place * (size + _GAP) + (size - tile.width) // 2,
                top + _TEXT + (size - tile.height) // 2,
            )
            sheet.paste(tile, at, tile)
    return np.asarray(sheet)


def write_contact_sheet(
    path: Path,
    rows: Sequence[tuple[str, Sequence[NDArray[np.floating]]]],
    size: int,
    columns: int = 1,
) -> None:
    """Write what :func:`contact_sheet` makes.

    Raises:
        OutputError: ``path`` cannot be written.
    """
    try:
        Image.fromarray(contact_sheet(rows, size, columns)).save(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def _fit_into_cell(picture: NDArray[np.floating], size: int) -> Image.Image:
    image = Image.fromarray((np.asarray(picture).clip(0, 1) * 255 + 0.5).astype(np.uint8))
    scale = size / max(image.size)
    return image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))),
        Image.Resampling.LANCZOS,
    )
