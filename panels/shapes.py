"""The panel of the shape space: between shapes, around them, and new ones."""

from __future__ import annotations

import bpy
from bpy.types import Context, UILayout

from ..core.model.jobs.meaning import has_part
from ..operators._translation import CONTEXT
from ..operators.shapes.blend_shapes import MAQUETTE_OT_blend_shapes
from ..operators.shapes.complete_shape import MAQUETTE_OT_complete_shape
from ..operators.shapes.generate_shape import (
    CANDIDATE,
    MAQUETTE_OT_generate_shape,
    MAQUETTE_OT_keep_shapes,
)
from ..operators.shapes.vary_shape import MAQUETTE_OT_vary_shape
from .progress import has_progress
from .sidebar import BUTTON_SCALE, SidebarPanel

_SHAPES = "shapes"  # the part of the weights with the shape space
_GENERATOR = "generator"


class MAQUETTE_PT_shapes(SidebarPanel, bpy.types.Panel):
    bl_label = "Shapes"
    bl_options = {'DEFAULT_CLOSED'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return has_part(_SHAPES) or has_progress(cls.__name__)

    def draw_content(self, layout: UILayout, context: Context) -> None:
        column = layout.column(align=True)
        column.scale_y = BUTTON_SCALE
        column.operator(MAQUETTE_OT_blend_shapes.bl_idname, icon='MOD_ARRAY')
        column.operator(MAQUETTE_OT_vary_shape.bl_idname, icon='MOD_NOISE')

        header, body = layout.panel("MAQUETTE_complete", default_closed=False)
        header.label(text="Complete", text_ctxt=CONTEXT)
        if body is not None:
            _draw_completion(body)
        if has_part(_GENERATOR):
            _draw_generation(layout, context)
        self.draw_progress(layout)


def _draw_completion(layout: UILayout) -> None:
    """Draw a button for holes, and one for a missing back."""
    row = layout.row(align=True)
    holes = row.operator(
        MAQUETTE_OT_complete_shape.bl_idname, text="Holes", text_ctxt=CONTEXT, icon='MESH_DATA'
    )
    holes.missing = 'HOLES'
    back = row.operator(
        MAQUETTE_OT_complete_shape.bl_idname, text="Back", text_ctxt=CONTEXT, icon='MOD_MIRROR'
    )
    back.missing = 'BACK'


def _draw_generation(layout: UILayout, context: Context) -> None:
    """Draw the menu of classes, and what chooses among candidates."""
    layout.operator_menu_enum(
        MAQUETTE_OT_generate_shape.bl_idname, "kind", text="Imagine", text_ctxt=CONTEXT
    )
    if any(CANDIDATE in obj for obj in context.selected_objects):
        layout.operator(MAQUETTE_OT_keep_shapes.bl_idname, icon='CHECKMARK')


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_shapes,))
