"""The family of an object; that of an artist's mesh by its name's words: "sofa_big_02" is a sofa.

Sets of meshes seldom tell what their objects are, but names of files do. The last word counts, as
in "balcony table"; where only an earlier one is known, as in "car wheel" or "bottle ketchup", the
object may be either, and nothing is said of its family.
"""

from __future__ import annotations

import re

from ..dataset.records import Record

OTHER = "other"  # the family of what no generator makes
UNSURE = ""  # the family of what may or may not be of a known one

# Families and the words that name their objects; two words are written without a space.
_WORDS = {
    "aeroplane": "airplane aeroplane plane jet cessna",
    "animal": "dog cat horse cow sheep pig deer wolf fox lion elephant bear bunny donkey bull",
    "anvil": "anvil",
    "axe": "axe hatchet tomahawk",
    "barrel": "barrel keg cask",
    "bed": "bed bedframe bunkbed cot lit",
    "bench": "bench parkbench",
    "bicycle": "bicycle bike",
    "bird": "bird duck chicken pigeon crow parrot flamingo penguin owl",
    "boat": "boat ship rowboat canoe sailboat",
    "book": "book books bookstack",
    "bottle": "bottle winebottle flask",
    "bow": "bow crossbow longbow",
    "bowl": "bowl fruitbowl",
    "bridge": "bridge",
    "bucket": "bucket pail",
    "bust": "bust",
    "cabinet": "cabinet cupboard wardrobe dresser nightstand sideboard drawer chestofdrawers "
    "kitchencabinet",
    "cactus": "cactus",
    "cage": "cage birdcage",
    "cannon": "cannon",
    "car": "car taxi sedan hatchback suv van racecar policecar automobile jeep kart",
    "chain": "chain",
    "chair": "chair armchair officechair barchair deskchair diningchair chaise seat",
    "column": "column pillar",
    "cooking_pot": "pot cookingpot saucepan cauldron pan",
    "coral": "coral",
    "crate": "crate",
    "dumbbell": "dumbbell barbell",
    "fence": "fence railing",
    "figure": "man woman boy girl knight wizard person character human male female soldier ninja "
    "zombie skeleton rogue mage barbarian",
    "fish": "fish shark salmon tuna goldfish whale dolphin",
    "food_stack": "burger hamburger sandwich cheeseburger",
    "gateway": "gateway",
    "gear": "gear cog cogwheel",
    "gun": "gun pistol rifle shotgun revolver blaster ak",
    "hanger": "hanger coathanger clotheshanger",
    "hat": "hat cap",
    "hook": "hook",
    "house": "house building cottage hut home barn shed",
    "hydrant": "hydrant firehydrant",
    "jar": "jar",
    "key": "key",
    "ladder": "ladder stepladder",
    "lamp": "lamp desklamp floorlamp tablelamp lampe ceilinglamp",
    "lantern": "lantern",
    "laptop": "laptop notebook",
    "mailbox": "mailbox postbox",
    "mug": "mug cup coffeecup teacup",
    "mushroom": "mushroom",
    "nut_and_bolt": "bolt nut screw",
    "open_box": "box cardboardbox",
    "picture_frame": "frame pictureframe painting picture poster",
    "plant": "plant houseplant pottedplant flower fern",
    "pumpkin": "pumpkin",
    "rack": "rack",
    "rock": "rock stone boulder rocks",
    "rocket": "rocket missile",
    "screen": "tv television monitor screen",
    "shelf": "shelf bookshelf bookcase shelves etagere",
    "shield": "shield",
    "sign": "sign signpost roadsign trafficsign",
    "sofa": "sofa couch canape loveseat",
    "spectacles": "spectacles sunglasses eyeglasses",
    "stairs": "stairs staircase stair steps",
    "stool": "stool barstool tabouret",
    "street_lamp": "streetlamp streetlight lamppost",
    "sword": "sword katana dagger knife",
    "table": "table desk coffeetable diningtable sidetable tabledining tablecoffee bureau",
    "teapot": "teapot kettle",
    "tent": "tent",
    "tool": "hammer wrench screwdriver pliers shovel pickaxe",
    "tower": "tower",
    "traffic_cone": "cone trafficcone",
    "tray": "tray",
    "treasure_chest": "chest treasurechest",
    "tree": "tree pine palm oak birch treepine",
    "tripod": "tripod",
    "truck": "truck lorry firetruck ambulance garbagetruck pickup bus",
    "umbrella": "umbrella parasol",
    "vase": "vase",
    "well": "well",
    "wheelbarrow": "wheelbarrow barrow",
}
_FAMILIES = {word: family for family, words in _WORDS.items() for word in words.split()}
# Words that say how an object is, and not what.
_QUALITIES = (
    "visual collision low high resolution lowres poly lowpoly small large big medium long short "
    "thin wide tall old new broken open closed left right single double square round color colour "
    "red green blue yellow white black brown gold golden wood wooden metal gltf glb obj model "
    "mesh default var factory crop lit cc by a b c d e f g h i of the and"
)
_IGNORED = frozenset(_QUALITIES.split())
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_PATH = re.compile(r"__|[/\\]")


def family_of(record: Record) -> str:
    """Return the family of an object: its generator, or else what its name means."""
    if is_procedural(record):
        return record.family
    return family_of_name(record.name)


def is_procedural(record: Record) -> bool:
    """Return whether an object comes from a generator."""
    return record.source.startswith("procedural:")


def family_of_name(name: str) -> str:
    """Return the family that a name means, "other", or ``UNSURE``.

    Args:
        name: Of an object in a set: a path whose folders end in ``__``.
    """
    words = _name_words(name)
    if not words:
        return OTHER
    last_two = "".join(words[-2:])
    for candidate in (last_two, words[-1]):
        if candidate in _FAMILIES:
            return _FAMILIES[candidate]

    # A known word in another place may mean a part of the object, or the object itself.
    is_hinted = any(word in _FAMILIES for word in words)
    return UNSURE if is_hinted else OTHER


def _name_words(name: str) -> list[str]:
    """Return the words of the last part of a path, in lower case, without qualities."""
    parts = [part for part in _PATH.split(name) if part]
    if not parts:
        return []
    words = []

    for word in words_of_name(parts[-1]):
        if word == "with":
            break  # "chair with cushion" is a chair
        if word not in _IGNORED:
            words.append(word)

    return words


def words_of_name(name: str) -> list[str]:
    """Return the words of a name in lower case: those of "carTire.001" are "car" and "tire"."""
    return [match.group().lower() for match in _WORD.finditer(name)]
