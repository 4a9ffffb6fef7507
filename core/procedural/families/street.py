"""Objects of a road: street lamps, mailboxes, traffic cones, wheelbarrows."""

from __future__ import annotations

import numpy as np

from ...arrays import MeshArrays
from ..parts import (
    Part,
    PartMaterial,
    any_material,
    dark_material,
    make_part,
    metal_material,
    paint_material,
    white_material,
    wood_material,
)
from ..primitives import (
    Points,
    lathe_solid,
    make_box,
    make_cylinder,
    make_ellipsoid,
    make_prism,
    make_tube,
    ring_mesh,
    rotate_mesh,
    smooth_curve,
    translate_mesh,
)
from ..solids import align_to_axis, annulus_plate, circle_outline, extrude_outline, make_bar

Rng = np.random.Generator


def street_lamp(rng: Rng) -> list[Part]:
    """Make a street lamp: a post with lanterns, bent arms or a hanging head."""
    height = rng.uniform(0.9, 1.5)
    thick = rng.uniform(0.016, 0.035)
    taper = rng.uniform(0.5, 1.0)
    look = (metal_material, dark_material, paint_material)[rng.integers(0, 3)](rng)
    sides = int(rng.choice((4, 6, 8, 20)))
    post = make_cylinder(thick, height, (0, 0, height / 2), top=thick * taper, sides=sides)
    parts = [make_part("post", post, look)]

    # A foot wide enough to look stable.
    foot = thick * rng.uniform(1.5, 3.2)
    foot_height = rng.uniform(0.04, 0.25)
    base = lathe_solid([(foot, 0), (foot, foot_height * 0.4), (thick * 1.1, foot_height)], sides)
    parts.append(make_part("foot", base, look))

    # Without arms the lantern tops the post.
    arms = int(rng.integers(0, 4))
    reach = rng.uniform(0.15, 0.4)
    lift = rng.uniform(-0.05, 0.2)
    size = rng.uniform(0.06, 0.13)
    kind = int(rng.integers(0, 3))
    glow = (white_material, paint_material)[rng.integers(0, 2)](rng)
    if arms == 0:
        return parts + _lamp_head(rng, kind, size, np.array((0, 0, height)), (look, glow))

    # Arms go round the post, the first towards -Y; their heads hang from the ends.
    for i in range(arms):
        angle = 2 * np.pi * i / arms - np.pi / 2
        out = np.array((np.cos(angle), np.sin(angle), 0)) * reach
        end = out + (0, 0, height + lift)
        path = smooth_curve((0, 0, height * 0.92), out * 0.3 + (0, 0, height + lift), end)
        parts.append(make_part("arm", make_tube(path, thick * 0.6, 8), look))
        parts += _lamp_head(rng, kind, size, end - (0, 0, size * 1.2), (look, glow))

    return parts


def _lamp_head(
    rng: Rng, kind: int, size: float, low: Points, looks: tuple[PartMaterial, PartMaterial]
) -> list[Part]:
    """Make a ball, a lantern or a shade with a bulb, its lowest point at ``low``."""
    tall = size * rng.uniform(1.2, 2.4)
    middle = low + (0, 0, tall / 2)
    if kind == 0:
        return [
            make_part("globe", make_ellipsoid((size, size, tall / 2), middle, rings=12), looks[1])
        ]

    if kind == 1:
        glass = make_cylinder(size * 0.6, tall, middle, top=size, sides=6)
        cap = make_cylinder(
            size * 1.2, tall * 0.4, low + (0, 0, tall * 1.15), top=size * 0.2, sides=6
        )
        return [make_part("pane", glass, looks[1]), make_part("cap", cap, looks[0])]

    shade = make_cylinder(
        size * 1.3, tall * 0.6, low + (0, 0, tall * 0.7), top=size * 0.4, sides=20
    )
    bulb = make_ellipsoid((size * 0.5, size * 0.5, size * 0.5), low + (0, 0, tall * 0.4), rings=8)
    return [make_part("shade", shade, looks[0]), make_part("bulb", bulb, looks[1])]


