"""Pumpkins, fish, anvils and dumbbells."""

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
    wood_material,
)
from ..primitives import (
    lathe_solid,
    make_box,
    make_cylinder,
    make_ellipsoid,
    make_tube,
    ring_mesh,
    rotate_mesh,
    smooth_curve,
    translate_mesh,
)
from ..solids import align_to_axis, circle_outline, extrude_outline

Rng = np.random.Generator


def pumpkin(rng: Rng) -> list[Part]:
    """Make a pumpkin, melon, apple or pear: ribs, a dimple, a stalk, sometimes a face."""
    ribs = int(rng.integers(0, 13))
    rib_depth = rng.uniform(0.04, 0.2) * (ribs > 3)
    height = rng.uniform(0.6, 1.3)
    dimple = rng.uniform(0.0, 0.35)
    taper = rng.uniform(-0.3, 0.3)
    power = rng.uniform(1.8, 3.0)
    skin = (paint_material, any_material)[rng.integers(0, 2)](rng)

    # A grid of latitude and longitude; both poles are drawn in by the dimple.
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 21)
    longitude = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    bulge = np.abs(np.cos(latitude)) ** (2 / power)
    wide = np.maximum(bulge * (1 - taper * np.sin(latitude)), 0.03)
    rib = 1 - rib_depth * np.abs(np.sin(longitude * ribs / 2)) ** 0.7
    level = np.sin(latitude) * (1 - dimple * np.sin(latitude) ** 8)
    x = 0.5 * wide[:, None] * rib * np.cos(longitude)
    y = 0.5 * wide[:, None] * rib * np.sin(longitude)
    z = np.repeat(0.5 * height * level[:, None], len(longitude), axis=1)
    parts = [make_part("fruit", ring_mesh(np.stack((x, y, z), axis=2)), skin)]

    # The stalk grows out of the dimple, thinner towards its end.
    top = 0.5 * height * (1 - dimple)
    length = rng.uniform(0.08, 0.3)
    lean = rng.uniform(-0.15, 0.15)
    thick = rng.uniform(0.02, 0.07)
    path = smooth_curve(
        (0, 0, top - 0.05), (lean * 0.3, 0, top + length * 0.6), (lean, 0, top + length)
    )
    radii = thick * np.linspace(1.3, rng.uniform(0.6, 1.1), len(path))
    parts.append(
        make_part("stalk", make_tube(path, radii, int(rng.choice((5, 8)))), wood_material(rng))
    )

    for _ in range(int(rng.integers(0, 3))):
        size = rng.uniform(0.1, 0.2)
        flat_leaf = make_ellipsoid((size, size * 0.5, 0.015), (size, 0, 0), rings=8)
        leaf = rotate_mesh(flat_leaf, "y", rng.uniform(-40, 10))
        turned_leaf = rotate_mesh(leaf, "z", rng.uniform(0, 360))
        parts.append(
            make_part("leaf", translate_mesh(turned_leaf, (0, 0, top + 0.02)), paint_material(rng))
        )

    if rng.random() < 0.3:
        parts += _carved_face(rng, height)
    return parts


def _carved_face(rng: Rng, height: float) -> list[Part]:
    """Make the eyes, nose and mouth of a lantern, set into the front."""
    glow = paint_material(rng)
    apart = rng.uniform(0.13, 0.2)
    size = rng.uniform(0.05, 0.09)
    grin = rng.uniform(0.12, 0.22)
    parts = []

    for side in (-1, 1):
        eye = rotate_mesh(extrude_outline(circle_outline(size, 3, np.pi / 2), 0.3), "x", 90)
        parts.append(
            make_part("eye", translate_mesh(eye, (side * apart, -0.37, height * 0.12)), glow)
        )

    nose = rotate_mesh(extrude_outline(circle_outline(size * 0.6, 3, np.pi / 2), 0.3), "x", 90)
    parts.append(make_part("nose", translate_mesh(nose, (0, -0.37, 0)), glow))
    mouth = make_box((2 * grin, 0.3, size * 0.9), (0, -0.35, -height * 0.16))
    return [*parts, make_part("mouth", mouth, glow)]


