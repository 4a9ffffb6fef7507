"""Files of the renderer to arrays: passes, depth, normals, 8 bit color, albedo and occlusion."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...dataset.records import RenderedView
from ...errors import ImageError, OutputError
from ...imaging import color as color_space
from ...imaging import exr
from .. import compat
from . import occlusion_smoothing

Passes = Mapping[str, NDArray[np.float32]]

_MAX_PLANE_DISTANCE = 0.02  # longest sides from the plane of a pixel within which others smooth it
_FAR = 1e9  # meters; Blender writes 1e10 as the depth of nothing
_MIN_ALPHA = 1e-6  # premultiplied color is not divided by less
_MIN_NORMAL = 1e-6  # length of a normal that has a direction
# With more free bytes than this, an incomplete image is not blamed on a full disk.
_MIN_FREE_BYTES = 2**26
# What reading a truncated file may raise.
_READ_ERRORS = (RuntimeError, OSError, ImageError, struct.error, zlib.error, ValueError, IndexError)


@contextmanager
def guard_output(folder: Path, name: str) -> Iterator[None]:
    """Report errors of a full disk, while an image is rendered into a file and read.

    Args:
        folder: Of the file.
        name: Of the file, or a pattern.

    Raises:
        OutputError: The file could not be written completely.
    """
    try:
        yield
    except _READ_ERRORS as error:
        free = shutil.disk_usage(folder).free

        # Blender's errors about the scene are not about the disk.
        is_of_scene = isinstance(error, RuntimeError) and "cannot save" not in str(error)
        if is_of_scene and any(folder.glob(name)) and free > _MIN_FREE_BYTES:
            raise

        raise OutputError(
            f"{folder} could not be written completely ({free / 2**20:.0f} MiB free). Free some "
            "space, or set TMPDIR to another folder, and run again"
        ) from error


def read_passes(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return all channels (H, W) of a file of one view layer, by names such as "Normal.X"."""
    passes = {}
    for name, values in exr.read_exr(path).items():
        _, _, channel = name.partition(".")
        passes[compat.pass_channel(channel)] = values
    return passes


def stack_channels(passes: Passes, name: str, channels: str) -> NDArray[np.float32]:
    """Return a pass as one array (H, W, C).

    Args:
        passes: As of :func:`read_passes`.
        name: Of the pass.
        channels: One letter each.
    """
    return np.stack([passes[f"{name}.{channel}"] for channel in channels], axis=2)


def decode_geometry(
    passes: Passes, covered: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float16]]:
    """Return where a surface is visible, its depth and its normal.

    Args:
        passes: As of :func:`read_passes`.
        covered: (H, W) where the image is not transparent.

    Returns:
        (H, W) bool; (H, W) depth in meters, 0 elsewhere; (H, W, 3) unit normal, 0 elsewhere.
    """
    # A surface has a depth and a normal; the background has neither.
    depth = next(passes[name] for name in passes if name in ("Depth.Z", "Depth.V"))
    components = [passes[f"Normal.{axis}"] for axis in "XYZ"]
    length = np.sqrt(sum(component * component for component in components))
    has_depth = depth < _FAR
    has_normal = length > _MIN_NORMAL
    visible = covered & has_depth & has_normal

    # Cycles averages normals over the pixel, so they are not unit vectors.
    normal = np.zeros((*visible.shape, 3), np.float16)
    unit_components = [component[visible] / length[visible] for component in components]
    normal[visible] = np.stack(unit_components, axis=1)
    return visible, np.where(visible, depth, 0), normal


def to_srgb8(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return 8 bit sRGB with straight alpha, as Blender's 'Standard' view transform.

    Args:
        linear: (H, W, 4) linear, premultiplied.
    """
    alpha = linear[..., 3].clip(0, 1)
    covered = alpha > 0

    covered_alpha = alpha[covered, None]

    # Only where something is covered: transfer functions take time.
    straight = linear[covered, :3] / np.maximum(covered_alpha, _MIN_ALPHA)
    color = color_space.from_linear(straight)
    rgba = np.concatenate((color, covered_alpha), axis=1)

    # Rounded to the nearest byte.
    srgb = np.zeros(linear.shape, np.uint8)
    srgb[covered] = rgba * 255 + 0.5
    return srgb


def decode_albedo(passes: Passes, color: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the share of even white light that the surface reflects: (H, W, 3) 8 bit sRGB.

    The sum of Cycles' colors of diffuse, glossy and transmitted light: each alone is black on
    metal, cloth or glass.

    Args:
        passes: As of :func:`read_passes`.
        color: (H, W, 4); where it is transparent, the albedo is 0.
    """
    components = [
        stack_channels(passes, name, "RGB") for name in ("DiffCol", "GlossCol", "TransCol")
    ]
    reflected = np.sum(components, axis=0)

    # Premultiplied, as all passes.
    alpha = stack_channels(passes, "Combined", "A")
    straight = (reflected / np.maximum(alpha, _MIN_ALPHA)).clip(0, 1)
    srgb = color_space.from_linear(straight) * 255 + 0.5
    return np.where(color[..., 3:] > 0, srgb, 0).astype(np.uint8)


def decode_parts(passes: Passes, view: RenderedView) -> NDArray[np.uint8]:
    """Return the ``pass_index`` of the material at the sample of depth: (H, W), 0 elsewhere.

    Args:
        passes: As of :func:`read_passes`.
        view: With depth.
    """
    numbers = np.rint(passes["IndexMA.X"])
    return np.where(view.depth > 0, numbers, 0).astype(np.uint8)


def decode_occlusion(passes: Passes, view: RenderedView, size: float) -> NDArray[np.uint8]:
    """Return how open the space above the surface is: (H, W) 8 bit, 255 where nothing is near.

    Cycles casts one ray a sample, so the noise of few samples is smoothed along the surface.

    Args:
        passes: As of :func:`read_passes`.
        view: With depth and normals; where it is transparent, the occlusion is 0.
        size: Longest side of the object, meters.
    """
    openness = (passes["AO.R"] / np.maximum(passes["Combined.A"], _MIN_ALPHA)).clip(0, 1)

    # Nothing to smooth where nothing is visible.
    if view.depth.any():
        max_distance = _MAX_PLANE_DISTANCE * size
        openness = occlusion_smoothing.along_surface(openness, view, max_distance)
    return np.where(view.colour[..., 3] > 0, openness * 255 + 0.5, 0).astype(np.uint8)
