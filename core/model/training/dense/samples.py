"""One training sample of the dense network: a view as the network sees it, and its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ....procedural.part_groups import NO_GROUP
from ....synthesis.samplers import random_rotation
from ...networks.dense_trunk import IMAGE_CHANNELS
from ...networks.projection import transform_camera, unproject_points
from .images import (
    AugmentationConfig,
    colored,
    disturbed_mask,
    pixel_centers,
    restyled,
    warped,
)
from .objects import DenseObject, SurfaceView
from .ray_targets import (
    GridRays,
    RayTargets,
    grid_rays,
    in_object_frame,
    march,
    surface_normals,
)
from .view_frames import ViewFrame, Window, frame_view

_SEEN = 127  # alpha above which a pixel shows the object
_REFINED = 0.02  # of the longest side: within it the image's depth is finer than the grid's
_HULL_STEPS = 85

Floats = NDArray[np.float32]
Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class ViewChoice:
    """Which views make a sample.

    Attributes:
        view: index of the object's view.
        others: indices of further views, whose masks bound the hull.
    """

    view: int
    others: tuple[int, ...] = ()


@dataclass(frozen=True)
class DenseSample:
    """One image and its labels; S is its side, h half of it.

    Attributes:
        image: (8, S, S) float32 and conditions: (4,) float32, as ``DenseSingleViewNetwork`` takes
            them.
        shown: (h, h) bool, whether the middle of the pixel shows the object.
        first_depth: (h, h) float32, in the frame of the image, NaN where it is unknown.
        intervals: (h, h) uint8. layers: (3, h, h) float32 depth behind the first surface of the
            first exit, the second entry and the last exit, NaN where there is none.
        ray_occupancy: (RAY_BINS, h, h) uint8 share of each bin that is inside, of 255.
        front_normal, back_normal: (3, h, h) float32 as (right, away, up), 0 where unknown.
        parts: (h, h) int64 group of the part that the pixel shows, -1 where it is unknown.
        up: (3,) and mirror_plane: (4,) float32, the plane all 0 if there is none.
        field_of_view, depth_extent: radians, and log of the depth of what is met.
        free: whether shift and scale in depth are unknown: a free image without a hull.
        family: of the object.
    """

    image: Floats
    conditions: Floats
    shown: NDArray[np.bool_]
    first_depth: Floats
    intervals: NDArray[np.uint8]
    layers: Floats
    ray_occupancy: NDArray[np.uint8]
    front_normal: Floats
    back_normal: Floats
    parts: NDArray[np.int64]
    up: Floats
    mirror_plane: Floats
    field_of_view: float
    depth_extent: float
    free: bool
    family: str


@dataclass(frozen=True)
class PlacedView:
    """A view in its frame, before labels: what evaluation needs of it, too.

    Attributes:
        sample: image and labels. frame: of the view. camera: (5, 4) for the object's frame.
    """

    sample: DenseSample
    frame: ViewFrame
    camera: Floats


def draw_dense_sample(
    item: DenseObject,
    choice: ViewChoice,
    rng: np.random.Generator,
    augmentation: AugmentationConfig,
    side: int = 128,
    reach: float = 1.0,
) -> PlacedView:
    """Return a view of ``item`` as the network sees it, with labels.

    Args:
        item: the object.
        rng: to draw from.
        augmentation: how far it is varied.
        choice: which view, and which others bound the hull.
        side: of the image, pixels.
        reach: depth to either side that the hull has where it is unknown.
    """
    # The view and the window that the network sees of it.
    view = item.view(choice.view)
    posed = item.kinds[choice.view] != "free"
    stretch = _stretch(rng, augmentation)
    window = _window(rng, augmentation, whole_object=posed and bool(choice.others))
    outline = outline_ndc(view.alpha)
    frame = frame_view(view.camera, stretch, outline, item.half, window)
    rgb, mask = _draw_image(view, frame, rng, augmentation, side)

    # Labels: what the rays through the middles of the shown pixels meet.
    pixels = _shown_pixels(view, frame, side // 2)
    shown = pixels.shown
    grid = item.grid()
    rays = grid_rays(view.camera, pixels.stored, frame.depth, len(grid))
    met = march(grid, rays, item.box)
    first_depth = _refined(met, view, pixels, frame)
    front = _front_normals(view.normal[pixels.row, pixels.column], frame)
    back = _back_normals(grid, met, rays, frame)
    crossings = np.stack((met.first_exit, met.second_entry, met.last_exit))
    layers = crossings - met.first_entry
    ray_occupancy = np.round(met.ray_occupancy.T * 255).astype(np.uint8)

    # Conditions: the hull that the other masks leave, and what is known of the camera.
    within = None
    if choice.others:
        depths = _hull_depths(reach)[:, None]
        cells = rays.start[:, None] + depths * rays.direction[:, None]
        points = in_object_frame(cells)
        within = _within_others(item, choice.others, points, rng, augmentation)

    hull = _hull_interval(within, shown, reach)
    known = posed or rng.random() < augmentation.view_known
    known_view = frame.field_of_view if known else 0.0
    conditions = (posed, known_view, known, (1 + len(choice.others)) / 6)

    # Whatever the image shows at a pixel or as a whole.
    up = frame.directions @ (0.0, 0.0, 1.0)
    sample = DenseSample(
        image=_image(rgb, mask, hull),
        conditions=np.array(conditions, np.float32),
        shown=shown.reshape(side // 2, -1),
        first_depth=_image_of(first_depth[None], shown, np.nan)[0],
        intervals=_image_of(met.intervals[None], shown, 0)[0],
        layers=_image_of(layers, shown, np.nan),
        ray_occupancy=_image_of(ray_occupancy, shown, 0),
        front_normal=_image_of(front.T, shown, 0),
        back_normal=_image_of(back.T, shown, 0),
        parts=_image_of(_shown_groups(item, choice.view, pixels)[None], shown, NO_GROUP)[0],
        depth_extent=_depth_extent(met),
        up=up.astype(np.float32),
        mirror_plane=_mirror_plane(item, frame),
        field_of_view=frame.field_of_view,
        free=not posed and not choice.others,
        family=item.family,
    )
    return PlacedView(sample, frame, view.camera)


def _draw_image(
    view: SurfaceView,
    frame: ViewFrame,
    rng: np.random.Generator,
    augmentation: AugmentationConfig,
    side: int,
) -> tuple[Floats, Floats]:
    """Return the colors (3, side, side), gray outside the mask, and the mask (side, side)."""
    color = colored(view, frame, rng, augmentation)
    rgba = warped(color, view.alpha, frame, side)
    rgba = restyled(rgba, rng, augmentation)
    mask = disturbed_mask(rgba[3], rng, augmentation)

    # Where the mask is too wide, a random color shows: its background must not be learned.
    background: Floats | float = 0.5
    if augmentation.mask:
        background = rng.uniform(0, 1, (3, 1, 1)).astype(np.float32)
    alpha = rgba[3]
    rgb = rgba[:3] * alpha + background * (1 - alpha)
    rgb = rgb * mask + 0.5 * (1 - mask)

    return rgb, mask


@dataclass(frozen=True)
class _ShownPixels:
    """The P pixels of the label maps whose middles show the object.

    Attributes:
        shown: (h * h,) bool which pixels these are.
        stored: (P, 2) points of the stored image, in -1..1.
        row, column: (P,) pixels of the stored image.
    """

    shown: NDArray[np.bool_]
    stored: NDArray[np.float64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]


def _shown_pixels(view: SurfaceView, frame: ViewFrame, side: int) -> _ShownPixels:
    ndc = pixel_centers(side)
    stored = frame.stored(ndc)
    row, column = stored_pixels(stored, view)
    shown = _within(stored) & (view.alpha[row, column] > _SEEN)
    return _ShownPixels(shown, stored[shown], row[shown], column[shown])


def _stretch(rng: np.random.Generator, augmentation: AugmentationConfig) -> NDArray[np.float64]:
    if rng.random() >= augmentation.stretch:
        return np.ones(3)
    lower, upper = np.log(augmentation.stretch_range)
    factors: NDArray[np.float64] = np.exp(rng.uniform(lower, upper, 3))
    return factors


def _window(
    rng: np.random.Generator, augmentation: AugmentationConfig, whole_object: bool
) -> Window:
    smaller = rng.random() < augmentation.smaller
    room = 1.0
    if smaller:
        room = rng.uniform(*augmentation.smaller_range)
    return Window(whole_object=whole_object, room=room, mirror=rng.random() < augmentation.mirror)


def outline_ndc(alpha: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the outer corners (P, 2), in -1..1, of the first and last pixel shown in each row."""
    shown = alpha > _SEEN
    height, width = shown.shape
    rows = np.flatnonzero(shown.any(axis=1))
    first = shown[rows].argmax(axis=1)
    last = width - shown[rows, ::-1].argmax(axis=1)

    # Both ends of a row, at its upper and its lower edge.
    columns = np.concatenate((first, first, last, last))
    lines = np.concatenate((rows, rows + 1, rows, rows + 1))
    corners = np.stack((columns, lines), axis=1)
    ndc: NDArray[np.float64] = corners * (2 / width, 2 / height) - 1.0

    return ndc


