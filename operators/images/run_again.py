"""Run a reconstruction of the history again."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import IntProperty
from bpy.types import Context

from .from_image import reconstruct_image


class MAQUETTE_OT_run_again(bpy.types.Operator):
    """Reconstruct from an image of the history again."""

    bl_idname = "maquette.run_again"
    bl_label = "Run Again"
    bl_description = "Reconstruct from this image again, with the settings of that time"
    bl_options = {'INTERNAL'}

    index: IntProperty(
        name="Index", description="Place in the history", min=0, options={'SKIP_SAVE'}
    )

    def execute(self, context: Context) -> set[str]:
        settings = context.scene.maquette
        if self.index >= len(settings.history) or not settings.history[self.index].image:
            self.report({'ERROR'}, "The image of this result is no longer in the file")
            return {'CANCELLED'}
        result = settings.history[self.index]
        result.apply_to(settings)
        return reconstruct_image(context, result.image)


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_run_again,))
