"""Swords, axes, bows and shields, upright, their flat side towards -Y."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    make_box,
    make_cylinder,
    make_ellipsoid,
    make_torus,
    make_tube,
    ring_mesh,
    rotate_mesh,
    smooth_curve,
    translate_mesh,
)
from ..solids import align_to_axis, annulus_plate, extrude_outline, make_bar, rectangle_outline

Rng = np.random.Generator
Outline = NDArray[np.floating[Any]]


def sword(rng: Rng) -> list[Part]:
    """Make a sword, dagger or saber, its point upwards."""
    length = rng.uniform(0.35, 1.2)
    width = rng.uniform(0.03, 0.1)
    grip_length = rng.uniform(0.12, 0.3)
    grip_radius = rng.uniform(0.016, 0.032)
    steel = (metal_material, any_material)[rng.integers(0, 2)](rng)
    trim = (metal_material, any_material)[rng.integers(0, 2)](rng)
    parts = [make_part("blade", _blade(rng, length, width), steel)]

    grip = make_cylinder(grip_radius, grip_length, (0, 0, -grip_length / 2), top=grip_radius * 1.1)
    parts.append(
        make_part(
            "grip", grip, (wood_material, dark_material, any_material)[rng.integers(0, 3)](rng)
        )
    )
    if rng.random() < 0.5:
        wraps = int(rng.integers(2, 7))
        for level in (np.arange(wraps) + 0.5) / wraps:
            ring = make_torus(grip_radius, grip_radius * 0.35, (0, 0, -level * grip_length), 16, 6)
            parts.append(make_part("wrap", ring, trim))

    parts.append(make_part("guard", _guard(rng, width, grip_radius), trim))
    pommel = grip_radius * rng.uniform(1.2, 2.2)
    low = (0, 0, -grip_length - pommel * 0.5)
    match rng.integers(0, 4):
        case 0:
            parts.append(
                make_part("pommel", make_ellipsoid((pommel, pommel, pommel), low, rings=8), trim)
            )
        case 1:
            disc = rotate_mesh(make_cylinder(pommel * 1.3, pommel, sides=20), "x", 90)
            parts.append(make_part("pommel", translate_mesh(disc, low), trim))
        case 2:
            ring = align_to_axis(
                make_torus(pommel * 1.2, pommel * 0.4, sides=20, round_sides=8), "y"
            )
            parts.append(make_part("pommel", translate_mesh(ring, (0, 0, low[2] - pommel)), trim))
        case _:
            parts.append(
                make_part("pommel", make_box((pommel * 2, pommel * 1.6, pommel), low, 0.006), trim)
            )

    return parts


def _blade(rng: Rng, length: float, width: float) -> MeshArrays:
    """Return a blade on z = 0: a diamond section along a line that may bend like a saber's."""
    kind = int(rng.integers(0, 4))  # even, tapering, leaf-shaped, broad at the point
    thickness = width * rng.uniform(0.16, 0.35)
    bend = rng.uniform(0.0, 0.25) * (rng.random() < 0.4)
    point = rng.uniform(0.06, 0.3)
    swell = rng.uniform(0.1, 0.5)

    along_blade = np.linspace(0, 1, 22)
    shape = {
        0: np.ones_like(along_blade),
        1: 1 - swell * along_blade,
        2: 1 - swell * np.sin(2 * np.pi * along_blade),
        3: 1 + swell * along_blade**2,
    }[kind]
    tip = np.clip((1 - along_blade) / point, 0.02, 1) ** 0.7
    half_width = np.maximum(width * shape * tip, 0.004)
    half_thickness = np.maximum(thickness * tip, 0.003)

    middle = bend * along_blade**2
    corners = np.array(((1, 0), (0, 1), (-1, 0), (0, -1)))
    x = middle[:, None] + corners[:, 0] * half_width[:, None]
    y = corners[:, 1] * half_thickness[:, None]
    z = np.repeat(along_blade[:, None] * length, 4, axis=1)

    return ring_mesh(np.stack((x, y, z), axis=2))


