"""What can be drawn by chance for an object and its views besides cameras, dome and sun: plain values.

Each purpose draws from a generator of its own (:func:`rng_for`), each view too, so that what is switched on changes
nothing of what another purpose or another view draws. After Tobin et al. 2017 (arXiv 1703.06907), who randomise
lamps, textures, backgrounds and distractors. ``draws`` and ``occluders`` do it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
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
MOST = 3  # lamps, and occluders, of one view


class Purpose(IntEnum):
    POSE = 1
    LOOKS = 2
    LAMPS = 3
    BACKGROUND = 4
    OCCLUDERS = 5
    WORLD = 6


@dataclass(frozen=True)
class Randomization:
    """What to draw; by default nothing.

    lamps: at most so many area lamps a view, 0 to 3.
    materials: probability that an object's materials are replaced, 0..1; textures: folder of pictures for them.
    backgrounds: of :data:`BACKGROUNDS`, each equally probable; pictures: folder for "image".
    turn: of the object about its centre, of :data:`TURNS`: about Z, or anyhow. scale: (least, most) about its centre.
    occluders: at most so many a view, 0 to 3. hidden: the largest share of the object's silhouette that they may hide.
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
        """Whether objects are turned or scaled."""
        return self.turn != "none" or self.scale != (1.0, 1.0)

    @property
    def is_off(self) -> bool:
        """Whether all stays as it is."""
        return not (
            self.lamps
            or self.materials
            or self.changes_pose
            or self.occluders
            or self.backgrounds != ("transparent",)
        )

    def validate(self) -> None:
        """Raises DatasetError if a value is out of its range, or a folder has no picture."""
        for name in ("lamps", "occluders"):
            if not 0 <= getattr(self, name) <= MOST:
                raise DatasetError(
                    f"{name} per view must be 0 to {MOST}, not {getattr(self, name)}"
                )
        for name, what in (
            ("materials", "probability of random materials"),
            ("hidden", "fraction hidden by occluders"),
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise DatasetError(f"The {what} must be between 0 and 1, not {getattr(self, name)}")
        unknown = [kind for kind in self.backgrounds if kind not in BACKGROUNDS]
        if unknown or not self.backgrounds:
            raise DatasetError(
                f"Unknown background {unknown or ''}. Choose from {', '.join(BACKGROUNDS)}"
            )
        if self.turn not in TURNS:
            raise DatasetError(f"Unknown rotation {self.turn!r}. Choose from {', '.join(TURNS)}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise DatasetError(
                f"The minimum scale must be above 0 and not above the maximum, not {self.scale}"
            )
        if "image" in self.backgrounds and not self.pictures:
            raise DatasetError("Image backgrounds need a folder of images. Choose one")
        for folder in (self.textures, self.pictures):
            if folder:
                images_in(folder)


@dataclass(frozen=True)
class Pose:
    """quaternion: (w, x, y, z). matrix: (4, 4), to be put before the object's own matrices, metres."""

    quaternion: tuple[float, ...]
    scale: float
    matrix: NDArray[np.float64]


@dataclass(frozen=True)
class MaterialParams:
    """A material. colours: two, sRGB in 0..1, which the texture mixes. frequency: periods along the longest side.

    offset: of the texture, (3,) periods. picture: in place of the colours and the procedural texture.
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
    """A square area lamp. place: (3,) metres; it faces ``target`` (3,). size: of its side, metres.

    temperature: kelvin. power: watt, as Blender counts it.
    """

    place: tuple[float, ...]
    target: tuple[float, ...]
    size: float
    temperature: float
    power: float


@dataclass(frozen=True)
class Background:
    """What is behind. colour: 8 bit sRGB, of "plain". picture: of "image", and its window.

    window: (x, y, part): the largest window of the view's proportions, made ``part`` as long, x of the way from the
    left to the right and y of the way from the top to the bottom, all in 0..1.
    """

    kind: str = "transparent"
    colour: tuple[int, ...] | None = None
    picture: Path | None = None
    window: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Occluder:
    """A primitive within the unit ball, and its (4, 4) matrix to world space. colour: sRGB in 0..1."""

    shape: str
    colour: tuple[float, ...]
    matrix: NDArray[np.float64]


@dataclass(frozen=True)
class SceneryParams:
    """What surrounds the object in one view. hidden_at_most: share of its silhouette behind the occluders."""

    background: Background = Background()
    occluders: tuple[Occluder, ...] = ()
    hidden_at_most: float = 0.0


def rng_for(seed: int, name: str, purpose: Purpose, view: int | None = None) -> np.random.Generator:
    """Of one purpose for the object ``name``, or for its view with the index ``view``."""
    return np.random.default_rng(
        (seed, zlib.crc32(name.encode()), purpose, 0 if view is None else view + 1)
    )


def to_json(value: Any) -> Any:
    """``value`` as JSON knows it: dataclasses without what is None, arrays as lists, files by their name."""
    if is_dataclass(value):
        parts = {part.name: getattr(value, part.name) for part in fields(value)}
        return {name: to_json(own) for name, own in parts.items() if own is not None}
    if isinstance(value, Path):
        return value.name
    if isinstance(value, Mapping):
        return {key: to_json(own) for key, own in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [to_json(each) for each in value] if isinstance(value, tuple | list) else value


def images_in(folder: Path) -> list[Path]:
    """The pictures in ``folder``, in order.

    Raises:
        DatasetError: there is none.
    """
    return image_files.images_in_folder(folder, DatasetError)
