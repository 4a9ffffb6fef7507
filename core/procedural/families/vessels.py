"""Vessels and other turned objects, with handles, lids and spouts."""

from __future__ import annotations

import numpy as np

from ...arrays import MeshArrays
from ..parts import Part, any_material, make_part, metal_material, paint_material, white_material
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

Rng = np.random.Generator
Profile = list[tuple[float, float]]


def _hollow_profile(outside: Profile, wall: float) -> Profile:
    """Return ``outside``, from the bottom up, and back down the inside at a ``wall`` from it."""
    inside = [(max(r - wall, 0.3 * r), max(z, outside[0][1] + wall)) for r, z in reversed(outside)]
    return [*outside, *inside]


def _smooth_profile(rng: Rng, radii: tuple[float, float], height: float, knots: int) -> Profile:
    """Return a smooth profile through random radii."""
    z = np.linspace(0, height, knots)
    path = smooth_curve(*zip(rng.uniform(*radii, knots), np.zeros(knots), z, strict=True), steps=6)
    return [(max(float(r), radii[0] * 0.5), float(h)) for r, _, h in path]


def _make_handle(rng: Rng, at: float, low: float, high: float, thick: float) -> MeshArrays:
    """Return a handle to the right, from ``low`` to ``high`` at the radius ``at``."""
    reach = rng.uniform(0.5, 1.0) * (high - low)
    outer = at + reach * 0.8
    path = smooth_curve(
        (at * 0.9, 0, high),
        (outer, 0, high * 0.95 + low * 0.05),
        (outer, 0, low * 0.8 + high * 0.2),
        (at * 0.9, 0, low),
    )
    return make_tube(path, thick)


def make_mug(rng: Rng) -> list[Part]:
    """Return a mug: its height, flare and bulge vary; most have a handle."""
    radius = rng.uniform(0.3, 0.5)
    height = rng.uniform(0.6, 1.2)
    flare = rng.uniform(0.75, 1.2)
    look = any_material(rng)
    bulge = rng.uniform(-0.1, 0.15)
    outside = [
        (radius * (1 + (flare - 1) * t + bulge * np.sin(np.pi * t)), height * t)
        for t in np.linspace(0, 1, 8)
    ]

    # The cup, hollow.
    cup = lathe_solid(_hollow_profile(outside, rng.uniform(0.03, 0.08)), 36)
    parts = [make_part("cup", cup, look)]

    # The handle.
    if rng.random() < 0.85:
        rim = outside[5][0]
        handle = _make_handle(rng, rim, height * 0.25, height * 0.8, rng.uniform(0.03, 0.07))
        parts.append(make_part("handle", handle, look))

    return parts


def make_bottle(rng: Rng) -> list[Part]:
    """Return a bottle: body, shoulder and neck vary; some have a label or a pump."""
    radius = rng.uniform(0.15, 0.35)
    height = rng.uniform(0.45, 0.8)
    neck = rng.uniform(0.04, 0.1)
    shoulder = rng.uniform(0.05, 0.3)
    top = rng.uniform(0.1, 0.35)
    body = lathe_solid(
        (
            (radius * 0.95, 0),
            (radius, 0.02),
            (radius * rng.uniform(0.85, 1), height * 0.5),
            (radius, height),
            (neck, height + shoulder),
            (neck, height + shoulder + top),
        ),
        32,
    )
    parts = [make_part("body", body, any_material(rng))]
    end = height + shoulder + top

    # The cap overlaps the neck.
    cap = make_cylinder(neck * rng.uniform(1.05, 1.4), rng.uniform(0.04, 0.1), (0, 0, end))
    parts.append(make_part("cap", cap, any_material(rng)))

    # A label around the body.
    if rng.random() < 0.5:
        label = make_cylinder(
            radius * 1.01, height * rng.uniform(0.3, 0.6), (0, 0, height * 0.5), sides=32
        )
        parts.append(make_part("label", label, paint_material(rng)))

    # A pump with a spout towards -Y.
    if rng.random() < 0.3:
        pump = make_tube(np.array(((0, 0, end), (0, 0, end + 0.2), (0, -0.2, end + 0.2))), 0.025)
        parts.append(make_part("pump", pump, metal_material(rng)))

    return parts


