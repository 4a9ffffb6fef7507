"""The panels that add procedural objects and render training sets."""

from __future__ import annotations

import bpy
from bpy.types import Context, UILayout

from ..core.synthesis.camera_rigs import AROUND
from ..operators._compute import shows_training
from ..operators.preview_cameras import (
    MAQUETTE_OT_hide_cameras,
    MAQUETTE_OT_preview_cameras,
    drawn_lines,
)
from ..operators.procedural.add_procedural import MAQUETTE_OT_add_procedural
from ..operators.properties.cameras import framing_values
from ..operators.properties.dataset import ImageProperties
from ..operators.render_dataset import MAQUETTE_OT_render_dataset
from .sidebar import SidebarPanel

_BUTTONS = (
    ('SELECTED', "Render Selected Objects", 'RENDER_STILL'),
    ('WHOLE', "Render Whole Scene", 'SCENE_DATA'),
)


class MAQUETTE_PT_dataset(SidebarPanel, bpy.types.Panel):
    bl_label = "Training Data"
    bl_options = {'DEFAULT_CLOSED'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return shows_training()

    def draw_content(self, layout: UILayout, context: Context) -> None:
        settings = context.scene.maquette
        layout.operator_menu_enum(MAQUETTE_OT_add_procedural.bl_idname, "family", icon='ADD')
        cameras = settings.cameras.rig_words()
        column = layout.column()
        column.prop(settings, "dataset_folder")

        # Both buttons need a folder and a camera.
        column = column.column(align=True)
        column.enabled = bool(settings.dataset_folder and cameras)
        for source, text, icon in _BUTTONS:
            button = column.operator(MAQUETTE_OT_render_dataset.bl_idname, text=text, icon=icon)
            button.folder = settings.dataset_folder
            button.source = source
            button.cameras = cameras
            settings.dataset.apply_to(button, whole_scene=source == 'WHOLE')

        self.draw_progress(layout)


class MAQUETTE_PT_dataset_cameras(SidebarPanel, bpy.types.Panel):
    bl_label = "Cameras"
    bl_parent_id = "MAQUETTE_PT_dataset"

    def draw_content(self, layout: UILayout, context: Context) -> None:
        settings = context.scene.maquette.cameras
        grid = layout.grid_flow(row_major=True, columns=3, align=True)
        grid.use_property_split = False  # otherwise each button has its name beside it, too
        for side in settings.bl_rna.properties["sides"].enum_items:
            grid.prop_enum(settings, "sides", side.identifier)
        layout.prop(settings, "kind")
        _draw_views(layout.column(), settings)

        # A preview that is shown can only be hidden.
        if drawn_lines(context.scene) is not None:
            layout.operator(MAQUETTE_OT_hide_cameras.bl_idname, icon='HIDE_ON')
            return
        cameras = settings.rig_words()
        row = layout.row()
        row.enabled = bool(cameras)
        button = row.operator(MAQUETTE_OT_preview_cameras.bl_idname, icon='HIDE_OFF')
        button.cameras = cameras
        context.scene.maquette.dataset.apply_to(button)
        self.draw_progress(layout)


class MAQUETTE_PT_dataset_pictures(SidebarPanel, bpy.types.Panel):
    bl_label = "Images"
    bl_parent_id = "MAQUETTE_PT_dataset"
    bl_options = {'DEFAULT_CLOSED'}

    def draw_content(self, layout: UILayout, context: Context) -> None:
        for name in ImageProperties.__annotations__:
            layout.prop(context.scene.maquette.dataset, name)


class MAQUETTE_PT_dataset_randomisation(SidebarPanel, bpy.types.Panel):
    bl_label = "Randomization"
    bl_parent_id = "MAQUETTE_PT_dataset"
    bl_options = {'DEFAULT_CLOSED'}

    def draw_content(self, layout: UILayout, context: Context) -> None:
        settings = context.scene.maquette.dataset
        layout.prop(settings, "lamps")
        layout.prop(settings, "materials")

        # Options of what is switched off are not shown.
        if settings.materials:
            layout.prop(settings, "textures")
        layout.column().prop(settings, "backgrounds")
        if 'IMAGE' in settings.backgrounds:
            layout.prop(settings, "background_folder")
        layout.prop(settings, "turn")
        layout.prop(settings, "scale")
        layout.prop(settings, "occluders")
        if settings.occluders:
            layout.prop(settings, "hidden")


def _draw_views(layout: UILayout, settings: bpy.types.PropertyGroup) -> None:
    """Draw the properties that the chosen kind of views uses."""
    kind = settings.kind.lower()
    if kind == "path":
        layout.prop(settings, "whole_path")
        if not settings.whole_path:
            layout.prop(settings, "frames")
        layout.prop(settings, "step")
    elif kind in ("free", *AROUND):
        layout.prop(settings, "count")
    if kind == "orbit":
        layout.prop(settings, "elevation")

    if kind in AROUND:
        layout.prop(settings, "framing")
        for name in (*framing_values(settings.framing), "roll", "orthographic"):
            layout.prop(settings, name)


register, unregister = bpy.utils.register_classes_factory(
    (
        MAQUETTE_PT_dataset,
        MAQUETTE_PT_dataset_cameras,
        MAQUETTE_PT_dataset_pictures,
        MAQUETTE_PT_dataset_randomisation,
    )
)
