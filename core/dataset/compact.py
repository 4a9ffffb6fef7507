"""The compact form of an object's members: what training reads, in a third of the bytes or less.

Images are WebP, lossy in color and exact in alpha; depth and points take 16 bits a number. Members
that training does not read are left out (the mesh, signed distances, colors of the surface), and so
are those that follow from others (normals of the views, unless they are kept for relighting).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera
from .reading.images import open_image

QUALITY = 90  # of the colors of a WebP
STEPS = 2**16 - 1  # of a number of 16 bits
_HALF = 127  # steps of a normal's channel to either side of its center
_CENTER = _HALF + 1  # value of a normal's channel for 0; the value 0 means that there is no normal
_FORMATS = ("PNG", "WEBP")  # of images of 8 bits, by their names in Pillow
_DEPTH_MODES = ("I;16", "I;16B", "I")  # of an image of 16 bits, in the versions of Pillow
_BLOCK = 8  # pixels: side of the blocks that WebP transforms, in chroma
_DEPTH_MARGIN = 0.01  # of the bounding box's reach along a view: by how much depth may exceed it
_POINT_CLOUDS = ("uniform", "near", "surface")
_FLAGS = ("uniform_inside", "near_inside")
_SMALLEST = 1e-12  # side of a cloud of points; avoids a division by zero
_SHORTEST = 1e-9  # length of a vector; avoids a division by zero


@dataclass(frozen=True)
class QuantizedPoints:
    """Points stored in 16 bits a coordinate, which are indexed like a float32 array.

    Attributes:
        steps: (..., 3) uint16, coordinates as numbers of steps from ``low``.
        low: (3,) corner of the cube that holds the points.
        step: Length of a step.
    """

    steps: NDArray[np.uint16]
    low: NDArray[np.float64]
    step: float

    @classmethod
    def quantize(cls, points: NDArray[np.floating[Any]]) -> QuantizedPoints:
        """Quantize ``points`` (..., 3); a step is their longest side over 65,535."""
        flat = points.reshape(-1, 3).astype(float)
        low = flat.min(0)
        longest_side = float((flat.max(0) - low).max())
        step = max(longest_side, _SMALLEST) / STEPS

        # The nearest step of each coordinate
        steps = np.round((flat - low) / step)
        whole_steps = steps.astype(np.uint16).reshape(points.shape)
        return cls(whole_steps, low, step)

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        points: NDArray[np.float32] = (self.low + self.step * self.steps[index]).astype(np.float32)
        return points


def encode_image(color: NDArray[np.uint8]) -> bytes:
    """Return an image (H, W, 4) as WebP, lossy in color and exact in alpha."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(color).save(buffer, "WEBP", quality=QUALITY, alpha_quality=100, method=4)
    return buffer.getvalue()


