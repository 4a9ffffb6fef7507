"""Thin parts: rods, wires, lattices and cages."""

from __future__ import annotations

from itertools import pairwise

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
    Points,
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


def _join_parts(label: str, meshes: list[MeshArrays], look: PartMaterial) -> list[Part]:
    """Return a part of one label and material for each of ``meshes``."""
    return [make_part(label, mesh, look) for mesh in meshes]


def _wire_material(rng: Rng) -> PartMaterial:
    """Return a metal, a paint or a dark gray."""
    return (metal_material, paint_material, dark_material)[rng.integers(0, 3)](rng)


def _thin_radius(rng: Rng) -> float:
    """Return half a wire's thickness for a length of 1: 0.005 to 0.018, mostly thin."""
    return 0.005 * float(np.exp(rng.uniform(0, 1.3)))


def make_cage(rng: Rng) -> list[Part]:
    """Return a cage: bars in a ring or a square between a floor and a dome or lid."""
    look = _wire_material(rng)
    wire = _thin_radius(rng)
    high = rng.uniform(0.4, 0.9)
    count = int(rng.integers(8, 25))
    sides = int(rng.choice((4, 32)))
    dome = rng.uniform(0.1, 0.4)
    foot = circle_outline(0.35, sides, np.pi / 4)
    where = _points_along(foot, count)

    # The floor.
    floor = annulus_plate(foot * 1.05, foot * 0.05, 0.04)
    floor = translate_mesh(floor, (0, 0, 0))
    parts = [make_part("floor", floor, any_material(rng))]

    # Rings around the bars.
    for z in (0.0, high * 0.5, high)[:: int(rng.integers(1, 3))]:
        ring = [(x, y, z) for x, y in foot]
        parts += _join_parts("ring", make_bars(ring, wire * 1.3, closed=True), look)

    # Bars, bent to a point above a round floor.
    for x, y in where:
        path = [(x, y, 0), (x, y, high)]
        if sides == 32:
            path += [(x * 0.7, y * 0.7, high + dome * 0.75), (0, 0, high + dome)]
        bar = make_tube(smooth_curve(*path, steps=4) if sides == 32 else np.array(path), wire, 6)
        parts.append(make_part("bar", bar, look))

    # An eye to hang it by.
    if sides == 32:
        eye = make_torus(0.05, wire * 1.3, sides=20, round_sides=6)
        eye = align_to_axis(eye, "y")
        eye = translate_mesh(eye, (0, 0, high + dome + 0.05))
        parts.append(make_part("eye", eye, look))

    # A perch, and a bird on it.
    if rng.random() < 0.5:
        perch = make_bar((-0.34, 0, high * 0.4), (0.34, 0, high * 0.4), 0.012)
        parts.append(make_part("perch", perch, wood_material(rng)))
        if rng.random() < 0.5:
            bird = make_ellipsoid((0.06, 0.1, 0.07), (0.05, 0, high * 0.4 + 0.08))
            parts.append(make_part("bird", bird, paint_material(rng)))

    return parts


def _points_along(outline: Points, count: int) -> Points:
    """Return ``count`` points (count, 2), even along the closed ``outline``."""
    loop = np.concatenate((outline, outline[:1]))
    segments = np.linalg.norm(np.diff(loop, axis=0), axis=1)
    length = np.r_[0, np.cumsum(segments)]

    # Interpolate by the length from the first point.
    positions = np.linspace(0, length[-1], count, endpoint=False)
    x = np.interp(positions, length, loop[:, 0])
    y = np.interp(positions, length, loop[:, 1])
    points: Points = np.c_[x, y]

    return points