def _guard(rng: Rng, width: float, grip_radius: float) -> MeshArrays:
    """Return a guard at z = 0: a bar, a bent bar, a disc or a block."""
    span = width * rng.uniform(1.6, 4.0)
    thick = grip_radius * rng.uniform(0.7, 1.3)
    droop = rng.uniform(-0.08, 0.12)
    match rng.integers(0, 4):
        case 0:
            return make_box((2 * span, 2.4 * thick, 2 * thick), bevel=thick * 0.4)
        case 1:
            path = smooth_curve(
                (-span, 0, droop), (-span / 2, 0, 0), (span / 2, 0, 0), (span, 0, droop)
            )
            return make_tube(path, thick)
        case 2:
            return make_cylinder(width * 1.5, thick, sides=int(rng.choice((6, 8, 28))))
        case _:
            return make_box((width * 2.4, 3 * thick, 3 * thick), bevel=thick * 0.5)


def axe(rng: Rng) -> list[Part]:
    """Make an axe, battle-axe or pickaxe, its edge to the right."""
    length = rng.uniform(0.6, 1.2)
    thick = rng.uniform(0.018, 0.035)
    sway = rng.uniform(-0.05, 0.05)
    handle_look = (wood_material, any_material)[rng.integers(0, 2)](rng)
    head_look = (metal_material, any_material)[rng.integers(0, 2)](rng)
    path = smooth_curve((0, 0, 0), (sway, 0, length * 0.35), (0, 0, length * 0.75), (0, 0, length))
    radii = thick * np.linspace(rng.uniform(1.0, 1.5), 1, len(path))
    parts = [make_part("handle", make_tube(path, radii), handle_look)]

    head_level = length * rng.uniform(0.84, 0.96)
    head_thickness = thick * rng.uniform(1.0, 2.2)
    kind = int(rng.integers(0, 4))  # one edge, with a hammer, two edges, a pick
    edge = _axe_blade(rng)
    meshes = [extrude_outline(edge, head_thickness)]

    if kind == 1:
        back = rng.uniform(0.08, 0.16)
        meshes.append(
            make_box((back, head_thickness * 1.5, head_thickness * 1.5), (-back / 2, 0, 0))
        )
    elif kind == 2:
        meshes.append(extrude_outline((edge * (-1, 1))[::-1], head_thickness))
    elif kind == 3:
        spike = rng.uniform(0.2, 0.4)
        droop = rng.uniform(0.0, 0.12)
        pick = smooth_curve((0, 0, 0), (-spike * 0.6, -droop * 0.3, 0), (-spike, -droop, 0))
        meshes.append(make_tube(pick, np.linspace(head_thickness * 0.8, 0.008, len(pick)), 6))

    for mesh in meshes:
        parts.append(
            make_part(
                "head", translate_mesh(rotate_mesh(mesh, "x", 90), (0, 0, head_level)), head_look
            )
        )

    socket = make_box((thick * 3.2, thick * 2.8, thick * rng.uniform(3, 5)), (0, 0, head_level))
    parts.append(make_part("socket", socket, head_look))
    if rng.random() < 0.35:
        grip = make_cylinder(thick * 1.5, length * rng.uniform(0.12, 0.25), (0, 0, length * 0.12))
        parts.append(make_part("grip", grip, dark_material(rng)))

    if rng.random() < 0.3:
        tip = make_cylinder(
            thick * 1.1, rng.uniform(0.06, 0.16), (0, 0, length), top=0.006, sides=8
        )
        parts.append(make_part("spike", tip, head_look))

    return parts


