"""Cameras to and from other programs: COLMAP, transforms.json, Meshroom, Middlebury.

    file of cameras  ->  FileModel  ->  photographs by name and size  ->  world of the floor

Each module reads one format into a :class:`.records.FileModel`, whose lenses and world are the
file's. :func:`read_cameras` makes of it what a solve would have given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import CameraFileError, OutputError
from ...jobs.task import Task, subtask
from ..records import SolvedScene, SolveSettings
from .colmap import find_images_file, read_colmap, write_colmap
from .file_reading import read_json
from .lenses import Lens
from .meshroom import read_meshroom
from .middlebury import read_middlebury
from .names import distinct_names
from .outlines import OutlinedPhotographs, compare_outlines
from .photographs import place_photographs, stored_camera
from .records import FileCamera, FileModel
from .transforms import read_transforms, write_transforms
from .world import find_points, place_in_world

_DEFAULTS = SolveSettings()
_FORMATS = (
    "a folder with COLMAP's cameras, images and points3D, transforms.json, Meshroom's cameras.sfm, "
    "or a *_par.txt of Middlebury"
)
_COLMAP_FILES = ("cameras", "images", "points3D")
# What a folder is searched for if it has no model of COLMAP, the likeliest first.
_PATTERNS = (
    "transforms.json",
    "transforms_train.json",
    "cameras.sfm",
    "*.sfm",
    "sfm.json",
    "*_par.txt",
)
_LEAST_POINTS = 10  # by which a world's frame can be found
_PLACED = 0.05  # of the time, if points must be found
_OUTLINED = 0.2


def locate_cameras(path: Path) -> Path:
    """Return the file that holds the cameras of ``path``: itself, or one in that folder.

    Of a model of COLMAP it is the file of the images.

    Raises:
        CameraFileError: There is none.
    """
    if path.is_dir():
        images = find_images_file(path)
        if images is not None:
            return images
        for pattern in _PATTERNS:
            for found in sorted(path.glob(pattern)):
                if found.is_file():
                    return found
        raise CameraFileError(f"{path} has no cameras: choose {_FORMATS}")
    if not path.is_file():
        raise CameraFileError(f"There is no file or folder {path} of cameras: choose {_FORMATS}")
    if path.suffix.lower() in (".txt", ".bin") and path.stem in _COLMAP_FILES:
        images = find_images_file(path.parent)
        if images is None:
            raise CameraFileError(f"{path.parent} lacks cameras or images of the model")
        return images

    return path


def read_cameras(
    path: Path, photographs: Sequence[Path], settings: SolveSettings = _DEFAULTS
) -> Task[SolvedScene]:
    """Return what other programs solved, in the world of this package.

    Where the file has no points, they are found in the photographs.

    Args:
        path: As :func:`locate_cameras`.
        photographs: Image files, matched to the cameras by name.
        settings: Of the search for points, and whether outlines are compared.

    Raises:
        CameraFileError: The file is missing, damaged or of another format, fits no photograph, or
            does not agree with the outlines.
        DependencyError: Pillow is not installed.
    """
    file = locate_cameras(path)
    model = _reader(file)(file)
    placing = place_photographs(model, photographs, file.name)
    placed = yield from subtask(placing, 0.0, _PLACED)
    outlined = OutlinedPhotographs(placed, (None,) * len(placed.photographs))
    if settings.check_outlines:
        outlined = yield from subtask(compare_outlines(placed), _PLACED, _OUTLINED)
    placed = outlined.placed

    # Without points there is no floor.
    cloud = model.cloud
    check = "were not checked" if outlined.agreement is None else "agree with the outlines"
    if cloud is None or len(cloud.points) < _LEAST_POINTS:
        finding = find_points(placed.photographs, settings.max_side)
        cloud, check = yield from subtask(finding, _OUTLINED, 1.0)
    on_object = outlined.share_on_object(cloud.points.astype(np.float64))
    scene = place_in_world(placed.photographs, cloud, on_object)
    notes = [f"Cameras are those of {model.program}, and {check}", *placed.notes]
    if not scene.floor_found:
        notes.append("No floor was found: up is as the photographs were held")

    return replace(
        scene,
        left_out=placed.left_out,
        outline_agreement=outlined.agreement,
        notes=tuple(notes),
    )


def check_cameras_path(path: Path) -> None:
    """Make sure, before the work begins, that :func:`write_cameras` can write ``path``.

    Raises:
        OutputError: It is a file of another kind.
    """
    if path.suffix.lower() != ".json" and (path.suffix or path.is_file()) and not path.is_dir():
        raise OutputError(
            f"{path}: cameras are written as transforms.json (a file .json), or as COLMAP's model "
            "(a folder): name one of these"
        )


def write_cameras(path: Path, scene: SolvedScene, size: float = 1.0) -> int:
    """Write cameras and points for other programs; photographs stay where they are.

    Cameras are those of the photographs as their files store them, EXIF orientation aside.

    Args:
        path: A file .json for ``transforms.json``, otherwise the folder of a model of COLMAP.
        scene: Cameras without perspective, and of mirrored photographs, are left out.
        size: Factor of all lengths.

    Returns:
        How many cameras were written.

    Raises:
        OutputError: There is nothing to write, or it cannot be written.
        ImageError: A turned photograph cannot be read.
    """
    check_cameras_path(path)
    names = distinct_names([photograph.path for photograph in scene.photographs])
    cameras = []
    paths = []

    for name, photograph in zip(names, scene.photographs, strict=True):
        camera = stored_camera(photograph)
        if camera is None or camera.orthographic:
            continue
        camera = camera.scaled(size)
        (fx, _, cx), (_, fy, cy), _ = camera.intrinsics.tolist()
        size_in_pixels = (camera.width, camera.height)
        lens = Lens(size_in_pixels, (fx, fy), (cx, cy), "brown", photograph.distortion)
        cameras.append(FileCamera(name, camera.to_world, lens))
        paths.append(photograph.path)

    if not cameras:
        raise OutputError("There is no camera with perspective to write")

    cloud = replace(scene.cloud, points=(scene.cloud.points * size).astype(np.float32))
    if path.suffix.lower() == ".json":
        write_transforms(path, cameras, paths, cloud)
    else:
        write_colmap(path, cameras, cloud)

    return len(cameras)


def _reader(file: Path) -> Callable[[Path], FileModel]:
    """Return what reads ``file``.

    Raises:
        CameraFileError: Nothing does.
    """
    suffix = file.suffix.lower()
    if file.stem in _COLMAP_FILES and suffix in (".txt", ".bin"):
        return read_colmap
    if suffix == ".txt":
        return read_middlebury
    if suffix not in (".json", ".sfm"):
        raise CameraFileError(f"{file} is no file of cameras: choose {_FORMATS}")
    content = read_json(file)
    readers: Mapping[str, Callable[[Path], FileModel]] = {
        "frames": read_transforms,
        "views": read_meshroom,
    }
    for key, reader in readers.items():
        if key in content:
            return reader
    raise CameraFileError(f"{file} has neither frames nor views: choose {_FORMATS}")
