r"""Let an object stand on the floor where its images leave its distance open.

A single camera shows the direction of an object but not how far away it is. Along the rays of the
camera the object may be near and small or far and large, and looks the same:

        eye
         *---..__              s: the factor about the eye that brings the lowest point to the floor
         |  \    ``--.__
         |   \ [far and `--.__
    _____|____\_ large]_______``--.__   floor
         |     ^ lowest point

Parallel rays of orthographic images move it along their direction, at the same size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera
from .reference import Reference
from .side_views import mask_bounds

_MIN_SLOPE = np.sin(np.radians(5.0))  # of a ray to the floor: at less, a pixel is meters there
_SAME_EYE = 1e-6  # distance of two eyes that are one, in distances from the world's origin
_PARALLEL = np.cos(np.radians(1.0))  # cosine between directions above which they are parallel
_MAX_FACTOR = 100.0  # by which an object is scaled at most: an eye within the floor has no scale


def locating_cameras(references: Sequence[Reference]) -> list[Camera]:
    """Return the cameras that decide where the object is: of images that stand at its place.

    If none does, all of them.
    """
    placed = [reference.view.camera for reference in references if reference.placed]
    return placed or [reference.view.camera for reference in references]


def floor_point(references: Sequence[Reference], height: float) -> NDArray[np.float64] | None:
    """Return where the middle of the object in its image meets the floor.

    Args:
        references: With the masks as alpha.
        height: Of the floor in world space, meters.

    Returns:
        (3,) in world space; None if the images show the distance of the object, or if the ray does
        not meet the floor in front of the camera.

    Raises:
        ImageError: A mask is empty.
    """
    if not _is_distance_open(locating_cameras(references)):
        return None
    placed = [reference for reference in references if reference.placed]
    first = (placed or references)[0].view

    # The ray through the middle of the mask.
    middle = np.stack(mask_bounds(first.image[..., 3])).mean(0)
    start, end = first.camera.unproject(middle[None].repeat(2, 0), np.array((0.0, 1.0)))
    direction = (end - start) / np.linalg.norm(end - start)
    if abs(direction[2]) < _MIN_SLOPE:
        return None
    distance = (height - start[2]) / direction[2]
    if distance <= 0 and not first.camera.orthographic:
        return None
    point: NDArray[np.float64] = start + distance * direction

    return point


def stand_on_floor(
    cameras: Sequence[Camera], lowest: NDArray[np.float64], height: float
) -> NDArray[np.float64]:
    """Return the similarity (4, 4) that moves an object along its rays until it is on the floor.

    Args:
        cameras: Of :func:`locating_cameras`, in world space.
        lowest: (3,) the lowest point of the object in world space.
        height: Of the floor, meters.

    Returns:
        The identity if the images show the distance of the object, or if its lowest point cannot
        come to the floor: the camera looks level or away from the floor.
    """
    motion = np.eye(4)
    if not _is_distance_open(cameras):
        return motion

    # Parallel rays: a shift along them.
    pose = cameras[0].to_world
    if cameras[0].orthographic:
        direction = pose[:3, 2]
        if abs(direction[2]) >= _MIN_SLOPE:
            motion[:3, 3] = (height - lowest[2]) / direction[2] * direction
        return motion

    # Rays from one eye: a scaling about it.
    eye = pose[:3, 3]
    offset = lowest - eye
    if abs(offset[2]) < _MIN_SLOPE * np.linalg.norm(offset):
        return motion
    factor = (height - eye[2]) / offset[2]
    if 1 / _MAX_FACTOR <= factor <= _MAX_FACTOR:
        motion[:3, :3] *= factor
        motion[:3, 3] = (1 - factor) * eye
    return motion


def _is_distance_open(cameras: Sequence[Camera]) -> bool:
    """Return whether an object may move along the rays of all ``cameras`` and look the same."""
    first = cameras[0]
    for camera in cameras[1:]:
        if camera.orthographic != first.orthographic:
            return False
        if camera.orthographic:
            cosine = abs(camera.to_world[:3, 2] @ first.to_world[:3, 2])
            if cosine < _PARALLEL:
                return False
        else:
            eye = first.to_world[:3, 3]
            distance = np.linalg.norm(camera.to_world[:3, 3] - eye)
            if distance > _SAME_EYE * max(1.0, float(np.linalg.norm(eye))):
                return False

    return True
