"""The sidebar's part for those who train: objects to learn from, and training sets of them."""

from __future__ import annotations

import bpy
from bpy.types import Context

from ..operators.dataset import MAQUETTE_OT_render_dataset
from ..operators.procedural import MAQUETTE_OT_add_procedural


class MAQUETTE_PT_dataset(bpy.types.Panel):
    bl_label = "Training Data"
    bl_space_type = 'VIEW_3D'
    bl_region_type = 'UI'
    bl_category = "Maquette"
    bl_options = {'DEFAULT_CLOSED'}

    def draw(self, context: Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = context.scene.maquette
        layout.operator_menu_enum(MAQUETTE_OT_add_procedural.bl_idname, "family", icon='ADD')
        column = layout.column()
        column.prop(settings, "dataset_folder")
        row = column.row()
        row.enabled = bool(settings.dataset_folder)
        button = row.operator(MAQUETTE_OT_render_dataset.bl_idname, text="Render Selected Objects", icon='RENDER_STILL')
        button.folder, button.source = settings.dataset_folder, 'SELECTED'


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_dataset,))
