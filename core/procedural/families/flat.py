"""Flat things: books, boards, frames, signs, trays, screens."""

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
from ..primitives import lathe_solid, make_box, make_cylinder, rotate_mesh, translate_mesh
from ..solids import annulus_plate, circle_outline, extrude_outline, rectangle_outline

Rng = np.random.Generator


def make_book(rng: Rng) -> list[Part]:
    """Return a book, lying, standing or open, or a pile of books."""
    kind = rng.integers(0, 4)

    # A pile: each book on the last, turned a little.
    if kind == 3:
        pile = []
        z = 0.0
        for _ in range(int(rng.integers(2, 7))):
            book = _closed_book(rng)
            height = max(part.mesh.vertices[:, 2].max() for part in book)
            angle = rng.normal(0, 12)
            by = (*rng.normal(0, 0.03, 2), z)
            for part in book:
                mesh = translate_mesh(rotate_mesh(part.mesh, "z", angle), by)
                pile.append(_move_part(part, mesh))
            z += float(height)
        return pile

    if kind == 2:
        return _open_book(rng)

    # Lying, or standing on its edge.
    parts = _closed_book(rng)
    if kind != 1:
        return parts
    return [_move_part(part, rotate_mesh(part.mesh, "x", 90)) for part in parts]


def _move_part(p: Part, mesh: MeshArrays) -> Part:
    """Return the part ``p`` with another mesh."""
    return Part(p.label, mesh, p.color, p.roughness, p.metallic)


def _closed_book(rng: Rng) -> list[Part]:
    """Return a lying book, its spine to the left, its lowest point at z = 0."""
    w = rng.uniform(0.4, 0.75)
    h = rng.uniform(0.6, 1)
    d = rng.uniform(0.04, 0.2)
    c = rng.uniform(0.01, 0.02)
    cover = paint_material(rng)

    pages = make_box((w * 0.94, h * 0.94, d), (0, 0, c + d / 2))
    parts = [make_part("pages", pages, white_material(rng))]

    # Covers below and above the pages, and the spine.
    for z in (c / 2, c * 1.5 + d):
        parts.append(make_part("cover", make_box((w, h, c), (0, 0, z)), cover))

    return [*parts, make_part("spine", make_box((c, h, d + 2 * c), (-w / 2, 0, c + d / 2)), cover)]


def _open_book(rng: Rng) -> list[Part]:
    """Return an open book, its leaves raised by a varied angle."""
    w = rng.uniform(0.3, 0.5)
    h = rng.uniform(0.4, 0.7)
    lift = rng.uniform(3, 60)
    d = rng.uniform(0.03, 0.09)
    cover = paint_material(rng)
    pages = white_material(rng)
    parts = []

    # A cover and pages on each side of the fold.
    for side in (-1, 1):
        for mesh, label, look in (
            (make_box((w, h, 0.015), (side * w / 2, 0, 0)), "cover", cover),
            (make_box((w * 0.96, h * 0.95, d), (side * w * 0.48, 0, d / 2)), "pages", pages),
        ):
            parts.append(make_part(label, rotate_mesh(mesh, "y", -side * lift), look))

    return parts


def make_board(rng: Rng) -> list[Part]:
    """Return a board to cut, write or ride on, some with a hole, a handle or wheels."""
    w = rng.uniform(0.3, 0.8)
    h = rng.uniform(0.5, 1)
    d = rng.uniform(0.02, 0.07)
    look = (wood_material, any_material)[rng.integers(0, 2)](rng)
    power = float(rng.choice((2, 4, 8, 20)))
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    bent = np.c_[np.cos(turn), np.sin(turn)]
    outline = np.sign(bent) * np.abs(bent) ** (2 / power) * (w / 2, h / 2)
    parts = []

    # With or without a hole.
    if rng.random() < 0.4:
        board = annulus_plate(outline, circle_outline(min(w, h) * rng.uniform(0.08, 0.3), 48), d)
        parts.append(make_part("board", board, look))
    else:
        parts.append(make_part("board", extrude_outline(outline, d), look))

    # A handle with a bore.
    if rng.random() < 0.5:
        size = rng.uniform(0.12, 0.3)
        handle = annulus_plate(
            rectangle_outline(w * 0.25, size), circle_outline(w * 0.07, 32, np.pi / 4), d * 0.98
        )
        handle_mesh = translate_mesh(handle, (0, h / 2 + size / 2 - 0.02, 0))
        parts.append(make_part("handle", handle_mesh, look))

    # Wheels, as of a skateboard.
    if rng.random() < 0.25:
        for y in (-h * 0.33, h * 0.33):
            axle = rotate_mesh(make_cylinder(0.045, w * 0.9, sides=16), "y", 90)
            wheel = translate_mesh(axle, (0, y, -0.05 - d / 2))
            parts.append(make_part("wheel", wheel, dark_material(rng)))

    return _stand_up(rng, parts)


