"""Chairs, tables, lamps and what else stands in a room."""

from __future__ import annotations

import numpy as np

from ...arrays import MeshArrays
from ..parts import Look, Part, any_look, metal, paint, part, white, wood
from ..primitives import box, curve, cylinder, lathe, moved, tube, turned

Rng = np.random.Generator


def _legs(rng: Rng, width: float, depth: float, height: float, look: Look) -> list[Part]:
    """Four legs, square, round, tapered or splayed, or a pedestal, or two runners."""
    kind, thick, splay = rng.integers(0, 6), rng.uniform(0.015, 0.05), rng.uniform(0, 0.12) * (rng.random() < 0.5)
    if kind == 5:
        foot = lathe(((width * 0.35, 0), (width * 0.33, 0.03), (thick, 0.06), (thick, height)), 24)
        return [part("leg", foot, look)]
    inset, legs = thick * rng.uniform(1.1, 2.5), []
    for x in (-1, 1):
        for y in (-1, 1):
            top = np.array((x * (width / 2 - inset), y * (depth / 2 - inset), height))
            low = top + (x * splay, y * splay, -height)
            radius = np.array((thick, thick * (rng.uniform(1, 1) if kind < 2 else 0.5)))
            if kind == 0:
                legs.append(part("leg", box((2 * thick, 2 * thick, height), (top[0], top[1], height / 2)), look))
            else:
                legs.append(part("leg", tube(np.stack((top, low)), radius, 4 if kind == 3 else 12), look))
    if rng.random() < 0.35:
        level = height * rng.uniform(0.2, 0.5)
        for x in (-1, 1):
            legs.append(part("bar", box((thick, depth - 2 * inset, thick), (x * (width / 2 - inset), 0, level)), look))
    return legs


def _back(rng: Rng, width: float, height: float, look: Look, cushion: Look) -> list[MeshArrays]:
    """The parts of a back rest about the origin: its low edge at z = 0, facing -Y."""
    kind, thick = rng.integers(0, 5), rng.uniform(0.02, 0.06)
    posts = [box((thick, thick, height), (x * (width - thick) / 2, 0, height / 2)) for x in (-1, 1)]
    rail = box((width, thick, height * rng.uniform(0.1, 0.25)), (0, 0, height * 0.93))
    if kind == 0:
        return [box((width, thick, height), (0, 0, height / 2), thick * rng.uniform(0, 0.4))]
    if kind == 1:
        count = int(rng.integers(2, 8))
        slats = [
            box((width / count * 0.4, thick * 0.6, height * 0.9), (x, 0, height * 0.45))
            for x in np.linspace(-0.4, 0.4, count) * width
        ]
        return [*posts, rail, *slats]
    if kind == 2:
        count = int(rng.integers(1, 5))
        return [
            *posts,
            *(box((width, thick * 0.7, height * 0.12), (0, 0, z)) for z in np.linspace(0.35, 0.93, count) * height),
        ]
    if kind == 3:
        arch = curve(
            (-width / 2, 0, 0),
            (-width / 2, 0, height * 0.7),
            (0, 0, height),
            (width / 2, 0, height * 0.7),
            (width / 2, 0, 0),
        )
        return [tube(arch, thick / 2), box((width * 0.3, thick * 0.5, height * 0.95), (0, 0, height * 0.47))]
    return [*posts, box((width * 0.98, thick * 0.5, height * rng.uniform(0.3, 0.6)), (0, 0, height * 0.6))]


def chair(rng: Rng) -> list[Part]:
    width, depth, height = rng.uniform(0.38, 0.6), rng.uniform(0.38, 0.6), rng.uniform(0.35, 0.6)
    frame, cushion = (wood, metal, paint)[rng.integers(0, 3)](rng), any_look(rng)
    thick, lean = rng.uniform(0.02, 0.1), rng.uniform(0, 18)
    parts = _legs(rng, width, depth, height, frame)
    if rng.random() < 0.2:
        parts.append(part("seat", moved(cylinder(width / 2, thick, sides=32), (0, 0, height)), cushion))
    else:
        parts.append(part("seat", box((width, depth, thick), (0, 0, height), rng.uniform(0, 0.45) * thick), cushion))
    tall = rng.uniform(0.3, 0.8)
    for mesh in _back(rng, width, tall, frame, cushion):
        parts.append(part("back", moved(turned(mesh, "x", -lean), (0, depth / 2 - 0.02, height)), frame))
    if rng.random() < 0.35:
        rise = rng.uniform(0.15, 0.28)
        for x in (-1, 1):
            at = x * (width / 2 - 0.015)
            parts.append(part("arm", box((0.04, depth, 0.035), (at, 0, height + rise)), frame))
            parts.append(part("arm", box((0.03, 0.03, rise), (at, -depth / 2 + 0.03, height + rise / 2)), frame))
    return parts


