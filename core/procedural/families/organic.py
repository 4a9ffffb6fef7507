"""Organic, displaced, carved and composed shapes, most of them from signed distances."""

from __future__ import annotations

import numpy as np

from ...arrays import MeshArrays
from ..parts import Part, any_material, make_part, paint_material, white_material, wood_material
from ..primitives import (
    Points,
    lathe_solid,
    make_ellipsoid,
    make_tube,
    rotate_mesh,
    smooth_curve,
    stretch_mesh,
    translate_mesh,
)
from ..solids import (
    Field,
    ball_field,
    block_field,
    capsule_field,
    make_bar,
    rod_field,
    roughen_field,
    solid_of_field,
    subtract_fields,
    union_field,
)
from .shapes import random_composition, symmetric_composition

Rng = np.random.Generator


def _random_rotation(rng: Rng) -> Points:
    """Return a random rotation (3, 3)."""
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation: Points = turn * np.sign(np.linalg.det(turn))
    return rotation


def make_metaballs(rng: Rng) -> list[Part]:
    """Return balls and limbs melted into each other, some of them symmetric."""
    at = np.zeros(3)
    fields = []

    # Each ball or limb begins near the last.
    for _ in range(int(rng.integers(2, 8))):
        radius = rng.uniform(0.1, 0.26)
        step = rng.normal(0, 0.17, 3)
        fields.append(
            ball_field(at + step, radius)
            if rng.random() < 0.6
            else capsule_field(at, at + 2 * step, radius * 0.8, radius * 0.4)
        )
        at = (at + step) * rng.uniform(0.5, 1)

    if rng.random() < 0.4:
        fields = [_both_sides(field) for field in fields]

    # Melt them into one solid.
    parts = []
    body = solid_of_field(union_field(fields, rng.uniform(0.02, 0.06)), (-1,) * 3, (1,) * 3, 60)
    parts.append(make_part("body", body, any_material(rng)))

    return parts


def _both_sides(field: Field) -> Field:
    """Return ``field`` united with its mirror image in x."""
    return lambda p: np.minimum(field(p), field(p * (-1, 1, 1)))


def make_coral(rng: Rng) -> list[Part]:
    """Return branches that fork and become thinner: a coral, antler or bare shrub."""
    fields = []
    look = any_material(rng)
    tips = [(np.zeros(3), np.array((0, 0, 1.0)), rng.uniform(0.05, 0.1), rng.uniform(0.25, 0.4))]

    # Each generation forks from the tips of the last, thinner and shorter.
    for _ in range(int(rng.integers(2, 4))):
        grown = []
        for start, way, radius, length in tips:
            for _ in range(int(rng.integers(1, 4))):
                turned_way = way + rng.normal(0, 0.55, 3) + (0, 0, 0.2)
                turned_way /= np.linalg.norm(turned_way)
                end = start + turned_way * length
                fields.append(capsule_field(start, end, radius, radius * 0.75))
                grown.append((end, turned_way, radius * 0.75, length * 0.8))

        tips = grown[:9]

    # A foot.
    if rng.random() < 0.4:
        fields.append(block_field((0, 0, 0), (0.35, 0.35, 0.1), 0.04))

    # Melt the branches into one solid.
    parts = []
    branches = solid_of_field(union_field(fields, 0.012), *_field_bounds(fields), 56)
    parts.append(make_part("branches", branches, look))

    return parts


def _field_bounds(fields: list[Field]) -> tuple[Points, Points]:
    """Return the corners of a box around ``fields``, within two units of the origin."""
    line = np.linspace(-2, 2, 41)
    grid = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)
    near = np.min([field(grid) for field in fields], axis=0) < 0.1
    held = grid[near]
    return held.min(0) - 0.1, held.max(0) + 0.1