def make_vase(rng: Rng) -> list[Part]:
    """Return a vase of a random profile, some with two handles."""
    profile = _smooth_profile(rng, (0.12, 0.5), rng.uniform(0.7, 1.6), int(rng.integers(4, 7)))
    parts = [make_part("vase", lathe_solid(_hollow_profile(profile, 0.035), 36), any_material(rng))]

    # Two handles, opposite to each other.
    if rng.random() < 0.25:
        high = profile[-1][1]
        for a in (0, 180):
            handle = _make_handle(rng, profile[-6][0], high * 0.5, high * 0.9, 0.03)
            handle = rotate_mesh(handle, "z", a)
            parts.append(make_part("handle", handle, any_material(rng)))

    return parts


def make_bowl(rng: Rng) -> list[Part]:
    """Return a bowl: its height, foot and curve vary; some have a rim."""
    height = rng.uniform(0.2, 0.7)
    base = rng.uniform(0.15, 0.45)
    power = rng.uniform(0.4, 1.2)
    outside = [(base + (0.5 - base) * t**power, height * t) for t in np.linspace(0, 1, 9)]

    # The bowl, hollow.
    bowl = lathe_solid(_hollow_profile(outside, rng.uniform(0.02, 0.05)), 40)
    parts = [make_part("bowl", bowl, any_material(rng))]

    if rng.random() < 0.4:
        parts.append(make_part("rim", make_torus(0.5, 0.02, (0, 0, height)), any_material(rng)))

    return parts


def make_bucket(rng: Rng) -> list[Part]:
    """Return a bucket with a rim; most have a handle at some angle."""
    height = rng.uniform(0.6, 1)
    base = rng.uniform(0.28, 0.42)
    look = any_material(rng)
    parts = []

    bucket = lathe_solid(_hollow_profile([(base, 0), (0.5, height)], 0.025), 36)
    parts.append(make_part("bucket", bucket, look))

    parts.append(make_part("rim", make_torus(0.5, 0.02, (0, 0, height)), look))

    # The handle swings about the rim.
    if rng.random() < 0.7:
        swing = rng.uniform(-90, 90)
        arch = [(0.5 * np.cos(a), 0, 0.5 * np.sin(a)) for a in np.linspace(0, np.pi, 24)]
        handle = rotate_mesh(make_tube(np.array(arch), 0.014), "x", swing)
        handle = translate_mesh(handle, (0, 0, height - 0.03))
        parts.append(make_part("handle", handle, metal_material(rng)))

    return parts


def make_teapot(rng: Rng) -> list[Part]:
    """Return a teapot: height, squareness and spout vary."""
    wide = 0.5
    tall = rng.uniform(0.3, 0.5)
    look = any_material(rng)

    body = make_ellipsoid((wide, wide, tall), (0, 0, tall), rng.uniform(1.8, 3))
    parts = [make_part("body", body, look)]

    # The lid with its knob.
    lid = lathe_solid(
        ((0.28, 0), (0.22, 0.08), (0.04, 0.12), (0.03, 0.15), (0.07, 0.2), (0.01, 0.26)), 28
    )
    parts.append(make_part("lid", translate_mesh(lid, (0, 0, 1.85 * tall)), look))
    spout = smooth_curve(
        (-0.4, 0, 0.6 * tall),
        (-0.65, 0, 0.8 * tall),
        (-0.75, 0, 1.4 * tall),
        (-0.95, 0, rng.uniform(1.6, 2) * tall),
    )

    # The spout narrows towards its end, to the left.
    spout_mesh = make_tube(spout, np.linspace(0.13, 0.05, len(spout)))
    parts.append(make_part("spout", spout_mesh, look))

    handle = _make_handle(rng, 0.46, 0.5 * tall, 1.6 * tall, 0.045)
    parts.append(make_part("handle", handle, look))

    return parts


def make_hydrant(rng: Rng) -> list[Part]:
    """Return a turned post with cap and arms: a hydrant, pawn or bollard."""
    look = paint_material(rng)
    profile = _smooth_profile(rng, (0.12, 0.28), 1.2, 6)
    parts = []

    # The post on its foot.
    post = lathe_solid([(0.3, -0.05), (0.3, 0), *profile], 28)
    parts.append(make_part("post", post, look))

    parts.append(make_part("cap", make_ellipsoid((0.24, 0.24, 0.18), (0, 0, 1.2)), look))

    # Arms in some of the four directions.
    for angle in rng.choice((0, 90, 180, 270), int(rng.integers(0, 4)), replace=False):
        arm = translate_mesh(rotate_mesh(make_cylinder(0.1, 0.2), "y", 90), (0.3, 0, 0.8))
        parts.append(make_part("arm", rotate_mesh(arm, "z", float(angle)), any_material(rng)))

    return parts


