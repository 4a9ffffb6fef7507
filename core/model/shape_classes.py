"""The classes of shapes that a generator is asked for: families merged until each has hundreds."""

from __future__ import annotations

# Identifier, name, and the families of procedural objects that belong to it.
SHAPE_CLASSES: dict[str, tuple[str, tuple[str, ...]]] = {
    "seat": ("Seat", ("bed", "bench", "chair", "sofa", "stool")),
    "table": ("Table and Rack", ("ladder", "rack", "shelf", "stairs", "table", "tripod")),
    "box": (
        "Box",
        ("book", "cabinet", "crate", "food_stack", "open_box", "treasure_chest", "tray"),
    ),
    "vessel": (
        "Vessel",
        ("barrel", "bottle", "bowl", "bucket", "cooking_pot", "jar", "mug", "teapot", "vase"),
    ),
    "vehicle": ("Vehicle", ("aeroplane", "bicycle", "boat", "car", "rocket", "truck")),
    "creature": ("Creature", ("animal", "bird", "bust", "figure", "fish")),
    "plant": (
        "Plant and Rock",
        ("cactus", "coral", "mushroom", "plant", "pumpkin", "rock", "tree"),
    ),
    "building": (
        "Building",
        ("bridge", "column", "gateway", "house", "lattice_tower", "tent", "tower", "well"),
    ),
    "weapon": ("Weapon", ("axe", "bow", "cannon", "gun", "shield", "sword")),
    "tool": (
        "Tool and Hardware",
        (
            "anvil",
            "bone",
            "bracket",
            "chain",
            "dumbbell",
            "gear",
            "hook",
            "horn",
            "key",
            "nut_and_bolt",
            "pipe_fitting",
            "spectacles",
            "spoked_wheel",
            "spring",
            "tool",
        ),
    ),
    "street": (
        "Lamp and Street",
        ("fence", "hydrant", "lamp", "sign", "street_lamp", "traffic_cone", "umbrella"),
    ),
    "abstract": (
        "Abstract",
        (
            "blob",
            "board",
            "bullet_random",
            "cage",
            "carved",
            "cut_out",
            "hanger",
            "laptop",
            "metaballs",
            "picture_frame",
            "profile",
            "random_composition",
            "random_lathe",
            "random_sweep",
            "screen",
            "sticks",
            "symmetric_composition",
            "wire_basket",
            "wireframe",
            "zeroverse",
        ),
    ),
}
CLASS_NAMES = tuple(SHAPE_CLASSES)
ANY_CLASS = len(CLASS_NAMES)  # index of what belongs to no class, and of the choice of any


def class_index(family: str) -> int:
    """Return the index of the class of a family; ``ANY_CLASS`` for sets of mixed objects."""
    return _INDEX.get(family, ANY_CLASS)


def has_class(family: str) -> bool:
    """Return whether the objects of a family belong to one of the classes."""
    return family in _INDEX


def _family_index() -> dict[str, int]:
    """Return the index of the class of each known family."""
    index = {}
    for number, (_, families) in enumerate(SHAPE_CLASSES.values()):
        index.update(dict.fromkeys(families, number))
    return index


_INDEX = _family_index()
