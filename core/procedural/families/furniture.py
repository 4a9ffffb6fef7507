"""Chairs, tables, lamps and other furniture."""

from __future__ import annotations

import numpy as np

from ...arrays import MeshArrays
from ..parts import (
    Part,
    PartMaterial,
    any_material,
    make_part,
    metal_material,
    paint_material,
    white_material,
    wood_material,
)
from ..primitives import (
    lathe_solid,
    make_box,
    make_cylinder,
    make_tube,
    rotate_mesh,
    smooth_curve,
    stretch_mesh,
    translate_mesh,
)

Rng = np.random.Generator


def _make_legs(
    rng: Rng, width: float, depth: float, height: float, look: PartMaterial
) -> list[Part]:
    """Return four legs, square or round, straight or tapered, some splayed, or a pedestal."""
    kind = rng.integers(0, 6)
    thick = rng.uniform(0.015, 0.05)
    splay = rng.uniform(0, 0.12) * (rng.random() < 0.5)

    # A pedestal.
    if kind == 5:
        foot = lathe_solid(
            ((width * 0.35, 0), (width * 0.33, 0.03), (thick, 0.06), (thick, height)), 24
        )
        return [make_part("leg", foot, look)]

    # Legs at the corners.
    inset = thick * rng.uniform(1.1, 2.5)
    legs = []
    for x in (-1, 1):
        for y in (-1, 1):
            top = np.array((x * (width / 2 - inset), y * (depth / 2 - inset), height))
            low = top + (x * splay, y * splay, -height)
            radius = np.array((thick, thick * (rng.uniform(1, 1) if kind < 2 else 0.5)))

            if kind == 0:
                leg = make_box((2 * thick, 2 * thick, height), (top[0], top[1], height / 2))
                legs.append(make_part("leg", leg, look))
            else:
                leg = make_tube(np.stack((top, low)), radius, 4 if kind == 3 else 12)
                legs.append(make_part("leg", leg, look))

    # Bars between front and back legs.
    if rng.random() < 0.35:
        level = height * rng.uniform(0.2, 0.5)
        for x in (-1, 1):
            bar = make_box((thick, depth - 2 * inset, thick), (x * (width / 2 - inset), 0, level))
            legs.append(make_part("bar", bar, look))

    return legs


def _make_back_rest(
    rng: Rng, width: float, height: float, look: PartMaterial, cushion: PartMaterial
) -> list[MeshArrays]:
    """Return the solids of a back rest about the origin, its low edge at z = 0, facing -Y."""
    kind = rng.integers(0, 5)
    thick = rng.uniform(0.02, 0.06)
    posts = [
        make_box((thick, thick, height), (x * (width - thick) / 2, 0, height / 2)) for x in (-1, 1)
    ]
    rail = make_box((width, thick, height * rng.uniform(0.1, 0.25)), (0, 0, height * 0.93))

    # One plate.
    if kind == 0:
        return [make_box((width, thick, height), (0, 0, height / 2), thick * rng.uniform(0, 0.4))]

    # Upright slats below a rail.
    if kind == 1:
        count = int(rng.integers(2, 8))
        slats = [
            make_box((width / count * 0.4, thick * 0.6, height * 0.9), (x, 0, height * 0.45))
            for x in np.linspace(-0.4, 0.4, count) * width
        ]
        return [*posts, rail, *slats]

    # Rails between the posts.
    if kind == 2:
        count = int(rng.integers(1, 5))
        return [
            *posts,
            *(
                make_box((width, thick * 0.7, height * 0.12), (0, 0, z))
                for z in np.linspace(0.35, 0.93, count) * height
            ),
        ]

    # A bent frame around a board.
    if kind == 3:
        arch = smooth_curve(
            (-width / 2, 0, 0),
            (-width / 2, 0, height * 0.7),
            (0, 0, height),
            (width / 2, 0, height * 0.7),
            (width / 2, 0, 0),
        )
        return [
            make_tube(arch, thick / 2),
            make_box((width * 0.3, thick * 0.5, height * 0.95), (0, 0, height * 0.47)),
        ]

    # A board between the posts.
    return [
        *posts,
        make_box((width * 0.98, thick * 0.5, height * rng.uniform(0.3, 0.6)), (0, 0, height * 0.6)),
    ]


