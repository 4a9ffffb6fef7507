"""Movies instead of photographs: which frames to look at, and the folder that keeps the best.

The frames are image files beside the movie, since cameras show them as their backgrounds. An index
there names the movie and its state, so that the same movie is read once.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..atomic_files import make_folder, report_write_errors, write_json
from ..errors import ImageError, OutputError

MOVIE_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".ogv", ".wmv", ".flv"),
        *(".mpg", ".mpeg", ".m2v", ".mts", ".m2ts", ".ts", ".mxf"),
    }
)
_INDEX = "maquette_frames.json"
_FRAME_NAME = re.compile(r"_\d{5,}\.jpg$")  # as ``frame_name`` makes them
_COMPARED = 6  # frames of a window: neighbors differ little, and each takes as long to read
_CONTAINERS = (b"moov", b"trak")
_QUARTER_TURNS = {(1, 0): 0, (0, 1): 1, (-1, 0): 2, (0, -1): 3}  # by the first row of the matrix


@dataclass(frozen=True)
class FrameRequest:
    """Which frames of which movie.

    Attributes:
        movie: File that Blender can read.
        folder: Where the frames are written.
        count: Windows of equal length into which the movie is divided; each gives a frame.
    """

    movie: Path
    folder: Path
    count: int


def is_movie(path: Path) -> bool:
    """Return whether ``path`` has the suffix of a movie, and is no folder."""
    return path.suffix.lower() in MOVIE_SUFFIXES and not path.is_dir()


def frames_folder(movie: Path) -> Path:
    """Return the folder beside ``movie`` that its frames are written into."""
    return movie.with_name(f"{movie.stem}_frames")


def frame_name(movie: Path, frame: int) -> str:
    """Return the file name of a frame, counted from 1."""
    return f"{movie.stem}_{frame:05d}.jpg"


def compared_frames(duration: int, count: int) -> list[list[int]]:
    """Divide a movie into windows, and return for each the frames of which the sharpest is taken.

    Args:
        duration: Of the movie, frames.
        count: Of windows; no more than frames are made.

    Returns:
        Numbers of frames from 1, rising, at most six a window.
    """
    edges = np.linspace(0, duration, min(count, duration) + 1).round().astype(int)
    windows = []
    for begin, end in pairwise(edges):
        number = min(_COMPARED, int(end - begin))
        frames = np.linspace(begin + 1, end, number).round().astype(int)
        windows.append(frames.tolist())
    return windows


def written_frames(request: FrameRequest) -> list[Path]:
    """Return the frames that were written before; empty if any is missing or the movie changed.

    Raises:
        ImageError: There is no such movie.
    """
    state = _movie_state(request)
    index = _read_index(request.folder) or {}
    if {name: index.get(name) for name in state} != state:
        return []

    # Files of this folder alone are meant, whoever wrote the index.
    paths = [request.folder / Path(str(name)).name for name in index.get("frames", [])]
    is_complete = all(path.is_file() for path in paths)
    return paths if is_complete else []


def prepare_folder(request: FrameRequest) -> None:
    """Make the folder of the frames, and remove from it what was written before.

    Raises:
        ImageError: There is no such movie.
        OutputError: The folder cannot be written, or holds other files.
    """
    folder = request.folder
    make_folder(folder)
    previous = _read_index(folder)

    with report_write_errors(folder):
        if previous is None and any(folder.iterdir()):
            raise OutputError(
                f"{folder} holds files that are no frames of a movie. Choose another folder for "
                "the frames, or rename that one"
            )
        for path in folder.glob("*.jpg"):
            if _FRAME_NAME.search(path.name):
                path.unlink()

    # From now on the folder is known as one of frames, also if this run is killed.
    record_frames(request, [])


def record_frames(request: FrameRequest, paths: list[Path]) -> None:
    """Write the index of the frames.

    Raises:
        ImageError: There is no such movie any more.
        OutputError: The folder cannot be written.
    """
    index = {**_movie_state(request), "frames": [path.name for path in paths]}
    write_json(request.folder / _INDEX, index)


def read_rotation(path: Path) -> tuple[int, tuple[int, int]]:
    """Return how a player must turn the video of an MP4 or MOV file, as a phone writes it.

    Args:
        path: Of any movie; for other formats nothing is found.

    Returns:
        Quarter turns clockwise, and width and height of the frames before that, pixels; zeros if
        unknown.
    """
    with suppress(OSError, struct.error), path.open("rb") as file:
        for header in _track_headers(file, path.stat().st_size):
            turns, size = _read_track_header(header)
            if all(size):  # tracks of sound have no size
                return turns, size
    return 0, (0, 0)


def _movie_state(request: FrameRequest) -> dict[str, Any]:
    """Return what frames depend on, besides the pixels of the movie."""
    try:
        status = request.movie.stat()
    except OSError as error:
        raise ImageError(f"There is no movie {request.movie}") from error

    return {
        "movie": request.movie.name,
        "size": status.st_size,
        "modified": status.st_mtime_ns,
        "count": request.count,
    }


def _read_index(folder: Path) -> dict[str, Any] | None:
    """Return the index in ``folder``; empty if it is damaged, None if there is none."""
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}

    is_valid = isinstance(index, dict) and isinstance(index.get("frames"), list)
    return index if is_valid else {}


def _track_headers(file: BinaryIO, end: int) -> Iterator[bytes]:
    """Yield the contents of the boxes "tkhd" of an MP4 file (ISO/IEC 14496-12) up to ``end``."""
    while file.tell() + 8 <= end:
        start = file.tell()
        size, kind = struct.unpack(">I4s", file.read(8))
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
        size = size or end - start  # 0: up to the end of the file
        if size < 8:
            return

        # Containers are entered, all else is skipped.
        if kind in _CONTAINERS:
            yield from _track_headers(file, min(start + size, end))
        elif kind == b"tkhd":
            yield file.read(min(size - 8, 256))

        file.seek(start + size)


def _read_track_header(header: bytes) -> tuple[int, tuple[int, int]]:
    """Return quarter turns clockwise, and width and height, of the contents of a "tkhd"."""
    # Times are of 32 bits in version 0, else of 64; then come 16 bytes of layer and volume.
    begin = 40 if header[:1] == b"\0" else 52
    across, down = struct.unpack_from(">ii", header, begin)
    width, height = struct.unpack_from(">II", header, begin + 36)
    turns = _QUARTER_TURNS.get((across >> 16, down >> 16), 0)
    return turns, (width >> 16, height >> 16)
