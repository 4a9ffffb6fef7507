"""Guns and cannons; their muzzle points towards -Y."""

from __future__ import annotations

import numpy as np

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
    make_ellipsoid,
    make_torus,
    rotate_mesh,
    translate_mesh,
)
from ..solids import align_to_axis, annulus_plate, circle_outline, extrude_outline

Rng = np.random.Generator


def gun(rng: Rng) -> list[Part]:
    """Make a pistol, rifle or blaster: receiver, barrel, grip, and what else such have."""
    has_stock = rng.random() < 0.6
    length = rng.uniform(0.3, 0.7)
    height = rng.uniform(0.08, 0.16)
    width = rng.uniform(0.05, 0.1)
    bevel = rng.uniform(0.0, 0.4) * width / 2
    look = (dark_material, metal_material, any_material)[rng.integers(0, 3)](rng)
    second = (dark_material, wood_material, any_material)[rng.integers(0, 3)](rng)
    parts = [make_part("receiver", make_box((width, length, height), bevel=bevel), look)]

    # What most guns have, and then what only some have.
    parts += _gun_barrel(rng, length, height, (look, second))
    parts += _gun_grips(rng, length, height, width, second)
    if has_stock:
        parts += _gun_stock(rng, length, height, width, second)
    if rng.random() < 0.6:
        parts += _gun_sight(rng, length, height, look)

    if rng.random() < 0.3:
        stripe = make_box((width * 1.06, length * rng.uniform(0.2, 0.7), height * 0.2))
        parts.append(make_part("stripe", stripe, paint_material(rng)))
    return parts


def _gun_barrel(
    rng: Rng, length: float, height: float, looks: tuple[PartMaterial, PartMaterial]
) -> list[Part]:
    """Make the barrel or two of them, with a muzzle and a hand guard."""
    reach = rng.uniform(0.15, 0.8)
    radius = height * rng.uniform(0.14, 0.35)
    level = height * rng.uniform(0.0, 0.25)
    sides = int(rng.choice((6, 8, 20)))
    is_double = rng.random() < 0.2
    start = -length / 2
    parts = []

    # A barrel is hollow, so that the bore shows from the front.
    offsets = (-radius, radius) if is_double else (0.0,)
    for x in offsets:
        tube_mesh = annulus_plate(
            circle_outline(radius, sides), circle_outline(radius * 0.55, sides), reach
        )
        barrel = translate_mesh(align_to_axis(tube_mesh, "y"), (x, start - reach / 2 + 0.01, level))
        parts.append(make_part("barrel", barrel, looks[0]))

        if rng.random() < 0.5:
            muzzle_length = reach * rng.uniform(0.1, 0.35)
            outer = circle_outline(radius * rng.uniform(1.2, 1.7), sides)
            muzzle = align_to_axis(
                annulus_plate(outer, circle_outline(radius * 0.6, sides), muzzle_length), "y"
            )
            parts.append(
                make_part("muzzle", translate_mesh(muzzle, (x, start - reach, level)), looks[0])
            )

    # The other hand holds the gun by a guard below the barrel.
    if rng.random() < 0.5:
        guard_length = reach * rng.uniform(0.4, 0.8)
        size = (height * 0.7, guard_length, height * rng.uniform(0.6, 0.9))
        guard = make_box(size, (0, start - guard_length / 2, level - height * 0.1), 0.012)
        parts.append(make_part("hand_guard", guard, looks[1]))

    return parts


def _gun_grips(
    rng: Rng, length: float, height: float, width: float, look: PartMaterial
) -> list[Part]:
    """Make the grip, the trigger in its guard, and a magazine."""
    drop = rng.uniform(0.14, 0.24)
    slant = rng.uniform(0, 30)
    grip_at = length * rng.uniform(0.15, 0.42)
    grip = make_box((width * 0.8, rng.uniform(0.07, 0.11), drop), (0, 0, -drop / 2), 0.012)
    slanted = rotate_mesh(grip, "x", slant)
    placed = translate_mesh(slanted, (0, grip_at, -height * 0.4))
    parts = [make_part("grip", placed, look)]

    # The trigger is in front of the grip, within reach of a finger.
    ring = rng.uniform(0.035, 0.05)
    guard = align_to_axis(make_torus(ring, 0.008, sides=20, round_sides=6), "x")
    front = grip_at - 0.05 - ring
    placed_guard = translate_mesh(guard, (0, front, -height / 2 - ring * 0.6))
    parts.append(make_part("trigger_guard", placed_guard, look))
    trigger = make_box((0.014, 0.014, ring * 1.2), (0, front, -height / 2 - ring * 0.4))
    parts.append(make_part("trigger", trigger, dark_material(rng)))

    # The magazine leans, mostly with its lower end to the front.
    if rng.random() < 0.65:
        tall = rng.uniform(0.1, 0.3)
        lean = rng.uniform(-20, 5)
        case = make_box((width * 0.6, rng.uniform(0.06, 0.12), tall), (0, 0, -tall / 2), 0.006)
        at = (0, front - rng.uniform(0.08, 0.16), -height * 0.4)
        parts.append(
            make_part(
                "magazine", translate_mesh(rotate_mesh(case, "x", lean), at), dark_material(rng)
            )
        )

    return parts


