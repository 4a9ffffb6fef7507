"""The part of the sidebar for references that stand in the scene: what each is taken for, and what is amiss."""

from __future__ import annotations

import textwrap

import bpy
from bpy.types import Context, UILayout

from ..core.errors import SceneError
from ..core.scene.references import chosen
from ..operators.references import MAQUETTE_OT_reconstruct_references, said, seen_from

_ICONS = {'EMPTY': 'IMAGE_REFERENCE', 'CAMERA': 'CAMERA_DATA'}
_CHARACTERS = 44  # that a line of the sidebar holds, as wide as it is at first


def draw_references(layout: UILayout, context: Context) -> None:
    """Which references are used and what each is taken for, with a menu to correct it."""
    settings = context.scene.maquette
    layout.prop(settings, "references")
    try:
        objects = chosen(context, collection=settings.references.name if settings.references else "")
    except SceneError as error:
        _draw_text(layout, str(error))
        return
    if not objects:
        _draw_text(layout, "There is none in view: Add > Image > Reference")
        return
    column = layout.box().column(align=True)
    column.use_property_split = False
    for obj in objects:
        row = column.row(align=True).split(factor=0.62)
        row.label(text=obj.name + ("" if said(obj) else f": {seen_from(obj)}"), icon=_ICONS[obj.type])
        if obj.type == 'EMPTY':
            row.prop(obj.maquette_reference, "side", text="")
    if settings.disagreements:
        _draw_text(layout, f"Fitted to each other: {settings.disagreements}")


def draw_button(layout: UILayout, settings: bpy.types.PropertyGroup) -> None:
    """The button that reconstructs from them."""
    button = layout.operator(MAQUETTE_OT_reconstruct_references.bl_idname, text="Reconstruct", icon='MESH_MONKEY')
    button.resolution = settings.resolution
    button.collection = settings.references.name if settings.references else ""


def _draw_text(layout: UILayout, text: str) -> None:
    column = layout.column(align=True)
    for index, line in enumerate(textwrap.wrap(text, _CHARACTERS)):
        column.label(text=line, icon='INFO' if index == 0 else 'BLANK1')
