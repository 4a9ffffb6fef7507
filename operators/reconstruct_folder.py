"""A folder of pictures, each into an object of its own: in the window, from scripts and on the command line."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
import tomllib
from collections.abc import Iterator
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import Context
from mathutils import Vector

from ..core.arrays import MeshArrays
from ..core.console import silence_stdout
from ..core.dataset.atomic_files import make_folder
from ..core.errors import Cancelled, ImageError, MaquetteError
from ..core.imaging import image_files
from ..core.jobs.task import Progress, SteppedTask, Task, in_thread, single_step
from ..core.model.jobs.reconstruct import ReconstructionRequest
from ..core.resources import BUNDLED_WEIGHTS, PACKAGE
from ..core.scene import exporting
from ..core.scene.compat import PATH_OPTIONS
from ..core.scene.importing import temporary_data
from ..core.scene.rendering import asset_preview
from . import reconstruct
from ._task_operator import TaskOperator
from .cli import finish as finish_command
from .cli.command import run_with_progress_line
from .properties.scene import FIT, RESOLUTION, SIZE

_APART = 1.3  # sizes from one object to the next
_IN_A_ROW = 10


def asset_metadata(
    request: ReconstructionRequest, mesh: MeshArrays, seconds: float
) -> dict[str, str | int | float]:
    """What an asset tells of itself: source, model, settings and metrics."""
    return {
        "source": ", ".join(
            str(path) for path in (*request.sides.values(), request.photo) if path is not None
        ),
        "model": f"Maquette {_addon_version()}, weights {_file_digest(request.weights or BUNDLED_WEIGHTS)}",
        "resolution": request.resolution,
        "size": request.size,
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "fit": reconstruct.fit_summary(mesh),
        "seconds": round(seconds, 2),
    }


def _addon_version() -> str:
    return tomllib.loads((PACKAGE / "blender_manifest.toml").read_text(encoding="utf-8"))["version"]


@cache
def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


class MAQUETTE_OT_reconstruct_folder(TaskOperator, bpy.types.Operator):
    """Build an object from each picture of a folder, in rows from the 3D cursor. Goes on after a picture that is bad"""

    bl_idname = "maquette.reconstruct_folder"
    bl_label = "Reconstruct Folder"
    bl_options = {'REGISTER', 'UNDO'}
    driver = SteppedTask

    folder: StringProperty(
        name="Folder",
        description="Of pictures, each of one object. Each takes as long as Reconstruct does",
        subtype='DIR_PATH',
        options={'SKIP_SAVE', *PATH_OPTIONS},
    )
    resolution: IntProperty(**RESOLUTION)
    size: FloatProperty(**SIZE)
    fit: BoolProperty(**FIT)
    assets: BoolProperty(
        name="Mark as Assets",
        description="Each object becomes an asset with a preview, and tells its picture, the model, the settings and "
        "what came of them. Takes a moment more for each",
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return True  # it only adds to the scene, so it may wait in line

    def start(self, context: Context) -> Task[dict[Path, str]]:
        if not self.folder:
            raise ImageError("Choose a folder of pictures")
        folder = Path(bpy.path.abspath(self.folder))
        weights = reconstruct.weights_file()
        requests = [
            ReconstructionRequest(path, {}, self.resolution, self.size, weights, fit=self.fit)
            for path in image_files.images_in_folder(folder)
        ]
        self._made = 0
        self._location = context.scene.cursor.location.copy()
        return self._reconstruct_each(context, requests)

    def finish(self, context: Context, result: dict[Path, str]) -> None:
        if not self._made:
            raise ImageError(
                f"None of the pictures could be reconstructed. The first: {next(iter(result.values()))}"
            )
        for path, reason in result.items():
            self.report({'WARNING'}, f"{path.name} was left out: {reason}")
        self.report({'INFO'}, f"{self._made} objects from {self._made + len(result)} pictures")

    def report_error(self, error: MaquetteError) -> set[str]:
        """What is there when it is stopped stays, as one step to undo."""
        stopped = super().report_error(error)
        return {'FINISHED'} if getattr(self, "_made", 0) else stopped

    def label(self) -> str:
        return f"{self.bl_label} {Path(self.folder).name}"

    def draw(self, context: Context) -> None:
        """Adjust Last Operation has nothing here that would not ask the model again."""

    def _reconstruct_each(
        self, context: Context, requests: list[ReconstructionRequest]
    ) -> Task[dict[Path, str]]:
        failed: dict[Path, str] = {}
        for index, request in enumerate(requests):
            began = time.perf_counter()
            try:
                work = reconstruct.start_reconstruction(request, window=self.interactive)
                work = _image_subtask(
                    in_thread(work, 0.0) if self.interactive else work,
                    index,
                    len(requests),
                    request.photo.name,
                )
                mesh = yield from work
                seconds = time.perf_counter() - began
                name = self._add_result(bpy.context, request, mesh)
                if self.assets:
                    marking = Progress(
                        (index + 1) / len(requests), f"{request.photo.name}: marking"
                    )
                    told = yield from in_thread(
                        single_step(marking, partial(asset_metadata, request, mesh, seconds))
                    )
                    self._mark_asset(bpy.context, name, told)
            except Cancelled:
                raise
            except MaquetteError as error:
                failed[request.photo] = str(error)
        return failed

    def _add_result(
        self, context: Context, request: ReconstructionRequest, mesh: MeshArrays
    ) -> str:
        """Its name."""
        row, column = divmod(self._made, _IN_A_ROW)
        place = self._location + Vector((column, row, 0)) * (_APART * self.size)
        self._made += 1
        return reconstruct.add_object(context, request.photo.stem, mesh.on_ground(), place).name

    def _mark_asset(self, context: Context, name: str, told: dict[str, Any]) -> None:
        obj = bpy.data.objects.get(name)  # the user may have deleted it meanwhile
        if obj:
            context.view_layer.update()
            asset_preview.mark_as_asset(obj, told)


def _image_subtask(work: Task[Any], index: int, total: int, name: str) -> Task[Any]:
    """``work`` as one of ``total``."""
    while True:
        try:
            progress = next(work)
        except StopIteration as stop:
            return stop.value
        yield Progress(
            (index + progress.fraction) / total, f"{name}, {index + 1} of {total}: {progress.stage}"
        )


def write_one(
    request: ReconstructionRequest,
    output: Path,
    asset: bool = False,
    arguments: argparse.Namespace | None = None,
) -> dict[str, Any]:
    """Reconstruct, and write the object to ``output``; what came of it, as :func:`asset_metadata`, and where it is.

    Args:
        arguments: those of ``finish_arguments``: how to finish it.

    Raises:
        MaquetteError: see ``reconstruct.reconstruct`` and ``exporting.write_meshes``.
    """
    exporting.check_export_path(output)
    began = time.perf_counter()
    mesh = run_with_progress_line(reconstruct.start_reconstruction(request))
    obj = reconstruct.add_object(bpy.context, output.stem, mesh, Vector())
    told: dict[str, Any] = asset_metadata(request, mesh, time.perf_counter() - began)
    finished = finish_command.finish_object(obj, output, arguments) if arguments else []
    if finished:
        told |= {
            "vertices": len(obj.data.vertices),
            "faces": len(obj.data.polygons),
            "finished": finished,
        }
    with silence_stdout():
        if asset:
            bpy.context.view_layer.update()
            asset_preview.mark_as_asset(obj, told)
        exporting.write_meshes(output, obj)
    return {"output": str(output), **told, "seconds": round(time.perf_counter() - began, 2)}


def reconstruct_photos(photos: list[Path], arguments: argparse.Namespace) -> int:
    """``maquette reconstruct PHOTO... --out-dir FOLDER``: goes on after a bad picture, and tells of all at the end."""
    make_folder(arguments.out_dir)
    failed: dict[Path, str] = {}
    for photo, output in _output_paths(
        photos, arguments.out_dir, ".blend" if arguments.assets else ".glb"
    ):
        request = ReconstructionRequest(
            photo, {}, arguments.resolution, arguments.size, arguments.weights, fit=arguments.fit
        )
        try:
            with temporary_data():
                print_result(
                    write_one(request, output, arguments.assets, arguments), arguments.json
                )
        except MaquetteError as error:
            failed[photo] = str(error)
            if arguments.json:
                print(json.dumps({"source": str(photo), "error": str(error)}), flush=True)
    for photo, reason in failed.items():
        print(f"maquette: {photo}: {reason}", file=sys.stderr)
    if failed:
        print(
            f"maquette: {len(failed)} of {len(photos)} pictures could not be reconstructed",
            file=sys.stderr,
        )
    return 1 if failed else 0


def print_result(told: dict[str, Any], as_json: bool) -> None:
    """One line of what came of a picture."""
    text = "{output}: {vertices:,} vertices, {faces:,} faces{fit}, {seconds:.1f} s".format(**told)
    print(json.dumps(told) if as_json else "; ".join((text, *told.get("finished", ()))), flush=True)


def _output_paths(photos: list[Path], folder: Path, suffix: str) -> Iterator[tuple[Path, Path]]:
    """Each picture with a file of its own, also where two are called the same."""
    taken: set[str] = set()
    for photo in photos:
        names = (photo.stem if number == 1 else f"{photo.stem}-{number}" for number in count(1))
        name = next(
            name for name in names if name.casefold() not in taken
        )  # A and a are one on some disks
        taken.add(name.casefold())
        yield photo, folder / f"{name}{suffix}"


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_reconstruct_folder,))