def make_chair(rng: Rng) -> list[Part]:
    """Return a chair: size, seat, legs, kind of back rest and its lean vary; some have arms."""
    width = rng.uniform(0.38, 0.6)
    depth = rng.uniform(0.38, 0.6)
    height = rng.uniform(0.35, 0.6)
    frame = (wood_material, metal_material, paint_material)[rng.integers(0, 3)](rng)
    cushion = any_material(rng)
    thick = rng.uniform(0.02, 0.1)
    lean = rng.uniform(0, 18)
    parts = _make_legs(rng, width, depth, height, frame)

    # The seat, round or square.
    if rng.random() < 0.2:
        seat = make_cylinder(width / 2, thick, sides=32)
        seat = translate_mesh(seat, (0, 0, height))
        parts.append(make_part("seat", seat, cushion))
    else:
        seat = make_box((width, depth, thick), (0, 0, height), rng.uniform(0, 0.45) * thick)
        parts.append(make_part("seat", seat, cushion))

    tall = rng.uniform(0.3, 0.8)

    # The back rest leans backwards.
    for mesh in _make_back_rest(rng, width, tall, frame, cushion):
        back = rotate_mesh(mesh, "x", -lean)
        back = translate_mesh(back, (0, depth / 2 - 0.02, height))
        parts.append(make_part("back", back, frame))

    # Arms on posts at the front.
    if rng.random() < 0.35:
        rise = rng.uniform(0.15, 0.28)
        for x in (-1, 1):
            at = x * (width / 2 - 0.015)
            arm = make_box((0.04, depth, 0.035), (at, 0, height + rise))
            parts.append(make_part("arm", arm, frame))
            arm = make_box((0.03, 0.03, rise), (at, -depth / 2 + 0.03, height + rise / 2))
            parts.append(make_part("arm", arm, frame))

    return parts


def make_stool(rng: Rng) -> list[Part]:
    """Return a stool: a round seat on legs, both of varied size."""
    width = rng.uniform(0.3, 0.45)
    height = rng.uniform(0.3, 0.8)
    look = any_material(rng)

    return [
        *_make_legs(rng, width, width, height, look),
        make_part(
            "seat",
            make_cylinder(width / 2, rng.uniform(0.02, 0.12), (0, 0, height)),
            any_material(rng),
        ),
    ]


def make_table(rng: Rng) -> list[Part]:
    """Return a table: round or square, low or high, with or without shelf and drawer."""
    width = rng.uniform(0.5, 2)
    depth = rng.uniform(0.5, 1)
    height = rng.uniform(0.3, 0.9)
    look = any_material(rng)
    thick = rng.uniform(0.015, 0.08)
    parts = _make_legs(rng, width, depth, height, look)

    # An oval or a square top.
    if rng.random() < 0.25:
        mesh = stretch_mesh(make_cylinder(0.5, thick, sides=36), (width, depth, 1))
        mesh = translate_mesh(mesh, (0, 0, height))
        parts.append(make_part("top", mesh, any_material(rng)))
    else:
        top_mesh = make_box((width, depth, thick), (0, 0, height), rng.uniform(0, 0.4) * thick)
        parts.append(make_part("top", top_mesh, look))

    # What is below the top.
    if rng.random() < 0.3:
        shelf = make_box((width * 0.9, depth * 0.9, 0.02), (0, 0, height * rng.uniform(0.2, 0.5)))
        parts.append(make_part("shelf", shelf, look))

    if rng.random() < 0.3:
        drawer = make_box((width * 0.4, depth * 0.9, 0.12), (0, 0, height - 0.07))
        parts.append(make_part("drawer", drawer, any_material(rng)))

    return parts


