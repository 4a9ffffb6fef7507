"""Random variation of an object and its views, besides cameras, dome and sun.

Each purpose draws from a separate generator (:func:`rng_for`), for each view, so that switching one
on changes nothing of what another purpose or another view draws. After Tobin et al. 2017 (arXiv
1703.06907), who randomize lights, textures, backgrounds and distractors. ``samplers`` and
``occluders`` draw the values.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from ..imaging import image_files

BACKGROUNDS = ("transparent", "plain", "image", "hdri")
TURNS = ("none", "z", "any")
TEXTURES = ("none", "noise", "checker", "voronoi", "bricks")
SHAPES = ("cube", "ball", "cylinder", "cone")
MOST = 3  # lights, and occluders, of one view


class Purpose(IntEnum):
    """What a generator draws; the numbers are part of its seed."""

    POSE = 1
    LOOKS = 2
    LAMPS = 3
    BACKGROUND = 4
    OCCLUDERS = 5
    WORLD = 6


@dataclass(frozen=True)
class Randomization:
    """What to draw; by default nothing.

    Args:
        lamps: the most area lights of a view, 0 to 3.
        materials: probability that an object's materials are replaced, 0..1.
        textures: folder of images that random materials may show.
        backgrounds: of :data:`BACKGROUNDS`, each equally probable.
        pictures: folder of images for the background "image".
        turn: rotation of the object about its center, of :data:`TURNS`: about Z, or any.
        scale: (least, greatest) factor about the center.
        occluders: the most of a view, 0 to 3.
        hidden: the largest share of the object's silhouette that they may hide, 0..1.
    """

    lamps: int = 0
    materials: float = 0.0
    textures: Path | None = None
    backgrounds: tuple[str, ...] = ("transparent",)
    pictures: Path | None = None
    turn: str = "none"
    scale: tuple[float, float] = (1.0, 1.0)
    occluders: int = 0
    hidden: float = 0.3

    @property
    def changes_pose(self) -> bool:
        """Whether objects are rotated or scaled."""
        return self.turn != "none" or self.scale != (1.0, 1.0)

    def validate(self) -> None:
        """Check all values.

        Raises:
            DatasetError: a value is out of its range, or a folder has no image.
        """
        self._check_numbers()
        self._check_choices()
        for folder in (self.textures, self.pictures):
            if folder:
                images_in(folder)

    def _check_numbers(self) -> None:
        """Raise DatasetError if a number is out of its range."""
        for name in ("lamps", "occluders"):
            value = getattr(self, name)
            if not 0 <= value <= MOST:
                raise DatasetError(f"{name} per view must be 0 to {MOST}, not {value}")

        meanings = {
            "materials": "probability of random materials",
            "hidden": "fraction hidden by occluders",
        }
        for name, meaning in meanings.items():
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise DatasetError(f"The {meaning} must be between 0 and 1, not {value}")

        least, greatest = self.scale
        if not 0 < least <= greatest:
            raise DatasetError(
                f"The minimum scale must be above 0 and not above the maximum, not {self.scale}"
            )

    def _check_choices(self) -> None:
        """Raise DatasetError if a word is unknown, or the folder of backgrounds is missing."""
        unknown = [kind for kind in self.backgrounds if kind not in BACKGROUNDS]
        if unknown or not self.backgrounds:
            names = ", ".join(BACKGROUNDS)
            raise DatasetError(f"Unknown background {unknown or ''}. Choose from {names}")
        if self.turn not in TURNS:
            names = ", ".join(TURNS)
            raise DatasetError(f"Unknown rotation {self.turn!r}. Choose from {names}")
        if "image" in self.backgrounds and not self.pictures:
            raise DatasetError("Image backgrounds need a folder of images. Choose one")


@dataclass(frozen=True)
class Pose:
    """A rotation and scale of the object about its center.

    Args:
        quaternion: (w, x, y, z), of unit length.
        scale: factor.
        matrix: (4, 4), to be multiplied from the left to the object's matrices, meters.
    """

    quaternion: tuple[float, ...]
    scale: float
    matrix: NDArray[np.float64]


@dataclass(frozen=True)
class MaterialParams:
    """A random material.

    Args:
        texture: of :data:`TEXTURES`, or "picture".
        picture: image in place of the colors and the procedural texture.
        colours: two, sRGB in 0..1, which the texture mixes.
        roughness: of Principled shading, 0..1.
        metallic: of Principled shading, 0..1.
        frequency: periods of the texture along the object's longest side.
        offset: of the texture, (3,) periods.
    """

    texture: str
    picture: Path | None
    colours: tuple[tuple[float, ...], tuple[float, ...]]
    roughness: float
    metallic: float
    frequency: float
    offset: tuple[float, ...]


@dataclass(frozen=True)
class AreaLight:
    """A square area light.

    Args:
        place: (3,) its center, meters.
        target: (3,) point that it faces, meters.
        size: of its side, meters.
        temperature: of a black body of its color, kelvin.
        power: watt, in the unit of Blender.
    """

    place: tuple[float, ...]
    target: tuple[float, ...]
    size: float
    temperature: float
    power: float

    def scaled(self, factor: float) -> AreaLight:
        """Return the light that is as bright after the world is scaled by ``factor``."""
        place = tuple(factor * axis for axis in self.place)
        target = tuple(factor * axis for axis in self.target)
        size = factor * self.size
        return AreaLight(place, target, size, self.temperature, self.power * factor**2)


@dataclass(frozen=True)
class Background:
    """What is behind the object.

    Args:
        kind: of :data:`BACKGROUNDS`.
        colour: 8-bit sRGB, of "plain".
        picture: of "image".
        window: (x, y, part) of the picture: of the largest window of the view's proportions a
            ``part`` as long, x of the way from left to right and y of the way from top to bottom;
            all in 0..1.
    """

    kind: str = "transparent"
    colour: tuple[int, ...] | None = None
    picture: Path | None = None
    window: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Occluder:
    """A primitive between camera and object.

    Args:
        shape: of :data:`SHAPES`, within the unit ball.
        colour: sRGB in 0..1.
        matrix: (4, 4) from the unit ball to world space, meters.
    """

    shape: str
    colour: tuple[float, ...]
    matrix: NDArray[np.float64]


@dataclass(frozen=True)
class SceneryParams:
    """What surrounds the object in one view.

    Args:
        background: behind it.
        occluders: before it.
        hidden_at_most: share of its silhouette that is behind the occluders.
    """

    background: Background = Background()
    occluders: tuple[Occluder, ...] = ()
    hidden_at_most: float = 0.0

    def scaled(self, factor: float) -> SceneryParams:
        """Return the scenery after the world is scaled by ``factor`` about the origin."""
        scale = np.diag((factor, factor, factor, 1.0))
        occluders = tuple(
            replace(occluder, matrix=scale @ occluder.matrix) for occluder in self.occluders
        )
        return replace(self, occluders=occluders)


def rng_for(seed: int, name: str, purpose: Purpose, view: int | None = None) -> np.random.Generator:
    """Return the generator of one purpose.

    Args:
        seed: of the training set.
        name: of the object.
        purpose: what is drawn.
        view: index of the view; None if the values are for all views of the object.
    """
    view_number = 0 if view is None else view + 1
    return np.random.default_rng((seed, zlib.crc32(name.encode()), purpose, view_number))


def to_json(value: Any) -> Any:
    """Return ``value`` in types that JSON has.

    Dataclasses become mappings without what is None, arrays lists, and files their names.
    """
    if is_dataclass(value):
        values = {field.name: getattr(value, field.name) for field in fields(value)}
        return {name: to_json(part) for name, part in values.items() if part is not None}
    if isinstance(value, Path):
        return value.name
    if isinstance(value, Mapping):
        return {key: to_json(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [to_json(part) for part in value]
    return value


def images_in(folder: Path) -> list[Path]:
    """Return the images in ``folder``, in order.

    Raises:
        DatasetError: there is none.
    """
    return image_files.images_in_folder(folder, DatasetError)
