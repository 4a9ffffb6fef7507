"""Organic, displaced, carved and composed shapes, most of them from signed distances."""

from __future__ import annotations

import numpy as np

from ...arrays import MeshArrays
from ..parts import Part, any_look, paint, part, white, wood
from ..primitives import curve, ellipsoid, lathe, moved, stretched, tube, turned
from ..solids import Field, ball, bar, block, capsule, less, rod, roughened, solid, union
from .shapes import random_composition, symmetric_composition

Rng = np.random.Generator


def _spin(rng: Rng) -> np.ndarray:
    """A random rotation (3, 3)."""
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return turn * np.sign(np.linalg.det(turn))


def metaballs(rng: Rng) -> list[Part]:
    """Balls and limbs melted into each other."""
    at, fields = np.zeros(3), []
    for _ in range(int(rng.integers(2, 8))):
        radius, step = rng.uniform(0.1, 0.26), rng.normal(0, 0.17, 3)
        fields.append(
            ball(at + step, radius) if rng.random() < 0.6 else capsule(at, at + 2 * step, radius * 0.8, radius * 0.4)
        )
        at = (at + step) * rng.uniform(0.5, 1)
    if rng.random() < 0.4:  # left and right alike
        fields = [_both_sides(field) for field in fields]
    return [part("body", solid(union(fields, rng.uniform(0.02, 0.06)), (-1,) * 3, (1,) * 3, 60), any_look(rng))]


def _both_sides(field: Field) -> Field:
    return lambda p: np.minimum(field(p), field(p * (-1, 1, 1)))


def coral(rng: Rng) -> list[Part]:
    """Branches that fork, thin out and melt together: corals, antlers, bare shrubs."""
    fields, look = [], any_look(rng)
    tips = [(np.zeros(3), np.array((0, 0, 1.0)), rng.uniform(0.05, 0.1), rng.uniform(0.25, 0.4))]
    for _ in range(int(rng.integers(2, 4))):
        grown = []
        for start, way, radius, length in tips:
            for _ in range(int(rng.integers(1, 4))):
                turned_way = way + rng.normal(0, 0.55, 3) + (0, 0, 0.2)
                turned_way /= np.linalg.norm(turned_way)
                end = start + turned_way * length
                fields.append(capsule(start, end, radius, radius * 0.75))
                grown.append((end, turned_way, radius * 0.75, length * 0.8))
        tips = grown[:9]
    if rng.random() < 0.4:
        fields.append(block((0, 0, 0), (0.35, 0.35, 0.1), 0.04))
    return [part("branches", solid(union(fields, 0.012), *_room(fields), 56), look)]


