"""Cars, aeroplanes, boats, rockets and houses."""

from __future__ import annotations

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
    lathe_solid,
    make_box,
    make_cylinder,
    make_ellipsoid,
    make_prism,
    make_tube,
    ring_mesh,
    rotate_mesh,
    stretch_mesh,
    translate_mesh,
)

Rng = np.random.Generator


def _make_wheel(radius: float, width: float, at: tuple[float, float, float]) -> MeshArrays:
    """Return a wheel that turns about the x axis."""
    return translate_mesh(rotate_mesh(make_cylinder(radius, width, sides=20), "y", 90), at)


def _tapered_box(
    size: tuple[float, float, float],
    top: tuple[float, float],
    shift: float,
    center: tuple[float, float, float],
) -> MeshArrays:
    """Return a box with its top scaled by ``top`` (x, y) and shifted along y."""
    mesh = make_box(size)
    high = mesh.vertices[:, 2:] > 0
    vertices = np.where(high, mesh.vertices * (*top, 1) + (0, shift, 0), mesh.vertices)
    return translate_mesh(MeshArrays(vertices.astype(np.float32), mesh.faces), center)


def make_car(rng: Rng) -> list[Part]:
    """Return a car towards -Y: a sedan, estate, pickup or van, some with a rear wing."""
    length = rng.uniform(3, 5)
    width = rng.uniform(1.5, 2)
    height = rng.uniform(0.5, 1)
    radius = rng.uniform(0.28, 0.5)
    look = paint_material(rng)
    kind = rng.integers(0, 4)
    ground = radius * rng.uniform(0.6, 1.1)

    # The body.
    body = make_box((width, length, height), (0, 0, ground + height / 2), rng.uniform(0.05, 0.25))
    parts = [make_part("body", body, look)]

    # The cabin, by the kind of car.
    cabin = rng.uniform(0.45, 0.9)
    share, back = ((0.5, 0.0), (0.7, 0.1), (0.4, -0.12), (0.85, 0.06))[kind]
    glass = _tapered_box(
        (width * 0.94, length * share, cabin),
        (rng.uniform(0.75, 0.98), rng.uniform(0.6, 0.95)),
        rng.uniform(0, 0.1),
        (0, back * length, ground + height + cabin / 2 - 0.03),
    )
    parts.append(make_part("cabin", glass, dark_material(rng) if rng.random() < 0.5 else look))

    # Wheels and lights.
    for x in (-1, 1):
        for y in (-0.31, 0.31):
            wheel = _make_wheel(radius, 0.25, (x * (width / 2 - 0.08), y * length, radius))
            parts.append(make_part("wheel", wheel, dark_material(rng)))
            hub = _make_wheel(radius * 0.5, 0.27, (x * (width / 2 - 0.08), y * length, radius))
            parts.append(make_part("hub", hub, metal_material(rng)))

        light_radii = (0.16, 0.06, 0.12)
        light_center = (x * width * 0.36, -length / 2, ground + height * 0.65)
        light = make_ellipsoid(light_radii, light_center)
        parts.append(make_part("light", light, paint_material(rng)))

    # The bed of a pickup.
    if kind == 2 and rng.random() < 0.7:
        bed = make_box((width, length * 0.42, 0.3), (0, length * 0.28, ground + height + 0.1))
        parts.append(make_part("bed", bed, look))

    # A rear wing on struts.
    if rng.random() < 0.2:
        wing = make_box((width, 0.25, 0.05), (0, length * 0.47, ground + height + 0.35))
        parts.append(make_part("wing", wing, look))

        for x in (-1, 1):
            strut_size = (0.06, 0.12, 0.4)
            strut_center = (x * width * 0.4, length * 0.47, ground + height + 0.15)
            strut = make_box(strut_size, strut_center)
            parts.append(make_part("strut", strut, look))

    return parts


