"""The panel of the shape space: between shapes, around them, and new ones."""

from __future__ import annotations

import bpy
from bpy.types import Context, UILayout

from ..core.model.jobs.meaning import has_part
from ..operators._translation import CONTEXT
from ..operators.shapes._candidates import list_candidates, nearest_of, thumbnails_of
from ..operators.shapes.blend_shapes import MAQUETTE_OT_blend_shapes
from ..operators.shapes.complete_shape import MAQUETTE_OT_complete_shape
from ..operators.shapes.generate_shape import (
    MAQUETTE_OT_choose_shape,
    MAQUETTE_OT_generate_shape,
    MAQUETTE_OT_keep_shapes,
)
from ..operators.shapes.vary_shape import MAQUETTE_OT_vary_shape
from .progress import has_progress
from .sidebar import BUTTON_SCALE, SidebarPanel
from .thumbnails import pixel_thumbnail

_SHAPES = "shapes"  # the part of the weights with the shape space
_GENERATOR = "generator"
_THUMBNAIL_SCALE = 4.0  # of the thumbnails of candidates, in heights of a button


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
    candidates = list_candidates(context)
    if not candidates:
        return
    layout.operator(MAQUETTE_OT_keep_shapes.bl_idname, icon='CHECKMARK')
    column = layout.column(align=True)
    for obj in candidates:
        _draw_candidate(column, obj)
    if any(nearest_of(obj) for obj in candidates):
        hint = layout.column(align=True)
        hint.label(text="Right: nearest training shape", text_ctxt=CONTEXT, icon='INFO')
        hint.label(text="Copies are below 0.5", text_ctxt=CONTEXT, icon='BLANK1')


def _draw_candidate(layout: UILayout, obj: bpy.types.Object) -> None:
    """Draw a candidate beside its nearest training shape, and a button that selects it."""
    box = layout.box()
    found = thumbnails_of(obj)
    if found is not None:
        key, thumbnails = found
        row = box.row(align=True)
        row.use_property_split = False
        for name, pixels in zip(("own", "nearest"), thumbnails, strict=True):
            if pixels is not None:
                preview = pixel_thumbnail(f"{key} {name}", pixels)
                row.template_icon(icon_value=preview.icon_id, scale=_THUMBNAIL_SCALE)
    nearest = nearest_of(obj)
    if nearest is not None:
        name, copying = nearest
        short = name.rpartition("__")[2].replace("_", " ")  # without its set and folders
        box.label(text=f"{copying:.2f} {short}", translate=False)
    is_chosen = obj.select_get()
    button = box.operator(
        MAQUETTE_OT_choose_shape.bl_idname,
        text=obj.name,
        translate=False,
        icon='CHECKBOX_HLT' if is_chosen else 'CHECKBOX_DEHLT',
        depress=is_chosen,
    )
    button.name = obj.name


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_shapes,))
