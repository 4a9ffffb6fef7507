"""Jars and cooking pots."""

from __future__ import annotations

import numpy as np

from ..parts import (
    Part,
    PartMaterial,
    any_material,
    dark_material,
    make_part,
    metal_material,
    wood_material,
)
from ..primitives import (
    lathe_solid,
    make_cylinder,
    make_ellipsoid,
    make_torus,
    make_tube,
    rotate_mesh,
    smooth_curve,
    translate_mesh,
)

Rng = np.random.Generator
Profile = list[tuple[float, float]]


def jar(rng: Rng) -> list[Part]:
    """Make a jar, urn or amphora with a lid, a cork or an open mouth."""
    height = rng.uniform(0.6, 1.1)
    belly = rng.uniform(0.25, 0.45)
    foot = belly * rng.uniform(0.4, 1.0)
    shoulder = rng.uniform(0.45, 0.8)
    neck = belly * rng.uniform(0.45, 0.95)
    lip = neck * rng.uniform(1.0, 1.3)
    wall = rng.uniform(0.02, 0.04)
    sides = int(rng.choice((6, 8, 12, 36, 36)))
    look = any_material(rng)

    # The profile is a smooth curve from foot to mouth; the inside follows it, a wall thinner.
    points = smooth_curve(
        (foot, 0, 0),
        (belly * 0.95, 0, height * shoulder * 0.45),
        (belly, 0, height * shoulder * 0.8),
        (neck, 0, height * 0.92),
        steps=6,
    )
    outside = [(float(r), float(z)) for r, _, z in points]
    outside.append((lip, height))
    closure = int(rng.integers(0, 4))
    inside = [(max(r - wall, 0.02), max(z, wall)) for r, z in reversed(outside)]
    parts = [make_part("body", lathe_solid([*outside, *inside], sides), look)]

    # What closes it: nothing, a flat lid, a dome with a knob, or a cork.
    tall = rng.uniform(0.04, 0.16)
    second = any_material(rng)
    if closure == 1:
        parts.append(
            make_part("lid", make_cylinder(lip * 1.06, tall, (0, 0, height), sides=sides), second)
        )
    elif closure == 2:
        dome = lathe_solid(
            [(lip * 1.05, 0), (lip, 0.02), (lip * 0.6, tall), (0.02, tall * 1.3)], sides
        )
        parts.append(make_part("lid", translate_mesh(dome, (0, 0, height)), second))
        knob = make_ellipsoid((0.05, 0.05, 0.05), (0, 0, height + tall * 1.3 + 0.02), rings=8)
        parts.append(make_part("knob", knob, second))
    elif closure == 3:
        cork = make_cylinder(neck * 0.92, tall * 1.5, (0, 0, height), top=neck * 0.98, sides=sides)
        parts.append(make_part("cork", cork, wood_material(rng)))

    handle_count = int(rng.integers(0, 3))
    return parts + _jar_handles(rng, handle_count, (neck, belly, height), look)


def _jar_handles(
    rng: Rng, count: int, measures: tuple[float, float, float], look: PartMaterial
) -> list[Part]:
    """Make bent handles from the neck to the belly, to the right and to the left."""
    neck, belly, height = measures
    reach = belly * rng.uniform(1.1, 1.5)
    thickness = rng.uniform(0.018, 0.04)
    parts = []

    for side in (1, -1)[:count]:
        path = smooth_curve(
            (side * neck * 0.95, 0, height * 0.9),
            (side * reach, 0, height * 0.88),
            (side * reach, 0, height * 0.68),
            (side * belly * 0.85, 0, height * 0.55),
        )
        parts.append(make_part("handle", make_tube(path, thickness), look))

    return parts


