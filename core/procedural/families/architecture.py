"""Columns and gateways."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ..parts import Part, PartMaterial, any_material, make_part, metal_material, wood_material
from ..primitives import (
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
from ..solids import align_to_axis

Rng = np.random.Generator
Points = NDArray[np.floating[Any]]


def column(rng: Rng) -> list[Part]:
    """Make a column with base and capital, complete or broken off, plain or fluted."""
    height = rng.uniform(0.7, 1.5)
    radius = rng.uniform(0.09, 0.2)
    taper = rng.uniform(0.75, 1.0)
    swell = rng.uniform(0.0, 0.12)
    flutes = int(rng.choice((0, 0, 8, 12, 16)))
    is_broken = rng.random() < 0.3
    stone = any_material(rng)
    parts = []

    # The base: a square plinth and rounded courses.
    plinth = radius * rng.uniform(1.3, 1.8)
    step = rng.uniform(0.05, 0.14)
    parts.append(
        make_part("plinth", make_box((2 * plinth, 2 * plinth, step), (0, 0, step / 2)), stone)
    )
    parts.append(
        make_part("base", make_torus(radius * 1.02, step * 0.35, (0, 0, step * 1.2), 32, 10), stone)
    )

    shaft = _shaft(radius, height, taper, swell, flutes)
    if is_broken:
        slant = rng.uniform(-0.4, 0.4)
        keep = shaft.vertices[:, 2] > height * 0.9
        rough = np.where(keep, slant * shaft.vertices[:, 0], 0.0)
        shaft.vertices[:, 2] += rough.astype(np.float32)
        parts.append(make_part("shaft", translate_mesh(shaft, (0, 0, step)), stone))
        stub = _shaft(radius * taper, height * rng.uniform(0.15, 0.4), 1.0, 0.0, flutes)
        fallen = rotate_mesh(rotate_mesh(stub, "y", 90), "z", rng.uniform(-60, 60))
        parts.append(
            make_part(
                "fragment", translate_mesh(fallen, (plinth + 0.15, -plinth, radius * taper)), stone
            )
        )
        return parts

    parts.append(make_part("shaft", translate_mesh(shaft, (0, 0, step)), stone))
    top = step + height
    return parts + _capital(rng, radius * taper, top, stone)


def _shaft(radius: float, height: float, taper: float, swell: float, flutes: int) -> MeshArrays:
    """Return an upright shaft on z = 0, with ``flutes`` hollowed into it."""
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    waves = np.abs(np.sin(turn * flutes / 2))
    groove = 1 - 0.07 * waves * (flutes > 0)

    # Each ring is narrower than the one below, but for the swelling in the middle (entasis).
    rings = []
    for level in np.linspace(0, 1, 12):
        swelling = swell * np.sin(np.pi * level)
        radii = radius * (1 + (taper - 1) * level + swelling) * groove
        x = radii * np.cos(turn)
        y = radii * np.sin(turn)
        z = np.full(len(turn), level * height)
        rings.append(np.c_[x, y, z])

    return ring_mesh(np.array(rings))


def _capital(rng: Rng, radius: float, top: float, stone: PartMaterial) -> list[Part]:
    """Make a plain, bell-shaped or scrolled capital, and sometimes a statue's ball above."""
    spread = rng.uniform(1.3, 1.9)
    tall = rng.uniform(0.06, 0.16)
    kind = int(rng.integers(0, 3))
    profile = [
        (radius, 0),
        (radius * (spread if kind else 1.1), tall * 0.7),
        (radius * spread, tall),
    ]

    parts = [
        make_part("capital", translate_mesh(lathe_solid(profile, 32), (0, 0, top - 0.01)), stone)
    ]
    side = 2 * radius * spread
    slab = rng.uniform(0.03, 0.08)
    parts.append(
        make_part("slab", make_box((side, side, slab), (0, 0, top + tall + slab / 2 - 0.02)), stone)
    )

    if kind == 2:
        for x in (-1, 1):
            scroll = align_to_axis(make_cylinder(tall * 0.6, side * 0.98, sides=20), "y")
            parts.append(
                make_part(
                    "scroll",
                    translate_mesh(scroll, (x * radius * spread * 0.95, 0, top + tall * 0.5)),
                    stone,
                )
            )

    if rng.random() < 0.25:
        ball = radius * rng.uniform(0.6, 1.1)
        center = (0, 0, top + tall + slab + ball * 0.8)
        parts.append(
            make_part(
                "ball", make_ellipsoid((ball, ball, ball), center, rings=12), any_material(rng)
            )
        )

    return parts