def make_cactus(rng: Rng) -> list[Part]:
    """Return a ribbed cactus in a pot, with up to three arms."""
    look = paint_material(rng)
    h = rng.uniform(0.5, 0.9)
    r = rng.uniform(0.1, 0.18)
    fields = [capsule_field((0, 0, 0), (0, 0, h), r, r * 0.9)]

    # Arms with an elbow.
    for _ in range(int(rng.integers(0, 4))):
        a = rng.uniform(0, 2 * np.pi)
        z = rng.uniform(0.25, 0.6) * h
        reach = rng.uniform(0.2, 0.3)
        rise = rng.uniform(0.1, 0.35)
        elbow = np.array((reach * np.cos(a), reach * np.sin(a), z + 0.05))
        fields += [
            capsule_field((0, 0, z), elbow, r * 0.6, r * 0.55),
            capsule_field(elbow, elbow + (0, 0, rise), r * 0.55, r * 0.5),
        ]

    # Ribs, by a wave around the axis.
    ribs = int(rng.integers(8, 16))
    smooth_body = union_field(fields, 0.02)

    def ribbed_body(p: Points) -> Points:
        angle = np.arctan2(p[..., 1], p[..., 0])
        distance: Points = smooth_body(p) + 0.008 * np.cos(ribs * angle)
        return distance

    body = solid_of_field(ribbed_body, (-0.55, -0.55, -0.2), (0.55, 0.55, h + 0.25), 56)
    pot = lathe_solid(((0.18, -0.3), (0.25, 0.02), (0.22, 0.02), (0.16, -0.26)), 28)
    parts = [make_part("body", body, look), make_part("pot", pot, any_material(rng))]

    # The earth in the pot.
    earth = lathe_solid(((0.17, -0.2), (0.215, -0.02)), 28)
    parts.append(make_part("earth", earth, wood_material(rng)))

    return parts


def make_mushroom(rng: Rng) -> list[Part]:
    """Return mushrooms: bent stems under caps."""
    stem = white_material(rng)
    cap = paint_material(rng)
    parts = []

    # Each a stem along a bent line, with a cap.
    for i in range(int(rng.integers(1, 5))):
        scale = 1.0 if i == 0 else rng.uniform(0.35, 0.75)
        at = np.zeros(3) if i == 0 else np.array((*rng.normal(0, 0.3, 2), 0))
        h = rng.uniform(0.4, 0.8) * scale
        lean = rng.normal(0, 0.1 * scale, 2)
        path = smooth_curve(at, at + (*lean * 0.3, h / 2), at + (*lean, h))
        thick = (
            rng.uniform(0.05, 0.12)
            * scale
            * np.interp(np.linspace(0, 1, len(path)), (0, 0.4, 1), (1.4, 0.9, 0.8))
        )
        parts.append(make_part("stem", make_tube(path, thick, 14), stem))
        r = rng.uniform(0.2, 0.42) * scale
        tall = rng.uniform(0.12, 0.35) * scale
        curl = rng.uniform(0.02, 0.1) * scale
        t = np.linspace(0, np.pi / 2, 9)
        outside = [(r * float(np.cos(a)) + 0.002, tall * float(np.sin(a))) for a in t]
        head = lathe_solid([(0.03, curl), (r * 0.9, -curl), *outside], 28)

        # The cap leans a little.
        cap_mesh = rotate_mesh(head, "x", rng.normal(0, 8))
        cap_mesh = translate_mesh(cap_mesh, path[-1] - (0, 0, 0.02))
        parts.append(make_part("cap", cap_mesh, cap))

    return parts


def make_plant(rng: Rng) -> list[Part]:
    """Return stems with leaves or petals, in a pot or bare."""
    green = paint_material(rng)
    parts = []
    flower = rng.random() < 0.5

    # Stems.
    for _ in range(int(rng.integers(1, 7))):
        a = rng.uniform(0, 2 * np.pi)
        reach = rng.uniform(0, 0.35)
        h = rng.uniform(0.4, 0.9)
        out = np.array((np.cos(a), np.sin(a), 0)) * reach
        path = smooth_curve((0, 0, 0), out * 0.3 + (0, 0, h * 0.6), out + (0, 0, h))

        stem = make_tube(path, np.linspace(0.022, 0.01, len(path)), 8)
        parts.append(make_part("stem", stem, green))

        # Leaves along the stem.
        for k in range(int(rng.integers(1, 5))):
            size = rng.uniform(0.1, 0.22)

            leaf = make_ellipsoid((size, size * 0.4, 0.012), (size, 0, 0), rings=8)
            leaf = rotate_mesh(leaf, "y", -rng.uniform(10, 60))
            leaf = rotate_mesh(leaf, "z", rng.uniform(0, 360))
            leaf = translate_mesh(leaf, path[int(len(path) * (k + 1) / 6)])
            parts.append(make_part("leaf", leaf, green))

        # A flower at its end.
        if flower:
            look = paint_material(rng)
            petals = int(rng.integers(4, 9))
            size = rng.uniform(0.06, 0.12)

            heart = make_ellipsoid((size * 0.5,) * 3, path[-1], rings=8)
            parts.append(make_part("heart", heart, paint_material(rng)))

            for k in range(petals):
                petal = make_ellipsoid((size, size * 0.5, 0.012), (size, 0, 0), rings=8)
                petal = rotate_mesh(petal, "y", -25)
                petal_mesh = rotate_mesh(petal, "z", 360 * k / petals)
                petal_mesh = translate_mesh(petal_mesh, path[-1])
                parts.append(make_part("petal", petal_mesh, look))

    # A pot with earth.
    if rng.random() < 0.7:
        r = rng.uniform(0.12, 0.22)
        pot = lathe_solid(((r * 0.7, -0.3), (r, 0.03), (r * 0.85, 0.03), (r * 0.55, -0.26)), 28)
        parts.append(make_part("pot", pot, any_material(rng)))
        earth = lathe_solid(((r * 0.68, -0.25), (r * 0.84, -0.01)), 28)
        parts.append(make_part("earth", earth, wood_material(rng)))

    return parts


