"""Settings that the panels show and the file stores: ``scene.maquette``."""

from __future__ import annotations

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ...core.cameras import SIDES
from ...core.geometry.reshaping.smoothing import DEFAULT_SMOOTH
from .cameras import MaquetteCameras
from .dataset import DATASET_FOLDER, MaquetteDataset
from .finish import MaquetteFinish
from .history import MaquetteResult
from .paths import file_property, folder_property, side_image_property, side_property
from .training import MaquetteTraining

# Shared with the operators and the command line.
RESOLUTION = {
    "name": "Resolution",
    "description": "Number of grid cells along the longest side. Doubling it gives finer detail "
    "and takes about four times the time, memory and faces",
    "default": 128,
    "min": 32,
    "max": 256,
    "step": 16,
}
FIT = {
    "name": "Fit to Images",
    "description": "Move the surface after reconstruction so that its outline matches the images. "
    "Takes a few more seconds and helps thin parts most",
    "default": False,
}
KEEP_HOLES = {
    "name": "Keep Holes",
    "description": "Let the background be seen through the object where it has holes, as a mug's "
    "handle. Turn it off if white parts of the object are taken for holes: everything within its "
    "outline is then solid. An image with an alpha channel is used as it is",
    "default": True,
}
SMOOTH = {
    "name": "Smooth",
    "description": "How far dents and steps of the surface are smoothed, most where no image shows "
    "it. The outline stays",
    "default": DEFAULT_SMOOTH,
    "min": 0.0,
    "max": 1.0,
    "subtype": 'FACTOR',
}
TEXTURE = {
    "name": "Texture",
    "description": "Unwrap the mesh afterwards and bake a texture from its images, which shows "
    "more than its vertex colors. Takes a few more seconds",
}
LABEL_PARTS = {
    "name": "Label Parts",
    "description": "Find the parts afterwards, such as seat and legs, in the images. They become a "
    "face attribute and vertex groups, and material slots unless there is a texture",
}
SIZE = {
    "name": "Size",
    "description": "Length of the object's longest side",
    "default": 1.0,
    "min": 0.001,
    "max": 10000.0,
    "soft_min": 0.01,
    "soft_max": 100.0,
    "unit": 'LENGTH',
}
OUTPUT = {
    "name": "Output",
    "description": "What is made of the shape that the model finds",
    "items": (
        ('MESH', "Mesh", "A closed mesh of quads"),
        (
            'POINTS',
            "Points",
            "Colored points on the surface with normals and confidence, as many as the square of "
            "the resolution",
        ),
        (
            'VOXELS',
            "Voxels",
            "Colored cubes of one size, as many along the longest side as the resolution",
        ),
    ),
}
MARK_AS_ASSETS = {
    "name": "Mark as Assets",
    "description": "Mark each object as an asset with a preview and metadata on its source image, "
    "model and settings",
}
BATCH_FOLDER = ("Folder", "Folder of images. Each image becomes one object")
WEIGHTS = file_property(
    "Weights",
    "Model weights to use. Leave empty for the file in the preferences, or the bundled weights if "
    "none is set there",
    {'SKIP_SAVE'},
)

_RECONSTRUCTION = (
    "resolution",
    "keep_holes",
    "size",
    "smooth",
    "fit",
    "output",
    "texture",
    "label_parts",
)


def side_image_name(side: str) -> str:
    """Return the name of the property that holds the image of a side."""
    return f"{side}_image"


