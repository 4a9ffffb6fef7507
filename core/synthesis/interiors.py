"""Furnished rooms and yards as plain values.

``core.scene.datagen.interiors`` renders them as light domes.

The domes light objects that a network learns from. They are to be as varied in their light as
photographed environments, and free to distribute, so that they are made of our procedural objects.
Measures are those of homes; chances are choices for variety, without a source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .randomization import AreaLight, MaterialParams, Randomization
from .samplers import sample_materials, to_floats

EYE = 1.4  # meters above the floor from where a room is seen: between sitting and standing

_CLEARANCE = 0.9  # meters around the eye that stay free, so that nothing fills half of the dome
_FIRST_SEED = 1_000_000  # of furnishings: no training set's objects are among them
_SEEDS = 1_000_000
_PLACE_TRIES = 12  # for a free place; a room in which none is found is full

# Rooms, meters. Half sides make 16 to 81 m2, heights are those of homes; yards are wider.
_ROOM_SHARE = 0.67  # most photographs of objects are taken indoors
_ROOM_HALF_SIDE = (2.0, 4.5)
_YARD_HALF_SIDE = (3.0, 7.0)
_HEIGHT = (2.4, 3.6)
_THICKNESS = 0.1  # of walls, floor and ceiling
_YARD_GROUND = 5.0  # times as wide as the walls are apart

# Chances that a part of the shell is there. Missing ones let the sky in, as large windows would.
_WALL_CHANCE = 0.88
_YARD_WALL_CHANCE = 0.2
_CEILING_CHANCE = 0.85
_SAME_WALL_CHANCE = 0.7  # that a wall has the material of the others

# Furnishings: from a vase to a wardrobe, meters, as many small as large ones by the logarithm.
_FURNISHINGS = (15, 60)  # tries; fewer find a place
_FURNISHING_SIZE = (0.2, 1.8)
_PLINTH_BELOW = 0.6  # meters: smaller furnishings may be on a plinth, in place of a table
_PLINTH_CHANCE = 0.5
_PLINTH_HEIGHT = (0.3, 0.9)
_PLINTH_HALF_WIDTH = 0.6  # of the size of what is on it

# Panels on the walls, meters: half sides, from pictures to doors.
_MAX_PANELS = 8
_PANEL_HALF_WIDTH = (0.2, 0.7)
_PANEL_HALF_HEIGHT = (0.2, 1.0)
_PANEL_DEPTH = 0.02
_PANEL_OFFSET = 0.01  # its center before the wall, so that the surfaces do not coincide

# Lights. The power grows with the squared height of the room, as the irradiance below falls, so
# that floors are about equally bright; the lowest room has the stated power.
_MAX_CEILING_LIGHTS = 3
_CEILING_LIGHT_REACH = 0.7  # of the half side, so that none is in a wall
_CEILING_LIGHT_DROP = 0.05  # meters below the ceiling
_CEILING_LIGHT_POWER = (20, 80)  # W, in Blender's unit, at a height of 2.45 m
_SQUARED_HEIGHT = 6  # m2, of that height
_CEILING_LIGHT_SIZE = (0.2, 1.5)  # meters
_CEILING_LIGHT_TILT = 0.5  # meters, standard deviation of the aim on the floor
_TEMPERATURE = (2500, 9000)  # kelvin, from light bulbs to shade

_OVERCAST_CHANCE = 0.4  # of yards without a sun
_SUN_IRRADIANCE = (1, 4)  # W/m2, in the unit of Blender's suns

_FLOOR_FINENESS = 4.0  # floors have the finest patterns: boards, tiles, carpets
_WALL_FINENESS = 2.0


@dataclass(frozen=True)
class Box:
    """A floor, wall, plinth or panel.

    Args:
        low: (3,) lowest corner, meters.
        high: (3,) highest corner, meters.
        look: its material.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    look: MaterialParams


@dataclass(frozen=True)
class Furnishing:
    """A procedural object in a room.

    Args:
        family: of ``procedural.FAMILIES``.
        seed: of the object.
        size: its longest side, meters.
        turn: about Z, radians.
        foot: (3,) the middle of the area that it is placed on, meters.
    """

    family: str
    seed: int
    size: float
    turn: float
    foot: tuple[float, ...]


@dataclass(frozen=True)
class Interior:
    """A room or yard, seen from ``EYE`` above the origin, Z up.

    Args:
        boxes: shell, panels and plinths.
        things: its furnishings.
        lamps: under the ceiling; none outdoors.
        sun: irradiance, W/m2; 0 indoors.
    """

    boxes: tuple[Box, ...]
    things: tuple[Furnishing, ...]
    lamps: tuple[AreaLight, ...]
    sun: float


