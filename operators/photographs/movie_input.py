"""A movie in place of photographs: its sharpest frames are written, then solved."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ...core.errors import ImageError
from ...core.jobs.task import Task, in_thread, subtask
from ...core.photogrammetry import mask_files, movies
from ...core.photogrammetry.movies import FrameRequest
from ...core.photogrammetry.photo_files import list_photographs, natural_order
from ...core.scene.movie_frames import extract_frames
from .. import _compute

T = TypeVar("T")
_FRAMES_SHARE = 0.2  # of the time


def find_movie(folder: Path, names: list[str]) -> Path | None:
    """Return the movie that is chosen instead of photographs; None if photographs are.

    Args:
        folder: Chosen by the user, or a movie.
        names: Of files in the folder; empty for all.

    Raises:
        ImageError: Several movies are chosen, or one beside photographs.
    """
    if movies.is_movie(folder) and not names:
        return folder
    chosen = [name for name in names if movies.is_movie(folder / name)]
    if chosen and len(names) > 1:
        raise ImageError(f"Choose photographs, or one movie alone, not {chosen[0]} among others")
    return folder / chosen[0] if chosen else None


def list_inputs(folder: Path) -> list[Path]:
    """Return the photographs of a folder in natural order, or those of its subfolders.

    Subfolders hold one ring each, as of an object that is turned over in between.

    Raises:
        ImageError: There is no such folder, or no image in it; movies in it are named.
    """
    try:
        return list_photographs(folder)
    except ImageError as error:
        found = natural_order(folder.iterdir()) if folder.is_dir() else []
        names = [path.name for path in found if movies.is_movie(path)]
        if names:
            text = f"{folder} holds no photographs, but {names[0]}. Choose that file itself"
            raise ImageError(text) from error

        rings = [path for path in found if path.is_dir() and path.name != mask_files.FOLDER]
        photographs = _photographs_of(rings)
        if not photographs:
            raise
        return photographs


def _photographs_of(folders: list[Path]) -> list[Path]:
    """Return the photographs of ``folders`` one after the other; some may have none."""
    photographs = []
    for folder in folders:
        with suppress(ImageError):
            photographs += list_photographs(folder)
    return photographs


def solve_frames(
    request: FrameRequest, solve: Callable[[list[Path]], Task[T]], window: bool = False
) -> Task[T]:
    """Write the frames of a movie, and solve them as photographs.

    The steps are taken on the main thread, since Blender reads the movie.

    Args:
        request: Which frames.
        solve: Returns the work on image files, which uses no bpy.
        window: See :func:`._compute.run_in_blender`.
    """
    reading = _compute.run_in_blender(extract_frames, request, window=window)
    paths = yield from subtask(reading, 0.0, _FRAMES_SHARE)
    return (yield from subtask(in_thread(solve(paths)), _FRAMES_SHARE, 1.0))
