"""Animals, birds and figures of rounded parts."""

from __future__ import annotations

import numpy as np

from ..arrays import MeshArrays
from .parts import Look, Part, any_look, dark, paint, part
from .primitives import box, curve, cylinder, ellipsoid, lathe, moved, tube, turned

Rng = np.random.Generator


def _limb(points: list, radii: list[float], label: str, look: Look) -> Part:
    path = curve(*points, steps=6)
    return part(
        label, tube(path, np.interp(np.linspace(0, 1, len(path)), np.linspace(0, 1, len(radii)), radii), 10), look
    )


def _fur(rng: Rng) -> Look:
    return (
        any_look(rng)
        if rng.random() < 0.4
        else (tuple(np.array((0.85, 0.65, 0.45)) * rng.uniform(0.15, 1.1)), 0.9, 0.0)
    )


def animal(rng: Rng) -> list[Part]:
    """Four legs: cats to horses to elephants; the head towards -Y, now and then sitting."""
    look, second = _fur(rng), _fur(rng)
    length, girth, leg = rng.uniform(0.5, 0.8), rng.uniform(0.12, 0.22), rng.uniform(0.2, 0.6)
    sits = rng.random() < 0.15
    front, rear = (
        np.array((0, -length / 2, leg + girth)),
        np.array((0, length / 2, leg + girth * rng.uniform(0.8, 1.1))),
    )
    if sits:
        rear[2] = girth * 1.1
        front[1] *= 0.4
    parts = [
        _limb(
            [front + (0, -0.03, 0), (front + rear) / 2 + (0, 0, rng.uniform(-0.04, 0.04)), rear + (0, 0.03, 0)],
            [girth * 0.7, girth, girth * rng.uniform(0.85, 1.1), girth * 0.95, girth * 0.6],
            "body",
            look,
        )
    ]
    parts += [part("body", ellipsoid((girth * 0.95,) * 3, p, rings=10), look) for p in (front, rear)]
    neck, rise, head = rng.uniform(0.08, 0.45), rng.uniform(-0.2, 1.4), rng.uniform(0.09, 0.17)
    top = front + np.array((0, -np.cos(rise), np.sin(rise))) * (neck + girth)
    parts.append(
        _limb([front, (front + top) / 2 + (0, 0.02, 0), top], [girth * 0.75, head * 0.8, head * 0.75], "neck", look)
    )
    parts.append(part("head", ellipsoid((head * 0.85, head * 1.1, head), top, rings=10), look))
    muzzle = rng.uniform(0.5, 2.0) * head
    tip = top + (0, -head * 0.7 - muzzle, -head * rng.uniform(0.1, 0.8))
    parts.append(
        _limb(
            [top + (0, -head * 0.3, 0), tip],
            [head * 0.7, head * rng.uniform(0.3, 0.55)],
            "muzzle",
            second if rng.random() < 0.3 else look,
        )
    )
    parts.append(part("nose", ellipsoid((head * 0.3,) * 3, tip, rings=6), dark(rng)))
    ear = rng.uniform(0.4, 1.8) * head
    spread = rng.uniform(0.4, 0.9) * head
    for x in (-1, 1):
        base = top + (x * spread, head * 0.2, head * 0.6)
        parts.append(
            _limb(
                [base, base + np.array((x * rng.uniform(0, 0.6), 0, 1)) * ear], [head * 0.3, head * 0.08], "ear", second
            )
        )
        parts.append(
            part(
                "eye",
                ellipsoid((head * 0.14,) * 3, top + (x * head * 0.65, -head * 0.65, head * 0.3), rings=5),
                dark(rng),
            )
        )
        if x > 0 and rng.random() < 0.2:
            parts += [
                _limb(
                    [
                        top + (s * head * 0.4, 0, head * 0.8),
                        top + (s * head * 1.3, 0.02, head * 1.4),
                        top + (s * head * 1.2, -0.03, head * 2.3),
                    ],
                    [0.03, 0.02, 0.006],
                    "horn",
                    any_look(rng),
                )
                for s in (-1, 1)
            ]
    thick, foot, wide = rng.uniform(0.25, 0.5) * girth, rng.uniform(0.7, 1.4), girth * rng.uniform(0.45, 0.75)
    for x in (-1, 1):
        stride = rng.normal(0, 0.06, 2)
        for where, step, start in ((front, stride[0], girth), (rear, stride[1], girth)):
            hip = where + (x * wide, 0, -0.15 * start)
            ground = np.array((x * wide, where[1] + step - (0.25 if sits and where is rear else 0), thick * 0.5))
            knee = (hip + ground) / 2 + (0, rng.uniform(-0.04, 0.04), 0)
            parts.append(_limb([hip, knee, ground], [thick * 1.5, thick, thick * 0.75, thick * foot], "leg", look))
            parts.append(
                part(
                    "foot",
                    ellipsoid((thick * foot, thick * foot * 1.4, thick * 0.6), ground - (0, thick * 0.4, 0), rings=6),
                    second,
                )
            )
    end = rear + np.array((rng.normal(0, 0.08), rng.uniform(0.1, 0.35), rng.uniform(-0.4, 0.4)))
    hair = rng.uniform(0.5, 1.6)
    parts.append(
        _limb(
            [rear + (0, girth * 0.5, girth * 0.4), (rear + end) / 2 + (0, 0.12, 0.02), end],
            [0.04 * hair, 0.045 * hair, 0.025],
            "tail",
            look,
        )
    )
    if rng.random() < 0.25:
        parts.append(
            _limb(
                [
                    top + (0, head * 0.5, head * 0.6),
                    (top + front) / 2 + (0, girth * 0.6, girth * 0.5),
                    front + (0, girth * 0.3, girth * 0.8),
                ],
                [0.04, 0.06, 0.03],
                "mane",
                second,
            )
        )
    return parts


