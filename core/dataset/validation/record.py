"""Check the record of an object: bounding box, cameras, instances and their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cameras import OPENCV_FROM_OPENGL
from ..records import Instance, InstanceShape, Record
from .requirements import UNIT_TOLERANCE, require_that

_EXACT = 1e-6  # for values that are computed in double precision from numbers of about this size
_SMALLEST_SIZE = 1e-9  # of an instance; avoids a division by zero


def check_bounds(record: Record) -> None:
    """Check bounding box and fingerprint of an object."""
    bounds = record.bounds
    require_that(
        bounds.shape == (2, 3) and np.isfinite(bounds).all(),
        "bad bounds: not two finite corners of a box",
    )
    require_that((np.ptp(bounds, axis=0) > 0).any(), "bad bounds: the box has no extent")
    require_that((bounds[0] <= bounds[1]).all(), "bad bounds: the low corner is above the high one")

    fingerprint = np.array(record.fingerprint, float)
    require_that(
        fingerprint.ndim == 1 and len(fingerprint) > 0 and np.isfinite(fingerprint).all(),
        "bad fingerprint: not a list of finite numbers",
    )


def check_camera(view: Mapping[str, Any], name: str) -> None:
    """Check intrinsics and extrinsics of a view.

    Args:
        view: As in the JSON, which has both extrinsics, unlike a Camera.
        name: Of the view, for the error text.
    """
    # Both extrinsics are 4 x 4 and finite.
    to_world = np.array(view["camera_to_world_opengl"])
    from_world = np.array(view["world_to_camera_opencv"])
    require_that(
        to_world.shape == from_world.shape == (4, 4), f"{name}: the extrinsics are not 4 x 4"
    )
    require_that(
        bool(np.isfinite([*to_world.flat, *from_world.flat]).all()),
        f"{name}: the extrinsics are not finite",
    )

    # One is rigid, and the other is its inverse.
    require_that(
        _is_rotation(to_world[:3, :3]) and bool((to_world[3] == (0, 0, 0, 1)).all()),
        f"{name}: the rotation is not orthonormal",
    )
    product = OPENCV_FROM_OPENGL @ from_world @ to_world
    reach = 1 + float(np.abs(to_world[:3, 3]).max())
    require_that(
        np.abs(product - np.eye(4)).max() < _EXACT * reach,
        f"{name}: the two extrinsics are not of one camera",
    )

    # Intrinsics have a focal length for each axis and no skew.
    intrinsics = np.array(view["intrinsics"])
    require_that(
        intrinsics.shape == (3, 3) and bool(np.isfinite(intrinsics).all()),
        f"{name}: the intrinsics are not 3 x 3",
    )
    has_no_skew = intrinsics[0, 1] == intrinsics[1, 0] == 0
    has_last_row = (intrinsics[2] == (0, 0, 1)).all()
    require_that(
        has_no_skew and has_last_row and (intrinsics.diagonal() > 0).all(),
        f"{name}: the intrinsics are skewed or mirrored",
    )


def _is_rotation(matrix: NDArray[np.float64]) -> bool:
    """Return whether a matrix (3, 3) is a rotation, without mirroring."""
    error = np.abs(matrix @ matrix.T - np.eye(3)).max()
    is_orthonormal = error < _EXACT
    return bool(is_orthonormal and np.linalg.det(matrix) > 0)


def check_instances(record: Record) -> None:
    """Check numbering, poses and bounds of the instances of a whole scene."""
    # Indices
    indices = [instance.index for instance in record.instances]
    expected = list(range(1, len(indices) + 1))
    require_that(indices == expected, "the instances are not numbered from 1")

    # Poses in the scene, and in views where they differ
    poses = [(instance.name, instance.to_world) for instance in record.instances]
    for number, view in enumerate(record.views):
        require_that(set(view.moved) <= set(indices), f"view {number}: moved refers to no instance")
        for index, pose in view.moved.items():
            poses.append((f"view {number}, instance {index}", pose))
    for name, pose in poses:
        is_rigid = pose.shape == (4, 4) and _is_rotation(pose[:3, :3])
        require_that(is_rigid, f"{name}: the pose is not rigid")

    # Bounding boxes
    for instance in record.instances:
        bounds = instance.bounds
        require_that(
            bounds.shape == (2, 3) and np.isfinite(bounds).all() and (bounds[0] <= bounds[1]).all(),
            f"{instance.name}: bad bounds",
        )


def check_instance_shapes(record: Record) -> None:
    """Check that the shapes of a whole scene agree with its instances.

    Older sets have no shapes.
    """
    # Shapes by themselves
    shapes = {shape.name: shape for shape in record.shapes}
    require_that(len(shapes) == len(record.shapes), "two shapes have the same name")
    for shape in record.shapes:
        require_that(
            ("shape" in shape.holds) != bool(shape.lacks),
            f"{shape.name}: has neither ground truth nor a reason for its absence, or both",
        )

    # Instances have one of these shapes.
    if shapes:
        for instance in record.instances:
            require_that(instance.shape in shapes, f"{instance.name}: has an unlisted shape")
            _check_instance_bounds(instance, shapes[instance.shape])


def _check_instance_bounds(instance: Instance, shape: InstanceShape) -> None:
    """Check that an instance has the bounds of its shape, if the file has anything of that."""
    longest_side = float(np.ptp(instance.bounds, axis=0).max())
    size = max(longest_side, _SMALLEST_SIZE)
    difference = np.abs(instance.bounds - shape.bounds).max()
    require_that(
        difference / size < UNIT_TOLERANCE or not shape.holds,
        f"{instance.name}: the bounds are not those of its shape",
    )
