"""Decode image files with Pillow: only formats that it reads by itself, and in bounded memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .background_removal import spread_colors
from .color_profiles import convert_to_srgb, gray_curve

if TYPE_CHECKING:
    from PIL import Image

# Not all formats of Pillow: it passes EPS to Ghostscript, and some others to other programs.
FORMATS = (
    "PNG",
    "JPEG",
    "MPO",
    "WEBP",
    "TIFF",
    "GIF",
    "BMP",
    "TGA",
    "PPM",
    "JPEG2000",
    "AVIF",
    "PSD",
    "DDS",
    "ICO",
)
# Most pixels that Pillow's decoders in plain Python read in some ten seconds. Some of them read a
# cut file to its promised end.
_MAX_PIXELS_OF_DECODERS = {
    "dds_rgb": 2_000_000,
    "ppm": 2_000_000,
    "ppm_plain": 2_000_000,
    "bmp_rle": 8_000_000,
}
# Value of white by Pillow's mode, of gray images with more than 8 bits.
_WHITE = {
    "I;16": 65535.0,
    "I;16L": 65535.0,
    "I;16B": 65535.0,
    "I;16N": 65535.0,
    "I": 65535.0,
    "F": 1.0,
}
_WHITE_32_BITS = float(2**31 - 1)
_BAND_PIXELS = 1_000_000  # of an image with more than 8 bits that are widened at a time
_MEND_STEPS = 8  # pixels over which missing values are taken from their surroundings

# Tags of TIFF files.
_BITS_PER_SAMPLE = 258
_PHOTOMETRIC = 262
_WHITE_IS_ZERO = 0


def open_image(file: Any) -> Image.Image:
    """Open an image file of one of FORMATS with Pillow, without decoding it.

    Args:
        file: Opened for reading bytes. Given a path instead, Pillow maps TIFFs into memory, and
            returns wrong rows of those that are to be rotated.

    Raises:
        Exception: Any of those that Pillow's decoders raise on what they cannot read.
    """
    from PIL import Image

    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    return Image.open(file, formats=formats)


def read_profile(file: Any) -> bytes | None:
    """Return the profile that is embedded in an image file.

    Args:
        file: Opened for reading.

    Returns:
        None if it has none, if its format is unknown, or if Pillow is not installed.
    """
    try:
        with open_image(file) as image:
            profile: bytes | None = image.info.get("icc_profile")
            return profile or None
    except Exception:  # of any kind: what cannot be read has no profile
        return None


def takes_long(image: Image.Image) -> bool:
    """Return whether decoding an opened image would take more than some ten seconds."""
    for tile in getattr(image, "tile", ()):
        limit = _MAX_PIXELS_OF_DECODERS.get(tile[0])
        if limit is not None and image.width * image.height > limit:
            return True
    return False


def decode_pixels(image: Image.Image, max_side: int, path: Path) -> NDArray[np.float32]:
    """Return the pixels of an opened image, upright, in sRGB, and reduced.

    Args:
        image: From :func:`open_image`. It is decoded.
        max_side: A longer image is reduced by an integer factor until it fits, pixels.
        path: Of its file, for warnings.

    Returns:
        (H, W, 4) in 0..1, straight alpha.

    Raises:
        Exception: As :func:`open_image`.
    """
    image.draft(None, (max_side, max_side))  # lets JPEG decode at a fraction of its size
    white = _white_value(image)
    is_inverted = white is not None and _tiff_tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO
    image.load()
    upright = _turn_upright(image)
    factor = downscale_factor(upright.width, upright.height, max_side)

    if white is not None:
        gray = _reduce_high_depth(upright, white, factor)
        if is_inverted:
            gray[..., 0] = 1 - gray[..., 0]
        return _color_of_gray(gray, gray_curve(image, str(path)))

    # A profile for CMYK has to be applied before Pillow converts to RGB by itself; all others after
    # the image was reduced, which saves time and memory.
    color = upright
    if color.mode == "CMYK":
        color = convert_to_srgb(_reduce(color, factor), str(path)).convert("RGBA")
        return np.asarray(color, np.float32) / 255

    is_gray = color.mode in ("1", "L", "LA")
    if color.mode != "RGBA":
        color = color.convert("RGBA")
    color = _reduce(color, factor)

    if image.info.get("icc_profile"):
        if is_gray:
            color = color.convert("LA")
        color.info["icc_profile"] = image.info["icc_profile"]
        color = convert_to_srgb(color, str(path)).convert("RGBA")

    return np.asarray(color, np.float32) / 255


def downscale_factor(width: int, height: int, max_side: int) -> int:
    """Return the integer by which an image is reduced, rounded up."""
    return -(-max(width, height) // max_side)


def reduce_blocks(pixels: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Return the means of blocks of an image, in which colors count by their alpha.

    Args:
        pixels: (H, W, C) with straight alpha as the last channel.
        factor: Width and height of a block, pixels.
    """
    if factor == 1:
        return pixels

    # Complete the last blocks by repeating the border.
    height, width, channels = pixels.shape
    padding = ((0, -height % factor), (0, -width % factor), (0, 0))
    padded = np.pad(pixels, padding, mode="edge")
    blocks = padded.reshape(len(padded) // factor, factor, -1, factor, channels)

    # Colors count by their alpha, so that transparent pixels leave no fringe.
    alpha = blocks[..., -1:]
    opacity = alpha.mean((1, 3))
    premultiplied = (blocks[..., :-1] * alpha).mean((1, 3))
    color = premultiplied / np.maximum(opacity, 1e-6)

    return np.concatenate((color, opacity), axis=2)


def mend_values(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values without NaN and infinities: renderers and cameras leave some.

    What is not a number takes the mean of the numbers around it, or 0 far from any; infinite light
    is 1, as white.

    Args:
        values: (H, W, C).

    Returns:
        (H, W, C), the values themselves if all are finite.
    """
    if np.isfinite(values).all():
        return values
    bounded = np.where(np.isinf(values), (values > 0).astype(np.float32), values)
    missing = np.isnan(bounded).any(2)
    known = np.where(missing[..., None], np.float32(0), bounded)
    return spread_colors(known, ~missing, missing, _MEND_STEPS)


def _turn_upright(image: Image.Image) -> Image.Image:
    """Return a decoded image rotated as its EXIF metadata demand."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged metadata, of any kind, do not make the image unreadable
        return image


def _reduce(image: Image.Image, factor: int) -> Image.Image:
    return image.reduce(factor) if factor > 1 else image


def _tiff_tag(image: Image.Image, tag: int) -> Any:
    """Return a tag of a TIFF file; None if it has none, or is of another format."""
    tags = getattr(image, "tag_v2", None)
    return tags.get(tag) if tags else None


def _white_value(image: Image.Image) -> float | None:
    """Return the value of white of a gray image of more than 8 bits; None for other images."""
    white = _WHITE.get(image.mode)
    if white is None or not image.mode.startswith("I;16"):
        return white

    # A TIFF of 12 bits is opened as one of 16.
    bits = _tiff_tag(image, _BITS_PER_SAMPLE)
    if bits and 8 < bits[0] < 16:
        return float(2 ** bits[0] - 1)
    return white


def _reduce_high_depth(image: Image.Image, white: float, factor: int) -> NDArray[np.float32]:
    """Return gray and alpha (H, W, 2) of an image whose values have more than 8 bits.

    Pillow's own conversion would clip them to white. Bands of rows are widened to floats and
    reduced one after another, since all of a large image would take gigabytes.

    Args:
        image: Decoded.
        white: Its value of white.
        factor: By which it is reduced.
    """
    row_count = max(_BAND_PIXELS // image.width // factor, 1) * factor
    boxes = []
    for top in range(0, image.height, row_count):
        boxes.append((0, top, image.width, min(top + row_count, image.height)))

    # Integers of 32 bits, or light above white.
    peak = max(_peak_value(np.asarray(image.crop(box))) for box in boxes)
    if peak > white:
        white = _WHITE_32_BITS if image.mode == "I" else peak

    transparent_value = image.info.get("transparency")
    bands = []
    for box in boxes:
        values = np.asarray(image.crop(box)).astype(np.float32)
        shares = mend_values((values / white)[..., None])[..., 0]
        gray = shares.clip(0, 1)
        alpha = np.ones_like(gray)
        if transparent_value is not None:
            alpha = (values != transparent_value).astype(np.float32)
        bands.append(reduce_blocks(np.stack((gray, alpha), axis=2), factor))

    return np.concatenate(bands)


def _peak_value(values: NDArray[Any]) -> float:
    """Return the highest of the finite values, at least 0."""
    return float(values.max(where=np.isfinite(values), initial=0))


def _color_of_gray(
    gray_alpha: NDArray[np.float32], curve: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Return color and alpha (H, W, 4) of gray and alpha (H, W, 2), in 0..1.

    Args:
        gray_alpha: To be shown.
        curve: (N,) values in place of evenly spaced ones; None to leave them.
    """
    gray = gray_alpha[..., 0]
    if curve is not None:
        levels = np.linspace(0, 1, len(curve), dtype=np.float32)
        gray = np.interp(gray, levels, curve).astype(np.float32)
    return np.stack((gray, gray, gray, gray_alpha[..., 1]), axis=2)
