"""What the panels show and the file keeps: ``scene.maquette``."""

from __future__ import annotations

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ...core.scene.compat import PATH_OPTIONS
from .cameras import MaquetteCameras
from .dataset import MaquetteDataset
from .finish import MaquetteFinish
from .training import MaquetteTraining

RESOLUTION = {
    "name": "Resolution",
    "description": "Cells along the longest side. Twice as many show finer detail "
    "and take about four times the time, memory and faces",
    "default": 128,
    "min": 32,
    "max": 256,
    "step": 16,
}
FIT = {
    "name": "Fit to Pictures",
    "description": "Afterwards move the surface so that its outline matches the pictures'. "
    "Takes some seconds more; thin parts gain most",
    "default": False,
}
WEIGHTS = {
    "name": "Weights",
    "description": "File with the model's weights. Empty: the one in the preferences, else the bundled one",
    "subtype": 'FILE_PATH',
    "options": {'SKIP_SAVE', *PATH_OPTIONS},
}
SIZE = {
    "name": "Size",
    "description": "Length of the object's longest side in metres. Costs nothing",
    "default": 1.0,
    "min": 0.001,
    "max": 10000.0,
    "soft_min": 0.01,
    "soft_max": 100.0,
    "unit": 'LENGTH',
}


def side_property(side: str, options: frozenset[str] = frozenset()) -> StringProperty:
    """The path of the picture of one side; an annotation for a class of properties."""
    return StringProperty(
        name=side.capitalize(),
        description=f"Image file of the object's {side}, seen straight on. "
        "Each side more makes the shape surer and takes about a third of the time of the first",
        subtype='FILE_PATH',
        options={*options, *PATH_OPTIONS},
    )


class MaquetteSettings(bpy.types.PropertyGroup):
    source: EnumProperty(
        name="From",
        description="What to reconstruct from",
        items=(
            ('IMAGE', "Picture", "One picture of the object, from anywhere"),
            (
                'SIDES',
                "Sides",
                "One or more drawings or pictures of the object's sides, seen straight on",
            ),
            (
                'REFERENCES',
                "References",
                "Image empties, and cameras with a background image, that stand in the scene; the object comes to "
                "stand where they show it",
            ),
        ),
    )
    image: PointerProperty(
        name="Image",
        description="Picture of the object. If it has no alpha, the object is found in it",
        type=bpy.types.Image,
    )
    front: side_property("front")
    right: side_property("right")
    back: side_property("back")
    left: side_property("left")
    top: side_property("top")
    bottom: side_property("bottom")
    references: PointerProperty(
        name="Collection",
        description="Collection of the references to use. None: those selected or, if none is, all in view",
        type=bpy.types.Collection,
    )
    sheet: PointerProperty(
        name="Sheet",
        description="Picture with several sides of the object, apart from each other before a plain background or none",
        type=bpy.types.Image,
    )
    disagreements: StringProperty(
        name="Disagreements",
        description="In what the references of the last run contradict each other, as measured",
        options={'SKIP_SAVE'},
    )
    resolution: IntProperty(**RESOLUTION)
    fit: BoolProperty(**FIT)
    size: FloatProperty(**SIZE)
    show_colours: BoolProperty(
        name="Show Colors",
        description="Afterwards let the Solid views of this screen, where they show material colors or textures, "
        "show the object's own colors (Viewport Shading, Color: Attribute)",
        default=True,
    )
    batch_folder: StringProperty(
        name="Folder",
        description="Of pictures: each becomes an object. Each takes as long as one picture does",
        subtype='DIR_PATH',
        options=set(PATH_OPTIONS),
    )
    batch_assets: BoolProperty(
        name="Mark as Assets",
        description="The objects appear in the asset browser, with a preview and what they were made of",
    )
    dataset_folder: StringProperty(
        name="Folder",
        description="Where to write the training set. A set that is begun there is gone on with",
        subtype='DIR_PATH',
        options=set(PATH_OPTIONS),
    )
    cameras: PointerProperty(type=MaquetteCameras)
    dataset: PointerProperty(type=MaquetteDataset)
    training: PointerProperty(type=MaquetteTraining)
    finish: PointerProperty(type=MaquetteFinish)


_register, _unregister = bpy.utils.register_classes_factory((MaquetteSettings,))


def register() -> None:
    _register()
    bpy.types.Scene.maquette = PointerProperty(type=MaquetteSettings)


def unregister() -> None:
    del bpy.types.Scene.maquette
    _unregister()