def _stand_up(rng: Rng, parts: list[Part]) -> list[Part]:
    """Return ``parts`` lying, or upright with the upper side towards -Y, leaning back."""
    if rng.random() < 0.4:
        return parts

    lean = rng.uniform(60, 90)
    return [_move_part(p, rotate_mesh(p.mesh, "x", lean)) for p in parts]


def make_picture_frame(rng: Rng) -> list[Part]:
    """Return a frame, mirror or window: round or square, empty or filled."""
    w = rng.uniform(0.4, 1)
    h = rng.uniform(0.4, 1)
    edge = rng.uniform(0.04, 0.14)
    d = rng.uniform(0.03, 0.1)
    look = (wood_material, metal_material, any_material)[rng.integers(0, 3)](rng)

    # Round or square.
    if rng.random() < 0.3:
        scale = np.array((w, h)) / 2
        outer = circle_outline(1, 48) * scale
        inner = circle_outline(1, 48) * (scale - edge)
        pane = extrude_outline(inner * 1.02, d * 0.3)
    else:
        outer = rectangle_outline(w, h)
        inner = rectangle_outline(w - 2 * edge, h - 2 * edge)
        pane = make_box((w - 1.8 * edge, h - 1.8 * edge, d * 0.3))

    parts = [make_part("frame", annulus_plate(outer, inner, d), look)]

    # A pane, or the bars of a window.
    if rng.random() < 0.65:
        parts.append(make_part("pane", pane, any_material(rng)))
    elif rng.random() < 0.6:
        bars = int(rng.integers(1, 4))
        for i in range(bars):
            bar = make_box((0.03, h - edge, d * 0.6), ((i + 1) / (bars + 1) * w - w / 2, 0, 0))
            parts.append(make_part("bar", bar, look))
        parts.append(make_part("bar", make_box((w - edge, 0.03, d * 0.6)), look))

    # Upright, leaning back.
    lean = rng.uniform(70, 90)
    parts = [_move_part(p, rotate_mesh(p.mesh, "x", lean)) for p in parts]

    # A stand behind it.
    if rng.random() < 0.4:
        foot = rotate_mesh(make_box((w * 0.3, 0.03, h * 0.8), (0, 0, -h * 0.12)), "x", 30)
        parts.append(make_part("stand", translate_mesh(foot, (0, 0.14, 0)), look))

    return parts


def make_laptop(rng: Rng) -> list[Part]:
    """Return two leaves on a hinge: a laptop, paint box or compact."""
    w = rng.uniform(0.7, 1)
    h = rng.uniform(0.45, 0.75)
    d = rng.uniform(0.02, 0.05)
    angle = rng.uniform(75, 150)
    look = any_material(rng)
    screen = dark_material(rng)
    parts = [make_part("base", make_box((w, h, d * 1.3), (0, -h / 2, 0), 0.006), look)]
    leaf = [make_part("lid", make_box((w, h, d), (0, -h / 2, d), 0.006), look)]

    # The lid with its screen, opened by the angle.
    screen_mesh = make_box((w * 0.92, h * 0.9, d * 0.4), (0, -h / 2, d * 0.4))
    leaf.append(make_part("screen", screen_mesh, screen))

    parts += [_move_part(p, rotate_mesh(p.mesh, "x", -angle)) for p in leaf]

    # Keys on the base.
    keys = make_box((w * 0.85, h * 0.45, 0.015), (0, -h * 0.33, d * 0.7))
    parts.append(make_part("keys", keys, screen))

    # A pad in front of the keys.
    if rng.random() < 0.7:
        pad = make_box((w * 0.25, h * 0.22, 0.014), (0, -h * 0.8, d * 0.66))
        parts.append(make_part("pad", pad, any_material(rng)))

    hinge = rotate_mesh(make_cylinder(d * 0.8, w * 0.7, sides=12), "y", 90)

    return [*parts, make_part("hinge", hinge, dark_material(rng))]


