"""``transforms.json`` of NeRF, Instant-NGP and nerfstudio.

Camera-to-world is in OpenGL's axes. Intrinsics are given once, or in each frame. Pixels count from
the outer corner of the top left one. ``applied_transform`` and ``applied_scale`` have moved cameras
and points alike, so they are not undone. Points are in the PLY file ``ply_file_path``.

After docs.nerf.studio/quickstart/data_conventions and instant-ngp's docs/nerf_dataset_tips.md.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...atomic_files import write_json
from ...dataset.reading.fields import Fields
from ...errors import ImageError
from ...imaging import image_files
from ..records import SparseCloud
from .file_reading import read_json, report_damage
from .lenses import Lens
from .points_file import read_points, write_points
from .records import FileCamera, FileModel, checked_lens, checked_name, checked_pose

_BROWN = ("k1", "k2", "p1", "p2", "k3")
_FISHEYE = ("k1", "k2", "k3", "k4")
_FISHEYE_MODELS = ("OPENCV_FISHEYE", "FISHEYE")
_PINHOLE_MODELS = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")
_POINTS_NAME = "sparse_points.ply"


def read_transforms(path: Path) -> FileModel:
    """Read the cameras of a ``transforms.json``, and its points if it names a file of them.

    Raises:
        CameraFileError: The file is damaged, or has cameras that are not read.
    """
    data = read_json(path)
    with report_damage(path):
        # Values for all frames, each of which may have its own.
        shared = Fields(data)
        frames = shared.sections("frames", required=True)
        if not frames:
            raise ValueError("frames is empty")
        cameras = tuple(
            _read_frame(shared, frame, number, path.parent) for number, frame in enumerate(frames)
        )
        points_name = shared.text("ply_file_path", "")

    # Points are a bonus: a file that is not there is no error.
    points_file = path.parent / points_name
    has_points = bool(points_name) and points_file.is_file()
    cloud = read_points(points_file) if has_points else None
    return FileModel("transforms.json", cameras, cloud)


def write_transforms(
    path: Path, cameras: Sequence[FileCamera], photographs: Sequence[Path], cloud: SparseCloud
) -> None:
    """Write a ``transforms.json``, and beside it the points.

    Args:
        path: Of the file.
        cameras: Each with two coefficients of distortion at most.
        photographs: Their files, to which the result refers.
        cloud: The points.

    Raises:
        OutputError: The folder cannot be written.
    """
    content: dict[str, Any] = {"camera_model": "OPENCV"}
    if len(cloud.points):
        points_file = path.with_name(f"{path.stem}_{_POINTS_NAME}")
        write_points(points_file, cloud)
        content["ply_file_path"] = points_file.name

    frames: list[dict[str, Any]] = [
        {
            "file_path": _relative_path(photograph, path.parent),
            "transform_matrix": camera.to_world.tolist(),
        }
        for camera, photograph in zip(cameras, photographs, strict=True)
    ]

    # One lens is given once, as most programs expect it.
    lenses = [_lens_entries(camera.lens) for camera in cameras]
    if all(lens == lenses[0] for lens in lenses):
        content.update(lenses[0])
    else:
        for frame, lens in zip(frames, lenses, strict=True):
            frame.update(lens)

    write_json(path, {**content, "frames": frames})


def _read_frame(shared: Fields, frame: Fields, number: int, folder: Path) -> FileCamera:
    """Return the camera of a frame, whose own intrinsics come before the shared ones.

    Args:
        shared: The file.
        frame: Of it.
        number: Of the frame.
        folder: Of the file.
    """
    entries = {**shared.data, **frame.data}
    try:
        name = checked_name(frame.text("file_path"))
        if "w" not in entries or "h" not in entries:
            entries["w"], entries["h"] = _image_size(folder / name)

        # The last row is always the same, and sometimes left out.
        matrix = frame.get("transform_matrix")
        rows = len(matrix) if isinstance(matrix, list) else 0
        pose = checked_pose(frame.numbers("transform_matrix", (4 if rows == 4 else 3, 4)))
        lens = checked_lens(_read_lens(entries))
        return FileCamera(name, pose, lens)
    except ValueError as error:
        place = f"frames[{number}]"
        text = str(error)
        raise ValueError(text if place in text else f"{place}: {text}") from error


def _read_lens(entries: Mapping[str, Any]) -> Lens:
    model = entries.get("camera_model", "OPENCV")
    is_fisheye = model in _FISHEYE_MODELS or entries.get("is_fisheye") is True
    if model not in (*_FISHEYE_MODELS, *_PINHOLE_MODELS):
        raise ValueError(f"cameras of the model {str(model)[:40]} are not read")
    width = _number(entries, "w")
    height = _number(entries, "h")

    # The original NeRF gives the field of view alone.
    if "fl_x" in entries:
        focal_x = _number(entries, "fl_x")
        focal_y = _number(entries, "fl_y", focal_x)
    else:
        focal_x = _focal_of_angle(_number(entries, "camera_angle_x"), width)
        focal_y = focal_x
        if "camera_angle_y" in entries:
            focal_y = _focal_of_angle(_number(entries, "camera_angle_y"), height)

    # The coefficients of the kind of lens.
    names = _FISHEYE if is_fisheye else _BROWN
    if not is_fisheye and _number(entries, "k4", 0):
        raise ValueError("k4 of a lens that is no fisheye is not read")

    return Lens(
        size=(round(width), round(height)),
        focal=(focal_x, focal_y),
        center=(_number(entries, "cx", width / 2), _number(entries, "cy", height / 2)),
        kind="fisheye" if is_fisheye else "brown",
        coefficients=tuple(_number(entries, name, 0) for name in names),
    )


def _focal_of_angle(angle: float, side: float) -> float:
    """Return the focal length of a field of view in radians, pixels."""
    if not 0 < angle < math.pi:
        raise ValueError(f"a field of view of {angle:g} radians is none")
    return side / 2 / math.tan(angle / 2)


def _image_size(path: Path) -> tuple[int, int]:
    """Return the size of an image, whose suffix may be missing, as in the original NeRF.

    Raises:
        ValueError: It cannot be read.
    """
    if not path.suffix:
        path = path.with_name(f"{path.name}.png")
    try:
        with image_files.opened_image(path) as image:
            width, height = image.size
            return width, height
    except ImageError as error:
        raise ValueError(f"it has no w and h, and {error}") from error


def _number(entries: Mapping[str, Any], key: str, default: float | None = None) -> float:
    """Return a finite number.

    Raises:
        ValueError: There is none.
    """
    value = entries.get(key, default)
    if type(value) not in (int, float) or not abs(value) < 1e12:
        raise ValueError(f"{key} is not a finite number")
    return float(value)


def _lens_entries(lens: Lens) -> dict[str, float]:
    k1, k2 = (*lens.coefficients, 0.0, 0.0)[:2]
    return {
        "fl_x": lens.focal[0],
        "fl_y": lens.focal[1],
        "cx": lens.center[0],
        "cy": lens.center[1],
        "w": lens.size[0],
        "h": lens.size[1],
        "k1": k1,
        "k2": k2,
        "p1": 0.0,
        "p2": 0.0,
    }


def _relative_path(photograph: Path, folder: Path) -> str:
    """Return how the file refers to a photograph: by a relative path wherever that is possible."""
    try:
        relative = os.path.relpath(photograph.resolve(), folder.resolve())
    except ValueError:  # on another drive of Windows
        relative = str(photograph.resolve())
    return relative.replace(os.sep, "/")
