"""The add-on's preferences: whose weights, and whether this Python has what the model needs."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty
from bpy.types import Context, UILayout

from ..core import dependencies
from ..core.scene.compat import PATH_OPTIONS
from ..operators.copy_install_command import MAQUETTE_OT_copy_install_command


def draw_missing(layout: UILayout) -> bool:
    """Say which package of the model is missing and what to do, if one is. Whether one is."""
    missing = dependencies.missing(*dependencies.MODEL)
    if missing:
        box = layout.box().column(align=True)
        name = dependencies.PACKAGES[missing[0]][0]
        box.label(text=f"{name} is not installed", icon='ERROR')
        for text in ("in Blender's Python. Everything", "else works. Run in a terminal,", "then restart Blender:"):
            box.label(text=text)
        copy = box.operator(MAQUETTE_OT_copy_install_command.bl_idname, icon='COPYDOWN')
        copy.package = missing[0]
    return bool(missing)


class MaquettePreferences(bpy.types.AddonPreferences):
    bl_idname = __package__.rpartition(".")[0]

    weights: StringProperty(
        name="Weights",
        description="File with weights of your own training (.safetensors). Empty: those that came with the add-on",
        subtype='FILE_PATH',
        options=set(PATH_OPTIONS),
    )

    def draw(self, context: Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "weights")
        if not draw_missing(layout):
            layout.label(text=f"PyTorch {dependencies.version('torch')} found", icon='CHECKMARK')


register, unregister = bpy.utils.register_classes_factory((MaquettePreferences,))
