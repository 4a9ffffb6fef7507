"""New shapes of a class, to choose from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import bpy
import numpy as np
from bpy.props import EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import Context

from ...core.arrays import MeshArrays
from ...core.jobs.task import Task
from ...core.model.jobs import shapes
from ...core.model.jobs.shapes import MadeShape
from ...core.model.shape_classes import ANY_CLASS, CLASS_NAMES, SHAPE_CLASSES
from .. import _compute
from .._results import free_location, show_result
from ..properties.scene import SIZE
from ._candidates import list_candidates, mark_candidate, mean_copying, unmark
from ._shapes import ShapeOperator, add_row

_CLASSES = (
    ('ANY', "Any", "A shape of any class"),
    *(
        (name.upper(), label, ", ".join(families).replace("_", " "))
        for name, (label, families) in SHAPE_CLASSES.items()
    ),
)


class MAQUETTE_OT_generate_shape(ShapeOperator, bpy.types.Operator):
    """Make a grid of new shapes of a class, to choose from"""

    bl_idname = "maquette.generate_shape"
    bl_label = "Imagine Shapes"
    bl_options = {'REGISTER', 'UNDO'}

    kind: EnumProperty(
        name="Class",
        description="Kind of the shapes",
        items=_CLASSES,
        options={'SKIP_SAVE'},
    )
    count: IntProperty(
        name="Candidates",
        description="Number of shapes, each takes about a second",
        default=6,
        min=1,
        max=64,
        options={'SKIP_SAVE'},
    )
    seed: IntProperty(
        name="Seed",
        description="Random seed. The same seed and class give the same shapes",
        min=0,
        options={'SKIP_SAVE'},
    )
    size: FloatProperty(**SIZE)

    @classmethod
    def poll(cls, context: Context) -> bool:
        if context.mode != 'OBJECT':
            cls.poll_message_set("Switch to Object Mode first")
            return False
        return True

    def start(self, context: Context) -> Task[tuple[MadeShape, ...]]:
        label = ANY_CLASS
        if self.kind != 'ANY':
            label = CLASS_NAMES.index(self.kind.lower())
        request = shapes.GenerationRequest(
            label=label,
            count=self.count,
            seed=self.seed,
            detail=self.detail_factor(),
            weights=self.weights_path(),
        )
        return _compute.run_function(shapes.generate_shapes, request)

    def finish(self, context: Context, result: tuple[MadeShape, ...]) -> None:
        meshes = [_resized(shape.mesh, self.size) for shape in result]
        columns = math.ceil(math.sqrt(len(meshes)))
        cursor = context.scene.cursor.location
        name = "Shape" if self.kind == 'ANY' else SHAPE_CLASSES[self.kind.lower()][0]
        place = free_location(context, meshes[0], cursor)
        objects = add_row(context, [name] * len(meshes), meshes, place, columns)
        show_result(context, objects)
        for index, (obj, shape) in enumerate(zip(objects, result, strict=True)):
            mark_candidate(obj, index + 1, shape)
        faces = sum(len(mesh.faces) for mesh in meshes)
        facts = [f"{len(meshes)} shapes, {faces:,} faces", mean_copying(result)]
        self.report({'INFO'}, ", ".join(filter(None, facts)))


class MAQUETTE_OT_choose_shape(bpy.types.Operator):
    """Select this candidate, or deselect it"""

    bl_idname = "maquette.choose_shape"
    bl_label = "Choose Shape"
    bl_options = {'REGISTER', 'UNDO'}

    name: StringProperty(
        name="Name", description="Name of the candidate's object", options={'SKIP_SAVE'}
    )

    def execute(self, context: Context) -> set[str]:
        obj = context.view_layer.objects.get(self.name)
        if obj is None:
            self.report({'ERROR'}, f"There is no object {self.name!r}")
            return {'CANCELLED'}
        is_chosen = not obj.select_get()
        obj.select_set(is_chosen)
        if is_chosen:
            context.view_layer.objects.active = obj
        return {'FINISHED'}


class MAQUETTE_OT_keep_shapes(bpy.types.Operator):
    """Keep the selected candidates, and delete the others"""

    bl_idname = "maquette.keep_shapes"
    bl_label = "Keep Selected"
    bl_options = {'REGISTER', 'UNDO'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        if not any(obj.select_get() for obj in list_candidates(context)):
            cls.poll_message_set("Select the candidates to keep")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        candidates = list_candidates(context)
        kept = [obj for obj in candidates if obj.select_get()]
        dropped = [obj for obj in candidates if not obj.select_get()]
        for obj in kept:
            unmark(obj)
        for obj in dropped:
            data = obj.data
            bpy.data.objects.remove(obj)
            if data.users == 0:
                bpy.data.meshes.remove(data)
        self.report({'INFO'}, f"{len(kept)} shapes kept, {len(dropped)} deleted")
        return {'FINISHED'}


def _resized(mesh: MeshArrays, size: float) -> MeshArrays:
    """Return a mesh whose longest side is ``size`` meters."""
    longest = float(np.ptp(mesh.vertices, axis=0).max())
    return replace(mesh, vertices=mesh.vertices * np.float32(size / longest))


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory(
    (MAQUETTE_OT_generate_shape, MAQUETTE_OT_choose_shape, MAQUETTE_OT_keep_shapes)
)
