"""Write the masks that are used for photographs, so that they can be corrected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy
from bpy.props import CollectionProperty, StringProperty
from bpy.types import Context

from ...core.errors import ImageError
from ...core.jobs.task import Task, subtask
from ...core.photogrammetry import mask_files
from ...core.photogrammetry.mask_writing import (
    WrittenMasks,
    write_plain_masks,
    write_solved_masks,
)
from ...core.photogrammetry.movies import frames_folder
from ...core.photogrammetry.photo_files import list_photographs
from ...core.photogrammetry.solve import solve_photographs
from ...core.scene.compat import PATH_OPTIONS
from .. import _compute
from .._task_operator import TaskOperator
from ..properties.photographs import CHECK_OUTLINES, FILES, FOLDER
from .solve import chosen_movie, chosen_paths, solve_settings

_PLAIN_SHARE = 0.2  # of the time, where cameras are needed
_SOLVED_SHARE = 0.7


class MAQUETTE_OT_write_masks(TaskOperator, bpy.types.Operator):
    """Write the masks of photographs beside them."""

    bl_idname = "maquette.write_masks"
    bl_label = "Write Masks"
    bl_description = (
        "Write the mask of each photograph into the folder \"masks\" beside it, where it is found "
        "when you solve again: correct it in any image editor, white is the object. Masks that are "
        "there stay. Before a background that is not plain the cameras are solved first"
    )

    folder: StringProperty(**FOLDER, options={'SKIP_SAVE', *PATH_OPTIONS})
    files: CollectionProperty(**FILES, type=bpy.types.OperatorFileListElement)
    check_outlines: bpy.props.BoolProperty(**CHECK_OUTLINES)

    def start(self, context: Context) -> Task[WrittenMasks]:
        movie = chosen_movie(self.folder, self.files)
        paths = _frames_of(movie) if movie else chosen_paths(self.folder, self.files)
        paths = [path.resolve() for path in paths]
        self._masks = paths[0].parent / mask_files.FOLDER
        return _write_masks(paths, self.check_outlines, _compute.process_target())

    def finish(self, context: Context, result: WrittenMasks) -> None:
        text = f"{result.written} masks written to {self._masks}"
        if result.kept:
            text += f", {result.kept} were there already"
        if result.unknown:
            text += f". {len(result.unknown)} photographs show no object that could be told apart"
        self.report({'WARNING' if result.unknown else 'INFO'}, text)


def _frames_of(movie: Path) -> list[Path]:
    """Return the frames of a movie that was solved.

    Raises:
        ImageError: It was not: there are no frames.
    """
    folder = frames_folder(movie)
    if not folder.is_dir():
        raise ImageError(f"{movie.name} has no frames yet: press Solve Photographs first")
    return list_photographs(folder)


def _write_masks(
    paths: list[Path], check_outlines: bool, target: _compute.ComputeTarget
) -> Task[WrittenMasks]:
    """Write all masks; if most photographs show no outline, by their cameras, as surfaces do."""
    settings = solve_settings(paths, check_outlines)  # before there are more masks
    result = yield from subtask(write_plain_masks(paths), 0.0, _PLAIN_SHARE)
    if 2 * len(result.unknown) <= len(paths):
        return result

    solving = target.run(solve_photographs, paths, settings)
    solved = yield from subtask(solving, _PLAIN_SHARE, _SOLVED_SHARE)
    unknown = list(result.unknown)

    # Not remembered as results of other functions are: what counts is that files are written.
    writing = target.run_anew(write_solved_masks, solved, unknown)
    count = yield from subtask(writing, _SOLVED_SHARE, 1.0)
    placed = {photograph.path for photograph in solved.photographs}
    rest = tuple(path for path in unknown if path not in placed)

    return replace(result, written=result.written + count, unknown=rest)


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_write_masks,))
