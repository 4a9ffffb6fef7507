"""The sidebar's part for photographs without cameras."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.types import Context, UILayout

from ..core.photogrammetry.movies import is_movie
from ..core.scene.photographs.real_size import solved_collections
from ..operators.photographs.export_cameras import MAQUETTE_OT_export_cameras
from ..operators.photographs.set_real_size import MAQUETTE_OT_set_real_size
from ..operators.photographs.show_photograph import (
    MAQUETTE_OT_show_mask,
    MAQUETTE_OT_show_photograph,
)
from ..operators.photographs.solve import MAQUETTE_OT_solve_photographs
from ..operators.photographs.write_masks import MAQUETTE_OT_write_masks
from .dependency_notice import draw_missing
from .sidebar import SidebarPanel
from .text import draw_text
from .thumbnails import draw_thumbnail

_PROPERTIES = ("folder", "frames", "cameras", "size", "check_outlines", "make_mesh", "detail")
_MASK_PROPERTIES = ("folder", "check_outlines")


class MAQUETTE_PT_photographs(SidebarPanel, bpy.types.Panel):
    bl_label = "Photographs"
    bl_options = {'DEFAULT_CLOSED'}

    def draw_content(self, layout: UILayout, context: Context) -> None:
        settings = context.scene.maquette_photographs

        # Properties that mean nothing here are not shown.
        unused = set()
        if not settings.make_mesh:
            unused.add("detail")
        if not is_movie(Path(settings.folder)):
            unused.add("frames")
        for name in _PROPERTIES:
            if name not in unused:
                layout.prop(settings, name)
        packages = ("pycolmap", "PIL", "torch") if settings.make_mesh else ("pycolmap", "PIL")
        draw_missing(layout, type(self).__name__, *packages)

        row = layout.row()
        row.enabled = bool(settings.folder)

        # The button, and what came of it.
        button = row.operator(MAQUETTE_OT_solve_photographs.bl_idname, icon='OUTLINER_OB_CAMERA')
        _fill_button(button, settings, _PROPERTIES)
        self.draw_progress(layout)
        if settings.summary:
            draw_text(layout, settings.summary)

        # What can be done with solved cameras.
        if solved_collections(context.scene):
            _draw_size(layout, settings)
            layout.operator(MAQUETTE_OT_export_cameras.bl_idname, icon='EXPORT')
        if settings.folder:
            _draw_masks(layout, settings)
        for item in settings.left_out:
            _draw_left_out(layout.box(), item)


def _draw_size(layout: UILayout, settings: bpy.types.PropertyGroup) -> None:
    """Draw the length between two points and the button that scales by it."""
    column = layout.column(align=True)
    column.prop(settings, "length")
    button = column.operator(MAQUETTE_OT_set_real_size.bl_idname, icon='DRIVER_DISTANCE')
    button.length = settings.length


def _draw_masks(layout: UILayout, settings: bpy.types.PropertyGroup) -> None:
    row = layout.row(align=True)
    button = row.operator(MAQUETTE_OT_write_masks.bl_idname, icon='IMAGE_ALPHA')
    _fill_button(button, settings, _MASK_PROPERTIES)
    row.operator(MAQUETTE_OT_show_mask.bl_idname, icon='MOD_MASK')


def _draw_left_out(layout: UILayout, item: bpy.types.PropertyGroup) -> None:
    """Draw a photograph without a camera: its image, which a click enlarges, and the reason."""
    row = layout.row()
    draw_thumbnail(row, Path(item.path))
    button = row.operator(
        MAQUETTE_OT_show_photograph.bl_idname,
        text=item.name,
        translate=False,
        icon='IMAGE_DATA',
        emboss=False,
    )
    button.filepath = item.path
    draw_text(layout, item.reason, 'ERROR')


def _fill_button(
    button: bpy.types.OperatorProperties,
    settings: bpy.types.PropertyGroup,
    names: tuple[str, ...],
) -> None:
    for name in names:
        setattr(button, name, getattr(settings, name))


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_photographs,))
