"""What a training set draws by chance besides cameras and light: properties and arguments of ``maquette dataset``."""

from __future__ import annotations

import argparse
from pathlib import Path

import bpy
from bpy.props import EnumProperty, FloatProperty, FloatVectorProperty, IntProperty, StringProperty

from ...core.scene.compat import PATH_OPTIONS
from ...core.synthesis.randomization import BACKGROUNDS, MOST, TURNS, Randomization

OF_OBJECTS = ("turn", "scale")  # which would run into each other in a whole scene


class RandomizationProperties:
    """Mix-in of an operator."""

    lamps: IntProperty(
        name="Lamps",
        description="At most so many area lamps of drawn place, size, color temperature and power light each view",
        default=0,
        min=0,
        max=MOST,
        options={'SKIP_SAVE'},
    )
    materials: FloatProperty(
        name="Other Materials",
        description="Probability that an object is rendered in drawn materials in place of its own",
        default=0.0,
        min=0,
        max=1,
        subtype='FACTOR',
        options={'SKIP_SAVE'},
    )
    textures: StringProperty(
        name="Textures",
        description="Folder of pictures for the drawn materials. Empty: procedural textures only",
        subtype='DIR_PATH',
        options={'SKIP_SAVE', *PATH_OPTIONS},
    )
    backgrounds: EnumProperty(
        name="Backgrounds",
        description="Each view has one of these behind it, stored beside the object's own picture",
        items=(
            ('TRANSPARENT', "Transparent", "Nothing"),
            ('PLAIN', "Plain", "A color"),
            ('IMAGE', "Image", "A part of a picture of a folder"),
            (
                'HDRI',
                "Light Dome",
                "The light dome, or the world, itself; one more, quick rendering a view",
            ),
        ),
        options={'ENUM_FLAG', 'SKIP_SAVE'},
        default={'TRANSPARENT'},
    )
    background_folder: StringProperty(
        name="Background Pictures",
        description="Folder of pictures for backgrounds",
        subtype='DIR_PATH',
        options={'SKIP_SAVE', *PATH_OPTIONS},
    )
    turn: EnumProperty(
        name="Turn",
        description="How each object is turned about its centre before it is rendered and sampled. Not in whole scenes",
        items=(
            ('NONE', "Not", "As it is"),
            ('Z', "About Z", "By any angle about Z"),
            ('ANY', "Anyhow", "By any rotation"),
        ),
        options={'SKIP_SAVE'},
    )
    scale: FloatVectorProperty(
        name="Scale",
        description="Least and most by which each object is scaled about its centre. Not in whole scenes",
        size=2,
        default=(1.0, 1.0),
        min=0.001,
        max=1000,
        options={'SKIP_SAVE'},
    )
    occluders: IntProperty(
        name="Occluders",
        description="At most so many small things before object or scene in each view; one more rendering a view",
        default=0,
        min=0,
        max=MOST,
        options={'SKIP_SAVE'},
    )
    hidden: FloatProperty(
        name="Hidden",
        description="The largest share of an object's silhouette that occluders may hide",
        default=0.3,
        min=0,
        max=1,
        subtype='FACTOR',
        options={'SKIP_SAVE'},
    )

    def randomization_settings(self) -> Randomization:
        return Randomization(
            self.lamps,
            self.materials,
            _absolute_folder(self.textures),
            tuple(kind for kind in BACKGROUNDS if kind.upper() in self.backgrounds),
            _absolute_folder(self.background_folder),
            self.turn.lower(),
            tuple(self.scale),
            self.occluders,
            self.hidden,
        )


def _absolute_folder(path: str) -> Path | None:
    return Path(bpy.path.abspath(path)) if path else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("drawn by chance")
    group.add_argument(
        "--lamps", type=int, default=0, help=f"at most so many area lamps a view, to {MOST} (none)"
    )
    group.add_argument(
        "--materials",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="drawn materials for so many (0)",
    )
    group.add_argument(
        "--textures",
        type=Path,
        metavar="FOLDER",
        help="pictures for these (procedural textures only)",
    )
    group.add_argument(
        "--backgrounds",
        default="transparent",
        metavar="KINDS",
        help=f"parted by commas, of {', '.join(BACKGROUNDS)}",
    )
    group.add_argument(
        "--background-pictures", type=Path, metavar="FOLDER", help="for backgrounds of images"
    )
    group.add_argument(
        "--turn", choices=TURNS, default="none", help="each object about its centre (%(default)s)"
    )
    group.add_argument(
        "--scale",
        type=float,
        nargs=2,
        default=(1.0, 1.0),
        metavar=("LEAST", "MOST"),
        help="of each object (1 1)",
    )
    group.add_argument(
        "--occluders", type=int, default=0, help=f"at most so many a view, to {MOST} (none)"
    )
    group.add_argument(
        "--hidden", type=float, default=0.3, help="share that they hide at most (%(default)s)"
    )


def from_arguments(arguments: argparse.Namespace) -> Randomization:
    return Randomization(
        arguments.lamps,
        arguments.materials,
        arguments.textures,
        tuple(arguments.backgrounds.split(",")),
        arguments.background_pictures,
        arguments.turn,
        tuple(map(float, arguments.scale)),
        arguments.occluders,
        arguments.hidden,
    )
