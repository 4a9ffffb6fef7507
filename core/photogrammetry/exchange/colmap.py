"""COLMAP's models: cameras, images and points, as text or binary files in one folder.

World-to-camera is in OpenCV's axes. Pixels count from the outer corner of the top left one. After
colmap.github.io/format.html.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ...atomic_files import write_bytes
from ...imaging.color import to_bytes
from ..records import SparseCloud
from . import colmap_binary, colmap_text
from .colmap_records import ImageEntry, LensEntry, PointTable
from .records import FileCamera, FileModel, make_cloud

# Where programs put the model below the folder of a data set.
_SUBFOLDERS = ("", "sparse/0", "sparse", "0", "colmap/sparse/0")
_SUFFIXES = (".bin", ".txt")


def find_images_file(folder: Path) -> Path | None:
    """Return the file of the images of the model in or below ``folder``; None if there is none."""
    for subfolder in _SUBFOLDERS:
        for suffix in _SUFFIXES:
            images = folder / subfolder / f"images{suffix}"
            if images.is_file() and images.with_name(f"cameras{suffix}").is_file():
                return images
    return None


def read_colmap(images_file: Path) -> FileModel:
    """Read the model of which ``images_file`` is one of the files.

    Raises:
        CameraFileError: A file is missing or damaged.
    """
    suffix = images_file.suffix.lower()
    reader = colmap_binary if suffix == ".bin" else colmap_text
    lenses = reader.read_lenses(images_file.with_name(f"cameras{suffix}"))
    images = reader.read_images(images_file.with_name(f"images{suffix}"), lenses.keys())
    cameras = tuple(
        FileCamera(image.name, image.to_world, lenses[image.lens_number]) for image in images
    )

    # A model without points has its cameras all the same.
    points_file = images_file.with_name(f"points3D{suffix}")
    cloud = None
    if points_file.is_file():
        table = reader.read_points(points_file)
        cloud = make_cloud(table.points, table.colors, table.track_length, table.error)
    return FileModel("COLMAP", cameras, cloud)


def write_colmap(folder: Path, cameras: Iterable[FileCamera], cloud: SparseCloud) -> None:
    """Write ``sparse/0`` in ``folder``, binary and as text: programs read one or the other.

    Points have no tracks.

    Raises:
        OutputError: The folder cannot be written.
    """
    lenses: dict[LensEntry, int] = {}
    images = []
    for camera in cameras:
        entry = LensEntry.of_lens(camera.lens)
        number = lenses.setdefault(entry, len(lenses) + 1)
        images.append(ImageEntry(camera.name, camera.to_world, number))

    numbered = {number: entry for entry, number in lenses.items()}
    table = PointTable(
        points=cloud.points.astype(np.float64),
        colors=to_bytes(cloud.colors),
        track_length=np.zeros(len(cloud.points), np.int64),
        error=cloud.error.astype(np.float64),
    )
    model = folder / "sparse" / "0"

    for suffix, writer in ((".bin", colmap_binary), (".txt", colmap_text)):
        write_bytes(model / f"cameras{suffix}", writer.encode_lenses(numbered))
        write_bytes(model / f"images{suffix}", writer.encode_images(images))
        write_bytes(model / f"points3D{suffix}", writer.encode_points(table))
