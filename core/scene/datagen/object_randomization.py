"""Varies single objects: copies in another pose and other materials, and views with scenery.

The given objects are never changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import bpy
import mathutils
import numpy as np
from numpy.typing import NDArray

from ...cameras import Camera
from ...dataset.records import RenderedView
from ...synthesis import samplers
from ...synthesis.randomization import (
    Background,
    MaterialParams,
    Pose,
    Purpose,
    Randomization,
    SceneryParams,
    rng_for,
    to_json,
)
from ..evaluation.hidden_objects import evaluated_objects
from ..importing import mesh_import
from ..rendering.random_materials import temporary_material
from ..rendering.render_output import to_srgb8
from ..rendering.studio import RenderStudio
from . import scenery as scenery_rendering
from .scenery import holdout, render_with_scenery, world_quality

_MIN_EXTENT = 1e-9  # of a mesh that has a size
_SHEAR_TOLERANCE = 1e-5  # of a matrix that an object can have


@contextmanager
def randomized_objects(
    objects: Sequence[bpy.types.Object],
    random: Randomization,
    seed: int,
    name: str,
    unit: float = 1.0,
    always_copy: bool = False,
) -> Iterator[tuple[Sequence[bpy.types.Object], Mapping[str, Any]]]:
    """Yield ``objects``, or copies with a sampled pose and materials, and what was sampled.

    Args:
        objects: Of one object of the set.
        random: What to sample.
        seed: Of the set.
        name: Of the object of the set.
        unit: Meters of a unit of length of the objects, for what was sampled.
        always_copy: Yield copies also if nothing was sampled.

    Yields:
        The objects and a dictionary as JSON. "pose" is a :class:`Pose` with "bounds" (2, 3) of the
        object before it, "materials" a :class:`MaterialParams` for each slot of each mesh in order;
        both only if they were sampled.

    Raises:
        MeshError: There is no face among ``objects``.
    """
    drawn: dict[str, Any] = {}
    pose = None
    if random.changes_pose:
        rng = rng_for(seed, name, Purpose.POSE)
        pose, drawn["pose"] = _sample_pose(objects, random, rng, unit)

    # One material for each slot of each mesh, or none at all.
    materials: tuple[MaterialParams, ...] = ()
    if random.materials:
        slots = sum(_slot_count(obj) for obj in objects if obj.type == 'MESH')
        rng = rng_for(seed, name, Purpose.LOOKS)
        materials = samplers.sample_materials(rng, random, slots)
    if materials:
        drawn["materials"] = to_json(materials)

    # Without changes no copies are needed.
    if not drawn and not always_copy:
        yield objects, drawn
        return
    transform = mathutils.Matrix(pose.matrix if pose else np.eye(4))
    with evaluated_copies(objects, transform, materials) as copies:
        yield copies, drawn


def _sample_pose(
    objects: Sequence[bpy.types.Object],
    random: Randomization,
    rng: np.random.Generator,
    unit: float,
) -> tuple[Pose, dict[str, Any]]:
    """Return a pose about the center of ``objects``, and the same as JSON, in meters."""
    vertices = mesh_import.world_triangles(objects).vertices.astype(float)
    bounds = np.stack((vertices.min(0), vertices.max(0)))
    pose = samplers.sample_pose(rng, random, bounds.mean(0))

    matrix = pose.matrix.copy()
    matrix[:3, 3] *= unit
    in_meters = replace(pose, matrix=matrix)
    return pose, {**to_json(in_meters), "bounds": (bounds * unit).tolist()}


def _slot_count(obj: bpy.types.Object) -> int:
    """Return how many materials ``obj`` needs; one if it has no slot."""
    return max(1, len(obj.material_slots))


@contextmanager
def evaluated_copies(
    objects: Sequence[bpy.types.Object],
    transform: mathutils.Matrix,
    materials: Sequence[MaterialParams],
    given_graph: bpy.types.Depsgraph | None = None,
) -> Iterator[list[bpy.types.Object]]:
    """Yield copies of ``objects`` as they are evaluated, removed on exit.

    Args:
        objects: To copy.
        transform: Applied to the copies in world space.
        materials: For each material slot of each mesh, in order; empty to keep the objects'.
        given_graph: With their evaluation; None for that of the current scene.
    """
    # Materials for the slots of the next meshes.
    remaining = list(materials)
    copies: list[bpy.types.Object] = []
    with ExitStack() as stack:
        graph_of = stack.enter_context(evaluated_objects(bpy.context, objects))
        for obj in objects:
            graph = given_graph or graph_of(obj)
            matrix = transform @ obj.evaluated_get(graph).matrix_world
            if obj.type != 'MESH':
                copies.append(_copy_object(obj, matrix))
                stack.callback(bpy.data.objects.remove, copies[-1])
                continue

            mesh = bpy.data.meshes.new_from_object(
                obj.evaluated_get(graph), preserve_all_data_layers=True, depsgraph=graph
            )
            stack.callback(bpy.data.meshes.remove, mesh)  # and with it the object

            # The materials of the object's slots may differ from those of its data.
            slots = _slot_count(obj)
            new_materials = [
                stack.enter_context(temporary_material(params, _mesh_extent(mesh)))
                for params in remaining[:slots]
            ]
            remaining = remaining[slots:]
            old_materials = [slot.material for slot in obj.material_slots]
            _assign_materials(mesh, new_materials or old_materials)
            copies.append(_new_copy(obj, mesh, matrix))

        yield copies


def _copy_object(obj: bpy.types.Object, matrix: mathutils.Matrix) -> bpy.types.Object:
    """Return a copy of ``obj`` that stays at ``matrix`` in world space."""
    copy = obj.copy()

    # What would move it again.
    copy.animation_data_clear()
    copy.constraints.clear()
    copy.parent = None
    copy.matrix_world = matrix

    return copy


def _new_copy(
    obj: bpy.types.Object, mesh: bpy.types.Mesh, matrix: mathutils.Matrix
) -> bpy.types.Object:
    """Return a new object of ``mesh`` at ``matrix`` in world space, rendered as ``obj`` is.

    A shear, which an object cannot have, is applied to the mesh.
    """
    copy = bpy.data.objects.new(obj.name, mesh)
    copy.hide_render = obj.hide_render
    copy.pass_index = obj.pass_index

    # An object's matrix is location, rotation and scale; the rest is a shear.
    copy.matrix_world = matrix
    unsheared = copy.matrix_basis
    shear = unsheared.inverted_safe() @ matrix
    is_sheared = not np.allclose(shear, np.eye(4), atol=_SHEAR_TOLERANCE)
    if is_sheared:
        mesh.transform(shear)
    copy.matrix_world = copy.matrix_basis

    return copy


def _mesh_extent(mesh: bpy.types.Mesh) -> NDArray[np.float32]:
    """Return the sides (3,) of the bounding box of ``mesh``, divided by the longest."""
    vertices = np.zeros((max(1, len(mesh.vertices)), 3), np.float32)
    mesh.vertices.foreach_get("co", vertices[: len(mesh.vertices)].ravel())

    extent = np.ptp(vertices, axis=0)
    return extent / max(float(extent.max()), _MIN_EXTENT)


def _assign_materials(mesh: bpy.types.Mesh, materials: Sequence[bpy.types.Material | None]) -> None:
    """Put ``materials`` into the slots of ``mesh``."""
    while len(mesh.materials) < len(materials):
        mesh.materials.append(None)
    for slot, material in enumerate(materials):
        mesh.materials[slot] = material


def render_view(
    stage: RenderStudio, kind: str, camera: Camera, scenery: SceneryParams
) -> RenderedView:
    """Render the objects of ``stage`` in ``scenery``, see :func:`render_with_scenery`.

    Args:
        stage: With objects and light.
        kind: Of the view.
        camera: Of the view.
        scenery: Background and occluders.
    """
    scenery = scenery.scaled(1 / stage.unit)
    return render_with_scenery(_StudioRenderer(stage, kind, camera), scenery)


@dataclass(frozen=True)
class _StudioRenderer:
    """Renders one view of a studio, as a ``scenery.ViewRenderer``."""

    stage: RenderStudio
    kind: str
    camera: Camera

    @property
    def scene(self) -> bpy.types.Scene:
        """The scene of the studio."""
        return self.stage.scene

    def render_view(self) -> RenderedView:
        """Render the view with all passes."""
        return self.stage.render_view(self.kind, self.camera)

    def render_light(self) -> NDArray[np.float32]:
        """Render only the color."""
        return self.stage.render_image(self.camera)

    def render_background(self, background: Background) -> NDArray[np.uint8] | None:
        """Return the background; the dome is rendered."""
        if background.kind != "hdri":
            return scenery_rendering.image_background(
                background, self.camera.width, self.camera.height
            )

        shown = self.stage.shown
        shown.hide_render = True
        try:
            with world_quality(self.scene):
                return to_srgb8(self.stage.render_image(self.camera))
        finally:
            shown.hide_render = False

    def content_holdout(self, occluders: bpy.types.Collection) -> AbstractContextManager[None]:
        """Make the objects of the studio a holdout."""
        return holdout(self.scene, self.stage.shown)
