"""Swords, axes, bows and shields, upright, their flat side towards -Y."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ..parts import Look, Part, any_look, dark, metal, paint, part, wood
from ..primitives import box, curve, cylinder, ellipsoid, moved, ring_mesh, torus, tube, turned
from ..solids import along, annulus, bar, extruded, rectangle

Rng = np.random.Generator
Outline = NDArray[np.floating]


def sword(rng: Rng) -> list[Part]:
    """Make a sword, dagger or saber, its point upwards."""
    length = rng.uniform(0.35, 1.2)
    width = rng.uniform(0.03, 0.1)
    grip_length = rng.uniform(0.12, 0.3)
    grip_radius = rng.uniform(0.016, 0.032)
    steel = (metal, any_look)[rng.integers(0, 2)](rng)
    trim = (metal, any_look)[rng.integers(0, 2)](rng)
    parts = [part("blade", _blade(rng, length, width), steel)]

    grip = cylinder(grip_radius, grip_length, (0, 0, -grip_length / 2), top=grip_radius * 1.1)
    parts.append(part("grip", grip, (wood, dark, any_look)[rng.integers(0, 3)](rng)))
    if rng.random() < 0.5:
        wraps = int(rng.integers(2, 7))
        for level in (np.arange(wraps) + 0.5) / wraps:
            ring = torus(grip_radius, grip_radius * 0.35, (0, 0, -level * grip_length), 16, 6)
            parts.append(part("wrap", ring, trim))

    parts.append(part("guard", _guard(rng, width, grip_radius), trim))
    pommel = grip_radius * rng.uniform(1.2, 2.2)
    low = (0, 0, -grip_length - pommel * 0.5)
    match rng.integers(0, 4):
        case 0:
            parts.append(part("pommel", ellipsoid((pommel, pommel, pommel), low, rings=8), trim))
        case 1:
            disc = turned(cylinder(pommel * 1.3, pommel, sides=20), "x", 90)
            parts.append(part("pommel", moved(disc, low), trim))
        case 2:
            ring = along(torus(pommel * 1.2, pommel * 0.4, sides=20, round_sides=8), "y")
            parts.append(part("pommel", moved(ring, (0, 0, low[2] - pommel)), trim))
        case _:
            parts.append(part("pommel", box((pommel * 2, pommel * 1.6, pommel), low, 0.006), trim))
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
            return box((2 * span, 2.4 * thick, 2 * thick), bevel=thick * 0.4)
        case 1:
            path = curve((-span, 0, droop), (-span / 2, 0, 0), (span / 2, 0, 0), (span, 0, droop))
            return tube(path, thick)
        case 2:
            return cylinder(width * 1.5, thick, sides=int(rng.choice((6, 8, 28))))
        case _:
            return box((width * 2.4, 3 * thick, 3 * thick), bevel=thick * 0.5)


def axe(rng: Rng) -> list[Part]:
    """Make an axe, battle-axe or pickaxe, its edge to the right."""
    length = rng.uniform(0.6, 1.2)
    thick = rng.uniform(0.018, 0.035)
    sway = rng.uniform(-0.05, 0.05)
    handle_look = (wood, any_look)[rng.integers(0, 2)](rng)
    head_look = (metal, any_look)[rng.integers(0, 2)](rng)
    path = curve((0, 0, 0), (sway, 0, length * 0.35), (0, 0, length * 0.75), (0, 0, length))
    radii = thick * np.linspace(rng.uniform(1.0, 1.5), 1, len(path))
    parts = [part("handle", tube(path, radii), handle_look)]

    head_level = length * rng.uniform(0.84, 0.96)
    head_thickness = thick * rng.uniform(1.0, 2.2)
    kind = int(rng.integers(0, 4))  # one edge, with a hammer, two edges, a pick
    edge = _axe_blade(rng)
    meshes = [extruded(edge, head_thickness)]
    if kind == 1:
        back = rng.uniform(0.08, 0.16)
        meshes.append(box((back, head_thickness * 1.5, head_thickness * 1.5), (-back / 2, 0, 0)))
    elif kind == 2:
        meshes.append(extruded((edge * (-1, 1))[::-1], head_thickness))
    elif kind == 3:
        spike = rng.uniform(0.2, 0.4)
        droop = rng.uniform(0.0, 0.12)
        pick = curve((0, 0, 0), (-spike * 0.6, -droop * 0.3, 0), (-spike, -droop, 0))
        meshes.append(tube(pick, np.linspace(head_thickness * 0.8, 0.008, len(pick)), 6))
    for mesh in meshes:
        parts.append(part("head", moved(turned(mesh, "x", 90), (0, 0, head_level)), head_look))

    socket = box((thick * 3.2, thick * 2.8, thick * rng.uniform(3, 5)), (0, 0, head_level))
    parts.append(part("socket", socket, head_look))
    if rng.random() < 0.35:
        grip = cylinder(thick * 1.5, length * rng.uniform(0.12, 0.25), (0, 0, length * 0.12))
        parts.append(part("grip", grip, dark(rng)))
    if rng.random() < 0.3:
        tip = cylinder(thick * 1.1, rng.uniform(0.06, 0.16), (0, 0, length), top=0.006, sides=8)
        parts.append(part("spike", tip, head_look))
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
    look = (wood, any_look)[rng.integers(0, 2)](rng)

    # The limbs bend away from the string, which is at x = 0; their tips may turn back.
    tip = np.array((recurve, 0, height / 2))
    bend = np.array((belly * 0.75, 0, height * rng.uniform(0.22, 0.34)))
    up_down = np.array((1, 1, -1))
    path = curve(tip * up_down, bend * up_down, (belly, 0, 0), bend, tip, steps=10)
    radii = thick * (1 - (1 - taper) * np.abs(np.linspace(-1, 1, len(path))))
    parts = [part("bow", tube(path, np.maximum(radii, 0.008), flat=rng.uniform(0.7, 1.8)), look)]

    grip = rng.uniform(0.08, 0.2)
    grip_mesh = cylinder(thick * 1.35, grip, (belly, 0, 0))
    parts.append(part("grip", grip_mesh, (dark, any_look)[rng.integers(0, 2)](rng)))

    draw_length = rng.uniform(0.05, 0.35) * (rng.random() < 0.4)
    nock = (recurve - draw_length, 0, 0)
    string = paint(rng)
    for end in (tip, tip * up_down):
        parts.append(part("string", bar(end, nock, 0.007, 6), string))
    if rng.random() < 0.5:
        parts += _arrow(rng, nock[0], belly + rng.uniform(0.05, 0.3))
    return parts


def _arrow(rng: Rng, start: float, end: float) -> list[Part]:
    """Make an arrow along x from ``start`` to ``end``."""
    shaft = part("arrow", bar((start, 0, 0), (end, 0, 0), 0.01, 8), wood(rng))
    head_length = rng.uniform(0.06, 0.12)
    cone = cylinder(rng.uniform(0.02, 0.04), head_length, top=0.004, sides=int(rng.choice((4, 16))))
    head = part("arrowhead", moved(turned(cone, "y", 90), (end, 0, 0)), metal(rng))

    feather_look = paint(rng)
    feather = box((rng.uniform(0.08, 0.14), 0.007, 0.08), (start + 0.08, 0, 0))
    crossed = (feather, turned(feather, "x", 90))
    return [shaft, head, *(part("feather", mesh, feather_look) for mesh in crossed)]


def shield(rng: Rng) -> list[Part]:
    """Make a round, heater, kite or tower shield with rim, boss and emblem."""
    kind = int(rng.integers(0, 5))
    width = rng.uniform(0.5, 0.9)
    height = width if kind == 0 else width * rng.uniform(1.1, 1.7)
    outline = _shield_outline(kind) * (width / 2, height / 2)
    bulge = rng.uniform(0.0, 0.18)
    thickness = rng.uniform(0.02, 0.05)
    look = (wood, paint, any_look)[rng.integers(0, 3)](rng)
    trim = (metal, any_look)[rng.integers(0, 2)](rng)
    parts = [part("plate", _bulged(outline, bulge, thickness), look)]

    if rng.random() < 0.8:
        inner = outline * (1 - rng.uniform(0.06, 0.16))
        rim = annulus(outline * 1.02, inner, thickness * rng.uniform(1.2, 2.0))
        parts.append(part("rim", turned(rim, "x", 90), trim))
    if rng.random() < 0.6:
        boss = rng.uniform(0.06, 0.16)
        dome = ellipsoid((boss, boss * rng.uniform(0.4, 1.1), boss), (0, -bulge - thickness / 2, 0))
        parts.append(part("boss", dome, trim))

    emblem = int(rng.integers(0, 4))
    stripe = rng.uniform(0.05, 0.12)
    depth = bulge + thickness + 0.03
    level = -bulge / 2
    second = paint(rng)
    if emblem in (1, 2):
        mesh = box((stripe, depth, height * 0.8), (0, level, 0))
        parts.append(part("emblem", mesh, second))
    if emblem == 2:
        mesh = box((width * 0.8, depth, stripe), (0, level, height * rng.uniform(0.0, 0.2)))
        parts.append(part("emblem", mesh, second))
    if emblem == 3:
        star = rectangle(stripe * 3, stripe * 3) @ np.array(((0.7, 0.7), (-0.7, 0.7)))
        parts.append(
            part("emblem", moved(turned(extruded(star, depth), "x", 90), (0, level, 0)), second)
        )
    return [*parts, _shield_grip(rng, thickness)]


def _shield_outline(kind: int) -> Outline:
    """Return an outline (48, 2) in -1..1: round, heater, kite, tower or pointed above and below."""
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    round_outline = np.c_[np.cos(turn), np.sin(turn)]
    if kind == 0:
        return round_outline
    if kind == 3:
        return rectangle(2, 2, 48)

    # For the others the half width is a function of the height.
    heights = round_outline[:, 1]
    half_width = {
        1: np.where(heights > 0.2, 1.0, np.sqrt(np.clip(1 - ((heights - 0.2) / 1.2) ** 2, 0, 1))),
        2: np.where(heights > 0, np.sqrt(1 - heights**2), (1 + heights) ** 0.7),
        4: 1 - 0.75 * np.abs(heights) ** 3,
    }[kind]
    sides = np.where(np.abs(round_outline[:, 0]) < 1e-6, 0, np.sign(round_outline[:, 0]))
    return np.c_[sides * np.maximum(half_width, 0.02), heights]


def _bulged(outline: Outline, bulge: float, thickness: float) -> MeshArrays:
    """Return a plate in x and z that bulges by ``bulge`` towards -Y in the middle."""
    shares = np.array((0.04, 0.3, 0.55, 0.8, 1.0))
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
    path = curve(
        (0, thickness * 0.3, -half),
        (0, away, -half / 2),
        (0, away, half / 2),
        (0, thickness * 0.3, half),
    )
    look: Look = dark(rng)
    return part("grip", tube(path, 0.018), look)


FAMILIES = {"axe": axe, "bow": bow, "shield": shield, "sword": sword}
