"""How pictures are brought before the network: one square window around the object for each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...alignment.side_views import mask_bounds
from ...arrays import View
from ...cameras import WORLD_UP, Camera, look_at, perspective_camera

FRAME = 1.1  # the window shows this many units of the frame of the cameras, in which the object is about 1 long
_ANGLE = np.radians(30)  # a free picture's assumed field of view, over that window
_LARGEST = 1024  # pixels across a window before it is scaled to the network's

Pixels = NDArray[np.float32]


def assumed_camera(mask: NDArray[np.floating]) -> Camera:
    """The camera that a free picture with ``mask`` (H, W) is taken to have, in a frame of its own.

    x is right, y away and z up in the picture; the camera looks straight at the object, whose longest seen side is 1,
    and sees 30 degrees over 1.1 of them.

    Raises:
        ImageError: the mask is empty.
    """
    low, high = mask_bounds(mask)
    window = float((high - low).max()) * FRAME
    distance = FRAME / 2 / np.tan(_ANGLE / 2)
    camera = perspective_camera(
        look_at(np.array((0, -distance, 0)), np.zeros(3)), float(_ANGLE), 1
    ).zoomed(window)
    return camera.cropped(*(window / 2 - (low + high) / 2), mask.shape[1], mask.shape[0])


def rotate_upright(camera: Camera, up: NDArray[np.floating]) -> Camera:
    """``camera`` of a free picture after its frame is turned, the shortest way, so that ``up`` (3,) points up in it."""
    up = np.asarray(up, float) / np.linalg.norm(up)
    axis = np.cross(up, WORLD_UP)
    cosine = float(up @ WORLD_UP)
    cross = np.array(((0, -axis[2], axis[1]), (axis[2], 0, -axis[0]), (-axis[1], axis[0], 0)))
    turn = np.diag((1.0, -1.0, -1.0, 1.0)) if cosine < -0.999 else np.eye(4)
    if cosine >= -0.999:
        turn[:3, :3] += cross + cross @ cross / (1 + cosine)
    return camera.moved(turn)


def crop_view(view: View, side: int) -> View:
    """``view`` as a square of ``side`` pixels that shows 1.1 units around the origin."""
    low, window = _crop_window(view.camera)
    focal = view.camera.intrinsics[[0, 1], [0, 1]] * side / window
    center = (view.camera.intrinsics[:2, 2] - low) * side / window
    intrinsics = np.array(((focal[0], 0, center[0]), (0, focal[1], center[1]), (0, 0, 1.0)))
    camera = Camera(view.camera.to_world, intrinsics, side, side, view.camera.orthographic)
    return View(_crop_color(view.image, low, window, side), camera)


def resize_square(image: Pixels, side: int) -> Pixels:
    """All of ``image`` (H, H, 4) with ``side`` pixels to a side."""
    return (
        image
        if len(image) == side
        else _crop_color(image, np.zeros(2), np.array(image.shape[1::-1], float), side)
    )


def crop_mask(view: View, side: int) -> NDArray[np.float32]:
    """The alpha (side, side) of :func:`crop_view`."""
    return _resample_window(view.image[..., 3:], *_crop_window(view.camera), side)[..., 0].clip(
        0, 1
    )


def median_filter(color: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture (H, W, 4) less the speckles that a renderer of few samples or a sensor leaves, its alpha as it is.

    A 3x3 median of the colours within the object. Pictures to train on and pictures to reconstruct both go through it.
    The median of nine is that of the largest low, the middle middle and the least high of three sorted columns (Smith
    1996, "Implementing median filters in XC4000E FPGAs"): whole pictures at a time, several times as fast as Pillow's.
    """
    padded = np.pad(color[..., :3], ((1, 1), (1, 1), (0, 0)), "edge")
    low, middle, high = _sort3(padded[:-2], padded[1:-1], padded[2:])
    low = np.maximum(np.maximum(low[:, :-2], low[:, 1:-1]), low[:, 2:])
    middle = _sort3(middle[:, :-2], middle[:, 1:-1], middle[:, 2:])[1]
    high = np.minimum(np.minimum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
    smooth = _sort3(low, middle, high)[1]
    return np.concatenate(
        (np.where(color[..., 3:] > 250, smooth, color[..., :3]), color[..., 3:]), axis=2
    )


def _sort3(
    one: NDArray[np.uint8], two: NDArray[np.uint8], three: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """The least, the middle and the largest of three, number by number."""
    one, two = np.minimum(one, two), np.maximum(one, two)
    two, three = np.minimum(two, three), np.maximum(two, three)
    return np.minimum(one, two), np.maximum(one, two), three


def _crop_window(camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lower corner and the size (x, y), in pixels, of what the network is shown of the picture of ``camera``."""
    at, depth = camera.project(np.zeros((1, 3)))
    scale = camera.intrinsics[[0, 1], [0, 1]]
    size = FRAME * (scale if camera.orthographic else scale / float(depth[0]))
    return at[0] - size / 2, size


def _crop_color(
    image: Pixels, low: NDArray[np.float64], window: NDArray[np.float64], side: int
) -> Pixels:
    """The window of ``image`` (H, W, 4), straight alpha, as a square; arguments as of :func:`_resample_window`."""
    far = window / side + 2  # pixels beyond the window that a pixel at its rim may be made of
    left, top = np.floor(low - far).clip(0, np.array(image.shape[1::-1]) - 1).astype(int)
    right, bottom = np.ceil(low + window + far).clip((left + 1, top + 1), None).astype(int)
    image = image[top:bottom, left:right]
    low = low - (left, top)
    cut = _resample_window(
        np.concatenate((image[..., :3] * image[..., 3:], image[..., 3:]), axis=2), low, window, side
    )
    alpha = cut[..., 3:]
    color = np.where(alpha > 1e-3, cut[..., :3] / np.maximum(alpha, 1e-3), 0)
    return np.concatenate((color, alpha), axis=2).clip(0, 1).astype(np.float32)


def _resample_window(
    image: Pixels, low: NDArray[np.float64], window: NDArray[np.float64], side: int
) -> Pixels:
    """The window of ``image`` (H, W, C) from ``low`` (x, y) on, scaled to a square; empty where it reaches outside."""
    shrink = np.maximum(window // _LARGEST, 1).astype(int)
    if (
        shrink.max() > 1
    ):  # a close-up of the end of something long: mostly empty, and gigabytes if kept as fine
        across, down = shrink
        image = np.pad(image, ((0, -image.shape[0] % down), (0, -image.shape[1] % across), (0, 0)))
        image = image.reshape(
            image.shape[0] // down, down, image.shape[1] // across, across, -1
        ).mean((1, 3))
        low = low / shrink
        window = window / shrink
    before = np.ceil(np.maximum(-low, 0)).astype(int) + 1
    after = np.ceil(np.maximum(low + window - image.shape[1::-1], 0)).astype(int) + 1
    image = np.pad(image, ((before[1], after[1]), (before[0], after[0]), (0, 0)))
    box = (*(low + before), *(low + before + window))
    layers = [
        Image.fromarray(layer).resize((side, side), Image.Resampling.BILINEAR, box)
        for layer in np.moveaxis(image, 2, 0)
    ]
    return np.stack([np.asarray(layer) for layer in layers], axis=2)
