"""Preparation of images for the networks: one square window around the object for each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...alignment.side_views import mask_bounds
from ...arrays import View
from ...cameras import WORLD_UP, Camera, look_at, perspective_camera
from ...imaging.morphology import median3x3
from ...imaging.thin_lines import strengthen_thin_lines

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
    longest_side = float((high - low).max())
    window = longest_side * WINDOW_UNITS

    # A camera for the window alone, one pixel large at first.
    distance = WINDOW_UNITS / 2 / np.tan(_FIELD_OF_VIEW / 2)
    eye = np.array((0, -distance, 0))
    pose = look_at(eye, np.zeros(3))
    pixel_camera = perspective_camera(pose, float(_FIELD_OF_VIEW), 1)
    window_camera = pixel_camera.zoomed(window)

    # The same camera for the entire image.
    height, width = mask.shape
    mask_center = (low + high) / 2
    left, top = window / 2 - mask_center
    return window_camera.cropped(left, top, width, height)


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
    x, y, z = axis
    cross = np.array(((0, -z, y), (z, 0, -x), (-y, x, 0)))
    squared = cross @ cross
    rotation = np.eye(4)
    rotation[:3, :3] += cross + squared / (1 + cosine)

    return camera.moved(rotation)


def crop_view(view: View, size: int) -> View:
    """Return ``view`` as a square of ``size`` pixels that shows 1.1 units around the origin."""
    low, window = _crop_window(view.camera)
    image = _crop_color(view.image, low, window, size)
    return View(image, crop_camera(view.camera, size))


def crop_camera(camera: Camera, size: int) -> Camera:
    """Return the camera of :func:`crop_view`."""
    low, window = _crop_window(camera)
    focal_x, focal_y = _focal_lengths(camera) * size / window
    center = camera.intrinsics[:2, 2]
    center_x, center_y = (center - low) * size / window
    row_x = (focal_x, 0, center_x)
    row_y = (0, focal_y, center_y)

    return Camera(
        to_world=camera.to_world,
        intrinsics=np.array((row_x, row_y, (0, 0, 1.0))),
        width=size,
        height=size,
        orthographic=camera.orthographic,
    )


def resize_square(image: Pixels, size: int) -> Pixels:
    """Return the square ``image`` (H, H, 4), resized to ``size`` pixels on a side."""
    if len(image) == size:
        return image
    return _crop_color(image, np.zeros(2), np.array(image.shape[1::-1], float), size)


def crop_mask(view: View, size: int) -> NDArray[np.float32]:
    """Return the alpha (size, size) of :func:`crop_view`; lines thinner than a pixel are kept."""
    low, window = _crop_window(view.camera)
    alpha = _resample_window(view.image[..., 3:], low, window, size)
    return strengthen_thin_lines(alpha[..., 0].clip(0, 1))


def median_filter(color: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``color`` (H, W, 4) without the speckles of sensors or noisy renderings.

    It is a 3x3 median of the colors within the object; alpha stays. Images for training and for
    reconstruction both pass through it.
    """
    smooth = median3x3(color[..., :3])
    alpha = color[..., 3:]
    filtered = np.where(alpha > _OPAQUE, smooth, color[..., :3])
    return np.concatenate((filtered, alpha), axis=2)


def _crop_window(camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the low corner (x, y) and the size (x, y), pixels, of the window around the origin."""
    origin = np.zeros((1, 3))
    centers, depths = camera.project(origin)
    pixels_per_unit = _focal_lengths(camera)
    if not camera.orthographic:
        pixels_per_unit = pixels_per_unit / float(depths[0])
    size = WINDOW_UNITS * pixels_per_unit
    low = centers[0] - size / 2

    return low, size


def _focal_lengths(camera: Camera) -> NDArray[np.float64]:
    """Return the focal lengths (x, y) in pixels; pixels per unit if the camera is orthographic."""
    diagonal: NDArray[np.float64] = camera.intrinsics[[0, 1], [0, 1]]
    return diagonal


def _crop_color(
    image: Pixels, low: NDArray[np.float64], window: NDArray[np.float64], size: int
) -> Pixels:
    """Return a window of ``image`` (H, W, 4), with straight alpha, as a square.

    For the arguments see :func:`_resample_window`.
    """
    # Cut off what no pixel of the window is made of.
    margin = window / size + 2
    height, width = image.shape[:2]
    last_pixel = np.array((width, height)) - 1
    first = np.floor(low - margin).clip(0, last_pixel).astype(int)
    end = np.ceil(low + window + margin).clip(first + 1, None).astype(int)
    left, top = first
    right, bottom = end
    image = image[top:bottom, left:right]

    # Colors are weighted by alpha while pixels are mixed.
    color = image[..., :3]
    alpha = image[..., 3:]
    premultiplied = np.concatenate((color * alpha, alpha), axis=2)
    resampled = _resample_window(premultiplied, low - first, window, size)

    color = resampled[..., :3]
    alpha = resampled[..., 3:]
    straight_color = color / np.maximum(alpha, _MIN_ALPHA)
    straight_color = np.where(alpha > _MIN_ALPHA, straight_color, 0)
    crop = np.concatenate((straight_color, alpha), axis=2)

    return np.asarray(crop.clip(0, 1), np.float32)


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
    image_size = image.shape[1::-1]
    missing_before = np.maximum(-low, 0)
    missing_after = np.maximum(low + window - image_size, 0)
    before = np.ceil(missing_before).astype(int) + 1
    after = np.ceil(missing_after).astype(int) + 1
    image = np.pad(image, ((before[1], after[1]), (before[0], after[0]), (0, 0)))

    # Pillow resamples one channel of floats at a time.
    box = (*(low + before), *(low + before + window))
    layers = []
    for layer in np.moveaxis(image, 2, 0):
        channel = Image.fromarray(layer)
        resized = channel.resize((size, size), Image.Resampling.BILINEAR, box)
        layers.append(np.asarray(resized))

    return np.stack(layers, axis=2)


def _reduce_image(image: Pixels, factor_x: int, factor_y: int) -> Pixels:
    """Return the means of blocks of ``factor_x`` x ``factor_y`` pixels of ``image`` (H, W, C)."""
    height, width, channels = image.shape
    missing_rows = -height % factor_y
    missing_columns = -width % factor_x
    padded = np.pad(image, ((0, missing_rows), (0, missing_columns), (0, 0)))

    rows = len(padded) // factor_y
    columns = padded.shape[1] // factor_x
    blocks = padded.reshape(rows, factor_y, columns, factor_x, channels)
    means: Pixels = blocks.mean((1, 3))

    return means
