"""Change the parameters of the active procedural object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import bpy
from bpy.props import BoolProperty, FloatProperty, StringProperty
from bpy.types import Context, Event

from ...core.errors import MaquetteError
from ...core.procedural.recipes import SEED, Recipe, reset_value, set_value
from ...core.scene.procedural import building, storage

_DIGITS = 7  # that a float32 has


class _ProceduralOperator:
    """Mix-in of operators that build the active procedural object from another recipe."""

    bl_options = {'REGISTER', 'UNDO'}

    discard_edits: BoolProperty(
        name="Discard Edits",
        description="Build the object anew also where its mesh was edited by hand, which is lost",
        options={'SKIP_SAVE'},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        if storage.root_of(context.active_object) is None:
            cls.poll_message_set("Select a procedural object")
            return False
        if context.mode != 'OBJECT':
            cls.poll_message_set("Switch to Object Mode first")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        root = storage.root_of(context.active_object)
        try:
            before = storage.read_recipe(root)
            building.rebuild(root, self.changed(before), self.discard_edits)
        except MaquetteError as error:
            self.report({'ERROR'}, str(error))
            return {'CANCELLED'}
        return {'FINISHED'}

    def changed(self, recipe: Recipe) -> Recipe:
        """Return the recipe to build.

        Raises:
            MeshError: there is no such parameter.
        """
        raise NotImplementedError


class MAQUETTE_OT_edit_procedural(_ProceduralOperator, bpy.types.Operator):
    """Change one parameter of the active procedural object and build it anew"""

    bl_idname = "maquette.edit_procedural"
    bl_label = "Edit Procedural Object"

    address: StringProperty(
        name="Address",
        description="The parameter to change, such as width or make_legs.thick; seed for the seed",
        options={'SKIP_SAVE'},
    )
    value: FloatProperty(
        name="Value",
        description="Its new value, limited to its range. Of a choice, the index of the option",
        options={'SKIP_SAVE'},
    )

    def changed(self, recipe: Recipe) -> Recipe:
        # The property is a float32, of which 1.4 is 1.39999998.
        value = self.value if self.address == SEED else float(f"{self.value:.{_DIGITS}g}")
        edited = set_value(recipe, self.address, value)
        used = edited.seed if self.address == SEED else edited.values[self.address]
        if used != value:
            self.report({'WARNING'}, f"{self.address} was limited to {used:g}")
        return edited


class MAQUETTE_OT_reset_procedural(_ProceduralOperator, bpy.types.Operator):
    """Give parameters of the active procedural object the values of its seed again"""

    bl_idname = "maquette.reset_procedural"
    bl_label = "Reset Procedural Object"

    address: StringProperty(
        name="Address",
        description="The parameter to reset. Leave empty for all",
        options={'SKIP_SAVE'},
    )

    def changed(self, recipe: Recipe) -> Recipe:
        if self.address:
            return reset_value(recipe, self.address)
        return replace(recipe, values={})


class MAQUETTE_OT_rebuild_procedural(_ProceduralOperator, bpy.types.Operator):
    """Build the active procedural object anew from its parameters; edits by hand are lost"""

    bl_idname = "maquette.rebuild_procedural"
    bl_label = "Discard Edits and Rebuild"

    def invoke(self, context: Context, event: Event) -> set[str]:
        if not building.has_hand_edits(storage.root_of(context.active_object)):
            return self.execute(context)
        self.discard_edits = True  # once it is confirmed
        return context.window_manager.invoke_confirm(self, event)

    def changed(self, recipe: Recipe) -> Recipe:
        return recipe


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory(
    (
        MAQUETTE_OT_edit_procedural,
        MAQUETTE_OT_reset_procedural,
        MAQUETTE_OT_rebuild_procedural,
    )
)
