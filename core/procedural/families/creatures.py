"""Animals, birds and figures of rounded parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..parts import Part, PartMaterial, any_material, dark_material, make_part, paint_material
from ..primitives import (
    Points,
    lathe_solid,
    make_box,
    make_cylinder,
    make_ellipsoid,
    make_tube,
    rotate_mesh,
    smooth_curve,
    translate_mesh,
)

Rng = np.random.Generator
Point = Points


def _make_limb(points: list[Point], radii: list[float], label: str, look: PartMaterial) -> Part:
    """Return a limb along points (3,), its radii spread evenly along it."""
    path = smooth_curve(*points, steps=6)
    shares = np.linspace(0, 1, len(path))
    path_radii = np.interp(shares, np.linspace(0, 1, len(radii)), radii)
    return make_part(label, make_tube(path, path_radii, 10), look)


def _fur_material(rng: Rng) -> PartMaterial:
    """Return any material, or a shade of brown."""
    if rng.random() < 0.4:
        return any_material(rng)
    red, green, blue = np.array((0.85, 0.65, 0.45)) * rng.uniform(0.15, 1.1)
    return (red, green, blue), 0.9, 0.0


def make_animal(rng: Rng) -> list[Part]:
    """Return an animal on four legs, from cat to elephant, towards -Y; some sit."""
    look = _fur_material(rng)
    second = _fur_material(rng)
    length = rng.uniform(0.5, 0.8)
    girth = rng.uniform(0.12, 0.22)
    leg = rng.uniform(0.2, 0.6)
    sits = rng.random() < 0.15
    front = np.array((0, -length / 2, leg + girth))
    rear = np.array((0, length / 2, leg + girth * rng.uniform(0.8, 1.1)))

    # Sitting: the rear is low, the front legs near it.
    if sits:
        rear[2] = girth * 1.1
        front[1] *= 0.4

    # Trunk, neck, head, legs and tail.
    parts = _make_trunk(rng, front, rear, girth, look)
    neck = rng.uniform(0.08, 0.45)
    rise = rng.uniform(-0.2, 1.4)
    head = rng.uniform(0.09, 0.17)
    top = front + np.array((0, -np.cos(rise), np.sin(rise))) * (neck + girth)
    throat = [front, (front + top) / 2 + (0, 0.02, 0), top]
    parts.append(_make_limb(throat, [girth * 0.75, head * 0.8, head * 0.75], "neck", look))
    parts += _muzzled_head(rng, top, head, look, second)
    parts += _animal_ears(rng, top, head, second)
    parts += _animal_legs(rng, front, rear, girth, sits, (look, second))
    parts.append(_animal_tail(rng, rear, girth, look))

    # A mane.
    if rng.random() < 0.25:
        nape = top + (0, head * 0.5, head * 0.6)
        ridge = [
            nape,
            (top + front) / 2 + (0, girth * 0.6, girth * 0.5),
            front + (0, girth * 0.3, girth * 0.8),
        ]
        parts.append(_make_limb(ridge, [0.04, 0.06, 0.03], "mane", second))

    return parts


def _make_trunk(
    rng: Rng, front: Point, rear: Point, girth: float, look: PartMaterial
) -> list[Part]:
    """Return the trunk between hips and shoulders; its girth varies along it."""
    spine = [
        front + (0, -0.03, 0),
        (front + rear) / 2 + (0, 0, rng.uniform(-0.04, 0.04)),
        rear + (0, 0.03, 0),
    ]
    radii = [girth * 0.7, girth, girth * rng.uniform(0.85, 1.1), girth * 0.95, girth * 0.6]

    ends = []
    for p in (front, rear):
        ends.append(make_part("body", make_ellipsoid((girth * 0.95,) * 3, p, rings=10), look))

    return [_make_limb(spine, radii, "body", look), *ends]


def _muzzled_head(
    rng: Rng, top: Point, head: float, look: PartMaterial, second: PartMaterial
) -> list[Part]:
    """Return a head with a muzzle of varied length, and a nose."""
    head_mesh = make_ellipsoid((head * 0.85, head * 1.1, head), top, rings=10)
    parts = [make_part("head", head_mesh, look)]

    # A muzzle of the fur, or of the second material.
    muzzle = rng.uniform(0.5, 2.0) * head
    tip = top + (0, -head * 0.7 - muzzle, -head * rng.uniform(0.1, 0.8))
    radii = [head * 0.7, head * rng.uniform(0.3, 0.55)]
    parts.append(
        _make_limb(
            [top + (0, -head * 0.3, 0), tip],
            radii,
            "muzzle",
            second if rng.random() < 0.3 else look,
        )
    )

    nose = make_ellipsoid((head * 0.3,) * 3, tip, rings=6)
    parts.append(make_part("nose", nose, dark_material(rng)))

    return parts


def _animal_ears(rng: Rng, top: Point, head: float, look: PartMaterial) -> list[Part]:
    """Return ears and eyes; some have horns."""
    parts = []
    ear = rng.uniform(0.4, 1.8) * head
    spread = rng.uniform(0.4, 0.9) * head

    # An ear and an eye on each side.
    for x in (-1, 1):
        base = top + (x * spread, head * 0.2, head * 0.6)
        point = base + np.array((x * rng.uniform(0, 0.6), 0, 1)) * ear
        parts.append(_make_limb([base, point], [head * 0.3, head * 0.08], "ear", look))
        socket = top + (x * head * 0.65, -head * 0.65, head * 0.3)
        eye = make_ellipsoid((head * 0.14,) * 3, socket, rings=5)
        parts.append(make_part("eye", eye, dark_material(rng)))

    if rng.random() < 0.2:
        parts += [_make_horn(rng, top, head, x) for x in (-1, 1)]

    return parts


def _make_horn(rng: Rng, top: Point, head: float, x: int) -> Part:
    """Return a bent horn on one side: x = -1 or 1."""
    bends = np.array(((x * 0.4, 0, 0.8), (x * 1.3, 0, 1.4), (x * 1.2, 0, 2.3))) * head
    path = [top + bend + (0, y, 0) for bend, y in zip(bends, (0, 0.02, -0.03), strict=True)]
    return _make_limb(path, [0.03, 0.02, 0.006], "horn", any_material(rng))


def _animal_legs(
    rng: Rng,
    front: Point,
    rear: Point,
    girth: float,
    sits: bool,
    looks: tuple[PartMaterial, PartMaterial],
) -> list[Part]:
    """Return four legs with feet; stride, knees and thickness vary."""
    parts: list[Part] = []
    thick = rng.uniform(0.25, 0.5) * girth
    foot = rng.uniform(0.7, 1.4)
    wide = girth * rng.uniform(0.45, 0.75)

    # Legs from hip over knee to the ground.
    for x in (-1, 1):
        stride = rng.normal(0, 0.06, 2)
        for where, step in ((front, stride[0]), (rear, stride[1])):
            hip = where + (x * wide, 0, -0.15 * girth)
            ground = np.array(
                (x * wide, where[1] + step - (0.25 if sits and where is rear else 0), thick * 0.5)
            )
            knee = (hip + ground) / 2 + (0, rng.uniform(-0.04, 0.04), 0)
            radii = [thick * 1.5, thick, thick * 0.75, thick * foot]
            parts.append(_make_limb([hip, knee, ground], radii, "leg", looks[0]))

            paw_radii = (thick * foot, thick * foot * 1.4, thick * 0.6)
            paw_center = ground - (0, thick * 0.4, 0)
            paw = make_ellipsoid(paw_radii, paw_center, rings=6)

            parts.append(make_part("foot", paw, looks[1]))

    return parts


def _animal_tail(rng: Rng, rear: Point, girth: float, look: PartMaterial) -> Part:
    """Return a tail, hanging, raised or bushy."""
    end = rear + np.array((rng.normal(0, 0.08), rng.uniform(0.1, 0.35), rng.uniform(-0.4, 0.4)))
    hair = rng.uniform(0.5, 1.6)
    path = [rear + (0, girth * 0.5, girth * 0.4), (rear + end) / 2 + (0, 0.12, 0.02), end]
    return _make_limb(path, [0.04 * hair, 0.045 * hair, 0.025], "tail", look)


def make_bird(rng: Rng) -> list[Part]:
    """Return a duck, hen or wader: body, neck, beak and legs vary."""
    look = paint_material(rng)
    beak = paint_material(rng)
    body = rng.uniform(0.2, 0.35)
    leg = rng.choice((0.02, rng.uniform(0.1, 0.8)))
    neck = rng.uniform(0.05, 0.6)
    center = np.array((0, 0, leg + body * 0.8))
    trunk = make_ellipsoid((body * 0.75, body * rng.uniform(1, 1.5), body * 0.75), rings=12)

    # The body, its front raised.
    body_mesh = rotate_mesh(trunk, "x", -rng.uniform(0, 25))
    body_mesh = translate_mesh(body_mesh, center)
    parts = [make_part("body", body_mesh, look)]

    # Neck and head.
    chest = center + (0, -body * 0.8, body * 0.3)
    top = chest + (0, -rng.uniform(0, 0.2), neck + body * 0.3)
    size = rng.uniform(0.3, 0.75) * body
    throat = [
        center + (0, -body * 0.4, 0),
        (chest + top) / 2 + (0, rng.uniform(-0.08, 0.08), 0),
        top,
    ]
    parts.append(_make_limb(throat, [body * 0.5, size * 0.6, size * 0.6], "neck", look))
    parts.append(make_part("head", make_ellipsoid((size,) * 3, top, rings=10), look))
    bill = [
        top + (0, -size * 0.7, 0),
        top + (0, -size * rng.uniform(1.4, 2.4), -size * rng.uniform(0, 0.6)),
    ]
    parts.append(_make_limb(bill, [size * 0.45, size * 0.12], "beak", beak))

    # On each side an eye, a wing and a leg.
    for x in (-1, 1):
        eye_center = top + (x * size * 0.7, -size * 0.6, size * 0.3)
        eye = make_ellipsoid((size * 0.16,) * 3, eye_center, rings=5)
        parts.append(make_part("eye", eye, dark_material(rng)))
        parts.append(_bird_wing(rng, x, center, body, look))
        if leg > 0.05:
            parts += _bird_leg(x, center, body, beak)

    tail = center + (0, body * 1.5, body * rng.uniform(-0.2, 0.6))
    rump = center + (0, body * 0.7, 0)
    parts.append(_make_limb([rump, tail], [body * 0.45, body * 0.12], "tail", look))
    return parts


def _bird_wing(rng: Rng, x: int, center: Point, body: float, look: PartMaterial) -> Part:
    """Return the folded wing on one side, x = -1 or 1, of the body's or any material."""
    radii = (0.05, body * rng.uniform(0.6, 1), body * 0.45)
    wing_center = center + (x * body * 0.72, body * 0.15, 0.02)
    wing = make_ellipsoid(radii, wing_center, rings=8)
    wing_look = look if rng.random() < 0.5 else any_material(rng)
    return make_part("wing", wing, wing_look)


