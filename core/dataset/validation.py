"""Is every file of a training set whole, and does it agree with itself?"""

from __future__ import annotations

import io
import json
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import OPENCV_FROM_OPENGL
from ..errors import DatasetError
from ..geometry import occupancy_grid
from ..jobs.task import Progress, Task
from ..synthesis.randomization import has_surroundings
from . import compact, passes, shards, splits
from .ground_truth import GROWN
from .index import DatasetIndex, ObjectLocation, build_index
from .records import (
    ALBEDO,
    GRID,
    OCCLUSION,
    SMALL_ALBEDO,
    SMALL_DEPTH,
    SMALL_SHADING,
    SMALL_SURROUNDINGS,
    SUMS,
    SURROUNDINGS,
    VERSION,
    ObjectFile,
    Record,
    RenderedView,
    shape_kind,
)

_OUTSIDE = 0.005  # of the longest side: how far beyond the bounds a picture's depth may lie
_BESIDE = 1.5  # pixels: how far from its centre a pixel's sample may lie
_UNIT = 5e-3  # by how much a stored normal's length may differ from 1
_EXACT = 1e-6  # for what is computed in double precision from numbers of about this size
_AGREE = 0.9  # of the uniform points away from the surface: rays of other directions see messy meshes otherwise
_END = bytes(1024)  # two empty blocks close a tar
_SHAPE = {"uniform", "uniform_inside", "near", "near_inside", "surface", "surface_normals"}
_DISTANCES = {"uniform_distance", "near_distance"}  # not in older sets
_LATER = ("mesh.npz", "surface.npz", GRID)  # nor these
# What a JSON of another form than ours comes to, besides our own errors.
_BAD = (DatasetError, OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class Problem:
    """A file that is not as it should be, and why."""

    path: Path
    what: str


def validate_dataset(folder: Path) -> Task[list[Problem]]:
    """Verify every file of the training set in ``folder``; one step an object. A bad file is told of once.

    Of a packed set that is each object in each shard, too, which also must be as in its own file, if it has one.

    Raises:
        DatasetError: there is no training set.
    """
    places = build_index(folder)
    problems = [
        Problem(path, _error_text(DatasetError(why), path)) for path, why in places.damaged.items()
    ]
    fingerprints: dict[str, tuple[float, ...]] = {}
    for index, (name, first) in enumerate(places.by_name.items()):
        yield Progress(index / len(places.by_name), name)
        record, found = _check_each(list(dict.fromkeys((first, *places.packed.get(name, ())))))
        problems += found
        if record is not None:
            fingerprints[name] = record.fingerprint
    tests = {"dataset.json": _check_settings, "splits.json": _check_splits}
    if (folder / "shards").is_dir():
        tests["shards/splits.json"] = _check_packing
    for file, test in tests.items():
        try:
            test(folder, places, fingerprints)
        except _BAD as error:
            problems.append(Problem(folder / file, _error_text(error, folder / file)))
    return problems


def _check_each(places: Sequence[ObjectLocation]) -> tuple[Record | None, list[Problem]]:
    """Verify one object in all the places where it lies, which must agree; returns the record of the first good one."""
    good: ObjectFile | None = None
    problems = []
    for place in places:
        try:
            if good is None:
                good = check_object(place)
            elif place.open_object().parts != good.parts:
                check_object(place)
                raise DatasetError(f"it is not as in {good.path}: {shards.AGAIN}")
        except _BAD as error:
            problems.append(Problem(place.path, _error_text(error, place.path)))
    return good and good.record, problems


def check_object(place: ObjectLocation) -> ObjectFile:
    """Verify one object.

    Raises:
        DatasetError: the first thing that is wrong; or what numbers of another form raise, such as a ValueError.
    """
    data = place.read_tar()
    if not place.inside:
        _require_that(
            len(data) % tarfile.RECORDSIZE == 0 and data.endswith(_END), "its end is missing"
        )
    file = ObjectFile(place.path, data)
    record = file.record
    _check_members(data, file)
    _require_that(record.name == place.name, f"its record is that of {record.name}")
    _check_bounds(record)
    for index, view in enumerate(json.loads(file.read_member("json"))["views"]):
        _check_camera(view, f"view {index}")
    _check_instances(record)
    prefixes = {"": record.bounds} | {
        f"{shape_kind(i)}.": one.bounds for i, one in enumerate(record.shapes)
    }
    for prefix, bounds in prefixes.items():
        for kind, test in _TRUTH.items():
            if f"{prefix}{kind}" in file.parts:
                test(file, prefix, bounds)
    for index in range(len(record.views)):
        _check_view(file, index)
    return file


def _check_members(data: bytes, file: ObjectFile) -> None:
    """data: the tar. There must be a truth of the shape; only a whole scene may lack it."""
    name = file.path.stem
    record = file.record
    kinds = ["json", *(["shape.npz"] if file.has_ground_truth or not record.instances else [])]
    for number, one in enumerate(record.shapes):
        kinds += [f"{shape_kind(number)}.{kind}.npz" for kind in one.holds]
    for index, view in enumerate(record.views):
        own = (
            ("webp", SMALL_DEPTH, SMALL_SURROUNDINGS)
            if file.is_compact
            else ("png", "npz", SURROUNDINGS)
        )
        more = (
            ((SMALL_ALBEDO, SMALL_SHADING) if file.is_compact else (ALBEDO, OCCLUSION))
            if file.relightable
            else ()
        )
        kinds += [
            f"{index:03d}.{kind}"
            for kind in (*(own if has_surroundings(view.drawn) else own[:2]), *more)
        ]
    if file.is_compact:
        kinds.append(SUMS)
        for kind, sum in json.loads(file.read_member(SUMS)).items():
            _require_that(zlib.crc32(file.read_member(kind)) == sum, f"{kind} is damaged")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = archive.getnames()
    expected = {f"{name}.{kind}" for kind in kinds}
    _require_that(expected <= set(names), f"it lacks {', '.join(sorted(expected - set(names)))}")
    expected |= {f"{name}.{kind}" for kind in _LATER} & set(names)
    _require_that(
        sorted(names) == sorted(expected),
        "it holds what its record does not tell of, or something twice",
    )


def _check_bounds(record: Record) -> None:
    bounds = record.bounds
    fingerprint = np.array(record.fingerprint, float)
    _require_that(
        bounds.shape == (2, 3) and np.isfinite(bounds).all() and (np.ptp(bounds, axis=0) > 0).any(),
        "bad bounds",
    )
    _require_that(
        (bounds[0] <= bounds[1]).all(), "bad bounds: the low corner is above the high one"
    )
    _require_that(
        fingerprint.ndim == 1 and len(fingerprint) > 0 and np.isfinite(fingerprint).all(),
        "bad fingerprint",
    )


def _check_instances(record: Record) -> None:
    indices = [one.index for one in record.instances]
    _require_that(
        indices == list(range(1, len(indices) + 1)), "its instances are not numbered from 1 on"
    )
    poses = [(one.name, one.to_world) for one in record.instances]
    for place, view in enumerate(record.views):
        _require_that(
            set(view.moved) <= set(indices), f"view {place}: something moved that is no instance"
        )
        poses += [(f"view {place}, instance {index}", pose) for index, pose in view.moved.items()]
    for name, pose in poses:
        rigid = (
            pose.shape == (4, 4)
            and np.abs(pose[:3, :3] @ pose[:3, :3].T - np.eye(3)).max() < _EXACT
        )
        _require_that(rigid and np.linalg.det(pose) > 0, f"{name}: its pose is not rigid")
    _check_shapes(record)
    for one in record.instances:
        good = (
            one.bounds.shape == (2, 3)
            and np.isfinite(one.bounds).all()
            and (one.bounds[0] <= one.bounds[1]).all()
        )
        _require_that(good, f"{one.name}: bad bounds")


def _check_shapes(record: Record) -> None:
    shapes = {one.name: one for one in record.shapes}
    _require_that(len(shapes) == len(record.shapes), "two of its shapes have one name")
    for one in record.shapes:
        _require_that(
            ("shape" in one.holds) != bool(one.lacks),
            f"{one.name}: it has no truth and no reason, or both",
        )
    for one in record.instances if shapes else ():
        _require_that(one.shape in shapes, f"{one.name}: its shape is not told of")
        size = max(float(np.ptp(one.bounds, axis=0).max()), 1e-9)
        off = np.abs(one.bounds - shapes[one.shape].bounds).max() / size
        _require_that(
            off < _UNIT or not shapes[one.shape].holds,
            f"{one.name}: its bounds are not those of its shape",
        )


def _check_camera(view: Mapping[str, Any], name: str) -> None:
    """``view`` as in the record: both extrinsics are there, unlike in a Camera, which holds one."""
    to_world = np.array(view["camera_to_world_opengl"])
    from_world = np.array(view["world_to_camera_opencv"])
    intrinsics = np.array(view["intrinsics"])
    _require_that(
        to_world.shape == from_world.shape == (4, 4), f"{name}: its extrinsics are not 4 x 4"
    )
    _require_that(
        bool(np.isfinite([*to_world.flat, *from_world.flat]).all()),
        f"{name}: its extrinsics are not finite",
    )
    turn = to_world[:3, :3]
    rigid = np.abs(turn @ turn.T - np.eye(3)).max() < _EXACT and np.linalg.det(turn) > 0
    _require_that(
        rigid and bool((to_world[3] == (0, 0, 0, 1)).all()),
        f"{name}: its rotation is not orthonormal",
    )
    both = OPENCV_FROM_OPENGL @ from_world @ to_world
    far = 1 + float(np.abs(to_world[:3, 3]).max())
    _require_that(
        np.abs(both - np.eye(4)).max() < _EXACT * far,
        f"{name}: its two extrinsics are not of one camera",
    )
    _require_that(
        intrinsics.shape == (3, 3) and bool(np.isfinite(intrinsics).all()),
        f"{name}: its intrinsics are not 3 x 3",
    )
    plain = intrinsics[0, 1] == intrinsics[1, 0] == 0 and (intrinsics[2] == (0, 0, 1)).all()
    _require_that(
        plain and (intrinsics.diagonal() > 0).all(),
        f"{name}: its intrinsics are skewed or mirrored",
    )


def _check_shape(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    """Of the object, or of that of its shapes whose kinds begin with ``prefix``; ``bounds`` (2, 3) in its frame."""
    try:
        _check_samples(file.read_arrays(f"{prefix}shape.npz"), bounds)
    except DatasetError as error:
        raise DatasetError(f"{prefix}{error}") from error


def _check_samples(arrays: Mapping[str, NDArray[Any]], bounds: NDArray[np.float64]) -> None:
    arrays = compact.shape_from_arrays(arrays)
    _require_that(
        set(arrays) in (_SHAPE, _SHAPE | _DISTANCES),
        f"shape.npz: it holds {', '.join(sorted(arrays))}",
    )
    for points, bits in (("uniform", "uniform_inside"), ("near", "near_inside"), ("surface", None)):
        _require_array(arrays[points], (None, 3), np.float32, points)
        if bits:
            _require_array(arrays[bits], (-(-len(arrays[points]) // 8),), np.uint8, bits)
    _require_array(
        arrays["surface_normals"], arrays["surface"].shape, np.float16, "surface_normals"
    )
    _require_unit(arrays["surface_normals"], "surface_normals")
    low, high = bounds
    size = float((high - low).max())
    outside = np.abs(arrays["uniform"] - (low + high) / 2).max() / size
    _require_that(
        outside < GROWN / 2 + _OUTSIDE,
        "uniform: points lie outside the bounding cube grown by a tenth",
    )
    _require_that(
        _distance_outside(arrays["surface"], low, high) < 0.1 * size,
        "surface: points lie outside the bounds",
    )
    for points in ("uniform", "near") if set(arrays) >= _DISTANCES else ():
        distance = arrays[f"{points}_distance"]
        _require_array(distance, (len(arrays[points]),), np.float32, f"{points}_distance")
        inside = np.unpackbits(arrays[f"{points}_inside"], count=len(distance)).astype(bool)
        _require_that(
            (np.signbit(distance) == inside).all(),
            f"{points}_distance: its sign is not that of {points}_inside",
        )
        far = np.linalg.norm(arrays[points] - (low + high) / 2, axis=1) + size
        _require_that(
            (np.abs(distance) <= far).all(),
            f"{points}_distance: it is farther than all of the object",
        )


def _check_mesh(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    kind = f"{prefix}mesh.npz"
    arrays = file.read_arrays(kind)
    _require_that(
        set(arrays) == {"vertices", "faces"}, f"{kind}: it holds {', '.join(sorted(arrays))}"
    )
    vertices = arrays["vertices"]
    faces = arrays["faces"]
    _require_array(vertices, (None, 3), np.float32, f"{kind}, vertices")
    _require_array(faces, (None, 3), np.uint32, f"{kind}, faces")
    _require_that(
        faces.max() < len(vertices), f"{kind}, faces: they tell of vertices that are not there"
    )
    low, high = bounds
    wrong = np.abs(np.stack((vertices.min(0) - low, vertices.max(0) - high))).max() / float(
        (high - low).max()
    )
    _require_that(wrong < _UNIT, f"{kind}, vertices: they do not reach the bounds, or reach beyond")


def _check_surface(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    kind = f"{prefix}surface.npz"
    arrays = file.read_arrays(kind)
    count = len(file.read_arrays(f"{prefix}shape.npz")["surface"])
    _require_that(
        set(arrays) == {"colour", "seen"}, f"{kind}: it holds {', '.join(sorted(arrays))}"
    )
    _require_array(arrays["colour"], (count, 3), np.uint8, f"{kind}, colour")
    _require_array(arrays["seen"], (-(-count // 8),), np.uint8, f"{kind}, seen")


def _check_grid(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    """It must not contradict the uniform points: those whose cell and all its neighbors are alike are as it is."""
    grid = file.grid()
    shape = file.read_shape()
    steps = np.floor(occupancy_grid.coordinates(shape.uniform, bounds)).astype(int)
    within = ((steps > 0) & (steps < len(grid) - 1)).all(1)
    around = np.stack(
        [
            grid[tuple((steps[within] + step).T)]
            for step in np.indices((3, 3, 3)).reshape(3, -1).T - 1
        ]
    )
    alike = (around == around[0]).all(0)
    same = around[0, alike] == shape.uniform_inside[within][alike]
    _require_that(
        not len(same) or same.mean() > _AGREE, f"{GRID}: it contradicts the uniform points"
    )


_TRUTH = {
    "shape.npz": _check_shape,
    "mesh.npz": _check_mesh,
    "surface.npz": _check_surface,
    GRID: _check_grid,
}


def _check_view(file: ObjectFile, index: int) -> None:
    name = f"view {index}"
    camera = file.record.views[index].camera
    view = file.read_view(index)
    size = (camera.height, camera.width)
    _require_array(view.colour, (*size, 4), np.uint8, f"{name}, colour")
    _require_array(view.depth, size, np.float32, f"{name}, depth")
    _require_array(view.normal, (*size, 3), np.float16, f"{name}, normal")
    if view.surroundings is not None:
        _require_array(view.surroundings, (*size, 4), np.uint8, f"{name}, surroundings")
    if view.albedo is not None:
        _require_array(view.albedo, (*size, 3), np.uint8, f"{name}, albedo")
        _require_array(view.occlusion, size, np.uint8, f"{name}, occlusion")
        clear = view.colour[..., 3] == 0
        for kind, pixels in (("albedo", view.albedo), ("occlusion", view.occlusion)):
            _require_that(
                not pixels[clear].any(), f"{name}, {kind}: it is somewhere where alpha is not"
            )
    _require_that((view.depth >= 0).all(), f"{name}, depth: it is negative")
    on = view.depth > 0
    _require_unit(view.normal[on], f"{name}, normal")
    _require_that(not view.normal[~on].any(), f"{name}, normal: it is somewhere where depth is not")
    _require_that(
        not (on & (view.colour[..., 3] == 0)).any(),
        f"{name}, depth: it is somewhere where alpha is not",
    )
    low, high = file.record.bounds
    points = passes.world_points(view)
    size = float((high - low).max())
    if view.index is None:
        outside = _distance_outside(points[on], low, high) / size
        _require_that(
            outside < _OUTSIDE,
            f"{name}, depth: points lie {outside:.1%} of the longest side outside the bounds",
        )
    else:
        _check_index(file.record, index, view, points)
    if view.flow is not None:
        _require_array(view.flow, (*view.depth.shape, 4), np.float16, f"{name}, flow")
        _require_that(not view.flow[~on].any(), f"{name}, flow: it is somewhere where depth is not")


def _check_index(
    record: Record, place: int, view: RenderedView, points: NDArray[np.float64]
) -> None:
    """points: (H, W, 3) of the surface, world space. Each lies within its instance, or a pixel beside it."""
    name = f"view {place}"
    on = view.depth > 0
    _require_array(view.index, on.shape, np.uint16, f"{name}, index")
    _require_that(not view.index[~on].any(), f"{name}, index: it is somewhere where depth is not")
    _require_that(
        int(view.index.max()) <= len(record.instances), f"{name}, index: it is of no instance"
    )
    reach = _OUTSIDE * float(np.ptp(record.bounds, axis=0).max())
    wide = np.ones_like(view.depth) if view.camera.orthographic else view.depth
    pixel = _BESIDE * wide / view.camera.intrinsics.diagonal()[:2].min()
    for one in record.instances_in(place):
        shown = view.index == one.index
        own = (points[shown] - one.to_world[:3, 3]) @ one.to_world[:3, :3]
        beyond = np.maximum(one.bounds[0] - own, own - one.bounds[1]).clip(0).max(1, initial=0)
        _require_that(
            (beyond <= reach + pixel[shown]).all(), f"{name}, index: {one.name} is where it is not"
        )


def _check_settings(
    folder: Path, places: DatasetIndex, fingerprints: Mapping[str, Sequence[float]]
) -> None:
    version = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["version"]
    _require_that(version == VERSION, f"version {version}, not {VERSION}")


def _check_splits(
    folder: Path, places: DatasetIndex, fingerprints: Mapping[str, Sequence[float]]
) -> None:
    assigned = splits.read_splits(folder)
    for name in places.own or places.by_name:
        _require_that(
            assigned.get(name) in splits.SPLITS, f"{name} is in none of {', '.join(splits.SPLITS)}"
        )
    gone = sorted(set(assigned) - set(places.by_name))
    lost = bool(places.damaged)  # what cannot be read there is told of with the shard
    _require_that(
        lost or not gone,
        f"{len(gone)} objects are in a split but not in the set: {', '.join(gone[:3])}",
    )
    splits.check_no_leak(
        {name: assigned[name] for name in fingerprints if name in assigned}, fingerprints
    )


def _check_packing(
    folder: Path, places: DatasetIndex, fingerprints: Mapping[str, Sequence[float]]
) -> None:
    shards.validate_shards(folder, places)


def _require_that(good: bool | np.bool_, why: str) -> None:
    if not good:
        raise DatasetError(why)


def _require_array(
    array: NDArray[Any], shape: Sequence[int | None], dtype: type, name: str
) -> None:
    """A None in ``shape`` is any length but 0."""
    fits = array.ndim == len(shape) and all(
        n == m or (m is None and n) for n, m in zip(array.shape, shape, strict=True)
    )
    _require_that(fits, f"{name}: its shape is {array.shape}, not {tuple(shape)}")
    _require_that(array.dtype == dtype, f"{name}: it is {array.dtype}, not {np.dtype(dtype)}")
    _require_that(
        array.dtype.kind != "f" or np.isfinite(array).all(), f"{name}: not all of it is finite"
    )


def _require_unit(normals: NDArray[np.float16], name: str) -> None:
    lengths = np.linalg.norm(normals.astype(float), axis=-1)
    _require_that((np.abs(lengths - 1) < _UNIT).all(), f"{name}: not all are of unit length")


def _distance_outside(
    points: NDArray[np.floating], low: NDArray[np.float64], high: NDArray[np.float64]
) -> float:
    """How far the farthest of ``points`` (P, 3) lies outside the box, metres."""
    return float(np.maximum(low - points, points - high).clip(0).max(initial=0))


def _error_text(error: Exception, path: Path) -> str:
    """The error's text without the path, which stands before it."""
    text = str(error) if isinstance(error, DatasetError) else f"{type(error).__name__}: {error}"
    return text.removeprefix(f"{path} ").removeprefix(f"{path}: ").replace("\n", " ")
