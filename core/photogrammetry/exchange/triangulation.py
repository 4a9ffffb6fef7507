"""A cloud of points for cameras that come without one, by pycolmap's SIFT and triangulation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...atomic_files import report_write_errors
from ...errors import CameraFileError
from ...jobs.dependencies import require_packages
from ...jobs.task import Progress, Task, subtask
from ...jobs.temporary_folders import temporary_folder
from .. import matching, photo_files
from ..mapping import read_cloud
from ..matching import MatchDatabase
from ..photo_files import Photograph
from ..records import SolvedPhotograph, SparseCloud

_LEAST_MATCHES = 50  # by which cameras can be judged
_LEAST_AGREEMENT = (
    0.3  # of the matches; measured: right ones have 0.68 to 1, mixed-up ones 0.07 to 0.15
)
_READ = 0.2  # of the time
_FEATURES = 0.6
_MATCHES = 0.95


def triangulate_points(
    photographs: Sequence[SolvedPhotograph], max_side: int
) -> Task[tuple[SparseCloud, float | None]]:
    """Find the points that several photographs show, in the world of their cameras.

    Args:
        photographs: With their cameras.
        max_side: Longer side to which they are reduced, pixels.

    Returns:
        The points, and which share of the matches agrees with the cameras; None if there are too
        few matches.

    Raises:
        CameraFileError: Hardly any do, so the cameras are others' than the photographs'.
        DependencyError: pycolmap or Pillow is not installed.
        ImageError: A photograph cannot be read.
    """
    require_packages("pycolmap", "PIL")
    with temporary_folder() as folder:
        reading = _write_reduced(photographs, max_side, folder)
        sizes = yield from subtask(reading, 0.0, _READ)
        database = MatchDatabase(folder, [_image_name(index) for index in range(len(sizes))])
        named = [_as_matched(index, each) for index, each in enumerate(photographs)]
        extraction = matching.extract_features(database, named, sizes)
        yield from subtask(extraction, _READ, _FEATURES)
        cameras = _set_cameras(database, photographs, sizes)
        yield from subtask(matching.match_features(database), _FEATURES, _MATCHES)
        yield Progress(_MATCHES, "Points")
        cloud = _triangulate(database, photographs, cameras)
        agreement = _agreement(database, cloud)

    if agreement is not None and agreement < _LEAST_AGREEMENT:
        raise CameraFileError(
            f"The cameras do not fit the photographs: only {agreement:.0%} of what these have in "
            "common agrees with the cameras. Choose those of the same photographs, as they are "
            "stored"
        )

    return cloud, agreement


def _agreement(database: MatchDatabase, cloud: SparseCloud) -> float | None:
    """Return which share of the verified matches is in a point; None if there are too few."""
    matches = sum(len(pair.first_pixels) for pair in matching.read_pairs(database))
    if matches < _LEAST_MATCHES:
        return None
    lengths = cloud.track_length.astype(np.int64)
    agreeing = int((lengths * (lengths - 1) // 2).sum())
    return min(agreeing / matches, 1.0)


def _write_reduced(
    photographs: Sequence[SolvedPhotograph], max_side: int, folder: Path
) -> Task[list[tuple[int, int]]]:
    """Write images reduced into ``folder``; return their sizes."""
    from PIL import Image

    sizes = []
    for index, photograph in enumerate(photographs):
        yield Progress(index / len(photographs), f"Reading {index + 1}/{len(photographs)}")
        color = photo_files.read_reduced(photograph.path, max_side).color
        path = folder / _image_name(index)
        with report_write_errors(path):
            Image.fromarray(color).save(path, compress_level=1)
        sizes.append((color.shape[1], color.shape[0]))

    return sizes


def _image_name(index: int) -> str:
    return f"{index:04d}.png"


def _as_matched(index: int, photograph: SolvedPhotograph) -> Photograph:
    """Return the photograph as matching takes it, so that it gets a camera of its own."""
    camera = photograph.camera
    return Photograph(photograph.path, camera.width, camera.height, lens=index + 1.0)


def _set_cameras(
    database: MatchDatabase,
    photographs: Sequence[SolvedPhotograph],
    sizes: Sequence[tuple[int, int]],
) -> list[Any]:
    """Put the known intrinsics in the database; return them as pycolmap's cameras."""
    import pycolmap

    cameras = []
    with pycolmap.Database.open(database.path) as opened:
        for number, photograph, size in zip(database.image_ids, photographs, sizes, strict=True):
            (fx, _, cx), (_, fy, cy), _ = photograph.camera.resized(*size).intrinsics.tolist()
            camera = pycolmap.Camera(
                camera_id=opened.read_image(number).camera_id,
                model="OPENCV",
                width=size[0],
                height=size[1],
                params=[fx, fy, cx, cy, *photograph.distortion, 0.0, 0.0],
                has_prior_focal_length=True,
            )
            opened.update_camera(camera)
            cameras.append(camera)

    return cameras


def _triangulate(
    database: MatchDatabase, photographs: Sequence[SolvedPhotograph], cameras: Sequence[Any]
) -> SparseCloud:
    """Return the points that the matches give with the known cameras."""
    import pycolmap

    model = pycolmap.Reconstruction()
    for index, (photograph, camera) in enumerate(zip(photographs, cameras, strict=True)):
        model.add_camera_with_trivial_rig(camera)
        image = pycolmap.Image(
            name=_image_name(index),
            camera_id=camera.camera_id,
            image_id=database.image_ids[index],
        )
        pose = pycolmap.Rigid3d(photograph.camera.from_world[:3])
        model.add_image_with_trivial_frame(image, pose)

    output = database.folder / "points"
    output.mkdir()
    solved = pycolmap.triangulate_points(model, database.path, database.folder, output)
    return read_cloud(solved)