def _bird_leg(x: int, center: Point, body: float, look: PartMaterial) -> list[Part]:
    """Return the straight leg on one side, x = -1 or 1, and its foot."""
    hip = center + (x * body * 0.3, 0, -body * 0.4)
    heel = np.array((x * body * 0.3, 0, 0.01))
    foot = make_ellipsoid((0.05, 0.09, 0.015), heel - (0, 0.04, 0), rings=5)
    return [
        _make_limb([hip, heel], [0.035, 0.015], "leg", look),
        make_part("foot", foot, look),
    ]


@dataclass(frozen=True)
class _Build:
    """Sizes of a figure.

    Args:
        head: radius.
        body: height of the trunk.
        wide: half the width of the trunk.
        leg: length.
        thick: radius of limbs.
        deep: half the depth of the trunk.
        power: squareness of its ellipsoids.
        sits: whether its legs are level.
    """

    head: float
    body: float
    wide: float
    leg: float
    thick: float
    deep: float
    power: float
    sits: bool

    @property
    def base(self) -> float:
        """Height at which the trunk begins."""
        return self.thick if self.sits else self.leg

    @property
    def trunk(self) -> Point:
        """Center of the trunk (3,)."""
        return np.array((0, 0, self.base + self.body / 2))


def make_figure(rng: Rng) -> list[Part]:
    """Return a teddy bear, doll, robot or cartoon person, towards -Y."""
    skin = _fur_material(rng)
    cloth = paint_material(rng)
    second = any_material(rng)
    boxy = rng.random() < 0.3
    head = rng.uniform(0.12, 0.32)
    body = rng.uniform(0.25, 0.45)
    wide = rng.uniform(0.12, 0.25)
    leg = rng.uniform(0.08, 0.45)
    thick = rng.uniform(0.04, 0.1)
    deep = wide * rng.uniform(0.6, 1)
    power = 6.0 if boxy else rng.uniform(2, 3)
    build = _Build(head, body, wide, leg, thick, deep, power, sits=rng.random() < 0.2)

    # The body.
    body_mesh = make_ellipsoid((wide, deep, body / 2 * 1.15), build.trunk, power)
    parts = [make_part("body", body_mesh, cloth)]

    # The head on top of it.
    top = build.trunk + (0, 0, body / 2 + head * rng.uniform(0.75, 1))

    skull_radii = (head * rng.uniform(0.9, 1.15), head * 0.9, head * rng.uniform(0.85, 1.1))
    skull = make_ellipsoid(skull_radii, top, power)

    parts.append(make_part("head", skull, skin))

    # A neck.
    if rng.random() < 0.4:
        neck = make_cylinder(wide * 0.35, head, build.trunk + (0, 0, body / 2))
        parts.append(make_part("neck", neck, skin))

    ears = rng.integers(0, 4)

    # On each side an ear, an eye, an arm and a leg.
    for x in (-1, 1):
        if ears:
            parts.append(_figure_ear(rng, ears, x, top, head, (skin, second)))

        socket = top + (x * head * 0.4, -head * 0.75, head * 0.15)

        eye = make_ellipsoid((head * rng.uniform(0.1, 0.3),) * 3, socket, rings=6)
        parts.append(make_part("eye", eye, dark_material(rng)))

        parts += _make_arm(rng, x, build, skin, cloth)
        parts += _make_leg(rng, x, build, skin, second)

    return parts + _make_clothes(rng, build, top, boxy, skin)