def stool(rng: Rng) -> list[Part]:
    width, height = rng.uniform(0.3, 0.45), rng.uniform(0.3, 0.8)
    look = any_look(rng)
    return [
        *_legs(rng, width, width, height, look),
        part("seat", cylinder(width / 2, rng.uniform(0.02, 0.12), (0, 0, height)), any_look(rng)),
    ]


def table(rng: Rng) -> list[Part]:
    width, depth, height = rng.uniform(0.5, 2), rng.uniform(0.5, 1), rng.uniform(0.3, 0.9)
    look, thick = any_look(rng), rng.uniform(0.015, 0.08)
    parts = _legs(rng, width, depth, height, look)
    if rng.random() < 0.25:
        mesh = moved(
            MeshArrays(
                cylinder(0.5, thick, sides=36).vertices * np.float32((width, depth, 1)),
                cylinder(0.5, thick, sides=36).faces,
            ),
            (0, 0, height),
        )
        parts.append(part("top", mesh, any_look(rng)))
    else:
        parts.append(part("top", box((width, depth, thick), (0, 0, height), rng.uniform(0, 0.4) * thick), look))
    if rng.random() < 0.3:
        parts.append(part("shelf", box((width * 0.9, depth * 0.9, 0.02), (0, 0, height * rng.uniform(0.2, 0.5))), look))
    if rng.random() < 0.3:
        parts.append(part("drawer", box((width * 0.4, depth * 0.9, 0.12), (0, 0, height - 0.07)), any_look(rng)))
    return parts


def lamp(rng: Rng) -> list[Part]:
    height, foot = rng.uniform(0.3, 1.5), rng.uniform(0.1, 0.2)
    look, thin = any_look(rng), rng.uniform(0.008, 0.03)
    shade_r, shade_h, top = rng.uniform(0.12, 0.25), rng.uniform(0.12, 0.3), rng.uniform(0.3, 1)
    if rng.random() < 0.5:
        base = lathe(
            [
                (foot * r, 0.3 * height * t)
                for r, t in ((1, 0), (1, 0.08), *((rng.uniform(0.15, 1), t) for t in (0.3, 0.6, 0.9)))
            ],
            28,
        )
    else:
        base = cylinder(foot, 0.03, (0, 0, 0.015))
    parts = [part("base", base, look)]
    if rng.random() < 0.3:
        end = np.array((0, -rng.uniform(0.1, 0.4), height))
        parts.append(part("pole", tube(curve((0, 0, 0), (0, 0.1, height * 0.5), end), thin), look))
        shade = turned(cylinder(shade_r * 0.6, shade_h, top=shade_r * 0.25), "x", rng.uniform(-60, 0))
        return [*parts, part("shade", moved(shade, end), any_look(rng))]
    parts.append(part("pole", cylinder(thin, height, (0, 0, height / 2)), look))
    return [
        *parts,
        part(
            "shade",
            cylinder(shade_r, shade_h, (0, 0, height), top * shade_r, 32),
            (paint, white)[rng.integers(0, 2)](rng),
        ),
    ]


def sofa(rng: Rng) -> list[Part]:
    width, depth, seat = rng.uniform(0.7, 2.4), rng.uniform(0.7, 1), rng.uniform(0.3, 0.45)
    look, soft = any_look(rng), rng.uniform(0.01, 0.06)
    arm, high, back = rng.uniform(0.08, 0.25), rng.uniform(0.5, 0.7), rng.uniform(0.7, 1)
    parts = [part("seat", box((width, depth, seat - 0.08), (0, 0, seat / 2 + 0.04), soft), look)]
    parts.append(part("back", turned(box((width, 0.2, back), (0, 0, back / 2), soft), "x", -rng.uniform(0, 10)), look))
    parts[-1] = part("back", moved(parts[-1].mesh, (0, depth / 2 - 0.1, 0.05)), look)
    parts += [
        part("arm", box((arm, depth, high - 0.05), (x * (width + arm) / 2, 0, high / 2 + 0.02), soft), look)
        for x in (-1, 1)
    ]
    count = max(1, round(width / 0.7))
    cushion = look if rng.random() < 0.6 else any_look(rng)
    for x in (np.arange(count) - (count - 1) / 2) * width / count:
        parts.append(
            part("cushion", box((width / count * 0.96, depth * 0.8, 0.14), (x, -0.08, seat + 0.04), 0.04), cushion)
        )
    feet = (wood, metal)[rng.integers(0, 2)](rng)
    return parts + [
        part("foot", box((0.05, 0.05, 0.1), (x * width * 0.45, y * depth * 0.42, 0.04)), feet)
        for x in (-1, 1)
        for y in (-1, 1)
    ]


