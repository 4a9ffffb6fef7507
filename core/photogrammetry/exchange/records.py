"""What files of cameras hold, before it is known which photographs are there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ...cameras import OPENCV_FROM_OPENGL
from ..records import SparseCloud
from .lenses import Lens

_LONGEST_SIDE = 100_000  # pixels
_FARTHEST = 1e9  # of a position
_LARGEST_COEFFICIENT = 1e6
_ROTATION_ERROR = 1e-2  # of R R^T - 1; files have seven digits or so
_LONGEST_NAME = 4096


@dataclass(frozen=True)
class FileCamera:
    """A camera as a file has it.

    Attributes:
        name: Of its image: a path with "/", or the last part of one.
        to_world: (4, 4) camera-to-world, OpenGL's axes, in the file's world.
        lens: Of the image as it is stored, without regard to its EXIF orientation.
    """

    name: str
    to_world: NDArray[np.float64]
    lens: Lens


@dataclass(frozen=True)
class FileModel:
    """All that a file of cameras has.

    Attributes:
        program: Whose format it is.
        cameras: At least one.
        cloud: In the same world; None if the file has no points.
    """

    program: str
    cameras: tuple[FileCamera, ...]
    cloud: SparseCloud | None = None


def pose_from_opencv(
    rotation: NDArray[np.float64], translation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the camera-to-world (4, 4), OpenGL's axes, of a world-to-camera one in OpenCV's.

    Raises:
        ValueError: It is not a rotation (3, 3) and a finite translation (3,).
    """
    from_world = np.eye(4)
    from_world[:3, :3] = _nearest_rotation(rotation)
    from_world[:3, 3] = _checked_position(translation)
    to_world = np.eye(4)
    to_world[:3, :3] = from_world[:3, :3].T
    to_world[:3, 3] = -from_world[:3, :3].T @ from_world[:3, 3]
    return checked_pose(to_world @ OPENCV_FROM_OPENGL)


def checked_pose(to_world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a camera-to-world matrix (4, 4) with an exact rotation.

    Raises:
        ValueError: It is no rigid one, or leads too far.
    """
    pose = np.eye(4)
    pose[:3, :3] = _nearest_rotation(to_world[:3, :3])
    pose[:3, 3] = _checked_position(to_world[:3, 3])
    return pose


def rotation_of_quaternion(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation (3, 3) of a quaternion (w, x, y, z) of any length above 0.

    Raises:
        ValueError: It is no rotation.
    """
    length = float(np.linalg.norm(quaternion))
    if not 1e-6 < length < 1e6:
        raise ValueError("the quaternion is no rotation")
    w, x, y, z = (quaternion / length).tolist()

    return np.array(
        (
            (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        )
    )


def checked_lens(lens: Lens) -> Lens:
    """Return ``lens`` if its numbers can be those of one.

    Raises:
        ValueError: They cannot.
    """
    if not all(0 <= side <= _LONGEST_SIDE for side in lens.size):
        raise ValueError(f"an image of {lens.size[0]} x {lens.size[1]} pixels is too large")
    if not all(1e-3 < focal < 1e9 for focal in lens.focal):
        raise ValueError(f"the focal length is {lens.focal[0]:g}")
    if not all(abs(place) < 1e9 for place in lens.center):
        raise ValueError(f"the principal point is {lens.center[0]:g} {lens.center[1]:g}")
    if not all(abs(value) < _LARGEST_COEFFICIENT for value in lens.coefficients):
        raise ValueError("a coefficient of the distortion is not a usual number")
    return lens


def checked_name(name: str) -> str:
    """Return the name of an image with "/" between its parts.

    Raises:
        ValueError: It is empty or too long.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.name or len(name) > _LONGEST_NAME or "\0" in name:
        raise ValueError("the name of the image is empty, or too long")
    return str(path)


def make_cloud(
    points: NDArray[np.float64],
    colors: NDArray[np.uint8],
    track_length: NDArray[np.int64] | None = None,
    error: NDArray[np.float64] | None = None,
) -> SparseCloud | None:
    """Return the finite ones of ``points`` (P, 3) with colors (P, 3); None if there are none."""
    kept = (np.abs(points) < _FARTHEST).all(1)
    if not kept.any():
        return None
    count = int(kept.sum())
    lengths = np.zeros(count) if track_length is None else track_length[kept]
    errors = np.zeros(count) if error is None else np.nan_to_num(error[kept]).clip(0, _FARTHEST)

    return SparseCloud(
        points=points[kept].astype(np.float32),
        colors=(colors[kept] / 255).astype(np.float32),
        track_length=lengths.clip(0, 2**31 - 1).astype(np.int32),
        error=errors.astype(np.float32),
    )


def empty_cloud() -> SparseCloud:
    """Return a cloud without points."""
    return SparseCloud(
        points=np.zeros((0, 3), np.float32),
        colors=np.zeros((0, 3), np.float32),
        track_length=np.zeros(0, np.int32),
        error=np.zeros(0, np.float32),
    )


def _checked_position(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``position`` (3,) if it is finite and not absurdly far away.

    Raises:
        ValueError: It is not.
    """
    if not np.abs(position).max() < _FARTHEST:  # NaN compares false
        raise ValueError("the position is not a finite one")
    return position


def _nearest_rotation(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation (3, 3) that a file has with some digits.

    Raises:
        ValueError: The matrix is another one.
    """
    is_bounded = np.abs(matrix).max() < 2  # NaN compares false
    if not is_bounded or np.abs(matrix @ matrix.T - np.eye(3)).max() > _ROTATION_ERROR:
        raise ValueError("the rotation is not orthonormal")
    left, _, right = np.linalg.svd(matrix)
    rotation: NDArray[np.float64] = left @ right
    if np.linalg.det(rotation) < 0:
        raise ValueError("the rotation mirrors")
    return rotation