def _figure_ear(
    rng: Rng, kind: int, x: int, top: Point, head: float, looks: tuple[PartMaterial, PartMaterial]
) -> Part:
    """Return an ear of a ``kind``: 1 a bear's, 2 a hare's, else a robot's."""
    if kind == 1:
        at = top + (x * head * 0.75, 0, head * 0.7)
        return make_part(
            "ear", make_ellipsoid((head * 0.4, head * 0.2, head * 0.4), at, rings=8), looks[0]
        )

    if kind == 2:
        path = [
            top + (x * head * 0.4, 0, head * 0.7),
            top + (x * head * rng.uniform(0.4, 1), 0, head * rng.uniform(1.5, 2.4)),
        ]
        return _make_limb(path, [head * 0.22, head * 0.12], "ear", looks[0])

    return make_part(
        "ear",
        translate_mesh(
            rotate_mesh(make_cylinder(head * 0.3, head * 0.3), "y", 90), top + (x * head, 0, 0)
        ),
        looks[1],
    )


def _make_arm(
    rng: Rng, x: int, build: _Build, skin: PartMaterial, cloth: PartMaterial
) -> list[Part]:
    """Return an arm that hangs, reaches forward or is raised, and its hand."""
    thick = build.thick
    shoulder = build.trunk + (x * build.wide * 0.85, 0, build.body * 0.35)
    swing = rng.uniform(-0.3, 1.5)
    reach = rng.uniform(0.2, 0.4)
    along = np.array((x * np.cos(swing * 0.6) * 0.7, -0.5 * max(np.sin(swing), 0), -np.cos(swing)))
    hand = shoulder + along * reach
    path = [shoulder, (shoulder + hand) / 2 + (x * 0.02, 0, 0), hand]
    sleeve = cloth if rng.random() < 0.6 else skin

    return [
        _make_limb(path, [thick, thick * 0.8, thick * 0.75], "arm", sleeve),
        make_part("hand", make_ellipsoid((thick,) * 3, hand, rings=7), skin),
    ]