def _room(fields: list[Field]) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a box about what ``fields`` hold, within two units of the middle."""
    line = np.linspace(-2, 2, 41)
    grid = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)
    near = np.min([field(grid) for field in fields], axis=0) < 0.1
    held = grid[near]
    return held.min(0) - 0.1, held.max(0) + 0.1


def cactus(rng: Rng) -> list[Part]:
    look, h, r = paint(rng), rng.uniform(0.5, 0.9), rng.uniform(0.1, 0.18)
    fields = [capsule((0, 0, 0), (0, 0, h), r, r * 0.9)]
    for _ in range(int(rng.integers(0, 4))):
        a, z, reach, rise = (
            rng.uniform(0, 2 * np.pi),
            rng.uniform(0.25, 0.6) * h,
            rng.uniform(0.2, 0.3),
            rng.uniform(0.1, 0.35),
        )
        elbow = np.array((reach * np.cos(a), reach * np.sin(a), z + 0.05))
        fields += [
            capsule((0, 0, z), elbow, r * 0.6, r * 0.55),
            capsule(elbow, elbow + (0, 0, rise), r * 0.55, r * 0.5),
        ]
    ribs = int(rng.integers(8, 16))
    whole = union(fields, 0.02)
    body = solid(
        lambda p: whole(p) + 0.008 * np.cos(ribs * np.arctan2(p[..., 1], p[..., 0])),
        (-0.55, -0.55, -0.2),
        (0.55, 0.55, h + 0.25),
        56,
    )
    pot = lathe(((0.18, -0.3), (0.25, 0.02), (0.22, 0.02), (0.16, -0.26)), 28)
    parts = [part("body", body, look), part("pot", pot, any_look(rng))]
    parts.append(part("earth", lathe(((0.17, -0.2), (0.215, -0.02)), 28), wood(rng)))
    return parts


def mushroom(rng: Rng) -> list[Part]:
    """Stems lofted along a bent line, under caps."""
    stem, cap, parts = white(rng), paint(rng), []
    for i in range(int(rng.integers(1, 5))):
        scale = 1.0 if i == 0 else rng.uniform(0.35, 0.75)
        at = np.zeros(3) if i == 0 else np.array((*rng.normal(0, 0.3, 2), 0))
        h, lean = rng.uniform(0.4, 0.8) * scale, rng.normal(0, 0.1 * scale, 2)
        path = curve(at, at + (*lean * 0.3, h / 2), at + (*lean, h))
        thick = rng.uniform(0.05, 0.12) * scale * np.interp(np.linspace(0, 1, len(path)), (0, 0.4, 1), (1.4, 0.9, 0.8))
        parts.append(part("stem", tube(path, thick, 14), stem))
        r, tall, curl = rng.uniform(0.2, 0.42) * scale, rng.uniform(0.12, 0.35) * scale, rng.uniform(0.02, 0.1) * scale
        t = np.linspace(0, np.pi / 2, 9)
        outside = [(r * float(np.cos(a)) + 0.002, tall * float(np.sin(a))) for a in t]
        head = lathe([(0.03, curl), (r * 0.9, -curl), *outside], 28)
        parts.append(part("cap", moved(turned(head, "x", rng.normal(0, 8)), path[-1] - (0, 0, 0.02)), cap))
    return parts


def plant(rng: Rng) -> list[Part]:
    """Lofted stems with leaves or petals, in a pot or bare."""
    green, parts = paint(rng), []
    flower = rng.random() < 0.5
    for _ in range(int(rng.integers(1, 7))):
        a, reach, h = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.35), rng.uniform(0.4, 0.9)
        out = np.array((np.cos(a), np.sin(a), 0)) * reach
        path = curve((0, 0, 0), out * 0.3 + (0, 0, h * 0.6), out + (0, 0, h))
        parts.append(part("stem", tube(path, np.linspace(0.022, 0.01, len(path)), 8), green))
        for k in range(int(rng.integers(1, 5))):
            size = rng.uniform(0.1, 0.22)
            leaf = stretched(ellipsoid((size, size * 0.4, 0.012), (size, 0, 0), rings=8), (1, 1, 1))
            leaf = turned(turned(leaf, "y", -rng.uniform(10, 60)), "z", rng.uniform(0, 360))
            parts.append(part("leaf", moved(leaf, path[int(len(path) * (k + 1) / 6)]), green))
        if flower:
            look, petals, size = paint(rng), int(rng.integers(4, 9)), rng.uniform(0.06, 0.12)
            parts.append(part("heart", ellipsoid((size * 0.5,) * 3, path[-1], rings=8), paint(rng)))
            for k in range(petals):
                petal = turned(ellipsoid((size, size * 0.5, 0.012), (size, 0, 0), rings=8), "y", -25)
                parts.append(part("petal", moved(turned(petal, "z", 360 * k / petals), path[-1]), look))
    if rng.random() < 0.7:
        r = rng.uniform(0.12, 0.22)
        parts.append(
            part("pot", lathe(((r * 0.7, -0.3), (r, 0.03), (r * 0.85, 0.03), (r * 0.55, -0.26)), 28), any_look(rng))
        )
        parts.append(part("earth", lathe(((r * 0.68, -0.25), (r * 0.84, -0.01)), 28), wood(rng)))
    return parts


def horn(rng: Rng) -> list[Part]:
    """Spirals that widen: horns, tusks, snail shells, tentacles."""
    turns, grow, rise = rng.uniform(0.3, 3), rng.uniform(1.2, 3.2), rng.uniform(0, 1.2)
    t = np.linspace(0, 1, 64)
    size = np.exp(grow * (t - 1))
    a = 2 * np.pi * turns * t + rng.uniform(0, 6.3)
    path = np.c_[size * np.cos(a), rise * (1 - size), size * np.sin(a)] * 0.4
    radii = np.maximum(0.4 * size * rng.uniform(0.25, 0.6), 0.008)
    radii = radii * (1 + rng.uniform(0, 0.12) * np.sin(rng.uniform(20, 90) * t))
    look = any_look(rng)
    parts = [part("horn", tube(path, radii, 16), look)]
    if rng.random() < 0.3:
        twin = MeshArrays(parts[0].mesh.vertices * np.float32((-1, 1, 1)), parts[0].mesh.faces[:, ::-1])
        apart = float(parts[0].mesh.vertices[:, 0].max()) * 0.9
        parts = [part("horn", moved(m, (s * apart, 0, 0)), look) for m, s in ((parts[0].mesh, -1), (twin, 1))]
    return parts


def rock(rng: Rng) -> list[Part]:
    """Displaced solids: stones, lumps of clay, crystals, gourds."""
    base = (
        ball((0, 0, 0), 0.42), block((0, 0, 0), rng.uniform(0.4, 0.85, 3), 0.08, _spin(rng)),
        capsule((0, 0, -0.25), (0, 0, 0.3), rng.uniform(0.2, 0.35), rng.uniform(0.1, 0.3)),
        union([ball(rng.normal(0, 0.15, 3), rng.uniform(0.15, 0.3)) for _ in range(4)], 0.03),
    )[rng.integers(0, 4)]  # fmt: skip
    field = roughened(base, rng, rng.uniform(0.02, 0.12), rng.uniform(4, 14), rng.random() < 0.5)
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(1, 6))):
            way = rng.normal(size=3)
            field = _cut(field, way / np.linalg.norm(way), rng.uniform(0.2, 0.35))
    return [part("rock", solid(field, (-0.75,) * 3, (0.75,) * 3, 52), any_look(rng))]


def _cut(field: Field, way: np.ndarray, depth: float) -> Field:
    """``field`` as far as ``depth`` along ``way``."""
    return lambda p: np.maximum(field(p), p @ way - depth)


def carved(rng: Rng) -> list[Part]:
    """A block, drum or ball with bores, slots, pockets and bites taken out of it."""
    size = rng.uniform(0.45, 0.95, 3)
    body = (
        block((0, 0, 0), size, rng.uniform(0, 0.06)), rod((0, 0, 0), int(rng.integers(0, 3)), size[0] / 2, size[1]),
        ball((0, 0, 0), 0.45),
    )[rng.choice(3, p=(0.55, 0.3, 0.15))]  # fmt: skip
    taken = []
    for _ in range(int(rng.integers(1, 6))):
        at, axis = rng.uniform(-0.4, 0.4, 3), int(rng.integers(0, 3))
        match rng.integers(0, 4):
            case 0:
                taken.append(rod(at * (np.arange(3) != axis), axis, rng.uniform(0.06, 0.2), 2.0))
            case 1:
                taken.append(block(at, np.where(np.arange(3) == axis, 2.0, rng.uniform(0.1, 0.35, 3))))
            case 2:
                at[axis] = size[axis] / 2 * rng.choice((-1, 1))
                taken.append(block(at, rng.uniform(0.15, 0.5, 3)))
            case _:
                taken.append(ball(at * 1.3, rng.uniform(0.12, 0.3)))
    if rng.random() < 0.35:
        taken.append(block((0, 0, rng.uniform(0.05, 0.3)), size * (0.8, 0.8, 1)))
    return [part("body", _kept(less(body, taken), body), any_look(rng))]


def _kept(field: Field, otherwise: Field) -> MeshArrays:
    """The solid of ``field``, or of ``otherwise`` if next to nothing of it is left."""
    line = np.linspace(-0.5, 0.5, 21)
    some = (field(np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)) < 0).mean() > 0.03
    return solid(field if some else otherwise, (-0.55,) * 3, (0.55,) * 3, 56)


def bone(rng: Rng) -> list[Part]:
    """Knobs at the ends of a waisted shaft: bones, dumb-bells, branches, skittles."""
    h, r = rng.uniform(0.5, 0.9), rng.uniform(0.04, 0.1)
    bend = rng.normal(0, 0.08, 2)
    middle = np.array((*bend, h / 2))
    fields = [capsule((0, 0, 0), middle, r * 1.2, r), capsule(middle, (0, 0, h), r, r * 1.2)]
    for z in (0, h):
        apart, knob = rng.uniform(0.04, 0.12), rng.uniform(1.3, 2.2) * r
        fields += [ball((s * apart, 0, z), knob) for s in ((-1, 1) if rng.random() < 0.75 else (0,))]
    parts = [
        part(
            "bone",
            solid(union(fields, 0.025), (-0.4, -0.4, -0.3), (0.4, 0.4, h + 0.3), 52),
            (white, any_look)[rng.integers(0, 2)](rng),
        )
    ]
    angle = float(rng.choice((0, 90)))
    return [Part(p.label, turned(p.mesh, "y", angle), p.colour, p.roughness, p.metallic) for p in parts]


def zeroverse(rng: Rng) -> list[Part]:
    """Compositions with boolean cuts and wires, after LRM-Zero's Zeroverse (arXiv:2406.09371)."""
    parts = (random_composition, symmetric_composition)[rng.integers(0, 2)](rng)[: int(rng.integers(1, 6))]
    size = rng.uniform(0.3, 0.7, 3)
    turn, at = _spin(rng), rng.normal(0, 0.15, 3)
    body = block(at, size, rng.uniform(0, 0.05), turn) if rng.random() < 0.5 else ball(at, size[0] / 2)
    taken: list[Field] = []
    for _ in range(int(rng.integers(1, 4))):
        where = at + rng.normal(0, 0.2, 3)
        cut = rng.uniform(0.15, 0.5, 3)
        taken.append(block(where, cut, 0.0, _spin(rng)) if rng.random() < 0.6 else ball(where, cut[0] / 2))
    field = less(body, taken)
    if rng.random() < 0.3:
        field = roughened(field, rng, rng.uniform(0.01, 0.04), rng.uniform(6, 18))
    if rng.random() < 0.8:
        parts.append(part("carved", moved(_kept(lambda p: field(p + at), lambda p: body(p + at)), at), any_look(rng)))
    look, wire = any_look(rng), rng.uniform(0.008, 0.03)
    for _ in range(int(rng.integers(0, 8))):
        a, b = rng.normal(0, 0.35, (2, 3))
        parts.append(part("wire", bar(a, b, wire), look))
    return parts


FAMILIES = {
    "bone": bone, "cactus": cactus, "carved": carved, "coral": coral, "horn": horn, "metaballs": metaballs,
    "mushroom": mushroom, "plant": plant, "rock": rock, "zeroverse": zeroverse,
}  # fmt: skip
