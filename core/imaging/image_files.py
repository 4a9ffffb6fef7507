"""Picture files into arrays, whatever their format, depth, palette or orientation."""

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

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"})  # of pictures
MAX_PIXELS = 80_000_000  # under the size from which Pillow warns of a decompression bomb
MIN_SIDE = 8
MAX_SIDE = 1024

# Not all that Pillow knows: it would hand EPS to Ghostscript, and some others to programs outside.
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
_DEPTHS = {
    "I;16": 65535.0,
    "I;16L": 65535.0,
    "I;16B": 65535.0,
    "I;16N": 65535.0,
    "I": 65535.0,
    "F": 1.0,
}
# What Pillow's decoders are seen to raise on damaged files.
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


def images_in_folder(folder: Path, error: type[MaquetteError] = ImageError) -> list[Path]:
    """The picture files of ``folder``, by name.

    Raises:
        ImageError, or ``error``: there are none.
    """
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise error(f"{folder} contains no images ({' '.join(sorted(SUFFIXES))})")
    return found


def read_image(path: Path, max_side: int = MAX_SIDE) -> NDArray[np.float32]:
    """Read a picture file as it is meant to be seen: turned upright by its EXIF, of an animation the first frame.

    Args:
        path: of a PNG, JPEG, WebP, TIFF, GIF, BMP or another format of Pillow's.
        max_side: a longer picture is reduced by a whole factor until it fits, pixels.

    Returns:
        (H, W, 4) float32 in 0..1, row 0 at the top, sRGB colour, straight alpha; opaque if the file has no alpha.

    Raises:
        ImageError: there is no such file, or it is not a picture, damaged, too large, too small or empty.
        DependencyError: Pillow is not installed.
    """
    require_packages("PIL")
    from PIL import Image, UnidentifiedImageError

    _check_file(path)
    Image.init()
    formats = [name for name in _FORMATS if name in Image.OPEN]
    try:  # not by its path, by which Pillow maps TIFFs into memory, those that are to be turned with wrong rows
        with path.open("rb") as file, Image.open(file, formats=formats) as image:
            check_size(image.width, image.height, str(path))
            pixels = _decode_pixels(image, max_side)
    except Image.DecompressionBombError as error:
        raise ImageError(_too_large(str(path))) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{path} is not a readable image. Save it as PNG or JPEG") from error
    except _DAMAGE as error:
        raise ImageError(
            f"{path} is damaged or incomplete ({error}). Export or copy it again"
        ) from error
    return require_visible(pixels, str(path))


def encode_png(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """``pixels`` (H, W, 4) as of :func:`read_image` as the bytes (N,) of a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray((pixels * 255 + 0.5).astype(np.uint8)).save(file, "PNG", compress_level=2)
    return np.frombuffer(file.getvalue(), np.uint8)


def check_size(width: int, height: int, name: str) -> None:
    """Refuse a picture whose decoding would take too much memory, or in which nothing can be seen.

    Raises:
        ImageError: names the picture and its size.
    """
    if width * height > MAX_PIXELS:
        raise ImageError(_too_large(f"{name}, {width} x {height} pixels,"))
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"{name} is only {width} x {height} pixels. It must be at least {MIN_SIDE} x "
            f"{MIN_SIDE} pixels"
        )


def require_visible(pixels: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """``pixels`` (H, W, 4) as they are, if their alpha shows anything.

    Raises:
        ImageError: no pixel is at least half opaque.
    """
    if pixels[..., 3].max() < 0.5:
        raise ImageError(f"{name} is completely transparent and shows no object")
    return pixels


def downscale(pixels: NDArray[np.float32], max_side: int = MAX_SIDE) -> NDArray[np.float32]:
    """``pixels`` (H, W, 4), straight alpha, averaged over blocks until no side is longer than ``max_side``."""
    factor = _downscale_factor(pixels.shape[1], pixels.shape[0], max_side)
    if factor == 1:
        return pixels
    whole = np.pad(
        pixels, [(0, -side % factor) for side in pixels.shape[:2]] + [(0, 0)], mode="edge"
    )
    blocks = whole.reshape(len(whole) // factor, factor, -1, factor, 4)
    alpha = blocks[..., 3:]
    opacity = alpha.mean((1, 3))
    color = (blocks[..., :3] * alpha).mean((1, 3)) / np.maximum(opacity, 1e-6)
    return np.concatenate((color, opacity), axis=2)


def _check_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise ImageError(f"There is no image file {path}") from error
    except (OSError, ValueError) as error:
        raise ImageError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error
    if stat.S_ISDIR(mode):
        raise ImageError(f"{path} is a folder. Choose an image file")
    if not stat.S_ISREG(mode):
        raise ImageError(f"{path} is not a file")


def _too_large(what: str) -> str:
    return f"{what} is larger than {MAX_PIXELS // 1_000_000} megapixels. Scale it down first"


def _downscale_factor(width: int, height: int, max_side: int) -> int:
    return -(-max(width, height) // max_side)


def _decode_pixels(image: Image.Image, max_side: int) -> NDArray[np.float32]:
    from PIL import ImageOps

    image.draft(None, (max_side, max_side))  # lets JPEG decode at a fraction of its size
    deep = image.mode in _DEPTHS
    image.load()
    try:
        upright = ImageOps.exif_transpose(image)
    except _DAMAGE:  # of what is written about it, not of the picture
        upright = image
    if deep:
        return downscale(_high_depth_gray(upright), max_side)
    color = upright if upright.mode == "RGBA" else upright.convert("RGBA")
    factor = _downscale_factor(*color.size, max_side)
    if factor > 1:
        color = color.reduce(factor)
    return np.asarray(color, np.float32) / 255


def _high_depth_gray(image: Image.Image) -> NDArray[np.float32]:
    """Grey of more than 8 bits, which Pillow's own conversion would clip to white."""
    values = np.asarray(image).astype(np.float32)
    scale = _DEPTHS[image.mode]
    peak = float(values.max(where=np.isfinite(values), initial=0))
    if peak > scale:  # 32 bit integers, or light above white
        scale = float(2**31 - 1) if image.mode == "I" else peak
    gray = np.nan_to_num(values / scale, posinf=1).clip(0, 1)
    clear = image.info.get("transparency")
    alpha = np.ones_like(gray) if clear is None else (values != clear).astype(np.float32)
    return np.stack((gray, gray, gray, alpha), axis=2)