def bird(rng: Rng) -> list[Part]:
    """Ducks, hens and waders."""
    look, beak = paint(rng), paint(rng)
    body, leg, neck = rng.uniform(0.2, 0.35), rng.choice((0.02, rng.uniform(0.1, 0.8))), rng.uniform(0.05, 0.6)
    centre = np.array((0, 0, leg + body * 0.8))
    parts = [
        part(
            "body",
            turned_up(
                ellipsoid((body * 0.75, body * rng.uniform(1, 1.5), body * 0.75), rings=12), -rng.uniform(0, 25), centre
            ),
            look,
        )
    ]
    chest = centre + (0, -body * 0.8, body * 0.3)
    top = chest + (0, -rng.uniform(0, 0.2), neck + body * 0.3)
    size = rng.uniform(0.3, 0.75) * body
    parts.append(
        _limb(
            [centre + (0, -body * 0.4, 0), (chest + top) / 2 + (0, rng.uniform(-0.08, 0.08), 0), top],
            [body * 0.5, size * 0.6, size * 0.6],
            "neck",
            look,
        )
    )
    parts.append(part("head", ellipsoid((size,) * 3, top, rings=10), look))
    parts.append(
        _limb(
            [top + (0, -size * 0.7, 0), top + (0, -size * rng.uniform(1.4, 2.4), -size * rng.uniform(0, 0.6))],
            [size * 0.45, size * 0.12],
            "beak",
            beak,
        )
    )
    for x in (-1, 1):
        parts.append(
            part(
                "eye",
                ellipsoid((size * 0.16,) * 3, top + (x * size * 0.7, -size * 0.6, size * 0.3), rings=5),
                dark(rng),
            )
        )
        parts.append(
            part(
                "wing",
                ellipsoid(
                    (0.05, body * rng.uniform(0.6, 1), body * 0.45),
                    centre + (x * body * 0.72, body * 0.15, 0.02),
                    rings=8,
                ),
                look if rng.random() < 0.5 else any_look(rng),
            )
        )
        if leg > 0.05:
            foot = np.array((x * body * 0.3, 0, 0.01))
            parts.append(_limb([centre + (x * body * 0.3, 0, -body * 0.4), foot], [0.035, 0.015], "leg", beak))
            parts.append(part("foot", ellipsoid((0.05, 0.09, 0.015), foot - (0, 0.04, 0), rings=5), beak))
    tail = centre + (0, body * 1.5, body * rng.uniform(-0.2, 0.6))
    return [*parts, _limb([centre + (0, body * 0.7, 0), tail], [body * 0.45, body * 0.12], "tail", look)]


def turned_up(mesh: MeshArrays, degrees: float, to) -> MeshArrays:
    return moved(turned(mesh, "x", degrees), to)


