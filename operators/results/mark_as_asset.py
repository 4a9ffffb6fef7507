"""Make a reconstructed object an asset of the asset browser."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.types import Context

from ...core.scene import source_views
from ...core.scene.rendering import asset_preview


def is_asset_candidate(context: Context) -> bool:
    """Return whether the active object is a mesh that was reconstructed; cheap, for panels."""
    obj = context.active_object
    return obj is not None and obj.type == 'MESH' and source_views.is_reconstructed(obj)


class MAQUETTE_OT_mark_as_asset(bpy.types.Operator):
    """Make the active object an asset."""

    bl_idname = "maquette.mark_as_asset"
    bl_label = "Mark as Asset"
    bl_description = (
        "Mark the active object as an asset with a preview and metadata on its source images, "
        "model and settings. Of an object that is an asset already, renew them"
    )
    bl_options = {'REGISTER', 'UNDO'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        if context.mode != 'OBJECT':
            cls.poll_message_set("Switch to Object Mode first")
            return False
        if not is_asset_candidate(context):
            cls.poll_message_set("Select a mesh that was reconstructed by Maquette")
            return False
        if not context.active_object.is_editable:
            cls.poll_message_set("The object is linked from another file and cannot be edited")
            return False
        if not len(context.active_object.data.polygons):
            cls.poll_message_set("The mesh has no faces, so that a preview would show nothing")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        obj = context.active_object
        context.view_layer.update()
        facts = {
            **source_views.load_facts(obj),
            "size": max(obj.dimensions),
            "vertices": len(obj.data.vertices),
            "faces": len(obj.data.polygons),
        }
        asset_preview.mark_as_asset(obj, facts)
        self.report({'INFO'}, f"{obj.name} is an asset of this file now. Save the file to keep it")

        return {'FINISHED'}


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_mark_as_asset,))
