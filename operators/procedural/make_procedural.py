"""Make an editable procedural object from the active mesh, or from pictures.

The button, ``bpy.ops`` and the command line all go through :func:`start_fitting` and
:func:`add_fitted`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty
from bpy.types import Context
from mathutils import Matrix, Vector

from ...core.arrays import MeshArrays, SourceView, View
from ...core.errors import MeshError
from ...core.jobs.task import SteppedTask, Task, in_thread, subtask
from ...core.model.jobs import make_procedural as make_procedural_job  # without torch
from ...core.model.jobs.make_procedural import FittingRequest
from ...core.model.jobs.reconstruct import ReconstructionRequest
from ...core.procedural.fitting.results import ProceduralFit
from ...core.procedural.fitting.search import LEAST_FIELD, LEAST_SILHOUETTE
from ...core.scene import images as scene_images
from ...core.scene.importing.mesh_import import world_triangles
from ...core.scene.procedural import fitted_objects, storage
from .. import _compute, _results
from .._compute import ComputeTarget
from .._task_operator import TaskOperator
from ..properties.image_inputs import ImageInputs
from ..properties.scene import KEEP_HOLES, RESOLUTION, SIZE, WEIGHTS
from ..reconstruct import start_reconstruction
from ..reconstruct_references import ReferenceChoice, start_references
from .add_procedural import PARTS

_RECONSTRUCTED = 0.6  # share of the time after which there is a mesh to fit to


@dataclass(frozen=True)
class FittedMesh:
    """A fit, and the mesh that it is of.

    Attributes:
        fit: In the frame of ``mesh``.
        mesh: That was fitted.
        to_world: From that frame to world space; None where the mesh has no place yet.
    """

    fit: ProceduralFit
    mesh: MeshArrays
    to_world: Matrix | None = None


def start_fitting(
    target: ComputeTarget,
    mesh: MeshArrays,
    views: tuple[SourceView | View, ...],
    to_world: Matrix | None = None,
) -> Task[FittedMesh]:
    """Fit a procedural object to a mesh. Uses no bpy, so that it may run on a thread.

    Args:
        target: Where to run.
        mesh: Upright, in meters.
        views: Pictures of it with cameras in its frame.
        to_world: Of the result.

    Raises:
        MeshError: The mesh encloses nothing.
        ImageError: A picture cannot be read.
        WorkerError: The worker process ended early.
    """
    request = FittingRequest(replace(mesh, views=(), symmetry=None), tuple(views))
    fit = yield from target.run(make_procedural_job.fit_request, request)
    return FittedMesh(fit, mesh, to_world)


def fit_picture(target: ComputeTarget, making: Task[MeshArrays]) -> Task[FittedMesh]:
    """Run a reconstruction, and fit a procedural object to its mesh and its pictures."""
    mesh = yield from subtask(making, 0.0, _RECONSTRUCTED)
    mesh = mesh.on_ground()
    fitting = start_fitting(target, mesh, mesh.views)
    return (yield from subtask(fitting, _RECONSTRUCTED, 1.0))


def require_accepted(fit: ProceduralFit) -> None:
    """Raise MeshError if a fit does not agree well enough to be offered."""
    if fit.is_accepted:
        return
    family = fit.family.replace("_", " ")
    if not fit.is_expected:
        raise MeshError(
            f"No procedural object fits. The nearest in shape is a {family} ({fit.agreement()}), "
            "which the image does not seem to show"
        )
    if fit.silhouette >= LEAST_SILHOUETTE and fit.volume >= LEAST_FIELD:
        raise MeshError(
            f"No procedural object fits. The nearest in outline is a {family} "
            f"({fit.agreement()}), which is stretched too far or differs in depth"
        )
    raise MeshError(
        f"No procedural object fits. The nearest is a {family}: {fit.agreement()}. At least "
        f"{LEAST_SILHOUETTE:.0%} and {LEAST_FIELD:.0%} are needed"
    )


def add_fitted(
    context: Context, fit: ProceduralFit, parts: str, to_world: Matrix
) -> bpy.types.Object:
    """Add the object of a fit, selected and active.

    Args:
        context: Its view layer and active collection get the object.
        fit: In the frame of the mesh.
        parts: One of ``recipes.PARTS``.
        to_world: From that frame to world space.
    """
    _results.leave_edit_mode(context)
    collection = _results.collection_for_new(context)
    root = fitted_objects.new_fitted_object(collection, fit, parts, to_world)
    _results.select_only(context, {root, *storage.part_objects(root)}, root)
    return root


class MAQUETTE_OT_make_procedural(ImageInputs, TaskOperator, bpy.types.Operator):
    """Make an editable object that agrees with the active mesh or an image."""

    bl_idname = "maquette.make_procedural"
    bl_label = "Make Procedural"
    bl_description = (
        "Find the object with named parts and sliders that agrees best with the active mesh, or "
        "with the image. It is made only if it agrees well"
    )
    bl_options = {'REGISTER', 'UNDO'}
    driver = SteppedTask

    references: BoolProperty(
        name="References",
        description="Use the references of the scene instead of the active mesh",
        options={'SKIP_SAVE'},
    )
    parts: EnumProperty(**PARTS)
    use_nearest: BoolProperty(
        name="Use Nearest",
        description="Make the nearest object also where it does not agree well",
        options={'SKIP_SAVE'},
    )
    beside: BoolProperty(
        name="Beside the Mesh",
        description="Put the object beside the mesh. If it is off, it takes the place of the mesh, "
        "which is hidden",
    )
    resolution: IntProperty(**RESOLUTION)
    keep_holes: BoolProperty(**KEEP_HOLES)
    size: FloatProperty(**SIZE)
    weights: WEIGHTS

    @classmethod
    def poll(cls, context: Context) -> bool:
        if context.mode != 'OBJECT':
            cls.poll_message_set("Switch to Object Mode first")
            return False
        return True  # it reads the mesh or the poses at once, so it may wait in the queue

    def start(self, context: Context) -> Task[FittedMesh]:
        self._mesh_name = ""
        self._cursor = context.scene.cursor.location.copy()
        if self.references:
            return self._start_references(context)
        has_picture = bool(self.image_sources())
        task = self._start_picture() if has_picture else self._start_mesh(context)
        return in_thread(task) if self.interactive else task

    def finish(self, context: Context, result: FittedMesh) -> None:
        fit = result.fit
        if not self.use_nearest:
            require_accepted(fit)

        mesh_object = context.scene.objects.get(self._mesh_name) if self._mesh_name else None
        to_world = result.to_world
        if to_world is None:
            location = _results.free_location(context, result.mesh, self._cursor)
            to_world = Matrix.Translation(location)
        elif mesh_object and self.beside:
            place = to_world.translation
            lowest = Vector((0.0, 0.0, float(result.mesh.vertices[:, 2].min())))
            moved = _results.free_location(context, result.mesh, place + lowest) - lowest
            to_world = Matrix.Translation(moved - place) @ to_world

        root = add_fitted(context, fit, self.parts, to_world)
        if mesh_object and not self.beside:
            mesh_object.hide_set(True)
            mesh_object.hide_render = True
        if self.interactive:
            _results.show_result(context, [root, *storage.part_objects(root)])
        family = fit.family.replace("_", " ")
        self.report({'INFO'}, f"{root.name}: a {family}, {fit.agreement()}")

    def draw(self, context: Context) -> None:
        """Draw what Adjust Last Operation may change without searching again."""
        self.layout.use_property_split = True
        self.layout.prop(self, "parts")
        self.layout.prop(self, "beside")

    def _start_mesh(self, context: Context) -> Task[FittedMesh]:
        obj = context.active_object
        if obj is None or obj.type != 'MESH':
            raise MeshError("Select a mesh, or choose an image")
        upright = fitted_objects.upright_mesh(context, obj, world_triangles([obj]))
        self._mesh_name = obj.name
        target = fitting_target(self.interactive)
        return start_fitting(target, upright.mesh, upright.views, upright.to_world)

    def _start_picture(self) -> Task[FittedMesh]:
        self.check_choice()
        images = {
            name: scene_images.image_values(scene_images.image_named(image))
            for name, image in self.image_names().items()
        }
        request = ReconstructionRequest(
            photo=_results.absolute_path(self.filepath) if self.filepath else None,
            sides={side: _results.absolute_path(path) for side, path in self.side_paths().items()},
            resolution=self.resolution,
            keep_holes=self.keep_holes,
            weights=_results.weights_file(self.weights),
            device=_compute.chosen_device(),
        )
        making = start_reconstruction(request, self.size, images, self.interactive)
        return fit_picture(fitting_target(self.interactive), making)

    def _start_references(self, context: Context) -> Task[FittedMesh]:
        choice = ReferenceChoice(
            names=(),
            collection="",
            resolution=self.resolution,
            weights=_results.weights_file(self.weights),
            keep_holes=self.keep_holes,
        )
        _, making = start_references(context, choice, self.interactive)
        target = fitting_target(self.interactive)
        return _fit_references(target, making, self.interactive)


def fitting_target(window: bool) -> ComputeTarget:
    """Return where a search runs: in a worker process if a user waits at the window.

    Args:
        window: Whether a user waits.
    """
    return _compute.process_target() if window else _compute.compute_target()


def _fit_references(target: ComputeTarget, making: Task, window: bool) -> Task[FittedMesh]:
    """Reconstruct from references, whose images are read step by step, then fit."""
    posed = yield from subtask(making, 0.0, _RECONSTRUCTED)
    fitting = start_fitting(target, posed.mesh, posed.mesh.views, Matrix(posed.to_world))
    if window:
        fitting = in_thread(fitting)
    return (yield from subtask(fitting, _RECONSTRUCTED, 1.0))


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_make_procedural,))