def decode_image(data: bytes, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Return the pixels of an image with alpha, a PNG or a WebP.

    Args:
        data: The image file.
        size: Expected width and height, pixels; None for any.

    Returns:
        (H, W, 4) uint8; of a WebP, black where alpha is 0, as rendered.

    Raises:
        ValueError: It has another size, or is a PNG without alpha.
    """
    image = open_image(data, _FORMATS)
    if size is not None and image.size != size:
        raise ValueError(f"the image is of {image.size}, not of {size}")
    if image.format != "WEBP":
        if image.mode != "RGBA":
            raise ValueError(f"the image is {image.mode}, not RGBA")
        return np.asarray(image)

    # The codec may change invisible colors; they are black in renderings.
    color = np.array(image.convert("RGBA"))
    is_invisible = color[..., 3] == 0
    color[is_invisible] = 0
    return color


def encode_albedo(albedo: NDArray[np.uint8], shown: NDArray[np.bool_]) -> bytes:
    """Return albedo as lossy WebP.

    Args:
        albedo: (H, W, 3).
        shown: (H, W), where it matters; elsewhere it takes the color of its surroundings.
    """
    from PIL import Image

    # Blocks of the codec must not mix albedo with the black around it.
    filled = _fill_hidden_pixels(albedo, shown)
    image = Image.fromarray(filled)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY, method=4)

    return buffer.getvalue()


def _fill_hidden_pixels(color: NDArray[np.uint8], shown: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return ``color`` with every hidden pixel set to the mean of the shown ones near it.

    Otherwise the black outside an edge would bleed into it, since chroma has half the resolution.
    The mean is taken over a block of the codec or, if that shows nothing, over the 3 x 3 blocks
    around it.

    Args:
        color: (H, W, 3).
        shown: (H, W).
    """
    height, width = shown.shape

    # Sums over blocks; the last channel counts the shown pixels.
    visible_color = color * shown[..., None]
    shown_color = np.dstack((visible_color, shown)).astype(float)
    row_starts = np.arange(0, height, _BLOCK)
    column_starts = np.arange(0, width, _BLOCK)
    row_sums = np.add.reduceat(shown_color, row_starts, axis=0)
    block_sums = np.add.reduceat(row_sums, column_starts, axis=1)

    # Blocks that show nothing take the sums of their neighborhood.
    padded = np.pad(block_sums, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3, 1))[..., 0]
    neighborhood_sums = windows.sum((-2, -1))
    has_shown = block_sums[..., 3:] > 0
    block_sums = np.where(has_shown, block_sums, neighborhood_sums)

    # Spread the mean of each block over its pixels.
    counts = np.maximum(block_sums[..., 3:], 1)
    means = np.round(block_sums[..., :3] / counts).astype(np.uint8)
    tall = means.repeat(_BLOCK, axis=0)[:height]
    mean_image = tall.repeat(_BLOCK, axis=1)[:, :width]

    return np.where(shown[..., None], color, mean_image)


def encode_shading(normal: NDArray[np.floating[Any]], occlusion: NDArray[np.uint8]) -> bytes:
    """Return normals and occlusion as the three channels of a lossless WebP.

    Args:
        normal: (H, W, 3) unit vectors, see :func:`encode_normals`.
        occlusion: (H, W).
    """
    from PIL import Image

    # Two channels of normals, and one of occlusion
    normal_channels = encode_normals(normal)
    pixels = np.dstack((normal_channels, occlusion))
    image = Image.fromarray(pixels)

    # Lossless, since an error of a step would turn a normal by a degree
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True, quality=60, method=2, exact=True)
    return buffer.getvalue()


