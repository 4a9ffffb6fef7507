"""Flat things: books, boards, frames, signs, trays, screens."""

from __future__ import annotations

import numpy as np

from ...arrays import MeshArrays
from ..parts import Part, any_look, dark, metal, paint, part, white, wood
from ..primitives import box, cylinder, lathe, moved, turned
from ..solids import annulus, circle, extruded, rectangle

Rng = np.random.Generator


def book(rng: Rng) -> list[Part]:
    """Books shut, open, standing, or in a pile."""
    kind = rng.integers(0, 4)
    if kind == 3:
        parts, z = [], 0.0
        for _ in range(int(rng.integers(2, 7))):
            own = _shut(rng)
            high = max(p.mesh.vertices[:, 2].max() for p in own)
            angle, by = rng.normal(0, 12), (*rng.normal(0, 0.03, 2), z)
            parts += [_moved(p, moved(turned(p.mesh, "z", angle), by)) for p in own]
            z += float(high)
        return parts
    if kind == 2:
        return _open(rng)
    parts = _shut(rng)
    return [_moved(p, turned(p.mesh, "x", 90)) for p in parts] if kind == 1 else parts


def _moved(p: Part, mesh: MeshArrays) -> Part:
    return Part(p.label, mesh, p.colour, p.roughness, p.metallic)


def _shut(rng: Rng) -> list[Part]:
    """A book that lies: its spine to the left, its lowest point at z = 0."""
    w, h, d, c = rng.uniform(0.4, 0.75), rng.uniform(0.6, 1), rng.uniform(0.04, 0.2), rng.uniform(0.01, 0.02)
    cover = paint(rng)
    parts = [part("pages", box((w * 0.94, h * 0.94, d), (0, 0, c + d / 2)), white(rng))]
    for z in (c / 2, c * 1.5 + d):
        parts.append(part("cover", box((w, h, c), (0, 0, z)), cover))
    return [*parts, part("spine", box((c, h, d + 2 * c), (-w / 2, 0, c + d / 2)), cover)]


def _open(rng: Rng) -> list[Part]:
    w, h, lift, d = rng.uniform(0.3, 0.5), rng.uniform(0.4, 0.7), rng.uniform(3, 60), rng.uniform(0.03, 0.09)
    cover, pages, parts = paint(rng), white(rng), []
    for side in (-1, 1):
        for mesh, label, look in (
            (box((w, h, 0.015), (side * w / 2, 0, 0)), "cover", cover),
            (box((w * 0.96, h * 0.95, d), (side * w * 0.48, 0, d / 2)), "pages", pages),
        ):
            parts.append(part(label, turned(mesh, "y", -side * lift), look))
    return parts


def board(rng: Rng) -> list[Part]:
    """Boards to cut on, to write on, to ride on: an outline, now and then with a hole or a handle."""
    w, h, d = rng.uniform(0.3, 0.8), rng.uniform(0.5, 1), rng.uniform(0.02, 0.07)
    look, power = (wood, any_look)[rng.integers(0, 2)](rng), float(rng.choice((2, 4, 8, 20)))
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    bent = np.c_[np.cos(turn), np.sin(turn)]
    outline = np.sign(bent) * np.abs(bent) ** (2 / power) * (w / 2, h / 2)
    parts = []
    if rng.random() < 0.4:
        parts.append(part("board", annulus(outline, circle(min(w, h) * rng.uniform(0.08, 0.3), 48), d), look))
    else:
        parts.append(part("board", extruded(outline, d), look))
    if rng.random() < 0.5:
        size = rng.uniform(0.12, 0.3)
        handle = annulus(rectangle(w * 0.25, size), circle(w * 0.07, 32, np.pi / 4), d * 0.98)
        parts.append(part("handle", moved(handle, (0, h / 2 + size / 2 - 0.02, 0)), look))
    if rng.random() < 0.25:
        for y in (-h * 0.33, h * 0.33):
            axle = turned(cylinder(0.045, w * 0.9, sides=16), "y", 90)
            parts.append(part("wheel", moved(axle, (0, y, -0.05 - d / 2)), dark(rng)))
    return _stood(rng, parts)


def _stood(rng: Rng, parts: list[Part]) -> list[Part]:
    """Lying, or upright with the upper side towards -Y, leaning back a little."""
    if rng.random() < 0.4:
        return parts
    lean = rng.uniform(60, 90)
    return [_moved(p, turned(p.mesh, "x", lean)) for p in parts]


