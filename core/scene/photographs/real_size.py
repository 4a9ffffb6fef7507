"""The size of what photographs show: known once a length in the scene is known."""

from __future__ import annotations

from collections.abc import Iterable

import bpy
from mathutils import Matrix, Vector

from ...errors import SceneError
from .. import source_views
from . import point_clouds

SIZE = "maquette_size"  # custom property of a solved collection: the object's longest side, meters
_LEAST_DISTANCE = 1e-9  # meters between two points that are not the same


def solved_collections(scene: bpy.types.Scene) -> list[bpy.types.Collection]:
    """Return the collections of solved photographs in ``scene``."""
    return [each for each in scene.collection.children_recursive if SIZE in each]


def chosen_collection(
    scene: bpy.types.Scene, objects: Iterable[bpy.types.Object]
) -> bpy.types.Collection:
    """Return the solved collection that holds one of ``objects``, or else the only one.

    Args:
        scene: Where to look.
        objects: The most telling first, such as those that are selected.

    Raises:
        SceneError: There is none, or it is not clear which.
    """
    collections = solved_collections(scene)
    for obj in objects:
        for collection in collections:
            if obj.name in collection.all_objects:
                return collection

    if len(collections) == 1:
        return collections[0]
    if collections:
        names = " and ".join(each.name for each in collections)
        raise SceneError(
            f"There are several sets of photographs ({names}): select an object of the one to scale"
        )

    raise SceneError("There are no solved photographs in this scene: press Solve Photographs first")


def scale_factor(first: Vector, second: Vector, length: float) -> float:
    """Return the factor after which two points are ``length`` apart.

    Args:
        first: (3,) in world space, scene units.
        second: The other point.
        length: Above 0, scene units.

    Raises:
        SceneError: The points are at the same place.
    """
    distance = (second - first).length
    if distance < _LEAST_DISTANCE:
        raise SceneError("The two points are at the same place: choose points that are far apart")
    return length / distance


def scale_collection(collection: bpy.types.Collection, factor: float) -> None:
    """Scale a solved collection about the origin, which is on the floor.

    Meshes and cameras are scaled themselves: the objects' scale stays as it is.

    Args:
        collection: Of ``solved_cameras.add_solved_scene``.
        factor: Above 0.

    Raises:
        SceneError: Something in it is linked from another file; nothing was changed.
    """
    objects = list(collection.all_objects)
    for obj in objects:
        if obj.library or (obj.data and obj.data.library):
            raise SceneError(f"{obj.name} is linked from another file and cannot be scaled")

    for obj in objects:
        _scale_placement(obj, factor)
        point_clouds.scale_radius(obj, factor)
        source_views.scale_views(obj, factor)

    for data in {obj.data for obj in objects if obj.data}:
        _scale_data(data, factor)
    collection[SIZE] *= factor


def _scale_placement(obj: bpy.types.Object, factor: float) -> None:
    """Move ``obj`` to where scaling its parent's space puts it."""
    obj.location *= factor
    obj.delta_location *= factor
    inverse = obj.matrix_parent_inverse.copy()
    inverse.translation *= factor
    obj.matrix_parent_inverse = inverse
    if obj.type == 'EMPTY':
        obj.empty_display_size *= factor


def _scale_data(data: bpy.types.ID, factor: float) -> None:
    scaling = Matrix.Scale(factor, 4)
    if isinstance(data, bpy.types.Camera):
        data.display_size *= factor
        data.clip_start *= factor
        data.clip_end *= factor
        data.ortho_scale *= factor
        data.dof.focus_distance *= factor
    elif isinstance(data, bpy.types.Mesh):
        data.transform(scaling, shape_keys=True)
        data.update()
    elif hasattr(data, "transform"):
        data.transform(scaling)