def bench(rng: Rng) -> list[Part]:
    width, depth, height = rng.uniform(1, 2), rng.uniform(0.35, 0.55), rng.uniform(0.35, 0.5)
    planks, look = any_look(rng), (metal, wood)[rng.integers(0, 2)](rng)
    count = int(rng.integers(2, 6))
    parts = [
        part("seat", box((width, depth / count * 0.8, 0.03), (0, y, height)), planks)
        for y in np.linspace(-0.4, 0.4, count) * depth
    ]
    for x in (-0.42, 0.42):
        parts.append(part("leg", box((0.05, depth, 0.04), (x * width, 0, height - 0.03)), look))
        parts += [part("leg", box((0.05, 0.05, height), (x * width, y * depth, height / 2)), look) for y in (-0.4, 0.4)]
    if rng.random() < 0.65:
        tall, lean = rng.uniform(0.3, 0.5), rng.uniform(0, 20)
        rails = [box((width, 0.03, 0.09), (0, 0, z)) for z in np.linspace(0.15, 1, int(rng.integers(2, 4))) * tall]
        posts = [box((0.05, 0.04, tall), (x * width, 0, tall / 2)) for x in (-0.42, 0.42)]
        parts += [
            part("back", moved(turned(mesh, "x", -lean), (0, depth / 2, height)), planks) for mesh in (*rails, *posts)
        ]
    return parts


def cabinet(rng: Rng) -> list[Part]:
    width, depth, height = rng.uniform(0.4, 1.6), rng.uniform(0.3, 0.6), rng.uniform(0.4, 2)
    look, front, knob = any_look(rng), any_look(rng), metal(rng)
    foot = rng.uniform(0, 0.15)
    parts = [part("body", box((width, depth, height), (0, 0, height / 2 + foot)), look)]
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    for i in range(columns):
        for j in range(rows):
            x, z = (i + 0.5) / columns - 0.5, (j + 0.5) / rows
            at = (x * width, -depth / 2 - 0.008, z * height + foot)
            parts.append(part("door", box((width / columns * 0.92, 0.025, height / rows * 0.92), at, 0.004), front))
            parts.append(part("knob", box((0.1 * width / columns, 0.03, 0.02), (at[0], at[1] - 0.02, at[2])), knob))
    if rng.random() < 0.5:
        parts.append(part("top", box((width * 1.06, depth * 1.08, 0.03), (0, 0, height + foot)), look))
    if foot > 0.03:
        parts += [
            part("foot", box((0.05, 0.05, foot + 0.02), (x * width * 0.44, y * depth * 0.42, foot / 2)), look)
            for x in (-1, 1)
            for y in (-1, 1)
        ]
    return parts


def shelf(rng: Rng) -> list[Part]:
    width, depth, height, thick = (
        rng.uniform(0.4, 1.5),
        rng.uniform(0.2, 0.45),
        rng.uniform(0.6, 2),
        rng.uniform(0.015, 0.05),
    )
    look = any_look(rng)
    boards = [box((width, depth, thick), (0, 0, z)) for z in np.linspace(0, height, int(rng.integers(3, 7)))]
    sides = [box((thick, depth, height + thick), (x * width / 2, 0, height / 2)) for x in (-1, 1)]
    if rng.random() < 0.4:
        sides = [
            box((thick, thick, height), (x * width / 2, y * depth * 0.47, height / 2)) for x in (-1, 1) for y in (-1, 1)
        ]
    back = [box((width, thick, height), (0, depth / 2, height / 2))] if rng.random() < 0.5 else []
    return [part("board", mesh, look) for mesh in (*boards, *sides, *back)]


def bed(rng: Rng) -> list[Part]:
    width, length, height = rng.uniform(0.9, 2), rng.uniform(1.9, 2.2), rng.uniform(0.2, 0.4)
    frame, sheet = any_look(rng), any_look(rng)
    parts = [part("frame", box((width, length, 0.12), (0, 0, height)), frame)]
    parts.append(
        part(
            "mattress",
            box((width * 0.96, length * 0.97, rng.uniform(0.15, 0.3)), (0, 0, height + 0.15), 0.04),
            white(rng),
        )
    )
    parts.append(
        part("blanket", box((width * 1.0, length * 0.65, 0.2), (0, -length * 0.16, height + 0.19), 0.05), sheet)
    )
    head = rng.uniform(0.5, 1.1)
    parts.append(part("head", box((width * 1.03, 0.06, head), (0, length / 2, head / 2 + height * 0.5)), frame))
    if rng.random() < 0.5:
        parts.append(
            part("foot end", box((width * 1.03, 0.05, head * 0.5), (0, -length / 2, head * 0.25 + height * 0.4)), frame)
        )
    parts += [
        part("leg", box((0.08, 0.08, height), (x * width * 0.47, y * length * 0.48, height / 2)), frame)
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    count = 1 if width < 1.2 else 2
    for x in (np.arange(count) - (count - 1) / 2) * width / count:
        parts.append(
            part("pillow", box((width / count * 0.75, 0.4, 0.14), (x, length * 0.37, height + 0.33), 0.06), white(rng))
        )
    return parts


FAMILIES = {
    "bed": bed, "bench": bench, "cabinet": cabinet, "chair": chair, "lamp": lamp, "shelf": shelf, "sofa": sofa,
    "stool": stool, "table": table,
}  # fmt: skip
