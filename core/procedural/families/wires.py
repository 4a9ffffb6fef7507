"""Thin parts: rods, wires, lattices and cages."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ...arrays import MeshArrays
from ..parts import (
    Part,
    any_material,
    dark_material,
    make_part,
    metal_material,
    paint_material,
    wood_material,
)
from ..primitives import (
    displace_mesh,
    lathe_solid,
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
from ..solids import align_to_axis, annulus_plate, circle_outline, make_bar, make_bars

Rng = np.random.Generator


def _join_parts(label: str, meshes: list[MeshArrays], look) -> list[Part]:
    return [make_part(label, mesh, look) for mesh in meshes]


def _wire_material(rng: Rng):
    return (metal_material, paint_material, dark_material)[rng.integers(0, 3)](rng)


def _thin_radius(rng: Rng) -> float:
    """Half a wire's thickness: 1 to 4 % of what is about 1 long, mostly little."""
    return 0.005 * float(np.exp(rng.uniform(0, 1.3)))


def make_cage(rng: Rng) -> list[Part]:
    """Bars in a ring or a square between a floor and a dome or lid."""
    look = _wire_material(rng)
    wire = _thin_radius(rng)
    high = rng.uniform(0.4, 0.9)
    count = int(rng.integers(8, 25))
    sides = int(rng.choice((4, 32)))
    dome = rng.uniform(0.1, 0.4)
    foot = circle_outline(0.35, sides, np.pi / 4)
    where = _points_along(foot, count)

    floor = annulus_plate(foot * 1.05, foot * 0.05, 0.04)
    floor = translate_mesh(floor, (0, 0, 0))
    parts = [make_part("floor", floor, any_material(rng))]

    for z in (0.0, high * 0.5, high)[:: int(rng.integers(1, 3))]:
        ring = [(x, y, z) for x, y in foot]
        parts += _join_parts("ring", make_bars(ring, wire * 1.3, closed=True), look)

    for x, y in where:
        path = [(x, y, 0), (x, y, high)]
        if sides == 32:
            path += [(x * 0.7, y * 0.7, high + dome * 0.75), (0, 0, high + dome)]
        bar = make_tube(smooth_curve(*path, steps=4) if sides == 32 else np.array(path), wire, 6)
        parts.append(make_part("bar", bar, look))

    if sides == 32:
        eye = make_torus(0.05, wire * 1.3, sides=20, round_sides=6)
        eye = align_to_axis(eye, "y")
        eye = translate_mesh(eye, (0, 0, high + dome + 0.05))
        parts.append(make_part("eye", eye, look))

    if rng.random() < 0.5:
        perch = make_bar((-0.34, 0, high * 0.4), (0.34, 0, high * 0.4), 0.012)
        parts.append(make_part("perch", perch, wood_material(rng)))
        if rng.random() < 0.5:
            bird = make_ellipsoid((0.06, 0.1, 0.07), (0.05, 0, high * 0.4 + 0.08))
            parts.append(make_part("bird", bird, paint_material(rng)))

    return parts


def _points_along(outline: np.ndarray, count: int) -> np.ndarray:
    """``count`` points (count, 2) evenly along the closed ``outline``."""
    loop = np.concatenate((outline, outline[:1]))
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(loop, axis=0), axis=1))]
    at = np.linspace(0, length[-1], count, endpoint=False)
    return np.c_[np.interp(at, length, loop[:, 0]), np.interp(at, length, loop[:, 1])]


