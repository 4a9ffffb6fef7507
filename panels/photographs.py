"""The sidebar's part for photographs without cameras."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.types import Context, UILayout

from ..core.photogrammetry.movies import is_movie
from ..operators.photographs.solve import MAQUETTE_OT_solve_photographs
from .dependency_notice import draw_missing
from .sidebar import SidebarPanel
from .text import draw_text

_PROPERTIES = ("folder", "frames", "size", "check_outlines", "make_mesh", "detail")


class MAQUETTE_PT_photographs(SidebarPanel, bpy.types.Panel):
    bl_label = "Photographs"
    bl_options = {'DEFAULT_CLOSED'}

    def draw_content(self, layout: UILayout, context: Context) -> None:
        settings = context.scene.maquette_photographs
        unused = set()
        if not settings.make_mesh:
            unused.add("detail")
        if not is_movie(Path(settings.folder)):
            unused.add("frames")
        for name in _PROPERTIES:
            if name not in unused:
                layout.prop(settings, name)
        packages = ("pycolmap", "PIL", "torch") if settings.make_mesh else ("pycolmap", "PIL")
        draw_missing(layout, *packages)
        row = layout.row()
        row.enabled = bool(settings.folder)
        button = row.operator(MAQUETTE_OT_solve_photographs.bl_idname, icon='OUTLINER_OB_CAMERA')
        for name in _PROPERTIES:
            setattr(button, name, getattr(settings, name))
        if settings.summary:
            draw_text(layout, settings.summary)
        for item in settings.left_out:
            draw_text(layout.box(), f"{item.name}: {item.reason}", 'ERROR')


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_photographs,))