def sample_interior(families: Sequence[str], rng: np.random.Generator) -> Interior:
    """Return a room, in two of three cases, or a yard with few walls.

    A room may lack a wall or the ceiling.

    Args:
        families: of the furnishings.
        rng: draws all of it.
    """
    indoors = rng.random() < _ROOM_SHARE
    least, greatest = _ROOM_HALF_SIDE if indoors else _YARD_HALF_SIDE
    half = rng.uniform(least, greatest, 2)
    height = rng.uniform(*_HEIGHT)

    boxes = _room_shell(half, height, indoors, rng)
    if indoors:
        boxes += _wall_panels(half, height, rng)

    # Furnish: large and small, where there is room, small ones on plinths.
    log_smallest, log_largest = (np.log(size) for size in _FURNISHING_SIZE)
    furnishings: list[Furnishing] = []
    occupied = [(0.0, 0.0, _CLEARANCE)]

    for _ in range(rng.integers(*_FURNISHINGS)):
        size = float(np.exp(rng.uniform(log_smallest, log_largest)))
        place = _free_place(size / 2, half, occupied, rng)
        if not place:
            continue

        x, y = place
        occupied.append((x, y, size / 2))
        plinth = _sample_plinth(x, y, size, rng)
        plinth_height = 0.0
        if plinth:
            boxes.append(plinth)
            plinth_height = plinth.high[2]

        family = families[rng.integers(len(families))]
        furnishings.append(
            Furnishing(
                family=family,
                seed=_FIRST_SEED + int(rng.integers(_SEEDS)),
                size=size,
                turn=float(rng.uniform(0, 2 * np.pi)),
                foot=to_floats((x, y, plinth_height)),
            )
        )

    lamps = _ceiling_lights(half, height, rng) if indoors else ()
    sun = _sun_strength(indoors, rng)
    return Interior(boxes=tuple(boxes), things=tuple(furnishings), lamps=lamps, sun=sun)


def _free_place(
    radius: float,
    half: NDArray[np.float64],
    occupied: Sequence[tuple[float, float, float]],
    rng: np.random.Generator,
) -> tuple[float, float] | None:
    """Return where a furnishing touches no other one, None if no place was found.

    Args:
        radius: of the furnishing, meters.
        half: (2,) half sides of the room, meters.
        occupied: circles (x, y, radius) of what is in it, meters.
        rng: draws the places.
    """
    reach = (half - radius).clip(0.1)
    for _ in range(_PLACE_TRIES):
        x, y = rng.uniform(-reach, reach)
        is_free = True
        for other_x, other_y, other_radius in occupied:
            if np.hypot(x - other_x, y - other_y) <= radius + other_radius:
                is_free = False
                break
        if is_free:
            return float(x), float(y)

    return None


def _sample_plinth(x: float, y: float, size: float, rng: np.random.Generator) -> Box | None:
    """Return a plinth under a furnishing of ``size`` at (x, y), meters; None for most."""
    if size >= _PLINTH_BELOW or rng.random() >= _PLINTH_CHANCE:
        return None

    height = rng.uniform(*_PLINTH_HEIGHT)
    half_width = _PLINTH_HALF_WIDTH * size
    low = to_floats((x - half_width, y - half_width, 0))
    high = to_floats((x + half_width, y + half_width, height))

    return Box(low, high, _wall_material(rng))


def _room_shell(
    half: NDArray[np.float64], height: float, indoors: bool, rng: np.random.Generator
) -> list[Box]:
    """Return the floor and those walls and the ceiling that are there.

    The ground of a yard goes on behind its walls.

    Args:
        half: (2,) half sides, meters.
        height: of walls, meters.
        indoors: room or yard.
        rng: draws which walls there are, and materials.
    """
    x, y = half
    extent = 1.0 if indoors else _YARD_GROUND
    floor_low = to_floats((-extent * x, -extent * y, -_THICKNESS))
    floor_high = to_floats((extent * x, extent * y, 0))
    shell = [Box(floor_low, floor_high, _wall_material(rng, _FLOOR_FINENESS))]

    # Left, right, front, back.
    walls = [
        ((-x - _THICKNESS, -y, 0), (-x, y, height)),
        ((x, -y, 0), (x + _THICKNESS, y, height)),
        ((-x, -y - _THICKNESS, 0), (x, -y, height)),
        ((-x, y, 0), (x, y + _THICKNESS, height)),
    ]
    common_look = _wall_material(rng, _WALL_FINENESS)
    wall_chance = _WALL_CHANCE if indoors else _YARD_WALL_CHANCE

    for low, high in walls:
        if rng.random() >= wall_chance:
            continue
        look = common_look
        if rng.random() >= _SAME_WALL_CHANCE:
            look = _wall_material(rng, _WALL_FINENESS)
        shell.append(Box(to_floats(low), to_floats(high), look))

    if indoors and rng.random() < _CEILING_CHANCE:
        ceiling_low = to_floats((-x, -y, height))
        ceiling_high = to_floats((x, y, height + _THICKNESS))
        shell.append(Box(ceiling_low, ceiling_high, _wall_material(rng)))

    return shell


