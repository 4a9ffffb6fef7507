"""Barrels, crates, chests and lanterns."""

from __future__ import annotations

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
    lathe_solid,
    make_box,
    make_cylinder,
    make_ellipsoid,
    make_torus,
    make_tube,
    rotate_mesh,
    smooth_curve,
    translate_mesh,
)
from ..solids import align_to_axis, annulus_plate, circle_outline, extrude_outline

Rng = np.random.Generator
Profile = list[tuple[float, float]]


def barrel(rng: Rng) -> list[Part]:
    """Make a cask, drum or keg: standing, open at the top, or lying with a tap."""
    height = rng.uniform(0.7, 1.2)
    radius = rng.uniform(0.24, 0.4)
    bulge = rng.uniform(0.0, 0.3)
    wall = rng.uniform(0.02, 0.05)
    inset = rng.uniform(0.02, 0.08)
    sides = int(rng.choice((8, 12, 16, 32)))
    is_open = rng.random() < 0.25
    look = (wood_material, any_material)[rng.integers(0, 2)](rng)
    hoop_look = (metal_material, dark_material, any_material)[rng.integers(0, 3)](rng)

    # The outside bulges; both ends are sunk behind the rim.
    levels = np.linspace(0, 1, 9)
    radii = radius * (1 + bulge * np.sin(np.pi * levels))
    outside = [(float(r), float(h)) for r, h in zip(radii, levels * height, strict=True)]
    mouth = radius - wall
    floor = 0.15 * height if is_open else height - inset
    profile = [(mouth, inset), (mouth, 0.0), *outside, (mouth, height), (mouth, floor)]
    parts = [make_part("body", lathe_solid(profile, sides), look)]

    hoop_width = rng.uniform(0.03, 0.09)
    hoop_thickness = rng.uniform(0.008, 0.03)
    hoop_count = int(rng.integers(2, 6))

    for level in np.linspace(rng.uniform(0.06, 0.2), 0.94, hoop_count):
        outer = float(np.interp(level, levels, radii)) + hoop_thickness
        ring = annulus_plate(
            circle_outline(outer, sides), circle_outline(outer - 0.04, sides), hoop_width
        )
        parts.append(make_part("hoop", translate_mesh(ring, (0, 0, level * height)), hoop_look))

    if rng.random() < 0.3 and not is_open:
        return _lying_barrel(rng, parts, radius, height, hoop_look)
    return parts


def _lying_barrel(
    rng: Rng, parts: list[Part], radius: float, height: float, metal_look: PartMaterial
) -> list[Part]:
    """Lay a barrel on a cradle, its lid with a tap towards -Y."""
    lying = [
        Part(p.label, rotate_mesh(p.mesh, "x", 90), p.color, p.roughness, p.metallic) for p in parts
    ]

    tap_height = -radius * rng.uniform(0.3, 0.7)
    spout = make_cylinder(0.03, 0.2, sides=12)
    lying.append(
        make_part(
            "tap", translate_mesh(rotate_mesh(spout, "x", 90), (0, -height, tap_height)), metal_look
        )
    )
    lying.append(
        make_part(
            "tap", make_cylinder(0.02, 0.12, (0, -height - 0.08, tap_height), sides=12), metal_look
        )
    )

    cradle = wood_material(rng)
    size = (radius * rng.uniform(1.6, 2.4), rng.uniform(0.06, 0.14), radius * 0.5)
    for share in (0.25, 0.75):
        lying.append(
            make_part("cradle", make_box(size, (0, -share * height, -radius * 1.05)), cradle)
        )

    return lying


def crate(rng: Rng) -> list[Part]:
    """Make a crate of boards in a frame, with braces, closed or open at the top."""
    size = rng.uniform(0.5, 1.0, 3)
    beam = rng.uniform(0.05, 0.12)
    relief = rng.uniform(0.01, 0.04)
    is_open = rng.random() < 0.35
    frame_look = (wood_material, any_material)[rng.integers(0, 2)](rng)
    board_look = frame_look if rng.random() < 0.4 else any_material(rng)
    width, depth, height = (float(length) for length in size)
    parts = _crate_frame(size, beam, frame_look)

    # Boards behind the frame, level, with gaps between them.
    count = int(rng.integers(2, 7))
    gap = rng.uniform(0.02, 0.3)
    thickness = rng.uniform(0.02, 0.05)
    board_height = height / count * (1 - gap) * 0.98

    for level in (np.arange(count) + 0.5) / count - 0.5:
        z = level * height
        for side in (-1, 1):
            y = side * (depth / 2 - relief - thickness / 2)
            x = side * (width / 2 - relief - thickness / 2)
            parts.append(
                make_part(
                    "board",
                    make_box((width * 0.98, thickness, board_height), (0, y, z)),
                    board_look,
                )
            )
            parts.append(
                make_part(
                    "board",
                    make_box((thickness, depth * 0.98, board_height), (x, 0, z)),
                    board_look,
                )
            )

    lid_levels = (-1,) if is_open else (-1, 1)
    lid_inset = relief + rng.uniform(0.0, 0.06)
    for side in lid_levels:
        z = side * (height / 2 - lid_inset - thickness / 2)
        parts.append(
            make_part(
                "lid", make_box((width * 0.98, depth * 0.98, thickness), (0, 0, z)), board_look
            )
        )

    return parts + _braces(rng, size, beam, frame_look)