def make_screen(rng: Rng) -> list[Part]:
    """Return a television, monitor or tablet on a stand, or a folding screen."""
    w = rng.uniform(0.6, 1)
    h = rng.uniform(0.35, 0.65)
    d = rng.uniform(0.02, 0.08)
    look = any_material(rng)

    # A folding screen.
    if rng.random() < 0.25:
        return _folding_screen(rng, look)

    # A screen in its case.
    z = rng.uniform(0.1, 0.3) + h / 2
    parts = [make_part("case", make_box((w, d, h), (0, 0, z), 0.008), look)]

    screen = make_box((w * 0.94, 0.02, h * 0.9), (0, -d / 2, z))
    parts.append(make_part("screen", screen, dark_material(rng)))

    # A stand: two legs, or a neck on a round or a square foot.
    stand = rng.integers(0, 3)
    if stand == 0:
        for side in (-1, 1):
            leg = make_box((0.03, 0.3, 0.03), (side * w * 0.35, 0, 0.015))
            parts.append(make_part("leg", leg, look))
            leg = make_box((0.03, 0.03, z), (side * w * 0.35, 0, z / 2))
            parts.append(make_part("leg", leg, look))
        return parts

    parts.append(make_part("neck", make_box((0.08, 0.04, z), (0, d * 0.8, z / 2)), look))

    if stand == 1:
        foot = make_cylinder(w * 0.22, 0.025, (0, 0.02, 0.012), sides=32)
    else:
        foot = make_box((w * 0.5, 0.28, 0.025), (0, 0.02, 0.012))

    return [*parts, make_part("foot", foot, look)]


def _folding_screen(rng: Rng, look: PartMaterial) -> list[Part]:
    """Return a folding screen of three to five leaves."""
    leaves = int(rng.integers(3, 6))
    w = rng.uniform(0.25, 0.4)
    h = rng.uniform(0.7, 1)
    angle = rng.uniform(15, 50)
    parts = []
    at = np.zeros(2)

    # Leaves in a zigzag.
    for i in range(leaves):
        way = (1 if i % 2 else -1) * angle
        ray = np.array((np.cos(np.radians(way)), np.sin(np.radians(way)))) * w
        leaf = rotate_mesh(make_box((w, 0.025, h), (w / 2, 0, h / 2)), "z", way)

        leaf_mesh = translate_mesh(leaf, (*at, 0))
        leaf_look = look if i % 2 else any_material(rng)
        parts.append(make_part("leaf", leaf_mesh, leaf_look))

        at = at + ray

    return parts


def make_sign(rng: Rng) -> list[Part]:
    """Return a road sign, guidepost or notice board: plates on one or two posts."""
    post = (metal_material, wood_material)[rng.integers(0, 2)](rng)
    tall = rng.uniform(0.6, 1.2)
    parts = []
    two = rng.random() < 0.25

    # One post or two.
    for x in (-0.25, 0.25) if two else (0,):
        post_mesh = make_cylinder(rng.uniform(0.018, 0.035), tall, (x, 0.03, tall / 2), sides=12)
        parts.append(make_part("post", post_mesh, post))

    z = tall

    # Plates from the top down: boards, arrows or regular polygons.
    for _ in range(int(rng.integers(1, 4))):
        size = rng.uniform(0.14, 0.28)
        look = paint_material(rng)
        sides = int(rng.choice((3, 4, 4, 6, 8, 32)))

        if two or rng.random() < 0.4:
            plate = make_box((rng.uniform(0.4, 0.8) + 0.3 * two, size, 0.02))
        elif rng.random() < 0.3:
            plate = extrude_outline(
                np.array(((-0.2, -0.07), (0.2, -0.07), (0.3, 0), (0.2, 0.07), (-0.2, 0.07))), 0.02
            )
            plate = rotate_mesh(plate, "y", 180 * rng.integers(0, 2))
        else:
            plate = extrude_outline(
                circle_outline(size, sides, np.pi / 2 if sides % 2 else np.pi / sides), 0.02
            )

        angle = rng.normal(0, 12) if not two else 0

        plate_mesh = rotate_mesh(plate, "x", 90)
        plate_mesh = translate_mesh(plate_mesh, (0, 0, z - size))
        plate_mesh = rotate_mesh(plate_mesh, "z", angle)
        parts.append(make_part("plate", plate_mesh, look))

        z -= size * 2.1
        if z < tall * 0.45:
            break

    # A foot.
    if rng.random() < 0.4:
        foot = make_cylinder(0.16, 0.04, (0, 0.03, 0.02), sides=24)
        parts.append(make_part("foot", foot, post))

    return parts