def make_truck(rng: Rng) -> list[Part]:
    """Return a truck towards -Y: cab, load and number of axles vary."""
    length = rng.uniform(4, 8)
    width = rng.uniform(2, 2.4)
    height = rng.uniform(1.4, 2.6)
    radius = rng.uniform(0.4, 0.55)
    look = any_material(rng)
    cab = rng.uniform(1.2, 1.8)

    # The cab.
    cab_mesh = _tapered_box(
        (width, cab, height * 0.8),
        (1, rng.uniform(0.7, 1)),
        0.05,
        (0, -length / 2 + cab / 2, radius + height * 0.4),
    )
    parts = [make_part("cab", cab_mesh, look)]

    # The load on the frame.
    load = make_box((width, length - cab - 0.1, height * rng.uniform(0.4, 1.05)))
    tall = float(np.ptp(load.vertices[:, 2]))

    load_mesh = translate_mesh(load, (0, cab / 2, radius + 0.1 + tall / 2))
    parts.append(make_part("load", load_mesh, any_material(rng)))

    frame = make_box((width * 0.8, length, 0.25), (0, 0, radius))
    parts.append(make_part("frame", frame, dark_material(rng)))

    # A windshield.
    window = make_box((width * 0.85, 0.06, height * 0.25), (0, -length / 2, radius + height * 0.6))
    parts.append(make_part("window", window, dark_material(rng)))

    # The front axle, and one to three at the rear.
    for y in (-0.36, *np.linspace(0.2, 0.38, int(rng.integers(1, 4)))):
        for x in (-1, 1):
            wheel = _make_wheel(radius, 0.35, (x * (width / 2 - 0.1), y * length, radius))
            parts.append(make_part("wheel", wheel, dark_material(rng)))

    return parts


def make_aeroplane(rng: Rng) -> list[Part]:
    """Return an aeroplane towards -Y: wings, engines and fin vary."""
    length = 1.0
    radius = rng.uniform(0.04, 0.1)
    look = (paint_material, metal_material)[rng.integers(0, 2)](rng)
    nose = rng.uniform(0.05, 0.2)
    tail = rng.uniform(0.2, 0.4)
    profile = [
        (0.004, 0),
        (radius * 0.6, nose * 0.3),
        (radius, nose),
        (radius, length - tail),
        (radius * 0.3, length),
    ]
    body = rotate_mesh(
        lathe_solid(profile, 24), "x", -90
    )  # from the nose at y = 0 to the tail at y = 1
    parts = [make_part("body", translate_mesh(stretch_mesh(body, (1, 1, 1)), (0, -0.5, 0)), look)]
    span = rng.uniform(0.35, 0.65)
    chord = rng.uniform(0.1, 0.22)
    sweep = rng.uniform(-0.05, 0.3)
    lift = rng.uniform(-0.03, 0.08)
    place = rng.uniform(-0.15, 0.05)
    high = rng.uniform(-0.8, 0.9) * radius

    # On each side a wing, a tail plane and maybe an engine.
    for x in (-1, 1):
        wing = _make_wing(x, span, chord, sweep, lift, rng.uniform(0.3, 1))
        wing = translate_mesh(wing, (0, place, high))
        parts.append(make_part("wing", wing, look))

        tail_mesh = _make_wing(x, span * 0.4, chord * 0.6, sweep * 0.5, 0, 0.6)
        tail_mesh = translate_mesh(tail_mesh, (0, 0.42, radius * 0.3))
        parts.append(make_part("tail", tail_mesh, look))

        if rng.random() < 0.6:
            engine = rotate_mesh(make_cylinder(radius * 0.45, 0.13), "x", 90)
            engine_mesh = translate_mesh(
                engine, (x * span * 0.4, place + sweep * 0.4, high - radius * 0.5)
            )
            parts.append(make_part("engine", engine_mesh, any_material(rng)))

    # The fin, an upright wing.
    fin = _make_wing(1, span * 0.35, chord * 0.7, 0.12, 0, 0.5)
    fin_mesh = rotate_mesh(fin, "y", -90)
    fin_mesh = translate_mesh(fin_mesh, (0, 0.4, radius * 0.2))
    parts.append(make_part("fin", fin_mesh, look))

    # A propeller.
    if rng.random() < 0.3:
        propeller = make_box((rng.uniform(0.2, 0.3), 0.01, 0.03), (0, -0.5, 0))
        parts.append(make_part("propeller", propeller, dark_material(rng)))

    return parts


