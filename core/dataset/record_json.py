"""Records and cameras to and from JSON. The keys are specified in the package's docstring.

A record is checked when it is read, entry by entry, so that other code can rely on it: on types,
shapes and finite numbers, on poses that can be inverted, and on names that are safe as those of
files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera
from ..errors import DatasetError
from .names import check_name
from .reading import limits
from .reading.fields import Fields, require_numbers, require_text, to_numbers
from .reading.json_files import read_json_object
from .records import (
    MOST_PARTS,
    PART_ORIGINS,
    Instance,
    InstanceShape,
    Record,
    ViewRecord,
)

VERSION = 1
_RECORD_KEYS = frozenset(
    (
        "version",
        "name",
        "source",
        "family",
        "bounds",
        "fingerprint",
        "views",
        "instances",
        "shapes",
        "parts",
        "parts_from",
    )
)
_MATRIX = (4, 4)
_BOX = (2, 3)
_LAST_ROW = np.array((0, 0, 0, 1))
_IDENTITY = np.eye(3)
# Entries of intrinsics that are the same for all cameras
_FIXED_ROWS = np.array((0, 1, 2, 2, 2))
_FIXED_COLUMNS = np.array((1, 0, 0, 1, 2))
_FIXED_VALUES = np.array((0, 0, 0, 0, 1))
_HELD = ("mesh", "shape", "surface")  # what a file may have of a shape
_LARGEST_INDEX = 2**16 - 1  # of an instance, in the index images
_LARGEST_COUNT = 2**53  # of triangles; any frame's number is smaller
_LARGEST_SIDE = 2**16  # of an image, pixels
_MOST_NUMBERS = 256  # of a fingerprint
_SMALLEST_BOX = 1e-12  # meters, so that a division by its longest side is finite
_SMALLEST_FOCAL = 1e-9  # pixels
# Greatest entry of R R^T - 1 of a rotation R; with less than a third R can be inverted.
# ``validation`` is stricter, and says more.
_FARTHEST_PRODUCT = 0.3
_SMALLEST_DETERMINANT = 1e-30  # of a transform with scale that can be inverted


def record_to_json(record: Record) -> dict[str, Any]:
    """Return the content of an object's ``NAME.json``."""
    data = {
        "version": VERSION,
        "name": record.name,
        "source": record.source,
        "family": record.family,
        "bounds": record.bounds.tolist(),
        "fingerprint": list(record.fingerprint),
        "views": [_view_to_json(view) for view in record.views],
        "instances": [_instance_to_json(instance) for instance in record.instances],
    }
    if record.shapes:
        data["shapes"] = [_shape_to_json(shape) for shape in record.shapes]
    if record.parts:
        data["parts"] = list(record.parts)
        data["parts_from"] = record.parts_from
    return {**data, **record.more}