def picture_frame(rng: Rng) -> list[Part]:
    """Frames, mirrors and windows, round or square, empty or filled, with a stand or bars."""
    w, h, edge, d = rng.uniform(0.4, 1), rng.uniform(0.4, 1), rng.uniform(0.04, 0.14), rng.uniform(0.03, 0.1)
    look = (wood, metal, any_look)[rng.integers(0, 3)](rng)
    if rng.random() < 0.3:
        scale = np.array((w, h)) / 2
        outer, inner = circle(1, 48) * scale, circle(1, 48) * (scale - edge)
        pane = extruded(inner * 1.02, d * 0.3)
    else:
        outer, inner = rectangle(w, h), rectangle(w - 2 * edge, h - 2 * edge)
        pane = box((w - 1.8 * edge, h - 1.8 * edge, d * 0.3))
    parts = [part("frame", annulus(outer, inner, d), look)]
    if rng.random() < 0.65:
        parts.append(part("pane", pane, any_look(rng)))
    elif rng.random() < 0.6:
        bars = int(rng.integers(1, 4))
        parts += [
            part("bar", box((0.03, h - edge, d * 0.6), ((i + 1) / (bars + 1) * w - w / 2, 0, 0)), look)
            for i in range(bars)
        ]
        parts.append(part("bar", box((w - edge, 0.03, d * 0.6)), look))
    lean = rng.uniform(70, 90)
    parts = [_moved(p, turned(p.mesh, "x", lean)) for p in parts]
    if rng.random() < 0.4:
        foot = turned(box((w * 0.3, 0.03, h * 0.8), (0, 0, -h * 0.12)), "x", 30)
        parts.append(part("stand", moved(foot, (0, 0.14, 0)), look))
    return parts


def laptop(rng: Rng) -> list[Part]:
    """Two leaves on a hinge: laptops, boxes of paint, compacts."""
    w, h, d, angle = rng.uniform(0.7, 1), rng.uniform(0.45, 0.75), rng.uniform(0.02, 0.05), rng.uniform(75, 150)
    look, screen = any_look(rng), dark(rng)
    parts = [part("base", box((w, h, d * 1.3), (0, -h / 2, 0), 0.006), look)]
    leaf = [part("lid", box((w, h, d), (0, -h / 2, d), 0.006), look)]
    leaf.append(part("screen", box((w * 0.92, h * 0.9, d * 0.4), (0, -h / 2, d * 0.4)), screen))
    parts += [_moved(p, turned(p.mesh, "x", -angle)) for p in leaf]
    parts.append(part("keys", box((w * 0.85, h * 0.45, 0.015), (0, -h * 0.33, d * 0.7)), screen))
    if rng.random() < 0.7:
        parts.append(part("pad", box((w * 0.25, h * 0.22, 0.014), (0, -h * 0.8, d * 0.66)), any_look(rng)))
    hinge = turned(cylinder(d * 0.8, w * 0.7, sides=12), "y", 90)
    return [*parts, part("hinge", hinge, dark(rng))]


def screen(rng: Rng) -> list[Part]:
    """Televisions, monitors, tablets on a stand, folding screens."""
    w, h, d = rng.uniform(0.6, 1), rng.uniform(0.35, 0.65), rng.uniform(0.02, 0.08)
    look = any_look(rng)
    if rng.random() < 0.25:
        return _folding(rng, look)
    z = rng.uniform(0.1, 0.3) + h / 2
    parts = [part("case", box((w, d, h), (0, 0, z), 0.008), look)]
    parts.append(part("screen", box((w * 0.94, 0.02, h * 0.9), (0, -d / 2, z)), dark(rng)))
    stand = rng.integers(0, 3)
    if stand == 0:
        for side in (-1, 1):
            parts.append(part("leg", box((0.03, 0.3, 0.03), (side * w * 0.35, 0, 0.015)), look))
            parts.append(part("leg", box((0.03, 0.03, z), (side * w * 0.35, 0, z / 2)), look))
        return parts
    parts.append(part("neck", box((0.08, 0.04, z), (0, d * 0.8, z / 2)), look))
    foot = (
        cylinder(w * 0.22, 0.025, (0, 0.02, 0.012), sides=32)
        if stand == 1
        else box((w * 0.5, 0.28, 0.025), (0, 0.02, 0.012))
    )
    return [*parts, part("foot", foot, look)]


def _folding(rng: Rng, look) -> list[Part]:
    leaves, w, h, angle = int(rng.integers(3, 6)), rng.uniform(0.25, 0.4), rng.uniform(0.7, 1), rng.uniform(15, 50)
    parts, at = [], np.zeros(2)
    for i in range(leaves):
        way = (1 if i % 2 else -1) * angle
        ray = np.array((np.cos(np.radians(way)), np.sin(np.radians(way)))) * w
        leaf = turned(box((w, 0.025, h), (w / 2, 0, h / 2)), "z", way)
        parts.append(part("leaf", moved(leaf, (*at, 0)), look if i % 2 else any_look(rng)))
        at = at + ray
    return parts


