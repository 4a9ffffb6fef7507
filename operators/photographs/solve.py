"""From photographs to solved cameras, a cloud of points and a mesh in the scene."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
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

from ...core.arrays import MeshArrays
from ...core.errors import DependencyError, ImageError
from ...core.jobs.task import SteppedTask, Task, in_thread, subtask
from ...core.photogrammetry import mask_files
from ...core.photogrammetry.dense.outline import outline_surface
from ...core.photogrammetry.dense.reconstruct import reconstruct_surface
from ...core.photogrammetry.dense.records import DenseSettings, DenseShape
from ...core.photogrammetry.exchange import locate_cameras, read_cameras
from ...core.photogrammetry.movies import FrameRequest, frames_folder, is_movie
from ...core.photogrammetry.records import SolvedScene, SolveSettings
from ...core.photogrammetry.solve import solve_photographs
from ...core.scene.compat import PATH_OPTIONS
from ...core.scene.solved_cameras import add_solved_scene, add_surface, cloud_of
from .. import _compute
from .._results import absolute_path, select_only, show_colors
from .._task_operator import TaskOperator
from ..properties.photographs import (
    CAMERAS,
    CHECK_OUTLINES,
    DETAIL,
    FILES,
    FOLDER,
    FRAMES,
    MAKE_MESH,
    REAL_SIZE,
    add_left_out,
)
from . import _preview, movie_input

_CAMERAS_SHARE = 0.45  # of the time, where a mesh is made as well
_OUTLINE_SHARE = 0.5  # where the hull is shown

Preview = SolvedScene | MeshArrays


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
    files: CollectionProperty(**FILES, type=bpy.types.OperatorFileListElement)
    cameras: StringProperty(**CAMERAS, options={'SKIP_SAVE', *PATH_OPTIONS})
    size: FloatProperty(**REAL_SIZE)
    check_outlines: BoolProperty(**CHECK_OUTLINES)
    make_mesh: BoolProperty(**MAKE_MESH)
    detail: IntProperty(**DETAIL)
    frames: IntProperty(**FRAMES)

    # Blender reads movies on the main thread.
    driver = SteppedTask

    def start(self, context: Context) -> Task[PhotographsResult]:
        dense = DenseSettings(resolution=self.detail) if self.make_mesh else None
        self._previews = deque()
        solve = partial(
            start_solving,
            check_outlines=self.check_outlines,
            dense=dense,
            on_preview=self._previews.append if self.interactive else None,
            cameras=absolute_path(self.cameras) if self.cameras else None,
        )
        movie = chosen_movie(self.folder, self.files)
        if movie:
            request = FrameRequest(movie, frames_folder(movie), self.frames)
            return movie_input.solve_frames(request, solve, self.interactive)
        return in_thread(solve(chosen_paths(self.folder, self.files)))

    def show_preview(self, context: Context) -> None:
        """Draw the cameras, and later the hull, as soon as they are there."""
        while self._previews:
            preview = self._previews.popleft()
            if isinstance(preview, SolvedScene):
                layers = _preview.solved_layers(preview, self.size)
            else:
                layers = [_preview.hull_layer(preview, self.size)]
            _preview.show_layers(context.scene, layers)

    def hide_preview(self) -> None:
        _preview.hide_layers()

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
        settings.summary = result_line(result)
        add_left_out(settings, result.solved.left_out)
        is_complete = not (result.solved.left_out or result.solved.notes or result.problem)
        self.report({'INFO' if is_complete else 'WARNING'}, settings.summary)

    def draw(self, context: Context) -> None:
        """Adjust Last Operation: what does not solve anew."""
        self.layout.use_property_split = True
        for name in ("size", "make_mesh", "detail"):
            self.layout.prop(self, name)


def chosen_movie(folder: str, files: Iterable[bpy.types.OperatorFileListElement]) -> Path | None:
    """Return the movie that is chosen in place of photographs; None if photographs are.

    Raises:
        ImageError: Nothing is chosen, or a movie among photographs.
    """
    if not folder:
        raise ImageError("Choose the folder of your photographs first")
    return movie_input.find_movie(absolute_path(folder), [item.name for item in files])


def chosen_paths(folder: str, files: Iterable[bpy.types.OperatorFileListElement]) -> list[Path]:
    """Return the photographs of a folder: those of ``files``, or without any all of them.

    Raises:
        ImageError: There is no such folder, or no image in it.
    """
    path = absolute_path(folder)
    return [path / item.name for item in files] or movie_input.list_inputs(path)


def start_solving(
    paths: list[Path],
    check_outlines: bool = True,
    dense: DenseSettings | None = None,
    on_preview: Callable[[Preview], None] | None = None,
    cameras: Path | None = None,
) -> Task[PhotographsResult]:
    """Return the work that solves ``paths``, in a process of its own.

    Args:
        paths: Image files, in the order of the walk around the object.
        check_outlines: Whether to refuse cameras that disagree with outlines.
        dense: How to make a surface; None for cameras alone.
        on_preview: Is given the cameras and then the visual hull once they are there, on the
            thread that runs the task; None to make no preview.
        cameras: File or folder of cameras that are used instead of solving; None to solve.

    Raises:
        CameraFileError: There are no cameras.
    """
    paths = [path.resolve() for path in paths]
    target = _compute.process_target()
    settings = solve_settings(paths, check_outlines)
    solving = target.run(solve_photographs, paths, settings)

    if cameras:
        # The file itself, by whose time a changed one is noticed.
        file = locate_cameras(cameras.resolve())
        solving = target.run(read_cameras, file, paths, settings)

    return _solve(solving, dense, target, on_preview)


def solve_settings(paths: list[Path], check_outlines: bool) -> SolveSettings:
    """Return the settings of a solve of ``paths``, with the masks that are there."""
    return SolveSettings(check_outlines=check_outlines, masks=mask_files.find_masks(paths))


def _solve(
    solving: Task[SolvedScene],
    dense: DenseSettings | None,
    target: _compute.ComputeTarget,
    on_preview: Callable[[Preview], None] | None,
) -> Task[PhotographsResult]:
    share = _CAMERAS_SHARE if dense else 1.0
    solved = yield from subtask(solving, 0.0, share)
    if dense is None:
        return PhotographsResult(solved)

    # Cameras are worth having also where no surface can be made.
    try:
        if on_preview:
            on_preview(solved)
            outlining = target.run(outline_surface, solved, dense)
            on_preview((yield from subtask(outlining, share, _OUTLINE_SHARE)))
            share = _OUTLINE_SHARE
        making = target.run(reconstruct_surface, solved, dense)
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
    """Return what was made and what was not, with all numbers for the command line."""
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


def result_line(result: PhotographsResult) -> str:
    """Return how well it went in a few words, for the status bar of the window and the panel."""
    solved = result.solved
    count = len(solved.photographs)
    text = f"{count} of {count + len(solved.left_out)} photographs used"
    if solved.outline_agreement is not None:
        text += f", outlines match {solved.outline_agreement:.0%}"
    notes = list(solved.notes)
    if result.shape:
        text += f" ({len(result.shape.mesh.faces):,} faces)"
        notes += result.shape.notes
    if result.problem:
        notes.append(result.problem)
    return ". ".join((text, *notes))


_register, _unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_solve_photographs,))


def register() -> None:
    """Register the operator."""
    _register()


def unregister() -> None:
    """Remove it, and what it draws: a running operator of a disabled add-on is dropped."""
    _preview.hide_layers()
    _unregister()
