"""The panel that finishes the active object: topology and texture."""

from __future__ import annotations

import bpy
from bpy.types import Context, UILayout

from ..operators._translation import CONTEXT
from ..operators.finish import REPORT_KEY, MAQUETTE_OT_finish, MAQUETTE_OT_texture
from .progress import has_progress
from .sidebar import BUTTON_SCALE, SidebarPanel
from .text import draw_text


class MAQUETTE_PT_finish(SidebarPanel, bpy.types.Panel):
    bl_label = "Finish"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return _is_mesh(context.active_object) or has_progress(cls.__name__)

    def draw_content(self, layout: UILayout, context: Context) -> None:
        # Another object may be active while a job runs, which must stay visible to be stopped.
        if not _is_mesh(context.active_object):
            self.draw_progress(layout)
            return
        settings = context.scene.maquette.finish
        layout.prop(settings, "preset")
        column = layout.column(align=True)

        # Without a number the preset chooses one.
        text = "Faces" if settings.faces else "Faces (Auto)"
        column.prop(settings, "faces", text=text, text_ctxt=CONTEXT)
        column.prop(settings, "loose")
        column.prop(settings, "smooth_angle")
        if settings.preset == 'SCULPT':
            column.prop(settings, "multires")
        if settings.preset == 'PRINT':
            column.prop(settings, "wall")
            layout.prop(settings, "millimeters")
        layout.prop(settings, "symmetric")
        layout.prop(settings, "texture_size")

        # The two buttons, and what the last run has reported.
        row = layout.row(align=True)
        row.scale_y = BUTTON_SCALE
        settings.apply_to(row.operator(MAQUETTE_OT_finish.bl_idname, icon='MOD_REMESH'))
        button = row.operator(MAQUETTE_OT_texture.bl_idname, icon='TEXTURE')
        button.texture_size = settings.texture_size
        self.draw_progress(layout)
        _draw_report(layout, context.active_object)


def _is_mesh(obj: bpy.types.Object | None) -> bool:
    return obj is not None and obj.type == 'MESH'


def _draw_report(layout: UILayout, obj: bpy.types.Object) -> None:
    """Draw the report of the last finishing of ``obj``, if there is one."""
    report = obj.get(REPORT_KEY)
    if report:
        column = layout.box().column(align=True)
        for text in report:
            draw_text(column, text, 'NONE')


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_finish,))
