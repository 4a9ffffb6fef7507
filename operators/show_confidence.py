"""Shows where the model is sure of a surface and where it guesses."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.types import Context

from ..core.scene import meshes
from .finish import show_shading


def has_confidence(context: Context) -> bool:
    obj = context.active_object
    return obj is not None and obj.type == 'MESH' and meshes.has_confidence(obj.data)


class MAQUETTE_OT_show_confidence(bpy.types.Operator):
    """Show how sure the model is of each part of the surface: red is a guess, blue is sure. Again: its own colors"""

    bl_idname = "maquette.show_confidence"
    bl_label = "Confidence"
    bl_options = {'REGISTER', 'UNDO'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        if context.mode != 'OBJECT':
            cls.poll_message_set("Works in Object Mode")
            return False
        if not has_confidence(context):
            cls.poll_message_set(
                "Choose an object that Maquette has reconstructed: it has the attribute Confidence"
            )
            return False
        if not context.active_object.data.is_editable:
            cls.poll_message_set("The mesh is linked from another file")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        mesh = context.active_object.data
        if meshes.HEAT in mesh.color_attributes:
            meshes.hide_confidence_colors(mesh)
            return {'FINISHED'}
        meshes.show_confidence_colors(mesh)
        if context.screen:
            show_shading(context, texture=False)
        return {'FINISHED'}


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_show_confidence,))
