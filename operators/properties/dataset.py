"""What a training set is made with besides its cameras: as the operator takes it, and as the panels keep it."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from ...core.scene.compat import PATH_OPTIONS
from ...core.scene.datagen.dataset_folder import DatasetSettings
from ...core.synthesis import camera_rigs
from .randomization import OF_OBJECTS, RandomizationProperties


class PictureProperties:
    """Mix-in of an operator, and of what the panels keep."""

    size: IntProperty(
        name="Picture Size",
        description="Side of the square pictures in pixels. Twice as many take four times the time",
        default=128,
        min=16,
        max=2048,
        subtype='PIXEL',
    )
    samples: IntProperty(
        name="Samples",
        description="Of Cycles for each pixel. Time grows with them, noise falls with their square root",
        default=16,
        min=1,
        max=4096,
    )
    denoise: BoolProperty(
        name="Denoise",
        description="Free the colors of noise. Costs about as much as 6 samples and shows more than these would",
    )
    points: IntProperty(
        name="Points",
        description="Points of each object that are told inside or outside, as many again near its surface",
        default=16384,
        min=256,
        max=1000000,
    )
    relightable: BoolProperty(
        name="Relightable",
        description="Write the color without light and the ambient occlusion of each picture, by which it can be lit "
        "anew. Takes a tenth more time; a whole scene has no such pictures",
    )
    grid: BoolProperty(
        name="Grid",
        description="Write which of 96 x 96 x 96 cells about each object are inside it. "
        "Takes a tenth of a second an object; a whole scene has none",
    )
    hdri: StringProperty(
        name="Light Domes",
        description="Folder of EXR or HDR pictures to light with. Empty: those that Blender ships",
        subtype='DIR_PATH',
        options=set(PATH_OPTIONS),
    )
    seed: IntProperty(
        name="Seed",
        description="Of objects, cameras, light and points. Costs nothing",
        default=0,
        min=0,
    )
    classes_from: EnumProperty(
        name="Classes",
        description="What tells the class of each object of the scene",
        items=(
            ('PROPERTY', "Custom Property", "The named custom property, else the collection"),
            ('COLLECTION', "Collection", "The collection that it lies in"),
            ('MATERIAL', "Material", "Its first material"),
        ),
    )
    class_property: StringProperty(
        name="Class Property",
        description="Name of the custom property that tells the class",
        default="maquette_family",
    )
    show_world: BoolProperty(
        name="Show World",
        description="Whether a whole scene is seen before its world; else the pictures are clear there",
    )
    other_worlds: BoolProperty(
        name="Other Worlds",
        description="Light each view of a whole scene by a drawn light dome in place of its world. "
        "Objects rendered one by one always are",
    )


class DatasetProperties(PictureProperties, RandomizationProperties):
    """Mix-in of the operators that render a set, or show what would be rendered, and of what the panels keep."""

    def dataset_settings(self, cameras: str) -> DatasetSettings:
        """All this with the ``cameras``, in the words of ``core.synthesis.camera_rigs``."""
        return DatasetSettings(
            seed=self.seed,
            size=self.size,
            samples=self.samples,
            denoise=self.denoise,
            cameras=camera_rigs.parse_rigs(cameras.split()),
            points=self.points,
            hdri=Path(bpy.path.abspath(self.hdri)) if self.hdri else None,
            random=self.randomization_settings(),
            classes_from=self.classes_from,
            class_property=self.class_property,
            relightable=self.relightable,
            grid=self.grid,
        )


class MaquetteDataset(DatasetProperties, bpy.types.PropertyGroup):
    def apply_to(self, button: bpy.types.OperatorProperties, whole_scene: bool = False) -> None:
        """Let the operator behind ``button`` use all this, or of a whole scene what makes sense there."""
        for name in (*PictureProperties.__annotations__, *RandomizationProperties.__annotations__):
            if not (whole_scene and name in (*OF_OBJECTS, "relightable", "grid")):
                setattr(button, name, getattr(self, name))


register, unregister = bpy.utils.register_classes_factory((MaquetteDataset,))