def make_rack(rng: Rng) -> list[Part]:
    """Return a rack for clothes, towels, shoes or dishes: a frame of bars with rungs."""
    look = _wire_material(rng)
    wire = _thin_radius(rng) * 1.3
    w = rng.uniform(0.4, 1)
    d = rng.uniform(0.15, 0.5)
    h = rng.uniform(0.3, 1)
    levels = int(rng.integers(1, 5))
    parts = []

    # A bent frame at each end.
    for x in (-w / 2, w / 2):
        frame = [(x, -d / 2, 0), (x, -d / 2, h), (x, d / 2, h), (x, d / 2, 0)]
        parts += _join_parts("frame", make_bars(frame, wire * 1.2), look)

    # Levels: two rails with rungs across or along.
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

    # Cloths over the front.
    if rng.random() < 0.3:
        for x in np.linspace(-0.4, 0.4, int(rng.integers(2, 5))) * w:
            cloth_size = (rng.uniform(0.06, 0.2), 0.012 + wire, h * rng.uniform(0.3, 0.6))
            cloth_center = (x, -d / 2, h * 0.7)
            cloth = make_box(cloth_size, cloth_center)
            parts.append(make_part("cloth", cloth, paint_material(rng)))

    return parts


def make_ladder(rng: Rng) -> list[Part]:
    """Return a ladder: number of rungs and lean vary; half are step ladders."""
    look = (wood_material, metal_material)[rng.integers(0, 2)](rng)
    wire = _thin_radius(rng) * 2
    w = rng.uniform(0.15, 0.35)
    h = 1.0
    top = w * rng.uniform(0.6, 1)
    count = int(rng.integers(4, 12))
    lean = rng.uniform(-0.3, 0)
    stands = rng.random() < 0.5
    parts = []

    # A step ladder leans to both sides.
    if stands:
        lean = rng.uniform(0.15, 0.3)

    def rail_point(side: int, t: float, y: float) -> tuple[float, float, float]:
        return (side * (w + (top - w) * t) / 2, y * (1 - t), h * t)

    # Rails and rungs of each side.
    for y in (-lean, lean) if stands else (lean,):
        for side in (-1, 1):
            rail = make_bar(
                rail_point(side, 0, y), rail_point(side, 1, y), wire, 4 if rng.random() < 0.5 else 8
            )
            parts.append(make_part("rail", rail, look))
        for t in (
            (np.arange(count) + 0.7) / (count + 0.4) if y <= 0 or rng.random() < 0.4 else (0.3,)
        ):
            rung = make_bar(rail_point(-1, float(t), y), rail_point(1, float(t), y), wire * 0.8)
            parts.append(make_part("rung", rung, look))

    # The top step.
    if stands:
        top_mesh = make_box((top * 1.2, 0.1, 0.03), (0, 0, h))
        parts.append(make_part("top", top_mesh, any_material(rng)))

    return parts


