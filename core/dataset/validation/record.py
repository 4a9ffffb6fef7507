"""Check what reading leaves of a record: cameras, instances and their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cameras import OPENCV_FROM_OPENGL
from ..reading.fields import require_numbers
from ..records import Instance, InstanceShape, Record
from .requirements import UNIT_TOLERANCE, require_that

_EXACT = 1e-6  # for values that are computed in double precision from numbers of about this size
_SMALLEST_SIZE = 1e-9  # of an instance; avoids a division by zero


def check_camera(view: Mapping[str, Any], name: str) -> None:
    """Check that the two extrinsics of a view are those of one camera.

    Args:
        view: As in the JSON, which has both extrinsics, unlike a Camera.
        name: Of the view, for the error text.
    """
    # Reading has checked their shapes, but that of the second one, which it does not need.
    to_world = np.array(view["camera_to_world_opengl"])
    from_world = require_numbers(
        view.get("world_to_camera_opencv"), (4, 4), f"{name}: world_to_camera_opencv"
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
