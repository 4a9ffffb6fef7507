"""Settings of the random variation in a training set, besides cameras and HDRIs."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import EnumProperty, FloatProperty, FloatVectorProperty, IntProperty

from ...core.synthesis.randomization import BACKGROUNDS, MOST, Randomization
from .paths import folder_property

OBJECT_ONLY = ("turn", "scale")  # the objects of a whole scene would intersect


class RandomizationProperties:
    """Mix-in of the operators, and of the settings in the panel."""

    lamps: IntProperty(
        name="Lights",
        description="Maximum number of area lights with random position, size, color temperature "
        "and power in each view",
        default=0,
        min=0,
        max=MOST,
        options={'SKIP_SAVE'},
    )
    materials: FloatProperty(
        name="Random Materials",
        description="Probability that an object is rendered with random materials instead of its "
        "own",
        default=0.0,
        min=0,
        max=1,
        subtype='FACTOR',
        options={'SKIP_SAVE'},
    )
    textures: folder_property(
        "Textures",
        "Folder of images for random materials. Leave empty to use procedural textures only",
        {'SKIP_SAVE'},
    )
    backgrounds: EnumProperty(
        name="Backgrounds",
        description="Kinds of random background. The background is stored separately from the "
        "object's image",
        items=(
            ('TRANSPARENT', "Transparent", "No background"),
            ('PLAIN', "Plain Color", "One color"),
            ('IMAGE', "Image", "A crop of an image from a folder"),
            (
                'HDRI',
                "HDRI",
                "The HDRI or world that lights the view. Adds one quick render per view",
            ),
        ),
        options={'ENUM_FLAG', 'SKIP_SAVE'},
        default={'TRANSPARENT'},
    )
    background_folder: folder_property(
        "Background Images", "Folder of background images", {'SKIP_SAVE'}
    )
    turn: EnumProperty(
        name="Random Rotation",
        description="Rotation of each object about its center before rendering and sampling. Not "
        "available for whole scenes",
        items=(
            ('NONE', "None", "No rotation"),
            ('Z', "About Z", "Random angle about Z"),
            ('ANY', "Any", "Any random rotation"),
        ),
        options={'SKIP_SAVE'},
    )
    scale: FloatVectorProperty(
        name="Random Scale",
        description="Minimum and maximum scale of each object about its center. Not available for "
        "whole scenes",
        size=2,
        default=(1.0, 1.0),
        min=0.001,
        max=1000,
        options={'SKIP_SAVE'},
    )
    occluders: IntProperty(
        name="Occluders",
        description="Maximum number of small objects in front of the object or scene in each "
        "view. Adds one render per view",
        default=0,
        min=0,
        max=MOST,
        options={'SKIP_SAVE'},
    )
    hidden: FloatProperty(
        name="Max Occlusion",
        description="Maximum fraction of the object's silhouette that occluders may cover",
        default=0.3,
        min=0,
        max=1,
        subtype='FACTOR',
        options={'SKIP_SAVE'},
    )

    def randomization_settings(self) -> Randomization:
        """Return the properties as plain values."""
        return Randomization(
            lamps=self.lamps,
            materials=self.materials,
            textures=_absolute_folder(self.textures),
            backgrounds=tuple(kind for kind in BACKGROUNDS if kind.upper() in self.backgrounds),
            pictures=_absolute_folder(self.background_folder),
            turn=self.turn.lower(),
            scale=tuple(self.scale),
            occluders=self.occluders,
            hidden=self.hidden,
        )


def _absolute_folder(path: str) -> Path | None:
    return Path(bpy.path.abspath(path)) if path else None