def make_wire_basket(rng: Rng) -> list[Part]:
    """Return a basket or bin of wire, some with a handle."""
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

    # Rings from the floor to the rim.
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

    # Wires up the wall and across the floor.
    for x, y in _points_along(outline, count):
        wire_mesh = make_bar((x * base, y * base, 0), (x, y, h), wire, 6)
        parts.append(make_part("wire", wire_mesh, look))

    for x, y in _points_along(outline * base, count)[: count // 2]:
        parts.append(make_part("wire", make_bar((x, y, 0), (-x, -y, 0), wire, 6), look))

    # A handle in an arch.
    if rng.random() < 0.5:
        reach = float(np.abs(outline[:, 0]).max())
        arch = [(reach * np.cos(a), 0, h + 0.3 * np.sin(a)) for a in np.linspace(0, np.pi, 16)]
        handle = make_tube(np.array(arch), wire * 2)
        parts.append(make_part("handle", handle, any_material(rng)))

    return parts


def make_bicycle(rng: Rng) -> list[Part]:
    """Return a bicycle towards -Y: spoked wheels in a frame of tubes, all sizes varied."""
    paint = paint_material(rng)
    rubber = dark_material(rng)
    steel = metal_material(rng)
    radius = rng.uniform(0.24, 0.32)
    span = rng.uniform(0.9, 1.05)
    wire = rng.uniform(0.012, 0.022)

    back = np.array((0, span / 2, radius))
    front = np.array((0, -span / 2, radius))
    parts = []
    for hub in (back, front):
        parts += _bicycle_wheel(rng, hub, radius - wire, wire, (rubber, steel))

    # The frame: bottom bracket, seat, head and the tubes between.
    bracket = np.array((0, 0.05, radius * 0.95))
    seat = np.array((0, 0.18, radius + rng.uniform(0.3, 0.45)))
    head = np.array((0, -span / 2 + 0.14, radius + rng.uniform(0.35, 0.5)))
    neck = head * (1, 1, 0.8) + (0, -0.02, 0)
    tubes = (
        (bracket, seat),
        (bracket, neck),
        (seat * (1, 1, 0.92), head),
        (bracket, back),
        (seat * (1, 1, 0.9), back),
        (head, front),
    )
    for start, end in tubes:
        parts.append(make_part("frame", make_bar(start, end, wire), paint))

    # Saddle and seat post.
    saddle = make_ellipsoid((0.05, 0.12, 0.03), seat + (0, 0.02, 0.06))
    parts.append(make_part("saddle", saddle, dark_material(rng)))
    post = make_bar(seat, seat + (0, 0.01, 0.05), wire * 0.8)
    parts.append(make_part("post", post, steel))

    parts += _bicycle_bar(rng, head, wire, steel)
    return parts + _bicycle_cranks(bracket, rubber, steel)


def _bicycle_wheel(
    rng: Rng, hub: Points, radius: float, wire: float, looks: tuple[PartMaterial, PartMaterial]
) -> list[Part]:
    """Return tire, hub and spokes of a wheel; ``looks`` are of rubber and steel."""
    rubber, steel = looks
    tyre = make_torus(radius, wire * rng.uniform(0.8, 1.5), sides=40, round_sides=8)
    tyre = translate_mesh(align_to_axis(tyre, "x"), hub)
    upright_axle = make_cylinder(0.025, 0.08)
    axle = translate_mesh(align_to_axis(upright_axle, "x"), hub)
    parts = [make_part("tyre", tyre, rubber), make_part("hub", axle, steel)]

    # Each bar through the hub is two spokes.
    for angle in np.linspace(0, np.pi, int(rng.integers(4, 9)), endpoint=False):
        spoke = np.array((0, np.cos(angle), np.sin(angle))) * radius
        parts.append(make_part("spoke", make_bar(hub - spoke, hub + spoke, 0.005, 5), steel))
    return parts


def _bicycle_bar(rng: Rng, head: Points, wire: float, steel: PartMaterial) -> list[Part]:
    """Return a handle bar, wide or narrow, high or low, on its stem."""
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
    stem = make_bar(head, head + (0, -0.02, 0.1), wire)

    return [make_part("bar", bar, steel), make_part("stem", stem, steel)]


def _bicycle_cranks(bracket: Points, rubber: PartMaterial, steel: PartMaterial) -> list[Part]:
    """Return the chain wheel, and cranks with pedals opposite to each other."""
    wheel = align_to_axis(annulus_plate(circle_outline(0.08), circle_outline(0.02), 0.02), "x")
    parts = [make_part("crank", translate_mesh(wheel, bracket + (0.03, 0, 0)), steel)]
    for side in (-1, 1):
        end = bracket + (side * 0.06, side * 0.1, side * -0.08)
        crank = make_bar(bracket + (side * 0.04, 0, 0), end, 0.01)
        parts.append(make_part("crank", crank, steel))
        pedal = make_box((0.09, 0.06, 0.02), end + (side * 0.04, 0, 0))
        parts.append(make_part("pedal", pedal, rubber))

    return parts


def make_spectacles(rng: Rng) -> list[Part]:
    """Return spectacles: shape of the rims, thickness and length of the arms vary."""
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

    # For each eye a rim, a glass and an arm.
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

    # The bridge between the rims.
    bridge = make_bar((-middle + w * 0.98, 0, 0.02), (middle - w * 0.98, 0, 0.02), wire)
    parts.append(make_part("bridge", bridge, look))

    return parts


def make_fence(rng: Rng) -> list[Part]:
    """Return a fence: pickets, palings, a gate or a grid."""
    look = (wood_material, metal_material, any_material)[rng.integers(0, 3)](rng)
    h = rng.uniform(0.4, 0.9)
    w = 1.0
    count = int(rng.integers(5, 16))
    wire = _thin_radius(rng)
    flat = rng.random() < 0.5
    parts = []

    # Pickets: flat boards, or rods with or without points.
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

    # Rails across them, and posts at the ends.
    for z in rng.uniform(0.1, 0.95, int(rng.integers(2, 4))) * h:
        parts.append(make_part("rail", make_box((w, 0.03, 0.03), (0, 0.02, float(z))), look))

    for x in (-w / 2, w / 2):
        post = make_box((0.06, 0.06, h * 1.15), (x, 0, h * 0.575))
        parts.append(make_part("post", post, any_material(rng)))

    # A brace, as of a gate.
    if rng.random() < 0.3:
        brace = make_bar((-w / 2, 0.02, 0.05), (w / 2, 0.02, h * 0.9), 0.015, 4)
        parts.append(make_part("brace", brace, look))

    return parts


def make_hanger(rng: Rng) -> list[Part]:
    """Return a coat hanger: of wire or wood, most with a bar, some with clips."""
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

    # The bar below the shoulders.
    if rng.random() < 0.75:
        bar = make_bar((-0.49, 0, -drop), (0.49, 0, -drop), wire)
        parts.append(make_part("bar", bar, look))

    # The hook.
    hook = [
        (0, 0, 0),
        (0, 0, 0.08),
        *((0.06 - 0.06 * np.cos(a), 0, 0.12 + 0.06 * np.sin(a)) for a in np.linspace(0, 4, 9)),
    ]
    parts.append(make_part("hook", make_tube(np.array(hook), 0.009), metal_material(rng)))

    # Clips.
    if rng.random() < 0.3:
        for x in (-0.3, 0.3):
            clip = make_box((0.05, 0.04, 0.1), (x, 0, -drop - 0.03))
            parts.append(make_part("clip", clip, dark_material(rng)))

    return parts


def make_tripod(rng: Rng) -> list[Part]:
    """Return a tripod: three legs under a camera, a lamp, a canvas or a pot."""
    look = (wood_material, metal_material, dark_material)[rng.integers(0, 3)](rng)
    wire = _thin_radius(rng) * 1.6
    h = rng.uniform(0.5, 1)
    spread = rng.uniform(0.18, 0.45)
    phase = rng.uniform(0, 6.3)
    parts = []

    # Legs.
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

    return parts + _tripod_load(rng, h, spread, look)


def _tripod_load(rng: Rng, height: float, spread: float, look: PartMaterial) -> list[Part]:
    """Return what is on a tripod: a camera, a shade, a canvas or a round top."""
    parts = []
    match rng.integers(0, 4):
        case 0:
            size = rng.uniform(0.08, 0.16)
            level = height + size / 2
            camera = make_box((size * 1.6, size, size), (0, 0, level), 0.01)
            parts.append(make_part("camera", camera, dark_material(rng)))
            lens = rotate_mesh(make_cylinder(size * 0.35, size), "x", 90)
            lens = translate_mesh(lens, (0, -size * 0.9, level))
            parts.append(make_part("lens", lens, dark_material(rng)))
        case 1:
            shade = lathe_solid(((0.2, 0), (0.1, 0.22), (0.085, 0.22), (0.185, 0.0)), 28)
            shade = translate_mesh(shade, (0, 0, height))
            parts.append(make_part("shade", shade, any_material(rng)))
        case 2:
            width = rng.uniform(0.4, 0.7)
            tall = rng.uniform(0.4, 0.6)
            foot = (0, -spread * 0.5, height * 0.4)
            canvas = rotate_mesh(make_box((width, 0.03, tall), (0, 0, tall / 2)), "x", -10)
            canvas = translate_mesh(canvas, foot)
            parts.append(make_part("canvas", canvas, any_material(rng)))
            parts.append(make_part("ledge", make_box((width, 0.08, 0.03), foot), look))
        case _:
            top = make_cylinder(rng.uniform(0.12, 0.3), 0.03, (0, 0, height), sides=28)
            parts.append(make_part("top", top, any_material(rng)))

    return parts


def make_sticks(rng: Rng) -> list[Part]:
    """Return a bundle, fan or heap of straight sticks: pencils, arrows, kindling."""
    wire = _thin_radius(rng) * 1.5
    count = int(rng.integers(1, 13))
    style = rng.integers(0, 3)
    parts = []
    look = (wood_material, any_material)[rng.integers(0, 2)](rng)

    # A bundle, a fan in a pot, or a heap.
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

    # The pot of a fan, or a band around a bundle.
    if style == 1:
        pot = lathe_solid(((0.1, -0.02), (0.13, 0.3), (0.11, 0.3), (0.085, 0.02)), 24)
        parts.append(make_part("pot", pot, any_material(rng)))
    elif style == 0 and rng.random() < 0.5:
        band = annulus_plate(circle_outline(0.14), circle_outline(0.11), 0.06)
        band = translate_mesh(band, (0, 0, 0.4))
        parts.append(make_part("band", band, paint_material(rng)))

    return parts


def make_lattice_tower(rng: Rng) -> list[Part]:
    """Return a pylon, derrick or scaffold: four legs with braces."""
    look = _wire_material(rng)
    wire = _thin_radius(rng)
    floors = int(rng.integers(3, 8))
    base = rng.uniform(0.12, 0.3)
    top = rng.uniform(0.02, 0.15)
    h = 1.0
    corner = np.array(((-1, -1), (1, -1), (1, 1), (-1, 1)))
    heights = np.linspace(0, h, floors + 1) ** rng.uniform(0.8, 1.2)
    rings = [np.c_[corner * (base + (top - base) * z / h), np.full(4, z)] for z in heights]

    # Legs at the corners.
    parts = []
    for i in range(4):
        parts.append(make_part("leg", make_bar(rings[0][i], rings[-1][i], wire * 1.5, 4), look))

    # Level beams, and one or two braces a side and level.
    cross = rng.random() < 0.5
    for low, high in pairwise(rings):
        parts += _join_parts("belt", make_bars(list(high), wire, closed=True, sides=4), look)
        for i in range(4):
            brace = make_bar(low[i], high[(i + 1) % 4], wire * 0.8, 4)
            parts.append(make_part("brace", brace, look))
            if cross:
                brace = make_bar(low[(i + 1) % 4], high[i], wire * 0.8, 4)
                parts.append(make_part("brace", brace, look))

    # Arms across.
    for z in rng.uniform(0.6, 1, int(rng.integers(0, 4))):
        reach = rng.uniform(0.2, 0.4)
        arm = make_bar((-reach, 0, float(z)), (reach, 0, float(z)), wire * 1.3, 4)
        parts.append(make_part("arm", arm, look))

    # A tank on top.
    if rng.random() < 0.3:
        tank = make_cylinder(rng.uniform(0.12, 0.25), 0.25, (0, 0, h + 0.12))
        parts.append(make_part("tank", tank, any_material(rng)))

    return parts


def make_umbrella(rng: Rng) -> list[Part]:
    """Return an umbrella or parasol, open or shut."""
    look = any_material(rng)
    ribs = int(rng.integers(6, 11))
    tall = 1.0
    wide = rng.uniform(0.3, 0.6)
    drop = rng.uniform(0.12, 0.35)
    wall = 0.012

    # Shut: the cloth is near the stick.
    if rng.random() < 0.25:
        wide = wide / 6
        drop = 2 * drop

    # The cloth, in facets between the ribs.
    steps = np.linspace(0, 1, 8)
    outside = [(max(wide * t, 0.012), tall - drop * t**1.7) for t in steps]
    inside = [
        (max((wide - wall) * t, 0.008), z - wall * 1.5)
        for t, (_, z) in zip(steps, outside, strict=True)
    ]
    parts = [make_part("canopy", lathe_solid([*inside, *reversed(outside)], ribs), look)]

    # The stick.
    stick = metal_material(rng)
    stick_mesh = make_bar((0, 0, 0.05), (0, 0, tall + 0.06), 0.012)
    parts.append(make_part("stick", stick_mesh, stick))

    # A bent grip.
    grip = [
        (0, 0, 0.06),
        (0, 0, -0.02),
        *((0.06 - 0.06 * np.cos(a), 0, -0.02 - 0.06 * np.sin(a)) for a in (0.8, 1.6, 2.4, 3.1)),
    ]

    # An umbrella has the grip, a parasol a foot.
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
    """Return a chain along a random curve, some with a weight at the end."""
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

    # Links, each turned a quarter against the last.
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

    # A weight at the end.
    if rng.random() < 0.3:
        weight = make_ellipsoid((0.1, 0.1, 0.1), at[-1] + (0.1, 0, 0))
        parts.append(make_part("weight", weight, any_material(rng)))

    return parts


def _closed_bar(path: Points, radius: float, sides: int = 8) -> MeshArrays:
    """Return a round bar along the closed line ``path`` (P, 3), which is flat about z."""
    # The tangent at a point is along the line from its predecessor to its successor.
    following = np.roll(path, -1, 0)
    preceding = np.roll(path, 1, 0)
    tangents = following - preceding
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)

    # A circle about each point, in the plane of the outward direction and z.
    outwards = np.cross(tangents, (0, 0, 1))
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None, :, None]
    level_offsets = np.cos(angles) * outwards[:, None]
    upright_offsets = np.sin(angles) * np.array((0, 0, 1))
    offsets = level_offsets + upright_offsets
    rings = path[:, None] + radius * offsets

    return ring_mesh(rings, closed=True)


