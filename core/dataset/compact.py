"""The compact form of an object's members: what a network learns from, in a third of the bytes or less.

Pictures are WebP, lossy in colour and exact in alpha, depth and points take 16 bits a number. Left out is what is not
learned from (the mesh, signed distances, colours of the surface) or follows from the rest (normals of the views, where
they are not kept for relighting).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera

QUALITY = 90  # of WebP's colours
STEPS = 2**16 - 1
_HALF = 127  # steps of a channel of normals to either side
_BLOCK = 8  # pixels: side of what WebP transforms at once, of chroma
_BEYOND = 0.01  # of the bounding box's reach along a view: how far depth may lie beyond it
_CLOUDS = ("uniform", "near", "surface")


@dataclass(frozen=True)
class QuantizedPoints:
    """Points kept in 16 bits a coordinate; what is taken out by an index, as of an array, is float32.

    steps: (..., 3) uint16, from ``low`` (3,), each ``step`` long.
    """

    steps: NDArray[np.uint16]
    low: NDArray[np.float64]
    step: float

    @classmethod
    def quantize(cls, points: NDArray[np.floating]) -> QuantizedPoints:
        """``points`` (..., 3), to half a step, which is their longest side over 65,535."""
        flat = points.reshape(-1, 3).astype(float)
        low = flat.min(0)
        step = max(float((flat.max(0) - low).max()), 1e-12) / STEPS
        return cls(np.round((flat - low) / step).astype(np.uint16).reshape(points.shape), low, step)

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        return (self.low + self.step * self.steps[index]).astype(np.float32)


def encode_image(color: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 4) as WebP."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(color).save(buffer, "WEBP", quality=QUALITY, alpha_quality=100, method=4)
    return buffer.getvalue()


def decode_image(data: bytes) -> NDArray[np.uint8]:
    """What :func:`encode_image` was given, (H, W, 4); or any other picture. Black where alpha is 0, as rendered."""
    from PIL import Image

    image = Image.open(io.BytesIO(data))
    if image.format != "WEBP":
        return np.asarray(image)
    color = np.array(image.convert("RGBA"))
    color[color[..., 3] == 0] = 0
    return color


def albedo_bytes(albedo: NDArray[np.uint8], shown: NDArray[np.bool_]) -> bytes:
    """Albedo (H, W, 3) as lossy WebP. What is not ``shown`` (H, W) is of no account: it takes the color beside it."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(_filled(albedo, shown)).save(buffer, "WEBP", quality=QUALITY, method=4)
    return buffer.getvalue()


def _filled(color: NDArray[np.uint8], shown: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """``colour`` (H, W, 3) with the mean of what is ``shown`` in a block of the codec where nothing is.

    Else the black beside an edge would bleed into it: chroma has half the resolution. A block
    that shows nothing takes the mean of the blocks about it.
    """
    height, width = shown.shape
    rows = np.arange(0, height, _BLOCK)
    columns = np.arange(0, width, _BLOCK)
    light = np.dstack((color * shown[..., None], shown)).astype(float)
    sums = np.add.reduceat(np.add.reduceat(light, rows, axis=0), columns, axis=1)
    wide = np.pad(sums, ((1, 1), (1, 1), (0, 0)))
    about = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(0, 1)).sum((-2, -1))
    sums = np.where(sums[..., 3:] > 0, sums, about)
    means = np.round(sums[..., :3] / np.maximum(sums[..., 3:], 1)).astype(np.uint8)
    spread = means.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)[:height, :width]
    return np.where(shown[..., None], color, spread)


def shading_bytes(normal: NDArray[np.floating], occlusion: NDArray[np.uint8]) -> bytes:
    """Normals (H, W, 3), see :func:`octahedral`, and occlusion (H, W) as the three channels of a lossless WebP."""
    from PIL import Image

    buffer = io.BytesIO()
    pixels = np.dstack((octahedral(normal), occlusion))
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, quality=60, method=2, exact=True)
    return buffer.getvalue()