def record_from_json(data: object) -> Record:
    """Return the record that :func:`record_to_json` was given.

    Args:
        data: Of any type, as parsed.

    Raises:
        ValueError: The record is of another version of the format, or one of its entries, which is
            named, is missing or not what it must be.
    """
    fields = Fields(data)
    version = fields.get("version")
    if type(version) is not int or version != VERSION:
        raise ValueError(f"version {ascii(version)[:20]}, not {VERSION}")

    views = fields.sections("views", required=True)
    if not views:
        raise ValueError("views is empty")
    more = {key: value for key, value in fields.data.items() if key not in _RECORD_KEYS}
    _check_pose(fields)
    parts = _parts_from_json(fields)

    return Record(
        name=_name_from_json(fields),
        source=fields.text("source"),
        family=fields.text("family"),
        bounds=_bounds_from_json(fields, "bounds"),
        fingerprint=_fingerprint_from_json(fields),
        views=tuple(
            _view_from_json(view, camera)
            for view, camera in zip(views, _cameras_from_json(views), strict=True)
        ),
        instances=tuple(_instance_from_json(each) for each in fields.sections("instances")),
        more=more,
        shapes=tuple(_shape_from_json(shape) for shape in fields.sections("shapes")),
        parts=parts,
        parts_from=_part_origin_from_json(fields) if parts else "",
    )


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings in the ``dataset.json`` of a training set.

    Raises:
        DatasetError: The file is missing, damaged, or of another version of the format.
    """
    settings = read_json_object(path)
    version = settings.get("version")
    if type(version) is not int or version != VERSION:
        raise DatasetError(f"{path} is damaged: version {ascii(version)[:20]}, not {VERSION}")
    return settings


def camera_to_json(camera: Camera) -> dict[str, Any]:
    """Return a camera as JSON, with its pose in both conventions."""
    return {
        "width": camera.width,
        "height": camera.height,
        "orthographic": camera.orthographic,
        "intrinsics": camera.intrinsics.tolist(),
        "camera_to_world_opengl": camera.to_world.tolist(),
        "world_to_camera_opencv": camera.from_world.tolist(),
    }


def camera_from_json(data: Mapping[str, Any]) -> Camera:
    """Return the camera that :func:`camera_to_json` was given; other keys are ignored.

    Raises:
        ValueError: One of its entries is not what it must be.
    """
    (camera,) = _cameras_from_json([Fields(data)])
    return camera


def _name_from_json(fields: Fields) -> str:
    try:
        return check_name(fields.get("name"))
    except ValueError as error:
        raise ValueError(f"{fields.place('name')} is damaged: {error}") from error


def _fingerprint_from_json(fields: Fields) -> tuple[float, ...]:
    numbers = fields.get("fingerprint")
    if not isinstance(numbers, list) or len(numbers) > _MOST_NUMBERS:
        raise ValueError(f"fingerprint is not a list of at most {_MOST_NUMBERS} numbers")
    require_numbers(numbers, (None,), fields.place("fingerprint"))
    return tuple(numbers)


def _parts_from_json(fields: Fields) -> tuple[str, ...]:
    """Return the names of an object's parts; none if the set was made without parts."""
    if "parts" not in fields.data:
        return ()
    names = fields.get("parts")
    if not isinstance(names, list) or not 0 < len(names) <= MOST_PARTS:
        raise ValueError(f"parts is not a list of 1 to {MOST_PARTS} names")
    texts = [require_text(name, f"parts[{index}]") for index, name in enumerate(names)]
    if len(set(texts)) < len(texts):
        raise ValueError("parts has a name twice")
    return tuple(texts)


def _part_origin_from_json(fields: Fields) -> str:
    """Return what named an object's parts."""
    origin = fields.text("parts_from")
    if origin not in PART_ORIGINS:
        raise ValueError(f"parts_from is {ascii(origin)[:40]}, not one of {PART_ORIGINS}")
    return origin


def _bounds_from_json(fields: Fields, key: str) -> NDArray[np.float64]:
    """Return low and high corner (2, 3) of a box that has an extent."""
    bounds = fields.numbers(key, _BOX)
    low, high = bounds
    if (low > high).any() or (high - low).max() < _SMALLEST_BOX:
        raise ValueError(
            f"{fields.place(key)}: bad bounds: the box has no extent, or the low corner is above "
            "the high one"
        )

    return bounds


def _check_pose(fields: Fields) -> None:
    """Check the random pose of an object, as far as ``Record.unposed_bounds`` reads it."""
    pose = fields.section("drawn").section("pose")
    if "bounds" not in pose.data:
        return
    _bounds_from_json(pose, "bounds")
    matrix = pose.numbers("matrix", _MATRIX)
    is_affine = (matrix[3] == _LAST_ROW).all()
    if not is_affine or abs(np.linalg.det(matrix[:3, :3])) < _SMALLEST_DETERMINANT:
        raise ValueError(f"{pose.place('matrix')} cannot be inverted")


def _cameras_from_json(views: Sequence[Fields]) -> list[Camera]:
    """Return the cameras of views, whose matrices are checked together since that is faster."""
    poses = _stacked_matrices(views, "camera_to_world_opengl", _MATRIX)
    _require_rigid(poses, views, "camera_to_world_opengl")
    intrinsics = _stacked_matrices(views, "intrinsics", (3, 3))
    _require_intrinsics(intrinsics, views)

    cameras = []
    for view, pose, matrix in zip(views, poses, intrinsics, strict=True):
        width = view.integer("width", 1, _LARGEST_SIDE)
        height = view.integer("height", 1, _LARGEST_SIDE)
        if width * height > limits.IMAGE_PIXELS:
            raise ValueError(
                f"{view.place('width')}: {width} x {height} are more than "
                f"{limits.IMAGE_PIXELS} pixels"
            )

        camera = Camera(
            to_world=pose,
            intrinsics=matrix,
            width=width,
            height=height,
            orthographic=view.flag("orthographic"),
        )
        cameras.append(camera)

    return cameras