def fish(rng: Rng) -> list[Part]:
    """Make a fish, its head towards -Y: body, fins, tail and eyes."""
    length = rng.uniform(0.7, 1.2)
    height = length * rng.uniform(0.12, 0.32)
    width = height * rng.uniform(0.3, 0.9)
    peak = rng.uniform(0.25, 0.5)
    tail_root = rng.uniform(0.08, 0.25)
    skin = (paint_material, any_material)[rng.integers(0, 2)](rng)
    fin_look = skin if rng.random() < 0.4 else any_material(rng)

    # Elliptic sections along y, the highest at the share ``peak`` of the length.
    shares = np.linspace(0, 1, 22)
    front = np.sqrt(np.clip(1 - ((shares - peak) / (peak + 0.01)) ** 2, 0.01, 1))
    rear = tail_root + (1 - tail_root) * np.cos(
        np.clip((shares - peak) / (1 - peak), 0, 1) * np.pi / 2
    )
    profile = np.where(shares < peak, front, rear)
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    sway = rng.uniform(-0.12, 0.12) * length
    x = width * profile[:, None] * np.cos(turn) + sway * (shares[:, None] - peak) ** 2
    y = np.repeat((shares[:, None] - 0.5) * length, 20, axis=1)
    z = height * profile[:, None] * np.sin(turn)
    parts = [make_part("body", ring_mesh(np.stack((x, y, z), axis=2)), skin)]

    # Eyes and side fins come in mirrored pairs.
    eye = height * rng.uniform(0.12, 0.24)
    eye_look = dark_material(rng)
    side_fin = height * rng.uniform(0.4, 1.1)
    at = float(np.interp(0.14, shares, profile))

    for side in (-1, 1):
        center = (side * width * at * 0.85, -length * 0.36, height * 0.2)
        parts.append(
            make_part("eye", make_ellipsoid((eye * 0.6, eye, eye), center, rings=8), eye_look)
        )
        fin = make_ellipsoid(
            (side_fin * 0.5, side_fin * 0.3, 0.012), (side_fin * 0.4, 0, 0), rings=8
        )
        spread = rotate_mesh(rotate_mesh(fin, "z", 35), "y", 30)

        if side < 0:
            spread = MeshArrays(
                spread.vertices * np.array((-1, 1, 1), np.float32), spread.faces[:, ::-1]
            )

        parts.append(
            make_part(
                "side_fin",
                translate_mesh(spread, (side * width * 0.7, -length * 0.12, -height * 0.2)),
                fin_look,
            )
        )

    return parts + _fish_fins(rng, length, height, sway * (1 - peak) ** 2, fin_look)


def _fish_fins(
    rng: Rng, length: float, height: float, sway: float, look: PartMaterial
) -> list[Part]:
    """Make the tail fin and the fins above and below, as plates in y and z."""
    tail = height * rng.uniform(0.7, 1.5)
    notch = rng.uniform(0.0, 0.7)
    reach = length * rng.uniform(0.12, 0.28)
    start = length * 0.48
    outline = np.array(
        (
            (start, -height * 0.1),
            (start + reach, -tail),
            (start + reach * (1 - notch), 0),
            (start + reach, tail),
            (start, height * 0.1),
        )
    )
    thick = max(0.02 * length, 0.014)
    parts = [
        make_part(
            "tail_fin",
            translate_mesh(align_to_axis(extrude_outline(outline, thick), "x"), (sway, 0, 0)),
            look,
        )
    ]

    rise = height * rng.uniform(0.2, 0.8)
    span = length * rng.uniform(0.15, 0.45)
    lean = rng.uniform(0.0, 0.5) * span
    back = np.array(
        ((-span / 2, 0), (span / 2, 0), (span / 2 + lean, rise), (lean - span * 0.1, rise))
    )
    base = height * 0.8
    parts.append(
        make_part(
            "back_fin",
            translate_mesh(align_to_axis(extrude_outline(back, thick), "x"), (0, -0.05, base)),
            look,
        )
    )

    if rng.random() < 0.6:
        belly = (back * (0.6, -rng.uniform(0.5, 1.0)))[::-1]
        under = translate_mesh(
            align_to_axis(extrude_outline(belly, thick), "x"), (0, length * 0.12, -height * 0.65)
        )
        parts.append(make_part("belly_fin", under, look))

    return parts


def anvil(rng: Rng) -> list[Part]:
    """Make an anvil with one or two horns, on its waist, often on a block with a hammer."""
    length = rng.uniform(0.45, 0.7)
    width = rng.uniform(0.16, 0.3)
    face = rng.uniform(0.1, 0.18)
    waist = rng.uniform(0.3, 0.7)
    waist_height = rng.uniform(0.08, 0.2)
    foot = rng.uniform(0.7, 1.1)
    steel = (metal_material, dark_material, any_material)[rng.integers(0, 3)](rng)
    foot_height = rng.uniform(0.05, 0.1)

    base = make_box((length * foot, width * 1.3, foot_height), (0, 0, foot_height / 2), 0.008)
    low = foot_height
    rings = []

    for share, level in ((1.0, 0.0), (waist, 0.35), (waist, 0.65), (1.0, 1.0)):
        half = np.array((length * share * 0.42, width * (0.5 + 0.5 * share) * 0.5))
        corners = np.array(((1, 1), (-1, 1), (-1, -1), (1, -1))) * half
        rings.append(np.c_[corners, np.full(4, low + level * waist_height)])

    top = low + waist_height + face
    block = make_box((length, width, face), (0, 0, top - face / 2), 0.006)
    parts = [make_part("foot", base, steel), make_part("waist", ring_mesh(np.array(rings)), steel)]
    parts.append(make_part("face", block, steel))

    # The horn is a cone to the left; a second one, or a step, is to the right.
    horn = rng.uniform(0.2, 0.42)
    rise = rng.uniform(-0.02, 0.03)
    far_end = int(rng.integers(0, 3))

    for side in (-1, 1)[: 1 + (far_end == 1)]:
        root = (side * length * 0.48, 0, top - face * 0.5)
        tip = (side * (length / 2 + horn), 0, top - face * 0.3 + rise)
        path = smooth_curve(root, ((root[0] + tip[0]) / 2, 0, root[2]), tip)
        radii = np.linspace(min(face, width) * 0.5, 0.012, len(path))
        parts.append(make_part("horn", make_tube(path, radii, 14), steel))

    if far_end == 2:
        step = rng.uniform(0.08, 0.2)
        parts.append(
            make_part(
                "heel",
                make_box(
                    (step, width * 0.9, face * 0.5), (length / 2 + step / 2, 0, top - face * 0.3)
                ),
                steel,
            )
        )

    return parts + _forge_things(rng, length, width, top)


