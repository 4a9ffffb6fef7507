"""What stands outside: tents, wells and bridges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..parts import Look, Part, any_look, dark, metal, paint, part, wood
from ..primitives import box, cylinder, lathe, moved, tube, turned
from ..solids import along, annulus, bar, circle, extruded

Rng = np.random.Generator
Points = NDArray[np.floating]


def tent(rng: Rng) -> list[Part]:
    """Make a ridge tent, a pyramid, a tepee or a round tent, its entrance towards -Y."""
    width = rng.uniform(0.6, 1.1)
    depth = rng.uniform(0.6, 1.3)
    height = rng.uniform(0.45, 1.0)
    cloth = (paint, any_look)[rng.integers(0, 2)](rng)
    pole_look = (wood, metal)[rng.integers(0, 2)](rng)
    opening = rng.uniform(0.25, 0.6)
    kind = int(rng.integers(0, 3))
    tips: tuple[tuple[float, float, float], ...]
    if kind == 0:
        parts = _ridge_tent(rng, (width, depth, height), width * opening, cloth)
        tips = ((0, -depth / 2, height), (0, depth / 2, height))
    else:
        sides = 4 if kind == 1 else int(rng.integers(6, 25))
        parts = _pointed_tent(rng, (width, height), sides, width * opening, cloth)
        tips = ((0, 0, height + 0.2),)

    # Poles stick out at the top; ropes run to pegs in the ground.
    out = rng.uniform(0.03, 0.15)
    thick = rng.uniform(0.012, 0.025)
    rope = rng.uniform(0.15, 0.4)
    for x, y, z in tips:
        parts.append(part("pole", bar((x, y, 0), (x, y, z + out), thick), pole_look))
    if rng.random() < 0.6:
        for x in (-1, 1):
            for y in (-1, 1):
                peg = (x * (width / 2 + rope), y * depth * 0.45, 0)
                fixed = (x * width * 0.28, y * depth * 0.3, height * 0.45)
                parts.append(part("rope", bar(fixed, peg, 0.008, 6), pole_look))
                parts.append(part("peg", cylinder(0.015, 0.08, peg, sides=8), pole_look))
    if rng.random() < 0.3:
        flag = box((0.18, 0.015, 0.1), (0.09, tips[0][1], tips[0][2] + out))
        parts.append(part("flag", flag, paint(rng)))
    return parts


def _ridge_tent(
    rng: Rng, size: tuple[float, float, float], opening: float, cloth: Look
) -> list[Part]:
    """Make a tent whose ridge runs along y, with a dark entrance in its gable."""
    width, depth, height = size
    ridge = width * rng.uniform(0.0, 0.25) / 2
    gable = np.array(
        ((-width / 2, 0), (width / 2, 0), (ridge + 0.002, height), (-ridge - 0.002, height))
    )
    body = turned(extruded(gable, depth), "x", 90)

    front = np.array(((-opening / 2, 0), (opening / 2, 0), (0, height * 0.85)))
    entrance = moved(turned(extruded(front, 0.04), "x", 90), (0, -depth / 2, 0.005))
    return [part("cloth", body, cloth), part("entrance", entrance, dark(rng))]


def _pointed_tent(
    rng: Rng, size: tuple[float, float], sides: int, opening: float, cloth: Look
) -> list[Part]:
    """Make a tent that rises from a wall to one point."""
    width, height = size
    radius = width / 2
    wall = rng.uniform(0.05, 0.5) * height
    eaves = radius * rng.uniform(0.85, 1.15)
    tip = radius * rng.uniform(0.02, 0.12)
    body = lathe([(radius, 0), (eaves, wall), (tip, height + 0.2)], sides)
    parts = [part("cloth", turned(body, "z", 180 / sides), cloth)]

    door_height = max(wall, 0.25)
    front = radius * np.cos(np.pi / sides)
    door = box((opening, 0.08, door_height), (0, -front, door_height / 2))
    return [*parts, part("entrance", door, dark(rng))]


def well(rng: Rng) -> list[Part]:
    """Make a well: a round or square wall, posts with a windlass, a roof, a bucket."""
    sides = int(rng.choice((4, 6, 8, 28)))
    radius = rng.uniform(0.3, 0.45)
    height = rng.uniform(0.25, 0.5)
    wall = rng.uniform(0.05, 0.12)
    stone = any_look(rng)
    beam_look = (wood, any_look)[rng.integers(0, 2)](rng)
    phase = np.pi / sides
    ring = annulus(circle(radius, sides, phase), circle(radius - wall, sides, phase), height)
    parts = [part("wall", moved(ring, (0, 0, height / 2)), stone)]
    water = cylinder(
        (radius - wall / 2) * np.cos(phase), 0.05, (0, 0, height * rng.uniform(0.2, 0.6)), sides=24
    )
    parts.append(part("water", water, paint(rng)))
    if rng.random() < 0.6:
        lip = annulus(circle(radius * 1.1, sides, phase), circle(radius - wall, sides, phase), 0.06)
        parts.append(part("rim", moved(lip, (0, 0, height)), any_look(rng)))

    # Two posts carry the windlass, and most often a roof.
    post = rng.uniform(0.025, 0.05)
    top = height + rng.uniform(0.4, 0.8)
    reach = (radius - wall / 2) * np.cos(phase)
    for side in (-1, 1):
        parts.append(
            part("post", box((2 * post, 2 * post, top), (side * reach, 0, top / 2)), beam_look)
        )
    level = height + (top - height) * rng.uniform(0.4, 0.7)
    drum = along(cylinder(rng.uniform(0.03, 0.07), 2 * reach, sides=16), "x")
    parts.append(part("windlass", moved(drum, (0, 0, level)), beam_look))
    crank = np.array(
        ((reach, 0, level), (reach + 0.12, 0, level), (reach + 0.12, -0.12, level - 0.1))
    )
    parts.append(part("crank", tube(crank, 0.016, 8), metal(rng)))
    parts += _well_bucket(rng, level, height)
    if rng.random() < 0.8:
        parts += _saddle_roof(rng, reach, top, beam_look)
    return parts


def _well_bucket(rng: Rng, level: float, low: float) -> list[Part]:
    """Make the bucket on its rope."""
    bottom = low + (level - low) * rng.uniform(0.1, 0.5)
    size = rng.uniform(0.06, 0.1)
    profile = [(size * 0.8, 0), (size, size * 2), (size * 0.85, size * 2), (size * 0.7, 0.02)]
    rope = bar((0, -0.03, bottom), (0, -0.03, level), 0.01, 6)
    bucket = moved(lathe(profile, 16), (0, -0.03, bottom - size))
    return [part("rope", rope, wood(rng)), part("bucket", bucket, any_look(rng))]


def _saddle_roof(rng: Rng, reach: float, top: float, look: Look) -> list[Part]:
    """Make two slopes that meet in a ridge along x."""
    pitch = rng.uniform(20, 50)
    run = rng.uniform(0.3, 0.55)
    over = rng.uniform(1.1, 1.5)
    tiles = any_look(rng)
    parts = []
    for side in (-1, 1):
        slope = box((2 * reach * over, run, 0.035), (0, side * run / 2, 0))
        parts.append(
            part("roof", moved(turned(slope, "x", -side * pitch), (0, 0, top + 0.1)), tiles)
        )
    ridge = box((2 * reach * over * 1.02, 0.05, 0.05), (0, 0, top + 0.1))
    return [*parts, part("ridge", ridge, look)]


def bridge(rng: Rng) -> list[Part]:
    """Make an arched or a level bridge along x, with railings and sometimes piers."""
    length = rng.uniform(1.2, 2.0)
    width = rng.uniform(0.35, 0.7)
    rise = rng.uniform(0.0, 0.35)
    thickness = rng.uniform(0.04, 0.1)
    look = any_look(rng)
    rail_look = look if rng.random() < 0.5 else any_look(rng)
    is_stone = rng.random() < 0.4
    levels = np.linspace(-0.5, 0.5, 25)
    deck = np.c_[levels * length, rise * (1 - (2 * levels) ** 2)]
    parts = []

    if is_stone:
        span = rng.uniform(0.5, 0.8)
        ground = rng.uniform(0.2, 0.45)
        arch = _stone_arch(deck, length * span / 2, thickness, ground)
        parts.append(part("arch", turned(extruded(arch, width), "x", 90), look))
    else:
        planks = int(rng.integers(8, 19))
        board = length / planks * rng.uniform(0.7, 0.96)
        for share in (np.arange(planks) + 0.5) / planks - 0.5:
            z = rise * (1 - (2 * share) ** 2)
            tilt = float(np.degrees(np.arctan(8 * rise * share / length)))
            mesh = turned(box((board, width, thickness)), "y", tilt)
            parts.append(part("plank", moved(mesh, (share * length, 0, z)), look))
        beam = thickness * rng.uniform(0.4, 0.9)
        for y in (-0.42, 0.42):
            path = np.c_[deck[:, 0], np.full(25, y * width), deck[:, 1] - thickness * 0.7]
            parts.append(part("beam", tube(path, beam, 6), rail_look))

    if rng.random() < 0.85:
        parts += _railings(rng, deck, width, rail_look)
    if rng.random() < 0.4 and not is_stone:
        depth = rng.uniform(0.2, 0.5)
        for share in (-0.3, 0.3):
            z = rise * (1 - (2 * share) ** 2)
            pier = box((0.1, width * 0.9, depth + z), (share * length, 0, (z - depth) / 2))
            parts.append(part("pier", pier, any_look(rng)))
    return parts


def _stone_arch(deck: Points, half_span: float, thickness: float, depth: float) -> Points:
    """Return the outline (P, 2; x, z) from ``deck`` down to z = -depth, with an arch below."""
    turn = np.linspace(0, np.pi, 17)
    crown = float(np.interp(0, deck[:, 0], deck[:, 1])) - thickness + depth
    under = np.c_[half_span * np.cos(turn), 0.85 * crown * np.sin(turn) - depth]
    right = np.array(((deck[-1, 0], -depth),))
    left = np.array(((deck[0, 0], -depth),))
    return np.concatenate((deck, right, under, left))[::-1]


def _railings(rng: Rng, deck: Points, width: float, look: Look) -> list[Part]:
    """Make a rail and posts along both sides of ``deck`` (P, 2; x, z)."""
    height = rng.uniform(0.15, 0.32)
    thick = rng.uniform(0.014, 0.03)
    count = int(rng.integers(3, 9))
    is_double = rng.random() < 0.4
    parts = []
    for side in (-1, 1):
        y = side * width * 0.46
        for share in (0.5, 1.0) if is_double else (1.0,):
            path = np.c_[deck[:, 0], np.full(len(deck), y), deck[:, 1] + share * height]
            parts.append(part("rail", tube(path, thick, 8), look))
        for x in np.linspace(deck[0, 0], deck[-1, 0], count) * 0.97:
            z = float(np.interp(x, deck[:, 0], deck[:, 1]))
            size = (2.6 * thick, 2.6 * thick, height * 1.15)
            parts.append(part("post", box(size, (x, y, z + height * 0.5)), look))
    return parts


FAMILIES = {
    "bridge": bridge,
    "tent": tent,
    "well": well,
}
