"""Shapes without meaning, which teach form: compositions, lathes, sweeps and blobs.

The compositions are after Zeroverse (LRM-Zero, arXiv:2406.09371): one to nine primitives of random
scales and rotations, half of them with a height field; here as a union, without boolean cuts.
"""

from __future__ import annotations

import numpy as np

from ...arrays import MeshArrays
from ..parts import Part, any_material, make_part, metal_material, wood_material
from ..primitives import (
    displace_mesh,
    lathe_solid,
    make_box,
    make_cylinder,
    make_ellipsoid,
    make_prism,
    make_torus,
    make_tube,
    rotate_mesh,
    smooth_curve,
    stretch_mesh,
    translate_mesh,
)

Rng = np.random.Generator


def _random_primitive(rng: Rng) -> MeshArrays:
    """Return a primitive of a random size and shape, half of them displaced."""
    size = np.exp(rng.uniform(np.log(0.12), np.log(0.9), 3))

    match rng.integers(0, 6):
        case 0:
            mesh = make_box(size, bevel=rng.uniform(0, 0.3) * size.min() * (rng.random() < 0.5))
        case 1:
            mesh = make_ellipsoid(size / 2, power=rng.uniform(1.4, 5))
        case 2:
            mesh = make_cylinder(
                size[0] / 2,
                size[2],
                top=size[0] / 2 * rng.uniform(0.02, 1.2),
                sides=int(rng.choice((3, 4, 5, 6, 8, 28))),
            )
        case 3:
            mesh = make_torus(size[0] / 2, min(size[0] * 0.45, size[2] / 4 + 0.02))
        case 4:
            mesh = make_tube(
                smooth_curve(*rng.uniform(-0.4, 0.4, (int(rng.integers(3, 6)), 3))),
                rng.uniform(0.02, 0.09),
            )
        case _:
            turn = np.linspace(0, 2 * np.pi, 9, endpoint=False)
            outline = rng.uniform(0.15, 0.5, 9)[:, None] * np.c_[np.cos(turn), np.sin(turn)]
            mesh = make_prism(outline, size[2])

    return displace_mesh(mesh, rng, rng.uniform(0.01, 0.06)) if rng.random() < 0.5 else mesh


def _turned_freely(rng: Rng, mesh: MeshArrays) -> MeshArrays:
    """Return ``mesh`` rotated by right angles or by any."""
    if rng.random() < 0.4:
        return rotate_mesh(mesh, "xyz"[rng.integers(0, 3)], float(rng.choice((90, 180, 270))))

    for axis in "xyz":
        mesh = rotate_mesh(mesh, axis, rng.uniform(0, 360))

    return mesh


def random_composition(rng: Rng) -> list[Part]:
    """Return one to nine random primitives at random places."""
    parts = []

    for _ in range(int(rng.integers(1, 10))):
        at = rng.normal(0, 0.28, 3)
        part = _turned_freely(rng, _random_primitive(rng))
        part = translate_mesh(part, at)
        parts.append(make_part("part", part, any_material(rng)))

    return parts


def symmetric_composition(rng: Rng) -> list[Part]:
    """Return a composition whose left and right are mirror images, as in most objects."""
    parts = []

    # Each primitive with its mirror image.
    for _ in range(int(rng.integers(1, 6))):
        mesh = translate_mesh(_turned_freely(rng, _random_primitive(rng)), rng.normal(0, 0.3, 3))
        look = any_material(rng)
        mirror = stretch_mesh(mesh, (-1, 1, 1))
        parts += [make_part("part", mesh, look), make_part("part", mirror, look)]

    return parts


def random_lathe(rng: Rng) -> list[Part]:
    """Return a solid of revolution of a random profile."""
    knots = int(rng.integers(3, 8))
    path = smooth_curve(
        *np.c_[
            rng.uniform(0.05, 0.5, knots),
            np.zeros(knots),
            np.linspace(0, rng.uniform(0.3, 1.8), knots),
        ],
        steps=7,
    )
    profile = [(max(float(r), 0.02), float(z)) for r, _, z in path]
    parts = []

    # Any number of sides, upright in most cases.
    lathe = _turned_now_and_then(rng, lathe_solid(profile, int(rng.choice((5, 6, 8, 32, 32)))))
    parts.append(make_part("lathe", lathe, any_material(rng)))

    return parts


