"""What is grown, caught, forged and lifted: pumpkins, fish, anvils and dumbbells."""

from __future__ import annotations

import numpy as np

from ...arrays import MeshArrays
from ..parts import Look, Part, any_look, dark, metal, paint, part, wood
from ..primitives import box, curve, cylinder, ellipsoid, lathe, moved, ring_mesh, tube, turned
from ..solids import along, circle, extruded

Rng = np.random.Generator


def pumpkin(rng: Rng) -> list[Part]:
    """Make a pumpkin, melon, apple or pear: ribs, a dimple, a stalk, sometimes a face."""
    ribs = int(rng.integers(0, 13))
    rib_depth = rng.uniform(0.04, 0.2) * (ribs > 3)
    height = rng.uniform(0.6, 1.3)
    dimple = rng.uniform(0.0, 0.35)
    taper = rng.uniform(-0.3, 0.3)
    power = rng.uniform(1.8, 3.0)
    skin = (paint, any_look)[rng.integers(0, 2)](rng)

    # A grid of latitude and longitude; both poles are drawn in by the dimple.
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 21)
    longitude = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    bulge = np.abs(np.cos(latitude)) ** (2 / power)
    wide = np.maximum(bulge * (1 - taper * np.sin(latitude)), 0.03)
    rib = 1 - rib_depth * np.abs(np.sin(longitude * ribs / 2)) ** 0.7
    level = np.sin(latitude) * (1 - dimple * np.sin(latitude) ** 8)
    x = 0.5 * wide[:, None] * rib * np.cos(longitude)
    y = 0.5 * wide[:, None] * rib * np.sin(longitude)
    z = np.repeat(0.5 * height * level[:, None], len(longitude), axis=1)
    parts = [part("fruit", ring_mesh(np.stack((x, y, z), axis=2)), skin)]

    top = 0.5 * height * (1 - dimple)
    length = rng.uniform(0.08, 0.3)
    lean = rng.uniform(-0.15, 0.15)
    thick = rng.uniform(0.02, 0.07)
    path = curve((0, 0, top - 0.05), (lean * 0.3, 0, top + length * 0.6), (lean, 0, top + length))
    radii = thick * np.linspace(1.3, rng.uniform(0.6, 1.1), len(path))
    parts.append(part("stalk", tube(path, radii, int(rng.choice((5, 8)))), wood(rng)))
    for _ in range(int(rng.integers(0, 3))):
        size = rng.uniform(0.1, 0.2)
        leaf = turned(
            ellipsoid((size, size * 0.5, 0.015), (size, 0, 0), rings=8), "y", rng.uniform(-40, 10)
        )
        turned_leaf = turned(leaf, "z", rng.uniform(0, 360))
        parts.append(part("leaf", moved(turned_leaf, (0, 0, top + 0.02)), paint(rng)))
    if rng.random() < 0.3:
        parts += _carved_face(rng, height)
    return parts


def _carved_face(rng: Rng, height: float) -> list[Part]:
    """Make the eyes, nose and mouth of a lantern, set into the front."""
    glow = paint(rng)
    apart = rng.uniform(0.13, 0.2)
    size = rng.uniform(0.05, 0.09)
    grin = rng.uniform(0.12, 0.22)
    parts = []
    for side in (-1, 1):
        eye = turned(extruded(circle(size, 3, np.pi / 2), 0.3), "x", 90)
        parts.append(part("eye", moved(eye, (side * apart, -0.37, height * 0.12)), glow))
    nose = turned(extruded(circle(size * 0.6, 3, np.pi / 2), 0.3), "x", 90)
    parts.append(part("nose", moved(nose, (0, -0.37, 0)), glow))
    mouth = box((2 * grin, 0.3, size * 0.9), (0, -0.35, -height * 0.16))
    return [*parts, part("mouth", mouth, glow)]


