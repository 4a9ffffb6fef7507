"""Read image files into arrays, whatever their format, depth, palette or orientation."""

from __future__ import annotations

import io
import stat
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError, MaquetteError
from ..jobs.dependencies import require_packages

if TYPE_CHECKING:
    from PIL import Image

# Of the files that are found in a folder.
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"})
MAX_PIXELS = 80_000_000  # below the size from which Pillow warns of a decompression bomb
MIN_SIDE = 8  # pixels
MAX_SIDE = 1024  # pixels; larger images are reduced

# Not all formats of Pillow: it passes EPS to Ghostscript, and some others to other programs.
_FORMATS = (
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
# Value of white by Pillow's mode, of gray images with more than 8 bits.
_WHITE = {
    "I;16": 65535.0,
    "I;16L": 65535.0,
    "I;16B": 65535.0,
    "I;16N": 65535.0,
    "I": 65535.0,
    "F": 1.0,
}
# What Pillow's decoders raise on damaged files.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    zlib.error,
)
_PNG_COMPRESSION = 2  # of 9; more takes long and gains little
_MIN_VISIBLE_ALPHA = 0.5


def images_in_folder(folder: Path, error: type[MaquetteError] = ImageError) -> list[Path]:
    """Return the image files of a folder, sorted by name.

    Args:
        folder: The folder.
        error: Type of the error to raise.

    Raises:
        MaquetteError: ``error``; there are no images.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise error(f"{folder} contains no images ({' '.join(sorted(SUFFIXES))})")
    return paths


def read_image(path: Path, max_side: int = MAX_SIDE) -> NDArray[np.float32]:
    """Read an image file as it is meant to be seen.

    It is rotated as its EXIF metadata demand. Of an animation the first frame is read.

    Args:
        path: A PNG, JPEG, WebP, TIFF, GIF, BMP or another format of Pillow's.
        max_side: A longer image is reduced by an integer factor until it fits, pixels.

    Returns:
        (H, W, 4) float32 in 0..1, row 0 at the top, sRGB color, straight alpha; opaque if the file
        has no alpha.

    Raises:
        ImageError: There is no such file, or it is not an image, damaged, too large, too small or
            empty.
        DependencyError: Pillow is not installed.
    """
    require_packages("PIL")
    from PIL import Image, UnidentifiedImageError

    _check_file(path)
    Image.init()
    formats = [name for name in _FORMATS if name in Image.OPEN]

    # The file is opened here, not by Pillow: given a path, Pillow maps TIFFs into memory, and
    # returns wrong rows of those that are to be rotated.
    try:
        with path.open("rb") as file, Image.open(file, formats=formats) as image:
            check_size(image.width, image.height, str(path))
            pixels = _decode_pixels(image, max_side)
    except Image.DecompressionBombError as error:
        raise ImageError(_too_large_text(str(path))) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{path} is not a readable image. Save it as PNG or JPEG") from error
    except _DAMAGE as error:
        raise ImageError(
            f"{path} is damaged or incomplete ({error}). Export or copy it again"
        ) from error
    return require_visible(pixels, str(path))


def encode_png(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the bytes (N,) of a PNG file of ``pixels`` (H, W, 4) in 0..1."""
    from PIL import Image

    file = io.BytesIO()
    image = Image.fromarray((pixels * 255 + 0.5).astype(np.uint8))
    image.save(file, "PNG", compress_level=_PNG_COMPRESSION)
    return np.frombuffer(file.getvalue(), np.uint8)


def check_size(width: int, height: int, name: str) -> None:
    """Refuse an image that would need too much memory, or in which nothing can be seen.

    Args:
        width: Pixels.
        height: Pixels.
        name: Of the image, for the error's text.

    Raises:
        ImageError: It is too large or too small.
    """
    if width * height > MAX_PIXELS:
        raise ImageError(_too_large_text(f"{name}, {width} x {height} pixels,"))
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"{name} is only {width} x {height} pixels. It must be at least {MIN_SIDE} x "
            f"{MIN_SIDE} pixels"
        )


