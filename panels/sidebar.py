"""Where our panels stand."""

from __future__ import annotations

from bpy.types import Context, UILayout


class SidebarPanel:
    """Mix-in of a panel in the tab "Maquette" of the 3D view's sidebar: its :meth:`draw_content` fills it."""

    bl_space_type = 'VIEW_3D'
    bl_region_type = 'UI'
    bl_category = "Maquette"

    def draw(self, context: Context) -> None:
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        self.draw_content(self.layout, context)

    def draw_content(self, layout: UILayout, context: Context) -> None:
        raise NotImplementedError
