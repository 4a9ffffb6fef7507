"""The panel that finishes the active object: topology and texture."""

from __future__ import annotations

import bpy
from bpy.types import Context, UILayout

from ..operators.finish import REPORT_KEY, MAQUETTE_OT_finish, MAQUETTE_OT_texture
from .sidebar import BUTTON_SCALE, SidebarPanel
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
        column.prop(settings, "loose")
        column.prop(settings, "smooth_angle")
        if settings.preset == 'SCULPT':
            column.prop(settings, "multires")
        if settings.preset == 'PRINT':
            column.prop(settings, "wall")
            layout.prop(settings, "millimeters")
        layout.prop(settings, "symmetric")
        layout.prop(settings, "texture_size")

        # The progress is drawn by the panel Reconstruct.
        row = layout.row(align=True)
        row.scale_y = BUTTON_SCALE
        settings.apply_to(row.operator(MAQUETTE_OT_finish.bl_idname, icon='MOD_REMESH'))
        button = row.operator(MAQUETTE_OT_texture.bl_idname, icon='TEXTURE')
        button.texture_size = settings.texture_size
        _draw_report(layout, context.active_object)


def _draw_report(layout: UILayout, obj: bpy.types.Object) -> None:
    """Draw the report of the last finishing of ``obj``, if there is one."""
    report = obj.get(REPORT_KEY)
    if report:
        column = layout.box().column(align=True)
        for text in report:
            draw_text(column, text, 'NONE')


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_finish,))
