"""The sidebar's part for what comes after: topology and texture of the active object."""

from __future__ import annotations

import bpy
from bpy.types import Context, UILayout

from ..operators.finish import TOLD, MAQUETTE_OT_finish, MAQUETTE_OT_texture
from .sidebar import SidebarPanel
from .text import draw_text


class MAQUETTE_PT_finish(SidebarPanel, bpy.types.Panel):
    bl_label = "Finish"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return context.active_object is not None and context.active_object.type == 'MESH'

    def draw_content(self, layout: UILayout, context: Context) -> None:
        settings = context.scene.maquette.finish
        layout.prop(settings, "preset")
        column = layout.column(align=True)
        column.prop(settings, "faces", text="Faces" if settings.faces else "Faces (Auto)")
        for name in ("loose", "smooth_angle"):
            column.prop(settings, name)
        if settings.preset == 'SCULPT':
            column.prop(settings, "multires")
        if settings.preset == 'PRINT':
            column.prop(settings, "wall")
        layout.prop(settings, "symmetric")
        layout.prop(settings, "texture_size")
        row = layout.row(align=True)  # its progress is told above, where Reconstruct's is
        row.scale_y = 1.4
        settings.apply_to(row.operator(MAQUETTE_OT_finish.bl_idname, icon='MOD_REMESH'))
        row.operator(
            MAQUETTE_OT_texture.bl_idname, icon='TEXTURE'
        ).texture_size = settings.texture_size
        _draw_summary(layout, context.active_object)


def _draw_summary(layout: UILayout, obj: bpy.types.Object) -> None:
    """What the last finishing said of it."""
    told = obj.get(TOLD)
    if told:
        column = layout.box().column(align=True)
        for line in told:
            draw_text(column, line, 'NONE')


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_finish,))
