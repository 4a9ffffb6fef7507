"""What follows exactly from a stored view, and is therefore derived here and not stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..cameras import OPENCV_FROM_OPENGL
from ..imaging import color as color_space
from .records import Instance, RenderedView


def composite_image(view: RenderedView) -> NDArray[np.uint8]:
    """(H, W, 4) uint8 sRGB, straight alpha: the whole picture, ``colour`` over ``surroundings``, mixed as light."""
    if view.surroundings is None:
        return view.colour
    over = view.colour / 255.0
    under = view.surroundings / 255.0
    share = (1 - over[..., 3:]) * under[..., 3:]
    alpha = over[..., 3:] + share
    light = over[..., 3:] * color_space.to_linear(over[..., :3]) + share * color_space.to_linear(
        under[..., :3]
    )
    color = color_space.from_linear(light / np.maximum(alpha, 1e-6))
    return (np.concatenate((color, alpha), axis=2) * 255 + 0.5).astype(np.uint8)


def object_mask(view: RenderedView) -> NDArray[np.bool_]:
    """(H, W) bool: where what is seen of the object covers at least half of the pixel; of a scene, any instance."""
    return view.colour[..., 3] > 127 if view.index is None else view.index > 0


def semantic_map(
    view: RenderedView, instances: Sequence[Instance], families: Sequence[str]
) -> NDArray[np.uint16]:
    """(H, W) uint16 class of what a view of a whole scene shows: 1 for the first of ``families``, 0 for nothing."""
    classes = np.zeros(max((one.index for one in instances), default=0) + 1, np.uint16)
    for one in instances:
        classes[one.index] = families.index(one.family) + 1
    return classes[view.index]


def instance_coordinates(view: RenderedView, instances: Sequence[Instance]) -> NDArray[np.float32]:
    """As :func:`object_coordinates`, of each of ``instances`` in its own frame.

    Args:
        instances: as they stand in the view, see ``Record.instances_in``.
    """
    points = world_points(view)
    result = np.zeros((*view.depth.shape, 3), np.float32)
    for one in instances:
        on = (view.index == one.index) & (view.depth > 0)
        own = (points[on] - one.to_world[:3, 3]) @ one.to_world[:3, :3]
        result[on] = _in_cube(own, one.bounds)
    return result


def world_points(view: RenderedView) -> NDArray[np.float64]:
    """(H, W, 3) float64 points of the surface in world space, metres; 0 where nothing is."""
    rows, columns = np.nonzero(view.depth)
    points = np.zeros((*view.depth.shape, 3))
    pixels = np.stack((columns + 0.5, rows + 0.5), axis=1)
    points[rows, columns] = view.camera.unproject(pixels, view.depth[rows, columns].astype(float))
    return points


def ray_distance(view: RenderedView) -> NDArray[np.float64]:
    """(H, W) float64 distance along each pixel's ray, metres, 0 where nothing is.

    From the eye of a pinhole camera; from the plane of an orthographic one, whose rays are parallel, so that it is
    the plane depth itself.
    """
    depth = view.depth.astype(float)
    if view.camera.orthographic:
        return depth
    rows, columns = np.mgrid[: view.camera.height, : view.camera.width] + 0.5
    pixels = np.stack((columns, rows, np.ones_like(rows)), axis=-1)
    return depth * np.linalg.norm(pixels @ np.linalg.inv(view.camera.intrinsics).T, axis=-1)


def camera_normals(view: RenderedView, convention: str) -> NDArray[np.float32]:
    """(H, W, 3) float32 unit normals in the camera's frame, 0 where nothing is.

    Args:
        convention: "opencv" (x right, y down, z forward: a surface that faces the camera has z < 0) or
            "opengl" (x right, y up, z backward: it has z > 0).
    """
    turn = view.camera.to_world[:3, :3].T  # world to OpenGL's camera
    if convention == "opencv":
        turn = OPENCV_FROM_OPENGL[:3, :3] @ turn
    elif convention != "opengl":
        raise ValueError(f"convention is 'opencv' or 'opengl', not {convention!r}")
    return view.normal.astype(np.float32) @ turn.T.astype(np.float32)


def object_coordinates(
    view: RenderedView, bounds: NDArray[np.float64], moved: NDArray[np.float64] | None = None
) -> NDArray[np.float32]:
    """(H, W, 3) float32 in 0..1: where in the object's cube each pixel's point lies, 0 where nothing is.

    The normalized object coordinate space of Wang et al. 2019 (arXiv 1901.02970), along the object's axes; the
    difference is the scale: here the bounding box's longest side is 1, there its diagonal.

    Args:
        bounds: (2, 3) low and high corner of the object's bounding box, metres.
        moved: (4, 4) how the object was moved from there into the world, see ``Record.unposed_bounds``; None for not at all.
    """
    points = world_points(view)
    if moved is not None:
        back = np.linalg.inv(moved)
        points = points @ back[:3, :3].T + back[:3, 3]
    return np.where(view.depth[..., None] > 0, _in_cube(points, bounds), 0).astype(np.float32)


def _in_cube(points: NDArray[np.float64], bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = bounds
    return ((points - (low + high) / 2) / max(float((high - low).max()), 1e-12) + 0.5).clip(0, 1)


def visible_pixels(
    view: RenderedView,
    points: NDArray[np.floating],
    normals: NDArray[np.floating],
    tolerance: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Where points of the surface fall in the picture, and which of them it shows.

    It shows those that face the camera and lie at the depth of the pixel that they fall into.

    Args:
        points: (P, 3) world space, metres. normals: (P, 3) outward, world space.
        tolerance: how far from the pixel's depth a point may lie, metres.

    Returns:
        (P, 2) float64 pixels and (P,) bool.
    """
    camera = view.camera
    pixels, depth = camera.project(points)
    back = camera.to_world[:3, 2] if camera.orthographic else camera.to_world[:3, 3] - points
    seen = (
        (depth > 0)
        & ((normals * back).sum(1) > 0)
        & (pixels >= 0).all(1)
        & (pixels < view.depth.shape[::-1]).all(1)
    )
    columns, rows = pixels[seen].astype(int).T
    seen[seen] = object_mask(view)[rows, columns] & (
        np.abs(view.depth[rows, columns] - depth[seen]) <= tolerance
    )
    return pixels, seen
