"""Check that every file of a training set is complete and consistent.

What is checked of arrays is in tables: :data:`_SHAPE_ARRAYS` and the like of ground truth,
:data:`_VIEW_ARRAYS` of views. :data:`_TRUTH_CHECKS` names the function for each member.
"""

from __future__ import annotations

import io
import json
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import OPENCV_FROM_OPENGL
from ..errors import DatasetError
from ..geometry import occupancy_grid
from ..jobs.task import Progress, Task
from . import compact, passes, shards, splits
from .ground_truth import GROWN
from .index import DatasetIndex, ObjectLocation, build_index
from .object_file import (
    ALBEDO,
    GRID,
    OCCLUSION,
    SMALL_ALBEDO,
    SMALL_DEPTH,
    SMALL_SHADING,
    SMALL_SURROUNDINGS,
    SUMS,
    SURROUNDINGS,
    ObjectFile,
    shape_kind,
)
from .record_json import VERSION
from .records import Instance, InstanceShape, Record, RenderedView, has_surroundings

_BOUNDS_TOLERANCE = 0.005  # of the longest side: how far depth may lead outside the bounds
_SURFACE_TOLERANCE = 0.1  # of the longest side: sheets are thickened beyond the bounds
_PIXEL_TOLERANCE = 1.5  # pixels: how far a pixel's sample may be from its center
_UNIT_TOLERANCE = 5e-3  # of lengths that are stored in half precision or as float32
_EXACT = 1e-6  # for values that are computed in double precision from numbers of about this size
_GRID_AGREEMENT = 0.9  # of the uniform points: rays of other directions see messy meshes otherwise
_SMALLEST_SIZE = 1e-9  # of an instance; avoids a division by zero
_TAR_END = bytes(2 * tarfile.BLOCKSIZE)  # two empty blocks close a tar
_NAMED_AT_MOST = 3  # objects in an error text
_OPTIONAL_MEMBERS = ("mesh.npz", "surface.npz", GRID)  # which older sets lack
# What JSON of another form raises, besides our errors
_BAD = (DatasetError, OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class Problem:
    """A damaged or inconsistent file.

    Attributes:
        path: Of the file; in a shard ``SHARD/NAME.tar``.
        what: The first problem of the file.
    """

    path: Path
    what: str


def validate_dataset(folder: Path) -> Task[list[Problem]]:
    """Check every file of a training set; one step an object.

    In a packed set each object in each shard is checked, too. It must equal the object's own file,
    if that exists. Each file is reported once.

    Args:
        folder: Of the training set.

    Returns:
        The problems.

    Raises:
        DatasetError: There is no training set.
    """
    index = build_index(folder)
    problems = [
        Problem(path, _error_text(DatasetError(reason), path))
        for path, reason in index.damaged.items()
    ]

    fingerprints: dict[str, tuple[float, ...]] = {}
    for number, (name, location) in enumerate(index.by_name.items()):
        yield Progress(number / len(index.by_name), name)
        locations = list(dict.fromkeys((location, *index.packed.get(name, ()))))
        record, object_problems = _check_locations(locations)
        problems += object_problems
        if record is not None:
            fingerprints[name] = record.fingerprint

    checks: dict[str, Callable[[], None]] = {
        "dataset.json": lambda: _check_settings(folder),
        "splits.json": lambda: _check_splits(folder, index, fingerprints),
    }
    if (folder / "shards").is_dir():
        checks["shards/splits.json"] = lambda: shards.validate_shards(folder, index)
    for file, check in checks.items():
        try:
            check()
        except _BAD as error:
            problems.append(Problem(folder / file, _error_text(error, folder / file)))
    return problems


def _check_locations(
    locations: Sequence[ObjectLocation],
) -> tuple[Record | None, list[Problem]]:
    """Check one object at all its locations, which must agree.

    Returns:
        The record of the first good one, and the problems.
    """
    good_file: ObjectFile | None = None
    problems = []
    for location in locations:
        try:
            if good_file is None:
                good_file = check_object(location)
            elif location.open_object().parts != good_file.parts:
                check_object(location)
                raise DatasetError(f"differs from {good_file.path}: {shards.AGAIN}")
        except _BAD as error:
            problems.append(Problem(location.path, _error_text(error, location.path)))
    return good_file.record if good_file else None, problems


def check_object(location: ObjectLocation) -> ObjectFile:
    """Check one object.

    Raises:
        DatasetError: The first problem. Numbers of another form raise others, such as ValueError.
    """
    data = location.read_tar()
    if not location.packed_name:
        ends = len(data) % tarfile.RECORDSIZE == 0 and data.endswith(_TAR_END)
        _require_that(ends, "the end of the file is missing")
    file = ObjectFile(location.path, data)
    record = file.record
    _check_members(data, file)

    # The record
    _require_that(record.name == location.name, f"the record is that of {record.name}")
    _check_bounds(record)
    for index, view in enumerate(json.loads(file.read_member("json"))["views"]):
        _check_camera(view, f"view {index}")
    _check_instances(record)
    _check_instance_shapes(record)

    # Ground truth of the object and of the shapes of its instances
    _check_truth(file, "", record.bounds)
    for number, shape in enumerate(record.shapes):
        _check_truth(file, f"{shape_kind(number)}.", shape.bounds)

    for index in range(len(record.views)):
        _check_view(file, index)
    return file


# --- members ----------------------------------------------------------------------------------


def _check_members(data: bytes, file: ObjectFile) -> None:
    """Check that the tar has exactly the members that the record needs, and their checksums.

    Args:
        data: The tar.
        file: The same, opened.
    """
    name = file.path.stem
    if file.is_compact:
        for kind, checksum in json.loads(file.read_member(SUMS)).items():
            _require_that(zlib.crc32(file.read_member(kind)) == checksum, f"{kind} is damaged")

    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = archive.getnames()
    expected = {f"{name}.{kind}" for kind in _required_kinds(file)}
    missing = sorted(expected - set(names))
    _require_that(not missing, f"lacks {', '.join(missing)}")

    expected |= {f"{name}.{kind}" for kind in _OPTIONAL_MEMBERS} & set(names)
    _require_that(
        sorted(names) == sorted(expected),
        "contains members that the record does not list, or one of them twice",
    )


def _required_kinds(file: ObjectFile) -> list[str]:
    """Return the kinds of the members that an object with this record has.

    Only a whole scene may lack the ground truth.
    """
    record = file.record
    kinds = ["json"]
    if file.has_ground_truth or not record.instances:
        kinds.append("shape.npz")
    if file.is_compact:
        kinds.append(SUMS)
    for number, shape in enumerate(record.shapes):
        kinds += [f"{shape_kind(number)}.{kind}.npz" for kind in shape.holds]
    for index, view in enumerate(record.views):
        view_kinds = _required_view_kinds(file, has_surroundings(view.drawn))
        kinds += [f"{index:03d}.{kind}" for kind in view_kinds]
    return kinds


def _required_view_kinds(file: ObjectFile, surrounded: bool) -> list[str]:
    """Return the kinds of the members of a view.

    Args:
        file: Of the object.
        surrounded: Whether the view has a background or an occluder.
    """
    if file.is_compact:
        kinds = ["webp", SMALL_DEPTH]
        surroundings = SMALL_SURROUNDINGS
        relighting = [SMALL_ALBEDO, SMALL_SHADING]
    else:
        kinds = ["png", "npz"]
        surroundings = SURROUNDINGS
        relighting = [ALBEDO, OCCLUSION]

    if surrounded:
        kinds.append(surroundings)
    if file.relightable:
        kinds += relighting
    return kinds


# --- the record -------------------------------------------------------------------------------


def _check_bounds(record: Record) -> None:
    """Check bounding box and fingerprint of an object."""
    bounds = record.bounds
    _require_that(
        bounds.shape == (2, 3) and np.isfinite(bounds).all() and (np.ptp(bounds, axis=0) > 0).any(),
        "bad bounds: not two finite corners of a box with an extent",
    )
    _require_that(
        (bounds[0] <= bounds[1]).all(), "bad bounds: the low corner is above the high one"
    )

    fingerprint = np.array(record.fingerprint, float)
    _require_that(
        fingerprint.ndim == 1 and len(fingerprint) > 0 and np.isfinite(fingerprint).all(),
        "bad fingerprint: not a list of finite numbers",
    )


def _check_camera(view: Mapping[str, Any], name: str) -> None:
    """Check intrinsics and extrinsics of a view.

    Args:
        view: As in the JSON, which has both extrinsics, unlike a Camera.
        name: Of the view, for the error text.
    """
    to_world = np.array(view["camera_to_world_opengl"])
    from_world = np.array(view["world_to_camera_opencv"])
    _require_that(
        to_world.shape == from_world.shape == (4, 4), f"{name}: the extrinsics are not 4 x 4"
    )
    _require_that(
        bool(np.isfinite([*to_world.flat, *from_world.flat]).all()),
        f"{name}: the extrinsics are not finite",
    )
    _require_that(
        _is_rotation(to_world[:3, :3]) and bool((to_world[3] == (0, 0, 0, 1)).all()),
        f"{name}: the rotation is not orthonormal",
    )
    product = OPENCV_FROM_OPENGL @ from_world @ to_world
    reach = 1 + float(np.abs(to_world[:3, 3]).max())
    _require_that(
        np.abs(product - np.eye(4)).max() < _EXACT * reach,
        f"{name}: the two extrinsics are not of one camera",
    )

    intrinsics = np.array(view["intrinsics"])
    _require_that(
        intrinsics.shape == (3, 3) and bool(np.isfinite(intrinsics).all()),
        f"{name}: the intrinsics are not 3 x 3",
    )
    unskewed = intrinsics[0, 1] == intrinsics[1, 0] == 0 and (intrinsics[2] == (0, 0, 1)).all()
    _require_that(
        unskewed and (intrinsics.diagonal() > 0).all(),
        f"{name}: the intrinsics are skewed or mirrored",
    )


def _is_rotation(matrix: NDArray[np.float64]) -> bool:
    """Return whether a matrix (3, 3) is a rotation, without mirroring."""
    is_orthonormal = np.abs(matrix @ matrix.T - np.eye(3)).max() < _EXACT
    return bool(is_orthonormal and np.linalg.det(matrix) > 0)


def _check_instances(record: Record) -> None:
    """Check numbering, poses and bounds of the instances of a whole scene."""
    indices = [instance.index for instance in record.instances]
    _require_that(
        indices == list(range(1, len(indices) + 1)), "the instances are not numbered from 1"
    )

    poses = [(instance.name, instance.to_world) for instance in record.instances]
    for number, view in enumerate(record.views):
        _require_that(
            set(view.moved) <= set(indices), f"view {number}: moved refers to no instance"
        )
        for index, pose in view.moved.items():
            poses.append((f"view {number}, instance {index}", pose))
    for name, pose in poses:
        is_rigid = pose.shape == (4, 4) and _is_rotation(pose[:3, :3])
        _require_that(is_rigid, f"{name}: the pose is not rigid")

    for instance in record.instances:
        bounds = instance.bounds
        _require_that(
            bounds.shape == (2, 3) and np.isfinite(bounds).all() and (bounds[0] <= bounds[1]).all(),
            f"{instance.name}: bad bounds",
        )


def _check_instance_shapes(record: Record) -> None:
    """Check that the shapes of a whole scene agree with its instances.

    Older sets have no shapes.
    """
    shapes = {shape.name: shape for shape in record.shapes}
    _require_that(len(shapes) == len(record.shapes), "two shapes have the same name")
    for shape in record.shapes:
        _require_that(
            ("shape" in shape.holds) != bool(shape.lacks),
            f"{shape.name}: has neither ground truth nor a reason for its absence, or both",
        )
    if shapes:
        for instance in record.instances:
            _require_that(instance.shape in shapes, f"{instance.name}: has an unlisted shape")
            _check_instance_bounds(instance, shapes[instance.shape])


def _check_instance_bounds(instance: Instance, shape: InstanceShape) -> None:
    size = max(float(np.ptp(instance.bounds, axis=0).max()), _SMALLEST_SIZE)
    difference = np.abs(instance.bounds - shape.bounds).max() / size
    _require_that(
        difference < _UNIT_TOLERANCE or not shape.holds,
        f"{instance.name}: the bounds are not those of its shape",
    )


# --- ground truth -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _ArrayRule:
    """What an array must be.

    Attributes:
        columns: Length of the second axis; None for a single axis.
        dtype: Its type.
        count_of: Array whose length it has; "" for any length above 0.
        packed: Whether it holds bits, eight in a byte.
    """

    columns: int | None
    dtype: type
    count_of: str = ""
    packed: bool = False


_SHAPE_ARRAYS = {
    "uniform": _ArrayRule(3, np.float32),
    "uniform_inside": _ArrayRule(None, np.uint8, "uniform", packed=True),
    "near": _ArrayRule(3, np.float32),
    "near_inside": _ArrayRule(None, np.uint8, "near", packed=True),
    "surface": _ArrayRule(3, np.float32),
    "surface_normals": _ArrayRule(3, np.float16, "surface"),
}
_DISTANCE_ARRAYS = {  # not in older sets
    "uniform_distance": _ArrayRule(None, np.float32, "uniform"),
    "near_distance": _ArrayRule(None, np.float32, "near"),
}
_MESH_ARRAYS = {"vertices": _ArrayRule(3, np.float32), "faces": _ArrayRule(3, np.uint32)}
_SURFACE_ARRAYS = {
    "colour": _ArrayRule(3, np.uint8, "surface"),
    "seen": _ArrayRule(None, np.uint8, "surface", packed=True),
}


def _check_arrays(
    arrays: Mapping[str, NDArray[Any]],
    rules: Mapping[str, _ArrayRule],
    prefix: str,
    counts: Mapping[str, int] | None = None,
) -> None:
    """Check that all arrays of ``rules`` exist and follow them.

    Args:
        arrays: Of a member.
        rules: By the names of the arrays.
        prefix: Of the error texts.
        counts: Lengths of arrays of other members that rules refer to.
    """
    lengths = {name: len(array) for name, array in arrays.items() if array.ndim}
    lengths.update(counts or {})
    for name, rule in rules.items():
        count = lengths[rule.count_of] if rule.count_of else None
        if rule.packed and count is not None:
            count = -(-count // 8)
        shape = (count,) if rule.columns is None else (count, rule.columns)
        _require_array(arrays[name], shape, rule.dtype, f"{prefix}{name}")


def _require_names(arrays: Mapping[str, NDArray[Any]], kind: str, *allowed: set[str]) -> None:
    """Check that the member ``kind`` has one of the ``allowed`` sets of arrays."""
    _require_that(set(arrays) in allowed, f"{kind}: the arrays are {', '.join(sorted(arrays))}")


def _check_shape(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    """Check ``shape.npz``: occupancy, distances and surface points."""
    arrays = compact.shape_from_arrays(file.read_arrays(f"{prefix}shape.npz"))
    required = set(_SHAPE_ARRAYS)
    _require_names(arrays, f"{prefix}shape.npz", required, required | set(_DISTANCE_ARRAYS))
    _check_arrays(arrays, _SHAPE_ARRAYS, prefix)
    _require_unit(arrays["surface_normals"], f"{prefix}surface_normals")

    low, high = bounds
    size = float((high - low).max())
    reach = np.abs(arrays["uniform"] - (low + high) / 2).max() / size
    _require_that(
        reach < GROWN / 2 + _BOUNDS_TOLERANCE,
        f"{prefix}uniform: points are outside the bounding cube enlarged by a tenth",
    )
    _require_that(
        _distance_outside(arrays["surface"], low, high) < _SURFACE_TOLERANCE * size,
        f"{prefix}surface: points are outside the bounds",
    )
    if set(arrays) >= set(_DISTANCE_ARRAYS):
        _check_arrays(arrays, _DISTANCE_ARRAYS, prefix)
        for points in ("uniform", "near"):
            _check_distances(arrays, points, prefix, bounds)


def _check_distances(
    arrays: Mapping[str, NDArray[Any]], points: str, prefix: str, bounds: NDArray[np.float64]
) -> None:
    """Check sign and size of the signed distances of the array ``points``."""
    low, high = bounds
    name = f"{prefix}{points}_distance"
    distance = arrays[f"{points}_distance"]
    inside = np.unpackbits(arrays[f"{points}_inside"], count=len(distance)).astype(bool)
    _require_that(
        (np.signbit(distance) == inside).all(), f"{name}: the sign is not that of {points}_inside"
    )
    from_center = np.linalg.norm(arrays[points] - (low + high) / 2, axis=1)
    farthest = from_center + float((high - low).max())
    _require_that(
        (np.abs(distance) <= farthest).all(), f"{name}: values are farther than all of the object"
    )


def _check_mesh(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    """Check ``mesh.npz``."""
    kind = f"{prefix}mesh.npz"
    arrays = file.read_arrays(kind)
    _require_names(arrays, kind, set(_MESH_ARRAYS))
    _check_arrays(arrays, _MESH_ARRAYS, f"{kind}, ")

    vertices = arrays["vertices"]
    _require_that(
        arrays["faces"].max() < len(vertices),
        f"{kind}, faces: indices refer to vertices that are not there",
    )
    low, high = bounds
    difference = np.abs(np.stack((vertices.min(0) - low, vertices.max(0) - high))).max()
    _require_that(
        difference / float((high - low).max()) < _UNIT_TOLERANCE,
        f"{kind}, vertices: points do not reach the bounds, or exceed them",
    )


def _check_surface(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    """Check ``surface.npz``: the colors of the surface points."""
    kind = f"{prefix}surface.npz"
    arrays = file.read_arrays(kind)
    count = len(file.read_arrays(f"{prefix}shape.npz")["surface"])
    _require_names(arrays, kind, set(_SURFACE_ARRAYS))
    _check_arrays(arrays, _SURFACE_ARRAYS, f"{kind}, ", {"surface": count})


def _check_grid(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    """Check that the grid agrees with the uniform points.

    Points count whose cell and all of its neighbors are alike: they are away from the surface.
    """
    grid = file.grid()
    if grid is None:
        return
    shape = file.read_shape()
    cells = np.floor(occupancy_grid.coordinates(shape.uniform, bounds)).astype(int)
    has_neighbors = ((cells > 0) & (cells < len(grid) - 1)).all(1)
    cells = cells[has_neighbors]

    steps = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    neighborhoods = np.stack([grid[tuple((cells + step).T)] for step in steps])
    is_uniform = (neighborhoods == neighborhoods[0]).all(0)
    agrees = neighborhoods[0, is_uniform] == shape.uniform_inside[has_neighbors][is_uniform]
    _require_that(
        not len(agrees) or agrees.mean() > _GRID_AGREEMENT,
        f"{GRID}: the cells contradict the uniform points",
    )


_TRUTH_CHECKS: Mapping[str, Callable[[ObjectFile, str, NDArray[np.float64]], None]] = {
    "shape.npz": _check_shape,
    "mesh.npz": _check_mesh,
    "surface.npz": _check_surface,
    GRID: _check_grid,
}


def _check_truth(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    """Check the members of a ground truth that exist.

    Args:
        file: Of the object.
        prefix: Of the kinds of the members: "" for those of the object, else a shape's.
        bounds: (2, 3) low and high corner in the frame of the ground truth, meters.
    """
    for kind, check in _TRUTH_CHECKS.items():
        if f"{prefix}{kind}" in file.parts:
            check(file, prefix, bounds)


# --- views ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _ImageRule:
    """What an image of a view must be.

    Attributes:
        channels: Their number; None for an image of two axes.
        dtype: Its type.
        zero_where: "alpha" or "depth": it is 0 wherever that is 0; "" for no such rule.
    """

    channels: int | None
    dtype: type
    zero_where: str = ""


_VIEW_ARRAYS = {
    "colour": _ImageRule(4, np.uint8),
    "depth": _ImageRule(None, np.float32, "alpha"),
    "normal": _ImageRule(3, np.float16, "depth"),
    "surroundings": _ImageRule(4, np.uint8),
    "albedo": _ImageRule(3, np.uint8, "alpha"),
    "occlusion": _ImageRule(None, np.uint8, "alpha"),
    "index": _ImageRule(None, np.uint16, "depth"),
    "flow": _ImageRule(4, np.float16, "depth"),
}


def _check_view(file: ObjectFile, number: int) -> None:
    """Check the images of the view with the index ``number``."""
    name = f"view {number}"
    view = file.read_view(number)
    images = {key: getattr(view, key) for key in _VIEW_ARRAYS if getattr(view, key) is not None}
    size = (view.camera.height, view.camera.width)
    for key, image in images.items():
        rule = _VIEW_ARRAYS[key]
        shape = size if rule.channels is None else (*size, rule.channels)
        _require_array(image, shape, rule.dtype, f"{name}, {key}")

    # Values
    _require_that((view.depth >= 0).all(), f"{name}, depth: values are negative")
    shown = view.depth > 0
    _require_unit(view.normal[shown], f"{name}, normal")
    is_zero = {"alpha": view.colour[..., 3] == 0, "depth": ~shown}
    for key, image in images.items():
        other = _VIEW_ARRAYS[key].zero_where
        _require_that(
            not other or not image[is_zero[other]].any(),
            f"{name}, {key}: not 0 everywhere that {other} is 0",
        )

    # The surface is within the bounds, of a whole scene within those of its instances.
    points = passes.world_points(view)
    if view.index is not None:
        _check_index(file.record, number, view, points)
        return
    low, high = file.record.bounds
    outside = _distance_outside(points[shown], low, high) / float((high - low).max())
    _require_that(
        outside < _BOUNDS_TOLERANCE,
        f"{name}, depth: points are {outside:.1%} of the longest side outside the bounds",
    )


def _check_index(
    record: Record, number: int, view: RenderedView, points: NDArray[np.float64]
) -> None:
    """Check that the pixels of each instance are within its bounds, or a pixel outside.

    Args:
        record: Of the whole scene.
        number: Index of the view.
        view: Its images.
        points: (H, W, 3) of the surface, world space.
    """
    name = f"view {number}, index"
    index = passes.instance_index(view)
    _require_that(
        int(index.max()) <= len(record.instances), f"{name}: a value refers to no instance"
    )

    margin = _BOUNDS_TOLERANCE * float(np.ptp(record.bounds, axis=0).max())
    distance = np.ones_like(view.depth) if view.camera.orthographic else view.depth
    pixel_size = _PIXEL_TOLERANCE * distance / view.camera.intrinsics.diagonal()[:2].min()
    for instance in record.instances_in(number):
        shown = index == instance.index
        local = passes.local_points(points[shown], instance.to_world)
        low, high = instance.bounds
        outside = np.maximum(low - local, local - high).clip(0).max(1, initial=0)
        _require_that(
            (outside <= margin + pixel_size[shown]).all(),
            f"{name}: {instance.name} is shown outside its bounds",
        )


# --- the set ----------------------------------------------------------------------------------


def _check_settings(folder: Path) -> None:
    """Check ``dataset.json``."""
    version = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["version"]
    _require_that(version == VERSION, f"version {version}, not {VERSION}")


def _check_splits(
    folder: Path, index: DatasetIndex, fingerprints: Mapping[str, Sequence[float]]
) -> None:
    """Check that ``splits.json`` lists the objects of the set, and that no shape is in two splits.

    Args:
        folder: Of the training set.
        index: Its objects.
        fingerprints: Of the objects that are not damaged.
    """
    assigned = splits.read_splits(folder)
    for name in index.files or index.by_name:
        _require_that(
            assigned.get(name) in splits.SPLITS, f"{name} is in none of {', '.join(splits.SPLITS)}"
        )

    # What cannot be read of a damaged shard is reported with the shard.
    missing = sorted(set(assigned) - set(index.by_name))
    _require_that(
        bool(index.damaged) or not missing,
        f"{len(missing)} objects are in a split but not in the set: "
        f"{', '.join(missing[:_NAMED_AT_MOST])}",
    )
    checked = {name: assigned[name] for name in fingerprints if name in assigned}
    splits.check_no_leak(checked, fingerprints)


# --- helpers ----------------------------------------------------------------------------------


def _require_that(condition: bool | np.bool_, problem: str) -> None:
    """Raise DatasetError with ``problem`` unless ``condition`` holds."""
    if not condition:
        raise DatasetError(problem)


def _require_array(
    array: NDArray[Any], shape: Sequence[int | None], dtype: type, name: str
) -> None:
    """Check shape and type of an array, and that its floats are finite.

    Args:
        array: To check.
        shape: Lengths of the axes; None for any length but 0.
        dtype: Expected type.
        name: For the error text.
    """
    fits = array.ndim == len(shape)
    for length, expected in zip(array.shape, shape, strict=False):
        fits = fits and (length > 0 if expected is None else length == expected)
    _require_that(fits, f"{name}: the shape is {array.shape}, not {tuple(shape)}")
    _require_that(array.dtype == dtype, f"{name}: the type is {array.dtype}, not {np.dtype(dtype)}")
    is_finite = array.dtype.kind != "f" or np.isfinite(array).all()
    _require_that(is_finite, f"{name}: not all values are finite")


def _require_unit(normals: NDArray[np.float16], name: str) -> None:
    """Check that all vectors (..., 3) have unit length."""
    lengths = np.linalg.norm(normals.astype(float), axis=-1)
    _require_that(
        (np.abs(lengths - 1) < _UNIT_TOLERANCE).all(), f"{name}: not all are of unit length"
    )


def _distance_outside(
    points: NDArray[np.floating[Any]], low: NDArray[np.float64], high: NDArray[np.float64]
) -> float:
    """Return how far the farthest of ``points`` (P, 3) is outside a box, meters."""
    return float(np.maximum(low - points, points - high).clip(0).max(initial=0))


def _error_text(error: Exception, path: Path) -> str:
    """Return the text of an error in one line, without the path, which is printed before it."""
    text = str(error) if isinstance(error, DatasetError) else f"{type(error).__name__}: {error}"
    return text.removeprefix(f"{path} ").removeprefix(f"{path}: ").replace("\n", " ")