def make_rack(rng: Rng) -> list[Part]:
    """Racks for clothes, towels, shoes, dishes: a frame of bars with rungs."""
    look = _wire_material(rng)
    wire = _thin_radius(rng) * 1.3
    w = rng.uniform(0.4, 1)
    d = rng.uniform(0.15, 0.5)
    h = rng.uniform(0.3, 1)
    levels = int(rng.integers(1, 5))
    parts = []

    for x in (-w / 2, w / 2):
        frame = [(x, -d / 2, 0), (x, -d / 2, h), (x, d / 2, h), (x, d / 2, 0)]
        parts += _join_parts("frame", make_bars(frame, wire * 1.2), look)

    for level in range(levels):
        z = h * (level + 1) / levels if rng.random() < 0.7 else h * (level + 0.5) / levels

        for y in (-d / 2, d / 2):
            parts.append(make_part("rail", make_bar((-w / 2, y, z), (w / 2, y, z), wire), look))

        cross = rng.random() < 0.5

        for t in np.linspace(0, 1, int(rng.integers(3, 11))):
            ends = ((w * (t - 0.5), -d / 2, z), (w * (t - 0.5), d / 2, z))
            if not cross:
                ends = ((-w / 2, d * (t - 0.5), z), (w / 2, d * (t - 0.5), z))
            parts.append(make_part("rung", make_bar(*ends, wire * 0.8), look))

    if rng.random() < 0.3:
        for x in np.linspace(-0.4, 0.4, int(rng.integers(2, 5))) * w:
            cloth_size = (rng.uniform(0.06, 0.2), 0.012 + wire, h * rng.uniform(0.3, 0.6))
            cloth_center = (x, -d / 2, h * 0.7)
            cloth = make_box(cloth_size, cloth_center)
            parts.append(make_part("cloth", cloth, paint_material(rng)))

    return parts


def make_ladder(rng: Rng) -> list[Part]:
    look = (wood_material, metal_material)[rng.integers(0, 2)](rng)
    wire = _thin_radius(rng) * 2
    w = rng.uniform(0.15, 0.35)
    h = 1.0
    top = w * rng.uniform(0.6, 1)
    count = int(rng.integers(4, 12))
    lean = rng.uniform(-0.3, 0)
    stands = rng.random() < 0.5
    parts = []

    if stands:
        lean = rng.uniform(0.15, 0.3)

    def at(side: int, t: float, y: float):
        return (side * (w + (top - w) * t) / 2, y * (1 - t), h * t)

    for y in (-lean, lean) if stands else (lean,):
        for side in (-1, 1):
            rail = make_bar(at(side, 0, y), at(side, 1, y), wire, 4 if rng.random() < 0.5 else 8)
            parts.append(make_part("rail", rail, look))
        for t in (
            (np.arange(count) + 0.7) / (count + 0.4) if y <= 0 or rng.random() < 0.4 else (0.3,)
        ):
            rung = make_bar(at(-1, float(t), y), at(1, float(t), y), wire * 0.8)
            parts.append(make_part("rung", rung, look))

    if stands:
        top_mesh = make_box((top * 1.2, 0.1, 0.03), (0, 0, h))
        parts.append(make_part("top", top_mesh, any_material(rng)))

    return parts