def _gun_stock(
    rng: Rng, length: float, height: float, width: float, look: PartMaterial
) -> list[Part]:
    """Make the stock: a solid one, or a bar with a shoulder plate."""
    reach = rng.uniform(0.2, 0.45)
    drop = rng.uniform(0.0, 0.12)
    butt = rng.uniform(0.12, 0.22)
    start = length / 2 - 0.02
    end = start + reach

    if rng.random() < 0.6:
        outline = np.array(
            (
                (start, height * 0.35),
                (start, -height * 0.35),
                (end, -drop - butt * 0.6),
                (end, -drop + butt * 0.4),
            )
        )
        mesh = align_to_axis(extrude_outline(outline, width * rng.uniform(0.6, 0.9)), "x")
        return [make_part("stock", mesh, look)]

    # The bar of a folding stock.
    rod = align_to_axis(make_cylinder(height * 0.18, reach, sides=12), "y")
    plate = make_box((width * 0.8, 0.04, butt), (0, end, -drop * 0.4), 0.008)

    return [
        make_part("stock", translate_mesh(rod, (0, start + reach / 2, 0)), look),
        make_part("butt", plate, look),
    ]


def _gun_sight(rng: Rng, length: float, height: float, look: PartMaterial) -> list[Part]:
    """Make a scope on two mounts, or iron sights at both ends."""
    at = length * rng.uniform(-0.2, 0.2)
    radius = rng.uniform(0.025, 0.05)
    scope_length = rng.uniform(0.12, 0.35)

    if rng.random() < 0.5:
        post = rng.uniform(0.03, 0.06)
        ends = (-length * 0.45, length * 0.45)
        return [
            make_part("sight", make_box((0.02, 0.03, post), (0, y, height / 2)), look) for y in ends
        ]

    # The scope is wider at its lens, in front.
    profile = [
        (radius * 1.3, -scope_length / 2),
        (radius * 1.3, -scope_length * 0.3),
        (radius, -scope_length * 0.2),
        (radius, scope_length / 2),
    ]
    level = height / 2 + radius + 0.02
    parts = [
        make_part(
            "scope",
            translate_mesh(rotate_mesh(lathe_solid(profile, 20), "x", -90), (0, at, level)),
            dark_material(rng),
        )
    ]

    for y in (-0.25, 0.25):
        mount = make_box(
            (0.03, 0.025, radius + 0.04), (0, at + y * scope_length, level - radius * 0.7)
        )
        parts.append(make_part("mount", mount, look))

    return parts


