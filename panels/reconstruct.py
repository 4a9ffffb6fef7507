"""The sidebar of the 3D view: pictures in, an object out."""

from __future__ import annotations

import bpy
from bpy.types import Context, UILayout

from ..core.cameras import SIDES
from ..core.scene import meshes
from ..operators import _task_operator
from ..operators.reconstruct import MAQUETTE_OT_reconstruct
from ..operators.show_confidence import MAQUETTE_OT_show_confidence, has_confidence
from .preferences import draw_missing
from .progress import draw_progress
from .references import draw_button, draw_references
from .sidebar import SidebarPanel


class MAQUETTE_PT_reconstruct(SidebarPanel, bpy.types.Panel):
    bl_label = "Reconstruct"

    def draw_content(self, layout: UILayout, context: Context) -> None:
        settings = context.scene.maquette
        missing = draw_missing(layout)
        row = layout.row()
        row.use_property_split = False  # three names need the width
        row.prop(settings, "source", expand=True)
        if settings.source == 'IMAGE':
            layout.template_ID(settings, "image", open="image.open")
            ready = settings.image is not None
        elif settings.source == 'SIDES':
            column = layout.column(align=True)
            for side in SIDES:
                column.prop(settings, side)
            ready = any(getattr(settings, side) for side in SIDES)
        else:
            ready = draw_references(layout, context)
        column = layout.column(align=True)
        column.prop(settings, "resolution")
        if settings.source != 'REFERENCES':
            column.prop(settings, "size")
        layout.prop(settings, "fit")
        layout.prop(settings, "show_colours")
        row = layout.row()
        row.enabled = ready and not missing
        row.scale_y = 1.4
        text = "Reconstruct Next" if _task_operator.running_task() else None
        if settings.source == 'REFERENCES':
            draw_button(row, settings, text)
        else:
            _fill_button(
                row.operator(MAQUETTE_OT_reconstruct.bl_idname, text=text, icon='MESH_MONKEY'),
                settings,
            )
        draw_progress(layout)
        if has_confidence(context):
            shown = meshes.HEAT in context.active_object.data.color_attributes
            layout.operator(MAQUETTE_OT_show_confidence.bl_idname, icon='OVERLAY', depress=shown)
            if shown:
                layout.label(text="Blue: sure. Red: a guess", icon='INFO')


def _fill_button(button: bpy.types.OperatorProperties, settings: bpy.types.PropertyGroup) -> None:
    button.resolution = settings.resolution
    button.size = settings.size
    button.fit = settings.fit
    if settings.source == 'IMAGE':
        button.image = settings.image.name if settings.image else ""
        return
    for side in SIDES:
        setattr(button, side, getattr(settings, side))


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_reconstruct,))
