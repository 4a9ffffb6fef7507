"""Objects as Blender evaluates them at the current frame, also those that the viewport does not.

``Object.evaluated_get`` of an object that the dependency graph does not hold (hidden in the
viewport, in an excluded collection, of another scene, or right after a file was opened) returns the
object with a stale matrix, without an error. Every matrix that is read here comes from a graph that
holds its object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

GraphOf = Callable[[bpy.types.Object], bpy.types.Depsgraph]

_NAME = "Maquette Evaluation"
# First frame of the simulation of a copied scene: long before any frame that is rendered.
_LONG_AGO = -1_000_000


@contextmanager
def evaluated_objects(
    context: bpy.types.Context, objects: Iterable[bpy.types.Object]
) -> Iterator[GraphOf]:
    """Yield a function that returns for each of ``objects`` a graph that has evaluated it.

    Objects that the viewport shows are as it shows them, with changes that are not keyed. The
    others are evaluated in an empty copy of the scene, which is removed on exit and writes nothing
    back to them.

    Args:
        context: Its view layer, at its current frame.
        objects: To evaluate, with their data. They may be of another scene or linked.
    """
    viewport = context.evaluated_depsgraph_get()
    hidden = [obj for obj in objects if not _is_held(context, obj)]
    if not hidden:
        yield lambda obj: viewport
        return

    scene = context.scene
    with ExitStack() as stack:
        copy = copied_scene(scene)
        stack.callback(bpy.data.scenes.remove, copy)
        copy.name = _NAME
        _clear_scene(copy)
        _hold_objects(copy, hidden, stack)

        # Unlike an update of the view layer, this does not make the graph the active one, which
        # would write animated values back to the objects.
        copy.frame_set(scene.frame_current, subframe=scene.frame_subframe)
        graph = copy.view_layers[0].depsgraph
        hidden_names = {obj.name_full for obj in hidden}
        yield lambda obj: graph if obj.name_full in hidden_names else viewport


def evaluated_matrices(
    context: bpy.types.Context, objects: Sequence[bpy.types.Object]
) -> list[Matrix]:
    """Return the world matrix of each of ``objects`` at the current frame."""
    with evaluated_objects(context, objects) as graph_of:
        return [obj.evaluated_get(graph_of(obj)).matrix_world.copy() for obj in objects]


def displayed_matrix(obj: bpy.types.Object) -> NDArray[np.float64]:
    """Return the world matrix (4, 4) of ``obj`` for drawing, where nothing may be evaluated.

    That of a hidden object is composed of its parents', without constraints.
    """
    if obj.visible_get():
        return np.array(obj.matrix_world)

    matrix = np.array(obj.matrix_basis)
    if obj.parent is None:
        return matrix
    return displayed_matrix(obj.parent) @ np.array(obj.matrix_parent_inverse) @ matrix


def copied_scene(scene: bpy.types.Scene) -> bpy.types.Scene:
    """Return a copy of ``scene`` that shares its objects, and leaves their rigid bodies alone.

    At the second frame of its simulation a scene makes the rigid bodies anew. They are the
    objects', so the simulation of ``scene`` would then use freed ones and crash. A copy whose
    simulation began long ago only reads what is baked.
    """
    copy = scene.copy()
    world = copy.rigidbody_world
    if world and world.point_cache:
        world.point_cache.frame_start = _LONG_AGO
    return copy


def _is_held(context: bpy.types.Context, obj: bpy.types.Object) -> bool:
    """Return whether the graph of the viewport evaluates ``obj``; it does so for the camera."""
    return obj == context.scene.camera or obj.visible_get(view_layer=context.view_layer)


def _clear_scene(scene: bpy.types.Scene) -> None:
    """Remove all objects and markers from ``scene``."""
    for child in list(scene.collection.children):
        scene.collection.children.unlink(child)
    for linked in list(scene.collection.objects):
        scene.collection.objects.unlink(linked)
    scene.camera = None
    scene.timeline_markers.clear()


def _hold_objects(
    scene: bpy.types.Scene, objects: Iterable[bpy.types.Object], stack: ExitStack
) -> None:
    """Let ``scene`` evaluate ``objects`` and what they depend on, whether hidden or not.

    Blender evaluates what something visible depends on: the cameras of markers with their data, and
    what an object is constrained and shrunk to.

    Args:
        scene: To evaluate them in.
        objects: To hold.
        stack: What holds them is removed when this is closed.
    """
    mesh = bpy.data.meshes.new(_NAME)
    stack.callback(bpy.data.meshes.remove, mesh)  # and with it its objects
    for obj in objects:
        if obj.type == 'CAMERA':
            marker = scene.timeline_markers.new(obj.name, frame=_LONG_AGO)
            marker.camera = obj
            continue

        holder = bpy.data.objects.new(_NAME, mesh)
        scene.collection.objects.link(holder)
        constraint = holder.constraints.new('COPY_TRANSFORMS')
        constraint.target = obj
        if obj.type == 'MESH':
            modifier = holder.modifiers.new(_NAME, 'SHRINKWRAP')
            modifier.target = obj