def _wall_panels(half: NDArray[np.float64], height: float, rng: np.random.Generator) -> list[Box]:
    """Return flat panels on the walls, such as pictures and doors.

    Args:
        half: (2,) half sides of the room, meters.
        height: of the room, meters.
        rng: draws the panels.
    """
    panels = []
    for _ in range(rng.integers(0, _MAX_PANELS + 1)):
        half_width = rng.uniform(*_PANEL_HALF_WIDTH)
        half_height = rng.uniform(*_PANEL_HALF_HEIGHT)
        along = int(rng.integers(2))  # the axis along which its wall runs
        side = rng.choice((-1.0, 1.0))

        # Anywhere along the wall, not reaching through floor or ceiling.
        center = np.zeros(3)
        center[along] = rng.uniform(-1, 1) * max(half[along] - half_width, 0.1)
        center[1 - along] = side * (half[1 - along] - _PANEL_OFFSET)
        lowest = min(half_height, 0.5 * height)
        highest = max(height - half_height, 0.5 * height)
        center[2] = rng.uniform(lowest, highest)

        reach = np.zeros(3)
        reach[along] = half_width
        reach[1 - along] = _PANEL_DEPTH
        reach[2] = half_height
        low = to_floats(center - reach)
        high = to_floats(center + reach)
        panels.append(Box(low, high, _wall_material(rng)))

    return panels


def _ceiling_lights(
    half: NDArray[np.float64], height: float, rng: np.random.Generator
) -> tuple[AreaLight, ...]:
    """Return area lamps under the ceiling that face about down."""
    lamps = []
    for _ in range(rng.integers(1, _MAX_CEILING_LIGHTS + 1)):
        x, y = rng.uniform(-_CEILING_LIGHT_REACH, _CEILING_LIGHT_REACH, 2) * half
        power = rng.uniform(*_CEILING_LIGHT_POWER) * height**2 / _SQUARED_HEIGHT
        target_x = x + rng.normal(0, _CEILING_LIGHT_TILT)
        target_y = y + rng.normal(0, _CEILING_LIGHT_TILT)
        lamps.append(
            AreaLight(
                place=to_floats((x, y, height - _CEILING_LIGHT_DROP)),
                target=to_floats((target_x, target_y, 0)),
                size=float(rng.uniform(*_CEILING_LIGHT_SIZE)),
                temperature=float(rng.uniform(*_TEMPERATURE)),
                power=float(power),
            )
        )

    return tuple(lamps)


def _sun_strength(indoors: bool, rng: np.random.Generator) -> float:
    """Return the irradiance of the sun, W/m2; 0 indoors and under an overcast sky."""
    if indoors or rng.random() < _OVERCAST_CHANCE:
        return 0.0
    return float(rng.uniform(*_SUN_IRRADIANCE))


def _wall_material(rng: np.random.Generator, fineness: float = 1.0) -> MaterialParams:
    """Return a random material, paler than those of objects and not metallic.

    Args:
        rng: draws the material.
        fineness: its texture has up to its square times as many periods.
    """
    # Of two candidates the textured one: little in a room is plain.
    look, alternative = sample_materials(rng, Randomization(materials=1.0), 2)
    if look.texture == "none":
        look = alternative

    grayness = rng.uniform(0, 1)
    first, second = (_mix_with_gray(color, grayness) for color in look.colours)
    frequency = look.frequency * float(fineness ** rng.uniform(0, 2))
    return replace(look, colours=(first, second), metallic=0.0, frequency=frequency)


def _mix_with_gray(color: Sequence[float], share: float) -> tuple[float, ...]:
    """Return ``color`` (3,) with a ``share`` of it replaced by its mean."""
    channels = np.array(color)
    return to_floats(channels + share * (np.mean(color) - channels))
