"""The references of the scene in the panel Reconstruct, and the panel of turnaround sheets."""

from __future__ import annotations

import bpy
from bpy.types import Context, UILayout

from ..core.cameras import SIDES
from ..core.errors import SceneError
from ..core.scene.references import chosen_references
from ..operators._translation import CONTEXT, translated
from ..operators.lay_out_turnaround import MAQUETTE_OT_lay_out_turnaround
from ..operators.reconstruct_references import MAQUETTE_OT_reconstruct_references, seen_from
from .sidebar import SidebarPanel
from .text import draw_text

_ICONS = {'EMPTY': 'IMAGE_REFERENCE', 'CAMERA': 'CAMERA_DATA'}
_NAME_SHARE = 0.62  # of the width; the rest is for the menu


def draw_references(layout: UILayout, context: Context) -> bool:
    """Draw which references are used and as what, with a menu to correct it.

    Returns:
        Whether there is any.
    """
    settings = context.scene.maquette
    layout.prop(settings, "references")
    collection = settings.references.name if settings.references else ""

    try:
        objects = chosen_references(context, collection=collection)
    except SceneError as error:
        draw_text(layout, str(error), 'ERROR')
        return False

    if not objects:
        draw_text(layout, "No reference is visible. Add one with Add > Image > Reference")
        return False

    column = layout.box().column(align=True)
    column.use_property_split = False
    for obj in objects:
        _draw_reference(column, obj)
    if settings.disagreements:
        text = translated("References disagree and were averaged: {}")
        draw_text(layout, text.format(settings.disagreements))
    return True


def _draw_reference(column: UILayout, obj: bpy.types.Object) -> None:
    """Draw the side that ``obj`` shows after its name, or any other direction in a second line."""
    direction = seen_from(obj)
    is_side = direction in SIDES
    text = obj.name
    if is_side:
        text = f"{obj.name}: {translated(direction.capitalize())}"
    row = column.row(align=True).split(factor=_NAME_SHARE)
    row.label(text=text, icon=_ICONS[obj.type], translate=False)
    if obj.type == 'EMPTY':
        row.prop(obj.maquette_reference, "side", text="")
    if not is_side:
        column.label(text=direction, icon='BLANK1', translate=False)


def draw_button(layout: UILayout, settings: bpy.types.PropertyGroup, text: str | None) -> None:
    """Draw the button that reconstructs from the references, with the label ``text``."""
    name = MAQUETTE_OT_reconstruct_references.bl_idname
    text = text or "Reconstruct"
    button = layout.operator(name, text=text, text_ctxt=CONTEXT, icon='MESH_MONKEY')
    button.resolution = settings.resolution
    button.keep_holes = settings.keep_holes
    button.smooth = settings.smooth
    button.fit = settings.fit
    button.texture = settings.texture
    button.collection = settings.references.name if settings.references else ""


class MAQUETTE_PT_turnaround(SidebarPanel, bpy.types.Panel):
    bl_label = "Turnaround Sheet"
    bl_parent_id = "MAQUETTE_PT_reconstruct"
    bl_options = {'DEFAULT_CLOSED'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return context.scene.maquette.source == 'REFERENCES'

    def draw_content(self, layout: UILayout, context: Context) -> None:
        settings = context.scene.maquette
        layout.template_ID(settings, "sheet", open="image.open")
        layout.prop(settings, "size")
        row = layout.row()
        row.enabled = settings.sheet is not None
        button = row.operator(MAQUETTE_OT_lay_out_turnaround.bl_idname, icon='IMAGE_REFERENCE')
        button.image = settings.sheet.name if settings.sheet else ""
        button.size = settings.size


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_turnaround,))
