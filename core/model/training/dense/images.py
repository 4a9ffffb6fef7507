"""The images of training samples: lit anew, textured wrongly, drawn, noisy, masks a little off."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch.nn import functional as F

from ...stylization import stylize
from .objects import SurfaceView
from .relighting import LightConfig, clay, draw_light, relit, solid_texture
from .view_frames import ViewFrame

_SHRUNK = 1.6  # stored pixels a pixel of the network's image above which they are averaged first
_LEAST_MASK = 16  # pixels below which a narrowed mask is given up

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class AugmentationConfig:
    """How far samples are varied. Shares are odds from 0 to 1.

    Attributes:
        clean_steps: steps at the beginning without any of what follows but mirroring and light:
            a network that sees everything at once learns the first shapes slowly.
        mirror: share of mirrored images.
        stretch: share of objects stretched along their axes, within ``stretch_range``.
        smaller: share of images whose object takes less of the frame, within ``smaller_range``;
            a deep object leaves the frame otherwise.
        relight: share lit anew; the others are as they were rendered.
        clay, wrong_texture: shares of what is lit anew in gray, so that shading alone gives the
            shape, and
            with a texture that has nothing to do with the object, so that no shape is read
            from it.
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
            mirror=self.mirror,
            stretch=0,
            smaller=0,
            relight=self.relight,
            clay=0,
            wrong_texture=0,
            drawn=0,
            mask=0,
            pose=0,
            view_known=self.view_known,
            noise=0,
            gain=0,
            gamma=0,
            light=self.light,
        )


NOTHING_VARIED = AugmentationConfig(mirror=0, relight=0, view_known=0).clean()


def pixel_centers(side: int) -> NDArray[np.float64]:
    """Return the middles of the pixels of an image of ``side`` pixels, in -1..1: (side^2, 2)."""
    line = np.linspace(-1, 1, 2 * side + 1)[1::2]
    x, y = np.meshgrid(line, line)
    return np.stack((x.ravel(), y.ravel()), axis=1)


def colored(
    view: SurfaceView,
    frame: ViewFrame,
    rng: np.random.Generator,
    augmentation: AugmentationConfig,
) -> Floats:
    """Return the colors (H, W, 3) in 0..1 of the stored image: as rendered, or lit anew."""
    stretched = not np.allclose(frame.stretch, 1)  # then its shading is wrong as it is
    known = (view.alpha > 0) & view.normal.any(axis=2)
    is_kept = not stretched and rng.random() >= augmentation.relight
    if is_kept or not known.any():  # without a normal there is nothing to light
        return view.color.astype(np.float32) / 255
    normals = frame.normals(view.normal[known])

    # The texture is that of the object, or none, or one that says nothing of its shape.
    chance = rng.random()
    if chance < augmentation.clay:
        albedo = clay(len(normals), rng)
    elif chance < augmentation.clay + augmentation.wrong_texture:
        albedo = solid_texture(_positions(view, known), rng)
    else:
        albedo = view.albedo[known]

    # Up is up in the object's frame, so that the sky of the light stays above it.
    up = np.array((0.0, 0.0, 1.0))
    light = draw_light(rng, augmentation.light, up)
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
    x = (column / width - 0.5)[:, None]
    y = (row / height - 0.5)[:, None]
    lateral = x * right + y * down
    depth = np.nan_to_num(view.depth[known])[:, None] * away
    points: Floats = (lateral + depth).astype(np.float32)

    return points


def _spread(color: Floats, known: NDArray[np.bool_]) -> Floats:
    """Give pixels of ``color`` (H, W, 3) that are not ``known`` the mean of their neighbors."""
    layers = np.dstack((color, known.astype(np.float32))).transpose(2, 0, 1)
    batch = torch.from_numpy(layers)[None]
    mean = F.avg_pool2d(batch, 3, 1, 1)[0].numpy()

    # The mean over the known alone: that of the colors by that of the coverage.
    filled = mean[:3] / np.maximum(mean[3], 1e-6)
    spread = np.where(known[..., None], color, filled.transpose(1, 2, 0))
    return spread.astype(np.float32)


def warped(color: Floats, alpha: NDArray[np.uint8], frame: ViewFrame, side: int) -> Floats:
    """Return the network's image of a stored image: (4, side, side), straight alpha."""
    cover = alpha[..., None].astype(np.float32) / 255
    premultiplied = np.concatenate((color * cover, cover), axis=2).transpose(2, 0, 1)
    image = torch.from_numpy(np.ascontiguousarray(premultiplied))[None]

    # An image that becomes much smaller is averaged first: sampling would skip pixels of it.
    grid = frame.stored(pixel_centers(side))
    step = grid[side // 2] - grid[side // 2 - 1]
    pixels = np.linalg.norm(step) * alpha.shape[1] / 2
    if pixels > _SHRUNK:
        image = F.avg_pool2d(image, 2)
    points = torch.from_numpy(grid.astype(np.float32)).view(1, side, side, 2)
    rgba: Floats = F.grid_sample(image, points, align_corners=False)[0].numpy()

    # Colors were weighted by alpha; undo it.
    rgba[:3] /= np.maximum(rgba[3], 1e-3)
    return rgba.clip(0, 1)


def restyled(rgba: Floats, rng: np.random.Generator, augmentation: AugmentationConfig) -> Floats:
    """Return ``rgba`` (4, S, S) in other colors, noisy, or as if drawn."""
    result = rgba.copy()
    if rng.random() < augmentation.drawn:
        result[:3] = stylize(rgba, rng)

    # A camera's white balance and curve.
    gain = 1.0
    if augmentation.gain:
        gain = np.exp(rng.normal(0, augmentation.gain, (3, 1, 1)))
    gamma = 1.0
    if augmentation.gamma:
        gamma = np.exp(rng.normal(0, augmentation.gamma))
    result[:3] = (result[:3] ** gamma * gain).clip(0, 1)

    # Noise of its sensor.
    if rng.random() < augmentation.noise:
        level = rng.uniform(0, augmentation.noise_level)
        noise = rng.standard_normal(result[:3].shape, np.float32)
        result[:3] = (result[:3] + level * noise).clip(0, 1)

    return result


def disturbed_mask(
    mask: Floats, rng: np.random.Generator, augmentation: AugmentationConfig
) -> Floats:
    """Return ``mask`` (S, S) now and then too wide or too narrow."""
    if rng.random() >= augmentation.mask:
        return mask
    size = 2 * int(rng.integers(1, augmentation.mask_pixels + 1)) + 1
    kernel = ImageFilter.MaxFilter(size) if rng.random() < 0.5 else ImageFilter.MinFilter(size)
    image = Image.fromarray((mask * 255).astype(np.uint8)).filter(kernel)
    result = np.asarray(image, np.float32) / 255

    # Of a thin object too little may be left.
    return result if (result > 0.5).sum() > _LEAST_MASK else mask