def encode_normals(normal: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Encode unit vectors in two channels of 8 bits.

    The sphere is projected onto an octahedron that is unfolded into a square (Meyer et al. 2010,
    doi:10.1111/j.1467-8659.2010.01737.x). Vectors along the axes stay exact; others turn by less
    than a degree.

    ::

        +-----+     The octahedron |x| + |y| + |z| = 1 seen along its Z axis: its upper half is the
        |  .  |     diamond; each face of the lower half is folded outwards into a corner.
        | . . |
        |  .  |
        +-----+

    Args:
        normal: (..., 3), of unit length or 0.

    Returns:
        (..., 2), 1 to 255; 0 where the vector is 0.
    """
    # Project onto the octahedron.
    vectors = normal.astype(float)
    size = np.abs(vectors).sum(-1, keepdims=True)
    on_octahedron = vectors / np.maximum(size, _SHORTEST)
    x, y, z = np.moveaxis(on_octahedron, -1, 0)

    # Fold its lower half outwards.
    is_lower = z < 0
    x_sign = np.where(x < 0, -1, 1)
    y_sign = np.where(y < 0, -1, 1)
    u = np.where(is_lower, (1 - np.abs(y)) * x_sign, x)
    v = np.where(is_lower, (1 - np.abs(x)) * y_sign, y)

    # Quantize the square; 0 is left for vectors of length 0.
    square = np.stack((u, v), axis=-1)
    steps = np.round(square * _HALF) + _CENTER
    return np.where(size > 0, steps, 0).astype(np.uint8)


def decode_normals(steps: NDArray[np.uint8], shown: NDArray[np.bool_]) -> NDArray[np.float16]:
    """Return the unit vectors that :func:`encode_normals` was given.

    Args:
        steps: (..., 2), its result.
        shown: (...), where there are vectors.

    Returns:
        (..., 3) float16 of unit length; 0 where not ``shown``.
    """
    # Coordinates in the square of the unfolded octahedron
    vectors = np.zeros((*shown.shape, 3), np.float16)
    square = (steps[shown].astype(float) - _CENTER) / _HALF
    u, v = square.clip(-1, 1).T
    z = 1 - np.abs(u) - np.abs(v)

    # Fold the lower half back; the shift is 0 in the upper half.
    shift = np.minimum(z, 0)
    x = u + np.where(u < 0, -shift, shift)
    y = v + np.where(v < 0, -shift, shift)
    on_octahedron = np.stack((x, y, z), axis=1)

    # Back onto the sphere
    length = np.linalg.norm(on_octahedron, axis=1, keepdims=True)
    vectors[shown] = on_octahedron / length
    return vectors


def decode_pixels(data: bytes, size: tuple[int, int], mode: str) -> NDArray[np.uint8]:
    """Return the pixels of an image of 8 bits as a writable array.

    Size and mode are checked before the pixels are decoded.

    Args:
        data: The image file.
        size: Expected width and height, pixels.
        mode: Expected mode of Pillow, "RGB" or "L".

    Raises:
        ValueError: The image has another size or mode.
    """
    image = open_image(data, _FORMATS)
    if image.size != size or image.mode != mode:
        raise ValueError(f"the image is {image.mode} of {image.size}, not {mode} of {size}")
    return np.array(image)


def encode_depth(depth: NDArray[np.float32], camera: Camera, bounds: NDArray[np.float64]) -> bytes:
    """Return depth as a PNG of 16 bits: 1 to 65,535 over the depths of a box, 0 for no surface.

    Args:
        depth: (H, W), meters, 0 where there is no surface.
        camera: Of the view.
        bounds: (2, 3) of the box, meters.
    """
    from PIL import Image

    # Steps over the range of depth; 0 is left for no surface.
    near, far = _depth_range(camera, bounds)
    fraction = (depth - near) / (far - near)
    steps = 1 + np.round(fraction * (STEPS - 1)).clip(0, STEPS - 1)
    pixels = np.where(depth > 0, steps, 0).astype(np.uint16)

    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def decode_depth(data: bytes, camera: Camera, bounds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the depth (H, W) that :func:`encode_depth` was given, to half a step.

    Raises:
        ValueError: The image has another size or mode.
    """
    near, far = _depth_range(camera, bounds)
    image = open_image(data, ("PNG",))
    size = (camera.width, camera.height)
    if image.size != size or image.mode not in _DEPTH_MODES:
        raise ValueError(f"the image is {image.mode} of {image.size}, not 16 bits of {size}")
    steps = np.asarray(image).astype(float)

    # The range starts at step 1.
    step_length = (far - near) / (STEPS - 1)
    depth = np.where(steps > 0, near + (steps - 1) * step_length, 0)
    return depth.clip(0).astype(np.float32)


def _depth_range(camera: Camera, bounds: NDArray[np.float64]) -> tuple[float, float]:
    """Return the least and the greatest depth that a view of a box stores, meters."""
    # Depth of the corners of the box
    corners = np.stack(np.meshgrid(*bounds.T), axis=-1).reshape(-1, 3)
    view_axis = camera.from_world[2, :3]
    offset = camera.from_world[2, 3]
    depth = corners @ view_axis + offset
    near = float(depth.min())
    far = float(depth.max())

    # The surface may be a little outside the box.
    longest_side = float(np.ptp(bounds, axis=0).max())
    margin = _DEPTH_MARGIN * max(float(np.ptp(depth)), longest_side)
    return near - margin, far + margin


def normals_from_depth(depth: NDArray[np.float32], camera: Camera) -> NDArray[np.float16]:
    """Return normals by differences of depth.

    Along each image axis the closer one of the two neighbors in space counts, so that edges stay
    sharp. A pixel without neighbors faces the camera.

    Args:
        depth: (H, W), meters, 0 where there is no surface.
        camera: Of the view.

    Returns:
        (H, W, 3) unit vectors in world space, 0 where there is no surface.
    """
    rows, columns = np.nonzero(depth)
    backward = camera.to_world[:3, 2]
    normal = np.zeros((*depth.shape, 3), np.float16)
    if not len(rows):
        return normal

    # Points of the surface with a border of one pixel; NaN where there is no surface.
    height, width = depth.shape
    points = np.full((height + 2, width + 2, 3), np.nan)
    pixels = np.stack((columns + 0.5, rows + 0.5), 1)
    surface = camera.unproject(pixels, depth[rows, columns].astype(float))
    points[rows + 1, columns + 1] = surface

    # Cross product of the differences along the row and along the column.
    along_row = _shorter_difference(points, rows + 1, columns + 1, (0, 1))
    along_column = _shorter_difference(points, rows + 1, columns + 1, (1, 0))
    cross = _cross(along_row, along_column)
    length = np.linalg.norm(cross, axis=1, keepdims=True)
    has_length = length > 0
    unit = np.where(has_length, cross / np.where(has_length, length, 1), backward)

    # Turn normals towards the camera.
    to_camera = backward if camera.orthographic else camera.to_world[:3, 3] - surface
    faces_away = (unit * to_camera).sum(1, keepdims=True) < 0
    normal[rows, columns] = unit * np.where(faces_away, -1, 1)
    return normal


def _cross(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``np.cross``, whose type stubs take some calls for ones that never return."""
    cross: NDArray[np.float64] = np.cross(first, second)
    return cross


def _shorter_difference(
    points: NDArray[np.float64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    step: tuple[int, int],
) -> NDArray[np.float64]:
    """Return the shorter one of the differences to the next and to the previous point.

    Args:
        points: (H, W, 3), NaN where there is no surface.
        rows: (P,) of the pixels.
        columns: (P,) of the pixels.
        step: (rows, columns) from a pixel to the next.

    Returns:
        (P, 3); 0 if there is neither.
    """
    row_step, column_step = step
    center = points[rows, columns]
    next_point = points[rows + row_step, columns + column_step]
    previous_point = points[rows - row_step, columns - column_step]
    forward = next_point - center
    backward = center - previous_point

    # Lengths; a neighbor without surface is infinitely far.
    forward_length = np.linalg.norm(forward, axis=1)
    backward_length = np.linalg.norm(backward, axis=1)
    forward_length = np.nan_to_num(forward_length, nan=np.inf)
    backward_length = np.nan_to_num(backward_length, nan=np.inf)

    # The shorter one, or 0 if there is neither
    is_forward = forward_length <= backward_length
    shorter = np.where(is_forward[:, None], forward, backward)
    return np.nan_to_num(shorter)


def compact_arrays(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays of the compact ``shape.npz``.

    Points become steps of one cube that holds all of them, normals of the surface take 8 bits.

    Args:
        arrays: Of the full ``shape.npz``.
    """
    # One cube for all points
    clouds = [arrays[name] for name in _POINT_CLOUDS]
    quantized = QuantizedPoints.quantize(np.concatenate(clouds))
    ends = np.cumsum([len(cloud) for cloud in clouds])
    parts = np.split(quantized.steps, ends[:-1])

    # Normals as numbers of 127ths
    normals = arrays["surface_normals"].astype(float) * _HALF
    small_normals = np.round(normals).astype(np.int8)

    return {
        **dict(zip(_POINT_CLOUDS, parts, strict=True)),
        "low": quantized.low,
        "step": np.array(quantized.step),
        "surface_normals": small_normals,
        **{name: arrays[name] for name in _FLAGS},
    }


def shape_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays that :func:`compact_arrays` was given, without the distances.

    Args:
        arrays: Of ``shape.npz``; those of the full form are returned as they are.
    """
    if "step" not in arrays:
        return dict(arrays)

    # Normals were rounded, so they are made of unit length again.
    normals = arrays["surface_normals"].astype(float)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals /= np.maximum(length, _SHORTEST)
    unit_normals = normals.astype(np.float16)

    # Points from steps; flags are stored as they are.
    low = arrays["low"]
    step = float(arrays["step"])
    points = {}
    for name in _POINT_CLOUDS:
        quantized = QuantizedPoints(arrays[name], low, step)
        points[name] = quantized[:]
    flags = {name: arrays[name] for name in _FLAGS}

    return {**points, **flags, "surface_normals": unit_normals}
