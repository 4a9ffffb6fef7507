"""Add a procedural object to the scene."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty
from bpy.types import Context

from ..core.procedural import FAMILIES, make_object
from ..core.scene.procedural_objects import add_object
from ._results import collection_for_new, select_only
from .properties.scene import SIZE


def _family_item(name: str) -> tuple[str, str, str]:
    words = name.replace("_", " ")
    return name, words.title(), f"A different {words} for every seed"


_FAMILY_ITEMS = [_family_item(name) for name in sorted(FAMILIES)]


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

    @classmethod
    def poll(cls, context: Context) -> bool:
        if context.mode != 'OBJECT':
            cls.poll_message_set("Switch to Object Mode first")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        procedural_object = make_object(self.family, self.seed)
        obj = add_object(collection_for_new(context), procedural_object)

        # Its longest side is 1, and it is placed on the ground at the 3D cursor.
        obj.scale = (self.size,) * 3
        lowest = min(float(part.mesh.vertices[:, 2].min()) for part in procedural_object.parts)
        obj.location = context.scene.cursor.location
        obj.location.z -= lowest * self.size

        select_only(context, [obj], obj)
        self.report({'INFO'}, f"{obj.name}: {len(obj.data.polygons):,} faces")
        return {'FINISHED'}


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_add_procedural,))