class MaquetteSettings(bpy.types.PropertyGroup):
    """The settings of a scene."""

    source: EnumProperty(
        name="Source",
        description="Input of the reconstruction",
        items=(
            ('IMAGE', "Image", "One image of the object from any direction"),
            (
                'SIDES',
                "Sides",
                "One or more orthographic images or drawings of the object's sides",
            ),
            (
                'REFERENCES',
                "References",
                "Image empties and cameras with background images in the scene. The object is "
                "placed where they show it",
            ),
        ),
    )
    image: PointerProperty(
        name="Image",
        description="Image of the object. If it has no alpha channel, the background is removed "
        "automatically",
        type=bpy.types.Image,
    )
    front: side_property("front")
    right: side_property("right")
    back: side_property("back")
    left: side_property("left")
    top: side_property("top")
    bottom: side_property("bottom")
    # Images take precedence over the files above, which scripts and older files use.
    front_image: side_image_property("front")
    right_image: side_image_property("right")
    back_image: side_image_property("back")
    left_image: side_image_property("left")
    top_image: side_image_property("top")
    bottom_image: side_image_property("bottom")
    references: PointerProperty(
        name="Collection",
        description="Collection of references to use. Leave empty for the selected references or, "
        "if none is selected, all visible ones",
        type=bpy.types.Collection,
    )
    sheet: PointerProperty(
        name="Sheet",
        description="Image with several sides of the object, separated from each other, on a "
        "plain or transparent background",
        type=bpy.types.Image,
    )
    disagreements: StringProperty(
        name="Disagreements",
        description="How the references of the last reconstruction contradict each other",
        options={'SKIP_SAVE'},
    )
    resolution: IntProperty(**RESOLUTION)
    keep_holes: BoolProperty(**KEEP_HOLES)
    fit: BoolProperty(**FIT)
    output: EnumProperty(**OUTPUT)
    texture: BoolProperty(**TEXTURE, default=True)
    label_parts: BoolProperty(**LABEL_PARTS)
    size: FloatProperty(**SIZE)
    smooth: FloatProperty(**SMOOTH)
    show_colours: BoolProperty(
        name="Show Colors",
        description="After reconstruction, set Viewport Shading > Color to Attribute in the Solid "
        "viewports of this screen that show material or texture colors",
        default=True,
    )
    batch_folder: folder_property(*BATCH_FOLDER)
    batch_assets: BoolProperty(**MARK_AS_ASSETS)
    dataset_folder: folder_property(*DATASET_FOLDER)
    cameras: PointerProperty(type=MaquetteCameras)
    dataset: PointerProperty(type=MaquetteDataset)
    training: PointerProperty(type=MaquetteTraining)
    finish: PointerProperty(type=MaquetteFinish)
    history: CollectionProperty(type=MaquetteResult)

    def reconstruction_options(self) -> dict[str, object]:
        """Return the options of the operator Reconstruct by name, without its images."""
        return {name: getattr(self, name) for name in _RECONSTRUCTION}

    def apply_to(self, button: bpy.types.OperatorProperties) -> None:
        """Set the properties of the operator behind ``button``, which reconstructs from images."""
        for name, value in self.reconstruction_options().items():
            setattr(button, name, value)

    def side_image(self, side: str) -> bpy.types.Image | None:
        """Return the image of a side, of ``core.cameras.SIDES``; None if it has none."""
        return getattr(self, side_image_name(side))

    def has_side(self, side: str) -> bool:
        """Return whether a side has an image or a file."""
        return bool(self.side_image(side) or getattr(self, side))

    def apply_sides_to(self, button: bpy.types.OperatorProperties) -> None:
        """Set the sides of the operator behind ``button``, each to its image, else to its file."""
        for side in SIDES:
            image = self.side_image(side)
            if image:
                setattr(button, side_image_name(side), image.name)
            else:
                setattr(button, side, getattr(self, side))

    def replace_image(self, old: bpy.types.Image, new: bpy.types.Image) -> None:
        """Use ``new`` instead of ``old`` as the sides that show it, or else as the single image."""
        sides = []
        if self.source == 'SIDES':
            sides = [side for side in SIDES if self.side_image(side) == old]
        for side in sides:
            setattr(self, side_image_name(side), new)
        if not sides:
            self.image = new


_register, _unregister = bpy.utils.register_classes_factory((MaquetteSettings,))


def register() -> None:
    """Register the settings as ``Scene.maquette``."""
    _register()
    bpy.types.Scene.maquette = PointerProperty(type=MaquetteSettings)


def unregister() -> None:
    """Remove them."""
    del bpy.types.Scene.maquette
    _unregister()
