"""Sharp edges, holes and concavities: machine parts, profiles, fittings and stairs."""

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
)
from ..primitives import (
    Points,
    lathe_solid,
    make_box,
    make_cylinder,
    make_prism,
    make_torus,
    make_tube,
    rotate_mesh,
    smooth_curve,
    translate_mesh,
)
from ..solids import (
    align_to_axis,
    annulus_plate,
    circle_outline,
    extrude_outline,
    rectangle_outline,
)

Rng = np.random.Generator


def _steel_material(rng: Rng) -> PartMaterial:
    """Return a metal, or any material for half of the objects."""
    return (metal_material, any_material)[rng.integers(0, 2)](rng)


def _gear_outline(teeth: int, radius: float, depth: float, rng: Rng) -> Points:
    """Return the outline (8 teeth, 2) of a gear."""
    wide = rng.uniform(0.3, 0.5)

    # Each tooth is eight points: up one flank, along the tip, down the other, along the root.
    shares = np.array((0, 0.05, 0.1, wide, wide + 0.08, wide + 0.16, 0.75, 0.9))
    tooth_positions = np.arange(teeth)[:, None] + shares
    turn = (tooth_positions * 2 * np.pi / teeth).ravel()
    heights = np.tile((0, 0.5, 1, 1, 0.5, 0, 0, 0), teeth)
    radii = radius - depth + depth * heights
    outline: Points = radii[:, None] * np.c_[np.cos(turn), np.sin(turn)]

    return outline


def make_gear(rng: Rng) -> list[Part]:
    """Return a gear: a toothed wheel, upright or lying, with hub or spokes, alone or on a shaft."""
    look = _steel_material(rng)
    teeth = int(rng.integers(8, 25))
    thick = rng.uniform(0.06, 0.3)
    outer = _gear_outline(teeth, 0.5, rng.uniform(0.05, 0.12), rng)
    turn = np.arctan2(outer[:, 1], outer[:, 0])
    bore = rng.uniform(0.05, 0.12)
    ray = np.c_[np.cos(turn), np.sin(turn)]
    meshes = []
    spokes = rng.random() < 0.5

    # The toothed rim, with spokes to a hub or as a full disk.
    if spokes:
        meshes.append(annulus_plate(outer, ray * 0.34, thick))
        count = int(rng.integers(3, 7))
        arms = [
            rotate_mesh(make_box((0.3, 0.07, thick * 0.7), (0.21, 0, 0)), "z", 360 * i / count)
            for i in range(count)
        ]
        meshes += [
            *arms,
            annulus_plate(
                circle_outline(bore + 0.06), circle_outline(bore), thick * rng.uniform(1, 1.6)
            ),
        ]
    else:
        meshes.append(annulus_plate(outer, ray * bore, thick))

        if rng.random() < 0.5:
            meshes.append(
                annulus_plate(
                    circle_outline(bore + rng.uniform(0.05, 0.12)),
                    circle_outline(bore),
                    thick * rng.uniform(1.3, 2.5),
                )
            )

    parts = [make_part("gear", mesh, look) for mesh in meshes]

    # A shaft through the bore.
    if rng.random() < 0.3:
        shaft = make_cylinder(bore * 1.02, rng.uniform(0.5, 1.2))
        parts.append(make_part("shaft", shaft, _steel_material(rng)))

    # Upright in most cases.
    axis = "zyy"[rng.integers(0, 3)]

    return [
        Part(p.label, align_to_axis(p.mesh, axis), p.color, p.roughness, p.metallic) for p in parts
    ]