def gateway(rng: Rng) -> list[Part]:
    """Make a gateway: two posts, an arch or a lintel, and one or two leaves, ajar or shut."""
    width = rng.uniform(0.6, 1.2)
    height = rng.uniform(0.6, 1.1)
    post = rng.uniform(0.08, 0.2)
    depth = rng.uniform(0.08, 0.2)
    stone = any_material(rng)
    leaf_look = (wood_material, metal_material, any_material)[rng.integers(0, 3)](rng)
    half = (width + post) / 2
    parts = []

    for side in (-1, 1):
        parts.append(
            make_part("post", make_box((post, depth, height), (side * half, 0, height / 2)), stone)
        )

    parts += _gate_top(rng, (half, height), post, depth, stone)

    # Each leaf is made with its hinge on the z axis.
    leaves = int(rng.integers(1, 3))
    opening = rng.uniform(0, 80) * (rng.random() < 0.5)
    own_width = width / leaves * 0.97
    leaf = _gate_leaf(rng, own_width, height * rng.uniform(0.75, 0.95), depth * 0.4)

    for side in (1, -1)[:leaves]:
        for label, mesh in leaf:
            hung = rotate_mesh(mesh, "z", -opening)
            if side < 0:
                mirrored = hung.vertices * np.array((-1, 1, 1), np.float32)
                hung = MeshArrays(mirrored, hung.faces[:, ::-1])
            parts.append(
                make_part(label, translate_mesh(hung, (-side * width / 2, 0, 0.02)), leaf_look)
            )

    return parts


def _gate_top(
    rng: Rng, size: tuple[float, float], post: float, depth: float, stone: PartMaterial
) -> list[Part]:
    """Make a lintel, an arch or balls on the posts, which are at x = -half and half."""
    half, height = size
    parts = []
    above = int(rng.integers(0, 4))  # nothing, a lintel, an arch, balls on the posts

    if above == 1:
        over = rng.uniform(1.0, 1.25)
        lintel = make_box(
            ((2 * half + post) * over, depth * 1.1, post * 0.8), (0, 0, height + post * 0.3)
        )
        parts.append(make_part("lintel", lintel, stone))
    elif above == 2:
        lift = rng.uniform(0.15, 0.5)
        path = smooth_curve(
            (-half, 0, height),
            (-half * 0.6, 0, height + lift),
            (half * 0.6, 0, height + lift),
            (half, 0, height),
        )
        parts.append(
            make_part("arch", make_tube(path, post * 0.5, int(rng.choice((4, 12)))), stone)
        )
    elif above == 3:
        ball = post * rng.uniform(0.5, 0.8)
        for side in (-1, 1):
            center = (side * half, 0, height + ball * 0.8)
            parts.append(
                make_part("ball", make_ellipsoid((ball, ball, ball), center, rings=10), stone)
            )

    return parts


def _gate_leaf(rng: Rng, width: float, height: float, thick: float) -> list[tuple[str, MeshArrays]]:
    """Return the labeled solids of a leaf from x = 0 to ``width``: bars or boards in a frame."""
    count = int(rng.integers(4, 12))
    rails = int(rng.integers(2, 4))
    share = rng.uniform(0.25, 0.97)
    points = rng.uniform(0.0, 0.12)

    # Upright bars, which become boards where they nearly touch.
    solids = []
    for x in (np.arange(count) + 0.5) / count * width:
        size = (width / count * share, thick * 0.6, height + points)
        solids.append(("bar", make_box(size, (float(x), 0, size[2] / 2))))

    # Rails hold them together; the knob is at the edge that opens.
    for level in np.linspace(0.12, 0.9, rails):
        size = (width, thick, rng.uniform(0.04, 0.09))
        solids.append(("rail", make_box(size, (width / 2, 0, level * height))))
    knob = make_ellipsoid((0.03, 0.03, 0.03), (width * 0.9, -thick * 0.7, height * 0.5), rings=8)
    return [*solids, ("knob", knob)]


FAMILIES = {
    "column": column,
    "gateway": gateway,
}
