"""What the operators of the shape space have in common: meshes as they stand, and results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
from bpy.props import EnumProperty, StringProperty
from bpy.types import Context
from mathutils import Vector

from ...core.arrays import MeshArrays
from ...core.errors import MeshError
from ...core.scene import meshes
from .._results import absolute_path, add_object, select_only
from .._task_operator import TaskOperator

_GAP = 0.15  # between objects of a row, in longest sides of the largest one
DETAILS = {'COARSE': 1, 'FINE': 2}  # factor of the points along each side


class ShapeOperator(TaskOperator):
    """Mix-in of the operators of the shape space: what its results look like, and its weights."""

    detail: EnumProperty(
        name="Faces",
        description="Size of the faces of the result. The shape is the same",
        items=(
            ('COARSE', "Coarse", "Some 10,000 faces"),
            ('FINE', "Fine", "Four times as many, smoother"),
        ),
        options={'SKIP_SAVE'},
    )
    weights: StringProperty(
        name="Weights",
        description="File of weights with the shape space. Leave empty for the bundled one",
        subtype='FILE_PATH',
        options={'SKIP_SAVE', 'HIDDEN'},
    )

    def weights_path(self) -> Path | None:
        """Return the file of weights; None for the bundled one."""
        return absolute_path(self.weights) if self.weights else None

    def detail_factor(self) -> int:
        """Return the factor of the points along each side."""
        return DETAILS[self.detail]


def poll_objects(operator: type[bpy.types.Operator], context: Context, count: int) -> bool:
    """Return whether ``count`` meshes are selected in Object Mode; else say why not.

    Args:
        operator: the class that is asked; its poll message is set.
        context: with the selection.
        count: 1 or 2.
    """
    if context.mode != 'OBJECT':
        operator.poll_message_set("Switch to Object Mode first")
        return False
    selected = [obj for obj in context.selected_objects if obj.type == 'MESH']
    if len(selected) != count:
        text = "Select a mesh object" if count == 1 else "Select two mesh objects"
        operator.poll_message_set(text)
        return False

    return True


def selected_meshes(context: Context) -> list[bpy.types.Object]:
    """Return the selected mesh objects, the active one last."""
    objects = [obj for obj in context.selected_objects if obj.type == 'MESH']
    return sorted(objects, key=lambda obj: obj == context.active_object)


def read_standing(obj: bpy.types.Object) -> tuple[MeshArrays, Vector]:
    """Return an object's mesh turned and scaled as it stands, about its origin, and its place.

    Raises:
        MeshError: it has no faces, or coordinates that are not numbers.
    """
    arrays = meshes.to_arrays(obj.data)
    if not len(arrays.faces):
        raise MeshError(f"{obj.name!r} has no faces")
    if not np.isfinite(arrays.vertices).all():
        raise MeshError(f"{obj.name!r} has coordinates that are not numbers. Remove them first")

    # Turned and scaled as in the scene.
    matrix = np.array(obj.matrix_world)[:3, :3]
    vertices = (arrays.vertices @ matrix.T).astype(np.float32)
    faces = arrays.faces
    if np.linalg.det(matrix) < 0:  # a mirrored object has its faces inside out
        faces = np.ascontiguousarray(faces[:, ::-1])
    standing = MeshArrays(vertices, faces, arrays.colors)

    return standing, obj.matrix_world.translation.copy()


def centered(mesh: MeshArrays) -> MeshArrays:
    """Return a mesh with the origin below the middle of its bounding box, on the ground."""
    low = mesh.vertices.min(0)
    high = mesh.vertices.max(0)
    origin = np.array(((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]))
    return replace(mesh, vertices=(mesh.vertices - origin).astype(np.float32))


def add_row(
    context: Context,
    names: Sequence[str],
    results: Sequence[MeshArrays],
    start: Vector,
    columns: int = 0,
) -> list[bpy.types.Object]:
    """Add meshes as objects in rows along X, and select them; the first one is active.

    Args:
        context: its view layer and its active collection get the objects.
        names: of the objects.
        results: their meshes, meters.
        start: (3,) left end of the first row in world space.
        columns: objects of a row; 0 for one row.
    """
    # In a grid the columns are equally wide, in a row each is as wide as its object.
    placed = [centered(mesh) for mesh in results]
    widths = [float(np.ptp(mesh.vertices[:, 0])) for mesh in placed]
    largest = max(float(np.ptp(mesh.vertices, axis=0).max()) for mesh in placed)
    depth = max(float(np.ptp(mesh.vertices[:, 1])) for mesh in placed)
    gap = _GAP * largest

    objects = []
    x = 0.0
    for index, (name, mesh) in enumerate(zip(names, placed, strict=True)):
        row = index // columns if columns else 0
        if columns and index % columns == 0:
            x = 0.0

        # Each object in the middle of its column.
        width = largest if columns else widths[index]
        location = start + Vector((x + width / 2, -row * (depth + gap), 0.0))
        x += width + gap
        objects.append(add_object(context, name, mesh, location))

    select_only(context, objects, objects[0])
    return objects


def right_of(objects: Sequence[bpy.types.Object]) -> Vector:
    """Return the place to the right of objects, in front of nothing, at their lowest point."""
    # Bounds in world space.
    corners = [obj.matrix_world @ Vector(corner) for obj in objects for corner in obj.bound_box]
    low = Vector(min(corner[axis] for corner in corners) for axis in range(3))
    high = Vector(max(corner[axis] for corner in corners) for axis in range(3))
    gap = _GAP * max(high - low)
    middle = (low[1] + high[1]) / 2
    return Vector((high[0] + gap, middle, low[2]))
