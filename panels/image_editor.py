"""The panel of the Image Editor: a mesh from the image that is open there."""

from __future__ import annotations

import bpy
from bpy.types import Context

from ..operators.images.cut_out import MAQUETTE_OT_cut_out
from ..operators.reconstruct import MAQUETTE_OT_reconstruct
from .dependency_notice import draw_missing
from .progress import draw_progress, mark_buttons
from .sidebar import BUTTON_SCALE


class MAQUETTE_PT_image(bpy.types.Panel):
    bl_label = "Maquette"
    bl_space_type = 'IMAGE_EDITOR'
    bl_region_type = 'UI'
    bl_category = "Maquette"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return context.space_data.image is not None

    def draw(self, context: Context) -> None:
        layout = self.layout
        mark_buttons(layout, type(self).__name__)
        is_missing = draw_missing(layout, type(self).__name__)
        image = context.space_data.image
        settings = context.scene.maquette
        column = layout.column()
        column.enabled = not is_missing

        # First look at the cut-out, then reconstruct.
        button = column.operator(MAQUETTE_OT_cut_out.bl_idname, icon='IMAGE_ALPHA')
        button.image = image.name
        button.keep_holes = settings.keep_holes
        row = column.row()
        row.scale_y = BUTTON_SCALE
        button = row.operator(MAQUETTE_OT_reconstruct.bl_idname, icon='MESH_MONKEY')
        button.image = image.name
        settings.apply_to(button)
        draw_progress(layout, type(self).__name__)


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_image,))
