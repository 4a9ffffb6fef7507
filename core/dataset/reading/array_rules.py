"""What the arrays of a training set must be, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from . import limits

_MESH_ROW_BYTES = 24  # of a vertex and a face
_COLOR_BYTES = 4  # of a surface point and its flag
_POINT_BYTES = 64  # of a point of each kind, with distances, normals and flags


@dataclass(frozen=True)
class ArrayRule:
    """What an array of points must be.

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


@dataclass(frozen=True)
class ImageRule:
    """What an image of a view must be.

    Attributes:
        channels: Their number; None for an image of two axes.
        dtype: Its type.
        zero_where: "alpha" or "depth": it is 0 wherever that is 0; "" for no such rule.
    """

    channels: int | None
    dtype: type
    zero_where: str = ""


SHAPE_ARRAYS = {
    "uniform": ArrayRule(3, np.float32),
    "uniform_inside": ArrayRule(None, np.uint8, "uniform", packed=True),
    "near": ArrayRule(3, np.float32),
    "near_inside": ArrayRule(None, np.uint8, "near", packed=True),
    "surface": ArrayRule(3, np.float32),
    "surface_normals": ArrayRule(3, np.float16, "surface"),
}
COMPACT_SHAPE_ARRAYS = {
    **SHAPE_ARRAYS,
    "uniform": ArrayRule(3, np.uint16),
    "near": ArrayRule(3, np.uint16),
    "surface": ArrayRule(3, np.uint16),
    "surface_normals": ArrayRule(3, np.int8, "surface"),
}
DISTANCE_ARRAYS = {  # not in older sets
    "uniform_distance": ArrayRule(None, np.float32, "uniform"),
    "near_distance": ArrayRule(None, np.float32, "near"),
}
MESH_ARRAYS = {"vertices": ArrayRule(3, np.float32), "faces": ArrayRule(3, np.uint32)}
SURFACE_ARRAYS = {
    "colour": ArrayRule(3, np.uint8, "surface"),
    "seen": ArrayRule(None, np.uint8, "surface", packed=True),
}
MEASURED_ARRAYS = {
    "sparse": ArrayRule(3, np.float32, "sparse_views"),
    "sparse_colour": ArrayRule(3, np.uint8, "sparse_views"),
    "sparse_views": ArrayRule(None, np.int32, "sparse"),
    "dense": ArrayRule(3, np.float32, "dense_views"),
    "dense_normals": ArrayRule(3, np.float16, "dense"),
    "dense_colour": ArrayRule(3, np.uint8, "dense"),
    "dense_views": ArrayRule(None, np.int32, "dense"),
}
SURFACE_PART_ARRAYS = ("surface",)
VIEW_ARRAYS = {
    "colour": ImageRule(4, np.uint8),
    "depth": ImageRule(None, np.float32, "alpha"),
    "normal": ImageRule(3, np.float16, "depth"),
    "surroundings": ImageRule(4, np.uint8),
    "albedo": ImageRule(3, np.uint8, "alpha"),
    "occlusion": ImageRule(None, np.uint8, "alpha"),
    "parts": ImageRule(None, np.uint8, "alpha"),
    "index": ImageRule(None, np.uint16, "depth"),
    "flow": ImageRule(4, np.float16, "depth"),
}
# Bytes of a pixel in a view's .npz: depth, normal, index and flow. Twice as many are allowed, so
# that arrays of another type are reported as such.
VIEW_BYTES_A_PIXEL = 2 * (4 + 3 * 2 + 2 + 4 * 2)


