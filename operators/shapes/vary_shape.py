"""Shapes near an object."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import FloatProperty, IntProperty
from bpy.types import Context

from ...core.arrays import MeshArrays
from ...core.jobs.task import Task
from ...core.model.jobs import shapes
from .. import _compute
from .._results import show_result
from ._shapes import ShapeOperator, add_row, poll_objects, read_standing, right_of, selected_meshes


class MAQUETTE_OT_vary_shape(ShapeOperator, bpy.types.Operator):
    """Make variations of the selected object beside it"""

    bl_idname = "maquette.vary_shape"
    bl_label = "Vary Shape"
    bl_options = {'REGISTER', 'UNDO'}

    strength: FloatProperty(
        name="Strength",
        description="How far the variations are from the object. At 1 little of it is left",
        subtype='FACTOR',
        default=0.3,
        min=0,
        max=1,
        options={'SKIP_SAVE'},
    )
    count: IntProperty(
        name="Variations",
        description="Number of variations, each takes about a second",
        default=3,
        min=1,
        max=32,
        options={'SKIP_SAVE'},
    )
    seed: IntProperty(
        name="Seed",
        description="Random seed of the first variation; each has the next one",
        min=0,
        options={'SKIP_SAVE'},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return poll_objects(cls, context, 1)

    def start(self, context: Context) -> Task[tuple[MeshArrays, ...]]:
        (obj,) = selected_meshes(context)
        self._name = obj.name
        self._place = right_of((obj,))
        request = shapes.VariationRequest(
            mesh=read_standing(obj)[0],
            strength=self.strength,
            seeds=tuple(range(self.seed, self.seed + self.count)),
            detail=self.detail_factor(),
            weights=self.weights_path(),
        )

        return _compute.run_function(shapes.vary_shape, request)

    def finish(self, context: Context, result: tuple[MeshArrays, ...]) -> None:
        names = [f"{self._name} Variation" for _ in result]
        show_result(context, add_row(context, names, result, self._place))
        faces = sum(len(mesh.faces) for mesh in result)
        self.report({'INFO'}, f"{len(result)} variations of {self._name}, {faces:,} faces")


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_vary_shape,))
