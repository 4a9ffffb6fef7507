"""Meshes to fit procedural objects to, and the objects that fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import bpy
import numpy as np
from mathutils import Matrix

from ...arrays import MeshArrays, View
from ...procedural.fitting.results import ProceduralFit
from .. import meshes, source_views
from ..evaluation.hidden_objects import evaluated_matrices
from . import building

_SAME_SCALE = 1e-3  # relative difference of the scales along three axes
_LEVEL = 1e-3  # radians by which an object may lean and still stand upright


@dataclass(frozen=True)
class UprightMesh:
    """A mesh of the scene, turned back about Z so that its own front is towards -Y.

    Attributes:
        mesh: In units of the scene, about the object's origin.
        views: Pictures of it with cameras in the frame of ``mesh``; empty where it leans or is
            distorted.
        to_world: Turns it about Z and moves it to where it is.
    """

    mesh: MeshArrays
    views: tuple[View, ...]
    to_world: Matrix


def upright_mesh(
    context: bpy.types.Context, obj: bpy.types.Object, world_mesh: MeshArrays
) -> UprightMesh:
    """Return the mesh of an object in a frame whose Z is up, with its colors and pictures.

    Args:
        context: Its current frame is evaluated.
        obj: A mesh object.
        world_mesh: What the object shows, in world space.

    Raises:
        ImageError: A stored picture cannot be read.
    """
    (matrix,) = evaluated_matrices(context, [obj])
    location, turn, scale = matrix.decompose()
    euler = turn.to_euler('XYZ')
    to_world = Matrix.Translation(location) @ Matrix.Rotation(euler.z, 4, 'Z')
    from_world = np.array(to_world.inverted())
    vertices = world_mesh.vertices @ from_world[:3, :3].T + from_world[:3, 3]

    # Colors, if the modifiers keep the vertices.
    colors = None
    if len(obj.data.vertices) == len(vertices):
        colors = meshes.to_arrays(obj.data).colors
    mesh = replace(world_mesh, vertices=vertices.astype(np.float32), colors=colors)

    views: list[View] = []
    is_level = abs(euler.x) < _LEVEL and abs(euler.y) < _LEVEL
    is_even = max(scale) - min(scale) <= _SAME_SCALE * max(scale)

    if is_level and is_even and min(scale) > 0:
        # Decoded by Blender, which needs no package.
        for view in source_views.decode_views(source_views.load_views(obj)):
            views.append(replace(view, camera=view.camera.scaled(float(scale[0]))))

    return UprightMesh(mesh, tuple(views), to_world)


def new_fitted_object(
    collection: bpy.types.Collection, fit: ProceduralFit, parts: str, to_world: Matrix
) -> bpy.types.Object:
    """Return a new procedural object in ``collection``, with sliders, where a fit says.

    Args:
        collection: The objects are linked to it.
        fit: In the frame of the mesh that was fitted.
        parts: One of ``recipes.PARTS``.
        to_world: From that frame to world space, without scale.
    """
    root = building.new_object(collection, fit.recipe(parts))
    placing = Matrix.Translation(fit.location) @ Matrix.Rotation(fit.yaw, 4, 'Z')
    location, turn, _ = (to_world @ placing).decompose()
    root.location = location
    root.rotation_euler = turn.to_euler('XYZ')
    root.scale = fit.scale
    building.set_part_colors(root, fit.colors)

    return root