def make_spiral_horn(rng: Rng) -> list[Part]:
    """Return a spiral that widens: a horn, tusk, snail shell or tentacle."""
    turns = rng.uniform(0.3, 3)
    grow = rng.uniform(1.2, 3.2)
    rise = rng.uniform(0, 1.2)
    t = np.linspace(0, 1, 64)
    size = np.exp(grow * (t - 1))
    a = 2 * np.pi * turns * t + rng.uniform(0, 6.3)
    path = np.c_[size * np.cos(a), rise * (1 - size), size * np.sin(a)] * 0.4
    radii = np.maximum(0.4 * size * rng.uniform(0.25, 0.6), 0.008)
    radii = radii * (1 + rng.uniform(0, 0.12) * np.sin(rng.uniform(20, 90) * t))
    look = any_material(rng)
    parts = [make_part("horn", make_tube(path, radii, 16), look)]

    # A pair, as of an animal.
    if rng.random() < 0.3:
        horn = parts[0].mesh
        twin = stretch_mesh(horn, (-1, 1, 1))
        apart = float(horn.vertices[:, 0].max()) * 0.9
        return [
            make_part("horn", translate_mesh(horn, (-apart, 0, 0)), look),
            make_part("horn", translate_mesh(twin, (apart, 0, 0)), look),
        ]

    return parts


def make_rock(rng: Rng) -> list[Part]:
    """Return a displaced solid: a stone, lump of clay, crystal or gourd."""
    base = (
        ball_field((0, 0, 0), 0.42),
        block_field((0, 0, 0), rng.uniform(0.4, 0.85, 3), 0.08, _random_rotation(rng)),
        capsule_field((0, 0, -0.25), (0, 0, 0.3), rng.uniform(0.2, 0.35), rng.uniform(0.1, 0.3)),
        union_field(
            [ball_field(rng.normal(0, 0.15, 3), rng.uniform(0.15, 0.3)) for _ in range(4)], 0.03
        ),
    )[rng.integers(0, 4)]
    field = roughen_field(
        base, rng, rng.uniform(0.02, 0.12), rng.uniform(4, 14), rng.random() < 0.5
    )

    # Flat faces, as of a crystal.
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(1, 6))):
            way = rng.normal(size=3)
            field = _cut_field(field, way / np.linalg.norm(way), rng.uniform(0.2, 0.35))

    # The solid.
    parts = []
    rock = solid_of_field(field, (-0.75,) * 3, (0.75,) * 3, 52)
    parts.append(make_part("rock", rock, any_material(rng)))

    return parts


def _cut_field(field: Field, direction: Points, depth: float) -> Field:
    """Return ``field`` cut off at ``depth`` along a unit vector (3,)."""
    return lambda p: np.maximum(field(p), p @ direction - depth)


def make_carved_block(rng: Rng) -> list[Part]:
    """Return a block, drum or ball with bores, slots, pockets and bites cut out."""
    size = rng.uniform(0.45, 0.95, 3)
    body = (
        block_field((0, 0, 0), size, rng.uniform(0, 0.06)),
        rod_field((0, 0, 0), int(rng.integers(0, 3)), size[0] / 2, size[1]),
        ball_field((0, 0, 0), 0.45),
    )[rng.choice(3, p=(0.55, 0.3, 0.15))]
    taken = []

    # Cuts: a bore, a slot, a pocket or a bite.
    for _ in range(int(rng.integers(1, 6))):
        at = rng.uniform(-0.4, 0.4, 3)
        axis = int(rng.integers(0, 3))

        match rng.integers(0, 4):
            case 0:
                taken.append(
                    rod_field(at * (np.arange(3) != axis), axis, rng.uniform(0.06, 0.2), 2.0)
                )
            case 1:
                taken.append(
                    block_field(at, np.where(np.arange(3) == axis, 2.0, rng.uniform(0.1, 0.35, 3)))
                )
            case 2:
                at[axis] = size[axis] / 2 * rng.choice((-1, 1))
                taken.append(block_field(at, rng.uniform(0.15, 0.5, 3)))
            case _:
                taken.append(ball_field(at * 1.3, rng.uniform(0.12, 0.3)))

    # A hollow from above.
    if rng.random() < 0.35:
        taken.append(block_field((0, 0, rng.uniform(0.05, 0.3)), size * (0.8, 0.8, 1)))

    # The solid, if the cuts leave one.
    parts = []
    body_mesh = _solid_or_fallback(subtract_fields(body, taken), body)
    parts.append(make_part("body", body_mesh, any_material(rng)))

    return parts


