"""From photographs to solved cameras, a cloud of points and a mesh in the scene."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    FloatProperty,
    IntProperty,
    StringProperty,
)
from bpy.types import Context

from ...core.console import printable
from ...core.errors import DependencyError, ImageError
from ...core.jobs.task import SteppedTask, Task, in_thread, subtask
from ...core.photogrammetry.dense.reconstruct import reconstruct_surface
from ...core.photogrammetry.dense.records import DenseSettings, DenseShape
from ...core.photogrammetry.movies import FrameRequest, frames_folder, is_movie
from ...core.photogrammetry.records import SolvedScene, SolveSettings
from ...core.photogrammetry.solve import solve_photographs
from ...core.scene.compat import PATH_OPTIONS
from ...core.scene.solved_cameras import add_solved_scene, add_surface, cloud_of
from .. import _compute
from .._results import select_only, show_colors
from .._task_operator import TaskOperator
from ..properties.photographs import (
    CHECK_OUTLINES,
    DETAIL,
    FOLDER,
    FRAMES,
    MAKE_MESH,
    REAL_SIZE,
)
from . import movie_input

_CAMERAS_SHARE = 0.45  # of the time, where a mesh is made as well


@dataclass(frozen=True)
class PhotographsResult:
    """What photographs gave.

    Attributes:
        solved: Cameras and sparse cloud.
        shape: The surface; None if it was not requested or could not be made.
        problem: Why there is no surface although it was requested; else empty.
    """

    solved: SolvedScene
    shape: DenseShape | None = None
    problem: str = ""


class MAQUETTE_OT_solve_photographs(TaskOperator, bpy.types.Operator):
    """Solve the cameras of photographs, and make a mesh of what they show."""

    bl_idname = "maquette.solve_photographs"
    bl_label = "Solve Photographs"
    bl_description = (
        "Find where photographs were taken, and make a mesh of the object that they show: a camera "
        "for each, and points and a closed surface that stand on the floor"
    )
    bl_options = {'REGISTER', 'UNDO'}

    folder: StringProperty(**FOLDER, options={'SKIP_SAVE', *PATH_OPTIONS})
    files: CollectionProperty(
        name="Files",
        description="Names of the photographs in the folder, in the order of the walk: "
        "[{\"name\": \"1.jpg\"}]. Empty: all, in natural order",
        type=bpy.types.OperatorFileListElement,
        options={'SKIP_SAVE'},
    )
    size: FloatProperty(**REAL_SIZE)
    check_outlines: BoolProperty(**CHECK_OUTLINES)
    make_mesh: BoolProperty(**MAKE_MESH)
    detail: IntProperty(**DETAIL)
    frames: IntProperty(**FRAMES)

    # Blender reads movies on the main thread.
    driver = SteppedTask

    def start(self, context: Context) -> Task[PhotographsResult]:
        if not self.folder:
            raise ImageError("Choose the folder of your photographs first")

        folder = Path(bpy.path.abspath(self.folder))
        names = [item.name for item in self.files]
        dense = DenseSettings(resolution=self.detail) if self.make_mesh else None
        solve = partial(start_solving, check_outlines=self.check_outlines, dense=dense)
        movie = movie_input.find_movie(folder, names)
        if movie:
            request = FrameRequest(movie, frames_folder(movie), self.frames)
            return movie_input.solve_frames(request, solve, self.interactive)

        # Without a choice of files all photographs of the folder are solved.
        paths = [folder / name for name in names] or movie_input.list_inputs(folder)
        return in_thread(solve(paths))

    def finish(self, context: Context, result: PhotographsResult) -> None:
        collection = add_solved_scene(context, result.solved, self.size)

        # Select the surface or the cloud alone, so that it can be moved or deleted at once.
        chosen = cloud_of(collection)
        if result.shape:
            name = object_name(Path(bpy.path.abspath(self.folder)))
            chosen = add_surface(collection, name, result.shape, self.size)
            show_colors(context)
        select_only(context, [chosen], chosen)

        # The panel lists the photographs without a camera, and why.
        settings = context.scene.maquette_photographs
        settings.summary = solve_summary(result)
        settings.left_out.clear()
        for entry in result.solved.left_out:
            item = settings.left_out.add()
            item.name = printable(entry.path.name)
            item.reason = printable(entry.reason)
        is_complete = not (result.solved.left_out or result.solved.notes or result.problem)
        self.report({'INFO' if is_complete else 'WARNING'}, settings.summary)

    def draw(self, context: Context) -> None:
        """Adjust Last Operation: what does not solve anew."""
        self.layout.use_property_split = True
        for name in ("size", "make_mesh", "detail"):
            self.layout.prop(self, name)


def start_solving(
    paths: list[Path], check_outlines: bool = True, dense: DenseSettings | None = None
) -> Task[PhotographsResult]:
    """Return the work that solves ``paths``, in a process of its own.

    Args:
        paths: Image files, in the order of the walk around the object.
        check_outlines: Whether to refuse cameras that disagree with outlines.
        dense: How to make a surface; None for cameras alone.
    """
    settings = SolveSettings(check_outlines=check_outlines)
    target = _compute.process_target()
    return _solve([path.resolve() for path in paths], settings, dense, target)


def _solve(
    paths: list[Path],
    settings: SolveSettings,
    dense: DenseSettings | None,
    target: _compute.ComputeTarget,
) -> Task[PhotographsResult]:
    share = _CAMERAS_SHARE if dense else 1.0
    solving = target.run(solve_photographs, paths, settings)
    solved = yield from subtask(solving, 0.0, share)
    if dense is None:
        return PhotographsResult(solved)

    # Cameras are worth having also where no surface can be made.
    making = target.run(reconstruct_surface, solved, dense)
    try:
        shape = yield from subtask(making, share, 1.0)
    except (ImageError, DependencyError) as error:
        return PhotographsResult(solved, problem=f"No mesh was made. {error}")
    return PhotographsResult(solved, shape)


def object_name(folder: Path) -> str:
    """Return the name of the object that a folder of photographs, or a movie, shows."""
    if is_movie(folder):
        return folder.stem
    return folder.resolve().name or "Photographs"


def solve_summary(result: PhotographsResult) -> str:
    """Return what was made and what was not, in one line."""
    solved = result.solved
    count = len(solved.photographs)
    total = count + len(solved.left_out)
    text = f"{count} of {total} photographs have cameras, {len(solved.cloud.points):,} points"
    if solved.outline_agreement is not None:
        text += f", outlines agree to {solved.outline_agreement:.0%}"
    notes = list(solved.notes)
    if result.shape:
        mesh = result.shape.mesh
        text += f", mesh of {len(mesh.faces):,} faces"
        text += f", {len(result.shape.cloud.points):,} points with depth"
        notes += result.shape.notes
    if result.problem:
        notes.append(result.problem)
    return ". ".join((text, *notes))


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_solve_photographs,))