def make_lamp(rng: Rng) -> list[Part]:
    """Return a lamp: turned or flat base, straight pole or one that bends, varied shade."""
    height = rng.uniform(0.3, 1.5)
    foot = rng.uniform(0.1, 0.2)
    look = any_material(rng)
    thin = rng.uniform(0.008, 0.03)
    shade_r = rng.uniform(0.12, 0.25)
    shade_h = rng.uniform(0.12, 0.3)
    top = rng.uniform(0.3, 1)

    # A turned or a flat base.
    if rng.random() < 0.5:
        base = lathe_solid(
            [
                (foot * r, 0.3 * height * t)
                for r, t in (
                    (1, 0),
                    (1, 0.08),
                    *((rng.uniform(0.15, 1), t) for t in (0.3, 0.6, 0.9)),
                )
            ],
            28,
        )
    else:
        base = make_cylinder(foot, 0.03, (0, 0, 0.015))

    parts = [make_part("base", base, look)]

    # A reading lamp: a bent pole, the shade at its end.
    if rng.random() < 0.3:
        end = np.array((0, -rng.uniform(0.1, 0.4), height))
        pole = make_tube(smooth_curve((0, 0, 0), (0, 0.1, height * 0.5), end), thin)
        parts.append(make_part("pole", pole, look))
        shade = make_cylinder(shade_r * 0.6, shade_h, top=shade_r * 0.25)
        shade = rotate_mesh(shade, "x", rng.uniform(-60, 0))
        return [*parts, make_part("shade", translate_mesh(shade, end), any_material(rng))]

    parts.append(make_part("pole", make_cylinder(thin, height, (0, 0, height / 2)), look))

    # The shade of a straight lamp.
    shade_mesh = make_cylinder(shade_r, shade_h, (0, 0, height), top * shade_r, 32)
    parts.append(
        make_part("shade", shade_mesh, (paint_material, white_material)[rng.integers(0, 2)](rng))
    )

    return parts


def make_sofa(rng: Rng) -> list[Part]:
    """Return a sofa or armchair: width, arms, back and number of cushions vary."""
    width = rng.uniform(0.7, 2.4)
    depth = rng.uniform(0.7, 1)
    seat = rng.uniform(0.3, 0.45)
    look = any_material(rng)
    soft = rng.uniform(0.01, 0.06)
    arm = rng.uniform(0.08, 0.25)
    high = rng.uniform(0.5, 0.7)
    back = rng.uniform(0.7, 1)

    seat_mesh = make_box((width, depth, seat - 0.08), (0, 0, seat / 2 + 0.04), soft)
    parts = [make_part("seat", seat_mesh, look)]

    # The back leans backwards a little.
    back_mesh = make_box((width, 0.2, back), (0, 0, back / 2), soft)
    back_mesh = rotate_mesh(back_mesh, "x", -rng.uniform(0, 10))
    parts.append(make_part("back", back_mesh, look))

    parts[-1] = make_part("back", translate_mesh(parts[-1].mesh, (0, depth / 2 - 0.1, 0.05)), look)

    # Arms at both ends.
    for x in (-1, 1):
        arm_size = (arm, depth, high - 0.05)
        arm_center = (x * (width + arm) / 2, 0, high / 2 + 0.02)
        arm_mesh = make_box(arm_size, arm_center, soft)
        parts.append(make_part("arm", arm_mesh, look))

    # As many cushions as persons.
    count = max(1, round(width / 0.7))
    cushion = look if rng.random() < 0.6 else any_material(rng)

    for x in (np.arange(count) - (count - 1) / 2) * width / count:
        cushion_size = (width / count * 0.96, depth * 0.8, 0.14)
        cushion_center = (x, -0.08, seat + 0.04)
        cushion_mesh = make_box(cushion_size, cushion_center, 0.04)
        parts.append(make_part("cushion", cushion_mesh, cushion))

    # Feet at the corners.
    feet = (wood_material, metal_material)[rng.integers(0, 2)](rng)
    for x in (-1, 1):
        for y in (-1, 1):
            foot = make_box((0.05, 0.05, 0.1), (x * width * 0.45, y * depth * 0.42, 0.04))
            parts.append(make_part("foot", foot, feet))

    return parts