def mailbox(rng: Rng) -> list[Part]:
    """Make a mailbox on a post, or a pillar box."""
    width = rng.uniform(0.2, 0.36)
    depth = rng.uniform(0.28, 0.6)
    height = rng.uniform(0.16, 0.3)
    look = (paint_material, metal_material, any_material)[rng.integers(0, 3)](rng)
    stands_alone = rng.random() < 0.35
    ground = rng.uniform(0.4, 0.9)
    rounded = rng.uniform(0.3, 1.0)
    if stands_alone:
        height = ground
    parts = [make_part("body", _round_topped(width, depth, height, rounded), look)]

    # The front has the slot, a door below it and a knob to open it.
    front = -depth / 2
    second = any_material(rng)
    slot = rng.uniform(0.4, 0.8) * width
    slot_mesh = make_box((slot, 0.03, 0.025), (0, front, height * 0.85))
    parts.append(make_part("slot", slot_mesh, dark_material(rng)))
    panel_height = rng.uniform(0.25, 0.55) * height
    panel = make_box(
        (width * 0.7, 0.03, panel_height), (0, front, panel_height * 0.6 + 0.03), 0.006
    )
    parts.append(make_part("door", panel, second))
    size = rng.uniform(0.012, 0.03)
    knob = make_ellipsoid((size, size * 1.2, size), (0, front - 0.02, panel_height), rings=6)
    parts.append(make_part("knob", knob, metal_material(rng)))
    if rng.random() < 0.6:
        parts += _mail_flag(rng, (width / 2 + 0.008, -depth * 0.2, height * 0.5))

    # A pillar box stands on a foot, a mailbox on a post, with or without a board between.
    if stands_alone:
        foot = make_box((width * 1.15, depth * 1.15, rng.uniform(0.04, 0.1)))
        return [*parts, make_part("foot", foot, dark_material(rng))]
    post = rng.uniform(0.025, 0.06)
    post_look = (wood_material, metal_material)[rng.integers(0, 2)](rng)
    post_mesh = make_box((2 * post, 2 * post, ground), (0, 0, -ground / 2 + 0.01))
    parts.append(make_part("post", post_mesh, post_look))
    if rng.random() < 0.5:
        board = make_box((width * 1.1, depth * 0.9, 0.03), (0, 0, -0.01))
        parts.append(make_part("board", board, post_look))
    return parts


def _mail_flag(rng: Rng, at: tuple[float, float, float]) -> list[Part]:
    """Make the flag on the right side, raised or lying."""
    angle = (-90, 0)[rng.integers(0, 2)]
    look = paint_material(rng)
    pole = rotate_mesh(make_box((0.014, 0.02, 0.2), (0, 0, 0.1)), "x", angle)
    flag = rotate_mesh(make_box((0.016, 0.1, 0.06), (0, 0.05, 0.17)), "x", angle)

    return [
        make_part("flag_pole", translate_mesh(pole, at), look),
        make_part("flag", translate_mesh(flag, at), look),
    ]


def _round_topped(width: float, depth: float, height: float, rounded: float) -> MeshArrays:
    """Return a box along y whose top is an arch; ``rounded`` 0..1 is how high the arch is."""
    rise = rounded * width / 2
    turn = np.linspace(0, np.pi, 13)
    arch = np.c_[np.cos(turn) * width / 2, height + rise * np.sin(turn)]
    outline = np.concatenate((((width / 2, 0.0),), arch, ((-width / 2, 0.0),)))
    return rotate_mesh(extrude_outline(outline, depth), "x", 90)


def traffic_cone(rng: Rng) -> list[Part]:
    """Make a traffic cone, a barrel of a building site or a delineator post."""
    height = rng.uniform(0.5, 1.0)
    radius = rng.uniform(0.12, 0.32)
    tip = radius * rng.uniform(0.1, 0.8)
    foot = radius * rng.uniform(1.15, 1.7)
    slab = rng.uniform(0.02, 0.08)
    look = (paint_material, any_material)[rng.integers(0, 2)](rng)
    sides = int(rng.choice((4, 8, 28, 28)))
    parts = [
        make_part(
            "cone",
            make_cylinder(radius, height, (0, 0, height / 2 + slab), top=tip, sides=28),
            look,
        )
    ]

    # A slab keeps it upright; of four or eight sides, it cannot roll.
    base_look = look if rng.random() < 0.5 else dark_material(rng)
    base = make_prism(circle_outline(foot, sides, np.pi / sides), slab)
    parts.append(make_part("foot", translate_mesh(base, (0, 0, slab / 2)), base_look))

    # Bands are a little wider than the cone, so that no faces coincide.
    band_look = (white_material, paint_material)[rng.integers(0, 2)](rng)
    band_count = int(rng.integers(0, 4))
    band = height * rng.uniform(0.06, 0.16)
    lowest = rng.uniform(0.15, 0.4)
    highest = rng.uniform(0.6, 0.85)

    for level in np.linspace(lowest, highest, band_count):
        low = radius + (tip - radius) * level
        high = low + (tip - radius) * band / height
        ring = make_cylinder(
            low * 1.03, band, (0, 0, slab + level * height + band / 2), top=high * 1.03, sides=28
        )
        parts.append(make_part("band", ring, band_look))

    # A lamp as on building sites, or a collar to lift it by.
    top = height + slab
    if rng.random() < 0.3:
        lamp = rng.uniform(0.04, 0.1)
        parts.append(
            make_part(
                "lamp",
                make_ellipsoid((lamp, lamp * 0.7, lamp), (0, 0, top + lamp * 0.7)),
                paint_material(rng),
            )
        )
    elif rng.random() < 0.4:
        ring = annulus_plate(
            circle_outline(tip + 0.025), circle_outline(tip * 0.7), rng.uniform(0.02, 0.05)
        )
        parts.append(make_part("collar", translate_mesh(ring, (0, 0, top)), base_look))

    return parts