def _crate_frame(size: NDArray[np.float64], beam: float, look: PartMaterial) -> list[Part]:
    """Make a beam along each of the twelve edges, level ones between those that stand."""
    parts = []
    for axis in range(3):
        between = 2.0 * beam * (axis != 2)
        for first in (-1, 1):
            for second in (-1, 1):
                lengths = np.full(3, beam)
                lengths[axis] = size[axis] - between
                center = np.array((first, second)) * (np.delete(size, axis) - beam) / 2
                parts.append(
                    make_part("frame", make_box(lengths, np.insert(center, axis, 0.0)), look)
                )

    return parts


def _braces(rng: Rng, size: NDArray[np.float64], beam: float, look: PartMaterial) -> list[Part]:
    """Make the braces on the four sides: none, slanted, crossed or upright."""
    kind = int(rng.integers(0, 4))
    depth_share = rng.uniform(0.3, 0.58)
    tilts = ((), (1,), (1, -1), ())[kind]
    broad = beam * rng.uniform(0.6, 1.1)
    parts = []

    for turn in range(4):
        width = size[turn % 2]
        depth = size[1 - turn % 2]
        meshes = []

        for tilt in tilts:
            inner = np.array((width, size[2])) - beam
            angle = float(np.degrees(np.arctan2(inner[1], inner[0])))
            length = float(np.hypot(*inner)) - 0.5 * beam
            meshes.append(
                rotate_mesh(make_box((length, beam * depth_share, broad)), "y", tilt * angle)
            )

        if kind == 3:
            meshes.append(make_box((broad, beam * depth_share, size[2] - beam)))
        for mesh in meshes:
            at_side = translate_mesh(mesh, (0, -(depth - beam * 0.6) / 2, 0))
            parts.append(make_part("brace", rotate_mesh(at_side, "z", 90 * turn), look))

    return parts


def treasure_chest(rng: Rng) -> list[Part]:
    """Make a chest with a rounded lid, bands and a lock, shut or open on its hoard."""
    width = rng.uniform(0.7, 1.1)
    depth = rng.uniform(0.4, 0.7)
    height = rng.uniform(0.25, 0.5)
    wall = rng.uniform(0.03, 0.06)
    look = (wood_material, any_material)[rng.integers(0, 2)](rng)
    trim = (metal_material, any_material)[rng.integers(0, 2)](rng)
    is_open = rng.random() < 0.45
    opening = rng.uniform(30, 110) if is_open else 0.0

    parts = [
        make_part(
            "floor", make_box((width - 0.02, depth - 0.02, wall), (0, 0, wall / 2 + 0.01)), look
        )
    ]
    for side in (-1, 1):
        front = (0, side * (depth - wall) / 2, height / 2)
        end = (side * (width - wall) / 2, 0, height / 2)
        parts.append(make_part("wall", make_box((width, wall, height), front), look))
        parts.append(make_part("wall", make_box((wall, depth - 2 * wall, height), end), look))

    # The lid is made with its hinge on the x axis, then opened.
    lid_rise = rng.uniform(0.1, 0.5) * depth
    over = 0.006  # the lid laps over the walls
    lid_mesh = translate_mesh(_vault(width + 2 * over, depth + 2 * over, lid_rise), (0, over, 0))
    lid = [make_part("lid", lid_mesh, look)]
    band_width = rng.uniform(0.04, 0.1)
    relief = rng.uniform(0.012, 0.03)
    band_count = int(rng.integers(2, 5))
    outermost = (width - band_width) / 2 + 2 * over  # not flush with the ends

    for x in np.linspace(-outermost, outermost, band_count):
        band = _vault(band_width, depth + 2 * relief, lid_rise + relief)
        lid.append(make_part("band", translate_mesh(band, (x, relief, 0)), trim))
        if not is_open:
            low_height = height - 0.03  # up to where the lid's begins
            size = (band_width, depth + 2 * relief, low_height)
            low_band = make_box(size, (x, 0, low_height / 2 - 0.004))
            parts.append(make_part("band", low_band, trim))

    lock = rng.uniform(0.06, 0.14)
    lid.append(make_part("lock", make_box((lock, 0.06, lock * 1.3), (0, -depth, 0), 0.01), trim))
    for p in lid:
        mesh = translate_mesh(rotate_mesh(p.mesh, "x", -opening), (0, depth / 2, height))
        parts.append(Part(p.label, mesh, p.color, p.roughness, p.metallic))

    if is_open:
        heap = (width * 0.46, depth * 0.46, height * rng.uniform(0.3, 0.6))
        parts.append(
            make_part("hoard", make_ellipsoid(heap, (0, 0, height * 0.6), 3.0), paint_material(rng))
        )
    if rng.random() < 0.6:
        parts += _end_handles(rng, width / 2, height * 0.6, trim)
    return parts


