"""The panel that reconstructs an object from images."""

from __future__ import annotations

import bpy
from bpy.types import Context, UILayout

from ..core.cameras import SIDES
from ..core.scene import meshes
from ..operators import _task_operator
from ..operators.images.cut_out import MAQUETTE_OT_cut_out
from ..operators.images.from_image import MAQUETTE_OT_try_example
from ..operators.images.run_again import MAQUETTE_OT_run_again
from ..operators.reconstruct import MAQUETTE_OT_reconstruct
from ..operators.results.show_confidence import MAQUETTE_OT_show_confidence, has_confidence
from .dependency_notice import draw_missing
from .progress import draw_progress
from .references import draw_button, draw_references
from .sidebar import BUTTON_SCALE, SidebarPanel

_THUMBNAIL_SCALE = 7.0  # in heights of a button


class MAQUETTE_PT_reconstruct(SidebarPanel, bpy.types.Panel):
    bl_label = "Reconstruct"

    def draw_content(self, layout: UILayout, context: Context) -> None:
        settings = context.scene.maquette
        is_missing = draw_missing(layout)
        is_ready = _draw_source(layout, context)
        _draw_options(layout, settings)

        row = layout.row()
        row.enabled = is_ready and not is_missing
        row.scale_y = BUTTON_SCALE
        text = "Add to Queue" if _task_operator.running_task() else None
        if settings.source == 'REFERENCES':
            draw_button(row, settings, text)
        else:
            name = MAQUETTE_OT_reconstruct.bl_idname
            _fill_button(row.operator(name, text=text, icon='MESH_MONKEY'), settings)
        draw_progress(layout)

        if has_confidence(context):
            _draw_confidence(layout, context.active_object)


def _draw_source(layout: UILayout, context: Context) -> bool:
    """Draw the kind of input and its images; return whether there is one to reconstruct from."""
    settings = context.scene.maquette
    row = layout.row()
    row.use_property_split = False  # the three names need the width
    row.prop(settings, "source", expand=True)
    if settings.source == 'IMAGE':
        layout.template_ID(settings, "image", open="image.open")
        if settings.image is None:
            layout.operator(MAQUETTE_OT_try_example.bl_idname, icon='IMAGE_DATA')
        else:
            _draw_image(layout, settings.image)
        return settings.image is not None
    if settings.source == 'SIDES':
        column = layout.column(align=True)
        for side in SIDES:
            column.prop(settings, side)
        return any(getattr(settings, side) for side in SIDES)
    return draw_references(layout, context)


def _draw_image(layout: UILayout, image: bpy.types.Image) -> None:
    """Draw a thumbnail of ``image``, and a button that shows and keeps its cut-out."""
    preview = image.preview_ensure()
    box = layout.box()
    if preview:
        box.template_icon(icon_value=preview.icon_id, scale=_THUMBNAIL_SCALE)
    box.operator(MAQUETTE_OT_cut_out.bl_idname, icon='IMAGE_ALPHA').image = image.name


def _draw_options(layout: UILayout, settings: bpy.types.PropertyGroup) -> None:
    column = layout.column(align=True)
    column.prop(settings, "resolution")
    if settings.source != 'REFERENCES':  # which give the size, and a mesh where they show it
        column.prop(settings, "size")
        column.prop(settings, "output")
    layout.prop(settings, "smooth")
    layout.prop(settings, "fit")
    layout.prop(settings, "texture")
    layout.prop(settings, "show_colours")


def _draw_confidence(layout: UILayout, obj: bpy.types.Object) -> None:
    is_shown = meshes.HEAT in obj.data.color_attributes
    layout.operator(MAQUETTE_OT_show_confidence.bl_idname, icon='OVERLAY', depress=is_shown)
    if is_shown:
        layout.label(text="Blue: certain. Red: guessed", icon='INFO')


class MAQUETTE_PT_history(SidebarPanel, bpy.types.Panel):
    bl_label = "History"
    bl_parent_id = "MAQUETTE_PT_reconstruct"
    bl_options = {'DEFAULT_CLOSED'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        settings = context.scene.maquette
        return settings.source == 'IMAGE' and len(settings.history) > 0

    def draw_content(self, layout: UILayout, context: Context) -> None:
        column = layout.column(align=True)
        for index, result in enumerate(context.scene.maquette.history):
            row = column.row(align=True)
            preview = result.image.preview_ensure() if result.image else None
            icon = {"icon_value": preview.icon_id} if preview else {"icon": 'IMAGE_DATA'}
            row.label(text=result.name, **icon)
            row.enabled = result.image is not None
            row.operator(
                MAQUETTE_OT_run_again.bl_idname, text="", icon='FILE_REFRESH'
            ).index = index


def _fill_button(button: bpy.types.OperatorProperties, settings: bpy.types.PropertyGroup) -> None:
    """Set the properties of the operator behind ``button``."""
    settings.apply_to(button)
    if settings.source == 'IMAGE':
        button.image = settings.image.name if settings.image else ""
        return
    for side in SIDES:
        setattr(button, side, getattr(settings, side))


register, unregister = bpy.utils.register_classes_factory(
    (MAQUETTE_PT_reconstruct, MAQUETTE_PT_history)
)