def _stacked_matrices(
    views: Sequence[Fields], key: str, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the matrices ``key`` of V views, (V, rows, columns)."""
    values = [view.get(key) for view in views]
    matrices = to_numbers(values, 3)
    if matrices is None or matrices.shape[1:] != shape:
        # One by one, to name the first bad one
        matrices = np.stack([view.numbers(key, shape) for view in views])
    return matrices


def _require_rigid(poses: NDArray[np.float64], views: Sequence[Fields], key: str) -> None:
    """Refuse matrices (V, 4, 4) that are far from rigid ones, or cannot be inverted."""
    rotations = poses[:, :3, :3]
    products = rotations @ rotations.transpose(0, 2, 1)
    is_orthonormal = np.abs(products - _IDENTITY) < _FARTHEST_PRODUCT
    is_affine = poses[:, 3] == _LAST_ROW

    if not is_orthonormal.all() or not is_affine.all():
        is_rigid = is_orthonormal.all((1, 2)) & is_affine.all(1)
        first = int(np.argmin(is_rigid))
        raise ValueError(f"{views[first].place(key)}: the pose is not rigid")


def _require_intrinsics(intrinsics: NDArray[np.float64], views: Sequence[Fields]) -> None:
    """Refuse intrinsics (V, 3, 3) that are skewed, mirrored or cannot be inverted."""
    has_zeros = intrinsics[:, _FIXED_ROWS, _FIXED_COLUMNS] == _FIXED_VALUES
    has_focal = intrinsics[:, (0, 1), (0, 1)] > _SMALLEST_FOCAL
    if not has_zeros.all() or not has_focal.all():
        is_good = has_zeros.all(1) & has_focal.all(1)
        first = int(np.argmin(is_good))
        raise ValueError(f"{views[first].place('intrinsics')} is skewed, mirrored or empty")


def _view_to_json(view: ViewRecord) -> dict[str, Any]:
    data = {"kind": view.kind, **camera_to_json(view.camera), "drawn": dict(view.drawn)}
    if view.frame is not None:
        data["frame"] = view.frame
        data["moved"] = {str(index): to_world.tolist() for index, to_world in view.moved.items()}
    return data


def _view_from_json(view: Fields, camera: Camera) -> ViewRecord:
    # What is around the object, see ``records.has_surroundings``
    drawn = view.section("drawn")
    if "background" in drawn.data:
        drawn.section("background").text("kind")
    if "occluders" in drawn.data:
        drawn.sections("occluders")

    frame = None
    if view.data.get("frame") is not None:
        frame = view.integer("frame", -_LARGEST_COUNT, _LARGEST_COUNT)

    return ViewRecord(
        kind=view.text("kind"),
        camera=camera,
        drawn=drawn.data,
        frame=frame,
        moved=_moved_from_json(view.section("moved")) if "moved" in view.data else {},
    )


def _moved_from_json(moved: Fields) -> dict[int, NDArray[np.float64]]:
    """Return poses (4, 4) by the indices of instances, which are texts in JSON."""
    poses = {}
    for key in moved.data:
        if not (key.isascii() and key.isdecimal() and len(key) <= len(str(_LARGEST_INDEX))):
            raise ValueError(f"{moved.place(ascii(key)[:20])} is not the index of an instance")
        poses[int(key)] = _pose_from_json(moved, key)
    return poses


def _pose_from_json(fields: Fields, key: str) -> NDArray[np.float64]:
    pose = fields.numbers(key, _MATRIX)
    _require_rigid(pose[None], [fields], key)
    return pose


def _instance_to_json(instance: Instance) -> dict[str, Any]:
    return {
        "index": instance.index,
        "name": instance.name,
        "family": instance.family,
        "to_world": instance.to_world.tolist(),
        "bounds": instance.bounds.tolist(),
        "shape": instance.shape,
    }


def _instance_from_json(data: Fields) -> Instance:
    return Instance(
        index=data.integer("index", 1, _LARGEST_INDEX),
        name=data.text("name"),
        family=data.text("family"),
        to_world=_pose_from_json(data, "to_world"),
        bounds=data.numbers("bounds", _BOX),
        shape=data.text("shape", ""),
    )


def _shape_to_json(shape: InstanceShape) -> dict[str, Any]:
    data = {
        "name": shape.name,
        "bounds": shape.bounds.tolist(),
        "triangles": shape.triangles,
        "holds": list(shape.holds),
    }
    if shape.lacks:
        data["lacks"] = shape.lacks
    return data


def _shape_from_json(data: Fields) -> InstanceShape:
    return InstanceShape(
        name=data.text("name"),
        bounds=data.numbers("bounds", _BOX),
        triangles=data.integer("triangles", 0, _LARGEST_COUNT),
        holds=data.choices("holds", _HELD),
        lacks=data.text("lacks", ""),
    )
