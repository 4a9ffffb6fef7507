"""The base of the panels in the sidebar."""

from __future__ import annotations

from bpy.types import Context, UILayout

from .progress import draw_progress, mark_buttons

BUTTON_SCALE = 1.4  # height of the main buttons, as of Blender's Render button


class SidebarPanel:
    """Mix-in of a panel in the tab "Maquette" of the 3D Viewport's sidebar.

    A subclass draws its content in :meth:`draw_content`.
    """

    bl_space_type = 'VIEW_3D'
    bl_region_type = 'UI'
    bl_category = "Maquette"

    def draw(self, context: Context) -> None:
        """Set the layout of properties and draw the content."""
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        mark_buttons(self.layout, type(self).__name__)
        self.draw_content(self.layout, context)

    def draw_progress(self, layout: UILayout) -> None:
        """Draw the progress of what the buttons of this panel have begun."""
        draw_progress(layout, type(self).__name__)

    def draw_content(self, layout: UILayout, context: Context) -> None:
        """Draw the panel into ``layout``."""
        raise NotImplementedError