def fish(rng: Rng) -> list[Part]:
    """Make a fish, its head towards -Y: body, fins, tail and eyes."""
    length = rng.uniform(0.7, 1.2)
    height = length * rng.uniform(0.12, 0.32)
    width = height * rng.uniform(0.3, 0.9)
    peak = rng.uniform(0.25, 0.5)
    tail_root = rng.uniform(0.08, 0.25)
    skin = (paint, any_look)[rng.integers(0, 2)](rng)
    fin_look = skin if rng.random() < 0.4 else any_look(rng)

    # Elliptic sections along y, the highest at the share ``peak`` of the length.
    shares = np.linspace(0, 1, 22)
    front = np.sqrt(np.clip(1 - ((shares - peak) / (peak + 0.01)) ** 2, 0.01, 1))
    rear = tail_root + (1 - tail_root) * np.cos(
        np.clip((shares - peak) / (1 - peak), 0, 1) * np.pi / 2
    )
    profile = np.where(shares < peak, front, rear)
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    sway = rng.uniform(-0.12, 0.12) * length
    x = width * profile[:, None] * np.cos(turn) + sway * (shares[:, None] - peak) ** 2
    y = np.repeat((shares[:, None] - 0.5) * length, 20, axis=1)
    z = height * profile[:, None] * np.sin(turn)
    parts = [part("body", ring_mesh(np.stack((x, y, z), axis=2)), skin)]

    eye = height * rng.uniform(0.12, 0.24)
    eye_look = dark(rng)
    side_fin = height * rng.uniform(0.4, 1.1)
    at = float(np.interp(0.14, shares, profile))
    for side in (-1, 1):
        center = (side * width * at * 0.85, -length * 0.36, height * 0.2)
        parts.append(part("eye", ellipsoid((eye * 0.6, eye, eye), center, rings=8), eye_look))
        fin = ellipsoid((side_fin * 0.5, side_fin * 0.3, 0.012), (side_fin * 0.4, 0, 0), rings=8)
        spread = turned(turned(fin, "z", 35), "y", 30)
        if side < 0:
            spread = MeshArrays(
                spread.vertices * np.array((-1, 1, 1), np.float32), spread.faces[:, ::-1]
            )
        parts.append(
            part(
                "side_fin",
                moved(spread, (side * width * 0.7, -length * 0.12, -height * 0.2)),
                fin_look,
            )
        )
    return parts + _fish_fins(rng, length, height, sway * (1 - peak) ** 2, fin_look)


def _fish_fins(rng: Rng, length: float, height: float, sway: float, look: Look) -> list[Part]:
    """Make the tail fin and the fins above and below, as plates in y and z."""
    tail = height * rng.uniform(0.7, 1.5)
    notch = rng.uniform(0.0, 0.7)
    reach = length * rng.uniform(0.12, 0.28)
    start = length * 0.48
    outline = np.array(
        (
            (start, -height * 0.1),
            (start + reach, -tail),
            (start + reach * (1 - notch), 0),
            (start + reach, tail),
            (start, height * 0.1),
        )
    )
    thick = max(0.02 * length, 0.014)
    parts = [part("tail_fin", moved(along(extruded(outline, thick), "x"), (sway, 0, 0)), look)]

    rise = height * rng.uniform(0.2, 0.8)
    span = length * rng.uniform(0.15, 0.45)
    lean = rng.uniform(0.0, 0.5) * span
    back = np.array(
        ((-span / 2, 0), (span / 2, 0), (span / 2 + lean, rise), (lean - span * 0.1, rise))
    )
    base = height * 0.8
    parts.append(part("back_fin", moved(along(extruded(back, thick), "x"), (0, -0.05, base)), look))
    if rng.random() < 0.6:
        belly = (back * (0.6, -rng.uniform(0.5, 1.0)))[::-1]
        under = moved(along(extruded(belly, thick), "x"), (0, length * 0.12, -height * 0.65))
        parts.append(part("belly_fin", under, look))
    return parts


def anvil(rng: Rng) -> list[Part]:
    """Make an anvil with one or two horns, on its waist, often on a block with a hammer."""
    length = rng.uniform(0.45, 0.7)
    width = rng.uniform(0.16, 0.3)
    face = rng.uniform(0.1, 0.18)
    waist = rng.uniform(0.3, 0.7)
    waist_height = rng.uniform(0.08, 0.2)
    foot = rng.uniform(0.7, 1.1)
    steel = (metal, dark, any_look)[rng.integers(0, 3)](rng)
    foot_height = rng.uniform(0.05, 0.1)

    base = box((length * foot, width * 1.3, foot_height), (0, 0, foot_height / 2), 0.008)
    low = foot_height
    rings = []
    for share, level in ((1.0, 0.0), (waist, 0.35), (waist, 0.65), (1.0, 1.0)):
        half = np.array((length * share * 0.42, width * (0.5 + 0.5 * share) * 0.5))
        corners = np.array(((1, 1), (-1, 1), (-1, -1), (1, -1))) * half
        rings.append(np.c_[corners, np.full(4, low + level * waist_height)])
    top = low + waist_height + face
    block = box((length, width, face), (0, 0, top - face / 2), 0.006)
    parts = [part("foot", base, steel), part("waist", ring_mesh(np.array(rings)), steel)]
    parts.append(part("face", block, steel))

    # The horn is a cone to the left; a second one, or a step, is to the right.
    horn = rng.uniform(0.2, 0.42)
    rise = rng.uniform(-0.02, 0.03)
    far_end = int(rng.integers(0, 3))
    for side in (-1, 1)[: 1 + (far_end == 1)]:
        root = (side * length * 0.48, 0, top - face * 0.5)
        tip = (side * (length / 2 + horn), 0, top - face * 0.3 + rise)
        path = curve(root, ((root[0] + tip[0]) / 2, 0, root[2]), tip)
        radii = np.linspace(min(face, width) * 0.5, 0.012, len(path))
        parts.append(part("horn", tube(path, radii, 14), steel))
    if far_end == 2:
        step = rng.uniform(0.08, 0.2)
        parts.append(
            part(
                "heel",
                box((step, width * 0.9, face * 0.5), (length / 2 + step / 2, 0, top - face * 0.3)),
                steel,
            )
        )
    return parts + _forge_things(rng, length, width, top)


