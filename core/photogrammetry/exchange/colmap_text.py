"""COLMAP's text files: a line an entry, numbers between spaces, comments after "#"."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from .colmap_records import MOST_POINTS, ImageEntry, LensEntry, PointTable
from .file_reading import Lines, read_lines
from .lenses import Lens

_POINT_COLUMNS = 8  # before the track


def read_lenses(path: Path) -> dict[int, Lens]:
    """Return the lenses of ``cameras.txt`` by their numbers.

    Raises:
        CameraFileError: The file is damaged.
    """
    lenses = {}
    with read_lines(path) as lines:
        for line in _entries(lines):
            number, model, width, height, *parameters = line.split()
            entry = LensEntry(model, int(width), int(height), tuple(map(float, parameters)))
            lenses[int(number)] = entry.to_lens()
    return lenses


def read_images(path: Path, lens_numbers: Collection[int]) -> list[ImageEntry]:
    """Return the images of ``images.txt``.

    Raises:
        CameraFileError: The file is damaged, or an image has none of the lenses.
    """
    images = []
    with read_lines(path) as lines:
        for line in _entries(lines):
            _, *numbers, lens_number, name = line.split(maxsplit=9)
            if int(lens_number) not in lens_numbers:
                raise ValueError(f"there is no camera {int(lens_number)}")
            image = ImageEntry.from_numbers([float(x) for x in numbers], name, int(lens_number))
            images.append(image)
            # The next line, which may be empty, lists what the image shows.
            next(lines, "")

    return images


def read_points(path: Path) -> PointTable:
    """Return the points of ``points3D.txt``.

    Raises:
        CameraFileError: The file is damaged.
    """
    rows: list[tuple[float, ...]] = []
    with read_lines(path) as lines:
        for line in _entries(lines):
            values = line.split()
            if len(values) < _POINT_COLUMNS:
                raise ValueError(f"a point has {_POINT_COLUMNS} numbers and its track")
            if len(rows) == MOST_POINTS:
                raise ValueError(f"there are more than {MOST_POINTS:,} points")
            track_length = (len(values) - _POINT_COLUMNS) // 2
            rows.append((*map(float, values[1:_POINT_COLUMNS]), track_length))

    table = np.array(rows, np.float64).reshape(-1, 8)
    return PointTable(
        points=table[:, :3],
        colors=np.nan_to_num(table[:, 3:6]).clip(0, 255).astype(np.uint8),
        track_length=table[:, 7].astype(np.int64),
        error=table[:, 6],
    )


def encode_lenses(lenses: Mapping[int, LensEntry]) -> str:
    """Return ``cameras.txt``."""
    rows = [
        f"{number} {entry.model} {entry.width} {entry.height} {_join(entry.parameters)}"
        for number, entry in lenses.items()
    ]
    return _text("CAMERA_ID MODEL WIDTH HEIGHT PARAMETERS", rows)


def encode_images(images: Iterable[ImageEntry]) -> str:
    """Return ``images.txt``, in which no image shows a point."""
    rows = [
        f"{number} {_join(image.numbers())} {image.lens_number} {image.name}\n"
        for number, image in enumerate(images, 1)
    ]
    return _text("IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, and a line of points", rows)


def encode_points(table: PointTable) -> str:
    """Return ``points3D.txt`` without tracks."""
    columns = zip(table.points.tolist(), table.colors.tolist(), table.error.tolist(), strict=True)
    rows = [
        f"{number} {_join(point)} {' '.join(map(str, color))} {error!r}"
        for number, (point, color, error) in enumerate(columns, 1)
    ]
    return _text("POINT3D_ID X Y Z R G B ERROR TRACK", rows)


def _entries(lines: Lines) -> Iterator[str]:
    """Yield the lines that are neither empty nor comments."""
    for line in lines:
        text = line.strip()
        if text and not text.startswith("#"):
            yield text


def _text(columns: str, rows: Iterable[str]) -> str:
    return "".join(f"{row}\n" for row in (f"# {columns}", *rows))


def _join(values: Iterable[float]) -> str:
    return " ".join(repr(value) for value in values)
