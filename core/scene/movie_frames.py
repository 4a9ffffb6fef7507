"""The sharpest frames of a movie as image files, read by Blender itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError, OutputError
from ..jobs.task import Progress, Task
from ..photogrammetry import movies
from ..photogrammetry.movies import FrameRequest
from ..photogrammetry.photo_files import measure_sharpness
from .images import ImageValues, frame_reader

_LEAST = 3  # frames, without which nothing can be solved
_QUALITY = 95  # of JPEG: SIFT finds the same features as without loss
_COMPARED_SIDE = 1600  # pixels, as of photographs
_MAX_SIDE = 8192
_NAME = "Maquette Movie"


def extract_frames(request: FrameRequest) -> Task[list[Path]]:
    """Write the sharpest frame of each window of a movie, upright, as JPEG files.

    Frames that were written before are returned as they are, if the movie has not changed.

    Raises:
        ImageError: Blender cannot read the movie, or fewer than three frames of it.
        OutputError: The folder cannot be written, or holds other files.
    """
    written = movies.written_frames(request)
    if written:
        return written

    with _opened_movie(request.movie) as movie:
        if not movie.size[0]:
            raise ImageError(
                f"{request.movie} cannot be read as a movie. Convert it to MP4 with H.264"
            )

        movies.prepare_folder(request)
        turns = _missing_turns(movie, request.movie)
        windows = movies.compared_frames(movie.frame_duration, request.count)
        paths = []

        for index, frames in enumerate(windows):
            yield Progress(index / len(windows), f"Frames {index + 1}/{len(windows)}")
            sharpest = _sharpest_frame(movie, frames)
            if sharpest is not None:
                frame, pixels = sharpest
                path = request.folder / movies.frame_name(request.movie, frame)
                _write_jpeg(path, np.rot90(pixels, -turns))
                paths.append(path)

    if len(paths) < _LEAST:
        raise ImageError(
            f"Only {len(paths)} frames of {request.movie} can be read. Film a walk around the "
            "object of at least some seconds, or convert the movie to MP4 with H.264"
        )

    movies.record_frames(request, paths)
    return paths


@contextmanager
def _opened_movie(path: Path) -> Iterator[bpy.types.Image]:
    """Load a movie as an image of the open file, and remove it afterwards."""
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise ImageError(f"There is no movie {path}, or it cannot be read") from error

    try:
        image.name = _NAME
        image.alpha_mode = 'NONE'  # the alpha of a frame that breaks off is never set
        yield image
    finally:
        bpy.data.images.remove(image)


def _missing_turns(movie: bpy.types.Image, path: Path) -> int:
    """Return the quarter turns clockwise that the file demands and that Blender does not make.

    Blender 4.2 shows the movies of a phone that was held upright lying on their side.
    """
    turns, coded_size = movies.read_rotation(path)
    is_quarter = turns % 2 == 1
    return turns if is_quarter and tuple(movie.size) == coded_size else 0


def _sharpest_frame(
    movie: bpy.types.Image, frames: list[int]
) -> tuple[int, NDArray[np.float32]] | None:
    """Return number and pixels (H, W, 4) of the sharpest of ``frames``; None if all are damaged."""
    best = None
    highest = -1.0
    with frame_reader(movie) as read:
        for frame in frames:
            values = _read_frame(read, frame)
            if values is None:
                continue
            sharpness = measure_sharpness(_reduced_gray(values.values)[..., None])
            if sharpness > highest:
                highest = sharpness
                best = frame, values

    if best is None:
        return None
    frame, values = best
    return frame, values.to_pixels(_MAX_SIDE)


def _read_frame(read: Callable[[int], ImageValues], frame: int) -> ImageValues | None:
    """Return what a frame holds; None if it is damaged."""
    try:
        return read(frame)
    except ImageError:
        return None


def _reduced_gray(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of red, green and blue (h, w) of a frame (H, W, 4), averaged over blocks.

    Reducing all channels takes much longer, and most frames are read for this alone.
    """
    step = -(-max(values.shape) // _COMPARED_SIDE)
    height = values.shape[0] // step * step
    width = values.shape[1] // step * step
    total = values[:height, :width, :3].sum(axis=2)
    blocks = [total[row::step, column::step] for row in range(step) for column in range(step)]
    gray: NDArray[np.float32] = np.sum(blocks, axis=0) / (3 * step * step)
    return gray


def _write_jpeg(path: Path, pixels: NDArray[np.float32]) -> None:
    """Write pixels (H, W, 4) by Blender, since its Python may lack Pillow."""
    height, width = pixels.shape[:2]
    image = bpy.data.images.new(_NAME, width, height, alpha=False)
    try:
        image.pixels.foreach_set(np.ascontiguousarray(pixels[::-1]).ravel())
        image.filepath_raw = str(path)
        image.file_format = 'JPEG'
        image.save(quality=_QUALITY)
    except RuntimeError as error:
        raise OutputError(f"{path} could not be written: {error}") from error
    finally:
        bpy.data.images.remove(image)