def make_spring(rng: Rng) -> list[Part]:
    """Return a coil: a spring, or a spiral that narrows, upright or lying."""
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

    # Plates at both ends.
    if rng.random() < 0.5:
        for z, r in ((0, radius[0]), (h, radius[-1])):
            plate = make_cylinder(float(r) * 1.2 + 0.02, 0.04, (0, 0, z), sides=28)
            parts.append(make_part("plate", plate, any_material(rng)))

    # Upright or lying.
    axis = "zzxy"[rng.integers(0, 4)]

    return [
        Part(p.label, align_to_axis(p.mesh, axis), p.color, p.roughness, p.metallic) for p in parts
    ]


def make_wireframe(rng: Rng) -> list[Part]:
    """Return the edges of a prism, pyramid or ball as bars.

    After the wire frames of Zeroverse (arXiv:2406.09371).
    """
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

    # Rings of edges, with joints at the corners.
    for line in lines:
        parts += _join_parts("edge", make_bars(list(line), wire, closed=True, sides=6), look)
        parts += _join_parts(
            "joint", [make_ellipsoid((wire * 1.5,) * 3, p, rings=5) for p in line], look
        )

    # Edges from each ring to the next.
    for low, high in pairwise(lines):
        parts += _join_parts(
            "edge", [make_bar(a, b, wire, 6) for a, b in zip(low, high, strict=True)], look
        )

    # A solid within.
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