def make_wire_basket(rng: Rng) -> list[Part]:
    """Baskets and bins of wire, with a handle now and then."""
    look = _wire_material(rng)
    wire = _thin_radius(rng)
    h = rng.uniform(0.25, 0.7)
    outline = circle_outline(0.35, 4 if rng.random() < 0.5 else 28, np.pi / 4) * (
        1,
        rng.uniform(0.6, 1),
    )
    base = rng.uniform(0.6, 1)
    count = int(rng.integers(10, 25))
    rings = int(rng.integers(3, 7))
    parts = []

    for t in np.linspace(0, 1, rings):
        scale = base + (1 - base) * t
        thick = wire * (1.8 if t == 1 else 1)
        parts += _join_parts(
            "ring",
            make_bars(
                [(x * scale, y * scale, h * t) for x, y in outline], thick, closed=True, sides=6
            ),
            look,
        )

    for x, y in _points_along(outline, count):
        wire_mesh = make_bar((x * base, y * base, 0), (x, y, h), wire, 6)
        parts.append(make_part("wire", wire_mesh, look))

    for x, y in _points_along(outline * base, count)[: count // 2]:
        parts.append(make_part("wire", make_bar((x, y, 0), (-x, -y, 0), wire, 6), look))

    if rng.random() < 0.5:
        reach = float(np.abs(outline[:, 0]).max())
        arch = [(reach * np.cos(a), 0, h + 0.3 * np.sin(a)) for a in np.linspace(0, np.pi, 16)]
        handle = make_tube(np.array(arch), wire * 2)
        parts.append(make_part("handle", handle, any_material(rng)))

    return parts


def make_bicycle(rng: Rng) -> list[Part]:
    """Two spoked wheels in a frame of tubes, seen from its right from the front: it looks towards -Y."""
    frame = paint_material(rng)
    rubber = dark_material(rng)
    steel = metal_material(rng)
    r = rng.uniform(0.24, 0.32)
    span = rng.uniform(0.9, 1.05)
    wire = rng.uniform(0.012, 0.022)
    back = np.array((0, span / 2, r))
    front = np.array((0, -span / 2, r))
    parts = []

    for hub in (back, front):
        tyre = make_torus(r - wire, wire * rng.uniform(0.8, 1.5), sides=40, round_sides=8)
        parts.append(make_part("tyre", translate_mesh(align_to_axis(tyre, "x"), hub), rubber))

        hub_mesh = align_to_axis(make_cylinder(0.025, 0.08), "x")
        hub_mesh = translate_mesh(hub_mesh, hub)
        parts.append(make_part("hub", hub_mesh, steel))

        for a in np.linspace(0, np.pi, int(rng.integers(4, 9)), endpoint=False):
            way = np.array((0, np.cos(a), np.sin(a))) * (r - wire)
            parts.append(make_part("spoke", make_bar(hub - way, hub + way, 0.005, 5), steel))

    low = np.array((0, 0.05, r * 0.95))
    seat = np.array((0, 0.18, r + rng.uniform(0.3, 0.45)))
    head = np.array((0, -span / 2 + 0.14, r + rng.uniform(0.35, 0.5)))
    neck = head * (1, 1, 0.8) + (0, -0.02, 0)

    for a, b in (
        (low, seat),
        (low, neck),
        (seat * (1, 1, 0.92), head),
        (low, back),
        (seat * (1, 1, 0.9), back),
        (head, front),
    ):
        parts.append(make_part("frame", make_bar(a, b, wire), frame))

    saddle = make_ellipsoid((0.05, 0.12, 0.03), seat + (0, 0.02, 0.06))
    parts.append(make_part("saddle", saddle, dark_material(rng)))

    post = make_bar(seat, seat + (0, 0.01, 0.05), wire * 0.8)
    parts.append(make_part("post", post, steel))

    wide = rng.uniform(0.18, 0.3)
    drop = rng.uniform(-0.12, 0.05)
    path = smooth_curve(
        (-wide, 0.08, drop),
        (-wide * 0.8, -0.02, 0),
        (0, 0, 0),
        (wide * 0.8, -0.02, 0),
        (wide, 0.08, drop),
        steps=5,
    )

    bar = make_tube(path + head + (0, -0.02, 0.1), wire * 0.8)
    parts.append(make_part("bar", bar, steel))

    parts.append(make_part("stem", make_bar(head, head + (0, -0.02, 0.1), wire), steel))
    crank = align_to_axis(annulus_plate(circle_outline(0.08), circle_outline(0.02), 0.02), "x")
    parts.append(make_part("crank", translate_mesh(crank, low + (0.03, 0, 0)), steel))

    for side in (-1, 1):
        end = low + (side * 0.06, side * 0.1, side * -0.08)
        parts.append(make_part("crank", make_bar(low + (side * 0.04, 0, 0), end, 0.01), steel))
        pedal = make_box((0.09, 0.06, 0.02), end + (side * 0.04, 0, 0))
        parts.append(make_part("pedal", pedal, rubber))

    return parts


def make_spectacles(rng: Rng) -> list[Part]:
    look = any_material(rng)
    wire = rng.uniform(0.01, 0.03)
    w = rng.uniform(0.17, 0.23)
    h = rng.uniform(0.11, 0.2)
    power = float(rng.choice((2, 3, 6)))
    length = rng.uniform(0.6, 0.95)
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    bent = np.c_[np.cos(turn), np.sin(turn)]
    outline = np.sign(bent) * np.abs(bent) ** (2 / power) * (w, h)
    parts = []
    middle = w + rng.uniform(0.03, 0.07)

    for side in (-1, 1):
        rim = rotate_mesh(annulus_plate(outline * (1 + wire * 2 / h), outline, wire * 2), "x", 90)
        parts.append(make_part("rim", translate_mesh(rim, (side * middle, 0, 0)), look))

        if rng.random() < 0.7:
            glass = rotate_mesh(annulus_plate(outline * 1.03, outline * 0.02, wire), "x", 90)
            glass_mesh = translate_mesh(glass, (side * middle, 0, 0))
            parts.append(make_part("glass", glass_mesh, dark_material(rng)))

        edge = middle + w
        arm = smooth_curve(
            (side * edge, 0, 0.3 * h),
            (side * edge, length * 0.7, 0.3 * h),
            (side * edge * 0.95, length, -0.12),
            steps=8,
        )
        parts.append(make_part("arm", make_tube(arm, wire), look))

    bridge = make_bar((-middle + w * 0.98, 0, 0.02), (middle - w * 0.98, 0, 0.02), wire)
    parts.append(make_part("bridge", bridge, look))

    return parts


def make_fence(rng: Rng) -> list[Part]:
    """Pickets, palings, gates and grids."""
    look = (wood_material, metal_material, any_material)[rng.integers(0, 3)](rng)
    h = rng.uniform(0.4, 0.9)
    w = 1.0
    count = int(rng.integers(5, 16))
    wire = _thin_radius(rng)
    flat = rng.random() < 0.5
    parts = []

    for i in range(count):
        x = (i / (count - 1) - 0.5) * w
        tall = h * (1 + 0.15 * np.sin(i * rng.uniform(0.3, 2)) * (rng.random() < 0.2))

        if flat:
            mesh = make_box((w / count * 0.6, 0.025, tall), (x, 0, tall / 2))
        else:
            mesh = make_cylinder(wire, tall, (x, 0, tall / 2), sides=8)

        parts.append(make_part("picket", mesh, look))

        if not flat and rng.random() < 0.6:
            point = make_cylinder(wire * 2, 0.06, (x, 0, tall + 0.02), top=0.002, sides=8)
            parts.append(make_part("point", point, look))

    for z in rng.uniform(0.1, 0.95, int(rng.integers(2, 4))) * h:
        parts.append(make_part("rail", make_box((w, 0.03, 0.03), (0, 0.02, float(z))), look))

    for x in (-w / 2, w / 2):
        post = make_box((0.06, 0.06, h * 1.15), (x, 0, h * 0.575))
        parts.append(make_part("post", post, any_material(rng)))

    if rng.random() < 0.3:
        brace = make_bar((-w / 2, 0.02, 0.05), (w / 2, 0.02, h * 0.9), 0.015, 4)
        parts.append(make_part("brace", brace, look))

    return parts


def make_hanger(rng: Rng) -> list[Part]:
    look = (_wire_material, wood_material)[rng.integers(0, 2)](rng)
    wire = rng.uniform(0.008, 0.03)
    drop = rng.uniform(0.1, 0.25)
    shoulders = smooth_curve(
        (-0.5, 0, -drop),
        (-0.2, 0, -drop * 0.3),
        (0, 0, 0),
        (0.2, 0, -drop * 0.3),
        (0.5, 0, -drop),
        steps=8,
    )
    parts = [make_part("shoulders", make_tube(shoulders, wire * 1.4, flat=1.0), look)]

    if rng.random() < 0.75:
        bar = make_bar((-0.49, 0, -drop), (0.49, 0, -drop), wire)
        parts.append(make_part("bar", bar, look))

    hook = [
        (0, 0, 0),
        (0, 0, 0.08),
        *((0.06 - 0.06 * np.cos(a), 0, 0.12 + 0.06 * np.sin(a)) for a in np.linspace(0, 4, 9)),
    ]
    parts.append(make_part("hook", make_tube(np.array(hook), 0.009), metal_material(rng)))

    if rng.random() < 0.3:
        for x in (-0.3, 0.3):
            clip = make_box((0.05, 0.04, 0.1), (x, 0, -drop - 0.03))
            parts.append(make_part("clip", clip, dark_material(rng)))

    return parts


def make_tripod(rng: Rng) -> list[Part]:
    """Three legs under a camera, a lamp, a canvas or a pot."""
    look = (wood_material, metal_material, dark_material)[rng.integers(0, 3)](rng)
    wire = _thin_radius(rng) * 1.6
    h = rng.uniform(0.5, 1)
    spread = rng.uniform(0.18, 0.45)
    phase = rng.uniform(0, 6.3)
    parts = []

    for i in range(3):
        a = phase + i * 2 * np.pi / 3
        leg = make_bar((spread * np.cos(a), spread * np.sin(a), 0), (0, 0, h), wire)
        parts.append(make_part("leg", leg, look))
        if rng.random() < 0.5:
            brace = make_bar(
                (0.5 * spread * np.cos(a), 0.5 * spread * np.sin(a), h / 2),
                (0, 0, h * 0.45),
                wire * 0.6,
            )
            parts.append(make_part("brace", brace, look))

    match rng.integers(0, 4):
        case 0:
            size = rng.uniform(0.08, 0.16)
            parts.append(
                make_part(
                    "camera",
                    make_box((size * 1.6, size, size), (0, 0, h + size / 2), 0.01),
                    dark_material(rng),
                )
            )
            parts.append(
                make_part(
                    "lens",
                    translate_mesh(
                        rotate_mesh(make_cylinder(size * 0.35, size), "x", 90),
                        (0, -size * 0.9, h + size / 2),
                    ),
                    dark_material(rng),
                )
            )
        case 1:
            shade = lathe_solid(((0.2, 0), (0.1, 0.22), (0.085, 0.22), (0.185, 0.0)), 28)
            parts.append(make_part("shade", translate_mesh(shade, (0, 0, h)), any_material(rng)))
        case 2:
            w = rng.uniform(0.4, 0.7)
            t = rng.uniform(0.4, 0.6)
            canvas = rotate_mesh(make_box((w, 0.03, t), (0, 0, t / 2)), "x", -10)
            parts.append(
                make_part(
                    "canvas", translate_mesh(canvas, (0, -spread * 0.5, h * 0.4)), any_material(rng)
                )
            )
            parts.append(
                make_part("ledge", make_box((w, 0.08, 0.03), (0, -spread * 0.5, h * 0.4)), look)
            )
        case _:
            parts.append(
                make_part(
                    "top",
                    make_cylinder(rng.uniform(0.12, 0.3), 0.03, (0, 0, h), sides=28),
                    any_material(rng),
                )
            )

    return parts


def make_sticks(rng: Rng) -> list[Part]:
    """Bundles, fans and heaps of straight sticks: pencils, chopsticks, arrows, kindling, mikado."""
    wire = _thin_radius(rng) * 1.5
    count = int(rng.integers(1, 13))
    style = rng.integers(0, 3)
    parts = []
    look = (wood_material, any_material)[rng.integers(0, 2)](rng)

    for _ in range(count):
        if style == 0:
            at = rng.normal(0, 0.05, 2)
            lean = rng.normal(0, 0.06, 2)
            ends = (*at, 0), (*(at + lean), rng.uniform(0.7, 1))
        elif style == 1:
            foot = rng.normal(0, 0.02, 2)
            a = rng.uniform(0, 2 * np.pi)
            ends = (*foot, 0), (0.35 * np.cos(a), 0.35 * np.sin(a), rng.uniform(0.6, 0.9))
        else:
            a = rng.uniform(0, np.pi)
            z = rng.uniform(0, 0.1)
            way = np.array((np.cos(a), np.sin(a))) * 0.45
            at = rng.normal(0, 0.08, 2)
            ends = (*(at - way), z), (*(at + way), z + rng.normal(0, 0.04))

        stick = make_bar(*ends, wire, int(rng.choice((4, 6, 8))))
        stick_look = look if rng.random() < 0.7 else any_material(rng)
        parts.append(make_part("stick", stick, stick_look))

    if style == 1:
        pot = lathe_solid(((0.1, -0.02), (0.13, 0.3), (0.11, 0.3), (0.085, 0.02)), 24)
        parts.append(make_part("pot", pot, any_material(rng)))
    elif style == 0 and rng.random() < 0.5:
        band = annulus_plate(circle_outline(0.14), circle_outline(0.11), 0.06)
        band = translate_mesh(band, (0, 0, 0.4))
        parts.append(make_part("band", band, paint_material(rng)))

    return parts


def make_lattice_tower(rng: Rng) -> list[Part]:
    """Pylons, derricks and scaffolds: four legs with braces."""
    look = _wire_material(rng)
    wire = _thin_radius(rng)
    floors = int(rng.integers(3, 8))
    base = rng.uniform(0.12, 0.3)
    top = rng.uniform(0.02, 0.15)
    h = 1.0
    corner = np.array(((-1, -1), (1, -1), (1, 1), (-1, 1)))
    heights = np.linspace(0, h, floors + 1) ** rng.uniform(0.8, 1.2)
    rings = [np.c_[corner * (base + (top - base) * z / h), np.full(4, z)] for z in heights]

    parts = []
    for i in range(4):
        parts.append(make_part("leg", make_bar(rings[0][i], rings[-1][i], wire * 1.5, 4), look))

    cross = rng.random() < 0.5

    for low, high in pairwise(rings):
        parts += _join_parts("belt", make_bars(list(high), wire, closed=True, sides=4), look)

        for i in range(4):
            brace = make_bar(low[i], high[(i + 1) % 4], wire * 0.8, 4)
            parts.append(make_part("brace", brace, look))
            if cross:
                brace = make_bar(low[(i + 1) % 4], high[i], wire * 0.8, 4)
                parts.append(make_part("brace", brace, look))

    for z in rng.uniform(0.6, 1, int(rng.integers(0, 4))):
        reach = rng.uniform(0.2, 0.4)
        arm = make_bar((-reach, 0, float(z)), (reach, 0, float(z)), wire * 1.3, 4)
        parts.append(make_part("arm", arm, look))

    if rng.random() < 0.3:
        tank = make_cylinder(rng.uniform(0.12, 0.25), 0.25, (0, 0, h + 0.12))
        parts.append(make_part("tank", tank, any_material(rng)))

    return parts


def make_umbrella(rng: Rng) -> list[Part]:
    """Umbrellas and parasols, open or shut."""
    look = any_material(rng)
    ribs = int(rng.integers(6, 11))
    tall = 1.0
    wide = rng.uniform(0.3, 0.6)
    drop = rng.uniform(0.12, 0.35)
    wall = 0.012

    if rng.random() < 0.25:
        wide = wide / 6
        drop = 2 * drop

    steps = np.linspace(0, 1, 8)
    outside = [(max(wide * t, 0.012), tall - drop * t**1.7) for t in steps]
    inside = [
        (max((wide - wall) * t, 0.008), z - wall * 1.5)
        for t, (_, z) in zip(steps, outside, strict=True)
    ]
    parts = [make_part("canopy", lathe_solid([*inside, *reversed(outside)], ribs), look)]
    stick = metal_material(rng)

    stick_mesh = make_bar((0, 0, 0.05), (0, 0, tall + 0.06), 0.012)
    parts.append(make_part("stick", stick_mesh, stick))

    grip = [
        (0, 0, 0.06),
        (0, 0, -0.02),
        *((0.06 - 0.06 * np.cos(a), 0, -0.02 - 0.06 * np.sin(a)) for a in (0.8, 1.6, 2.4, 3.1)),
    ]

    if rng.random() < 0.6:
        grip_mesh = make_tube(np.array(grip), 0.02)
        parts.append(
            make_part("grip", grip_mesh, (wood_material, dark_material)[rng.integers(0, 2)](rng))
        )
        return parts

    foot = make_cylinder(rng.uniform(0.1, 0.2), 0.06, (0, 0, 0.03))
    parts.append(make_part("foot", foot, any_material(rng)))

    return parts


def make_chain(rng: Rng) -> list[Part]:
    """Links, rings in each other, beads on a string."""
    look = metal_material(rng)
    count = int(rng.integers(3, 10))
    wire = rng.uniform(0.012, 0.035)
    long = rng.uniform(0.09, 0.16)
    wide = rng.uniform(0.05, 0.08)
    path = smooth_curve(
        *np.c_[np.linspace(-0.5, 0.5, 4), rng.normal(0, 0.08, 4), rng.normal(0, 0.15, 4)], steps=24
    )
    at = path[np.linspace(0, len(path) - 1, count).astype(int)]
    gap = float(np.linalg.norm(np.diff(at, axis=0), axis=1).mean()) if count > 1 else 1
    scale = gap / (2 * long - 2 * wire)
    parts = []

    for i, point in enumerate(at):
        turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        straight = np.c_[
            np.cos(turn) * wide + np.sign(np.cos(turn)) * (long - wide), np.sin(turn) * wide
        ]
        ring = _closed_bar(np.c_[straight, np.zeros(28)], wire)
        ring = rotate_mesh(ring, "x", 90 * (i % 2) + rng.normal(0, 8))

        link = MeshArrays(ring.vertices * np.float32(scale), ring.faces)
        link = translate_mesh(link, point)
        parts.append(make_part("link", link, look))

    if rng.random() < 0.3:
        weight = make_ellipsoid((0.1, 0.1, 0.1), at[-1] + (0.1, 0, 0))
        parts.append(make_part("weight", weight, any_material(rng)))

    return parts


def _closed_bar(path: np.ndarray, radius: float, sides: int = 8) -> MeshArrays:
    """A round bar along the closed line ``path`` (P, 3), which is flat about z."""
    way = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    out = np.cross(way, (0, 0, 1))
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    offsets = np.cos(turn)[None, :, None] * out[:, None] + np.sin(turn)[None, :, None] * np.array(
        (0, 0, 1)
    )
    return ring_mesh(path[:, None] + radius * offsets, closed=True)


def make_spring(rng: Rng) -> list[Part]:
    """Coils: springs, cables, snakes of wire, spirals on a stand."""
    look = _wire_material(rng)
    wire = rng.uniform(0.012, 0.04)
    turns = rng.uniform(2.5, 9)
    t = np.linspace(0, 1, int(turns * 20))
    radius = rng.uniform(0.12, 0.35) * (1 - rng.choice((0, 0, 0.8)) * t)
    h = max(rng.uniform(0.5, 1), turns * wire * 2.4)
    path = np.c_[
        radius * np.cos(2 * np.pi * turns * t), radius * np.sin(2 * np.pi * turns * t), h * t
    ]
    parts = [make_part("coil", make_tube(path, wire, 8), look)]

    if rng.random() < 0.5:
        for z, r in ((0, radius[0]), (h, radius[-1])):
            plate = make_cylinder(float(r) * 1.2 + 0.02, 0.04, (0, 0, z), sides=28)
            parts.append(make_part("plate", plate, any_material(rng)))

    axis = "zzxy"[rng.integers(0, 4)]

    return [
        Part(p.label, align_to_axis(p.mesh, axis), p.color, p.roughness, p.metallic) for p in parts
    ]


def make_wireframe(rng: Rng) -> list[Part]:
    """The edges of a box, prism, pyramid or ball as bars (as Zeroverse's wire frames, arXiv:2406.09371)."""
    look = _wire_material(rng)
    wire = _thin_radius(rng) * 1.4
    sides = int(rng.integers(3, 9))
    rings = int(rng.integers(2, 5))
    heights = np.linspace(-0.45, 0.45, rings) * rng.uniform(0.6, 1)
    shape = rng.integers(0, 3)
    scale = (
        np.ones(rings),
        np.linspace(1, 0.1, rings),
        np.sqrt(np.maximum(1 - (heights / 0.55) ** 2, 0.05)),
    )[shape]
    lines = [
        np.c_[circle_outline(0.45 * s, sides, np.pi / 4), np.full(sides, z)]
        for s, z in zip(scale, heights, strict=True)
    ]
    parts = []

    for line in lines:
        parts += _join_parts("edge", make_bars(list(line), wire, closed=True, sides=6), look)
        parts += _join_parts(
            "joint", [make_ellipsoid((wire * 1.5,) * 3, p, rings=5) for p in line], look
        )

    for low, high in pairwise(lines):
        parts += _join_parts(
            "edge", [make_bar(a, b, wire, 6) for a, b in zip(low, high, strict=True)], look
        )

    if rng.random() < 0.4:
        inner = displace_mesh(make_ellipsoid(rng.uniform(0.1, 0.25, 3)), rng, rng.uniform(0, 0.05))
        parts.append(make_part("kernel", inner, any_material(rng)))

    return parts


FAMILIES = {
    "bicycle": make_bicycle,
    "cage": make_cage,
    "chain": make_chain,
    "fence": make_fence,
    "hanger": make_hanger,
    "ladder": make_ladder,
    "lattice_tower": make_lattice_tower,
    "rack": make_rack,
    "spectacles": make_spectacles,
    "spring": make_spring,
    "sticks": make_sticks,
    "tripod": make_tripod,
    "umbrella": make_umbrella,
    "wire_basket": make_wire_basket,
    "wireframe": make_wireframe,
}