def make_tray(rng: Rng) -> list[Part]:
    """Return a tray, lid or shallow box, round or square, some with grips and contents."""
    w = rng.uniform(0.6, 1)
    h = rng.uniform(0.4, 0.8)
    tall = rng.uniform(0.05, 0.16)
    wall = rng.uniform(0.02, 0.05)
    look = any_material(rng)

    # Round and turned, or a square rim around a floor.
    if rng.random() < 0.4:
        r = w / 2
        flare = r * rng.uniform(0.75, 1)
        profile = [(flare, 0), (r, tall), (r - wall, tall), (flare - wall, wall)]
        parts = [make_part("tray", lathe_solid(profile, 40), look)]
    else:
        rim = annulus_plate(
            rectangle_outline(w, h), rectangle_outline(w - 2 * wall, h - 2 * wall), tall
        )
        parts = [make_part("rim", translate_mesh(rim, (0, 0, tall / 2)), look)]
        floor = make_box((w - wall, h - wall, 0.02), (0, 0, 0.012))
        parts.append(make_part("floor", floor, look))

    # Grips at both ends.
    if rng.random() < 0.6:
        second = any_material(rng)
        for side in (-1, 1):
            grip = annulus_plate(rectangle_outline(0.1, 0.24), rectangle_outline(0.05, 0.16), 0.03)
            grip_mesh = translate_mesh(grip, (side * (w / 2 + 0.03), 0, tall * 0.9))
            parts.append(make_part("grip", grip_mesh, second))

    # Contents.
    for _ in range(int(rng.integers(0, 4))):
        r = rng.uniform(0.04, 0.1)
        high = rng.uniform(0.06, 0.25)
        x, y = rng.uniform(-0.3, 0.3, 2) * (w, h)
        thing = make_cylinder(r, high, (x, y, 0.02 + high / 2))
        parts.append(make_part("thing", thing, paint_material(rng)))

    return parts


def make_cut_out(rng: Rng) -> list[Part]:
    """Return a wavy or spiky sheet: a star, leaf, puzzle piece, badge or toy."""
    points = int(rng.integers(3, 13))
    d = rng.uniform(0.02, 0.12)
    turn = np.linspace(0, 2 * np.pi, 96, endpoint=False)

    # Waves or spikes.
    if rng.random() < 0.6:
        wave = np.sin(points * turn)
    else:
        wave = np.abs((points * turn / np.pi) % 2 - 1) * 2 - 1

    radius = 0.4 * (
        1
        + rng.uniform(0.05, 0.4) * wave
        + rng.uniform(0, 0.25) * np.sin(turn + rng.uniform(0, 6.3))
    )
    outline = radius[:, None] * np.c_[np.cos(turn), np.sin(turn)] * (rng.uniform(0.6, 1), 1)
    look = any_material(rng)

    # With or without a hole.
    if rng.random() < 0.35:
        mesh = annulus_plate(
            outline, circle_outline(radius.min() * rng.uniform(0.2, 0.6), 96) * (0.6, 1), d
        )
    else:
        mesh = extrude_outline(outline, d)

    parts = _stand_up(rng, [make_part("sheet", mesh, look)])

    # A base, as of a toy.
    if rng.random() < 0.25:
        low = float(min(p.mesh.vertices[:, 2].min() for p in parts))
        base = make_cylinder(0.2, 0.05, (0, 0, low), sides=24)
        parts.append(make_part("base", base, any_material(rng)))

    return parts


FAMILIES = {
    "board": make_board,
    "book": make_book,
    "cut_out": make_cut_out,
    "laptop": make_laptop,
    "picture_frame": make_picture_frame,
    "screen": make_screen,
    "sign": make_sign,
    "tray": make_tray,
}