def _within(stored: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points (P, 2) are within the stored image."""
    within: NDArray[np.bool_] = (np.abs(stored) < 1).all(axis=1)
    return within


def stored_pixels(
    stored: NDArray[np.float64], view: SurfaceView
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row and column (P,) of the pixels at points (P, 2), in -1..1, of the stored image."""
    height, width = view.alpha.shape
    across = (stored[:, 0] + 1) / 2 * width
    down = (stored[:, 1] + 1) / 2 * height
    column = across.astype(int).clip(0, width - 1)
    row = down.astype(int).clip(0, height - 1)
    return row, column


def _shown_groups(item: DenseObject, view: int, pixels: _ShownPixels) -> NDArray[np.int64]:
    """Return the groups (P,) of the parts that ``pixels`` show; -1 where they are unknown."""
    groups = item.part_groups
    if groups is None:
        return np.full(len(pixels.row), NO_GROUP)
    numbers = item.parts(view)[pixels.row, pixels.column]
    shown: NDArray[np.int64] = groups[numbers]
    return shown


def _front_normals(normals: Floats, frame: ViewFrame) -> Floats:
    """Return stored ``normals`` (P, 3) in the frame of the image, 0 where there is none."""
    turned = frame.normals(normals)
    front = turned @ frame.directions.T
    front *= normals.any(axis=1, keepdims=True)
    return front.astype(np.float32)


def _back_normals(
    grid: NDArray[np.bool_], met: RayTargets, rays: GridRays, frame: ViewFrame
) -> Floats:
    """Return normals (P, 3) where ``rays`` leave last, in the frame of the image, 0 if unknown."""
    back = np.zeros((len(met.intervals), 3), np.float32)
    solid = np.flatnonzero(met.intervals)

    # Where the rays leave the object for the last time.
    travelled = met.last_exit[solid, None] * rays.direction[solid]
    leaving = rays.start[solid] + travelled
    normals, known = surface_normals(grid, leaving)
    turned = frame.normals(normals[known])
    back[solid[known]] = turned @ frame.directions.T

    return back


def _depth_extent(met: RayTargets) -> float:
    """Return the log of how deep all that the rays meet is, 0 if they meet nothing."""
    if not met.intervals.any():
        return 0.0
    extent = float(np.nanmax(met.last_exit) - np.nanmin(met.first_entry))
    return float(np.log(max(extent, 0.01)))


def _refined(met: RayTargets, view: SurfaceView, pixels: _ShownPixels, frame: ViewFrame) -> Floats:
    """Return the first depth (P,): the image's where it agrees with the grid, or the grid misses.

    Args:
        met: what the rays meet in the grid.
        view: the stored image, whose depth is along its camera's axis in the object's unit.
        pixels: of the rays.
        frame: that the network sees it in.
    """
    stored_depth = view.depth[pixels.row, pixels.column].astype(float)
    points = unproject_points(view.camera, pixels.stored, stored_depth)
    depth = points @ frame.depth[:3] + frame.depth[3]

    # The image is exact, but near an outline it may be of another surface.
    missed = met.intervals == 0
    tolerance = _REFINED * np.linalg.norm(frame.depth[:3])
    near = np.abs(depth - met.first_entry) < tolerance
    return np.where(missed | near, depth, met.first_entry).astype(np.float32)


def _image_of(values: NDArray[Value], shown: NDArray[np.bool_], fill: float) -> NDArray[Value]:
    """Return ``values`` (C, P) of the pixels ``shown`` as an image (C, h, h)."""
    side = round(len(shown) ** 0.5)
    image = np.full((len(values), len(shown)), fill, values.dtype)
    image[:, shown] = values
    return image.reshape(len(values), side, side)


def _within_others(
    item: DenseObject,
    others: Sequence[int],
    points: Floats,
    rng: np.random.Generator,
    augmentation: AugmentationConfig,
) -> NDArray[np.bool_]:
    """Return whether the masks of the views ``others`` allow for ``points`` (..., 3)."""
    inside = np.ones(points.shape[:-1], bool)
    for other in others:
        camera = item.cameras[other]
        if rng.random() < augmentation.pose:
            degrees = rng.normal(0, augmentation.pose_degrees)
            error = random_rotation(rng, np.radians(degrees))
            camera = transform_camera(camera, error)

        # Masks are as inaccurate as those that users give.
        mask = item.alpha(other).astype(np.float32) / 255
        mask = disturbed_mask(mask, rng, augmentation)
        inside &= _covered(mask > 0.5, camera, points)

    return inside


def _hull_interval(
    inside: NDArray[np.bool_] | None, shown: NDArray[np.bool_], reach: float
) -> Floats:
    """Return the depths (2, h, h) at which rays enter and leave the hull.

    Args:
        shown: (h * h,) bool, the P pixels that show the object.
        inside: (P, K) of these, whether the hull holds the points of their
            rays at K depths; None if nothing bounds it.
        reach: the depth to either side that stands for what is unknown.
    """
    side = round(len(shown) ** 0.5)
    hull = np.empty((2, len(shown)), np.float32)
    hull[0] = -reach
    hull[1] = reach

    if inside is not None:
        # Of a sampled ray it is between the first and the last sample inside, and half a step
        # to either side. Rays without any sample inside stay unknown.
        known = inside.any(axis=1)
        depths = _hull_depths(reach)
        half_step = reach / (_HULL_STEPS - 1)
        first_index = inside.argmax(axis=1)
        last_index = _HULL_STEPS - 1 - inside[:, ::-1].argmax(axis=1)
        first = depths[first_index] - half_step
        last = depths[last_index] + half_step
        pixels = np.flatnonzero(shown)[known]
        hull[0, pixels] = first[known]
        hull[1, pixels] = last[known]

    return hull.reshape(2, side, side)


def _hull_depths(reach: float) -> Floats:
    return np.linspace(-reach, reach, _HULL_STEPS, dtype=np.float32)


def _covered(
    mask: NDArray[np.bool_], camera: NDArray[np.floating[Any]], points: Floats
) -> NDArray[np.bool_]:
    """Return whether ``points`` (..., 3) fall on ``mask`` (H, W) in the image of ``camera``."""
    # Pixels of the points.
    rows = camera[:3].astype(np.float32)
    local = points @ rows[:, :3].T + rows[:, 3]
    height, width = mask.shape
    depth = local[..., 2]
    column = (local[..., 0] / depth + 1) * (width / 2)
    row = (local[..., 1] / depth + 1) * (height / 2)

    # Points beside the image are read at its edge, and then left out.
    within = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    column = column.clip(0, width - 1).astype(np.int32)
    row = row.clip(0, height - 1).astype(np.int32)
    covered: NDArray[np.bool_] = mask[row, column] & within

    return covered


def _mirror_plane(item: DenseObject, frame: ViewFrame) -> Floats:
    """Return the mirror plane (4,) in the frame of the image, 0 if there is none."""
    if item.mirror is None:
        return np.zeros(4, np.float32)
    normal = frame.directions @ item.mirror
    offset = -float(item.mirror @ frame.middle) * frame.scale
    return np.array((*normal, offset), np.float32)


def _image(rgb: Floats, mask: Floats, hull: Floats) -> Floats:
    """Return the network's input (8, S, S)."""
    side = mask.shape[0]
    line = np.linspace(-1, 1, 2 * side + 1, dtype=np.float32)[1::2]
    image = np.empty((IMAGE_CHANNELS, side, side), np.float32)
    image[:3] = rgb
    image[3] = mask
    image[4:6] = hull.repeat(2, axis=1).repeat(2, axis=2)

    # Where a pixel is, across and down.
    image[6] = line
    image[7] = line[:, None]

    return image