def make_bench(rng: Rng) -> list[Part]:
    """Return a bench: planks on two frames, some with a back rest."""
    width = rng.uniform(1, 2)
    depth = rng.uniform(0.35, 0.55)
    height = rng.uniform(0.35, 0.5)
    planks = any_material(rng)
    look = (metal_material, wood_material)[rng.integers(0, 2)](rng)
    count = int(rng.integers(2, 6))

    # Planks of the seat.
    parts = []
    for y in np.linspace(-0.4, 0.4, count) * depth:
        seat = make_box((width, depth / count * 0.8, 0.03), (0, y, height))
        parts.append(make_part("seat", seat, planks))

    # A frame at each end.
    for x in (-0.42, 0.42):
        leg = make_box((0.05, depth, 0.04), (x * width, 0, height - 0.03))
        parts.append(make_part("leg", leg, look))
        for y in (-0.4, 0.4):
            leg = make_box((0.05, 0.05, height), (x * width, y * depth, height / 2))
            parts.append(make_part("leg", leg, look))

    # A back rest of rails on posts.
    if rng.random() < 0.65:
        tall = rng.uniform(0.3, 0.5)
        lean = rng.uniform(0, 20)
        rails = [
            make_box((width, 0.03, 0.09), (0, 0, z))
            for z in np.linspace(0.15, 1, int(rng.integers(2, 4))) * tall
        ]
        posts = [make_box((0.05, 0.04, tall), (x * width, 0, tall / 2)) for x in (-0.42, 0.42)]

        for mesh in (*rails, *posts):
            back = rotate_mesh(mesh, "x", -lean)
            back = translate_mesh(back, (0, depth / 2, height))
            parts.append(make_part("back", back, planks))

    return parts


def make_cabinet(rng: Rng) -> list[Part]:
    """Return a cabinet: a grid of doors with knobs, on feet or not, some with a top."""
    width = rng.uniform(0.4, 1.6)
    depth = rng.uniform(0.3, 0.6)
    height = rng.uniform(0.4, 2)
    look = any_material(rng)
    front = any_material(rng)
    knob = metal_material(rng)
    foot = rng.uniform(0, 0.15)
    parts = [make_part("body", make_box((width, depth, height), (0, 0, height / 2 + foot)), look)]
    columns = int(rng.integers(1, 4))
    rows = int(rng.integers(1, 5))

    # Doors and knobs in a grid.
    for i in range(columns):
        for j in range(rows):
            x = (i + 0.5) / columns - 0.5
            z = (j + 0.5) / rows
            at = (x * width, -depth / 2 - 0.008, z * height + foot)

            door = make_box((width / columns * 0.92, 0.025, height / rows * 0.92), at, 0.004)
            parts.append(make_part("door", door, front))

            knob_mesh = make_box((0.1 * width / columns, 0.03, 0.02), (at[0], at[1] - 0.02, at[2]))
            parts.append(make_part("knob", knob_mesh, knob))

    # A top that overhangs.
    if rng.random() < 0.5:
        top_mesh = make_box((width * 1.06, depth * 1.08, 0.03), (0, 0, height + foot))
        parts.append(make_part("top", top_mesh, look))

    # Feet at the corners.
    if foot > 0.03:
        for x in (-1, 1):
            for y in (-1, 1):
                foot_size = (0.05, 0.05, foot + 0.02)
                foot_center = (x * width * 0.44, y * depth * 0.42, foot / 2)
                foot_mesh = make_box(foot_size, foot_center)
                parts.append(make_part("foot", foot_mesh, look))

    return parts


