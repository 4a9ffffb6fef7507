"""Groups of the parts of procedural objects: 230 labels mean some 40 kinds of part.

Labels are what the generators call their solids (``parts.Part.label``). A group is what several
families have in common, and what can be recognized in an image: the legs of a chair and of a table,
the grip of a sword and the handle of an axe. What learns parts learns the groups by their numbers,
so a new group comes last; new labels may be added anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

NO_GROUP = -1  # of a part that belongs to none

# Labels of each group, separated by commas. A label is in one group only.
_LABELS: Mapping[str, str] = {
    # Furniture
    "seat": "seat, cushion, saddle, mattress",
    "back": "back",
    "leg": "leg",
    "arm": "arm, brace, strut, gusset, cheek",
    "top": "top, face, ledge",
    "shelf": "shelf, perch",
    "door": "door, gate, entrance",
    "drawer": "drawer, slot",
    "cloth": "cloth, canvas, pillow, blanket, sail, flag, canopy, wrap",
    # What an object is held by, stands on, and is closed with
    "handle": "handle, grip, knob, crank, pommel, trigger, pedal, stock, butt, hand_guard, "
    "trigger_guard",
    "foot": "foot, peg, heel",
    "base": "base, plinth, stand, socket, capital, cradle, floor, slab",
    "lid": "lid, cap, cork, cover",
    "body": "body, hull, case, cabin, cab, block, bucket, barrel, tank, tub, receiver, bowl, pot, "
    "cup, vase, lathe, sweep, blob, carved, profile, kernel, house, camera, pages, waist, tray",
    "neck": "neck, collar",
    "spout": "spout, muzzle, mouth, tap, pump",
    "rim": "rim, brim, edge",
    # Long, thin and bent parts
    "frame": "frame, guard, bow",
    "post": "post, pole, shaft, mast, flag_pole, stick, picket, pier, axle, spine",
    "rail": "rail, rung, beam, lintel, bar, ridge, plank, spoke, wire",
    "pipe": "pipe, joint",
    "ring": "ring, hoop, band, belt, link, coil, thread",
    "rope": "rope, string",
    "hook": "hook, clip",
    # Flat parts
    "panel": "panel, board, sheet, plate, wall, pad, keys, bed, foot end, screen",
    "window": "window, pane, glass, lens, scope, sight",
    # Buildings
    "roof": "roof, tower roof",
    "tower": "tower, annex, chimney, merlon, crown, arch, bridge, keep",
    "step": "step",
    # Vehicles and machines
    "wheel": "wheel, tyre, tire, hub",
    "light": "light, lamp, bulb, globe, candle, flame, shade, cone",
    "machine": "engine, gear, propeller, windlass, magazine, mount, weight",
    "fastener": "nut, washer, hinge, lock, bit",
    # Tools and weapons
    "blade": "blade, arrowhead, spike, point, arrow",
    # Animals, people and plants
    "head": "head, snout, hat, hair, shoulders",
    "feature": "eye, ear, nose, beak, mane, horn, antenna",
    "limb": "hand, bone",
    "wing": "wing, fin, feather, back_fin, belly_fin, side_fin",
    "tail": "tail, tail_fin",
    "stem": "stem, stalk, trunk, branches",
    "leaf": "leaf, leaves, petal, heart",
    # What is in an object or on it, and shapes that mean nothing
    "content": "load, fruit, layer, water, earth, hoard, cannonball, thing, bird",
    "ornament": "emblem, boss, stripe, label, scroll",
    "piece": "part, fragment, rock, ball",
}
# Families in which a label means something else
_EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("animal", "leg"): "limb",
    ("animal", "muzzle"): "head",
    ("animal", "foot"): "limb",
    ("anvil", "horn"): "blade",
    ("bed", "head"): "panel",
    ("bird", "leg"): "limb",
    ("car", "wing"): "panel",
    ("figure", "arm"): "limb",
    ("figure", "foot"): "limb",
    ("gun", "barrel"): "pipe",
    ("cannon", "barrel"): "pipe",
    ("hydrant", "arm"): "spout",
    ("key", "bow"): "handle",
    ("screen", "leaf"): "panel",
    ("pipe_fitting", "stem"): "post",
    ("bicycle", "stem"): "post",
    ("spectacles", "bridge"): "rail",
    ("hanger", "shoulders"): "rail",
    ("hat", "crown"): "body",
    ("traffic_cone", "cone"): "body",
}
GROUP_NAMES: tuple[str, ...] = tuple(_LABELS)


def _groups_by_label() -> dict[str, str]:
    """Return the group of each label.

    Raises:
        ValueError: A label is in two groups.
    """
    groups: dict[str, str] = {}
    for group, labels in _LABELS.items():
        for label in labels.split(", "):
            if label in groups:
                raise ValueError(f"The label {label} is in the groups {groups[label]} and {group}")
            groups[label] = group
    return groups


GROUPS: Mapping[str, str] = _groups_by_label()


def part_group(label: str, family: str = "") -> str | None:
    """Return the group of a part; None if no generator has such a label.

    Args:
        label: Of the part.
        family: Of its object, since the arm of a chair is not that of a figure.
    """
    return _EXCEPTIONS.get((family, label), GROUPS.get(label))


def group_table(parts: Sequence[str | None], groups: Sequence[str]) -> NDArray[np.int64]:
    """Return the index (256,) of the group of each number of a part map; -1 for none.

    Args:
        parts: Groups of the parts with the numbers 1, 2, ...; None for none.
        groups: Names of all groups, in the order of their indices.
    """
    indices = {name: index for index, name in enumerate(groups)}
    table = np.full(256, NO_GROUP)
    for number, group in enumerate(parts, start=1):
        if group is not None:
            table[number] = indices.get(group, NO_GROUP)
    return table
