"""Settings of a training set besides its cameras, for the operators and the panel."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from ...core.scene.datagen.dataset_folder import DatasetSettings
from ...core.scene.datagen.object_parts import MATERIAL, VERTEX_GROUP
from ...core.synthesis import camera_rigs
from .paths import folder_property
from .randomization import OBJECT_ONLY as RANDOMIZED_OBJECT_ONLY
from .randomization import RandomizationProperties

DATASET_FOLDER = (
    "Folder",
    "Folder of the training set. An unfinished set in this folder is continued",
)
# Not available for whole scenes
_OBJECT_ONLY = (*RANDOMIZED_OBJECT_ONLY, "relightable", "grid", "parts")

# Values of ``DatasetSettings.parts``
_PART_KINDS = {'NONE': "", 'MATERIAL': MATERIAL, 'VERTEX_GROUP': VERTEX_GROUP}


class ImageProperties:
    """Mix-in of the operators, and of the settings in the panel."""

    size: IntProperty(
        name="Image Size",
        description="Width and height of the rendered images in pixels. Doubling it takes four "
        "times the time",
        default=128,
        min=16,
        max=2048,
        subtype='PIXEL',
    )
    samples: IntProperty(
        name="Samples",
        description="Cycles samples per pixel. More samples take longer and reduce noise",
        default=16,
        min=1,
        max=4096,
    )
    denoise: BoolProperty(
        name="Denoise",
        description="Denoise the color image with Open Image Denoise. Takes about as long as 6 "
        "samples",
    )
    points: IntProperty(
        name="Occupancy Points",
        description="Number of uniform occupancy samples per object, and the same number again "
        "near its surface",
        default=16384,
        min=256,
        max=1000000,
    )
    relightable: BoolProperty(
        name="Relightable",
        description="Also write the albedo and the ambient occlusion of each image, so that it "
        "can be relit. Takes a tenth more time. Not available for whole scenes",
    )
    grid: BoolProperty(
        name="Grid",
        description="Also write which of 96 x 96 x 96 cells around each object are inside it. "
        "Takes a tenth of a second per object. Not available for whole scenes",
    )
    parts: EnumProperty(
        name="Parts",
        description="Also write which part each pixel and each surface point belongs to. Parts of "
        "procedural objects have the names of their generator. Not available for whole scenes",
        items=(
            ('NONE', "None", "Write no parts"),
            ('MATERIAL', "Materials", "Each material of an object is a part"),
            (
                'VERTEX_GROUP',
                "Vertex Groups",
                "Each vertex group of an object is a part, or each material if it has no group",
            ),
        ),
    )
    hdri: folder_property(
        "HDRI Folder",
        "Folder of environment images (.exr, .hdr) used for lighting. Leave empty for the HDRIs "
        "that come with Blender",
    )
    seed: IntProperty(
        name="Seed",
        description="Random seed for objects, cameras, lighting and sample points",
        default=0,
        min=0,
    )
    classes_from: EnumProperty(
        name="Classes",
        description="Source of each object's class",
        items=(
            (
                'PROPERTY',
                "Custom Property",
                "The custom property named below, otherwise the collection",
            ),
            ('COLLECTION', "Collection", "The collection that contains the object"),
            ('MATERIAL', "Material", "The object's first material"),
        ),
    )
    class_property: StringProperty(
        name="Class Property",
        description="Name of the custom property that stores the class",
        default="maquette_family",
    )
    show_world: BoolProperty(
        name="Show World",
        description="Render the world behind a whole scene. Otherwise the background is "
        "transparent",
    )
    other_worlds: BoolProperty(
        name="Random World HDRI",
        description="Light each view of a whole scene with a random HDRI instead of the scene's "
        "world. Objects rendered individually always use random HDRIs",
    )


class DatasetProperties(ImageProperties, RandomizationProperties):
    """Mix-in of the operators that render or preview a set, and of the settings in the panel."""

    def dataset_settings(self, cameras: str) -> DatasetSettings:
        """Return the settings with ``cameras``, rigs of ``core.synthesis.camera_rigs``."""
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
            parts=_PART_KINDS[self.parts],
        )


class MaquetteDataset(DatasetProperties, bpy.types.PropertyGroup):
    """What the panel Training Data shows: ``scene.maquette.dataset``."""

    def apply_to(self, button: bpy.types.OperatorProperties, whole_scene: bool = False) -> None:
        """Set the properties of the operator behind ``button``.

        Args:
            button: of an operator that renders or previews a set.
            whole_scene: leave out what is not available for whole scenes.
        """
        for name in (*ImageProperties.__annotations__, *RandomizationProperties.__annotations__):
            if not (whole_scene and name in _OBJECT_ONLY):
                setattr(button, name, getattr(self, name))


register, unregister = bpy.utils.register_classes_factory((MaquetteDataset,))
