"""Tents, wells and bridges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..parts import (
    Part,
    PartMaterial,
    any_material,
    dark_material,
    make_part,
    metal_material,
    paint_material,
    wood_material,
)
from ..primitives import (
    lathe_solid,
    make_box,
    make_cylinder,
    make_tube,
    rotate_mesh,
    translate_mesh,
)
from ..solids import align_to_axis, annulus_plate, circle_outline, extrude_outline, make_bar

Rng = np.random.Generator
Points = NDArray[np.floating[Any]]


def tent(rng: Rng) -> list[Part]:
    """Make a ridge tent, a pyramid, a tepee or a round tent, its entrance towards -Y."""
    width = rng.uniform(0.6, 1.1)
    depth = rng.uniform(0.6, 1.3)
    height = rng.uniform(0.45, 1.0)
    cloth = (paint_material, any_material)[rng.integers(0, 2)](rng)
    pole_look = (wood_material, metal_material)[rng.integers(0, 2)](rng)
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
        parts.append(make_part("pole", make_bar((x, y, 0), (x, y, z + out), thick), pole_look))

    if rng.random() < 0.6:
        for x in (-1, 1):
            for y in (-1, 1):
                peg = (x * (width / 2 + rope), y * depth * 0.45, 0)
                fixed = (x * width * 0.28, y * depth * 0.3, height * 0.45)
                parts.append(make_part("rope", make_bar(fixed, peg, 0.008, 6), pole_look))
                parts.append(make_part("peg", make_cylinder(0.015, 0.08, peg, sides=8), pole_look))
    if rng.random() < 0.3:
        flag = make_box((0.18, 0.015, 0.1), (0.09, tips[0][1], tips[0][2] + out))
        parts.append(make_part("flag", flag, paint_material(rng)))
    return parts


def _ridge_tent(
    rng: Rng, size: tuple[float, float, float], opening: float, cloth: PartMaterial
) -> list[Part]:
    """Make a tent whose ridge runs along y, with a dark entrance in its gable."""
    width, depth, height = size
    ridge = width * rng.uniform(0.0, 0.25) / 2
    gable = np.array(
        ((-width / 2, 0), (width / 2, 0), (ridge + 0.002, height), (-ridge - 0.002, height))
    )
    body = rotate_mesh(extrude_outline(gable, depth), "x", 90)

    # The entrance is a dark triangle a little in front of the gable.
    front = np.array(((-opening / 2, 0), (opening / 2, 0), (0, height * 0.85)))
    flap = rotate_mesh(extrude_outline(front, 0.04), "x", 90)
    entrance = translate_mesh(flap, (0, -depth / 2, 0.005))
    return [make_part("cloth", body, cloth), make_part("entrance", entrance, dark_material(rng))]


def _pointed_tent(
    rng: Rng, size: tuple[float, float], sides: int, opening: float, cloth: PartMaterial
) -> list[Part]:
    """Make a tent that rises from a wall to one point."""
    width, height = size
    radius = width / 2
    wall = rng.uniform(0.05, 0.5) * height
    eaves = radius * rng.uniform(0.85, 1.15)
    tip = radius * rng.uniform(0.02, 0.12)
    profile = [(radius, 0), (eaves, wall), (tip, height + 0.2)]
    body = lathe_solid(profile, sides)

    # Half a side's turn puts a flat side, with the door, in front.
    parts = [make_part("cloth", rotate_mesh(body, "z", 180 / sides), cloth)]

    door_height = max(wall, 0.25)
    front = radius * np.cos(np.pi / sides)
    door = make_box((opening, 0.08, door_height), (0, -front, door_height / 2))
    return [*parts, make_part("entrance", door, dark_material(rng))]


def well(rng: Rng) -> list[Part]:
    """Make a well: a round or square wall, posts with a windlass, a roof, a bucket."""
    sides = int(rng.choice((4, 6, 8, 28)))
    radius = rng.uniform(0.3, 0.45)
    height = rng.uniform(0.25, 0.5)
    wall = rng.uniform(0.05, 0.12)
    stone = any_material(rng)
    beam_look = (wood_material, any_material)[rng.integers(0, 2)](rng)

    # The wall is a ring; a flat side of it is in front.
    phase = np.pi / sides
    ring = annulus_plate(
        circle_outline(radius, sides, phase), circle_outline(radius - wall, sides, phase), height
    )
    parts = [make_part("wall", translate_mesh(ring, (0, 0, height / 2)), stone)]
    water = make_cylinder(
        (radius - wall / 2) * np.cos(phase), 0.05, (0, 0, height * rng.uniform(0.2, 0.6)), sides=24
    )
    parts.append(make_part("water", water, paint_material(rng)))

    if rng.random() < 0.6:
        lip = annulus_plate(
            circle_outline(radius * 1.1, sides, phase),
            circle_outline(radius - wall, sides, phase),
            0.06,
        )
        parts.append(make_part("rim", translate_mesh(lip, (0, 0, height)), any_material(rng)))

    # Two posts carry the windlass, and most often a roof.
    post = rng.uniform(0.025, 0.05)
    top = height + rng.uniform(0.4, 0.8)
    reach = (radius - wall / 2) * np.cos(phase)

    for side in (-1, 1):
        parts.append(
            make_part(
                "post", make_box((2 * post, 2 * post, top), (side * reach, 0, top / 2)), beam_look
            )
        )

    level = height + (top - height) * rng.uniform(0.4, 0.7)
    drum = align_to_axis(make_cylinder(rng.uniform(0.03, 0.07), 2 * reach, sides=16), "x")
    parts.append(make_part("windlass", translate_mesh(drum, (0, 0, level)), beam_look))
    crank = np.array(
        ((reach, 0, level), (reach + 0.12, 0, level), (reach + 0.12, -0.12, level - 0.1))
    )
    parts.append(make_part("crank", make_tube(crank, 0.016, 8), metal_material(rng)))
    parts += _well_bucket(rng, level, height)
    if rng.random() < 0.8:
        parts += _saddle_roof(rng, reach, top, beam_look)
    return parts


def _well_bucket(rng: Rng, level: float, low: float) -> list[Part]:
    """Make the bucket on its rope."""
    # It hangs somewhere between the wall and the windlass.
    bottom = low + (level - low) * rng.uniform(0.1, 0.5)
    size = rng.uniform(0.06, 0.1)
    profile = [(size * 0.8, 0), (size, size * 2), (size * 0.85, size * 2), (size * 0.7, 0.02)]
    rope = make_bar((0, -0.03, bottom), (0, -0.03, level), 0.01, 6)
    bucket = translate_mesh(lathe_solid(profile, 16), (0, -0.03, bottom - size))

    return [
        make_part("rope", rope, wood_material(rng)),
        make_part("bucket", bucket, any_material(rng)),
    ]


def _saddle_roof(rng: Rng, reach: float, top: float, look: PartMaterial) -> list[Part]:
    """Make two slopes that meet in a ridge along x."""
    pitch = rng.uniform(20, 50)
    run = rng.uniform(0.3, 0.55)
    over = rng.uniform(1.1, 1.5)
    tiles = any_material(rng)
    parts = []

    for side in (-1, 1):
        slope = make_box((2 * reach * over, run, 0.035), (0, side * run / 2, 0))
        parts.append(
            make_part(
                "roof",
                translate_mesh(rotate_mesh(slope, "x", -side * pitch), (0, 0, top + 0.1)),
                tiles,
            )
        )

    ridge = make_box((2 * reach * over * 1.02, 0.05, 0.05), (0, 0, top + 0.1))
    return [*parts, make_part("ridge", ridge, look)]


def bridge(rng: Rng) -> list[Part]:
    """Make an arched or a level bridge along x, with railings and sometimes piers."""
    length = rng.uniform(1.2, 2.0)
    width = rng.uniform(0.35, 0.7)
    rise = rng.uniform(0.0, 0.35)
    thickness = rng.uniform(0.04, 0.1)
    look = any_material(rng)
    rail_look = look if rng.random() < 0.5 else any_material(rng)
    is_stone = rng.random() < 0.4
    levels = np.linspace(-0.5, 0.5, 25)
    deck = np.c_[levels * length, rise * (1 - (2 * levels) ** 2)]
    parts = []

    # A bridge of stone is solid above its arch; one of wood is planks on two beams.
    if is_stone:
        span = rng.uniform(0.5, 0.8)
        ground = rng.uniform(0.2, 0.45)
        arch = _stone_arch(deck, length * span / 2, thickness, ground)
        parts.append(make_part("arch", rotate_mesh(extrude_outline(arch, width), "x", 90), look))
    else:
        planks = int(rng.integers(8, 19))
        board = length / planks * rng.uniform(0.7, 0.96)
        for share in (np.arange(planks) + 0.5) / planks - 0.5:
            z = rise * (1 - (2 * share) ** 2)
            tilt = float(np.degrees(np.arctan(8 * rise * share / length)))
            mesh = rotate_mesh(make_box((board, width, thickness)), "y", tilt)
            parts.append(make_part("plank", translate_mesh(mesh, (share * length, 0, z)), look))
        beam = thickness * rng.uniform(0.4, 0.9)
        for y in (-0.42, 0.42):
            path = np.c_[deck[:, 0], np.full(25, y * width), deck[:, 1] - thickness * 0.7]
            parts.append(make_part("beam", make_tube(path, beam, 6), rail_look))

    # Railings, and piers below a level bridge.
    if rng.random() < 0.85:
        parts += _railings(rng, deck, width, rail_look)
    if rng.random() < 0.4 and not is_stone:
        depth = rng.uniform(0.2, 0.5)
        for share in (-0.3, 0.3):
            z = rise * (1 - (2 * share) ** 2)
            pier = make_box((0.1, width * 0.9, depth + z), (share * length, 0, (z - depth) / 2))
            parts.append(make_part("pier", pier, any_material(rng)))

    return parts


def _stone_arch(deck: Points, half_span: float, thickness: float, depth: float) -> Points:
    """Return the outline (P, 2; x, z) from ``deck`` down to z = -depth, with an arch below."""
    # The arch is half an ellipse, lower than the deck in the middle.
    turn = np.linspace(0, np.pi, 17)
    deck_x, deck_z = deck.T
    crown = float(np.interp(0, deck_x, deck_z)) - thickness + depth
    arch_x = half_span * np.cos(turn)
    arch_z = 0.85 * crown * np.sin(turn) - depth
    under = np.c_[arch_x, arch_z]

    # Go around: along the deck, down, under the arch and up again.
    right = np.array(((deck[-1, 0], -depth),))
    left = np.array(((deck[0, 0], -depth),))
    outline: Points = np.concatenate((deck, right, under, left))[::-1]
    return outline


def _railings(rng: Rng, deck: Points, width: float, look: PartMaterial) -> list[Part]:
    """Make a rail and posts along both sides of ``deck`` (P, 2; x, z)."""
    height = rng.uniform(0.15, 0.32)
    thick = rng.uniform(0.014, 0.03)
    count = int(rng.integers(3, 9))
    is_double = rng.random() < 0.4
    rail_levels = (0.5, 1.0) if is_double else (1.0,)
    parts = []

    for side in (-1, 1):
        y = side * width * 0.46

        # Rails follow the deck at a constant height.
        for share in rail_levels:
            rail_z = deck[:, 1] + share * height
            path = np.c_[deck[:, 0], np.full(len(deck), y), rail_z]
            parts.append(make_part("rail", make_tube(path, thick, 8), look))

        # Posts reach a little into the deck and above the rail.
        for x in np.linspace(deck[0, 0], deck[-1, 0], count) * 0.97:
            z = float(np.interp(x, deck[:, 0], deck[:, 1]))
            size = (2.6 * thick, 2.6 * thick, height * 1.15)
            parts.append(make_part("post", make_box(size, (x, y, z + height * 0.5)), look))

    return parts


FAMILIES = {
    "bridge": bridge,
    "tent": tent,
    "well": well,
}
