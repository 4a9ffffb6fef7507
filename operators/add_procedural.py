"""Adds one of our own generators' objects to the scene."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty
from bpy.types import Context

from ..core.procedural import FAMILIES, make_object
from ..core.scene.procedural_objects import add_object
from .properties.scene import SIZE
from .reconstruct import collection_for_new

_ITEMS = [
    (name, name.replace("_", " ").title(), f"Another {name.replace('_', ' ')} for every seed")
    for name in sorted(FAMILIES)
]


class MAQUETTE_OT_add_procedural(bpy.types.Operator):
    """Add an object that Maquette learned from: made from a family of shapes and a seed"""

    bl_idname = "maquette.add_procedural"
    bl_label = "Add Procedural Object"
    bl_options = {'REGISTER', 'UNDO'}

    family: EnumProperty(
        name="Family", description="What kind of object", items=_ITEMS, default="chair"
    )
    seed: IntProperty(
        name="Seed", description="Which object of the family. Costs nothing", default=0, min=0
    )
    size: FloatProperty(**SIZE)

    @classmethod
    def poll(cls, context: Context) -> bool:
        if context.mode != 'OBJECT':
            cls.poll_message_set("Go to Object Mode first")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        thing = make_object(self.family, self.seed)
        obj = add_object(collection_for_new(context), thing)
        obj.scale = (self.size,) * 3
        lowest = min(float(part.mesh.vertices[:, 2].min()) for part in thing.parts)
        obj.location = context.scene.cursor.location
        obj.location.z -= lowest * self.size
        for other in context.selected_objects:
            other.select_set(False)
        context.view_layer.objects.active = obj
        obj.select_set(True)
        self.report({'INFO'}, f"{obj.name}: {len(obj.data.polygons):,} faces")
        return {'FINISHED'}


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_add_procedural,))