def make_bracket(rng: Rng) -> list[Part]:
    """Return a bracket: an angle of two plates with bores, with or without gussets."""
    look = _steel_material(rng)
    thick = rng.uniform(0.04, 0.1)
    wide = rng.uniform(0.25, 0.8)
    deep = rng.uniform(0.4, 1)
    tall = rng.uniform(0.4, 1)
    parts = [make_part("plate", mesh, look) for mesh in _bored_plate(rng, wide, tall, thick)]
    parts = [
        Part(
            p.label,
            translate_mesh(align_to_axis(p.mesh, "y"), (0, 0, tall / 2)),
            *_part_material(p),
        )
        for p in parts
    ]

    # The lying plate, in front of the upright one.
    for mesh in _bored_plate(rng, wide, deep, thick):
        parts.append(make_part("plate", translate_mesh(mesh, (0, -deep / 2, 0)), look))

    parts.append(make_part("edge", make_box((wide, thick, thick)), look))
    size = rng.uniform(0.4, 0.8) * min(deep, tall)
    corner = np.array(((0, 0), (size, 0), (0, size)))
    places = ((), (0,), (-1, 1))[rng.integers(0, 3)]

    # Gussets in the corner: none, one in the middle, or two.
    for side in places:
        gusset = rotate_mesh(align_to_axis(extrude_outline(corner, thick), "x"), "z", 180)
        gusset_mesh = _mirrored_y(gusset)
        gusset_mesh = translate_mesh(gusset_mesh, (side * (wide - thick) / 2, 0, 0))
        parts.append(make_part("gusset", gusset_mesh, look))

    return parts


def _part_material(p: Part) -> PartMaterial:
    """Return the material of a part."""
    return p.color, p.roughness, p.metallic


def _mirrored_y(mesh: MeshArrays) -> MeshArrays:
    """Return ``mesh``, rotated if needed so that it extends towards -Y."""
    return mesh if mesh.vertices[:, 1].min() < -1e-6 else rotate_mesh(mesh, "z", 180)


def _bored_plate(rng: Rng, wide: float, long: float, thick: float) -> list[MeshArrays]:
    """Return a plate in x and y as up to three squares in a row along y, a bore in each."""
    count = int(rng.integers(1, 4))
    radius = min(wide, long / count) * rng.uniform(0.12, 0.32)
    outer = rectangle_outline(wide, long / count)
    bore = circle_outline(radius, 32, np.pi / 4)
    tile = annulus_plate(outer, bore, thick)

    # Lay the tiles in a row about the origin.
    tiles = []
    for i in range(count):
        y = long * ((i + 0.5) / count - 0.5)
        tiles.append(translate_mesh(tile, (0, y, 0)))
    return tiles


def make_profile(rng: Rng) -> list[Part]:
    """Return a length of a section: I, L, U, T, Z, cross or box."""
    t = rng.uniform(0.06, 0.14)
    w = rng.uniform(0.35, 0.7)
    h = rng.uniform(0.35, 0.7)
    length = rng.uniform(0.3, 1.4)
    look = _steel_material(rng)
    outlines = _section_outlines(w, h, t)
    kind = int(rng.integers(0, len(outlines) + 1))

    # The sections above, or a hollow box.
    if kind == len(outlines):
        mesh = annulus_plate(
            rectangle_outline(w, h), rectangle_outline(w - 2 * t, h - 2 * t), length
        )
    else:
        mesh = extrude_outline(np.array(outlines[kind]), length)

    return [make_part("profile", align_to_axis(mesh, "zxy"[rng.integers(0, 3)]), look)]


