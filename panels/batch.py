"""The panel that reconstructs a folder of images."""

from __future__ import annotations

import bpy
from bpy.types import Context, UILayout

from ..operators import _compute
from ..operators.reconstruct_folder import MAQUETTE_OT_reconstruct_folder
from .sidebar import SidebarPanel


class MAQUETTE_PT_batch(SidebarPanel, bpy.types.Panel):
    bl_label = "Folder of Images"
    bl_parent_id = "MAQUETTE_PT_reconstruct"
    bl_options = {'DEFAULT_CLOSED'}

    def draw_content(self, layout: UILayout, context: Context) -> None:
        settings = context.scene.maquette
        layout.prop(settings, "batch_folder")
        layout.prop(settings, "batch_assets")

        row = layout.row()
        row.enabled = bool(settings.batch_folder) and not _compute.missing_packages()
        button = row.operator(MAQUETTE_OT_reconstruct_folder.bl_idname, icon='FILE_FOLDER')
        button.folder = settings.batch_folder
        button.assets = settings.batch_assets
        button.resolution = settings.resolution
        button.keep_holes = settings.keep_holes
        button.size = settings.size
        button.smooth = settings.smooth
        button.fit = settings.fit
        self.draw_progress(layout)


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_batch,))