def make_hat(rng: Rng) -> list[Part]:
    """Return a hat: the width of its brim and the shape of its crown vary."""
    look = any_material(rng)
    brim = rng.uniform(0.35, 0.7)
    tall = rng.uniform(0.2, 0.6)
    crown = lathe_solid(
        ((0.3, 0), (0.3 * rng.uniform(0.7, 1), tall * 0.8), (0.2 * rng.uniform(0.3, 1), tall)), 32
    )
    edge = lathe_solid(((brim, rng.uniform(-0.08, 0.08)), (brim, 0.02), (0.28, 0.03)), 36)
    band = make_cylinder(0.305, 0.07, (0, 0, 0.06), sides=32)
    parts = []
    parts.append(make_part("crown", crown, look))
    parts.append(make_part("brim", edge, look))
    parts.append(make_part("band", band, any_material(rng)))

    return parts


def make_open_box(rng: Rng) -> list[Part]:
    """Return a case, crate or chest with a lid, open or shut."""
    x = rng.uniform(0.5, 1)
    y = rng.uniform(0.35, 0.7)
    z = rng.uniform(0.15, 0.5)
    wall = rng.uniform(0.02, 0.05)
    look = any_material(rng)
    angle = rng.choice((0, rng.uniform(20, 110)))
    walls = [make_box((x, y, wall), (0, 0, wall / 2))]
    walls += [make_box((x, wall, z), (0, s * (y - wall) / 2, z / 2)) for s in (-1, 1)]
    walls += [make_box((wall, y, z), (s * (x - wall) / 2, 0, z / 2)) for s in (-1, 1)]
    parts = [make_part("wall", mesh, look) for mesh in walls]
    lid = make_box((x * 1.02, y * 1.02, rng.uniform(0.04, 0.15)), (0, -y / 2, 0.04), 0.01)

    # The lid turns about its rear edge.
    lid_mesh = rotate_mesh(lid, "x", -float(angle))
    lid_mesh = translate_mesh(lid_mesh, (0, y / 2, z))
    lid_look = look if rng.random() < 0.5 else any_material(rng)
    parts.append(make_part("lid", lid_mesh, lid_look))

    # A handle at the front.
    if rng.random() < 0.4:
        parts.append(make_part("handle", _tilted_handle(y, z), any_material(rng)))

    return parts


def _tilted_handle(y: float, z: float) -> MeshArrays:
    """Return the handle of a case, in front of it."""
    return make_tube(
        smooth_curve(
            (-0.12, -y / 2, z * 0.6),
            (-0.1, -y / 2 - 0.1, z * 0.6),
            (0.1, -y / 2 - 0.1, z * 0.6),
            (0.12, -y / 2, z * 0.6),
        ),
        0.018,
    )


def make_food_stack(rng: Rng) -> list[Part]:
    """Return a cake, burger, jar or tower: round layers on one another."""
    parts = []
    z = 0.0
    radius = 0.5

    # A plate below.
    if rng.random() < 0.5:
        plate = make_cylinder(rng.uniform(0.55, 0.8), 0.03, (0, 0, -0.02), sides=36)
        parts.append(make_part("plate", plate, white_material(rng)))

    # Layers, straight or round, each about as wide as the last.
    for _ in range(int(rng.integers(2, 7))):
        height = rng.uniform(0.05, 0.35)
        if rng.random() < 0.5:
            mesh = make_cylinder(radius, height, (0, 0, z + height / 2), sides=32)
        else:
            mesh_radii = (radius, radius, height * 0.6)
            mesh_center = (0, 0, z + height / 2)
            mesh = make_ellipsoid(mesh_radii, mesh_center, rng.uniform(2, 5))

        parts.append(make_part("layer", mesh, paint_material(rng)))
        z = z + height * 0.95
        radius = radius * (rng.uniform(0.6, 0.9) if rng.random() < 0.4 else rng.uniform(0.93, 1.04))

    # A round top.
    if rng.random() < 0.6:
        top_mesh = make_ellipsoid((radius, radius, radius * rng.uniform(0.3, 0.8)), (0, 0, z))
        parts.append(make_part("top", top_mesh, paint_material(rng)))

    return parts


FAMILIES = {
    "bottle": make_bottle,
    "bowl": make_bowl,
    "bucket": make_bucket,
    "food_stack": make_food_stack,
    "hat": make_hat,
    "hydrant": make_hydrant,
    "mug": make_mug,
    "open_box": make_open_box,
    "teapot": make_teapot,
    "vase": make_vase,
}