def _make_wing(
    side: int,
    span: float,
    chord: float,
    sweep: float,
    lift: float,
    taper: float,
) -> MeshArrays:
    """Return a flat wing from the middle outwards to ``side``: 1 right, -1 left."""
    thick = max(0.12 * chord, 0.012)
    corners = []

    for x, y, z, c in ((0.0, 0.0, 0.0, chord), (span, sweep, lift, chord * taper)):
        corners.append(
            [(x, y - c / 2, z), (x, y, z - thick / 2), (x, y + c / 2, z), (x, y, z + thick / 2)]
        )

    return stretch_mesh(ring_mesh(np.array(corners)), (side, 1, 1))


def make_boat(rng: Rng) -> list[Part]:
    """Return a boat: its beam varies, as do its decks; some have mast and sail."""
    length = 1.0
    width = rng.uniform(0.2, 0.4)
    depth = rng.uniform(0.1, 0.22)
    look = paint_material(rng)
    t = np.linspace(0, 1, 12)
    beam = width / 2 * np.sin(np.pi * (0.12 + 0.8 * t)) ** 0.7
    outline = np.concatenate((np.c_[beam, t - 0.5], np.c_[-beam[::-1], t[::-1] - 0.5])) * (
        1,
        length,
    )
    hull = make_prism(outline, depth)
    low = hull.vertices[:, 2:] < 0

    # The hull is narrower below the waterline.
    hull_mesh = MeshArrays(
        (hull.vertices * np.where(low, (0.6, 0.85, 1), (1, 1, 1))).astype(np.float32), hull.faces
    )
    parts = [make_part("hull", hull_mesh, look)]

    # Deck houses on each other.
    for index in range(int(rng.integers(1, 4))):
        house_size = (width * 0.6 / (index + 1), 0.35 / (index + 1), 0.1)
        house_center = (0, 0.05, depth / 2 + 0.05 + 0.09 * index)
        house = make_box(house_size, house_center)
        parts.append(make_part("house", house, any_material(rng)))

    # Mast and sail.
    if rng.random() < 0.5:
        mast = make_cylinder(0.012, 0.7, (0, -0.1, depth / 2 + 0.35))
        parts.append(make_part("mast", mast, any_material(rng)))
        if rng.random() < 0.7:
            sail = _tapered_box((0.02, 0.4, 0.5), (1, 0.05), 0, (0, 0.1, depth / 2 + 0.4))
            parts.append(make_part("sail", sail, paint_material(rng)))

    return parts


def make_rocket(rng: Rng) -> list[Part]:
    """Return a rocket with three or four fins."""
    radius = rng.uniform(0.08, 0.16)
    look = any_material(rng)
    body = lathe_solid(
        ((radius * 0.7, 0), (radius, 0.15), (radius, 0.65), (radius * 0.6, 0.85), (0.005, 1)), 28
    )
    count = int(rng.integers(3, 5))
    fins = [
        rotate_mesh(_make_wing(1, rng.uniform(0.12, 0.12) + radius, 0.25, 0, 0, 0.5), "x", 90)
        for _ in range(count)
    ]
    parts = []
    parts.append(make_part("body", body, look))

    # A window in front.
    window = make_ellipsoid((0.05, 0.03, 0.05), (0, -radius, 0.6))
    parts.append(make_part("window", window, dark_material(rng)))

    # Fins around the foot.
    for i, fin in enumerate(fins):
        fin_mesh = rotate_mesh(fin, "z", 360 / count * i)
        fin_mesh = translate_mesh(fin_mesh, (0, 0, 0.12))
        parts.append(make_part("fin", fin_mesh, paint_material(rng)))

    return parts


