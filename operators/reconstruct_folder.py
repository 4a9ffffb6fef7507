"""Reconstruct an object from each image of a folder."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty
from bpy.types import Context
from mathutils import Vector

from ..core.arrays import MeshArrays
from ..core.console import printable
from ..core.errors import Cancelled, ImageError, MaquetteError, failure_reason
from ..core.geometry.reshaping.options import SurfaceOptions
from ..core.imaging import image_files
from ..core.jobs.task import Progress, SteppedTask, Task, in_thread, single_step
from ..core.model.jobs.reconstruct import ReconstructionRequest
from ..core.scene import source_views
from ..core.scene.rendering import asset_preview
from . import _compute, _results
from ._task_operator import TaskOperator
from .properties.paths import folder_property
from .properties.scene import (
    BATCH_FOLDER,
    FIT,
    KEEP_HOLES,
    MARK_AS_ASSETS,
    RESOLUTION,
    SIZE,
    SMOOTH,
)
from .reconstruct import start_reconstruction

_SPACING = 1.3  # from one object to the next, in sizes of an object
_ROW_LENGTH = 10  # objects


class MAQUETTE_OT_reconstruct_folder(TaskOperator, bpy.types.Operator):
    """Reconstruct each image of a folder."""

    bl_idname = "maquette.reconstruct_folder"
    bl_label = "Reconstruct Folder"
    bl_description = (
        "Create an object from each image of a folder, arranged in rows from the 3D cursor. "
        "Images that fail are skipped"
    )
    bl_options = {'REGISTER', 'UNDO'}
    driver = SteppedTask

    folder: folder_property(*BATCH_FOLDER, frozenset({'SKIP_SAVE'}))
    resolution: IntProperty(**RESOLUTION)
    keep_holes: BoolProperty(**KEEP_HOLES)
    size: FloatProperty(**SIZE)
    smooth: FloatProperty(**SMOOTH)
    fit: BoolProperty(**FIT)
    assets: BoolProperty(**MARK_AS_ASSETS)

    @classmethod
    def poll(cls, context: Context) -> bool:
        return True  # it only adds to the scene, so it may wait in the queue

    def start(self, context: Context) -> Task[dict[Path, str]]:
        if not self.folder:
            raise ImageError("Choose a folder of images")
        weights = _results.weights_file()
        device = _compute.chosen_device()
        images = image_files.list_images(_results.absolute_path(self.folder))
        requests = [
            ReconstructionRequest(
                photo=path,
                resolution=self.resolution,
                keep_holes=self.keep_holes,
                weights=weights,
                device=device,
                fit=self.fit,
            )
            for path in images.paths
        ]
        self._names: list[str] = []  # of the objects that were added
        self._count = len(requests)
        self._location = context.scene.cursor.location.copy()

        return self._reconstruct_each(requests, images.left_out)

    def finish(self, context: Context, result: dict[Path, str]) -> None:
        if not self._names:
            first_reason = printable(next(iter(result.values())))
            raise ImageError(
                f"None of the images could be reconstructed. First error: {first_reason}"
            )

        for path, reason in result.items():
            self.report({'WARNING'}, printable(f"{path.name} was skipped: {reason}"))
        added = len(self._names)
        self.report({'INFO'}, f"{added} objects from {added + len(result)} images")
        if self.interactive:
            self._show_all(context)

    def _show_all(self, context: Context) -> None:
        """Select and frame the objects that are still there."""
        objects = [obj for obj in context.view_layer.objects if obj.name in self._names]
        if objects:
            _results.leave_edit_mode(context)
            _results.select_only(context, objects, objects[-1])
            _results.show_result(context, objects)

    def report_error(self, error: MaquetteError) -> set[str]:
        """Keep the objects that were made before a stop, as one step to undo."""
        stopped = super().report_error(error)
        return {'FINISHED'} if getattr(self, "_names", []) else stopped

    def label(self) -> str:
        return f"{self.bl_label} {Path(self.folder).name}"

    def draw(self, context: Context) -> None:
        """Draw nothing: every property would run the model again."""

    def _reconstruct_each(
        self, requests: list[ReconstructionRequest], left_out: dict[Path, str]
    ) -> Task[dict[Path, str]]:
        """Reconstruct ``requests`` one after another.

        Returns:
            Why the failed ones failed, and why others were ``left_out``.
        """
        failures: dict[Path, str] = {}
        for index, request in enumerate(requests):
            try:
                yield from self._reconstruct_one(request, index, len(requests))
            except Cancelled:
                raise  # the user stopped all of them
            except Exception as error:  # whatever fails, the others are made
                failures[request.photo] = failure_reason(error)

        return failures | left_out

    def _reconstruct_one(
        self, request: ReconstructionRequest, index: int, total: int
    ) -> Task[None]:
        """Reconstruct the image ``index`` of ``total`` and add its object."""
        # Reconstruct beside the window.
        started = time.perf_counter()
        surface = SurfaceOptions(self.smooth)
        task = start_reconstruction(request, self.size, window=self.interactive, surface=surface)
        if self.interactive:
            task = in_thread(task, 0.0)
        mesh = yield from _image_subtask(task, index, total, request.photo.name)
        seconds = time.perf_counter() - started

        # Keep the name and not the object, which the user may delete between two steps.
        name = self._add_result(bpy.context, request, mesh)
        if not self.assets:
            return

        # The first asset takes the digest of the weights, so it is done beside the window.
        progress = Progress((index + 1) / total, f"{request.photo.name}: marking as asset")
        metadata_of = partial(_results.asset_metadata, request, self.size, mesh, seconds)
        metadata = yield from in_thread(single_step(progress, metadata_of))
        _mark_asset(bpy.context, name, metadata)

    def _add_result(
        self, context: Context, request: ReconstructionRequest, mesh: MeshArrays
    ) -> str:
        """Add the object at the next place in the rows, and return its name."""
        spacing = _SPACING * self.size
        if not self._names:
            rows = (self._count - 1) // _ROW_LENGTH
            columns = min(self._count, _ROW_LENGTH) - 1
            further = Vector((columns, rows, 0)) * spacing
            self._location = _results.free_location(context, mesh, self._location, further)

        row, column = divmod(len(self._names), _ROW_LENGTH)
        location = self._location + Vector((column, row, 0)) * spacing
        obj = _results.add_object_on_ground(context, request.photo.stem, mesh, location)
        facts = _results.origin_facts(str(request.photo), request.weights, request.resolution)
        source_views.store_facts(obj, {**facts, "fit": _results.fit_summary(mesh)})
        self._names.append(obj.name)

        return obj.name


def _mark_asset(context: Context, name: str, metadata: dict[str, Any]) -> None:
    """Mark the object called ``name`` as an asset, unless the user has deleted it."""
    obj = bpy.data.objects.get(name)
    if obj:
        context.view_layer.update()
        asset_preview.mark_as_asset(obj, metadata)


def _image_subtask(task: Task[Any], index: int, total: int, name: str) -> Task[Any]:
    """Run ``task`` as the one of index ``index`` among ``total`` of equal share."""
    while True:
        try:
            progress = next(task)
        except StopIteration as stop:
            return stop.value
        stage = f"{name}, {index + 1} of {total}: {progress.stage}"
        yield Progress((index + progress.fraction) / total, printable(stage))


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_reconstruct_folder,))
