"""Images that follow exactly from a stored view, and are therefore computed instead of stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import OPENCV_FROM_OPENGL
from ..imaging import color as color_space
from .records import Instance, RenderedView

_OPAQUE = 127  # alpha, in 8 bits, above which a pixel belongs to the object
_LEAST_ALPHA = 1e-6  # avoids a division by zero where a pixel is empty
_GOLDEN_RATIO = (5**0.5 - 1) / 2
_LEAST_SIZE = 1e-12  # avoids a division by zero for a box without an extent


def composite_image(view: RenderedView) -> NDArray[np.uint8]:
    """Return the complete image: the object over its surroundings, mixed as linear light.

    Returns:
        (H, W, 4) uint8 sRGB, straight alpha.
    """
    if view.surroundings is None:
        return view.colour

    # Shares of both layers in a pixel
    over = view.colour / 255.0
    under = view.surroundings / 255.0
    over_share = over[..., 3:]
    under_share = (1 - over_share) * under[..., 3:]
    alpha = over_share + under_share

    # Mix their light; colors are those of straight alpha.
    over_light = color_space.to_linear(over[..., :3])
    under_light = color_space.to_linear(under[..., :3])
    light = over_share * over_light + under_share * under_light
    color = color_space.from_linear(light / np.maximum(alpha, _LEAST_ALPHA))
    image: NDArray[np.uint8] = (np.concatenate((color, alpha), axis=2) * 255 + 0.5).astype(np.uint8)

    return image


def object_mask(view: RenderedView) -> NDArray[np.bool_]:
    """Return where the object covers at least half of a pixel; of a scene, where any instance is.

    Returns:
        (H, W) bool.
    """
    if view.index is not None:
        return view.index > 0
    return view.colour[..., 3] > _OPAQUE


def semantic_map(
    view: RenderedView, instances: Sequence[Instance], families: Sequence[str]
) -> NDArray[np.uint16]:
    """Return the class of each pixel of a view of a whole scene.

    Args:
        view: With an index.
        instances: All instances of the scene.
        families: The classes, numbered from 1.

    Returns:
        (H, W) uint16: 1 for the first of ``families``, 0 where there is no instance.
    """
    # Class by the index of the instance
    last_index = max((instance.index for instance in instances), default=0)
    classes = np.zeros(last_index + 1, np.uint16)
    for instance in instances:
        classes[instance.index] = families.index(instance.family) + 1
    return classes[instance_index(view)]


def complete_part_map(
    numbers: NDArray[np.uint8], view: RenderedView, unnamed: int
) -> NDArray[np.uint8]:
    """Return a part for each pixel that shows the object.

    Depth and part are those of one sample of a pixel, which may miss an object that covers most of
    it. Such pixels take the part of a neighbor, so that a part map has no holes along edges.

    Args:
        numbers: (H, W), the part at the sample of ``view.depth``; 0 where it is unnamed.
        view: With color and depth.
        unnamed: Number of the part that has no name; 0 if all of the surface has one.

    Returns:
        (H, W) uint8, not 0 where depth is not 0; 0 where alpha is 0.
    """
    has_depth = view.depth > 0
    parts = np.where(has_depth, np.where(numbers > 0, numbers, unnamed), 0).astype(np.uint8)
    is_missing = (has_depth | object_mask(view)) & (parts == 0)

    # From the known pixels outward, one pixel a round, also across the background: a wire may be
    # missed by all samples nearby.
    spread = parts.copy()
    while spread.any() and not spread[is_missing].all():
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(spread, 1), (3, 3))
        spread = np.where(spread > 0, spread, windows.max((-2, -1)))
    return np.where(is_missing, spread, parts)


def part_colors(parts: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return distinct colors of a part map (H, W): (H, W, 3) in 0..1, black where it is 0."""
    # Steps of the golden ratio keep the hues of any number of parts apart.
    hues = np.arange(256) * _GOLDEN_RATIO % 1
    values = np.where(np.arange(256) % 2, 1.0, 0.65)
    thirds = np.array((0.0, 1 / 3, 2 / 3))
    distance = np.abs((hues[:, None] - thirds + 0.5) % 1 - 0.5)
    palette = (2 - 6 * distance).clip(0, 1) * values[:, None]
    palette[0] = 0
    colors: NDArray[np.float32] = palette.astype(np.float32)[parts]

    return colors


def instance_index(view: RenderedView) -> NDArray[np.uint16]:
    """Return the index image (H, W) of a view of a whole scene.

    Raises:
        ValueError: The view does not show a whole scene.
    """
    if view.index is None:
        raise ValueError("only views of whole scenes have an index")
    return view.index


def instance_coordinates(view: RenderedView, instances: Sequence[Instance]) -> NDArray[np.float32]:
    """Return :func:`object_coordinates` of each instance in its frame.

    Args:
        view: With an index.
        instances: With their poses in the view, see ``Record.instances_in``.

    Returns:
        (H, W, 3) float32 in 0..1, 0 where there is no surface.
    """
    points = world_points(view)
    has_surface = view.depth > 0

    # Each instance fills its pixels.
    coordinates = np.zeros((*view.depth.shape, 3), np.float32)
    for instance in instances:
        shown = (view.index == instance.index) & has_surface
        local = local_points(points[shown], instance.to_world)
        coordinates[shown] = _cube_coordinates(local, instance.bounds)

    return coordinates