def _axe_blade(rng: Rng) -> Outline:
    """Return the outline (P, 2) of a blade from the handle at x = 0 to an arched edge."""
    reach = rng.uniform(0.16, 0.34)
    root = rng.uniform(0.03, 0.07)
    upper = rng.uniform(0.06, 0.2)
    lower = rng.uniform(0.08, 0.3)
    arch = rng.uniform(0.01, 0.08)
    heights = np.linspace(-lower, upper, 9)
    edge = np.c_[reach + arch * np.sin(np.linspace(0, np.pi, 9)), heights]
    waist = np.array(
        ((reach * 0.4, root * 1.05), (0, root), (0, -root), (reach * 0.4, -root * 1.05))
    )

    return np.concatenate((edge, waist))


def bow(rng: Rng) -> list[Part]:
    """Make a bow with its string, drawn a little, often with an arrow on it."""
    height = rng.uniform(0.8, 1.2)
    belly = rng.uniform(0.15, 0.35)
    recurve = rng.uniform(-0.05, 0.14)
    thick = rng.uniform(0.014, 0.03)
    taper = rng.uniform(0.4, 1.0)
    look = (wood_material, any_material)[rng.integers(0, 2)](rng)

    # The limbs bend away from the string, which is at x = 0; their tips may turn back.
    tip = np.array((recurve, 0, height / 2))
    bend = np.array((belly * 0.75, 0, height * rng.uniform(0.22, 0.34)))
    up_down = np.array((1, 1, -1))
    path = smooth_curve(tip * up_down, bend * up_down, (belly, 0, 0), bend, tip, steps=10)
    radii = thick * (1 - (1 - taper) * np.abs(np.linspace(-1, 1, len(path))))
    parts = [
        make_part(
            "bow", make_tube(path, np.maximum(radii, 0.008), flat=rng.uniform(0.7, 1.8)), look
        )
    ]

    grip = rng.uniform(0.08, 0.2)
    grip_mesh = make_cylinder(thick * 1.35, grip, (belly, 0, 0))
    parts.append(
        make_part("grip", grip_mesh, (dark_material, any_material)[rng.integers(0, 2)](rng))
    )

    draw_length = rng.uniform(0.05, 0.35) * (rng.random() < 0.4)
    nock = (recurve - draw_length, 0, 0)
    string = paint_material(rng)
    for end in (tip, tip * up_down):
        parts.append(make_part("string", make_bar(end, nock, 0.007, 6), string))
    if rng.random() < 0.5:
        parts += _arrow(rng, nock[0], belly + rng.uniform(0.05, 0.3))
    return parts


def _arrow(rng: Rng, start: float, end: float) -> list[Part]:
    """Make an arrow along x from ``start`` to ``end``."""
    shaft = make_part("arrow", make_bar((start, 0, 0), (end, 0, 0), 0.01, 8), wood_material(rng))
    head_length = rng.uniform(0.06, 0.12)
    cone = make_cylinder(
        rng.uniform(0.02, 0.04), head_length, top=0.004, sides=int(rng.choice((4, 16)))
    )
    head = make_part(
        "arrowhead", translate_mesh(rotate_mesh(cone, "y", 90), (end, 0, 0)), metal_material(rng)
    )

    feather_look = paint_material(rng)
    feather = make_box((rng.uniform(0.08, 0.14), 0.007, 0.08), (start + 0.08, 0, 0))
    crossed = (feather, rotate_mesh(feather, "x", 90))
    return [shaft, head, *(make_part("feather", mesh, feather_look) for mesh in crossed)]


