"""The sidebar's part for those who train: objects to learn from, and training sets of them."""

from __future__ import annotations

import bpy
from bpy.types import Context

from ..operators import _work
from ..operators.dataset import MAQUETTE_OT_render_dataset
from ..operators.procedural import MAQUETTE_OT_add_procedural
from .progress import draw_progress


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
        if _work.running():
            draw_progress(layout)
            return
        column = column.column(align=True)
        column.enabled = bool(settings.dataset_folder)
        for source, text, icon in (
            ('SELECTED', "Render Selected Objects", 'RENDER_STILL'),
            ('WHOLE', "Render Whole Scene", 'SCENE_DATA'),
        ):
            button = column.operator(MAQUETTE_OT_render_dataset.bl_idname, text=text, icon=icon)
            button.folder, button.source = settings.dataset_folder, source
            button.scene_cameras = settings.scene_cameras
        layout.prop(settings, "scene_cameras")


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_dataset,))
