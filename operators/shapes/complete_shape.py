"""The complete shape of a scan with holes, or of a half."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty
from bpy.types import Context

from ...core.arrays import MeshArrays
from ...core.jobs.task import Task
from ...core.model.jobs import shapes
from .. import _compute
from .._results import add_object, show_result
from ._shapes import ShapeOperator, poll_objects, read_standing, selected_meshes


class MAQUETTE_OT_complete_shape(ShapeOperator, bpy.types.Operator):
    """Complete the selected object: what is there stays, and the rest is imagined"""

    bl_idname = "maquette.complete_shape"
    bl_label = "Complete Shape"
    bl_options = {'REGISTER', 'UNDO'}

    missing: EnumProperty(
        name="Missing",
        description="What the object lacks, as seen from the front (towards -Y)",
        items=(
            ('HOLES', "Holes", "Parts within its bounding box"),
            ('BACK', "Back", "The shape goes on at its back, towards +Y"),
            ('FRONT', "Front", "The shape goes on at its front, towards -Y"),
            ('LEFT', "Left", "The shape goes on towards -X"),
            ('RIGHT', "Right", "The shape goes on towards +X"),
            ('TOP', "Top", "The shape goes on upwards"),
            ('BOTTOM', "Bottom", "The shape goes on downwards"),
        ),
        options={'SKIP_SAVE'},
    )
    share: FloatProperty(
        name="Missing Share",
        description="Share of the length of the complete shape that is missing at that side",
        subtype='FACTOR',
        default=0.5,
        min=0.05,
        max=0.8,
        options={'SKIP_SAVE'},
    )
    hide: BoolProperty(
        name="Hide Original",
        description="Hide the incomplete object, in whose place the complete one is",
        default=True,
        options={'SKIP_SAVE'},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return poll_objects(cls, context, 1)

    def start(self, context: Context) -> Task[MeshArrays]:
        (obj,) = selected_meshes(context)
        self._name = obj.name
        mesh, self._place = read_standing(obj)
        request = shapes.CompletionRequest(
            mesh=mesh,
            missing=self.missing.lower(),
            share=self.share,
            detail=self.detail_factor(),
            weights=self.weights_path(),
        )

        return _compute.run_function(shapes.complete_shape, request)

    def finish(self, context: Context, result: MeshArrays) -> None:
        # In the place of what it completes; the object may be gone by now.
        original = bpy.data.objects.get(self._name)
        obj = add_object(context, f"{self._name} Complete", result, self._place)
        is_shown = original is not None and original.name in context.view_layer.objects
        if self.hide and is_shown:
            original.hide_set(True)

        show_result(context, [obj])
        self.report({'INFO'}, f"{self._name}: completed, {len(result.faces):,} faces")

    def draw(self, context: Context) -> None:
        """Draw what Adjust Last Operation may change."""
        self.layout.use_property_split = True
        self.layout.prop(self, "missing")
        if self.missing != 'HOLES':
            self.layout.prop(self, "share")
        self.layout.prop(self, "hide")
        self.layout.prop(self, "detail")


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_complete_shape,))
