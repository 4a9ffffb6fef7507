"""Show the model's confidence as colors of the surface."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.types import Context

from ...core.scene import meshes, source_views
from .._results import show_colors


def has_confidence(context: Context) -> bool:
    """Return whether the active object is a mesh with the attribute "Confidence"."""
    obj = context.active_object
    return obj is not None and obj.type == 'MESH' and meshes.has_confidence(obj.data)


def scale_of(obj: bpy.types.Object) -> meshes.ConfidenceScale:
    """Return the color scale for ``obj``, by the number of images that it was made from."""
    is_single = source_views.count_views(obj) == 1
    return meshes.SINGLE_IMAGE if is_single else meshes.SEVERAL_IMAGES


class MAQUETTE_OT_show_confidence(bpy.types.Operator):
    """Show the confidence of the active object, or its colors again."""

    bl_idname = "maquette.show_confidence"
    bl_label = "Confidence"
    bl_description = (
        "Show how far each part of the surface may be off, from red (guessed) to blue (certain). "
        "Of an object from one image, the scale is its own: all depth is estimated there. Click "
        "again to return to the object's colors"
    )
    bl_options = {'REGISTER', 'UNDO'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        if context.mode != 'OBJECT':
            cls.poll_message_set("Switch to Object Mode first")
            return False
        if not has_confidence(context):
            cls.poll_message_set(
                "Select an object created by Maquette. It needs the attribute \"Confidence\""
            )
            return False
        if not context.active_object.data.is_editable:
            cls.poll_message_set("The mesh is linked from another file and cannot be edited")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        obj = context.active_object
        mesh = obj.data
        if meshes.HEAT in mesh.color_attributes:
            meshes.hide_confidence_colors(mesh)
            return {'FINISHED'}

        meshes.show_confidence_colors(mesh, scale_of(obj))
        if context.screen:
            show_colors(context)
        return {'FINISHED'}


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_show_confidence,))