def _forge_things(rng: Rng, length: float, width: float, top: float) -> list[Part]:
    """Make the block below an anvil and the hammer on it, either or neither."""
    parts = []
    tall = rng.uniform(0.2, 0.5)
    radius = rng.uniform(0.8, 1.1) * max(length * 0.6, width)

    if rng.random() < 0.5:
        sides = int(rng.choice((4, 8, 24)))
        block = rotate_mesh(
            make_cylinder(radius, tall, (0, 0, -tall / 2 + 0.005), sides=sides), "z", 180 / sides
        )
        parts.append(make_part("block", block, wood_material(rng)))

    if rng.random() < 0.35:
        angle = rng.uniform(-50, 50)
        handle = align_to_axis(make_cylinder(0.018, 0.4, sides=10), "x")
        head = make_box((0.06, 0.15, 0.06), (0.2, 0, 0), 0.006)
        for label, mesh, look in (
            ("handle", handle, wood_material(rng)),
            ("head", head, metal_material(rng)),
        ):
            parts.append(
                make_part(
                    label, translate_mesh(rotate_mesh(mesh, "z", angle), (0, 0, top + 0.03)), look
                )
            )

    return parts


def dumbbell(rng: Rng) -> list[Part]:
    """Make a dumbbell, barbell or kettlebell along x."""
    length = rng.uniform(0.35, 1.3)
    bar_radius = rng.uniform(0.018, 0.04)
    bar_look = (metal_material, dark_material)[rng.integers(0, 2)](rng)
    weight_look = (dark_material, metal_material, any_material)[rng.integers(0, 3)](rng)
    sides = int(rng.choice((6, 8, 12, 32)))
    parts = [
        make_part("bar", align_to_axis(make_cylinder(bar_radius, length, sides=16), "x"), bar_look)
    ]

    # Weights are set from the inside outwards, the same on both sides.
    kind = int(rng.integers(0, 3))  # plates, balls, drums
    radius = rng.uniform(0.1, 0.26)
    shrink = rng.uniform(0.6, 1.0)
    thickness = rng.uniform(0.03, 0.09)
    gap = rng.uniform(0.0, 0.02)
    start = length * rng.uniform(0.28, 0.42)
    count = int(rng.integers(1, 4)) if kind == 0 else 1

    for side in (-1, 1):
        at = start
        for i in range(count):
            weight_radius = radius * shrink**i
            mesh, depth = _weight(kind, weight_radius, thickness, sides)
            parts.append(
                make_part(
                    "weight", translate_mesh(mesh, (side * (at + depth / 2), 0, 0)), weight_look
                )
            )
            at += depth + gap

    if rng.random() < 0.6:
        collar = align_to_axis(
            make_cylinder(bar_radius * rng.uniform(1.4, 2.2), 0.05, sides=16), "x"
        )
        for side in (-1, 1):
            parts.append(
                make_part("collar", translate_mesh(collar, (side * (start - 0.03), 0, 0)), bar_look)
            )
    if rng.random() < 0.5:
        grip = align_to_axis(
            make_cylinder(bar_radius * rng.uniform(1.1, 1.5), start * rng.uniform(0.6, 1.4)), "x"
        )
        parts.append(make_part("grip", grip, any_material(rng)))

    return parts


def _weight(kind: int, radius: float, thickness: float, sides: int) -> tuple[MeshArrays, float]:
    """Return a plate, ball or drum about the x axis, and how long it is along x."""
    if kind == 0:
        return align_to_axis(make_cylinder(radius, thickness, sides=sides), "x"), thickness
    if kind == 1:
        return make_ellipsoid((radius, radius, radius), rings=14), 2 * radius * 0.9

    # A drum with its edges cut off.
    half = 2.5 * thickness / 2
    edge = 0.8 * radius
    profile = [(edge, -half), (radius, -half * 0.6), (radius, half * 0.6), (edge, half)]
    drum = lathe_solid(profile, sides)

    return align_to_axis(drum, "x"), 2 * half


FAMILIES = {"anvil": anvil, "dumbbell": dumbbell, "fish": fish, "pumpkin": pumpkin}
