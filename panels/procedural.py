"""The panel with the parameters of the active procedural object."""

from __future__ import annotations

from collections.abc import Iterable

import bpy
from bpy.types import Context, UILayout

from ..core.errors import MeshError
from ..core.procedural.parameters import Parameter, group_parameters, split_parameters
from ..core.procedural.recipes import Recipe
from ..core.scene.procedural import building, storage
from ..operators._translation import CONTEXT
from ..operators.procedural.add_procedural import MAQUETTE_OT_add_procedural
from ..operators.procedural.edit_procedural import (
    MAQUETTE_OT_rebuild_procedural,
    MAQUETTE_OT_reset_procedural,
)
from ..operators.procedural.make_procedural import MAQUETTE_OT_make_procedural
from ..operators.properties.procedural import MOST_SLIDERS, slider_name
from .sidebar import SidebarPanel

_MANY = 12  # parameters from which on those of parts are folded


class MAQUETTE_PT_procedural(SidebarPanel, bpy.types.Panel):
    bl_label = "Procedural"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return storage.root_of(context.active_object) is not None

    def draw_content(self, layout: UILayout, context: Context) -> None:
        root = storage.root_of(context.active_object)
        try:
            recipe = storage.read_recipe(root)
        except MeshError:
            layout.label(text="The recipe is damaged", text_ctxt=CONTEXT, icon='ERROR')
            return

        title = recipe.family.replace("_", " ").title()
        layout.label(text=title, translate=False, icon='MESH_DATA')

        is_edited = building.has_hand_edits(root)
        if is_edited and context.mode == 'OBJECT':
            layout.label(text="Edited by hand", text_ctxt=CONTEXT, icon='ERROR')
            layout.operator(MAQUETTE_OT_rebuild_procedural.bl_idname, icon='FILE_REFRESH')
        column = layout.column()
        column.enabled = context.mode == 'OBJECT' and not is_edited and root.is_editable
        column.prop(root.maquette_procedural, "seed")
        _draw_parameters(column, root, recipe)


class MAQUETTE_PT_make_procedural(SidebarPanel, bpy.types.Panel):
    bl_label = "Make Procedural"
    bl_options = {'DEFAULT_CLOSED'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        obj = context.active_object
        return obj is not None and obj.type == 'MESH' and storage.root_of(obj) is None

    def draw_content(self, layout: UILayout, context: Context) -> None:
        make_procedural_buttons(layout.row(align=True))
        self.draw_progress(layout)


def make_procedural_buttons(row: UILayout) -> list[bpy.types.OperatorProperties]:
    """Draw the button that makes what agrees, and the one that makes the nearest in any case.

    Args:
        row: To draw in.

    Returns:
        The operators' properties, to be set.
    """
    name = MAQUETTE_OT_make_procedural.bl_idname
    agreeing = row.operator(name, icon='MODIFIER')
    nearest = row.operator(name, text="Use Nearest", text_ctxt=CONTEXT)
    nearest.use_nearest = True
    return [agreeing, nearest]


def _draw_parameters(layout: UILayout, root: bpy.types.Object, recipe: Recipe) -> None:
    """Draw the parameters: those of parts in folds if there are many, rarer ones in another."""
    parameters = storage.parameters_of(root)[:MOST_SLIDERS]
    names = {}
    for i, parameter in enumerate(parameters):
        names[parameter.address] = slider_name(parameter, i)

    shown, others = split_parameters(parameters)
    sliders = _Sliders(root, recipe, names)
    for group, members in group_parameters(shown).items():
        body = layout
        if group:
            header, body = layout.panel(
                f"MAQUETTE_procedural_{group}", default_closed=len(shown) > _MANY
            )
            header.label(text=group, translate=False)
        sliders.draw(body, members)

    if others:
        header, body = layout.panel("MAQUETTE_procedural", default_closed=True)
        header.label(text="More Parameters", text_ctxt=CONTEXT)
        sliders.draw(body, others)
    if recipe.values:
        layout.operator(
            MAQUETTE_OT_reset_procedural.bl_idname,
            text="Reset All",
            text_ctxt=CONTEXT,
            icon='LOOP_BACK',
        )


class _Sliders:
    """Draws sliders of one object.

    Args:
        root: The object.
        recipe: What it was built from.
        names: Of the properties, by address.
    """

    def __init__(self, root: bpy.types.Object, recipe: Recipe, names: dict[str, str]) -> None:
        self._root = root
        self._recipe = recipe
        self._names = names

    def draw(self, layout: UILayout | None, parameters: Iterable[Parameter]) -> None:
        """Draw sliders into ``layout``, which is None within a closed fold."""
        if layout is None:
            return
        column = layout.column(align=True)
        for parameter in parameters:
            row = column.row(align=True)
            row.prop(
                self._root.maquette_procedural,
                self._names[parameter.address],
                text=parameter.label,
                translate=False,
                slider=parameter.kind == "number",
            )
            if parameter.address in self._recipe.values:
                button = row.operator(
                    MAQUETTE_OT_reset_procedural.bl_idname, text="", icon='LOOP_BACK'
                )
                button.address = parameter.address


def _draw_add_menu(self: bpy.types.Menu, context: Context) -> None:
    """Draw the entry of the menu Add > Mesh."""
    self.layout.operator_menu_enum(
        MAQUETTE_OT_add_procedural.bl_idname,
        "family",
        text="Procedural Object",
        text_ctxt=CONTEXT,
        icon='MESH_DATA',
    )


_register_class, _unregister_class = bpy.utils.register_classes_factory(
    (MAQUETTE_PT_procedural, MAQUETTE_PT_make_procedural)
)


def register() -> None:
    """Register the panel and the entry of the menu."""
    _register_class()
    bpy.types.VIEW3D_MT_mesh_add.append(_draw_add_menu)


def unregister() -> None:
    """Remove them."""
    bpy.types.VIEW3D_MT_mesh_add.remove(_draw_add_menu)
    _unregister_class()
