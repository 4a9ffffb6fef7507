"""Shapes between two objects."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty
from bpy.types import Context

from ...core.arrays import MeshArrays
from ...core.jobs.task import Task
from ...core.model.jobs import shapes
from .. import _compute
from .._results import show_result
from ._shapes import ShapeOperator, add_row, poll_objects, read_standing, right_of, selected_meshes


class MAQUETTE_OT_blend_shapes(ShapeOperator, bpy.types.Operator):
    """Make shapes between the two selected objects, from the other one to the active one"""

    bl_idname = "maquette.blend_shapes"
    bl_label = "Blend Shapes"
    bl_options = {'REGISTER', 'UNDO'}

    row: BoolProperty(
        name="Row",
        description="Make a row of shapes instead of a single one",
        default=True,
        options={'SKIP_SAVE'},
    )
    count: IntProperty(
        name="Shapes",
        description="Number of shapes in the row, each takes about a second",
        default=5,
        min=1,
        max=32,
        options={'SKIP_SAVE'},
    )
    factor: FloatProperty(
        name="Factor",
        description="Share of the active object in a single shape",
        subtype='FACTOR',
        default=0.5,
        min=0,
        max=1,
        options={'SKIP_SAVE'},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return poll_objects(cls, context, 2)

    def start(self, context: Context) -> Task[tuple[MeshArrays, ...]]:
        first, second = selected_meshes(context)
        self._names = (first.name, second.name)
        self._place = right_of((first, second))
        request = shapes.BlendRequest(
            first=read_standing(first)[0],
            second=read_standing(second)[0],
            shares=self._shares(),
            detail=self.detail_factor(),
            weights=self.weights_path(),
        )

        return _compute.run_function(shapes.blend_shapes, request)

    def finish(self, context: Context, result: tuple[MeshArrays, ...]) -> None:
        first, second = self._names
        names = [f"{first} to {second} {share:.0%}" for share in self._shares()]
        show_result(context, add_row(context, names, result, self._place))
        faces = sum(len(mesh.faces) for mesh in result)
        self.report({'INFO'}, f"{len(result)} shapes between {first} and {second}, {faces:,} faces")

    def draw(self, context: Context) -> None:
        """Draw what Adjust Last Operation may change."""
        self.layout.use_property_split = True
        self.layout.prop(self, "row")
        self.layout.prop(self, "count" if self.row else "factor")
        self.layout.prop(self, "detail")

    def _shares(self) -> tuple[float, ...]:
        if not self.row:
            return (self.factor,)
        steps = self.count + 1
        return tuple((index + 1) / steps for index in range(self.count))


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_blend_shapes,))
