"""Reconstruct an object from one image or from images of its sides.

The button, ``bpy.ops`` and the command line all go through :func:`start_reconstruction`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    StringProperty,
)
from bpy.types import Context
from mathutils import Vector

from ..core.arrays import MeshArrays
from ..core.cameras import SIDES
from ..core.geometry import surface_outputs
from ..core.geometry.reshaping.flat_base import has_flat_base
from ..core.geometry.reshaping.options import (
    DEFAULT_OPTIONS,
    SurfaceOptions,
    apply_surface_options,
)
from ..core.geometry.surface_outputs import SurfacePoints, Voxels
from ..core.jobs.task import Progress, Task, subtask
from ..core.model.jobs import reconstruct as reconstruct_job  # without torch, until it runs
from ..core.model.jobs.reconstruct import ReconstructionRequest
from ..core.scene import images as scene_images
from ..core.scene import source_views
from . import _compute, _results
from ._compute import ComputeTarget
from ._results import absolute_path
from ._task_operator import TaskOperator
from .properties.history import record_result
from .properties.image_inputs import PHOTO, ImageInputs
from .properties.scene import (
    FIT,
    KEEP_HOLES,
    LABEL_PARTS,
    OUTPUT,
    RESOLUTION,
    SIZE,
    SMOOTH,
    TEXTURE,
    WEIGHTS,
)

_SHAPED = 0.99  # share of the time after which the model is done
_MADE = 0.95  # share of the time after which the mesh is there


def start_reconstruction(
    request: ReconstructionRequest,
    size: float,
    images: Mapping[str, scene_images.ImageValues] | None = None,
    window: bool = False,
    surface: SurfaceOptions = DEFAULT_OPTIONS,
) -> Task[MeshArrays]:
    """Reconstruct ``request`` where the preferences choose.

    The model makes a mesh of longest side 1. It is kept, so that the next call does not run the
    model if it differs in ``size`` and ``surface`` alone. The returned task uses no bpy, so that it
    can run on a thread.

    Args:
        request: what to reconstruct.
        size: longest side of the mesh, meters. This is the one place where it is applied.
        images: those that are images of the open file, by the name of their side, or ``PHOTO``.
        window: see :func:`._compute.compute_target`.
        surface: what is done to the mesh.

    Raises:
        ImageError: an image cannot be read, or shows no object.
        WeightsError: the weights are missing or damaged.
        DependencyError: a package is missing.
        MeshError: the model found no solid object.
        WorkerError: the worker process ended early.
    """
    target = _compute.compute_target(window)
    model_mesh = _reconstruct_mesh(target, request, images or {})
    return _shape_result(model_mesh, size, surface)


def _reconstruct_mesh(
    target: ComputeTarget,
    request: ReconstructionRequest,
    images: Mapping[str, scene_images.ImageValues],
) -> Task[MeshArrays]:
    if images:
        yield Progress(0.0, "Reading")
        request = _with_pixels(request, images)
    mesh = yield from target.run(reconstruct_job.reconstruct_request, request)
    _results.weights_digest(request.weights)  # of which the object tells
    return mesh


def _shape_result(task: Task[MeshArrays], size: float, surface: SurfaceOptions) -> Task[MeshArrays]:
    """Run what the model does, then smooth its mesh, flatten the base and scale it."""
    mesh = yield from subtask(task, 0.0, _SHAPED)
    yield Progress(_SHAPED, "Smoothing")
    mesh = apply_surface_options(mesh, surface)
    return mesh.offset_and_scaled(np.zeros(3), size)


def _with_pixels(
    request: ReconstructionRequest, images: Mapping[str, scene_images.ImageValues]
) -> ReconstructionRequest:
    """Return ``request`` with the pixels of ``images``, see :func:`start_reconstruction`."""
    pixels = {name: values.to_pixels() for name, values in images.items()}
    photo = pixels.pop(PHOTO, request.photo)

    # In one order, so that the result is kept whichever of them are files.
    unordered = {**request.sides, **pixels}
    sides = {side: unordered[side] for side in SIDES if side in unordered}
    return replace(request, photo=photo, sides=sides)


@dataclass(frozen=True)
class ReconstructionOutput:
    """A reconstruction in one of the three forms.

    Attributes:
        mesh: The mesh; of voxels their outer faces.
        points: Points on its surface, if that is the output.
        voxels: The voxels, if they are the output.
    """

    mesh: MeshArrays
    points: SurfacePoints | None = None
    voxels: Voxels | None = None

    def summary(self) -> str:
        """Return what it holds, as numbers for the command line."""
        return self._other_count() or _results.mesh_summary(self.mesh)

    def result_line(self) -> str:
        """Return how good it is in a few words, for the status bar of the window."""
        return self._other_count() or _results.result_line(self.mesh)

    def _other_count(self) -> str:
        """Return the number of points or voxels; empty if the output is the mesh."""
        if self.points is not None:
            return f"{len(self.points.points):,} points"
        if self.voxels is not None:
            return f"{int(self.voxels.occupancy.sum()):,} voxels"
        return ""


def as_output(task: Task[MeshArrays], output: str, resolution: int) -> Task[ReconstructionOutput]:
    """Run a reconstruction, and return it in the form of ``output``.

    Args:
        task: Of :func:`start_reconstruction`.
        output: An identifier of ``properties.scene.OUTPUT``.
        resolution: Cells along the longest side.
    """
    mesh = yield from subtask(task, 0.0, _MADE)
    if output == 'MESH':
        return ReconstructionOutput(mesh)

    yield Progress(_MADE, "Points" if output == 'POINTS' else "Voxels")
    if output == 'POINTS':
        points = surface_outputs.sample_surface(mesh, resolution * resolution)
        return ReconstructionOutput(mesh, points=points)
    voxels = surface_outputs.voxelize(mesh, resolution)
    cubes = surface_outputs.voxel_mesh(voxels, mesh)

    return ReconstructionOutput(cubes, voxels=voxels)


def _put_on_ground(task: Task[MeshArrays]) -> Task[MeshArrays]:
    """Run a reconstruction, and move its lowest point to z = 0."""
    mesh = yield from task
    return mesh.on_ground()


class MAQUETTE_OT_reconstruct(ImageInputs, TaskOperator, bpy.types.Operator):
    """Create a colored mesh from one image, or from images of its sides, at the 3D cursor"""

    bl_idname = "maquette.reconstruct"
    bl_label = "Reconstruct"
    bl_options = {'REGISTER', 'UNDO'}

    resolution: IntProperty(**RESOLUTION)
    keep_holes: BoolProperty(**KEEP_HOLES)
    fit: BoolProperty(**FIT)
    output: EnumProperty(**OUTPUT)
    texture: BoolProperty(**TEXTURE, options={'SKIP_SAVE'})
    label_parts: BoolProperty(**LABEL_PARTS, options={'SKIP_SAVE'})
    size: FloatProperty(**SIZE)
    smooth: FloatProperty(**SMOOTH)
    flat_base: BoolProperty(
        name="Flat Base",
        description="Let all feet reach one floor, and cut them flat. If it is not set: for "
        "objects that stand",
        options={'SKIP_SAVE'},
    )
    name: StringProperty(
        name="Name",
        description="Name of the new object. Leave empty to use the image's name",
        maxlen=63,
        options={'SKIP_SAVE'},
    )
    weights: WEIGHTS
    location: FloatVectorProperty(
        name="Location",
        description="Where the object stands. If it is not set: at the 3D cursor, or beside what "
        "stands there",
        subtype='TRANSLATION',
        min=-1e5,
        max=1e5,
        options={'SKIP_SAVE'},
    )
    rotation: FloatVectorProperty(
        name="Rotation",
        description="Rotation of the object",
        subtype='EULER',
        min=-1e3,
        max=1e3,
        options={'SKIP_SAVE'},
    )

    def start(self, context: Context) -> Task[ReconstructionOutput]:
        self.check_choice()

        # The values are copied now, since an image may change while the task waits. What else the
        # conversion needs takes longer and is left to the task.
        images = {
            name: scene_images.image_values(scene_images.image_named(image))
            for name, image in self.image_names().items()
        }
        request = ReconstructionRequest(
            photo=absolute_path(self.filepath) if self.filepath else None,
            sides={side: absolute_path(path) for side, path in self.side_paths().items()},
            resolution=self.resolution,
            keep_holes=self.keep_holes,
            weights=_results.weights_file(self.weights),
            device=_compute.chosen_device(),
            fit=self.fit,
        )
        self._cursor = context.scene.cursor.location.copy()
        flat_base = self.flat_base if self.properties.is_property_set("flat_base") else None
        surface = SurfaceOptions(self.smooth, flat_base)
        making = start_reconstruction(request, self.size, images, self.interactive, surface)

        return as_output(_put_on_ground(making), self.output, self.resolution)

    def finish(self, context: Context, result: ReconstructionOutput) -> None:
        name = self._object_name()
        if not self.properties.is_property_set("flat_base"):
            self.flat_base = has_flat_base(result.mesh)
        if not self.properties.is_property_set("location"):
            self.location = _results.free_location(context, result.mesh, self._cursor)
        location = Vector(self.location)

        if result.points is not None:
            obj = _results.add_points(context, name, result.points, location)
        else:
            obj = _results.add_object(context, name, result.mesh, location)

        obj.rotation_euler = self.rotation
        weights = _results.weights_file(self.weights)
        facts = _results.origin_facts(", ".join(self.image_sources()), weights, self.resolution)
        source_views.store_facts(obj, {**facts, "fit": _results.fit_summary(result.mesh)})
        if self.interactive:
            _results.show_result(context, [obj])

        if self.image:
            record_result(context.scene.maquette.history, obj.name, self)
            image = bpy.data.images.get(self.image)
            if image and image.is_dirty:  # its mask may have been painted
                scene_images.update_preview(image)

        self.report({'INFO'}, f"{obj.name}: {result.result_line()}")
        if self.label_parts and self.output == 'MESH':
            # Before the texture, whose only material takes the place of those of parts.
            _results.begin_labeling(context, obj, self.interactive, not self.texture)
        if self.texture and self.output == 'MESH':
            _results.begin_texturing(context, obj, self.interactive)

    def label(self) -> str:
        return f"{self.bl_label} {self._object_name()}"

    def draw(self, context: Context) -> None:
        """Draw what Adjust Last Operation may change without running the model again."""
        self.layout.use_property_split = True
        for name in ("size", "smooth", "flat_base", "location", "rotation", "name"):
            self.layout.prop(self, name)

    def _object_name(self) -> str:
        """Return the name of the new object: the one that is set, or that of its first image."""
        return self.name or Path(self.image_sources()[0]).stem


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_reconstruct,))
