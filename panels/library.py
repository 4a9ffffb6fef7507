"""The panel that finds objects in libraries."""

from __future__ import annotations

import zlib

import bpy
from bpy.types import Context, UILayout

from ..operators._translation import CONTEXT
from ..operators.library.append_asset import MAQUETTE_OT_append_asset
from ..operators.library.find_similar import MAQUETTE_OT_find_similar, thumbnail_of
from ..operators.library.index_library import MAQUETTE_OT_index_library
from ..operators.properties.library import REGION, MaquetteMatch
from .dependency_notice import draw_missing
from .sidebar import BUTTON_SCALE, SidebarPanel
from .thumbnails import pixel_thumbnail

_QUERY_SCALE = 4.0  # of the thumbnail of the image, in heights of a button
_RESULT_SCALE = 4.0  # of the thumbnails of what was found
_COLUMNS = 3  # of what was found


class MAQUETTE_PT_library(SidebarPanel, bpy.types.Panel):
    bl_label = "Library"
    bl_options = {'DEFAULT_CLOSED'}

    def draw_content(self, layout: UILayout, context: Context) -> None:
        settings = context.scene.maquette.library
        is_missing = draw_missing(layout, type(self).__name__)
        is_chosen = _draw_library(layout, context, settings)
        row = layout.row()
        row.enabled = is_chosen and not is_missing
        settings.apply_to(row.operator(MAQUETTE_OT_index_library.bl_idname, icon='FILE_REFRESH'))

        has_query = _draw_query(layout, context, settings)
        row = layout.row()
        row.enabled = is_chosen and has_query and not is_missing
        row.scale_y = BUTTON_SCALE
        button = row.operator(MAQUETTE_OT_find_similar.bl_idname, icon='VIEWZOOM')
        settings.apply_to(button)
        settings.apply_query_to(button)
        self.draw_progress(layout)
        _draw_matches(layout, context, settings)
        _draw_expert(layout, settings)


def _draw_library(layout: UILayout, context: Context, settings: bpy.types.PropertyGroup) -> bool:
    """Draw the choice of the library; return whether there is one."""
    row = layout.row()
    row.use_property_split = False  # the three names need the width
    row.prop(settings, "source", expand=True)
    if settings.source == 'ASSETS':
        filepaths = context.preferences.filepaths
        layout.prop_search(settings, "library", filepaths, "asset_libraries")
        return len(filepaths.asset_libraries) > 0
    if settings.source == 'FOLDER':
        layout.prop(settings, "folder")
        return bool(settings.folder)
    layout.prop(settings, "collection")
    return settings.collection is not None


def _draw_query(layout: UILayout, context: Context, settings: bpy.types.PropertyGroup) -> bool:
    """Draw what to search by; return whether there is something."""
    box = layout.box()
    row = box.row()
    row.use_property_split = False
    row.prop(settings, "query", expand=True)
    if settings.query == 'MESH':
        obj = context.active_object
        if obj is None:
            box.label(text="Select an object", text_ctxt=CONTEXT, icon='INFO')
            return False
        box.label(text=obj.name, translate=False, icon='OBJECT_DATA')
        return True

    # The image of the panel Reconstruct.
    image = context.scene.maquette.image
    box.template_ID(context.scene.maquette, "image", open="image.open")
    preview = image.preview_ensure() if image else None
    if preview:
        box.template_icon(icon_value=preview.icon_id, scale=_QUERY_SCALE)
    return image is not None


def _draw_matches(layout: UILayout, context: Context, settings: bpy.types.PropertyGroup) -> None:
    """Draw what was found, each with a button that puts it into the scene."""
    found = context.window_manager.maquette_library
    if not found.matches:
        return
    layout.label(text=found.name, translate=False, icon='VIEWZOOM')
    layout.prop(settings, "link")
    grid = layout.grid_flow(row_major=True, columns=_COLUMNS, even_columns=True, align=True)
    for index, match in enumerate(found.matches):
        _draw_match(grid, index, match, settings.link)


def _draw_match(grid: UILayout, index: int, match: MaquetteMatch, link: bool) -> None:
    """Draw thumbnail, score and button of one asset."""
    box = grid.box()
    pixels = thumbnail_of(match.index_file, match.row)
    if pixels is not None:
        checksum = zlib.crc32(pixels)
        preview = pixel_thumbnail(f"{match.index_file} {match.row} {checksum}", pixels)
        box.template_icon(icon_value=preview.icon_id, scale=_RESULT_SCALE)
    box.label(text=f"{match.score:.2f}", translate=False)
    icon = 'LINKED' if link else 'APPEND_BLEND'
    button = box.operator(
        MAQUETTE_OT_append_asset.bl_idname, text=match.name, translate=False, icon=icon
    )
    button.index = index
    button.link = link


def _draw_expert(layout: UILayout, settings: bpy.types.PropertyGroup) -> None:
    """Draw the rarer settings, folded."""
    header, body = layout.panel("MAQUETTE_library", default_closed=True)
    header.label(text="More Settings", text_ctxt=CONTEXT)
    if body is None:
        return
    body.prop(settings, "count")
    body.prop(settings, "index_file")
    body.prop(settings, "use_region")
    column = body.column(align=True)
    column.active = settings.use_region
    for edge in REGION:
        column.prop(settings, edge)
    button = body.operator(
        MAQUETTE_OT_index_library.bl_idname,
        text="Rebuild Index",
        text_ctxt=CONTEXT,
        icon='FILE_REFRESH',
    )
    settings.apply_to(button)
    button.rebuild = True


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_library,))
