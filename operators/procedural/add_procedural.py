"""Add a procedural object to the scene."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty
from bpy.types import Context

from ...core.procedural import FAMILIES
from ...core.procedural.recipes import Recipe, make
from ...core.scene.procedural import building, storage
from .._results import collection_for_new, select_only
from ..properties.scene import SIZE


def _family_item(name: str) -> tuple[str, str, str]:
    words = name.replace("_", " ")
    return name, words.title(), f"A different {words} for every seed"


PARTS = {
    "name": "Parts",
    "description": "How its parts are kept apart",
    "items": (
        ('GROUPS', "Vertex Groups", "One mesh with a vertex group and materials for each part"),
        ('OBJECTS', "Objects", "One object for each part, below an empty"),
    ),
}
_FAMILY_ITEMS = [_family_item(name) for name in sorted(FAMILIES)]


def add_on_ground(context: Context, recipe: Recipe) -> bpy.types.Object:
    """Return a new object of ``recipe``, placed on the ground at the 3D cursor, and active.

    Raises:
        MeshError: there is no such family.
    """
    root = building.new_object(collection_for_new(context), recipe)

    # Its longest side is 1 before it is scaled.
    root.scale = (recipe.size,) * 3
    parts = make(recipe).parts
    lowest = min(float(part.mesh.vertices[:, 2].min()) for part in parts)
    root.location = context.scene.cursor.location
    root.location.z -= lowest * recipe.size

    select_only(context, {root, *storage.part_objects(root)}, root)
    return root


class MAQUETTE_OT_add_procedural(bpy.types.Operator):
    """Add a procedural object from one of the generators that produced Maquette's training data"""

    bl_idname = "maquette.add_procedural"
    bl_label = "Add Procedural Object"
    bl_options = {'REGISTER', 'UNDO'}

    family: EnumProperty(
        name="Family", description="Kind of object", items=_FAMILY_ITEMS, default="chair"
    )
    seed: IntProperty(name="Seed", description="Random seed of the object", default=0, min=0)
    size: FloatProperty(**SIZE)
    parts: EnumProperty(**PARTS)

    @classmethod
    def poll(cls, context: Context) -> bool:
        if context.mode != 'OBJECT':
            cls.poll_message_set("Switch to Object Mode first")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        root = add_on_ground(context, Recipe(self.family, self.seed, self.size, self.parts))
        faces = sum(len(obj.data.polygons) for obj in storage.part_objects(root))
        self.report({'INFO'}, f"{root.name}: {faces:,} faces")
        return {'FINISHED'}


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_add_procedural,))
