"""Draws rooms and yards full of things: plain values, which ``core.scene.datagen.interiors`` builds and renders as light domes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .randomization import AreaLight, MaterialParams, Randomization
from .samplers import sample_materials, to_floats

EYE = 1.4  # metres above the floor: from where a room is seen
_CLEAR = 0.9  # metres about there that stay free
_FIRST_SEED = 1_000_000  # of the things: no training set's objects are among them
_TRIES = 12


@dataclass(frozen=True)
class Box:
    """A floor, wall, plinth or picture. low, high: (3,) metres."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    look: MaterialParams


@dataclass(frozen=True)
class Furnishing:
    """An object of our own generators. foot: (3,) metres, the middle of what it stands on. size: its longest side."""

    family: str
    seed: int
    size: float
    turn: float
    foot: tuple[float, ...]


@dataclass(frozen=True)
class Interior:
    """Seen from ``EYE`` above the origin, Z up. sun: irradiance, W/m^2, 0 indoors."""

    boxes: tuple[Box, ...]
    things: tuple[Furnishing, ...]
    lamps: tuple[AreaLight, ...]
    sun: float


def sample_interior(families: Sequence[str], rng: np.random.Generator) -> Interior:
    """Two in three are rooms, which may lack a wall or the ceiling; the others grounds with a wall at most.

    Args:
        families: of the things.
    """
    indoors = rng.random() < 0.67
    half = rng.uniform(2, 4.5, 2) if indoors else rng.uniform(3, 7, 2)
    height = rng.uniform(2.4, 3.6)
    boxes = [
        *_room_shell(half, height, indoors, rng),
        *(_wall_panels(half, height, rng) if indoors else ()),
    ]
    things: list[Furnishing] = []
    taken = [(0.0, 0.0, _CLEAR)]
    for _ in range(rng.integers(15, 60)):
        size = float(np.exp(rng.uniform(np.log(0.2), np.log(1.8))))
        found = _free_place(size / 2, half, taken, rng)
        if not found:
            continue
        x, y = found
        taken.append((x, y, size / 2))
        plinth = rng.uniform(0.3, 0.9) if size < 0.6 and rng.random() < 0.5 else 0.0
        if plinth:
            wide = 0.6 * size
            boxes.append(
                Box(
                    to_floats((x - wide, y - wide, 0)),
                    to_floats((x + wide, y + wide, plinth)),
                    _wall_material(rng),
                )
            )
        family = families[rng.integers(len(families))]
        seed = _FIRST_SEED + int(rng.integers(1_000_000))
        things.append(
            Furnishing(
                family, seed, size, float(rng.uniform(0, 2 * np.pi)), to_floats((x, y, plinth))
            )
        )
    return Interior(
        tuple(boxes),
        tuple(things),
        _ceiling_lights(half, height, rng) if indoors else (),
        _sun_strength(indoors, rng),
    )


def _free_place(
    radius: float,
    half: NDArray[np.float64],
    taken: Sequence[tuple[float, float, float]],
    rng: np.random.Generator,
) -> tuple[float, float] | None:
    """Where within the walls a thing touches none of the circles (x, y, radius) that are ``taken``; None if nowhere."""
    reach = (half - radius).clip(0.1)
    for _ in range(_TRIES):
        x, y = rng.uniform(-reach, reach)
        if all(np.hypot(x - a, y - b) > radius + r for a, b, r in taken):
            return float(x), float(y)
    return None


def _room_shell(
    half: NDArray[np.float64], height: float, indoors: bool, rng: np.random.Generator
) -> list[Box]:
    """The floor, and what there is of walls and ceiling, each 0.1 m thick; grounds go on behind a wall."""
    (x, y), thick = half, 0.1
    far = 1.0 if indoors else 5.0
    shell = [
        Box(
            to_floats((-far * x, -far * y, -thick)),
            to_floats((far * x, far * y, 0)),
            _wall_material(rng, 4.0),
        )
    ]
    walls = [
        ((-x - thick, -y, 0), (-x, y, height)),
        ((x, -y, 0), (x + thick, y, height)),
        ((-x, -y - thick, 0), (x, -y, height)),
        ((-x, y, 0), (x, y + thick, height)),
    ]
    same = _wall_material(rng, 2.0)
    for low, high in walls:
        if rng.random() < (0.88 if indoors else 0.2):
            shell.append(
                Box(
                    to_floats(low),
                    to_floats(high),
                    same if rng.random() < 0.7 else _wall_material(rng, 2.0),
                )
            )
    if indoors and rng.random() < 0.85:
        shell.append(
            Box(to_floats((-x, -y, height)), to_floats((x, y, height + thick)), _wall_material(rng))
        )
    return shell


def _wall_panels(half: NDArray[np.float64], height: float, rng: np.random.Generator) -> list[Box]:
    """Flat panels on the walls, as pictures and doors are."""
    panels = []
    for _ in range(rng.integers(0, 9)):
        wide = rng.uniform(0.2, 0.7)
        tall = rng.uniform(0.2, 1.0)
        along = int(rng.integers(2))  # the axis along which its wall runs
        side = rng.choice((-1.0, 1.0))
        middle = np.zeros(3)
        middle[along] = rng.uniform(-1, 1) * max(half[along] - wide, 0.1)
        middle[1 - along] = side * (half[1 - along] - 0.01)
        middle[2] = rng.uniform(min(tall, 0.5 * height), max(height - tall, 0.5 * height))
        reach = np.zeros(3)
        reach[along] = wide
        reach[1 - along] = 0.02
        reach[2] = tall
        panels.append(
            Box(to_floats(middle - reach), to_floats(middle + reach), _wall_material(rng))
        )
    return panels


def _ceiling_lights(
    half: NDArray[np.float64], height: float, rng: np.random.Generator
) -> tuple[AreaLight, ...]:
    lamps = []
    for _ in range(rng.integers(1, 4)):
        x, y = rng.uniform(-0.7, 0.7, 2) * half
        power = rng.uniform(20, 80) * height**2 / 6
        lamps.append(
            AreaLight(
                to_floats((x, y, height - 0.05)),
                to_floats((x + rng.normal(0, 0.5), y + rng.normal(0, 0.5), 0)),
                float(rng.uniform(0.2, 1.5)),
                float(rng.uniform(2500, 9000)),
                float(power),
            )
        )
    return tuple(lamps)


def _sun_strength(indoors: bool, rng: np.random.Generator) -> float:
    return 0.0 if indoors or rng.random() < 0.4 else float(rng.uniform(1, 4))


def _wall_material(rng: np.random.Generator, finer: float = 1.0) -> MaterialParams:
    """A drawn material, paler than those of objects, with up to ``finer`` squared times as many periods."""
    look, other = sample_materials(rng, Randomization(materials=1.0), 2)
    if look.texture == "none":  # of what is plain there is little in a room
        look = other
    gray = rng.uniform(0, 1)
    colors = tuple(
        to_floats(np.array(one) + gray * (np.mean(one) - np.array(one))) for one in look.colours
    )
    return replace(
        look,
        colours=colors,
        metallic=0.0,
        frequency=look.frequency * float(finer ** rng.uniform(0, 2)),
    )
