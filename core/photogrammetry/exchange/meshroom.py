"""Meshroom's ``cameras.sfm`` and ``sfm.json``: JSON whose numbers are texts.

A pose is the rotation from the world to OpenCV's camera axes, column by column, and the center of
the camera. The unit of the focal length and the origin of the principal point depend on the
version, as in AliceVision's ``jsonIO.cpp``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...dataset.reading.fields import Fields
from ..records import SparseCloud
from .file_reading import read_json, report_damage
from .lenses import Lens
from .records import (
    FileCamera,
    FileModel,
    checked_lens,
    checked_name,
    make_cloud,
    pose_from_opencv,
)

_Version = tuple[int, ...]
_CENTERED = (1, 2, 1)  # version from which the principal point counts from the image's middle
_MILLIMETERS = (1, 2, 2)  # version from which the focal length is in millimeters
_ASPECT = (1, 2, 5)  # version from which pixelRatio is that of the pixel, before that of focals
# Kinds of distortion, under their newer and older names, and the places of Lens's coefficients.
_RADIAL = (0, 1, 4)
_KINDS: dict[str, tuple[str, tuple[int, ...]]] = {
    **dict.fromkeys(("", "none", "pinhole"), ("brown", ())),
    **dict.fromkeys(("radialk1", "radial1"), ("brown", _RADIAL)),
    **dict.fromkeys(("radialk3", "radial3"), ("brown", _RADIAL)),
    "brown": ("brown", (*_RADIAL, 2, 3)),
    **dict.fromkeys(("fisheye", "fisheye4"), ("fisheye", (0, 1, 2, 3))),
}
_COEFFICIENTS = 5


def read_meshroom(path: Path) -> FileModel:
    """Read the cameras that have a pose, and the points if the file has any.

    Raises:
        CameraFileError: The file is damaged, or has cameras that are not read.
    """
    data = read_json(path)
    with report_damage(path):
        fields = Fields(data)
        version = tuple(int(number) for number in _numbers(fields, "version", 3))
        lenses = {
            _key(entry, "intrinsicId"): entry for entry in fields.sections("intrinsics", True)
        }
        poses = {
            _key(entry, "poseId"): _read_pose(entry) for entry in fields.sections("poses", True)
        }
        cameras = []

        for view in fields.sections("views", True):
            # Views without a pose were not solved; rigs have one pose for several cameras.
            pose = poses.get(_key(view, "poseId"))
            lens = lenses.get(_key(view, "intrinsicId"))
            if pose is not None and lens is not None and "rigId" not in view.data:
                name = checked_name(view.text("path"))
                cameras.append(FileCamera(name, pose, checked_lens(_read_lens(lens, version))))

        if not cameras:
            raise ValueError("no view has a pose: use the cameras.sfm of StructureFromMotion")
        return FileModel("Meshroom", tuple(cameras), _read_cloud(fields))


def _read_pose(entry: Fields) -> NDArray[np.float64]:
    transform = entry.section("pose", True).section("transform", True)
    rotation = _numbers(transform, "rotation", 9).reshape(3, 3).T
    return pose_from_opencv(rotation, -rotation @ _numbers(transform, "center", 3))


def _read_lens(entry: Fields, version: _Version) -> Lens:
    width = _number(entry, "width")
    height = _number(entry, "height")
    center = _numbers(entry, "principalPoint", 2)
    if version >= _CENTERED:
        center = center + (width / 2, height / 2)
    kind, places = _distortion_kind(entry)

    # Numbers that a file lacks are 0.
    parameters = entry.data.get("distortionParams") or []
    values = _numbers(entry, "distortionParams", len(parameters)) if parameters else np.zeros(0)
    coefficients = np.zeros(_COEFFICIENTS)
    for place, value in zip(places, values, strict=False):
        coefficients[place] = value
    count = 4 if kind == "fisheye" else _COEFFICIENTS

    return Lens(
        size=(round(width), round(height)),
        focal=_read_focal(entry, version, width),
        center=(float(center[0]), float(center[1])),
        kind=kind,
        coefficients=tuple(coefficients[:count].tolist()),
    )


def _distortion_kind(entry: Fields) -> tuple[str, tuple[int, ...]]:
    """Return the kind of the lens, and where its coefficients belong.

    Raises:
        ValueError: Lenses of that kind are not read.
    """
    camera_type = entry.text("type", "").lower()
    name = entry.text("distortionType", camera_type).lower()
    is_pinhole = camera_type == "pinhole" or camera_type in _KINDS

    if not is_pinhole or name not in _KINDS:
        raise ValueError(
            f"lenses of the kind {camera_type} {name} are not read: undistort the photographs "
            "(node PrepareDenseScene)"
        )

    return _KINDS[name]


def _read_focal(entry: Fields, version: _Version, width: float) -> tuple[float, float]:
    """Return the focal lengths along x and y, pixels."""
    if version < _MILLIMETERS:
        value = entry.get("pxFocalLength")
        if isinstance(value, list):
            first, second = _numbers(entry, "pxFocalLength", 2).tolist()
            return first, second
        focal = _number(entry, "pxFocalLength")
        return focal, focal

    sensor = _number(entry, "sensorWidth") if "sensorWidth" in entry.data else 36.0
    focal = _number(entry, "focalLength") / sensor * width
    ratio = _number(entry, "pixelRatio") if "pixelRatio" in entry.data else 1.0
    return focal, focal * ratio if version >= _ASPECT else focal / ratio


def _read_cloud(fields: Fields) -> SparseCloud | None:
    if not fields.data.get("structure"):  # an empty list is written as an empty text
        return None
    landmarks = fields.sections("structure")
    points = np.array([_numbers(landmark, "X", 3) for landmark in landmarks])
    colors = np.array([_numbers(landmark, "color", 3) for landmark in landmarks])
    lengths = [len(landmark.data.get("observations") or ()) for landmark in landmarks]
    return make_cloud(points, colors.clip(0, 255).astype(np.uint8), np.array(lengths))


def _key(entry: Fields, name: str) -> str:
    """Return a number by which entries refer to each other, as text."""
    return str(entry.get(name))


def _number(entry: Fields, name: str) -> float:
    value = entry.get(name)
    if not isinstance(value, str | int | float) or not abs(float(value)) < 1e12:
        raise ValueError(f"{entry.place(name)} is not a finite number")
    return float(value)


def _numbers(entry: Fields, name: str, count: int) -> NDArray[np.float64]:
    """Return ``count`` finite numbers, which are texts or numbers.

    Raises:
        ValueError: They are not.
    """
    values = entry.get(name)
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"{entry.place(name)} is not {count} numbers")
    if not all(isinstance(value, str | int | float) for value in values):
        raise ValueError(f"{entry.place(name)} is not {count} numbers")
    numbers = np.array([float(value) for value in values])
    if not np.isfinite(numbers).all():
        raise ValueError(f"{entry.place(name)} has numbers that are not finite")
    return numbers