def require_visible(pixels: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Return ``pixels`` unchanged, if their alpha shows anything.

    Args:
        pixels: (H, W, 4) in 0..1.
        name: Of the image, for the error's text.

    Raises:
        ImageError: No pixel is at least half opaque.
    """
    if pixels[..., 3].max() < _MIN_VISIBLE_ALPHA:
        raise ImageError(f"{name} is completely transparent and shows no object")
    return pixels


def downscale(pixels: NDArray[np.float32], max_side: int = MAX_SIDE) -> NDArray[np.float32]:
    """Return an image averaged over blocks until no side is longer than ``max_side``.

    Args:
        pixels: (H, W, 4) with straight alpha.
        max_side: Pixels.
    """
    height, width = pixels.shape[:2]
    factor = _downscale_factor(width, height, max_side)
    if factor == 1:
        return pixels

    # Complete the last blocks by repeating the border.
    padding = ((0, -height % factor), (0, -width % factor), (0, 0))
    padded = np.pad(pixels, padding, mode="edge")
    blocks = padded.reshape(len(padded) // factor, factor, -1, factor, 4)

    # Colors count by their alpha, so that transparent pixels leave no fringe.
    alpha = blocks[..., 3:]
    opacity = alpha.mean((1, 3))
    premultiplied = (blocks[..., :3] * alpha).mean((1, 3))
    color = premultiplied / np.maximum(opacity, 1e-6)
    return np.concatenate((color, opacity), axis=2)


def _check_file(path: Path) -> None:
    """Raise ImageError if ``path`` is not a file."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise ImageError(f"There is no image file {path}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path} cannot be read: {reason}") from error

    if stat.S_ISDIR(mode):
        raise ImageError(f"{path} is a folder. Choose an image file")
    if not stat.S_ISREG(mode):
        raise ImageError(f"{path} is not a file")


def _too_large_text(name: str) -> str:
    return f"{name} is larger than {MAX_PIXELS // 1_000_000} megapixels. Scale it down first"


def _downscale_factor(width: int, height: int, max_side: int) -> int:
    """Return the integer by which an image is reduced, rounded up."""
    return -(-max(width, height) // max_side)


def _decode_pixels(image: Image.Image, max_side: int) -> NDArray[np.float32]:
    """Return the pixels (H, W, 4) in 0..1 of an opened image."""
    from PIL import ImageOps

    image.draft(None, (max_side, max_side))  # lets JPEG decode at a fraction of its size
    has_high_depth = image.mode in _WHITE
    image.load()

    # Damaged metadata do not make the image unreadable.
    try:
        upright = ImageOps.exif_transpose(image)
    except _DAMAGE:
        upright = image

    if has_high_depth:
        return downscale(_high_depth_gray(upright), max_side)

    color = upright
    if color.mode != "RGBA":
        color = upright.convert("RGBA")
    factor = _downscale_factor(color.width, color.height, max_side)
    if factor > 1:
        color = color.reduce(factor)
    return np.asarray(color, np.float32) / 255


def _high_depth_gray(image: Image.Image) -> NDArray[np.float32]:
    """Return gray (H, W, 4) of more than 8 bits, which Pillow's conversion would clip to white."""
    values = np.asarray(image).astype(np.float32)
    white = _WHITE[image.mode]
    peak = float(values.max(where=np.isfinite(values), initial=0))
    if peak > white:
        # Integers of 32 bits, or light above white.
        white = float(2**31 - 1) if image.mode == "I" else peak
    gray = np.nan_to_num(values / white, posinf=1).clip(0, 1)

    alpha = np.ones_like(gray)
    transparent_value = image.info.get("transparency")
    if transparent_value is not None:
        alpha = (values != transparent_value).astype(np.float32)
    return np.stack((gray, gray, gray, alpha), axis=2)