def _make_leg(
    rng: Rng, x: int, build: _Build, skin: PartMaterial, cloth: PartMaterial
) -> list[Part]:
    """Return a leg, straight or of a sitting figure, and its foot."""
    thick = build.thick
    wide = build.wide
    hip = np.array((x * build.wide * 0.5, 0, build.base + 0.05))

    if build.sits:
        foot = hip + (0, -build.leg, -0.03)
    else:
        foot = np.array((x * wide * rng.uniform(0.5, 0.8), 0, thick * 0.6))

    shoe_radii = (thick * 1.1, thick * 1.7, thick * 0.8)
    shoe_center = foot - (0, thick * 0.6, 0)
    shoe = make_ellipsoid(shoe_radii, shoe_center, rings=7)

    return [
        _make_limb([hip, foot], [thick * 1.25, thick], "leg", cloth),
        make_part("foot", shoe, any_material(rng) if rng.random() < 0.5 else skin),
    ]


def _make_clothes(
    rng: Rng, build: _Build, top: Point, boxy: bool, skin: PartMaterial
) -> list[Part]:
    """Return extras: a snout, a hat, a robot's panel and antenna, wings."""
    parts = []
    head = build.head
    body = build.body
    wide = build.wide

    # A snout.
    if rng.random() < 0.6:
        at = top + (0, -head * 0.85, -head * 0.25)
        snout = make_ellipsoid((head * 0.4, head * 0.35, head * 0.3), at, rings=8)
        parts.append(make_part("snout", snout, skin))

    # A hat.
    if rng.random() < 0.3:
        brim = lathe_solid(
            ((head * 1.3, 0), (head * 1.3, 0.02), (head * 0.8, 0.03), (head * 0.75, head * 0.6)), 24
        )
        hat = translate_mesh(brim, top + (0, 0, head * 0.7))
        parts.append(make_part("hat", hat, any_material(rng)))

    # A robot's panel and antenna.
    if boxy and rng.random() < 0.6:
        panel = make_box((wide, 0.03, body * 0.4), build.trunk - (0, build.deep, 0))
        parts.append(make_part("panel", panel, any_material(rng)))
        antenna = make_cylinder(0.012, head, top + (0, 0, head * 1.2))
        parts.append(make_part("antenna", antenna, dark_material(rng)))

    # Wings.
    if rng.random() < 0.2:
        for x in (-1, 1):
            at = build.trunk + (x * wide * 1.1, build.deep, body * 0.2)
            wing = make_ellipsoid((wide * 0.9, 0.03, body * 0.4), at, rings=8)
            parts.append(make_part("wing", wing, any_material(rng)))

    return parts


