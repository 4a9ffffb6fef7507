"""Cameras: one projection for perspective and orthographic ones, and how to aim them.

Pixel coordinates: u to the right, v down, (0, 0) is the outer corner of the top left pixel, so the
center of the pixel in column i and row j is (i + 0.5, j + 0.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

WORLD_UP = np.array((0.0, 0.0, 1.0))
OPENCV_FROM_OPENGL = np.diag((1.0, -1.0, -1.0, 1.0))

# The six sides of an object: the direction from the object to the camera, and up in the image.
SIDES: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "front": ((0, -1, 0), (0, 0, 1)),
    "right": ((1, 0, 0), (0, 0, 1)),
    "back": ((0, 1, 0), (0, 0, 1)),
    "left": ((-1, 0, 0), (0, 0, 1)),
    "top": ((0, 0, 1), (0, 1, 0)),
    "bottom": ((0, 0, -1), (0, -1, 0)),
}

_PARALLEL = 1e-9  # length of the cross product of two unit vectors below which they are parallel
_UP_MARK_DISTANCE = 1 / 8  # of the image's height: how far above the image the mark of up ends


@dataclass(frozen=True)
class Camera:
    """A pinhole or an orthographic camera.

    Attributes:
        to_world: (4, 4) float64 camera-to-world in the convention of Blender (OpenGL): the camera
            looks along -Z, +Y is up.
        intrinsics: (3, 3) float64. With (x, y, z) in OpenCV's camera frame (x right, y down,
            z forward), the pixel is ``intrinsics @ (x/z, y/z, 1)``, or ``intrinsics @ (x, y, 1)``
            of an orthographic camera, whose focal lengths are pixels per meter.
        width: Of the image, pixels.
        height: Of the image, pixels.
        orthographic: Whether the rays are parallel.
    """

    to_world: NDArray[np.float64]
    intrinsics: NDArray[np.float64]
    width: int
    height: int
    orthographic: bool = False

    @property
    def from_world(self) -> NDArray[np.float64]:
        """World-to-camera (4, 4) in OpenCV's convention (x right, y down, z forward)."""
        from_world: NDArray[np.float64] = OPENCV_FROM_OPENGL @ np.linalg.inv(self.to_world)
        return from_world

    def project(
        self, points: NDArray[np.floating[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Project points into the image.

        Args:
            points: (P, 3) in world space, meters.

        Returns:
            Pixels (P, 2), and plane depth (P,) in meters.
        """
        from_world = self.from_world
        local = points @ from_world[:3, :3].T + from_world[:3, 3]
        depth = local[:, 2]
        image_plane = local[:, :2]
        if not self.orthographic:
            image_plane = image_plane / depth[:, None]

        pixels = image_plane @ self.intrinsics[:2, :2].T + self.intrinsics[:2, 2]
        return pixels, depth

    def directions_from(self, points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the unit vectors (P, 3) from points (P, 3) in world space to the camera."""
        if self.orthographic:
            return np.broadcast_to(self.to_world[:3, 2], points.shape)
        offsets = self.to_world[:3, 3] - points
        lengths = np.linalg.norm(offsets, axis=1, keepdims=True)
        directions: NDArray[np.float64] = offsets / np.maximum(lengths, 1e-12)
        return directions

    def unproject(
        self, pixels: NDArray[np.floating[Any]], depth: NDArray[np.floating[Any]]
    ) -> NDArray[np.float64]:
        """Return the points at pixels and depths; the inverse of :meth:`project`.

        Args:
            pixels: (P, 2).
            depth: (P,) plane depth, meters.

        Returns:
            (P, 3) in world space, meters.
        """
        offset = pixels - self.intrinsics[:2, 2]
        image_plane = offset @ np.linalg.inv(self.intrinsics[:2, :2]).T
        if not self.orthographic:
            image_plane = image_plane * depth[:, None]

        in_opencv = np.concatenate((image_plane, depth[:, None]), axis=1)
        local = in_opencv * (1.0, -1.0, -1.0)
        points: NDArray[np.float64] = local @ self.to_world[:3, :3].T + self.to_world[:3, 3]
        return points

    def resized(self, width: int, height: int) -> Camera:
        """Return the camera of the image scaled to ``width`` x ``height`` pixels."""
        scale = np.diag((width / self.width, height / self.height, 1.0))
        return replace(self, intrinsics=scale @ self.intrinsics, width=width, height=height)

    def cropped(self, left: float, top: float, width: int, height: int) -> Camera:
        """Return the camera of a window of the image.

        Args:
            left: Column at which the window begins, pixels; may be outside the image.
            top: Row at which it begins, likewise.
            width: Of the window, pixels.
            height: Of the window, pixels.
        """
        shift = np.array(((1.0, 0.0, -left), (0.0, 1.0, -top), (0.0, 0.0, 1.0)))
        return replace(self, intrinsics=shift @ self.intrinsics, width=width, height=height)

    def zoomed(self, factor: float) -> Camera:
        """Return the camera with pixel coordinates times ``factor``; the image keeps its size."""
        scale = np.diag((factor, factor, 1.0))
        return replace(self, intrinsics=scale @ self.intrinsics)

    def moved(self, transform: NDArray[np.float64]) -> Camera:
        """Return the camera after the world is moved by the rigid (4, 4) ``transform``."""
        return replace(self, to_world=transform @ self.to_world)

    def scaled(self, factor: float) -> Camera:
        """Return the camera after the world is scaled by ``factor`` about the origin."""
        to_world = self.to_world.copy()
        to_world[:3, 3] *= factor
        intrinsics = self.intrinsics.copy()
        if self.orthographic:
            intrinsics[:2, :2] /= factor
        return replace(self, to_world=to_world, intrinsics=intrinsics)


def look_at(
    eye: NDArray[np.float64], target: NDArray[np.float64], up: NDArray[np.float64] = WORLD_UP
) -> NDArray[np.float64]:
    """Return the pose of a Blender camera (looks along -Z, +Y up) that faces a point.

    Args:
        eye: (3,) position in world space, meters.
        target: (3,) point to face, meters; must differ from ``eye``.
        up: (3,) direction that is up in the image; must not be along the view.

    Returns:
        (4, 4) float64 camera-to-world matrix, ready for ``Object.matrix_world``.

    Raises:
        ValueError: ``eye`` and ``target`` coincide, or the view is along ``up``.
    """
    back = eye - target
    if not np.linalg.norm(back) > 0:
        raise ValueError("eye and target are the same point")
    back = back / np.linalg.norm(back)

    right = np.cross(up, back)
    if np.linalg.norm(right) < _PARALLEL:
        raise ValueError("the view is along up")
    right = right / np.linalg.norm(right)

    pose = np.eye(4)
    pose[:3, :3] = np.stack((right, np.cross(back, right), back), axis=1)
    pose[:3, 3] = eye
    return pose


def orthographic_camera(pose: NDArray[np.float64], scale: float, size: int) -> Camera:
    """Return an orthographic camera with a square image.

    Args:
        pose: (4, 4) camera-to-world, Blender's convention.
        scale: Side of the image, meters.
        size: Side of the image, pixels.
    """
    return Camera(
        to_world=pose,
        intrinsics=_centered_intrinsics(size / scale, size),
        width=size,
        height=size,
        orthographic=True,
    )


def perspective_camera(pose: NDArray[np.float64], angle: float, size: int) -> Camera:
    """Return a pinhole camera with a square image.

    Args:
        pose: (4, 4) camera-to-world, Blender's convention.
        angle: Field of view, radians.
        size: Side of the image, pixels.
    """
    focal = size / 2 / np.tan(angle / 2)
    return Camera(
        to_world=pose, intrinsics=_centered_intrinsics(focal, size), width=size, height=size
    )


def _centered_intrinsics(focal: float, size: int) -> NDArray[np.float64]:
    """Return the intrinsics (3, 3) of a square image whose principal point is its center."""
    return np.array(((focal, 0, size / 2), (0, focal, size / 2), (0, 0, 1.0)))


def side_camera(name: str, scale: float, size: int, distance: float = 2.0) -> Camera:
    """Return the orthographic camera of one of :data:`SIDES`, aimed at the origin.

    Args:
        name: Of the side.
        scale: Side of the image, meters.
        size: Side of the image, pixels.
        distance: From the camera to the origin, meters.
    """
    direction, up = SIDES[name]
    eye = np.array(direction, float) * distance
    pose = look_at(eye, np.zeros(3), np.array(up, float))
    return orthographic_camera(pose, scale, size)


def frustum_lines(camera: Camera, depth: float) -> NDArray[np.float64]:
    """Return line segments that show a camera: its edges, its image, and a mark above the image.

    Segments 0 to 3 run from the camera to the corners of the image, 4 to 7 around the image, and 8
    from the middle of its upper edge upwards.

    Args:
        camera: The camera to show.
        depth: From the camera to the drawn image, meters.

    Returns:
        (9, 2, 3) start and end of each segment in world space, meters.
    """
    width = camera.width
    height = camera.height
    corner_pixels = ((0, 0), (width, 0), (width, height), (0, height))
    mark_pixels = ((width / 2, 0), (width / 2, -height * _UP_MARK_DISTANCE))
    pixels = np.array(corner_pixels + mark_pixels).astype(float)

    on_image = camera.unproject(pixels, np.full(6, depth))
    on_camera = camera.unproject(pixels, np.zeros(6))
    corners = on_image[:4]
    edges = np.stack((on_camera[:4], corners), axis=1)
    outline = np.stack((corners, np.roll(corners, -1, axis=0)), axis=1)
    up_mark = on_image[None, 4:]

    return np.concatenate((edges, outline, up_mark))
