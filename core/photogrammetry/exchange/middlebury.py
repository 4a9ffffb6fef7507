"""``*_par.txt`` of Middlebury's multi-view sets.

The number of images, then a line for each: its name, the nine numbers of K, the nine of R and the
three of t, row by row; a point X is shown at K (R X + t). The size of the images is not given.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .file_reading import read_lines
from .lenses import Lens
from .records import FileCamera, FileModel, checked_lens, checked_name, pose_from_opencv

_COLUMNS = 22
_LARGEST_SKEW = 1e-3  # of the focal length


def read_middlebury(path: Path) -> FileModel:
    """Read a file of parameters.

    Raises:
        CameraFileError: The file is damaged.
    """
    cameras = []
    with read_lines(path) as lines:
        count = int(next(lines, "").strip() or 0)
        for line in lines:
            if line.strip():
                cameras.append(_read_camera(line.split()))
        if not cameras or len(cameras) != count:
            raise ValueError(f"there are {len(cameras)} cameras, but the first line says {count}")

    return FileModel("Middlebury", tuple(cameras))


def _read_camera(words: list[str]) -> FileCamera:
    if len(words) != _COLUMNS:
        raise ValueError(f"a line has {_COLUMNS} words, not {len(words)}")
    numbers = np.array([float(word) for word in words[1:]])
    intrinsics = numbers[:9].reshape(3, 3)
    if not np.isfinite(intrinsics).all() or intrinsics[2, 2] != 1:
        raise ValueError("the intrinsics are none")
    if abs(intrinsics[0, 1]) > _LARGEST_SKEW * abs(intrinsics[0, 0]):
        raise ValueError("cameras with skewed pixels are not read")
    lens = Lens(
        size=(0, 0),
        focal=(float(intrinsics[0, 0]), float(intrinsics[1, 1])),
        center=(float(intrinsics[0, 2]), float(intrinsics[1, 2])),
    )
    pose = pose_from_opencv(numbers[9:18].reshape(3, 3), numbers[18:])

    return FileCamera(checked_name(words[0]), pose, checked_lens(lens))
