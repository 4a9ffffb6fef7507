"""Scale solved photographs so that a length that was measured is right."""

from __future__ import annotations

import bmesh
import bpy
from bpy.props import FloatProperty, FloatVectorProperty
from bpy.types import Context
from mathutils import Vector

from ...core.errors import MaquetteError, SceneError
from ...core.scene.photographs import real_size
from .._results import leave_edit_mode
from ..properties.photographs import LENGTH, REAL_SIZE

_POINT = {"size": 3, "subtype": 'XYZ', "options": {'SKIP_SAVE'}, "unit": 'LENGTH'}


class MAQUETTE_OT_set_real_size(bpy.types.Operator):
    """Scale solved photographs by the distance of two points."""

    bl_idname = "maquette.set_real_size"
    bl_label = "Set Length"
    bl_description = (
        "Scale the cameras, the clouds and the mesh of solved photographs so that two points are "
        "as far apart as you measured. Select two vertices in Edit Mode, or two objects, such as "
        "empties snapped to the mesh. Takes less than a second"
    )
    bl_options = {'REGISTER', 'UNDO'}

    length: FloatProperty(**LENGTH)
    first: FloatVectorProperty(
        name="First Point",
        description="World coordinates, for scripts. Without them the selection is used",
        **_POINT,
    )
    second: FloatVectorProperty(
        name="Second Point",
        description="World coordinates, for scripts. Without them the selection is used",
        **_POINT,
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        if context.mode not in ('OBJECT', 'EDIT_MESH'):
            cls.poll_message_set("Switch to Object Mode or to Edit Mode of a mesh first")
            return False
        if not real_size.solved_collections(context.scene):
            cls.poll_message_set("Press Solve Photographs first")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        try:
            factor, size = self._scale(context)
        except MaquetteError as error:
            self.report({'ERROR'}, str(error))
            return {'CANCELLED'}
        self.report({'INFO'}, f"Scaled by {factor:.4g}: the longest side is {size:.4g}")
        return {'FINISHED'}

    def draw(self, context: Context) -> None:
        """Adjust Last Operation: the length alone, since the selection may have changed."""
        self.layout.use_property_split = True
        self.layout.prop(self, "length")

    def _scale(self, context: Context) -> tuple[float, float]:
        """Scale what was solved; return the factor, and the length of the longest side."""
        objects = [*context.selected_objects, *filter(None, [context.active_object])]
        collection = real_size.chosen_collection(context.scene, objects)
        first, second = self._points(context)
        factor = real_size.scale_factor(first, second, self.length)
        size = collection[real_size.SIZE] * factor

        if not REAL_SIZE["min"] <= size <= REAL_SIZE["max"]:
            raise SceneError(
                f"The object would be {size:.4g} long, which is not within {REAL_SIZE['min']} to "
                f"{REAL_SIZE['max']}: check the length and the two points"
            )

        # Undo in Edit Mode would bring back the edited mesh alone.
        leave_edit_mode(context)
        real_size.scale_collection(collection, factor)
        context.scene.maquette_photographs.size = size
        return factor, size

    def _points(self, context: Context) -> tuple[Vector, Vector]:
        """Return the two points in world space.

        Raises:
            SceneError: Not two points are selected.
        """
        if self.properties.is_property_set("first") and self.properties.is_property_set("second"):
            return Vector(self.first), Vector(self.second)
        context.view_layer.update()
        if context.mode == 'EDIT_MESH':
            points = _selected_vertices(context)
            what = "vertices"
        else:
            points = [obj.matrix_world.translation.copy() for obj in context.selected_objects]
            what = "objects"

        if len(points) != 2:
            raise SceneError(
                f"{len(points)} {what} are selected: select two, whose distance you measured"
            )

        return points[0], points[1]


def _selected_vertices(context: Context) -> list[Vector]:
    """Return the selected vertices of all meshes in Edit Mode, in world space."""
    points = []
    for obj in context.objects_in_mode_unique_data:
        vertices = bmesh.from_edit_mesh(obj.data).verts
        points += [obj.matrix_world @ vertex.co for vertex in vertices if vertex.select]
    return points


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_set_real_size,))
