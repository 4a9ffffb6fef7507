"""One training sample of the dense network: a view as the network sees it, and its labels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch.nn import functional as F

from ...synthesis.samplers import turn
from ..networks.dense_trunk import IMAGE_CHANNELS
from ..networks.projection import transformed, unproject
from ..stylization import drawn
from .dense_objects import DenseObject, SurfaceView
from .ray_targets import (
    GridRays,
    RayTargets,
    grid_rays,
    in_object_frame,
    march,
    surface_normals,
)
from .relighting import LightConfig, clay, draw_light, relit, solid_texture
from .view_frames import ViewFrame, Window, frame_view

_SEEN = 127  # alpha above which a pixel shows the object
_REFINED = 0.02  # of the longest side: within it the picture's depth is finer than the grid's
_HULL_STEPS = 57
_HALF_FRAME = 0.55  # of the network's window, in its unit

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class AugmentationConfig:
    """How far samples are varied. Shares are odds from 0 to 1.

    Attributes:
        clean_steps: steps at the beginning without any of what follows but mirroring and light:
            a network that sees everything at once learns the first shapes slowly.
        mirror: share of mirrored images.
        stretch: share of objects stretched along their own axes, within ``stretch_range``.
        smaller: share of images whose object takes less of the frame, within ``smaller_range``;
            a deep object leaves the frame otherwise.
        relight: share lit anew; the others are as they were rendered.
        clay, wrong_texture: shares of what is lit anew in gray, so that shading alone tells, and
            with a texture that has nothing to do with the object, so that it must not tell.
        drawn: share of images as line art, flat colors or silhouettes.
        mask: share of masks up to ``mask_pixels`` too wide or too narrow.
        pose: share of the other images' cameras that are turned, by a normal distribution of
            ``pose_degrees``.
        view_known: share of free images whose field of view the network is given.
        noise: share with noise of at most ``noise_level``.
        gain, gamma: standard deviations of the log of each color's gain and of gamma.
    """

    clean_steps: int = 3000
    mirror: float = 0.5
    stretch: float = 0.5
    stretch_range: tuple[float, float] = (0.7, 1.4)
    smaller: float = 0.3
    smaller_range: tuple[float, float] = (0.4, 1.0)
    relight: float = 0.8
    clay: float = 0.2
    wrong_texture: float = 0.5
    drawn: float = 0.15
    mask: float = 0.25
    mask_pixels: int = 2
    pose: float = 0.4
    pose_degrees: float = 3.0
    view_known: float = 0.3
    noise: float = 0.3
    noise_level: float = 0.06
    gain: float = 0.1
    gamma: float = 0.15
    light: LightConfig = field(default_factory=LightConfig)

    def clean(self) -> AugmentationConfig:
        """Return what is left of it in the first ``clean_steps`` steps."""
        return AugmentationConfig(
            mirror=self.mirror, stretch=0, smaller=0, relight=self.relight, clay=0,
            wrong_texture=0, drawn=0, mask=0, pose=0, view_known=self.view_known, noise=0,
            gain=0, gamma=0, light=self.light,
        )  # fmt: skip


NOTHING_VARIED = AugmentationConfig(mirror=0, relight=0, view_known=0).clean()


@dataclass(frozen=True)
class Ask:
    """What a sample is asked with.

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
        tubes: (TUBE_BINS, h, h) uint8 share of each bin that is inside, of 255.
        front_normal, back_normal: (3, h, h) float32 as (right, away, up), 0 where unknown.
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
    tubes: NDArray[np.uint8]
    front_normal: Floats
    back_normal: Floats
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
    thing: DenseObject, ask: Ask, rng: np.random.Generator, augmentation: AugmentationConfig,
    side: int = 128, reach: float = 1.0,
) -> PlacedView:  # fmt: skip
    """Return a view of ``thing`` as the network sees it, with labels.

    Args:
        ask: which view, and which others bound the hull.
        side: of the image, pixels.
        reach: depth to either side that the hull has where it is unknown.
    """
    view = thing.view(ask.view)
    posed = thing.kinds[ask.view] != "free"
    stretch = _stretch(rng, augmentation)
    window = _window(rng, augmentation, whole_object=posed and bool(ask.others))
    frame = frame_view(view.camera, stretch, _outline_ndc(view.alpha), thing.half, window)

    # image
    color = _colored(view, frame, rng, augmentation)
    rgba = _warped(color, view.alpha, frame, side)
    rgba = _restyled(rgba, rng, augmentation)
    mask = _disturbed_mask(rgba[3], rng, augmentation)
    background = rng.uniform(0, 1, (3, 1, 1)).astype(np.float32) if augmentation.mask else 0.5
    rgb = rgba[:3] * rgba[3] + background * (1 - rgba[3])
    rgb = rgb * mask + 0.5 * (1 - mask)

    # labels
    ndc = _pixel_centers(side // 2)
    stored = frame.stored(ndc)
    row, column = _stored_pixels(stored, view)
    shown = _within(stored) & (view.alpha[row, column] > _SEEN)
    stored = stored[shown]
    grid = thing.grid()
    rays = grid_rays(view.camera, stored, frame.depth, len(grid))
    met = march(grid, rays, thing.box)
    pixels = row[shown], column[shown]
    first_depth = _refined(met, view.depth[pixels], view, stored, frame)
    front = _front_normals(view.normal[pixels], frame)
    back = _back_normals(grid, met, rays, frame)
    exits = np.stack((met.first_exit, met.second_entry, met.last_exit)) - met.first_entry
    tubes = np.round(met.tubes.T * 255).astype(np.uint8)

    hull = _hull(thing, ask, rays, shown, rng, augmentation, reach)
    known = posed or rng.random() < augmentation.view_known
    conditions = (posed, frame.field_of_view if known else 0.0, known, (1 + len(ask.others)) / 6)
    up = frame.directions @ (0.0, 0.0, 1.0)
    sample = DenseSample(
        image=_image(rgb, mask, hull),
        conditions=np.array(conditions, np.float32),
        shown=shown.reshape(side // 2, -1),
        first_depth=_image_of(first_depth[None], shown, np.nan)[0],
        intervals=_image_of(met.intervals[None], shown, 0)[0],
        layers=_image_of(exits, shown, np.nan),
        tubes=_image_of(tubes, shown, 0),
        front_normal=_image_of(front.T, shown, 0),
        back_normal=_image_of(back.T, shown, 0),
        depth_extent=_depth_extent(met),
        up=up.astype(np.float32),
        mirror_plane=_mirror_plane(thing, frame),
        field_of_view=frame.field_of_view,
        free=not posed and not ask.others,
        family=thing.family,
    )
    return PlacedView(sample, frame, view.camera)


def _stretch(rng: np.random.Generator, augmentation: AugmentationConfig) -> NDArray[np.float64]:
    if rng.random() >= augmentation.stretch:
        return np.ones(3)
    low, high = np.log(augmentation.stretch_range)
    return np.exp(rng.uniform(low, high, 3))


def _window(
    rng: np.random.Generator, augmentation: AugmentationConfig, whole_object: bool
) -> Window:
    smaller = rng.random() < augmentation.smaller
    room = rng.uniform(*augmentation.smaller_range) if smaller else 1.0
    return Window(whole_object=whole_object, room=room, mirror=rng.random() < augmentation.mirror)


def _outline_ndc(alpha: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the outer corners (P, 2), in -1..1, of the first and last pixel shown in each row."""
    shown = alpha > _SEEN
    height, width = shown.shape
    rows = np.flatnonzero(shown.any(axis=1))
    first = shown[rows].argmax(axis=1)
    last = width - shown[rows, ::-1].argmax(axis=1)
    columns = np.concatenate((first, first, last, last))
    lines = np.concatenate((rows, rows + 1, rows, rows + 1))
    return np.stack((columns, lines), axis=1) * (2 / width, 2 / height) - 1.0


def _pixel_centers(side: int) -> NDArray[np.float64]:
    line = np.linspace(-1, 1, 2 * side + 1)[1::2]
    x, y = np.meshgrid(line, line)
    return np.stack((x.ravel(), y.ravel()), axis=1)


def _within(stored: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (np.abs(stored) < 1).all(axis=1)


def _stored_pixels(
    stored: NDArray[np.float64], view: SurfaceView
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    height, width = view.alpha.shape
    column = ((stored[:, 0] + 1) / 2 * width).astype(int).clip(0, width - 1)
    row = ((stored[:, 1] + 1) / 2 * height).astype(int).clip(0, height - 1)
    return row, column


def _colored(
    view: SurfaceView, frame: ViewFrame, rng: np.random.Generator,
    augmentation: AugmentationConfig,
) -> Floats:  # fmt: skip
    """Return the colors (H, W, 3) in 0..1 of the stored picture: as rendered, or lit anew."""
    stretched = not np.allclose(frame.stretch, 1)  # then its shading is wrong as it is
    if not stretched and rng.random() >= augmentation.relight:
        return view.color.astype(np.float32) / 255
    known = (view.alpha > 0) & view.normal.any(axis=2)
    normals = frame.normals(view.normal[known])

    # texture
    chance = rng.random()
    if chance < augmentation.clay:
        albedo = clay(len(normals), rng)
    elif chance < augmentation.clay + augmentation.wrong_texture:
        albedo = solid_texture(_positions(view, known), rng)
    else:
        albedo = view.albedo[known]

    # up is up in the object's frame: the sky of the light stays above it
    light = draw_light(rng, augmentation.light, np.array((0.0, 0.0, 1.0)))
    color = np.zeros((*view.alpha.shape, 3), np.float32)
    color[known] = relit(albedo, normals, view.occlusion[known], light)
    return _spread(color, known)


def _positions(view: SurfaceView, known: NDArray[np.bool_]) -> Floats:
    """Return points (P, 3) of the object's surface, about where the pixels ``known`` see it.

    To texture it by, so that it does not matter that a perspective camera's are a little off.
    """
    row, column = np.nonzero(known)
    height, width = known.shape
    away = view.camera[3, :3]
    right = np.cross(view.camera[1, :3], away)
    right = right / max(float(np.linalg.norm(right)), 1e-9)
    down = np.cross(away, right)
    aside = (column / width - 0.5)[:, None] * right + (row / height - 0.5)[:, None] * down
    depth = np.nan_to_num(view.depth[known])[:, None] * away
    return (aside + depth).astype(np.float32)


def _spread(color: Floats, known: NDArray[np.bool_]) -> Floats:
    """Give pixels of ``color`` (H, W, 3) that are not ``known`` the mean of their neighbors."""
    layers = np.dstack((color, known.astype(np.float32))).transpose(2, 0, 1)
    mean = F.avg_pool2d(torch.from_numpy(layers)[None], 3, 1, 1)[0].numpy()
    filled = mean[:3] / np.maximum(mean[3], 1e-6)
    return np.where(known[..., None], color, filled.transpose(1, 2, 0)).astype(np.float32)


def _warped(color: Floats, alpha: NDArray[np.uint8], frame: ViewFrame, side: int) -> Floats:
    """Return the network's image of a stored picture: (4, side, side), straight alpha."""
    cover = alpha[..., None].astype(np.float32) / 255
    stored = np.concatenate((color * cover, cover), axis=2).transpose(2, 0, 1)
    picture = torch.from_numpy(np.ascontiguousarray(stored))[None]

    # what is made much smaller is averaged first
    grid = frame.stored(_pixel_centers(side))
    pixels = np.linalg.norm(grid[side // 2] - grid[side // 2 - 1]) * alpha.shape[1] / 2
    if pixels > 1.6:
        picture = F.avg_pool2d(picture, 2)
    points = torch.from_numpy(grid.astype(np.float32)).view(1, side, side, 2)
    warped = F.grid_sample(picture, points, align_corners=False)[0].numpy()
    warped[:3] /= np.maximum(warped[3], 1e-3)
    return warped.clip(0, 1)


def _restyled(
    rgba: Floats, rng: np.random.Generator, augmentation: AugmentationConfig
) -> Floats:
    """Return ``rgba`` (4, S, S) in other colors, noisy, or as if drawn."""
    result = rgba.copy()
    if rng.random() < augmentation.drawn:
        result[:3] = drawn(rgba, rng)
    gain = np.exp(rng.normal(0, augmentation.gain, (3, 1, 1))) if augmentation.gain else 1.0
    gamma = np.exp(rng.normal(0, augmentation.gamma)) if augmentation.gamma else 1.0
    result[:3] = (result[:3] ** gamma * gain).clip(0, 1)
    if rng.random() < augmentation.noise:
        level = rng.uniform(0, augmentation.noise_level)
        noise = rng.standard_normal(result[:3].shape, np.float32)
        result[:3] = (result[:3] + level * noise).clip(0, 1)
    return result


def _disturbed_mask(
    mask: Floats, rng: np.random.Generator, augmentation: AugmentationConfig
) -> Floats:
    """Return ``mask`` (S, S) now and then too wide or too narrow."""
    if rng.random() >= augmentation.mask:
        return mask
    size = 2 * int(rng.integers(1, augmentation.mask_pixels + 1)) + 1
    kernel = ImageFilter.MaxFilter(size) if rng.random() < 0.5 else ImageFilter.MinFilter(size)
    image = Image.fromarray((mask * 255).astype(np.uint8)).filter(kernel)
    result = np.asarray(image, np.float32) / 255
    return result if (result > 0.5).sum() > 16 else mask


def _front_normals(normals: Floats, frame: ViewFrame) -> Floats:
    """Return the picture's ``normals`` (P, 3) in the frame of the image, 0 where there is none."""
    front = frame.normals(normals) @ frame.directions.T
    front *= normals.any(axis=1, keepdims=True)
    return front.astype(np.float32)


def _back_normals(
    grid: NDArray[np.bool_], met: RayTargets, rays: GridRays, frame: ViewFrame
) -> Floats:
    """Return normals (P, 3) where ``rays`` leave last, in the frame of the image, 0 if unknown."""
    back = np.zeros((len(met.intervals), 3), np.float32)
    solid = np.flatnonzero(met.intervals)
    leaving = rays.start[solid] + met.last_exit[solid, None] * rays.direction[solid]
    normals, told = surface_normals(grid, leaving)
    back[solid[told]] = frame.normals(normals[told]) @ frame.directions.T
    return back


def _depth_extent(met: RayTargets) -> float:
    """Return the log of how deep all that the rays meet is; of a unit's depth if they meet nothing."""
    if not met.intervals.any():
        return 0.0
    extent = float(np.nanmax(met.last_exit) - np.nanmin(met.first_entry))
    return float(np.log(max(extent, 0.01)))


def _refined(
    met: RayTargets, picture_depth: Floats, view: SurfaceView, stored: NDArray[np.float64],
    frame: ViewFrame,
) -> Floats:  # fmt: skip
    """Return the first depth (P,): the picture's where it agrees with the grid, or the grid misses.

    Args:
        picture_depth: (P,) along the stored camera's axis, in the object's unit.
        stored: (P, 2) where the rays are in the stored picture.
    """
    points = unproject(view.camera, stored, picture_depth.astype(float))
    depth = points @ frame.depth[:3] + frame.depth[3]
    missed = met.intervals == 0
    near = np.abs(depth - met.first_entry) < _REFINED * np.linalg.norm(frame.depth[:3])
    return np.where(missed | near, depth, met.first_entry).astype(np.float32)


def _image_of(
    values: NDArray[np.generic], shown: NDArray[np.bool_], fill: float
) -> NDArray[np.generic]:
    """Return ``values`` (C, P) of the pixels ``shown`` as an image (C, h, h)."""
    side = round(len(shown) ** 0.5)
    image = np.full((len(values), len(shown)), fill, values.dtype)
    image[:, shown] = values
    return image.reshape(len(values), side, side)


def _hull(
    thing: DenseObject, ask: Ask, rays: GridRays, shown: NDArray[np.bool_],
    rng: np.random.Generator, augmentation: AugmentationConfig, reach: float,
) -> Floats:  # fmt: skip
    """Return the depths (2, h, h) at which rays enter and leave what the other views' masks allow."""
    side = round(len(shown) ** 0.5)
    hull = np.empty((2, len(shown)), np.float32)
    hull[0] = -reach
    hull[1] = reach
    if not ask.others or not len(rays.start):
        return hull.reshape(2, side, side)

    # points (P, K) along the rays, in the object's frame
    depths = np.linspace(-reach, reach, _HULL_STEPS, dtype=np.float32)
    points = rays.start[:, None] + depths[:, None] * rays.direction[:, None]
    points = in_object_frame(points)
    inside = np.ones(points.shape[:2], bool)
    for other in ask.others:
        camera = thing.cameras[other]
        if rng.random() < augmentation.pose:
            error = turn(rng, np.radians(rng.normal(0, augmentation.pose_degrees)))
            camera = transformed(camera, error)
        mask = thing.alpha(other).astype(np.float32) / 255
        mask = _disturbed_mask(mask, rng, augmentation)
        inside &= _covered(mask > 0.5, camera, points)

    known = inside.any(axis=1)
    half_step = reach / (_HULL_STEPS - 1)
    first = depths[inside.argmax(axis=1)] - half_step
    last = depths[_HULL_STEPS - 1 - inside[:, ::-1].argmax(axis=1)] + half_step
    pixels = np.flatnonzero(shown)[known]
    hull[0, pixels] = first[known]
    hull[1, pixels] = last[known]
    return hull.reshape(2, side, side)


def _covered(
    mask: NDArray[np.bool_], camera: NDArray[np.floating], points: Floats
) -> NDArray[np.bool_]:
    """Return whether ``points`` (..., 3) fall on ``mask`` (H, W) in the picture of ``camera``."""
    rows = camera[:3].astype(np.float32)
    local = points @ rows[:, :3].T + rows[:, 3]
    height, width = mask.shape
    column = (local[..., 0] / local[..., 2] + 1) * (width / 2)
    row = (local[..., 1] / local[..., 2] + 1) * (height / 2)
    within = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    column = column.clip(0, width - 1).astype(np.int32)
    row = row.clip(0, height - 1).astype(np.int32)
    return mask[row, column] & within


def _mirror_plane(thing: DenseObject, frame: ViewFrame) -> Floats:
    """Return the plane (4,) by which the object is symmetric, in the frame of the image; 0 if none."""
    if thing.mirror is None:
        return np.zeros(4, np.float32)
    normal = frame.directions @ thing.mirror
    offset = -float(thing.mirror @ frame.middle) * frame.scale
    return np.array((*normal, offset), np.float32)


def _image(rgb: Floats, mask: Floats, hull: Floats) -> Floats:
    """Return the network's input (8, S, S)."""
    side = mask.shape[0]
    line = np.linspace(-1, 1, 2 * side + 1, dtype=np.float32)[1::2]
    image = np.empty((IMAGE_CHANNELS, side, side), np.float32)
    image[:3] = rgb
    image[3] = mask
    image[4:6] = hull.repeat(2, axis=1).repeat(2, axis=2)
    image[6] = line
    image[7] = line[:, None]
    return image