def local_points(points: NDArray[np.float64], to_world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points (P, 3) of world space in the frame with the rigid pose ``to_world`` (4, 4)."""
    local: NDArray[np.float64] = (points - to_world[:3, 3]) @ to_world[:3, :3]
    return local


def world_points(view: RenderedView) -> NDArray[np.float64]:
    """Return the surface points of the pixels.

    Returns:
        (H, W, 3) float64 in world space, meters; 0 where there is no surface.
    """
    # Centers and depths of the pixels that show a surface
    rows, columns = np.nonzero(view.depth)
    pixels = np.stack((columns + 0.5, rows + 0.5), axis=1)
    depth = view.depth[rows, columns].astype(float)

    points = np.zeros((*view.depth.shape, 3))
    points[rows, columns] = view.camera.unproject(pixels, depth)
    return points


def ray_distance(view: RenderedView) -> NDArray[np.float64]:
    """Return the distance along each pixel's ray.

    It is measured from the center of a pinhole camera, and from the plane of an orthographic one,
    whose rays are parallel, so that it equals the plane depth.

    Returns:
        (H, W) float64, meters; 0 where there is no surface.
    """
    depth = view.depth.astype(float)
    if view.camera.orthographic:
        return depth

    # Rays through the pixels, from the camera to the plane at depth 1
    camera = view.camera
    rows, columns = np.mgrid[: camera.height, : camera.width] + 0.5
    pixels = np.stack((columns, rows, np.ones_like(rows)), axis=-1)
    from_pixels = np.linalg.inv(camera.intrinsics)
    rays = pixels @ from_pixels.T
    distance: NDArray[np.float64] = depth * np.linalg.norm(rays, axis=-1)

    return distance


def camera_normals(view: RenderedView, convention: str) -> NDArray[np.float32]:
    """Return the normals in the frame of the camera.

    Args:
        view: With normals in world space.
        convention: "opencv" (x right, y down, z forward: a surface that faces the camera has z < 0)
            or "opengl" (x right, y up, z backward: it has z > 0).

    Returns:
        (H, W, 3) float32 unit vectors, 0 where there is no surface.

    Raises:
        ValueError: There is no such convention.
    """
    if convention not in ("opencv", "opengl"):
        raise ValueError(f"convention is 'opencv' or 'opengl', not {convention!r}")

    # Rotation from the world to OpenGL's camera, or to OpenCV's
    rotation = view.camera.to_world[:3, :3].T
    if convention == "opencv":
        opencv_from_opengl = OPENCV_FROM_OPENGL[:3, :3]
        rotation = opencv_from_opengl @ rotation

    # In the precision of the result
    world_normals = view.normal.astype(np.float32)
    normals: NDArray[np.float32] = world_normals @ rotation.T.astype(np.float32)
    return normals


def object_coordinates(
    view: RenderedView, bounds: NDArray[np.float64], moved: NDArray[np.float64] | None = None
) -> NDArray[np.float32]:
    """Return the position of each pixel's point in the cube of the object.

    The normalized object coordinate space of Wang et al. 2019 (arXiv 1901.02970), along the
    object's axes; the difference is the scale: here the longest side of the bounding box is 1,
    there its diagonal.

    Args:
        view: Of the object.
        bounds: (2, 3) low and high corner of the object's bounding box, meters.
        moved: (4, 4) transform of the object from there into the world, see
            ``Record.unposed_bounds``; None if it was not moved.

    Returns:
        (H, W, 3) float32 in 0..1, 0 where there is no surface.
    """
    # Points in the frame of the bounding box
    points = world_points(view)
    if moved is not None:
        inverse = np.linalg.inv(moved)
        points = points @ inverse[:3, :3].T + inverse[:3, 3]

    has_surface = view.depth[..., None] > 0
    coordinates = np.where(has_surface, _cube_coordinates(points, bounds), 0)
    return coordinates.astype(np.float32)


def _cube_coordinates(
    points: NDArray[np.float64], bounds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return points (..., 3) in 0..1 of the cube around ``bounds`` (2, 3)."""
    low, high = bounds
    center = (low + high) / 2
    size = max(float((high - low).max()), _LEAST_SIZE)
    coordinates: NDArray[np.float64] = (points - center) / size + 0.5
    return coordinates.clip(0, 1)


def visible_pixels(
    view: RenderedView,
    points: NDArray[np.floating[Any]],
    normals: NDArray[np.floating[Any]],
    tolerance: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Project points of the surface, and find out which of them the view shows.

    It shows those that face the camera and are at the depth of the pixel that they project to.

    Args:
        view: With depth.
        points: (P, 3) in world space, meters.
        normals: (P, 3) outward, in world space.
        tolerance: Greatest difference from the depth of the pixel, meters.

    Returns:
        (P, 2) float64 pixels, and (P,) bool.
    """
    camera = view.camera
    pixels, depth = camera.project(points)

    # Points that face the camera
    to_camera = camera.to_world[:3, 2]
    if not camera.orthographic:
        to_camera = camera.to_world[:3, 3] - points
    faces_camera = (normals * to_camera).sum(1) > 0

    # Points within the image
    size = view.depth.shape[::-1]
    in_image = (pixels >= 0).all(1) & (pixels < size).all(1)
    visible = (depth > 0) & faces_camera & in_image

    # Of these, the points at the depth of their pixel
    columns, rows = pixels[visible].astype(int).T
    depth_error = np.abs(view.depth[rows, columns] - depth[visible])
    on_object = object_mask(view)[rows, columns]
    visible[visible] = on_object & (depth_error <= tolerance)

    return pixels, visible
