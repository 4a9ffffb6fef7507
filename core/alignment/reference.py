"""References placed in a scene: from where each was seen, in words and as a camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import View
from ..cameras import SIDES, Camera, look_at

_LEVEL = 1.5  # degrees up to which a direction counts as straight on
_AROUND = ("front", "right", "back", "left")  # a quarter turn each
_MAX_SKEW = 1e-4  # of the focal length, up to which the axes of an image count as straight
_MIN_ALPHA = 1e-3  # against division by zero


@dataclass(frozen=True)
class Reference:
    """An image and its place in the scene.

    Attributes:
        name: Of its object, for reports.
        view: Its camera in world space, meters; the intrinsics may rotate or mirror the image.
        placed: Whether it stands where the object is; otherwise only its scale is the object's.
    """

    name: str
    view: View
    placed: bool = True


def camera_of_image_plane(
    edges: NDArray[np.float64],
    corner: NDArray[np.float64],
    facing: NDArray[np.float64],
    width: int,
    height: int,
) -> Camera:
    """Return the orthographic camera that sees an image plane as it is placed in space.

    Args:
        edges: (2, 3) the image's lower and left edge, from its lower left corner, meters. They may
            mirror or shear the image.
        corner: (3,) its lower left corner, meters.
        facing: (3,) a direction on the side of the plane from which it is viewed.
        width: Of the image, pixels.
        height: Of the image, pixels.
    """
    lower_edge, left_edge = edges
    back = np.cross(lower_edge, left_edge)
    is_facing = back @ facing >= 0
    back = back / np.linalg.norm(back)
    if not is_facing:
        back = -back

    # The camera is at the corner, its y axis along the left edge.
    up = left_edge / np.linalg.norm(left_edge)
    right = np.cross(up, back)
    pose = np.eye(4)
    pose[:3, :3] = np.stack((right, up, back), axis=1)
    pose[:3, 3] = corner

    # From shares of the two edges to the camera's x and y (down), meters.
    edges_in_camera = np.array((lower_edge, left_edge) @ pose[:3, :2] * (1, -1))
    from_meters = np.linalg.inv(edges_in_camera.T)
    to_pixels = np.diag((width, -height))
    intrinsics = np.eye(3)
    intrinsics[:2, :2] = to_pixels @ from_meters
    intrinsics[:2, 2] = (0, height)

    return Camera(pose, intrinsics, width, height, orthographic=True)


def face_side(camera: Camera, side: str) -> Camera:
    """Return ``camera`` rotated about its position, so that it sees a side of ``cameras.SIDES``."""
    side_direction, side_up = SIDES[side]
    eye = np.array(side_direction, float)
    pose = look_at(eye, np.zeros(3), np.array(side_up, float))
    pose[:3, 3] = camera.to_world[:3, 3]
    return Camera(pose, camera.intrinsics, camera.width, camera.height, camera.orthographic)


def describe_direction(back: NDArray[np.floating[Any]]) -> str:
    """Return the direction from which an image was taken, in words.

    Args:
        back: (3,) direction from the object to the viewer.

    Returns:
        A name of ``cameras.SIDES``, or a text such as "25° right of front, 10° from above".
    """
    x, y, z = back / np.linalg.norm(back)
    elevation = np.degrees(np.arcsin(z))
    if abs(elevation) > 90 - _LEVEL:
        return "top" if z > 0 else "bottom"

    azimuth = np.degrees(np.arctan2(x, -y))
    quarter = round(azimuth / 90)
    text = _AROUND[quarter % 4]

    offset = azimuth - 90 * quarter
    if abs(offset) >= _LEVEL:
        next_quarter = quarter + 1 if offset > 0 else quarter - 1
        text = f"{abs(offset):.0f}° {_AROUND[next_quarter % 4]} of {text}"

    if abs(elevation) >= _LEVEL:
        side = "above" if z > 0 else "below"
        text += f", {abs(elevation):.0f}° from {side}"
    return text


def rectify_view(view: View) -> View:
    """Return the same view with an image that its camera does not rotate, mirror or shear."""
    linear = view.camera.intrinsics[:2, :2]
    skew = abs(linear[0, 1]) + abs(linear[1, 0])
    if skew > _MAX_SKEW * np.abs(linear).max():
        return _resample_view(view)

    # A mirrored image is flipped, without loss.
    intrinsics = view.camera.intrinsics.copy()
    flipped_axes = []
    for row, image_axis in ((0, 1), (1, 0)):
        if linear[row, row] < 0:
            flipped_axes.append(image_axis)
            intrinsics[row] *= -1
            intrinsics[row, 2] += view.image.shape[image_axis]

    intrinsics[0, 1] = 0
    intrinsics[1, 0] = 0
    image = np.ascontiguousarray(np.flip(view.image, flipped_axes))
    return _with_image(view, image, intrinsics)


def _resample_view(view: View) -> View:
    """Return a view with an image resampled for a camera with straight axes and square pixels."""
    height, width = view.image.shape[:2]
    linear = view.camera.intrinsics[:2, :2]
    focal = np.sqrt(abs(np.linalg.det(linear)))
    to_new = focal * np.linalg.inv(linear)

    # The new image holds all corners of the old one.
    old_corners = np.array(((0, 0), (width, 0), (0, height), (width, height)))
    corners = old_corners @ to_new.T
    lower = np.floor(corners.min(0))
    extent = np.ceil(corners.max(0) - lower)
    new_width, new_height = extent.astype(int).tolist()

    # Pillow wants the map from new pixels to old ones.
    to_old = np.linalg.inv(to_new)
    a, b, c, d = to_old.ravel()
    x_offset, y_offset = to_old @ lower
    affine = (a, b, x_offset, c, d, y_offset)
    image = _transform_image(view.image, (new_width, new_height), affine)

    old_center = view.camera.intrinsics[:2, 2]
    x, y = to_new @ old_center - lower
    intrinsics = np.array(((focal, 0, x), (0, focal, y), (0, 0, 1.0)))
    return _with_image(view, image, intrinsics)


def _transform_image(
    image: NDArray[np.float32], size: tuple[int, int], affine: tuple[float, ...]
) -> NDArray[np.float32]:
    """Return an affine transformation of an image.

    Args:
        image: (H, W, 4) with straight alpha.
        size: Width and height of the result, pixels.
        affine: From pixels of the result to those of ``image``, as Pillow has it.
    """
    from PIL import Image

    # Interpolate premultiplied colors, so that transparent pixels leave no fringe.
    alpha = image[..., 3:]
    premultiplied = np.concatenate((image[..., :3] * alpha, alpha), axis=2)
    layers = []

    for layer in np.ascontiguousarray(premultiplied.transpose(2, 0, 1)):
        transformed = Image.fromarray(layer).transform(
            size, Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR, fillcolor=0
        )
        layers.append(np.asarray(transformed))

    result: NDArray[np.float32] = np.stack(layers, axis=2)
    result[..., :3] /= np.maximum(result[..., 3:], _MIN_ALPHA)
    return result.clip(0, 1)


def _with_image(view: View, image: NDArray[np.float32], intrinsics: NDArray[np.float64]) -> View:
    """Return ``view`` with another image, and the intrinsics that belong to it."""
    height, width = image.shape[:2]
    camera = view.camera
    return View(image, Camera(camera.to_world, intrinsics, width, height, camera.orthographic))
