"""Cameras: one projection for perspective and orthographic, and where to put them.

Pixel coordinates: u to the right, v down, (0, 0) is the outer corner of the top left pixel, so the
centre of pixel (column i, row j) is (i + 0.5, j + 0.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

WORLD_UP = np.array((0.0, 0.0, 1.0))
OPENCV_FROM_OPENGL = np.diag((1.0, -1.0, -1.0, 1.0))

# The six sides of a reference sheet: the direction from the object to the camera, and up in the picture.
SIDES: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "front": ((0, -1, 0), (0, 0, 1)),
    "right": ((1, 0, 0), (0, 0, 1)),
    "back": ((0, 1, 0), (0, 0, 1)),
    "left": ((-1, 0, 0), (0, 0, 1)),
    "top": ((0, 0, 1), (0, 1, 0)),
    "bottom": ((0, 0, -1), (0, -1, 0)),
}


@dataclass(frozen=True)
class Camera:
    """A pinhole or an orthographic camera.

    to_world: (4, 4) float64 camera-to-world in Blender's (OpenGL's) convention: looks along -Z, +Y up.
    intrinsics: (3, 3) float64. With (x, y, z) in OpenCV's camera frame (x right, y down, z forward),
        the pixel is ``intrinsics @ (x/z, y/z, 1)``, or ``intrinsics @ (x, y, 1)`` if orthographic:
        its focal lengths are then pixels per metre.
    width, height: of the picture, pixels.
    """

    to_world: NDArray[np.float64]
    intrinsics: NDArray[np.float64]
    width: int
    height: int
    orthographic: bool = False

    @property
    def from_world(self) -> NDArray[np.float64]:
        """(4, 4) world-to-camera in OpenCV's convention (x right, y down, z forward)."""
        return OPENCV_FROM_OPENGL @ np.linalg.inv(self.to_world)

    def project(
        self, points: NDArray[np.floating]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where ``points`` (P, 3) in world space fall: pixels (P, 2) and plane depth (P,) in metres."""
        local = points @ self.from_world[:3, :3].T + self.from_world[:3, 3]
        depth = local[:, 2]
        flat = local[:, :2] if self.orthographic else local[:, :2] / depth[:, None]
        return flat @ self.intrinsics[:2, :2].T + self.intrinsics[:2, 2], depth

    def unproject(
        self, pixels: NDArray[np.floating], depth: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """World points (P, 3) at ``pixels`` (P, 2) and plane ``depth`` (P,); inverse of :meth:`project`."""
        flat = (pixels - self.intrinsics[:2, 2]) @ np.linalg.inv(self.intrinsics[:2, :2]).T
        if not self.orthographic:
            flat = flat * depth[:, None]
        local = np.concatenate((flat, depth[:, None]), axis=1) * (1.0, -1.0, -1.0)
        return local @ self.to_world[:3, :3].T + self.to_world[:3, 3]

    def resized(self, width: int, height: int) -> Camera:
        """The same camera for the picture scaled to ``width`` x ``height``."""
        scale = np.diag((width / self.width, height / self.height, 1.0))
        return replace(self, intrinsics=scale @ self.intrinsics, width=width, height=height)

    def cropped(self, left: float, top: float, width: int, height: int) -> Camera:
        """The same camera for the window of the picture that begins at (left, top); may reach outside."""
        shift = np.array(((1.0, 0.0, -left), (0.0, 1.0, -top), (0.0, 0.0, 1.0)))
        return replace(self, intrinsics=shift @ self.intrinsics, width=width, height=height)

    def zoomed(self, factor: float) -> Camera:
        """The same camera with every pixel coordinate multiplied by ``factor`` and the picture's size kept."""
        return replace(self, intrinsics=np.diag((factor, factor, 1.0)) @ self.intrinsics)

    def moved(self, transform: NDArray[np.float64]) -> Camera:
        """The camera after the world (object and camera) is moved by the rigid (4, 4) ``transform``."""
        return replace(self, to_world=transform @ self.to_world)

    def scaled(self, factor: float) -> Camera:
        """The camera after the world (object and distances) is scaled by ``factor`` about the origin."""
        to_world = self.to_world.copy()
        to_world[:3, 3] *= factor
        intrinsics = self.intrinsics.copy()
        if self.orthographic:
            intrinsics[:2, :2] /= factor
        return replace(self, to_world=to_world, intrinsics=intrinsics)


def look_at(
    eye: NDArray[np.float64], target: NDArray[np.float64], up: NDArray[np.float64] = WORLD_UP
) -> NDArray[np.float64]:
    """Pose of a Blender camera (looks along -Z, +Y up) at ``eye`` that faces ``target``.

    Args:
        eye: (3,) position in world space, metres.
        target: (3,) point to face, metres; must differ from ``eye``.
        up: (3,) direction that is up in the picture; must not be along the view.

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
    if np.linalg.norm(right) < 1e-9:
        raise ValueError("the view is along up")
    right = right / np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack((right, np.cross(back, right), back), axis=1)
    pose[:3, 3] = eye
    return pose


def orthographic_camera(pose: NDArray[np.float64], scale: float, size: int) -> Camera:
    """An orthographic camera at ``pose`` whose square picture of ``size`` pixels shows ``scale`` metres."""
    focal = size / scale
    return Camera(
        pose, np.array(((focal, 0, size / 2), (0, focal, size / 2), (0, 0, 1.0))), size, size, True
    )


def perspective_camera(pose: NDArray[np.float64], angle: float, size: int) -> Camera:
    """A pinhole camera at ``pose`` with a field of view of ``angle`` radians over a square picture."""
    focal = size / 2 / np.tan(angle / 2)
    return Camera(
        pose, np.array(((focal, 0, size / 2), (0, focal, size / 2), (0, 0, 1.0))), size, size
    )


def side_camera(name: str, scale: float, size: int, distance: float = 2.0) -> Camera:
    """The orthographic camera of one of :data:`SIDES`, aimed at the origin from ``distance`` metres."""
    direction, up = SIDES[name]
    return orthographic_camera(
        look_at(np.array(direction, float) * distance, np.zeros(3), np.array(up, float)),
        scale,
        size,
    )


def frustum_lines(camera: Camera, depth: float) -> NDArray[np.float64]:
    """Line segments (9, 2, 3) in world space, metres: from the camera to the corners of its picture, and around it.

    The last one is a mark above the middle of the picture's upper edge.

    Args:
        depth: how far before the camera the picture is drawn, metres.
    """
    width = camera.width
    height = camera.height
    pixels = np.array(
        ((0, 0), (width, 0), (width, height), (0, height), (width / 2, 0), (width / 2, -height / 8))
    )
    far = camera.unproject(pixels.astype(float), np.full(6, depth))
    near = camera.unproject(pixels.astype(float), np.zeros(6))
    corners = far[:4]
    sides = np.stack((near[:4], corners), axis=1)
    around = np.stack((corners, np.roll(corners, -1, axis=0)), axis=1)
    return np.concatenate((sides, around, far[None, 4:]))