def _vault(width: float, depth: float, rise: float) -> MeshArrays:
    """Return a half cylinder along x, from y = -depth to 0, on z = 0."""
    turn = np.linspace(0, np.pi, 15)
    outline = np.c_[np.cos(turn) * depth / 2 - depth / 2, np.sin(turn) * rise]
    low = np.array(((-depth, -0.03), (0.0, -0.03)))
    return align_to_axis(extrude_outline(np.concatenate((outline, low)), width), "x")


def _end_handles(rng: Rng, reach: float, level: float, look: PartMaterial) -> list[Part]:
    """Make a bent handle at each end of a chest."""
    half = rng.uniform(0.06, 0.12)
    out = rng.uniform(0.04, 0.09)
    parts = []

    for side in (-1, 1):
        path = smooth_curve(
            (side * reach * 0.98, -half, level),
            (side * (reach + out), -half * 0.8, level - 0.02),
            (side * (reach + out), half * 0.8, level - 0.02),
            (side * reach * 0.98, half, level),
        )
        parts.append(make_part("handle", make_tube(path, 0.018), look))

    return parts


def lantern(rng: Rng) -> list[Part]:
    """Make a lantern to carry or hang: a foot, posts, a pane or a flame, a roof and a ring."""
    sides = int(rng.choice((4, 6, 8, 32)))
    radius = rng.uniform(0.2, 0.34)
    height = rng.uniform(0.4, 0.8)
    foot = rng.uniform(0.04, 0.14)
    flare = rng.uniform(1.05, 1.35)
    look = (metal_material, dark_material, any_material)[rng.integers(0, 3)](rng)
    phase = np.pi / sides
    top = foot + height
    base = lathe_solid([(radius * flare, 0), (radius * flare, foot / 2), (radius, foot)], sides)
    parts = [make_part("foot", rotate_mesh(base, "z", 180 / sides), look)]

    # Posts at the corners, and between them a pane, or a candle that shows.
    post = rng.uniform(0.012, 0.03)
    post_count = sides if sides < 32 else int(rng.integers(3, 7))
    for x, y in circle_outline(radius * 0.92, post_count, phase):
        parts.append(
            make_part("post", make_cylinder(post, height, (x, y, foot + height / 2), sides=8), look)
        )

    if rng.random() < 0.6:
        glass = make_cylinder(
            radius * rng.uniform(0.6, 0.88), height * 0.98, (0, 0, foot + height / 2), sides=sides
        )
        parts.append(make_part("pane", rotate_mesh(glass, "z", 180 / sides), paint_material(rng)))
    else:
        candle = rng.uniform(0.3, 0.6) * height
        parts.append(
            make_part(
                "candle",
                make_cylinder(0.06, candle, (0, 0, foot + candle / 2)),
                paint_material(rng),
            )
        )
        flame = make_ellipsoid((0.03, 0.03, 0.07), (0, 0, foot + candle + 0.05), rings=8)
        parts.append(make_part("flame", flame, paint_material(rng)))

    # The roof: eaves, a slope, and a cap with the ring that it hangs by.
    eaves = radius * flare * rng.uniform(1.0, 1.2)
    rise = rng.uniform(0.08, 0.35)
    cap = radius * rng.uniform(0.12, 0.5)
    roof = lathe_solid(
        [(eaves, top), (eaves, top + 0.03), (cap, top + rise), (cap, top + rise + 0.06)], sides
    )
    parts.append(make_part("roof", rotate_mesh(roof, "z", 180 / sides), look))
    ring = rng.uniform(0.06, 0.16)
    if rng.random() < 0.8:
        eye = align_to_axis(make_torus(ring, 0.016, sides=24, round_sides=8), "y")
        parts.append(make_part("ring", translate_mesh(eye, (0, 0, top + rise + 0.05 + ring)), look))
    return parts


FAMILIES = {
    "barrel": barrel,
    "crate": crate,
    "lantern": lantern,
    "treasure_chest": treasure_chest,
}