def _solid_or_fallback(field: Field, otherwise: Field) -> MeshArrays:
    """Return the solid of ``field``, or of ``otherwise`` if hardly anything is left of it."""
    line = np.linspace(-0.5, 0.5, 21)
    some = (
        field(np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)) < 0
    ).mean() > 0.03
    return solid_of_field(field if some else otherwise, (-0.55,) * 3, (0.55,) * 3, 56)


def make_bone(rng: Rng) -> list[Part]:
    """Return knobs at the ends of a waisted shaft: a bone, branch or skittle."""
    h = rng.uniform(0.5, 0.9)
    r = rng.uniform(0.04, 0.1)
    bend = rng.normal(0, 0.08, 2)
    middle = np.array((*bend, h / 2))
    fields = [
        capsule_field((0, 0, 0), middle, r * 1.2, r),
        capsule_field(middle, (0, 0, h), r, r * 1.2),
    ]

    # One or two knobs at each end.
    for z in (0, h):
        apart = rng.uniform(0.04, 0.12)
        knob = rng.uniform(1.3, 2.2) * r
        fields += [
            ball_field((s * apart, 0, z), knob) for s in ((-1, 1) if rng.random() < 0.75 else (0,))
        ]

    # The solid, standing or lying.
    bone = solid_of_field(union_field(fields, 0.025), (-0.4, -0.4, -0.3), (0.4, 0.4, h + 0.3), 52)
    parts = [make_part("bone", bone, (white_material, any_material)[rng.integers(0, 2)](rng))]

    angle = float(rng.choice((0, 90)))

    return [
        Part(p.label, rotate_mesh(p.mesh, "y", angle), p.color, p.roughness, p.metallic)
        for p in parts
    ]


def make_zeroverse(rng: Rng) -> list[Part]:
    """Return a composition with boolean cuts and wires.

    After LRM-Zero's Zeroverse (arXiv:2406.09371).
    """
    parts = (random_composition, symmetric_composition)[rng.integers(0, 2)](rng)[
        : int(rng.integers(1, 6))
    ]
    size = rng.uniform(0.3, 0.7, 3)
    turn = _random_rotation(rng)
    at = rng.normal(0, 0.15, 3)

    # A rotated block or a ball.
    if rng.random() < 0.5:
        body = block_field(at, size, rng.uniform(0, 0.05), turn)
    else:
        body = ball_field(at, size[0] / 2)

    taken: list[Field] = []

    # Cuts into it.
    for _ in range(int(rng.integers(1, 4))):
        where = at + rng.normal(0, 0.2, 3)
        cut = rng.uniform(0.15, 0.5, 3)
        taken.append(
            block_field(where, cut, 0.0, _random_rotation(rng))
            if rng.random() < 0.6
            else ball_field(where, cut[0] / 2)
        )

    field = subtract_fields(body, taken)

    # A rough surface.
    if rng.random() < 0.3:
        field = roughen_field(field, rng, rng.uniform(0.01, 0.04), rng.uniform(6, 18))

    # The carved body, about the origin of its grid.
    if rng.random() < 0.8:
        carved = _solid_or_fallback(lambda p: field(p + at), lambda p: body(p + at))
        carved = translate_mesh(carved, at)
        parts.append(make_part("carved", carved, any_material(rng)))

    # Wires.
    look = any_material(rng)
    wire = rng.uniform(0.008, 0.03)

    for _ in range(int(rng.integers(0, 8))):
        a, b = rng.normal(0, 0.35, (2, 3))
        parts.append(make_part("wire", make_bar(a, b, wire), look))

    return parts


FAMILIES = {
    "bone": make_bone,
    "cactus": make_cactus,
    "carved": make_carved_block,
    "coral": make_coral,
    "horn": make_spiral_horn,
    "metaballs": make_metaballs,
    "mushroom": make_mushroom,
    "plant": make_plant,
    "rock": make_rock,
    "zeroverse": make_zeroverse,
}