def figure(rng: Rng) -> list[Part]:
    """Teddy bears, dolls, robots and cartoon people, facing -Y."""
    skin, cloth, second = _fur(rng), paint(rng), any_look(rng)
    boxy = rng.random() < 0.3
    head, body, wide = rng.uniform(0.12, 0.32), rng.uniform(0.25, 0.45), rng.uniform(0.12, 0.25)
    leg, thick = rng.uniform(0.08, 0.45), rng.uniform(0.04, 0.1)
    deep = wide * rng.uniform(0.6, 1)
    power = 6.0 if boxy else rng.uniform(2, 3)
    sits = rng.random() < 0.2
    base = thick if sits else leg
    trunk = np.array((0, 0, base + body / 2))
    parts = [part("body", ellipsoid((wide, deep, body / 2 * 1.15), trunk, power), cloth)]
    top = trunk + (0, 0, body / 2 + head * rng.uniform(0.75, 1))
    parts.append(
        part(
            "head",
            ellipsoid((head * rng.uniform(0.9, 1.15), head * 0.9, head * rng.uniform(0.85, 1.1)), top, power),
            skin,
        )
    )
    if rng.random() < 0.4:
        parts.append(part("neck", cylinder(wide * 0.35, head, trunk + (0, 0, body / 2)), skin))
    ears = rng.integers(0, 4)
    for x in (-1, 1):
        if ears == 1:
            parts.append(
                part(
                    "ear",
                    ellipsoid((head * 0.4, head * 0.2, head * 0.4), top + (x * head * 0.75, 0, head * 0.7), rings=8),
                    skin,
                )
            )
        if ears == 2:
            parts.append(
                _limb(
                    [
                        top + (x * head * 0.4, 0, head * 0.7),
                        top + (x * head * rng.uniform(0.4, 1), 0, head * rng.uniform(1.5, 2.4)),
                    ],
                    [head * 0.22, head * 0.12],
                    "ear",
                    skin,
                )
            )
        if ears == 3:
            parts.append(
                part("ear", moved(turned(cylinder(head * 0.3, head * 0.3), "y", 90), top + (x * head, 0, 0)), second)
            )
        parts.append(
            part(
                "eye",
                ellipsoid(
                    (head * rng.uniform(0.1, 0.3),) * 3, top + (x * head * 0.4, -head * 0.75, head * 0.15), rings=6
                ),
                dark(rng),
            )
        )
        shoulder = trunk + (x * wide * 0.85, 0, body * 0.35)
        swing = rng.uniform(-0.3, 1.5)
        reach = rng.uniform(0.2, 0.4)
        hand = (
            shoulder + np.array((x * np.cos(swing * 0.6) * 0.7, -0.5 * max(np.sin(swing), 0), -np.cos(swing))) * reach
        )
        parts.append(
            _limb(
                [shoulder, (shoulder + hand) / 2 + (x * 0.02, 0, 0), hand],
                [thick, thick * 0.8, thick * 0.75],
                "arm",
                cloth if rng.random() < 0.6 else skin,
            )
        )
        parts.append(part("hand", ellipsoid((thick,) * 3, hand, rings=7), skin))
        hip = np.array((x * wide * 0.5, 0, base + 0.05))
        foot = hip + (0, -leg, -0.03) if sits else np.array((x * wide * rng.uniform(0.5, 0.8), 0, thick * 0.6))
        parts.append(_limb([hip, foot], [thick * 1.25, thick], "leg", second))
        parts.append(
            part(
                "foot",
                ellipsoid((thick * 1.1, thick * 1.7, thick * 0.8), foot - (0, thick * 0.6, 0), rings=7),
                any_look(rng) if rng.random() < 0.5 else skin,
            )
        )
    if rng.random() < 0.6:
        parts.append(
            part(
                "snout",
                ellipsoid((head * 0.4, head * 0.35, head * 0.3), top + (0, -head * 0.85, -head * 0.25), rings=8),
                skin,
            )
        )
    if rng.random() < 0.3:
        brim = lathe(((head * 1.3, 0), (head * 1.3, 0.02), (head * 0.8, 0.03), (head * 0.75, head * 0.6)), 24)
        parts.append(part("hat", moved(brim, top + (0, 0, head * 0.7)), any_look(rng)))
    if boxy and rng.random() < 0.6:
        parts.append(part("panel", box((wide, 0.03, body * 0.4), trunk - (0, deep, 0)), any_look(rng)))
        parts.append(part("antenna", cylinder(0.012, head, top + (0, 0, head * 1.2)), dark(rng)))
    if rng.random() < 0.2:
        parts += [
            part(
                "wing",
                ellipsoid((wide * 0.9, 0.03, body * 0.4), trunk + (x * wide * 1.1, deep, body * 0.2), rings=8),
                any_look(rng),
            )
            for x in (-1, 1)
        ]
    return parts


def bust(rng: Rng) -> list[Part]:
    """A head and shoulders on a plinth."""
    look, foot = any_look(rng), any_look(rng)
    parts = [
        part(
            "plinth",
            lathe(((0.3, 0), (0.3, 0.06), (0.2, 0.12), (0.15, 0.25), (0.2, 0.3)), int(rng.choice((4, 8, 32)))),
            foot,
        )
    ]
    parts.append(part("shoulders", ellipsoid((rng.uniform(0.32, 0.45), 0.22, 0.2), (0, 0, 0.45)), look))
    parts.append(part("neck", cylinder(0.11, 0.25, (0, 0, 0.65)), look))
    head = np.array((0, -0.02, 0.85))
    parts.append(part("head", ellipsoid((0.15, 0.19, rng.uniform(0.2, 0.25)), head), look))
    parts.append(_limb([head + (0, -0.17, 0.04), head + (0, -0.23, -0.03)], [0.02, 0.035], "nose", look))
    parts += [part("ear", ellipsoid((0.02, 0.035, 0.055), head + (x * 0.15, 0.02, 0), rings=6), look) for x in (-1, 1)]
    if rng.random() < 0.7:
        parts.append(part("hair", ellipsoid((0.175, 0.2, 0.2), head + (0, 0.04, 0.07), rings=10), look))
    return parts


FAMILIES = {"animal": animal, "bird": bird, "bust": bust, "figure": figure}
