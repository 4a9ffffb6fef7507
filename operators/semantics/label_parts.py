"""Name the parts of a reconstructed object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy.types import Context

from ...core.arrays import MeshArrays
from ...core.errors import MeshError
from ...core.jobs.task import Task
from ...core.model.jobs.label_parts import PartRequest, label_parts  # without torch, until it runs
from ...core.model.jobs.meaning import has_part
from ...core.scene import meshes, source_views
from ...core.scene.semantics.part_attributes import write_parts
from .. import _compute
from .._results import absolute_path, leave_edit_mode, poll_editable_mesh, weights_file
from .._task_operator import TaskOperator

if TYPE_CHECKING:
    from ...core.model.inference.meaning.part_labels import SurfaceParts

_MOST_NAMED = 6  # parts in the report


def offers_labels(context: Context) -> bool:
    """Return whether the parts of the active object can be seen in its images; for panels."""
    obj = context.active_object
    if obj is None or obj.type != 'MESH' or not source_views.count_views(obj):
        return False
    return has_part("heads")


def start_labeling(
    obj: bpy.types.Object, weights: Path | None, heads: Path | None, window: bool = False
) -> Task[SurfaceParts]:
    """Return the task that finds the parts of an object in the images that it was made from.

    Args:
        obj: With its source images. It is read at once.
        weights: Of reconstruction; None for the bundled ones.
        heads: That see parts; None for the bundled ones.
        window: See :func:`.._compute.compute_target`.

    Raises:
        MeshError: The mesh is not where its images show it.
        ImageError: An image cannot be read.
    """
    views = source_views.decode_views(source_views.load_views(obj))
    if not views:
        raise MeshError(
            f"{obj.name!r} is not where its images show it any more. Undo what moved its mesh"
        )
    request = PartRequest(_read_mesh(obj), tuple(views), weights, heads)
    return _compute.run_function(label_parts, request, window=window)


def describe_parts(result: SurfaceParts, found: Sequence[str]) -> str:
    """Return what an object is and its parts in a few words.

    Args:
        result: Of the task.
        found: Names of the parts that it has.
    """
    family = result.family.replace("_", " ") if result.is_known else "unknown object"
    if not found:
        return f"{family}, no part is sure enough"
    shown = ", ".join(found[:_MOST_NAMED])
    if len(found) > _MOST_NAMED:
        shown += f" and {len(found) - _MOST_NAMED} more"
    return f"{family}, {shown}; the images show {result.seen_share:.0%} of it"


def _read_mesh(obj: bpy.types.Object) -> MeshArrays:
    """Return the triangles of an object, whose parts are found."""
    return MeshArrays(meshes.read_vertices(obj.data), meshes.read_triangles(obj.data))


class MAQUETTE_OT_label_parts(TaskOperator, bpy.types.Operator):
    """Name the parts of the active object."""

    bl_idname = "maquette.label_parts"
    bl_label = "Label Parts"
    bl_description = (
        "Find the parts of the active object, such as seat and legs, in the images that it was "
        "made from. They become a face attribute, vertex groups and material slots"
    )
    bl_options = {'REGISTER', 'UNDO'}

    vertex_groups: BoolProperty(
        name="Vertex Groups",
        description="Add a vertex group for each part",
        default=True,
    )
    material_slots: BoolProperty(
        name="Material Slots",
        description="Add a material slot for each part. Its material is a copy of the present one",
        default=True,
    )
    heads: StringProperty(
        name="Heads",
        description="File of the weights that see parts. Leave empty for the bundled one",
        options={'HIDDEN', 'SKIP_SAVE'},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        if not poll_editable_mesh(cls, context):
            return False
        if not source_views.count_views(context.active_object):
            cls.poll_message_set("Select an object that was reconstructed from images")
            return False
        return True

    def label(self) -> str:
        return f"{self.bl_label} {self._name}"

    def start(self, context: Context) -> Task[SurfaceParts]:
        obj = context.active_object
        self._name = obj.name
        heads = absolute_path(self.heads) if self.heads else None
        labeling = start_labeling(obj, weights_file(), heads, self.interactive)
        self._mesh = _read_mesh(obj)
        return labeling

    def finish(self, context: Context, result: SurfaceParts) -> None:
        obj = self._unchanged_object(context)
        if obj.data.users > 1:  # other objects with the same mesh stay as they are
            obj.data = obj.data.copy()
        found = write_parts(
            obj, result.groups, result.names, self.vertex_groups, self.material_slots
        )
        level = 'INFO' if found else 'WARNING'
        self.report({level}, f"{obj.name}: {describe_parts(result, found)}")

    def draw(self, context: Context) -> None:
        """Draw what Adjust Last Operation may change without looking at the images again."""
        self.layout.prop(self, "vertex_groups")
        self.layout.prop(self, "material_slots")

    def _unchanged_object(self, context: Context) -> bpy.types.Object:
        """Return the object that the task began with, in Object Mode.

        Raises:
            MeshError: It no longer exists, or was changed.
        """
        obj = context.scene.objects.get(self._name)
        if obj is None or obj.type != 'MESH':
            raise MeshError(f"{self._name!r} no longer exists. Nothing was changed")
        leave_edit_mode(context)
        if not _read_mesh(obj).has_same_surface(self._mesh):
            raise MeshError(
                f"{self._name!r} was edited while the job was running and was not changed. "
                f"Run {self.bl_label} again"
            )

        return obj


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_label_parts,))