def sign(rng: Rng) -> list[Part]:
    """Road signs, guideposts and notice boards: plates on one or two posts."""
    post, tall, parts = (metal, wood)[rng.integers(0, 2)](rng), rng.uniform(0.6, 1.2), []
    two = rng.random() < 0.25
    for x in (-0.25, 0.25) if two else (0,):
        parts.append(part("post", cylinder(rng.uniform(0.018, 0.035), tall, (x, 0.03, tall / 2), sides=12), post))
    z = tall
    for _ in range(int(rng.integers(1, 4))):
        size, look = rng.uniform(0.14, 0.28), paint(rng)
        sides = int(rng.choice((3, 4, 4, 6, 8, 32)))
        if two or rng.random() < 0.4:
            plate = box((rng.uniform(0.4, 0.8) + 0.3 * two, size, 0.02))
        elif rng.random() < 0.3:
            plate = extruded(np.array(((-0.2, -0.07), (0.2, -0.07), (0.3, 0), (0.2, 0.07), (-0.2, 0.07))), 0.02)
            plate = turned(plate, "y", 180 * rng.integers(0, 2))
        else:
            plate = extruded(circle(size, sides, np.pi / 2 if sides % 2 else np.pi / sides), 0.02)
        angle = rng.normal(0, 12) if not two else 0
        parts.append(part("plate", turned(moved(turned(plate, "x", 90), (0, 0, z - size)), "z", angle), look))
        z -= size * 2.1
        if z < tall * 0.45:
            break
    if rng.random() < 0.4:
        parts.append(part("foot", cylinder(0.16, 0.04, (0, 0.03, 0.02), sides=24), post))
    return parts


def tray(rng: Rng) -> list[Part]:
    """Trays, lids and shallow boxes, round or square, with grips."""
    w, h, tall, wall = rng.uniform(0.6, 1), rng.uniform(0.4, 0.8), rng.uniform(0.05, 0.16), rng.uniform(0.02, 0.05)
    look = any_look(rng)
    if rng.random() < 0.4:
        r = w / 2
        flare = r * rng.uniform(0.75, 1)
        profile = [(flare, 0), (r, tall), (r - wall, tall), (flare - wall, wall)]
        parts = [part("tray", lathe(profile, 40), look)]
    else:
        rim = annulus(rectangle(w, h), rectangle(w - 2 * wall, h - 2 * wall), tall)
        parts = [part("rim", moved(rim, (0, 0, tall / 2)), look)]
        parts.append(part("floor", box((w - wall, h - wall, 0.02), (0, 0, 0.012)), look))
    if rng.random() < 0.6:
        second = any_look(rng)
        for side in (-1, 1):
            grip = annulus(rectangle(0.1, 0.24), rectangle(0.05, 0.16), 0.03)
            parts.append(part("grip", moved(grip, (side * (w / 2 + 0.03), 0, tall * 0.9)), second))
    for _ in range(int(rng.integers(0, 4))):
        r, high = rng.uniform(0.04, 0.1), rng.uniform(0.06, 0.25)
        x, y = rng.uniform(-0.3, 0.3, 2) * (w, h)
        parts.append(part("thing", cylinder(r, high, (x, y, 0.02 + high / 2)), paint(rng)))
    return parts


def cut_out(rng: Rng) -> list[Part]:
    """A wavy or spiky outline cut from a sheet: stars, leaves, puzzle pieces, badges, toys on a base."""
    points, d = int(rng.integers(3, 13)), rng.uniform(0.02, 0.12)
    turn = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    wave = np.sin(points * turn) if rng.random() < 0.6 else np.abs((points * turn / np.pi) % 2 - 1) * 2 - 1
    radius = 0.4 * (1 + rng.uniform(0.05, 0.4) * wave + rng.uniform(0, 0.25) * np.sin(turn + rng.uniform(0, 6.3)))
    outline = radius[:, None] * np.c_[np.cos(turn), np.sin(turn)] * (rng.uniform(0.6, 1), 1)
    look = any_look(rng)
    if rng.random() < 0.35:
        mesh = annulus(outline, circle(radius.min() * rng.uniform(0.2, 0.6), 96) * (0.6, 1), d)
    else:
        mesh = extruded(outline, d)
    parts = _stood(rng, [part("sheet", mesh, look)])
    if rng.random() < 0.25:
        low = float(min(p.mesh.vertices[:, 2].min() for p in parts))
        parts.append(part("base", cylinder(0.2, 0.05, (0, 0, low), sides=24), any_look(rng)))
    return parts


FAMILIES = {
    "board": board, "book": book, "cut_out": cut_out, "laptop": laptop, "picture_frame": picture_frame,
    "screen": screen, "sign": sign, "tray": tray,
}  # fmt: skip