def cannon(rng: Rng) -> list[Part]:
    """Make a cannon on a carriage with two or four wheels, or a mortar on a block."""
    length = rng.uniform(0.6, 1.2)
    breech = rng.uniform(0.12, 0.2)
    muzzle = breech * rng.uniform(0.55, 0.95)
    flare = rng.uniform(1.0, 1.4)
    pitch = rng.uniform(0, 35)
    look = (metal_material, dark_material, any_material)[rng.integers(0, 3)](rng)
    wooden = (wood_material, any_material)[rng.integers(0, 2)](rng)

    # The tube is made upright, its bore open at the top, and then tilted towards -Y.
    bore = muzzle * rng.uniform(0.45, 0.7)
    profile = [
        (breech * 0.5, -0.06),
        (breech, 0.0),
        (breech, length * 0.3),
        (breech * 0.9, length * 0.32),
        (muzzle, length * 0.88),
        (muzzle * flare, length * 0.95),
        (muzzle * flare, length),
        (bore, length),
        (bore, length * 0.5),
    ]
    pieces = [make_part("barrel", lathe_solid(profile, 28), look)]
    pieces.append(
        make_part("knob", make_ellipsoid((0.05, 0.05, 0.06), (0, 0, -0.1), rings=8), look)
    )

    for level in np.linspace(0.08, 0.8, int(rng.integers(1, 5))):
        radius = float(np.interp(level, (0, 0.3, 0.88), (breech, breech, muzzle)))
        ring = make_torus(radius, rng.uniform(0.012, 0.03), (0, 0, level * length), 28, 8)
        pieces.append(make_part("band", ring, look))

    # The barrel turns about its middle, above the axle.
    wheel = rng.uniform(0.16, 0.36)
    axle_level = wheel + breech * 0.5
    parts = []

    for p in pieces:
        tilted = rotate_mesh(translate_mesh(p.mesh, (0, 0, -length * 0.35)), "x", 90 - pitch)
        mesh = translate_mesh(tilted, (0, 0, axle_level + breech * 0.6))
        parts.append(Part(p.label, mesh, p.color, p.roughness, p.metallic))

    parts += _carriage(rng, length, breech, wheel, wooden)

    # Balls that fit the bore lie beside it, in rows of two.
    for i in range(int(rng.integers(0, 4))):
        ball = bore * 0.95
        center = (breech * 4 + 2.1 * ball * (i % 2), -0.2 + 2.1 * ball * (i // 2), ball)
        parts.append(
            make_part(
                "cannonball",
                make_ellipsoid((ball, ball, ball), center, rings=10),
                dark_material(rng),
            )
        )

    return parts


def _carriage(
    rng: Rng, length: float, breech: float, wheel: float, look: PartMaterial
) -> list[Part]:
    """Make two cheeks, the axles and the wheels."""
    cheek = rng.uniform(0.04, 0.08)
    trail = rng.uniform(0.4, 0.8) * length
    top = wheel + breech * 1.3
    outline = np.array(
        (
            (-length * 0.25, top),
            (-length * 0.3, wheel * 0.6),
            (trail, wheel * 0.15),
            (trail, wheel * 0.6),
            (length * 0.2, top * 0.85),
        )
    )

    # A cheek on either side of the barrel.
    parts = []
    for side in (-1, 1):
        mesh = align_to_axis(extrude_outline(outline, cheek), "x")
        parts.append(
            make_part("cheek", translate_mesh(mesh, (side * (breech + cheek / 2), 0, 0)), look)
        )

    # Wheels outside the cheeks; those behind are smaller, since the trail is low there.
    reach = breech + cheek + 0.06
    rear = int(rng.integers(0, 2))  # another pair of wheels behind
    spokes = int(rng.integers(0, 9))
    rim_look = any_material(rng)

    for y in (-length * 0.12, trail * 0.8)[: 1 + rear]:
        radius = wheel if y < 0 else wheel * 0.7
        axle = align_to_axis(make_cylinder(0.03, 2 * reach + 0.12, sides=12), "x")
        parts.append(make_part("axle", translate_mesh(axle, (0, y, radius)), look))
        for side in (-1, 1):
            parts += _cart_wheel(radius, spokes, (side * reach, y, radius), rim_look)

    return parts


def _cart_wheel(
    radius: float, spokes: int, center: tuple[float, float, float], look: PartMaterial
) -> list[Part]:
    """Make a wheel about the x axis: a disc, or from three spokes on a rim with spokes."""
    if spokes < 3:
        disc = align_to_axis(make_cylinder(radius, 0.07, sides=24), "x")
        return [make_part("wheel", translate_mesh(disc, center), look)]

    rim = align_to_axis(
        annulus_plate(circle_outline(radius), circle_outline(radius * 0.8), 0.07), "x"
    )
    parts = [make_part("wheel", translate_mesh(rim, center), look)]
    hub = align_to_axis(make_cylinder(radius * 0.2, 0.12, sides=16), "x")
    parts.append(make_part("hub", translate_mesh(hub, center), look))

    for i in range(spokes):
        bar = make_box((0.035, 0.03, radius * 0.75), (0, 0, radius * 0.5))
        turned = rotate_mesh(bar, "x", 360 * i / spokes)
        parts.append(make_part("spoke", translate_mesh(turned, center), look))

    return parts


FAMILIES = {"cannon": cannon, "gun": gun}
