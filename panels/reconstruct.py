"""The panel that reconstructs an object from images."""

from __future__ import annotations

import bpy
from bpy.types import Context, UILayout

from ..core.cameras import SIDES
from ..core.model.jobs.meaning import has_part
from ..core.scene import meshes
from ..operators import _task_operator
from ..operators._translation import CONTEXT
from ..operators.images.cut_out import MAQUETTE_OT_cut_out
from ..operators.images.from_image import MAQUETTE_OT_try_example
from ..operators.images.run_again import MAQUETTE_OT_run_again
from ..operators.open_guide import MAQUETTE_OT_open_guide
from ..operators.properties.scene import side_image_name
from ..operators.reconstruct import MAQUETTE_OT_reconstruct
from ..operators.results.mark_as_asset import MAQUETTE_OT_mark_as_asset, is_asset_candidate
from ..operators.results.mirror_half import MAQUETTE_OT_mirror_half, offers_mirroring
from ..operators.results.show_confidence import (
    MAQUETTE_OT_show_confidence,
    has_confidence,
    scale_of,
)
from ..operators.semantics.label_parts import MAQUETTE_OT_label_parts, offers_labels
from .dependency_notice import draw_missing
from .procedural import make_procedural_buttons
from .references import draw_button, draw_references
from .sidebar import BUTTON_SCALE, SidebarPanel
from .text import draw_text

_THUMBNAIL_SCALE = 7.0  # in heights of a button
_SIDE_SCALE = 2.0  # of a side's thumbnail: six fit into the sidebar
_SIDE_SHARE = 0.22  # of the width, for the name of a side


class MAQUETTE_PT_reconstruct(SidebarPanel, bpy.types.Panel):
    bl_label = "Reconstruct"

    def draw_header_preset(self, context: Context) -> None:
        """Draw a link to the guide at the right end of the header."""
        self.layout.operator(MAQUETTE_OT_open_guide.bl_idname, text="", icon='HELP', emboss=False)

    def draw_content(self, layout: UILayout, context: Context) -> None:
        settings = context.scene.maquette

        # What is missing, the images, and the options.
        is_missing = draw_missing(layout, type(self).__name__)
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
            _fill_button(
                row.operator(name, text=text, text_ctxt=CONTEXT, icon='MESH_MONKEY'), settings
            )

        row = layout.row(align=True)
        row.enabled = is_ready and not is_missing
        for button in make_procedural_buttons(row):
            _fill_procedural(button, settings)
        self.draw_progress(layout)

        # What can be done with the active object.
        if has_confidence(context):
            _draw_confidence(layout, context.active_object)
        if offers_mirroring(context):
            box = layout.box()
            box.label(text="Looks symmetric", text_ctxt=CONTEXT)
            box.operator(MAQUETTE_OT_mirror_half.bl_idname, icon='MOD_MIRROR')
        if offers_labels(context):
            layout.operator(MAQUETTE_OT_label_parts.bl_idname, icon='GROUP_VERTEX')
        if is_asset_candidate(context):
            layout.operator(MAQUETTE_OT_mark_as_asset.bl_idname, icon='ASSET_MANAGER')


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
            _draw_image(layout, settings)
        return settings.image is not None
    if settings.source == 'SIDES':
        _draw_sides(layout, settings)
        return any(settings.has_side(side) for side in SIDES)
    return draw_references(layout, context)


def _draw_sides(layout: UILayout, settings: bpy.types.PropertyGroup) -> None:
    """Draw an image for each side, and thumbnails of those that are chosen in one row."""
    column = layout.column(align=True)
    column.use_property_split = False
    for side in SIDES:
        _draw_side(column, settings, side)

    # Thumbnails of all sides in one row.
    images = [settings.side_image(side) for side in SIDES]
    previews = [image.preview_ensure() for image in images if image]
    row = layout.row(align=True)
    row.alignment = 'LEFT'
    for preview in filter(None, previews):
        row.template_icon(icon_value=preview.icon_id, scale=_SIDE_SCALE)


def _draw_side(column: UILayout, settings: bpy.types.PropertyGroup, side: str) -> None:
    """Draw the image of a side with a button that cuts it out.

    Scripts and older scenes have a file instead: its path is drawn until it is cleared.
    """
    image = settings.side_image(side)
    split = column.split(factor=_SIDE_SHARE, align=True)
    split.label(text=side.capitalize(), text_ctxt=CONTEXT)
    row = split.row(align=True)

    # The path of an older scene, which a click clears.
    if image is None and getattr(settings, side):
        row.prop(settings, side, text="")
        return
    row.template_ID(settings, side_image_name(side), open="image.open")

    if image:
        button = row.operator(MAQUETTE_OT_cut_out.bl_idname, text="", icon='IMAGE_ALPHA')
        button.image = image.name
        button.keep_holes = settings.keep_holes


def _draw_image(layout: UILayout, settings: bpy.types.PropertyGroup) -> None:
    """Draw a thumbnail of the image, and a button that shows and keeps its cut-out."""
    image = settings.image
    preview = image.preview_ensure()
    box = layout.box()
    if preview:
        box.template_icon(icon_value=preview.icon_id, scale=_THUMBNAIL_SCALE)
    button = box.operator(MAQUETTE_OT_cut_out.bl_idname, icon='IMAGE_ALPHA')
    button.image = image.name
    button.keep_holes = settings.keep_holes


def _draw_options(layout: UILayout, settings: bpy.types.PropertyGroup) -> None:
    column = layout.column(align=True)
    column.prop(settings, "resolution")
    if settings.source != 'REFERENCES':  # which give the size, and a mesh where they show it
        column.prop(settings, "size")
        column.prop(settings, "output")
    layout.prop(settings, "keep_holes")
    layout.prop(settings, "smooth")
    layout.prop(settings, "fit")
    layout.prop(settings, "texture")
    if has_part("heads") and settings.source != 'REFERENCES':
        layout.prop(settings, "label_parts")
    layout.prop(settings, "show_colours")


def _draw_confidence(layout: UILayout, obj: bpy.types.Object) -> None:
    is_shown = meshes.HEAT in obj.data.color_attributes
    layout.operator(MAQUETTE_OT_show_confidence.bl_idname, icon='OVERLAY', depress=is_shown)
    if is_shown:
        column = layout.column(align=True)
        for index, line in enumerate(scale_of(obj).legend):
            draw_text(column, line, 'BLANK1' if index else 'INFO')


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
            row.label(text=result.name, translate=False, **icon)
            row.enabled = result.image is not None
            row.operator(
                MAQUETTE_OT_run_again.bl_idname, text="", icon='FILE_REFRESH'
            ).index = index

        self.draw_progress(layout)


def _fill_button(button: bpy.types.OperatorProperties, settings: bpy.types.PropertyGroup) -> None:
    """Set the properties of the operator behind ``button``."""
    settings.apply_to(button)
    if settings.source == 'IMAGE':
        button.image = settings.image.name if settings.image else ""
        return
    settings.apply_sides_to(button)


def _fill_procedural(
    button: bpy.types.OperatorProperties, settings: bpy.types.PropertyGroup
) -> None:
    """Set the properties of the operator that makes a procedural object from the same images."""
    button.resolution = settings.resolution
    button.keep_holes = settings.keep_holes
    button.size = settings.size

    if settings.source == 'IMAGE':
        button.image = settings.image.name if settings.image else ""
    elif settings.source == 'SIDES':
        settings.apply_sides_to(button)
    else:
        button.references = True


register, unregister = bpy.utils.register_classes_factory(
    (MAQUETTE_PT_reconstruct, MAQUETTE_PT_history)
)