def make_house(rng: Rng) -> list[Part]:
    """Return a house: roof, chimney, annex and tower vary."""
    width = rng.uniform(0.6, 1.2)
    depth = rng.uniform(0.5, 1)
    height = rng.uniform(0.4, 1)
    wall = any_material(rng)
    roof = paint_material(rng)
    parts = [make_part("wall", make_box((width, depth, height), (0, 0, height / 2)), wall)]
    rise = rng.uniform(0.15, 0.5)
    over = rng.uniform(1, 1.2)
    ridge = (over, 0.02) if rng.random() < 0.5 else (0.02, over)

    # A gabled or hipped roof, or a flat one.
    if rng.random() < 0.75:
        roof_mesh = _tapered_box(
            (width * over, depth * over, rise),
            (min(ridge[0], 1), min(ridge[1], 1)),
            0,
            (0, 0, height + rise / 2),
        )
        parts.append(make_part("roof", roof_mesh, roof))
    else:
        roof_mesh = make_box((width * over, depth * over, 0.06), (0, 0, height))
        parts.append(make_part("roof", roof_mesh, roof))

    # The door, anywhere along the front.
    door_size = (0.14, 0.04, height * 0.45)
    door_center = (rng.uniform(-0.3, 0.3) * width, -depth / 2, height * 0.225)
    door = make_box(door_size, door_center)
    parts.append(make_part("door", door, any_material(rng)))

    look = dark_material(rng)

    # Windows at the front and at the sides.
    for x in (-0.3, 0.3):
        window = make_box((0.14, 0.03, 0.14), (x * width, -depth / 2, height * 0.7))
        parts.append(make_part("window", window, look))
        window = make_box((0.03, 0.14, 0.14), (np.sign(x) * width / 2, x * depth, height * 0.6))
        parts.append(make_part("window", window, look))

    # A chimney.
    if rng.random() < 0.5:
        chimney = make_box((0.1, 0.1, rise + 0.2), (width * 0.25, depth * 0.15, height + rise / 2))
        parts.append(make_part("chimney", chimney, any_material(rng)))

    # An annex at one side.
    if rng.random() < 0.4:
        x = rng.choice((-1, 1)) * width * 0.65
        annex = make_box((width * 0.4, depth * 0.6, height * 0.6), (x, 0, height * 0.3))
        parts.append(make_part("annex", annex, wall))

    # A round tower at the front corner.
    if rng.random() < 0.3:
        tower = make_cylinder(0.16, height * 1.6, (-width / 2, -depth / 2, height * 0.8))
        parts.append(make_part("tower", tower, wall))
        tower_roof = make_cylinder(0.2, 0.3, (-width / 2, -depth / 2, height * 1.6 + 0.15), 0.005)
        parts.append(make_part("tower roof", tower_roof, roof))

    return parts


def make_tree(rng: Rng) -> list[Part]:
    """Return a tree: a fir or a leafy one, some in a pot."""
    height = rng.uniform(0.3, 0.8)
    parts = []

    # The trunk.
    trunk = make_tube(
        np.array(((0, 0, 0), (rng.normal(0, 0.05), 0, height))), np.array((0.07, 0.04))
    )
    parts.append(make_part("trunk", trunk, wood_material(rng)))

    green = paint_material(rng)

    # Leaves: cones on each other, or a heap of balls.
    if rng.random() < 0.4:
        for k in range(int(rng.integers(2, 5))):
            leaves = make_cylinder(0.35 - 0.07 * k, 0.3, (0, 0, height + 0.18 * k), 0.01, 12)
            parts.append(make_part("leaves", leaves, green))
    else:
        for _ in range(int(rng.integers(2, 7))):
            at = rng.normal(0, 0.15, 3) * (1, 1, 0.7) + (0, 0, height + 0.1)
            leaves = make_ellipsoid(rng.uniform(0.12, 0.28, 3), at, rings=8)
            parts.append(make_part("leaves", leaves, green))

    # A pot.
    if rng.random() < 0.3:
        pot = make_cylinder(0.15, 0.2, (0, 0, 0), 0.19)
        parts.append(make_part("pot", pot, any_material(rng)))

    return parts


FAMILIES = {
    "aeroplane": make_aeroplane,
    "boat": make_boat,
    "car": make_car,
    "house": make_house,
    "rocket": make_rocket,
    "tree": make_tree,
    "truck": make_truck,
}