def wheelbarrow(rng: Rng) -> list[Part]:
    """Make a wheelbarrow or handcart: a tub, one or two wheels in front, two shafts behind."""
    width = rng.uniform(0.4, 0.65)
    length = rng.uniform(0.55, 0.9)
    depth = rng.uniform(0.16, 0.35)
    wheel = rng.uniform(0.12, 0.24)
    ground = wheel * rng.uniform(1.0, 1.5)
    tub_look = (paint_material, metal_material, wood_material)[rng.integers(0, 3)](rng)
    frame_look = (wood_material, metal_material, any_material)[rng.integers(0, 3)](rng)
    flare = rng.uniform(1.1, 1.5)
    parts = [
        make_part(
            "tub", translate_mesh(_tub(width, length, depth, flare), (0, 0, ground)), tub_look
        )
    ]

    # Shafts run from the axle under the tub to the grips; legs hold them up behind.
    thick = rng.uniform(0.018, 0.035)
    spread = width * rng.uniform(0.35, 0.6)
    back = length * rng.uniform(0.9, 1.3)
    grip_rise = rng.uniform(0.0, 0.2)
    wheel_count = int(rng.integers(1, 3))
    front = -length / 2 - wheel * rng.uniform(0.2, 0.9)

    # A single wheel is between the shafts, which meet there; two wheels are outside.
    axle_half = 0.06 if wheel_count == 1 else spread
    for side in (-1, 1):
        path = np.array(
            (
                (side * axle_half, front, wheel),
                (side * spread * 0.8, -length * 0.2, ground - thick),
                (side * spread, length * 0.45, ground),
                (side * spread, back, ground + grip_rise),
            )
        )
        parts.append(make_part("shaft", make_tube(path, thick, 8), frame_look))
        grip = make_bar(path[3] - (0, 0.16, grip_rise * 0.3), path[3] + (0, 0.02, 0), thick * 1.4)
        parts.append(make_part("grip", grip, dark_material(rng)))
        leg = make_bar(
            (side * spread * 0.95, length * 0.35, ground), (side * spread, length * 0.45, 0), thick
        )
        parts.append(make_part("leg", leg, frame_look))

    axle = align_to_axis(make_cylinder(thick * 0.8, 2 * axle_half + 0.08, sides=10), "x")
    parts.append(make_part("axle", translate_mesh(axle, (0, front, wheel)), frame_look))

    # Wheels, and a heap of sand now and then.
    parts += _barrow_wheels(rng, wheel_count, wheel, axle_half, front)
    if rng.random() < 0.45:
        load = (width * 0.5 * flare, length * 0.48 * flare, depth * rng.uniform(0.3, 0.8))
        parts.append(
            make_part(
                "load", make_ellipsoid(load, (0, 0, ground + depth * 0.85), 2.4), any_material(rng)
            )
        )

    return parts


def _tub(width: float, length: float, depth: float, flare: float) -> MeshArrays:
    """Return an open tub on z = 0, wider at the top."""
    corners = np.array(((1, 1), (-1, 1), (-1, -1), (1, -1))) / 2
    floor = corners * (width, length) / flare
    top = corners * (width, length) * flare
    wall = 0.03

    # Up the outside, over the rim and down the inside.
    levels = (
        (floor, 0.0),
        (top, depth),
        (top - np.sign(corners) * wall, depth),
        (floor * 0.97, wall),
    )
    rings = [np.c_[outline, np.full(4, z)] for outline, z in levels]
    return ring_mesh(np.array(rings))


def _barrow_wheels(rng: Rng, count: int, radius: float, reach: float, front: float) -> list[Part]:
    """Make one wheel in the middle or two at the sides."""
    broad = rng.uniform(0.05, 0.1)
    hub_share = rng.uniform(0.3, 0.7)
    tire_look = dark_material(rng)
    hub_look = any_material(rng)
    parts = []

    for x in (0.0,) if count == 1 else (-reach, reach):
        tire = align_to_axis(
            annulus_plate(circle_outline(radius), circle_outline(radius * hub_share), broad), "x"
        )
        hub = align_to_axis(make_cylinder(radius * hub_share * 1.02, broad * 0.7, sides=20), "x")
        parts.append(make_part("tire", translate_mesh(tire, (x, front, radius)), tire_look))
        parts.append(make_part("hub", translate_mesh(hub, (x, front, radius)), hub_look))

    return parts


FAMILIES = {
    "mailbox": mailbox,
    "street_lamp": street_lamp,
    "traffic_cone": traffic_cone,
    "wheelbarrow": wheelbarrow,
}
