"""COLMAP's binary files: little-endian, a count, then one entry after the other."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from .colmap_records import LENS_MODELS, MOST_POINTS, ImageEntry, LensEntry, PointTable
from .file_reading import BinaryReader, read_binary
from .lenses import Lens

_MODEL_NAMES = {model.number: name for name, model in LENS_MODELS.items()}
_COUNT = struct.Struct("<Q")
_LENS = struct.Struct("<iiQQ")  # number, model, width, height
_IMAGE = struct.Struct("<I7di")  # number, quaternion, translation, lens
_POINT = struct.Struct("<Q3d3BdQ")  # number, position, color, error, length of the track
_OBSERVATION_BYTES = 24
_TRACK_BYTES = 8


def read_lenses(path: Path) -> dict[int, Lens]:
    """Return the lenses of ``cameras.bin`` by their numbers.

    Raises:
        CameraFileError: The file is damaged.
    """
    lenses = {}
    with read_binary(path) as file:
        for _ in range(_read_count(file, _LENS.size)):
            number, model_number, width, height = file.unpack(_LENS)
            model = _MODEL_NAMES.get(model_number, f"number {model_number}")
            count = LENS_MODELS[model].count if model in LENS_MODELS else 0
            parameters = file.unpack(struct.Struct(f"<{count}d"))
            lenses[number] = LensEntry(model, width, height, parameters).to_lens()

    return lenses


def read_images(path: Path, lens_numbers: Collection[int]) -> list[ImageEntry]:
    """Return the images of ``images.bin``.

    Raises:
        CameraFileError: The file is damaged, or an image has none of the lenses.
    """
    images = []
    with read_binary(path) as file:
        for _ in range(_read_count(file, _IMAGE.size)):
            _, *numbers, lens_number = file.unpack(_IMAGE)
            if lens_number not in lens_numbers:
                raise ValueError(f"there is no camera {lens_number}")
            images.append(ImageEntry.from_numbers(numbers, file.text(), lens_number))
            # What the image shows is not needed.
            file.skip(_read_count(file, _OBSERVATION_BYTES) * _OBSERVATION_BYTES)

    return images


def read_points(path: Path) -> PointTable:
    """Return the points of ``points3D.bin``.

    Raises:
        CameraFileError: The file is damaged.
    """
    rows = []
    with read_binary(path) as file:
        count = _read_count(file, _POINT.size)
        if count > MOST_POINTS:
            raise ValueError(f"there are more than {MOST_POINTS:,} points")
        for _ in range(count):
            _, *values, track_length = file.unpack(_POINT)
            file.require(track_length * _TRACK_BYTES)
            file.skip(track_length * _TRACK_BYTES)
            rows.append((*values, track_length))

    table = np.array(rows, np.float64).reshape(-1, 8)
    return PointTable(
        points=table[:, :3],
        colors=table[:, 3:6].astype(np.uint8),
        track_length=table[:, 7].astype(np.int64),
        error=table[:, 6],
    )


def encode_lenses(lenses: Mapping[int, LensEntry]) -> bytes:
    """Return ``cameras.bin``."""
    parts = [_COUNT.pack(len(lenses))]
    for number, entry in lenses.items():
        model = LENS_MODELS[entry.model]
        parts.append(_LENS.pack(number, model.number, entry.width, entry.height))
        parts.append(struct.pack(f"<{model.count}d", *entry.parameters))
    return b"".join(parts)


def encode_images(images: Sequence[ImageEntry]) -> bytes:
    """Return ``images.bin``, in which no image shows a point."""
    parts = [_COUNT.pack(len(images))]
    for number, image in enumerate(images, 1):
        parts.append(_IMAGE.pack(number, *image.numbers(), image.lens_number))
        parts.append(image.name.encode() + b"\0" + _COUNT.pack(0))
    return b"".join(parts)


def encode_points(table: PointTable) -> bytes:
    """Return ``points3D.bin`` without tracks."""
    columns = zip(table.points.tolist(), table.colors.tolist(), table.error.tolist(), strict=True)
    parts = [_COUNT.pack(len(table.points))]
    for number, (point, color, error) in enumerate(columns, 1):
        parts.append(_POINT.pack(number, *point, *color, error, 0))
    return b"".join(parts)


def _read_count(file: BinaryReader, least_bytes: int) -> int:
    """Return a number of entries, each of at least so many bytes.

    Raises:
        ValueError: The file is too short for them.
    """
    (count,) = file.unpack(_COUNT)
    file.require(count * least_bytes)
    return int(count)
