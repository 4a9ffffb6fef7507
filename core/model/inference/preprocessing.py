"""Preparation of images for the networks: one square window around the object for each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...alignment.side_views import mask_bounds
from ...arrays import View
from ...cameras import WORLD_UP, Camera, look_at, perspective_camera

Pixels = NDArray[np.float32]
Floats = NDArray[np.float32] | NDArray[np.float64]

WINDOW_UNITS = 1.1  # width and height of the window; the object's longest side is about 1 unit
_FIELD_OF_VIEW = np.radians(30)  # assumed of an unposed view, over the window
_MAX_WINDOW = 1024  # pixels across a window; a larger one is reduced before it is scaled
_UPSIDE_DOWN = -0.999  # cosine below which the shortest rotation to upright is undefined
_OPAQUE = 250  # alpha, of 255, above which a pixel's color has no background in it
_MIN_ALPHA = 1e-3  # below it a color cannot be recovered from color times alpha


def assumed_camera(mask: Floats) -> Camera:
    """Return the camera that an unposed view is assumed to have, in a frame of its own.

    In the frame x is to the right, y away and z up in the image. The camera looks straight at the
    object, whose longest visible side is 1, with a field of view of 30 degrees over 1.1 units.

    Args:
        mask: (H, W) in 0..1.

    Raises:
        ImageError: The mask is empty.
    """
    low, high = mask_bounds(mask)
    window = float((high - low).max()) * WINDOW_UNITS
    distance = WINDOW_UNITS / 2 / np.tan(_FIELD_OF_VIEW / 2)
    pose = look_at(np.array((0, -distance, 0)), np.zeros(3))
    camera = perspective_camera(pose, float(_FIELD_OF_VIEW), 1).zoomed(window)
    left, top = window / 2 - (low + high) / 2
    return camera.cropped(left, top, mask.shape[1], mask.shape[0])


def rotate_upright(camera: Camera, up: Floats) -> Camera:
    """Return ``camera`` after the smallest rotation of its frame that makes ``up`` +z.

    Args:
        camera: Of an unposed view.
        up: (3,), the up direction in the camera's frame, of any length.
    """
    up = np.asarray(up, float) / np.linalg.norm(up)
    axis = np.cross(up, WORLD_UP)
    cosine = float(up @ WORLD_UP)
    if cosine < _UPSIDE_DOWN:
        return camera.moved(np.diag((1.0, -1.0, -1.0, 1.0)))

    # Rodrigues' formula for the rotation between two unit vectors.
    cross = np.array(((0, -axis[2], axis[1]), (axis[2], 0, -axis[0]), (-axis[1], axis[0], 0)))
    rotation = np.eye(4)
    rotation[:3, :3] += cross + cross @ cross / (1 + cosine)
    return camera.moved(rotation)


def crop_view(view: View, size: int) -> View:
    """Return ``view`` as a square of ``size`` pixels that shows 1.1 units around the origin."""
    low, window = _crop_window(view.camera)
    focal = view.camera.intrinsics[[0, 1], [0, 1]] * size / window
    center = (view.camera.intrinsics[:2, 2] - low) * size / window
    intrinsics = np.array(((focal[0], 0, center[0]), (0, focal[1], center[1]), (0, 0, 1.0)))
    camera = Camera(view.camera.to_world, intrinsics, size, size, view.camera.orthographic)
    return View(_crop_color(view.image, low, window, size), camera)


def resize_square(image: Pixels, size: int) -> Pixels:
    """Return the square ``image`` (H, H, 4), resized to ``size`` pixels on a side."""
    if len(image) == size:
        return image
    return _crop_color(image, np.zeros(2), np.array(image.shape[1::-1], float), size)


def crop_mask(view: View, size: int) -> NDArray[np.float32]:
    """Return only the alpha (size, size) of :func:`crop_view`."""
    low, window = _crop_window(view.camera)
    alpha = _resample_window(view.image[..., 3:], low, window, size)
    return alpha[..., 0].clip(0, 1)


def median_filter(color: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``color`` (H, W, 4) without the speckles of sensors or noisy renderings.

    It is a 3x3 median of the colors within the object; alpha stays. Images for training and for
    reconstruction both pass through it.

    The median of nine is that of the largest of the lows, the median of the middles and the
    smallest of the highs of three sorted columns (Smith 1996, "Implementing median filters in
    XC4000E FPGAs"). All pixels are sorted at a time, which is several times as fast as Pillow's
    filter.
    """
    padded = np.pad(color[..., :3], ((1, 1), (1, 1), (0, 0)), "edge")

    # Each column of three pixels, sorted.
    low, middle, high = _sort3(padded[:-2], padded[1:-1], padded[2:])

    # Each three neighboring columns.
    largest_low = np.maximum(np.maximum(low[:, :-2], low[:, 1:-1]), low[:, 2:])
    median_middle = _sort3(middle[:, :-2], middle[:, 1:-1], middle[:, 2:])[1]
    smallest_high = np.minimum(np.minimum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
    smooth = _sort3(largest_low, median_middle, smallest_high)[1]

    alpha = color[..., 3:]
    filtered = np.where(alpha > _OPAQUE, smooth, color[..., :3])
    return np.concatenate((filtered, alpha), axis=2)


def _sort3(
    a: NDArray[np.uint8], b: NDArray[np.uint8], c: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the smallest, the middle and the largest of three arrays, element by element."""
    low_ab = np.minimum(a, b)
    high_ab = np.maximum(a, b)
    middle_or_low = np.minimum(high_ab, c)
    high = np.maximum(high_ab, c)
    return np.minimum(low_ab, middle_or_low), np.maximum(low_ab, middle_or_low), high


def _crop_window(camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the low corner (x, y) and the size (x, y), pixels, of the window around the origin."""
    center, depth = camera.project(np.zeros((1, 3)))
    pixels_per_unit = camera.intrinsics[[0, 1], [0, 1]]
    if not camera.orthographic:
        pixels_per_unit = pixels_per_unit / float(depth[0])
    size = WINDOW_UNITS * pixels_per_unit
    return center[0] - size / 2, size


def _crop_color(
    image: Pixels, low: NDArray[np.float64], window: NDArray[np.float64], size: int
) -> Pixels:
    """Return a window of ``image`` (H, W, 4), with straight alpha, as a square.

    For the arguments see :func:`_resample_window`.
    """
    # Cut off what no pixel of the window is made of.
    margin = window / size + 2
    height, width = image.shape[:2]
    left, top = np.floor(low - margin).clip(0, np.array((width, height)) - 1).astype(int)
    right, bottom = np.ceil(low + window + margin).clip((left + 1, top + 1), None).astype(int)
    image = image[top:bottom, left:right]
    low = low - (left, top)

    # Colors are weighted by alpha while pixels are mixed.
    alpha = image[..., 3:]
    premultiplied = np.concatenate((image[..., :3] * alpha, alpha), axis=2)
    resampled = _resample_window(premultiplied, low, window, size)
    alpha = resampled[..., 3:]
    color = np.where(alpha > _MIN_ALPHA, resampled[..., :3] / np.maximum(alpha, _MIN_ALPHA), 0)
    clipped = np.concatenate((color, alpha), axis=2).clip(0, 1)
    return np.asarray(clipped, np.float32)


def _resample_window(
    image: Pixels, low: NDArray[np.float64], window: NDArray[np.float64], size: int
) -> Pixels:
    """Return a window of ``image``, scaled to a square; empty where it reaches outside.

    Args:
        image: (H, W, C).
        low: (2,), x and y of the window's low corner, pixels.
        window: (2,), its width and height, pixels.
        size: Width and height of the result, pixels.
    """
    # A close-up of the end of something long has a huge window, mostly empty: gigabytes at full
    # resolution.
    factors = np.maximum(window // _MAX_WINDOW, 1).astype(int)
    if factors.max() > 1:
        image = _reduce_image(image, *factors)
        low = low / factors
        window = window / factors

    # Pad with emptiness so that the window is within the image.
    before = np.ceil(np.maximum(-low, 0)).astype(int) + 1
    after = np.ceil(np.maximum(low + window - image.shape[1::-1], 0)).astype(int) + 1
    image = np.pad(image, ((before[1], after[1]), (before[0], after[0]), (0, 0)))

    box = (*(low + before), *(low + before + window))
    layers = []
    for layer in np.moveaxis(image, 2, 0):
        resized = Image.fromarray(layer).resize((size, size), Image.Resampling.BILINEAR, box)
        layers.append(np.asarray(resized))
    return np.stack(layers, axis=2)


def _reduce_image(image: Pixels, factor_x: int, factor_y: int) -> Pixels:
    """Return the means of blocks of ``factor_x`` x ``factor_y`` pixels of ``image`` (H, W, C)."""
    height, width = image.shape[:2]
    image = np.pad(image, ((0, -height % factor_y), (0, -width % factor_x), (0, 0)))
    height, width = image.shape[:2]
    blocks = image.reshape(height // factor_y, factor_y, width // factor_x, factor_x, -1)
    means: Pixels = blocks.mean((1, 3))
    return means