def cooking_pot(rng: Rng) -> list[Part]:
    """Make a saucepan, stockpot or cauldron: a long handle, two grips or a bail, often a lid."""
    radius = rng.uniform(0.3, 0.5)
    height = radius * rng.uniform(0.35, 1.6)
    belly = rng.uniform(0.0, 0.3)
    foot = rng.uniform(0.6, 1.0)
    wall = rng.uniform(0.02, 0.05)
    look = (metal_material, dark_material, any_material)[rng.integers(0, 3)](rng)
    grip_look = (dark_material, wood_material, metal_material)[rng.integers(0, 3)](rng)

    # The wall widens from the foot and bulges in the middle.
    levels = np.linspace(0, 1, 10)
    radii = radius * (foot + (1 - foot) * levels**0.5 + belly * np.sin(np.pi * levels))
    outside = [(float(r), float(z)) for r, z in zip(radii, levels * height, strict=True)]
    inside = [(r - wall, max(z, wall)) for r, z in reversed(outside)]
    parts = [make_part("pot", lathe_solid([*outside, *inside], 36), look)]

    if rng.random() < 0.6:
        parts.append(
            make_part("rim", make_torus(radius, rng.uniform(0.012, 0.03), (0, 0, height)), look)
        )

    # A lid that overlaps the rim, with a knob.
    if rng.random() < 0.5:
        rise = rng.uniform(0.03, 0.15)
        profile = [
            (radius * 1.02, 0),
            (radius * 0.98, 0.03),
            (radius * 0.5, rise),
            (0.02, rise + 0.02),
        ]
        parts.append(
            make_part("lid", translate_mesh(lathe_solid(profile, 36), (0, 0, height)), look)
        )
        knob = make_ellipsoid((0.05, 0.05, 0.04), (0, 0, height + rise + 0.05), rings=8)
        parts.append(make_part("knob", knob, grip_look))

    # Handles, and three legs for a pot over a fire.
    parts += _pot_grips(rng, radius, height, grip_look)
    if rng.random() < 0.3:
        leg = rng.uniform(0.08, 0.2)
        for angle in (90, 210, 330):
            mesh = make_cylinder(
                0.025, leg + 0.1, (radius * 0.7 * foot, 0, 0.05 - leg / 2), sides=10
            )
            parts.append(make_part("leg", rotate_mesh(mesh, "z", angle), look))

    return parts


def _pot_grips(rng: Rng, radius: float, height: float, look: PartMaterial) -> list[Part]:
    """Make what a pot is carried by: a long handle to the right, two grips, or a bail."""
    kind = int(rng.integers(0, 3))
    thickness = rng.uniform(0.018, 0.04)
    if kind == 0:
        length = rng.uniform(0.5, 1.0)
        rise = rng.uniform(-0.02, 0.2)
        path = smooth_curve(
            (radius * 0.97, 0, height * 0.85),
            (radius + length / 2, 0, height * 0.9 + rise * 0.7),
            (radius + length, 0, height * 0.9 + rise),
        )
        return [
            make_part("handle", make_tube(path, thickness * np.linspace(0.8, 1.2, len(path))), look)
        ]

    if kind == 1:
        out = rng.uniform(0.08, 0.16)
        parts = []
        for side in (-1, 1):
            path = smooth_curve(
                (side * radius * 0.95, -0.12, height * 0.8),
                (side * (radius + out), -0.1, height * 0.82),
                (side * (radius + out), 0.1, height * 0.82),
                (side * radius * 0.95, 0.12, height * 0.8),
            )
            parts.append(make_part("handle", make_tube(path, thickness), look))
        return parts

    # A bail is an arch from side to side, at any angle.
    turn = np.linspace(0, np.pi, 24)
    lift = rng.uniform(0.7, 1.1) * radius
    arch = np.c_[radius * np.cos(turn), np.zeros(24), lift * np.sin(turn)]
    bail = rotate_mesh(make_tube(arch, thickness * 0.6), "x", rng.uniform(-80, 80))

    return [make_part("handle", translate_mesh(bail, (0, 0, height * 0.95)), look)]


FAMILIES = {
    "cooking_pot": cooking_pot,
    "jar": jar,
}
