"""Inputs of an evaluation: which views are given, and how they are perturbed."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from ...arrays import View
from ...synthesis.samplers import random_rotation
from ..stylization import STYLES

_FOUR_SIDES = ("front", "right", "back", "top")
_SIX_SIDES = (*_FOUR_SIDES, "left", "bottom")


@dataclass(frozen=True)
class InputVariant:
    """Inputs of the model.

    Attributes:
        name: in tables; also the seed of the perturbation.
        sides: orthographic views; none for one unposed view.
        style: one of ``stylization.STYLES``, to make the images look drawn; empty for none.
        mask: pixels by which masks are too wide or, of every other view, too narrow.
        pose: degrees by which each camera is rotated away from where it should be.
    """

    name: str
    sides: tuple[str, ...] = ()
    style: str = ""
    mask: int = 0
    pose: float = 0.0


INPUT_VARIANTS = (
    InputVariant("free"),
    InputVariant("front", ("front",)),
    InputVariant("front+right", ("front", "right")),
    InputVariant("front+right+back+top", _FOUR_SIDES),
)
COUNTS = tuple(InputVariant(f"{count} sides", _SIX_SIDES[:count]) for count in (3, 4, 5, 6))
INPUTS = (
    *(InputVariant(f"free, {style}", style=style) for style in STYLES),
    *(InputVariant(f"4 sides, {style}", _FOUR_SIDES, style=style) for style in STYLES),
    InputVariant("free, mask 2 px off", mask=2),
    InputVariant("4 sides, masks 2 px off", _FOUR_SIDES, mask=2),
    InputVariant("4 sides, poses 3 degrees off", _FOUR_SIDES, pose=3),
)


def perturbed_views(views: Sequence[View], variant: InputVariant) -> tuple[View, ...]:
    """Return views with the perturbation of a variant; the same for the same variant."""
    rng = np.random.default_rng(zlib.crc32(variant.name.encode()))
    return tuple(_perturb_view(view, variant, index, rng) for index, view in enumerate(views))


def _perturb_view(view: View, variant: InputVariant, index: int, rng: np.random.Generator) -> View:
    """Return a view, the ``index``-th of its set, with the perturbation of a variant."""
    image = view.image
    camera = view.camera

    # As if drawn; the mask stays.
    if variant.style:
        stylized = STYLES[variant.style](image.transpose(2, 0, 1), rng).transpose(1, 2, 0)
        image = np.concatenate((stylized, image[..., 3:]), axis=2)
    # Too wide and too narrow by turns: masks that are all too wide would still agree.
    if variant.mask:
        kernel_size = 2 * variant.mask + 1
        kernel: ImageFilter.Filter = ImageFilter.MaxFilter(kernel_size)
        if index % 2:
            kernel = ImageFilter.MinFilter(kernel_size)
        rounded = image[..., 3] * 255 + 0.5
        mask = Image.fromarray(rounded.astype(np.uint8)).filter(kernel)
        alpha = np.asarray(mask, np.float32)[..., None] / 255
        image = np.concatenate((image[..., :3], alpha), axis=2)

    # About the origin, which stays in the middle of the image.
    if variant.pose:
        camera = camera.moved(random_rotation(rng, np.radians(variant.pose)))
    return View(image, camera)