def make_bust(rng: Rng) -> list[Part]:
    """Return a bust: head and shoulders on a plinth."""
    look = any_material(rng)
    foot = any_material(rng)

    # The plinth.
    plinth = lathe_solid(
        ((0.3, 0), (0.3, 0.06), (0.2, 0.12), (0.15, 0.25), (0.2, 0.3)), int(rng.choice((4, 8, 32)))
    )
    parts = [make_part("plinth", plinth, foot)]

    # Shoulders, neck and head.
    shoulders = make_ellipsoid((rng.uniform(0.32, 0.45), 0.22, 0.2), (0, 0, 0.45))
    parts.append(make_part("shoulders", shoulders, look))

    parts.append(make_part("neck", make_cylinder(0.11, 0.25, (0, 0, 0.65)), look))
    head = np.array((0, -0.02, 0.85))

    head_mesh = make_ellipsoid((0.15, 0.19, rng.uniform(0.2, 0.25)), head)
    parts.append(make_part("head", head_mesh, look))

    # Nose and ears.
    parts.append(
        _make_limb([head + (0, -0.17, 0.04), head + (0, -0.23, -0.03)], [0.02, 0.035], "nose", look)
    )

    for x in (-1, 1):
        ear = make_ellipsoid((0.02, 0.035, 0.055), head + (x * 0.15, 0.02, 0), rings=6)
        parts.append(make_part("ear", ear, look))

    # Hair.
    if rng.random() < 0.7:
        hair = make_ellipsoid((0.175, 0.2, 0.2), head + (0, 0.04, 0.07), rings=10)
        parts.append(make_part("hair", hair, look))

    return parts


FAMILIES = {"animal": make_animal, "bird": make_bird, "bust": make_bust, "figure": make_figure}