def _forge_things(rng: Rng, length: float, width: float, top: float) -> list[Part]:
    """Make the block below an anvil and the hammer on it, either or neither."""
    parts = []
    tall = rng.uniform(0.2, 0.5)
    radius = rng.uniform(0.8, 1.1) * max(length * 0.6, width)
    if rng.random() < 0.5:
        sides = int(rng.choice((4, 8, 24)))
        block = turned(
            cylinder(radius, tall, (0, 0, -tall / 2 + 0.005), sides=sides), "z", 180 / sides
        )
        parts.append(part("block", block, wood(rng)))
    if rng.random() < 0.35:
        angle = rng.uniform(-50, 50)
        handle = along(cylinder(0.018, 0.4, sides=10), "x")
        head = box((0.06, 0.15, 0.06), (0.2, 0, 0), 0.006)
        for label, mesh, look in (("handle", handle, wood(rng)), ("head", head, metal(rng))):
            parts.append(part(label, moved(turned(mesh, "z", angle), (0, 0, top + 0.03)), look))
    return parts


def dumbbell(rng: Rng) -> list[Part]:
    """Make a dumbbell, barbell or kettlebell along x."""
    length = rng.uniform(0.35, 1.3)
    bar_radius = rng.uniform(0.018, 0.04)
    bar_look = (metal, dark)[rng.integers(0, 2)](rng)
    weight_look = (dark, metal, any_look)[rng.integers(0, 3)](rng)
    sides = int(rng.choice((6, 8, 12, 32)))
    parts = [part("bar", along(cylinder(bar_radius, length, sides=16), "x"), bar_look)]

    # Weights are set from the inside outwards, the same on both sides.
    kind = int(rng.integers(0, 3))  # plates, balls, drums
    radius = rng.uniform(0.1, 0.26)
    shrink = rng.uniform(0.6, 1.0)
    thickness = rng.uniform(0.03, 0.09)
    gap = rng.uniform(0.0, 0.02)
    start = length * rng.uniform(0.28, 0.42)
    count = int(rng.integers(1, 4)) if kind == 0 else 1
    for side in (-1, 1):
        at = start
        for i in range(count):
            own = radius * shrink**i
            mesh, depth = _weight(kind, own, thickness, sides)
            parts.append(part("weight", moved(mesh, (side * (at + depth / 2), 0, 0)), weight_look))
            at += depth + gap

    if rng.random() < 0.6:
        collar = along(cylinder(bar_radius * rng.uniform(1.4, 2.2), 0.05, sides=16), "x")
        for side in (-1, 1):
            parts.append(part("collar", moved(collar, (side * (start - 0.03), 0, 0)), bar_look))
    if rng.random() < 0.5:
        grip = along(
            cylinder(bar_radius * rng.uniform(1.1, 1.5), start * rng.uniform(0.6, 1.4)), "x"
        )
        parts.append(part("grip", grip, any_look(rng)))
    return parts


def _weight(kind: int, radius: float, thickness: float, sides: int) -> tuple[MeshArrays, float]:
    """Return a plate, ball or drum about the x axis, and how long it is along x."""
    if kind == 0:
        return along(cylinder(radius, thickness, sides=sides), "x"), thickness
    if kind == 1:
        return ellipsoid((radius, radius, radius), rings=14), 2 * radius * 0.9
    half = 2.5 * thickness / 2
    edge = 0.8 * radius
    profile = [(edge, -half), (radius, -half * 0.6), (radius, half * 0.6), (edge, half)]
    return along(lathe(profile, sides), "x"), 2 * half


FAMILIES = {"anvil": anvil, "dumbbell": dumbbell, "fish": fish, "pumpkin": pumpkin}
