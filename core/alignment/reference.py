"""Pictures that stand in a scene as artists put them there: where each was seen from, in words and as a camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import View
from ..cameras import SIDES, Camera, look_at

_LEVEL = 1.5  # degrees: what is told as seen straight on
_AROUND = ("front", "right", "back", "left")


@dataclass(frozen=True)
class Reference:
    """A picture and where it stands.

    name: of its object, for reports.
    view: its camera in world space, metres; the intrinsics may turn or mirror the picture.
    placed: whether it stands where the object is, and not only at the object's scale.
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
    """The orthographic camera that sees a picture which stands in space as it stands.

    Args:
        edges: (2, 3) the picture's lower and left edge from ``corner``, its lower left one (3,), metres. The picture
            may be mirrored or sheared by them.
        facing: (3,) a direction on the side of the picture's plane that it is looked at from.
        width, height: of the picture, pixels.
    """
    across, upwards = edges
    back = np.cross(across, upwards)
    back = back / np.linalg.norm(back) * (1 if back @ facing >= 0 else -1)
    up = upwards / np.linalg.norm(upwards)
    pose = np.eye(4)
    pose[:3, :3] = np.stack((np.cross(up, back), up, back), axis=1)
    pose[:3, 3] = corner
    to_metres = np.array(
        (across, upwards) @ pose[:3, :2] * (1, -1)
    ).T  # camera's x and y from shares of the edges
    intrinsics = np.eye(3)
    intrinsics[:2, :2] = np.diag((width, -height)) @ np.linalg.inv(to_metres)
    intrinsics[:2, 2] = 0, height
    return Camera(pose, intrinsics, width, height, orthographic=True)


def face_side(camera: Camera, side: str) -> Camera:
    """``camera`` turned about its own place to look at the named one of ``cameras.SIDES``."""
    direction, up = (np.array(v, float) for v in SIDES[side])
    pose = look_at(direction, np.zeros(3), up)
    pose[:3, 3] = camera.to_world[:3, 3]
    return Camera(pose, camera.intrinsics, camera.width, camera.height, camera.orthographic)


def describe_direction(back: NDArray[np.floating]) -> str:
    """What a picture is taken for that is seen from ``back`` (3,), the direction from the object to the viewer.

    A name of ``cameras.SIDES``, or a text such as "25° right of front, 10° from above".
    """
    x, y, z = back / np.linalg.norm(back)
    elevation = np.degrees(np.arcsin(z))
    if abs(elevation) > 90 - _LEVEL:
        return "top" if z > 0 else "bottom"
    azimuth = np.degrees(np.arctan2(x, -y))
    nearest = round(azimuth / 90)
    text = _AROUND[nearest % 4]
    off = azimuth - 90 * nearest
    if abs(off) >= _LEVEL:
        text = f"{abs(off):.0f}° {_AROUND[(nearest + (1 if off > 0 else -1)) % 4]} of {text}"
    if abs(elevation) >= _LEVEL:
        text += f", {abs(elevation):.0f}° from {'above' if z > 0 else 'below'}"
    return text


def rectify_view(view: View) -> View:
    """The same view with a picture that its camera neither turns, mirrors nor shears."""
    linear = view.camera.intrinsics[:2, :2]
    if abs(linear[0, 1]) + abs(linear[1, 0]) > 1e-4 * np.abs(linear).max():
        return _resample_view(view)
    flips = [axis for axis, focal in ((1, linear[0, 0]), (0, linear[1, 1])) if focal < 0]
    intrinsics = view.camera.intrinsics.copy()
    for axis in flips:
        k = 1 - axis
        intrinsics[k] *= -1
        intrinsics[k, 2] += view.image.shape[axis]
    intrinsics[[0, 1], [1, 0]] = 0
    return _with_image(view, np.ascontiguousarray(np.flip(view.image, flips)), intrinsics)


def _resample_view(view: View) -> View:
    from PIL import Image

    height, width = view.image.shape[:2]
    linear = view.camera.intrinsics[:2, :2]
    focal = np.sqrt(abs(np.linalg.det(linear)))
    to_new = focal * np.linalg.inv(linear)
    corners = np.array(((0, 0), (width, 0), (0, height), (width, height))) @ to_new.T
    low = np.floor(corners.min(0))
    size = tuple(np.ceil(corners.max(0) - low).astype(int).tolist())
    back = np.linalg.inv(
        to_new
    )  # Pillow asks where in the old picture each place of the new one is
    a, b, c, d = back.ravel()
    e, f = back @ low
    solid = np.concatenate((view.image[..., :3] * view.image[..., 3:], view.image[..., 3:]), axis=2)
    layers = [
        Image.fromarray(layer).transform(
            size, Image.Transform.AFFINE, (a, b, e, c, d, f), Image.Resampling.BILINEAR, fillcolor=0
        )
        for layer in np.ascontiguousarray(solid.transpose(2, 0, 1))
    ]
    image = np.stack([np.asarray(layer) for layer in layers], axis=2)
    image[..., :3] /= np.maximum(image[..., 3:], 1e-3)
    center = to_new @ view.camera.intrinsics[:2, 2] - low
    return _with_image(
        view,
        image.clip(0, 1),
        np.array(((focal, 0, center[0]), (0, focal, center[1]), (0, 0, 1.0))),
    )


def _with_image(view: View, image: NDArray[np.float32], intrinsics: NDArray[np.float64]) -> View:
    height, width = image.shape[:2]
    camera = view.camera
    return View(image, Camera(camera.to_world, intrinsics, width, height, camera.orthographic))
