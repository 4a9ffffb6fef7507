"""Cameras of a file in the world of this package, and points for those that come without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...errors import DependencyError
from ...jobs.task import Task
from ..floor import find_world_frame, looked_at_point
from ..records import SolvedPhotograph, SolvedScene, SparseCloud
from .records import empty_cloud

_STAND_IN = 0.18  # of the cameras' distance: half the side of what stands for an unseen object


def find_points(
    photographs: Sequence[SolvedPhotograph], max_side: int
) -> Task[tuple[SparseCloud, str]]:
    """Return points that the photographs show, and what they say about the cameras.

    Args:
        photographs: With their cameras.
        max_side: Longer side to which they are reduced, pixels.

    Raises:
        CameraFileError: The cameras do not fit the photographs.
        ImageError: A photograph cannot be read.
    """
    from .triangulation import triangulate_points

    try:
        cloud, agreement = yield from triangulate_points(photographs, max_side)
    except DependencyError as error:
        return empty_cloud(), f"were not checked: there are no points. {error}"

    if agreement is None:
        return cloud, "were not checked: the photographs have too little pattern"
    return cloud, f"agree with {agreement:.0%} of the photographs' matches"


def place_in_world(
    photographs: Sequence[SolvedPhotograph], cloud: SparseCloud, on_object: NDArray[np.float64]
) -> SolvedScene:
    """Return photographs and points in the world whose floor is z = 0.

    Args:
        photographs: With their cameras.
        cloud: Points in the same world.
        on_object: (P,) as ``floor.find_world_frame`` takes it.
    """
    cameras = [photograph.camera for photograph in photographs]
    points = cloud.points.astype(np.float64)
    if not len(points):
        points = _stand_in_points(photographs)
        on_object = np.full(len(points), np.nan)
    frame = find_world_frame(cameras, points, on_object)
    moved = tuple(
        replace(each, camera=each.camera.moved(frame.rigid).scaled(frame.factor))
        for each in photographs
    )
    moved_cloud = replace(cloud, points=frame.apply(cloud.points).astype(np.float32))

    return SolvedScene(moved, moved_cloud, floor_found=frame.floor_found)


def _stand_in_points(photographs: Sequence[SolvedPhotograph]) -> NDArray[np.float64]:
    """Return the corners (8, 3) of a cube where the cameras look, of an object's usual size."""
    middle = looked_at_point([photograph.camera for photograph in photographs])
    positions = np.array([photograph.camera.to_world[:3, 3] for photograph in photographs])
    distance = float(np.median(np.linalg.norm(positions - middle, axis=1)))
    half = max(_STAND_IN * distance, 1e-6)
    corners = np.stack(np.meshgrid(*((-1.0, 1.0),) * 3), axis=-1).reshape(-1, 3)
    points: NDArray[np.float64] = middle + half * corners
    return points
