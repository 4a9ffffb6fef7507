"""What the model is asked in evaluation: which pictures, and how far from clean renderings they are."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from ...arrays import View
from ...synthesis.samplers import random_rotation
from ..stylization import STYLES

_FOUR = ("front", "right", "back", "top")
_SIX = (*_FOUR, "left", "bottom")


@dataclass(frozen=True)
class InputVariant:
    """What is asked of the model: posed ``sides``, or one free view if there are none.

    style: one of ``styles.STYLES``: the pictures as if drawn. mask: pixels by which the masks are too wide or, every
    other one, too narrow. pose: degrees by which each camera is turned away from where it is said to be.
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
    InputVariant("front+right+back+top", _FOUR),
)
COUNTS = tuple(InputVariant(f"{count} sides", _SIX[:count]) for count in (3, 4, 5, 6))
INPUTS = (
    *(InputVariant(f"free, {style}", style=style) for style in STYLES),
    *(InputVariant(f"4 sides, {style}", _FOUR, style=style) for style in STYLES),
    InputVariant("free, mask 2 px off", mask=2),
    InputVariant("4 sides, masks 2 px off", _FOUR, mask=2),
    InputVariant("4 sides, poses 3 degrees off", _FOUR, pose=3),
)


def perturbed_views(views: Sequence[View], question: InputVariant) -> tuple[View, ...]:
    """``views`` as ``question`` asks for them; the same each time."""
    rng = np.random.default_rng(zlib.crc32(question.name.encode()))
    return tuple(_perturb_view(view, question, index, rng) for index, view in enumerate(views))


def _perturb_view(view: View, question: InputVariant, index: int, rng: np.random.Generator) -> View:
    image = view.image
    camera = view.camera
    if question.style:
        drawn = STYLES[question.style](image.transpose(2, 0, 1), rng).transpose(1, 2, 0)
        image = np.concatenate((drawn, image[..., 3:]), axis=2)
    if question.mask:
        kernel = (ImageFilter.MinFilter if index % 2 else ImageFilter.MaxFilter)(
            2 * question.mask + 1
        )
        mask = Image.fromarray((image[..., 3] * 255 + 0.5).astype(np.uint8)).filter(kernel)
        image = np.concatenate(
            (image[..., :3], np.asarray(mask, np.float32)[..., None] / 255), axis=2
        )
    if question.pose:
        camera = camera.moved(random_rotation(rng, np.radians(question.pose)))
    return View(image, camera)
