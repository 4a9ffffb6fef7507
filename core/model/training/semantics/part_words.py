"""The group of a part by the words of its name: "wheel_frontRight" and "carTire" are wheels.

Artists name materials, objects and vertex groups as they like. Most names tell a color or what a
part is made of ("brown", "metal"), and nothing is known of such a part. A name counts only where
its last word, beside colors, materials and places, means one group whatever the object is, or
means one in the family of the object: the legs of a chair are legs, and those of a cat are limbs.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from ....procedural.object_families import OTHER, UNSURE, words_of_name
from ....procedural.part_groups import GROUP_NAMES, part_group

# Words that mean a group in every family; two words are written without a space.
_WORDS: Mapping[str, str] = {
    "seat": "seat seats cushion cushions cushin saddle mattress",
    "back": "backrest",
    "arm": "armrest armrests",
    "top": "tabletop countertop kitchentop worktop",
    "shelf": "shelf shelves",
    "door": "door doors gate",
    "drawer": "drawer drawers",
    "cloth": "cloth canvas pillow pillows blanket sail sails flag curtain curtains banner",
    "handle": "handle handles grip knob knobs doorknob crank pommel trigger pedal pedals",
    "foot": "caster casters castor castors",
    "base": "base plinth pedestal",
    "lid": "lid cap cork chesttop",
    "body": "body chassis",
    "neck": "neck bottleneck",
    "spout": "spout faucet tap",
    "frame": "frame doorframe windowframe",
    "post": "post posts pole poles mast",
    "rail": "railing railings rung rungs spoke spokes",
    "pipe": "pipe pipes",
    "rope": "rope ropes string strings",
    "hook": "hook hooks",
    "panel": "wall walls keycaps",
    "window": "window windows windshield windscreen",
    "roof": "roof roofs rooftile rooftiles roofbricks",
    "tower": "chimney chimneys",
    "step": "stair stairs",
    "wheel": "wheel wheels tire tires tyre tyres cartire hubcap hubcaps",
    "light": "headlight headlights taillight taillights lightfront lightback bulb lightbulb "
    "lampshade candle flame",
    "machine": "engine motor propeller",
    "fastener": "hinge hinges screw screws bolt bolts lock padlock",
    "blade": "arrowhead",
    "feature": "eye eyes pupil pupils ear ears nose beak mane horn horns antler antlers",
    "limb": "hooves hoof paw paws",
    "wing": "wing wings",
    "tail": "tail",
    "stem": "trunk stem stems stalk bark branches",
    "leaf": "leaf leaves petal petals foliage",
    "content": "water liquid",
    "ornament": "label sticker emblem",
}
_LIVING = "animal bird figure"
_FURNITURE = "bed bench cabinet chair lamp shelf sofa stool table tripod"
_GLAZED = "aeroplane boat car house lantern tower truck"
_VESSELS = "bottle jar mug vase"
# Words that mean a group in some families only, and materials that make up one part of them.
_FAMILY_WORDS: tuple[tuple[str, str, str], ...] = (
    (_LIVING, "leg legs foot feet arm arms hand hands", "limb"),
    (_LIVING, "head hat", "head"),
    ("figure", "hair", "head"),
    (_FURNITURE, "leg legs", "leg"),
    (_FURNITURE, "foot feet", "foot"),
    ("chair sofa bench", "arm arms", "arm"),
    ("chair sofa bench", "back", "back"),
    ("table cabinet", "top", "top"),
    (_GLAZED, "glass", "window"),
    (_VESSELS, "glass", "body"),
    ("lamp street_lamp", "shade", "light"),
    ("tree", "wood", "stem"),
    ("tree", "green tree bush", "leaf"),
    ("plant", "green", "leaf"),
    ("sword tool", "blade blades", "blade"),
    ("axe tool", "wood", "handle"),
    ("axe tool", "steel metal", "head"),
    ("book", "cover", "lid"),
    ("book", "paper pages", "body"),
    ("cactus plant", "pot", "body"),
    ("cactus plant", "ground earth soil", "content"),
    ("plant", "plant", "leaf"),
    ("plant", "wood", "stem"),
    ("cannon gun", "barrel", "pipe"),
    ("treasure_chest", "top", "lid"),
    ("treasure_chest", "bottom base", "panel"),
    ("aeroplane rocket", "fin fins", "wing"),
)
# What is something else in a family: the trunk of a car is not that of a tree.
_EXCLUDED = {
    ("aeroplane", "nose"),
    ("animal", "trunk"),
    ("car", "trunk"),
    ("rocket", "nose"),
}
# Words that tell where a part is, or what it looks like; what is made of a material may be any part
_QUALITY_WORDS = (
    "front back rear left right top bottom upper lower inner outer middle center side "
    "fl fr bl br rl rr l r dark light bright black white grey gray red green blue yellow orange "
    "purple pink brown beige gold golden silver teal cyan lime main accent detail details paint "
    "wood wooden metal steel iron plastic rubber leather fabric textile mesh default obj"
)
_QUALITIES = frozenset(_QUALITY_WORDS.split())
# Words of names that tell of a surface: "base material" is not the base of an object.
_NOT_PARTS = frozenset(("shader", "material", "mat", "texture", "color"))


def _groups_by_word() -> dict[str, str]:
    """Return the group of each word.

    Raises:
        ValueError: A word is in two groups, or a group does not exist.
    """
    groups: dict[str, str] = {}
    for group, words in _WORDS.items():
        if group not in GROUP_NAMES:
            raise ValueError(f"There is no group {group}")
        for word in words.split():
            if word in groups:
                raise ValueError(f"The word {word} is in the groups {groups[word]} and {group}")
            groups[word] = group

    return groups


def _groups_by_family() -> dict[tuple[str, str], str]:
    """Return the group of each pair of a family and a word."""
    groups: dict[tuple[str, str], str] = {}
    for families, words, group in _FAMILY_WORDS:
        for family in families.split():
            groups.update({(family, word): group for word in words.split()})
    return groups


_GROUPS = _groups_by_word()
_FAMILY_GROUPS = _groups_by_family()


def group_of_name(name: str, family: str) -> str | None:
    """Return the group that the name of a part means; None if it may be any.

    Args:
        name: Of a material, an object or a vertex group.
        family: Of its object; "other" or empty if it is not known.
    """
    words = words_of_name(name)
    if not _NOT_PARTS.isdisjoint(words):
        return None

    # What is known of the family comes first: the top of a table, the wood of a tree.
    if family not in (OTHER, UNSURE):
        for word in reversed(words):
            if (family, word) in _FAMILY_GROUPS:
                return _FAMILY_GROUPS[family, word]

    # Two words that are one: "light front" is not a light color.
    for first, second in pairwise(words):
        if first + second in _GROUPS:
            return _GROUPS[first + second]

    nouns = [word for word in words if word not in _QUALITIES]
    if not nouns or (family, nouns[-1]) in _EXCLUDED:
        return None
    noun = nouns[-1]
    if noun not in _GROUPS:
        return None

    # A generator may have a part of this name that is something else in its family.
    return part_group(noun, family) or _GROUPS[noun]