def shield(rng: Rng) -> list[Part]:
    """Make a round, heater, kite or tower shield with rim, boss and emblem."""
    kind = int(rng.integers(0, 5))
    width = rng.uniform(0.5, 0.9)
    height = width if kind == 0 else width * rng.uniform(1.1, 1.7)
    outline = _shield_outline(kind) * (width / 2, height / 2)
    bulge = rng.uniform(0.0, 0.18)
    thickness = rng.uniform(0.02, 0.05)
    look = (wood_material, paint_material, any_material)[rng.integers(0, 3)](rng)
    trim = (metal_material, any_material)[rng.integers(0, 2)](rng)
    parts = [make_part("plate", _bulged(outline, bulge, thickness), look)]

    if rng.random() < 0.8:
        inner = outline * (1 - rng.uniform(0.06, 0.16))
        rim = annulus_plate(outline * 1.02, inner, thickness * rng.uniform(1.2, 2.0))
        parts.append(make_part("rim", rotate_mesh(rim, "x", 90), trim))
    if rng.random() < 0.6:
        boss = rng.uniform(0.06, 0.16)
        dome = make_ellipsoid(
            (boss, boss * rng.uniform(0.4, 1.1), boss), (0, -bulge - thickness / 2, 0)
        )
        parts.append(make_part("boss", dome, trim))

    emblem = int(rng.integers(0, 4))
    stripe = rng.uniform(0.05, 0.12)
    depth = bulge + thickness + 0.03
    level = -bulge / 2
    second = paint_material(rng)
    if emblem in (1, 2):
        mesh = make_box((stripe, depth, height * 0.8), (0, level, 0))
        parts.append(make_part("emblem", mesh, second))
    if emblem == 2:
        mesh = make_box((width * 0.8, depth, stripe), (0, level, height * rng.uniform(0.0, 0.2)))
        parts.append(make_part("emblem", mesh, second))

    if emblem == 3:
        star = rectangle_outline(stripe * 3, stripe * 3) @ np.array(((0.7, 0.7), (-0.7, 0.7)))
        parts.append(
            make_part(
                "emblem",
                translate_mesh(rotate_mesh(extrude_outline(star, depth), "x", 90), (0, level, 0)),
                second,
            )
        )

    return [*parts, _shield_grip(rng, thickness)]


def _shield_outline(kind: int) -> Outline:
    """Return an outline (48, 2) in -1..1: round, heater, kite, tower or pointed above and below."""
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    round_outline: Outline = np.c_[np.cos(turn), np.sin(turn)]
    if kind == 0:
        return round_outline
    if kind == 3:
        return rectangle_outline(2, 2, 48)

    # For the others the half width is a function of the height.
    heights = round_outline[:, 1]
    half_width = {
        1: np.where(heights > 0.2, 1.0, np.sqrt(np.clip(1 - ((heights - 0.2) / 1.2) ** 2, 0, 1))),
        2: np.where(heights > 0, np.sqrt(1 - heights**2), (1 + heights) ** 0.7),
        4: 1 - 0.75 * np.abs(heights) ** 3,
    }[kind]
    sides = np.where(np.abs(round_outline[:, 0]) < 1e-6, 0, np.sign(round_outline[:, 0]))
    outline: Outline = np.c_[sides * np.maximum(half_width, 0.02), heights]

    return outline


def _bulged(outline: Outline, bulge: float, thickness: float) -> MeshArrays:
    """Return a plate in x and z that bulges by ``bulge`` towards -Y in the middle."""
    shares = np.array((0.04, 0.3, 0.55, 0.8, 1.0))

    # Rings from the middle of the back to the rim, and on the front to the middle again.
    rings = []
    for offset, order in ((thickness / 2, shares), (-thickness / 2, shares[::-1])):
        for share in order:
            depth = offset - bulge * (1 - share**2)
            flat = outline * share
            rings.append(np.c_[flat[:, 0], np.full(len(flat), depth), flat[:, 1]])

    return ring_mesh(np.array(rings))


def _shield_grip(rng: Rng, thickness: float) -> Part:
    """Make the bar that the hand holds, behind the plate."""
    half = rng.uniform(0.08, 0.16)
    away = rng.uniform(0.05, 0.1)
    path = smooth_curve(
        (0, thickness * 0.3, -half),
        (0, away, -half / 2),
        (0, away, half / 2),
        (0, thickness * 0.3, half),
    )
    look: PartMaterial = dark_material(rng)

    return make_part("grip", make_tube(path, 0.018), look)


FAMILIES = {"axe": axe, "bow": bow, "shield": shield, "sword": sword}