def make_shelf(rng: Rng) -> list[Part]:
    """Return a shelf: boards between side walls or posts, open or with a back."""
    width = rng.uniform(0.4, 1.5)
    depth = rng.uniform(0.2, 0.45)
    height = rng.uniform(0.6, 2)
    thick = rng.uniform(0.015, 0.05)
    look = any_material(rng)
    boards = [
        make_box((width, depth, thick), (0, 0, z))
        for z in np.linspace(0, height, int(rng.integers(3, 7)))
    ]
    sides = [
        make_box((thick, depth, height + thick), (x * width / 2, 0, height / 2)) for x in (-1, 1)
    ]

    # Posts in place of side walls.
    if rng.random() < 0.4:
        sides = [
            make_box((thick, thick, height), (x * width / 2, y * depth * 0.47, height / 2))
            for x in (-1, 1)
            for y in (-1, 1)
        ]

    # A back.
    if rng.random() < 0.5:
        back = [make_box((width, thick, height), (0, depth / 2, height / 2))]
    else:
        back = []

    return [make_part("board", mesh, look) for mesh in (*boards, *sides, *back)]


def make_bed(rng: Rng) -> list[Part]:
    """Return a bed: one or two pillows, varied head, some with an end at the feet."""
    width = rng.uniform(0.9, 2)
    length = rng.uniform(1.9, 2.2)
    height = rng.uniform(0.2, 0.4)
    frame = any_material(rng)
    sheet = any_material(rng)
    parts = [make_part("frame", make_box((width, length, 0.12), (0, 0, height)), frame)]

    # Mattress and blanket on the frame.
    mattress_size = (width * 0.96, length * 0.97, rng.uniform(0.15, 0.3))
    mattress_center = (0, 0, height + 0.15)
    mattress = make_box(mattress_size, mattress_center, 0.04)
    parts.append(make_part("mattress", mattress, white_material(rng)))

    blanket = make_box((width * 1.0, length * 0.65, 0.2), (0, -length * 0.16, height + 0.19), 0.05)
    parts.append(make_part("blanket", blanket, sheet))

    # Boards at the head and, in some, at the feet.
    head = rng.uniform(0.5, 1.1)

    head_mesh = make_box((width * 1.03, 0.06, head), (0, length / 2, head / 2 + height * 0.5))
    parts.append(make_part("head", head_mesh, frame))

    if rng.random() < 0.5:
        foot_end_size = (width * 1.03, 0.05, head * 0.5)
        foot_end_center = (0, -length / 2, head * 0.25 + height * 0.4)
        foot_end = make_box(foot_end_size, foot_end_center)
        parts.append(make_part("foot end", foot_end, frame))

    # Legs at the corners.
    for x in (-1, 1):
        for y in (-1, 1):
            leg = make_box((0.08, 0.08, height), (x * width * 0.47, y * length * 0.48, height / 2))
            parts.append(make_part("leg", leg, frame))

    # A pillow for each person.
    count = 1 if width < 1.2 else 2
    for x in (np.arange(count) - (count - 1) / 2) * width / count:
        pillow_size = (width / count * 0.75, 0.4, 0.14)
        pillow_center = (x, length * 0.37, height + 0.33)
        pillow = make_box(pillow_size, pillow_center, 0.06)
        parts.append(make_part("pillow", pillow, white_material(rng)))

    return parts


FAMILIES = {
    "bed": make_bed,
    "bench": make_bench,
    "cabinet": make_cabinet,
    "chair": make_chair,
    "lamp": make_lamp,
    "shelf": make_shelf,
    "sofa": make_sofa,
    "stool": make_stool,
    "table": make_table,
}