def _turned_now_and_then(rng: Rng, mesh: MeshArrays) -> MeshArrays:
    """Return ``mesh``, rotated in three of ten cases."""
    return _turned_freely(rng, mesh) if rng.random() < 0.3 else mesh


def random_sweep(rng: Rng) -> list[Part]:
    """Return one to three tubes along random curves, of random thickness."""
    parts = []

    for _ in range(int(rng.integers(1, 4))):
        path = smooth_curve(*rng.uniform(-0.5, 0.5, (int(rng.integers(3, 7)), 3)))
        radius = rng.uniform(0.03, 0.14) * rng.uniform(0.4, 1, 4)
        radii = np.interp(np.linspace(0, 3, len(path)), np.arange(4), radius)
        sweep = make_tube(path, radii, int(rng.choice((4, 6, 12))))
        parts.append(make_part("sweep", sweep, any_material(rng)))

    return parts


def make_blob(rng: Rng) -> list[Part]:
    """Return soft lumps, stones or fruit, some with a stalk."""
    look = any_material(rng)
    parts = []

    # Displaced ellipsoids.
    for _ in range(int(rng.integers(1, 5))):
        mesh = displace_mesh(
            make_ellipsoid(rng.uniform(0.15, 0.5, 3), rings=18),
            rng,
            rng.uniform(0.02, 0.12),
            frequency=rng.uniform(3, 12),
        )
        parts.append(make_part("blob", translate_mesh(mesh, rng.normal(0, 0.2, 3)), look))

    # A stalk.
    if rng.random() < 0.25:
        stalk = make_tube(smooth_curve((0, 0, 0), (0.02, 0, 0.5), (0.1, 0, 0.65)), 0.03)
        parts.append(make_part("stalk", stalk, wood_material(rng)))

    return parts


def make_tool(rng: Rng) -> list[Part]:
    """Return a handle with a head: a hammer, spoon, brush or spade."""
    handle = (wood_material, any_material)[rng.integers(0, 2)](rng)
    head = (metal_material, any_material)[rng.integers(0, 2)](rng)
    length = rng.uniform(0.6, 1)
    thick = rng.uniform(0.02, 0.05)

    # The handle becomes thinner towards the head.
    handle_mesh = make_tube(
        smooth_curve((0, 0, 0), (0, rng.normal(0, 0.02), length / 2), (0, 0, length)),
        thick * np.linspace(1.2, 0.8, 29),
    )
    parts = [make_part("handle", handle_mesh, handle)]

    # The head: a hammer's, a spoon's, a brush's or a ring.
    match rng.integers(0, 4):
        case 0:
            mesh = rotate_mesh(
                make_cylinder(
                    rng.uniform(0.05, 0.1), rng.uniform(0.2, 0.4), sides=int(rng.choice((4, 8, 20)))
                ),
                "x",
                90,
            )
        case 1:
            mesh = make_ellipsoid((rng.uniform(0.08, 0.14), 0.025, rng.uniform(0.1, 0.18)))
        case 2:
            mesh = make_box(
                (rng.uniform(0.1, 0.25), rng.uniform(0.02, 0.1), rng.uniform(0.1, 0.3)), bevel=0.008
            )
        case _:
            mesh = make_torus(rng.uniform(0.06, 0.12), 0.025)
            mesh = rotate_mesh(mesh, "x", 90)

    return [*parts, make_part("head", translate_mesh(mesh, (0, 0, length)), head)]


FAMILIES = {
    "blob": make_blob,
    "random_composition": random_composition,
    "random_lathe": random_lathe,
    "random_sweep": random_sweep,
    "symmetric_composition": symmetric_composition,
    "tool": make_tool,
}