def _section_outlines(w: float, h: float, t: float) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Return the outlines of I, L, U, T, Z and cross, of width, height and thickness."""
    a = w / 2
    b = h / 2
    s = t / 2

    return (
        (
            (-a, -b),
            (a, -b),
            (a, -b + t),
            (s, -b + t),
            (s, b - t),
            (a, b - t),
            (a, b),
            (-a, b),
            (-a, b - t),
            (-s, b - t),
            (-s, -b + t),
            (-a, -b + t),
        ),
        ((-a, -b), (a, -b), (a, -b + t), (-a + t, -b + t), (-a + t, b), (-a, b)),
        (
            (-a, -b),
            (a, -b),
            (a, b),
            (a - t, b),
            (a - t, -b + t),
            (-a + t, -b + t),
            (-a + t, b),
            (-a, b),
        ),
        ((-s, -b), (s, -b), (s, b - t), (a, b - t), (a, b), (-a, b), (-a, b - t), (-s, b - t)),
        ((-a, -b), (s, -b), (s, b - t), (a, b - t), (a, b), (-s, b), (-s, -b + t), (-a, -b + t)),
        (
            (-s, -b),
            (s, -b),
            (s, -s),
            (a, -s),
            (a, s),
            (s, s),
            (s, b),
            (-s, b),
            (-s, s),
            (-a, s),
            (-a, -s),
            (-s, -s),
        ),
    )


def make_nut_and_bolt(rng: Rng) -> list[Part]:
    """Return a bolt: its head, thread and length vary, as do the nuts and washers on it."""
    look = _steel_material(rng)
    radius = rng.uniform(0.08, 0.2)
    length = rng.uniform(0.5, 1)
    wide = radius * rng.uniform(1.6, 2.1)
    tall = radius * rng.uniform(0.7, 1.4)
    heads = (
        make_prism(circle_outline(wide, 6), tall),
        make_cylinder(wide, tall, top=wide * rng.uniform(0.5, 1)),
        annulus_plate(circle_outline(wide, 6), circle_outline(wide * 0.5, 6), tall),
    )
    parts = [make_part("shaft", make_cylinder(radius, length, (0, 0, length / 2)), look)]

    # The head at the upper end.
    head = translate_mesh(heads[rng.integers(0, 3)], (0, 0, length + tall / 2 - 0.01))
    parts.append(make_part("head", head, look))

    # The thread, as rings.
    for z in np.arange(0.06, length * rng.uniform(0.3, 0.8), 0.07):
        thread = make_torus(radius, 0.022, (0, 0, float(z)), 24, 6)
        parts.append(make_part("thread", thread, look))

    second = _steel_material(rng)

    # Nuts with washers.
    for _ in range(int(rng.integers(0, 3))):
        at = rng.uniform(0.15, 0.8) * length
        nut = annulus_plate(circle_outline(wide, 6), circle_outline(radius * 0.98, 6), tall * 0.8)
        washer = annulus_plate(circle_outline(wide * 1.2), circle_outline(radius * 0.98), 0.03)
        parts += [make_part("nut", translate_mesh(nut, (0, 0, at)), second)]
        parts += [make_part("washer", translate_mesh(washer, (0, 0, at + tall * 0.4)), second)]

    return parts


def make_spoked_wheel(rng: Rng) -> list[Part]:
    """Return a wheel of a cart, ship or motor, or a valve: a rim, a hub, spokes between."""
    thick = rng.uniform(0.04, 0.16)
    count = int(rng.integers(3, 13))
    rim = any_material(rng)
    spoke = any_material(rng)
    inner = rng.uniform(0.36, 0.44)

    # A round or a flat rim.
    if rng.random() < 0.4:
        ring = make_torus(0.45, 0.05)
    else:
        ring = annulus_plate(circle_outline(0.5, 40), circle_outline(inner, 40), thick)

    parts = [make_part("rim", align_to_axis(ring, "y"), rim)]

    # A tire around it.
    if rng.random() < 0.4:
        tyre = annulus_plate(circle_outline(0.58, 40), circle_outline(0.49, 40), thick * 1.3)
        tyre = align_to_axis(tyre, "y")
        parts.append(make_part("tyre", tyre, dark_material(rng)))

    # The hub.
    hub = rng.uniform(0.06, 0.14)
    hub_mesh = annulus_plate(
        circle_outline(hub), circle_outline(hub * 0.4), thick * rng.uniform(1, 2.5)
    )
    parts.append(make_part("hub", align_to_axis(hub_mesh, "y"), spoke))
    width = rng.uniform(0.025, 0.08)

    # Spokes from the hub into the rim.
    for i in range(count):
        one_size = (inner - hub + 0.06, width, min(width, thick) * 0.9)
        one_center = ((inner + hub) / 2, 0, 0)
        one = make_box(one_size, one_center)
        spoke_mesh = rotate_mesh(one, "z", 360 * i / count)
        spoke_mesh = align_to_axis(spoke_mesh, "y")
        parts.append(make_part("spoke", spoke_mesh, spoke))

    # A crank, as of a valve.
    if rng.random() < 0.25:
        handle = make_cylinder(0.025, 0.2, (0.43, 0, 0.12))
        parts.append(make_part("handle", align_to_axis(handle, "y"), dark_material(rng)))

    return parts


def make_pipe_fitting(rng: Rng) -> list[Part]:
    """Return a pipe fitting: an elbow, tee or cross of open pipes with flanges."""
    look = _steel_material(rng)
    radius = rng.uniform(0.1, 0.2)
    wall = rng.uniform(0.02, 0.04)
    ways = (("x", 1), ("x", -1), ("z", 1), ("z", -1), ("y", -1))
    count = int(rng.integers(2, 5))
    chosen = [ways[i] for i in rng.choice(len(ways), count, replace=False)]
    parts = [make_part("joint", _make_sphere(radius * 1.08), look)]

    # Each pipe has a flange at its end.
    for axis, sign in chosen:
        length = rng.uniform(0.3, 0.6)
        flange = rng.uniform(1.25, 1.7)
        pieces = [
            translate_mesh(
                annulus_plate(circle_outline(radius), circle_outline(radius - wall), length),
                (0, 0, length / 2),
            )
        ]
        pieces.append(
            translate_mesh(
                annulus_plate(circle_outline(radius * flange), circle_outline(radius - wall), 0.05),
                (0, 0, length),
            )
        )

        for mesh in pieces:
            flipped = mesh if sign > 0 else rotate_mesh(mesh, "x", 180)
            parts.append(make_part("pipe", align_to_axis(flipped, axis), look))

    # A hand wheel on top.
    if rng.random() < 0.3:
        wheel = translate_mesh(make_torus(0.16, 0.02), (0, 0, radius + 0.25))
        stem = make_cylinder(0.02, 0.3, (0, 0, radius + 0.12))
        second = paint_material(rng)
        parts += [make_part("wheel", wheel, second), make_part("stem", stem, look)]
        spoke = make_box((0.32, 0.02, 0.02), (0, 0, radius + 0.25))
        parts.append(make_part("spoke", spoke, second))

    return parts


def _make_sphere(radius: float) -> MeshArrays:
    """Return a sphere about the origin."""
    angles = np.linspace(-np.pi / 2, np.pi / 2, 13)
    return lathe_solid([(radius * float(np.cos(a)), radius * float(np.sin(a))) for a in angles], 28)


def make_key(rng: Rng) -> list[Part]:
    """Return a key: a bow of some sides on a shaft with bits, lying or hanging."""
    look = metal_material(rng)
    length = rng.uniform(0.5, 0.8)
    sides = int(rng.choice((4, 6, 8, 32)))
    radius = rng.uniform(0.12, 0.2)
    thick = rng.uniform(0.03, 0.07)
    bow = annulus_plate(
        circle_outline(radius, sides, np.pi / 4),
        circle_outline(radius * rng.uniform(0.4, 0.7), sides, np.pi / 4),
        thick,
    )

    # The bow at one end of the shaft.
    bow_mesh = translate_mesh(bow, (length + radius * 0.8, 0, 0))
    bow_mesh = align_to_axis(bow_mesh, "z")
    parts = [make_part("bow", bow_mesh, look)]

    shaft = make_cylinder(thick * 0.6, length + 0.05, (0, 0, length / 2))
    shaft = rotate_mesh(shaft, "y", 90)
    parts.append(make_part("shaft", shaft, look))

    # Bits at the other end.
    for _ in range(int(rng.integers(1, 5))):
        x = rng.uniform(0.02, 0.3) * length
        tall = rng.uniform(0.06, 0.16)
        bit = make_box((rng.uniform(0.02, 0.06), tall, thick), (x, -tall / 2, 0))
        parts.append(make_part("bit", bit, look))

    axis = rng.random()

    # Hanging, seen from the side.
    if axis < 0.6:
        return [
            Part(p.label, rotate_mesh(rotate_mesh(p.mesh, "x", 90), "y", -90), *_part_material(p))
            for p in parts
        ]

    return parts


def make_stairs(rng: Rng) -> list[Part]:
    """Return a flight of stairs: solid or open, some with beams and a railing."""
    count = int(rng.integers(3, 10))
    rise = rng.uniform(0.08, 0.2)
    run = rng.uniform(0.1, 0.22)
    wide = rng.uniform(0.3, 1.2)
    look = any_material(rng)
    is_open = rng.random() < 0.35
    parts = []

    # Steps: boards if open, else blocks down to the floor.
    for i in range(count):
        y = -(count - i - 0.5) * run
        top = (i + 1) * rise
        size = (wide, run * 1.15, 0.05) if is_open else (wide, run, top)
        parts.append(make_part("step", make_box(size, (0, y, top - size[2] / 2)), look))

    slope = [(0, -count * run, 0.02), (0, 0, count * rise - 0.02)]
    rail = any_material(rng)

    # Beams and railings at the sides.
    for side in (-1, 1) if is_open or rng.random() < 0.5 else ():
        x = side * wide / 2
        beam = [(x, y, z) for _, y, z in slope]

        if is_open:
            parts.append(make_part("beam", make_tube(np.array(beam), 0.035, 4), rail))

        high = [(x, y, z + 0.4) for _, y, z in slope]

        # A rail on a post at each step.
        if rng.random() < 0.7:
            parts.append(make_part("rail", make_tube(np.array(high), 0.02, 8), rail))
            for i in range(count):
                y = -(count - i - 0.5) * run
                z = i * rise
                post = make_cylinder(0.012, 0.4 + rise, (x, y, z + 0.2 + rise / 2), sides=8)
                parts.append(make_part("post", post, rail))

    return parts


def make_tower(rng: Rng) -> list[Part]:
    """Return a round or square keep with battlements and a gate, some with a roof."""
    look = any_material(rng)
    sides = int(rng.choice((4, 6, 8, 32)))
    height = rng.uniform(0.5, 1.4)
    radius = rng.uniform(0.25, 0.4)
    phase = np.pi / 4
    wall = rng.uniform(0.04, 0.09)

    # The keep below a hollow crown.
    keep = make_prism(circle_outline(radius, sides, phase), height)
    keep = translate_mesh(keep, (0, 0, height / 2))
    parts = [make_part("keep", keep, look)]

    crown = annulus_plate(
        circle_outline(radius * 1.15, sides, phase),
        circle_outline(radius * 1.15 - wall, sides, phase),
        0.12,
    )
    parts.append(make_part("crown", translate_mesh(crown, (0, 0, height + 0.02)), look))
    count = int(rng.integers(6, 15))
    reach = (radius * 1.15 - wall / 2) * (np.cos(np.pi / sides) if sides > 4 else 0.72)

    # Battlements around the crown.
    for i in range(count):
        block = translate_mesh(make_box((wall * 0.95, 0.09, 0.12)), (reach, 0, height + 0.12))
        parts.append(make_part("merlon", rotate_mesh(block, "z", 360 * i / count), look))

    # A roof over the keep.
    if rng.random() < 0.5:
        roof = make_cylinder(
            radius * 0.95,
            radius * rng.uniform(1, 2),
            (0, 0, height + radius * 0.6),
            top=0.01,
            sides=sides,
        )
        parts.append(make_part("roof", roof, paint_material(rng)))

    # The gate, towards -Y.
    gate_size = (radius * 0.5, 0.08, height * 0.35)
    gate_center = (0, -radius * (0.72 if sides == 4 else 0.98), height * 0.175)
    gate = make_box(gate_size, gate_center)

    return [*parts, make_part("gate", gate, dark_material(rng))]


def make_hook(rng: Rng) -> list[Part]:
    """Return a hook of varied size, with an eye or a plate to fix it by."""
    look = _steel_material(rng)
    radius = rng.uniform(0.02, 0.06)
    span = rng.uniform(0.12, 0.3)
    drop = rng.uniform(0.2, 0.6)
    path = smooth_curve(
        (0, 0, 0.2),
        (0, 0, -drop),
        (span, 0, -drop - span),
        (2 * span, 0, -drop),
        (2 * span, 0, -drop * rng.uniform(0, 1)),
    )

    # The bar becomes thinner towards its end.
    hook = make_tube(path, np.linspace(radius, radius * rng.uniform(0.5, 1), len(path)))
    parts = [make_part("hook", hook, look)]

    # An eye.
    if rng.random() < 0.5:
        eye = align_to_axis(make_torus(radius * 2.2, radius * 0.8), "y")
        return [*parts, make_part("eye", translate_mesh(eye, (0, 0, 0.2 + radius * 2.5)), look)]

    # A plate with a bore to fix it by.
    plate = annulus_plate(rectangle_outline(0.3, 0.16), circle_outline(0.04, 32, np.pi / 4), 0.04)
    plate_mesh = align_to_axis(plate, "y")
    plate_mesh = translate_mesh(plate_mesh, (0.0, 0.03, 0.22))
    parts.append(make_part("plate", plate_mesh, look))

    return parts


FAMILIES = {
    "bracket": make_bracket,
    "gear": make_gear,
    "hook": make_hook,
    "key": make_key,
    "nut_and_bolt": make_nut_and_bolt,
    "pipe_fitting": make_pipe_fitting,
    "profile": make_profile,
    "spoked_wheel": make_spoked_wheel,
    "stairs": make_stairs,
    "tower": make_tower,
}