def require_array(array: NDArray[Any], shape: Sequence[int | None], dtype: type, name: str) -> None:
    """Check shape and type of an array, and that its floats are finite.

    Args:
        array: To check.
        shape: Lengths of the axes; None for any length but 0.
        dtype: Expected type.
        name: For the error text.

    Raises:
        DatasetError: It is another one.
    """
    fits = array.ndim == len(shape)
    for length, expected in zip(array.shape, shape, strict=False):
        has_length = length > 0 if expected is None else length == expected
        fits = fits and has_length
    if not fits:
        raise DatasetError(f"{name}: the shape is {array.shape}, not {tuple(shape)}")
    if array.dtype != dtype:
        raise DatasetError(f"{name}: the type is {array.dtype}, not {np.dtype(dtype)}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DatasetError(f"{name}: not all values are finite")


def require_arrays(
    arrays: Mapping[str, NDArray[Any]],
    rules: Mapping[str, ArrayRule],
    prefix: str,
    counts: Mapping[str, int] | None = None,
) -> None:
    """Check that those of ``rules`` that exist follow them.

    Args:
        arrays: Of a member.
        rules: By the names of the arrays.
        prefix: Of the error texts.
        counts: Lengths of arrays of other members that rules refer to.

    Raises:
        DatasetError: One does not.
    """
    # Lengths that rules may refer to
    lengths = {name: len(array) for name, array in arrays.items() if array.ndim}
    lengths.update(counts or {})

    for name, rule in rules.items():
        if name not in arrays:
            continue
        count = lengths.get(rule.count_of) if rule.count_of else None
        if rule.packed and count is not None:
            count = -(-count // 8)  # bytes, rounded up
        shape: tuple[int | None, ...] = (count,)
        if rule.columns is not None:
            shape = (count, rule.columns)
        require_array(arrays[name], shape, rule.dtype, f"{prefix}{name}")


def require_shape_arrays(arrays: Mapping[str, NDArray[Any]], prefix: str) -> None:
    """Check the arrays of a ``shape.npz``, in the full or in the compact form.

    Args:
        arrays: By their names.
        prefix: Of the error texts.

    Raises:
        DatasetError: One is missing, or is not what it must be.
    """
    rules: Mapping[str, ArrayRule] = SHAPE_ARRAYS
    if "step" in arrays:
        rules = COMPACT_SHAPE_ARRAYS
        require_array(arrays["step"], (), np.float64, f"{prefix}step")
        require_array(arrays["low"], (3,), np.float64, f"{prefix}low")
        reach = max(np.abs(arrays["low"]).max(), abs(arrays["step"]))
        if reach > limits.COORDINATE:
            raise DatasetError(f"{prefix}step and low lead too far")

    _require_names(arrays, rules, prefix)
    require_arrays(arrays, {**rules, **DISTANCE_ARRAYS}, prefix)


def require_measured_arrays(arrays: Mapping[str, NDArray[Any]], prefix: str) -> None:
    """Check the arrays of a ``measured.npz``, which may be empty.

    Args:
        arrays: By their names.
        prefix: Of the error texts.

    Raises:
        DatasetError: One is missing, is unknown, or is not what it must be.
    """
    if set(arrays) != set(MEASURED_ARRAYS):
        raise DatasetError(f"{prefix}the arrays are {', '.join(sorted(arrays))}")
    require_arrays(arrays, MEASURED_ARRAYS, prefix)


def require_surface_part_arrays(
    arrays: Mapping[str, NDArray[Any]], points: int, prefix: str
) -> None:
    """Check the arrays of a ``parts.npz``.

    Args:
        arrays: By their names.
        points: Number of the surface points.
        prefix: Of the error texts.

    Raises:
        DatasetError: One is missing, is unknown, or is not what it must be.
    """
    if set(arrays) != set(SURFACE_PART_ARRAYS):
        raise DatasetError(f"{prefix}the arrays are {', '.join(sorted(arrays))}")
    require_array(arrays["surface"], (points,), np.uint8, f"{prefix}surface")


def require_mesh_arrays(arrays: Mapping[str, NDArray[Any]], prefix: str) -> None:
    """Check the arrays of a ``mesh.npz``.

    Args:
        arrays: By their names.
        prefix: Of the error texts.

    Raises:
        DatasetError: One is missing or is not what it must be, or faces refer to no vertices.
    """
    _require_names(arrays, MESH_ARRAYS, prefix)
    require_arrays(arrays, MESH_ARRAYS, prefix)
    if arrays["faces"].max() >= len(arrays["vertices"]):
        raise DatasetError(f"{prefix}faces: indices refer to vertices that are not there")


def _require_names(
    arrays: Mapping[str, NDArray[Any]], rules: Mapping[str, ArrayRule], prefix: str
) -> None:
    """Check that all arrays of ``rules`` exist."""
    missing = sorted(set(rules) - set(arrays))
    if missing:
        raise DatasetError(f"{prefix}{missing[0]} is missing")


def array_bytes(kind: str) -> int:
    """Return the greatest size of all arrays in a member of an object, bytes."""
    if kind.endswith("mesh.npz"):
        return limits.MESH_ROWS * _MESH_ROW_BYTES
    if kind.endswith("surface.npz"):
        return limits.POINTS * _COLOR_BYTES
    return limits.POINTS * _POINT_BYTES