def octahedral(normal: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Unit vectors (..., 3) in two channels of 8 bits (..., 2): 1 to 255; 0 where they are 0.

    The sphere as an octahedron that is unfolded into a square (Meyer et al. 2010,
    doi:10.1111/j.1467-8659.2010.01737.x). Vectors along the axes stay exact; others turn by less
    than a degree.
    """
    vectors = normal.astype(float)
    size = np.abs(vectors).sum(-1, keepdims=True)
    x, y, z = np.moveaxis(vectors / np.maximum(size, 1e-9), -1, 0)
    folded = z < 0
    u = np.where(folded, (1 - np.abs(y)) * np.where(x < 0, -1, 1), x)
    v = np.where(folded, (1 - np.abs(x)) * np.where(y < 0, -1, 1), y)
    steps = np.round(np.stack((u, v), axis=-1) * _HALF) + _HALF + 1
    return np.where(size > 0, steps, 0).astype(np.uint8)


def unit_vectors(steps: NDArray[np.uint8], shown: NDArray[np.bool_]) -> NDArray[np.float16]:
    """What :func:`octahedral` was given, (..., 3) float16 of unit length; 0 where not ``shown`` (...)."""
    vectors = np.zeros((*shown.shape, 3), np.float16)
    u, v = ((steps[shown].astype(float) - _HALF - 1) / _HALF).clip(-1, 1).T
    z = 1 - np.abs(u) - np.abs(v)
    below = np.minimum(z, 0)  # folded back
    found = np.stack(
        (u + np.where(u < 0, -below, below), v + np.where(v < 0, -below, below), z), axis=1
    )
    vectors[shown] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return vectors


def pixels_of(data: bytes, size: tuple[int, int], mode: str) -> NDArray[np.uint8]:
    """A picture of 8 bits in memory of its own; decoded only if it is as expected.

    Args:
        size: (width, height). mode: Pillow's, "RGB" or "L".

    Raises:
        ValueError: it is of another size or mode.
    """
    from PIL import Image

    image = Image.open(io.BytesIO(data))
    if image.size != size or image.mode != mode:
        raise ValueError(f"it is {image.mode} of {image.size}, not {mode} of {size}")
    return np.array(image)


def encode_depth(depth: NDArray[np.float32], camera: Camera, bounds: NDArray[np.float64]) -> bytes:
    """Depth (H, W) as a PNG of 16 bits: 0 where nothing is, else 1 to 65,535 over what the box ``bounds`` (2, 3) has
    before the camera.
    """
    from PIL import Image

    near, far = _depth_range(camera, bounds)
    steps = 1 + np.round((depth - near) / (far - near) * (STEPS - 1)).clip(0, STEPS - 1)
    buffer = io.BytesIO()
    Image.fromarray(np.where(depth > 0, steps, 0).astype(np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def decode_depth(data: bytes, camera: Camera, bounds: NDArray[np.float64]) -> NDArray[np.float32]:
    """What :func:`encode_depth` was given, (H, W) float32, to half a step."""
    from PIL import Image

    near, far = _depth_range(camera, bounds)
    steps = np.asarray(Image.open(io.BytesIO(data))).astype(float)
    return (
        np.where(steps > 0, near + (steps - 1) * ((far - near) / (STEPS - 1)), 0)
        .clip(0)
        .astype(np.float32)
    )


def _depth_range(camera: Camera, bounds: NDArray[np.float64]) -> tuple[float, float]:
    corners = np.stack(np.meshgrid(*bounds.T), axis=-1).reshape(-1, 3)
    depth = corners @ camera.from_world[2, :3] + camera.from_world[2, 3]
    beyond = _BEYOND * max(float(np.ptp(depth)), float(np.ptp(bounds, axis=0).max()))
    return float(depth.min()) - beyond, float(depth.max()) + beyond


def normals_from_depth(depth: NDArray[np.float32], camera: Camera) -> NDArray[np.float16]:
    """Unit normals (H, W, 3) in world space by differences of ``depth`` (H, W), 0 where nothing is.

    Of the neighbours on both sides the one that is nearer in space counts, so that edges stay; what has none faces the
    camera.
    """
    rows, columns = np.nonzero(depth)
    back = camera.to_world[:3, 2]
    normal = np.zeros((*depth.shape, 3), np.float16)
    if not len(rows):
        return normal
    points = np.full((depth.shape[0] + 2, depth.shape[1] + 2, 3), np.nan)
    points[rows + 1, columns + 1] = camera.unproject(
        np.stack((columns + 0.5, rows + 0.5), 1), depth[rows, columns].astype(float)
    )
    along = [_shorter_step(points, rows + 1, columns + 1, step) for step in ((0, 1), (1, 0))]
    found = np.cross(*along)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    found = np.where(length > 0, found / np.where(length > 0, length, 1), back)
    ways = back if camera.orthographic else camera.to_world[:3, 3] - points[rows + 1, columns + 1]
    normal[rows, columns] = found * np.where((found * ways).sum(1, keepdims=True) < 0, -1, 1)
    return normal


def _shorter_step(
    points: NDArray[np.float64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    step: tuple[int, int],
) -> NDArray[np.float64]:
    """The shorter (P, 3) of the ways on to the next and on from the last point; 0 if there is neither."""
    own = points[rows, columns]
    ways = (
        points[rows + step[0], columns + step[1]] - own,
        own - points[rows - step[0], columns - step[1]],
    )
    lengths = [np.nan_to_num(np.linalg.norm(way, axis=1), nan=np.inf) for way in ways]
    return np.nan_to_num(np.where((lengths[0] <= lengths[1])[:, None], *ways))


def compact_arrays(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Those of ``shape.npz`` in the small: points as steps of one cube, normals of the surface in 8 bits."""
    clouds = [arrays[name] for name in _CLOUDS]
    whole = QuantizedPoints.quantize(np.concatenate(clouds))
    parts = np.split(whole.steps, np.cumsum([len(cloud) for cloud in clouds])[:-1])
    return {
        **dict(zip(_CLOUDS, parts, strict=True)),
        "low": whole.low,
        "step": np.array(whole.step),
        "surface_normals": np.round(arrays["surface_normals"].astype(float) * 127).astype(np.int8),
        **{name: arrays[name] for name in ("uniform_inside", "near_inside")},
    }


def shape_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What :func:`compact_arrays` was given, less the distances; or those of the other form as they are."""
    if "step" not in arrays:
        return dict(arrays)
    normals = arrays["surface_normals"].astype(float)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    points = {
        name: QuantizedPoints(arrays[name], arrays["low"], float(arrays["step"]))[:]
        for name in _CLOUDS
    }
    bits = {name: arrays[name] for name in ("uniform_inside", "near_inside")}
    return {**points, **bits, "surface_normals": normals.astype(np.float16)}
