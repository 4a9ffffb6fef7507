"""Which photograph each camera of a file took, and its camera at the photograph's own size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from ...cameras import Camera
from ...errors import CameraFileError, DependencyError, failure_reason
from ...imaging import image_files
from ...jobs.task import Progress, Task
from .. import photo_files
from ..photo_files import Photograph
from ..records import LeftOut, SolvedPhotograph
from .lenses import RadialLens, to_radial
from .records import FileCamera, FileModel

_ORIENTATION = 0x0112  # in EXIF metadata
# Quarter turns, counterclockwise, that make photographs upright; others mirror.
_TURNS = {0: 0, 1: 0, 3: 2, 6: 3, 8: 1}
_SAME_ASPECT = 0.01
_MOST_LENS_ERROR = 1e-3  # of the longer side: a coarser lens would blur what views share
_NOTED_LENS_ERROR = 0.1  # pixels
_SHOWN_NAMES = 3


@dataclass(frozen=True)
class PlacedPhotographs:
    """Photographs with the cameras of a file, in the file's world.

    Attributes:
        photographs: With a camera.
        left_out: Without one.
        notes: Sentences for the user.
    """

    photographs: tuple[SolvedPhotograph, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def place_photographs(
    model: FileModel, paths: Sequence[Path], source: str
) -> Task[PlacedPhotographs]:
    """Give the photographs the cameras of a file.

    Args:
        model: The file's content.
        paths: Image files.
        source: What errors call the file.

    Raises:
        CameraFileError: No photograph has a camera, or it is not clear which has which.
    """
    cameras = match_names(model.cameras, paths, source)
    solved: list[SolvedPhotograph] = []
    left_out = []
    lens_error = 0.0
    guessed = []

    for index, path in enumerate(paths):
        yield Progress(index / len(paths), f"Photographs {index + 1}/{len(paths)}")
        camera = cameras.get(path)
        if camera is None:
            left_out.append(LeftOut(path, f"It has no camera in {source}"))
            continue

        try:
            placed = _place(camera, path)
        except DependencyError:
            raise
        except ValueError as error:
            left_out.append(LeftOut(path, str(error)))
            continue
        except Exception as error:  # whatever is wrong with one, the others are used
            left_out.append(LeftOut(path, failure_reason(error), unreadable=True))
            continue

        if placed.guessed_turn:
            guessed.append(len(solved))
        solved.append(placed.photograph)
        lens_error = max(lens_error, placed.lens_error)

    if not solved:
        raise CameraFileError(f"No photograph fits a camera in {source}: {left_out[0].reason}")
    notes = []
    if lens_error > _NOTED_LENS_ERROR:
        notes.append(f"Lens distortion is approximated to {lens_error:.1f} pixels")
    if guessed:
        _agree_on_up(solved, guessed)
        notes.append(f"{len(guessed)} photographs were taken as turned upright by a quarter")
    return PlacedPhotographs(tuple(solved), tuple(left_out), tuple(notes))


def _agree_on_up(solved: list[SolvedPhotograph], guessed: list[int]) -> None:
    """Turn cameras whose quarter turn was a guess the other way, where up would be down.

    Args:
        solved: Photographs, which are changed.
        guessed: Places of those that were turned by a guess.
    """
    ups = np.array([solved[place].camera.to_world[:3, 1] for place in guessed])
    axis = np.linalg.svd(ups)[2][0]
    heights = ups @ axis
    if (heights > 0).mean() < 0.5:
        heights = -heights

    for place, height in zip(guessed, heights, strict=True):
        if height < 0:
            camera = turn_camera(solved[place].camera, 2)
            solved[place] = replace(solved[place], camera=camera)


def match_names(
    cameras: Sequence[FileCamera], paths: Sequence[Path], source: str
) -> dict[Path, FileCamera]:
    """Return the camera of each photograph that has one, by the names of the files.

    The last part of the names must agree, at least without its suffix; if several do, as many
    parts before it as possible.

    Raises:
        CameraFileError: None agrees, or two agree as well as each other.
    """
    by_name: defaultdict[str, list[FileCamera]] = defaultdict(list)
    by_stem: defaultdict[str, list[FileCamera]] = defaultdict(list)
    for camera in cameras:
        name = PurePosixPath(camera.name)
        by_name[name.name].append(camera)
        by_stem[name.stem].append(camera)

    matched: dict[Path, FileCamera] = {}
    takers: dict[str, Path] = {}
    for path in paths:
        candidates = by_name.get(path.name) or by_stem.get(path.stem) or []
        scores = [_common_parts(PurePosixPath(camera.name).parts, path) for camera in candidates]
        best = [
            camera for camera, score in zip(candidates, scores, strict=True) if score == max(scores)
        ]

        if len(best) > 1:
            raise CameraFileError(
                f"{path.name} may be {best[0].name} or {best[1].name} of {source}: give the "
                "photographs different names, and solve them again"
            )
        if best:
            other = takers.setdefault(best[0].name, path)
            if other is not path:
                raise CameraFileError(
                    f"{best[0].name} of {source} may be {other.name} or {path.name}: give the "
                    "photographs different names"
                )
            matched[path] = best[0]

    if not matched:
        names = ", ".join(camera.name for camera in cameras[:_SHOWN_NAMES])
        raise CameraFileError(
            f"No photograph is called as a camera in {source}, which has {names}: choose the "
            "folder of the photographs that it was made from"
        )

    return matched


@dataclass(frozen=True)
class _Placed:
    """A photograph with its camera, the error of its lens in pixels, and if its turn is a guess."""

    photograph: SolvedPhotograph
    lens_error: float
    guessed_turn: bool


def _place(camera: FileCamera, path: Path) -> _Placed:
    """Return a photograph with its camera.

    Raises:
        ValueError: The camera cannot be that of the photograph; the text says why.
        ImageError: The photograph cannot be read.
    """
    photograph = photo_files.inspect_photograph(path)
    lens = to_radial(camera.lens)
    longest = max(photograph.width, photograph.height)
    error = lens.error * longest / max(*camera.lens.size, 1)

    if error > _MOST_LENS_ERROR * longest:
        raise ValueError(
            f"Its lens cannot be described by two coefficients (wrong by {error:.0f} pixels): "
            "undistort the photographs, and read the cameras of the result"
        )

    frame = _image_frame(camera.lens.size, lens, photograph)
    own = Camera(camera.to_world, lens.intrinsics, *frame.size)
    own = turn_camera(own, frame.turns).resized(photograph.width, photograph.height)
    solved = SolvedPhotograph(path, own, lens.distortion, photograph.turned, photograph.mask)

    return _Placed(solved, error, frame.is_guessed)


@dataclass(frozen=True)
class _ImageFrame:
    """The image that a camera is of: its size, and by how many quarters it is turned upright."""

    size: tuple[int, int]
    turns: int
    is_guessed: bool = False


def _image_frame(size: tuple[int, int], lens: RadialLens, photograph: Photograph) -> _ImageFrame:
    """Return whether the camera is of the pixels as they are stored, or as they are shown.

    Args:
        size: Of the camera's image, pixels; (0, 0) if unknown.
        lens: Of the camera.
        photograph: As it is shown.

    Raises:
        ValueError: It is of neither.
    """
    orientation = stored_orientation(photograph.path)
    if orientation not in _TURNS:
        raise ValueError("Its EXIF orientation mirrors it: save it upright")
    turns = _TURNS[orientation]
    upright = (photograph.width, photograph.height)
    stored = upright[::-1] if turns % 2 else upright

    if size == (0, 0):
        if _lies_turned(lens, stored):
            return _ImageFrame(stored[::-1], turns + 1, is_guessed=True)
        return _ImageFrame(stored, turns)

    # Most programs do not turn photographs by their EXIF orientation.
    if _has_aspect(size, stored):
        return _ImageFrame(size, turns)
    if _has_aspect(size, upright):
        return _ImageFrame(size, 0)
    raise ValueError(
        f"It has {upright[0]} x {upright[1]} pixels, its camera {size[0]} x {size[1]}: that is "
        "another shape"
    )


def turn_camera(camera: Camera, turns: int) -> Camera:
    """Return the camera of its image turned counterclockwise by a number of quarters.

    A pixel (u, v) moves to (v, width - u).
    """
    for _ in range(turns % 4):
        (fx, _, cx), (_, fy, cy), _ = camera.intrinsics.tolist()
        intrinsics = np.array(((fy, 0, cy), (0, fx, camera.width - cx), (0, 0, 1.0)))
        # The new right is the old down, the new up the old right, in OpenGL's axes.
        turn = np.array(((0.0, 1, 0, 0), (-1, 0, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)))
        to_world = camera.to_world @ turn
        camera = replace(
            camera,
            to_world=to_world,
            intrinsics=intrinsics,
            width=camera.height,
            height=camera.width,
        )

    return camera


def stored_camera(photograph: SolvedPhotograph) -> Camera | None:
    """Return the camera of the pixels as the file stores them; None if it stores them mirrored."""
    if not photograph.turned:
        return photograph.camera
    orientation = stored_orientation(photograph.path)
    if orientation not in _TURNS:
        return None
    return turn_camera(photograph.camera, -_TURNS[orientation])


def stored_orientation(path: Path) -> int:
    """Return the EXIF orientation of an image file; 1 if it has none.

    Raises:
        ImageError: The file cannot be read.
    """
    with image_files.opened_image(path) as image:
        try:
            return int(image.getexif().get(_ORIENTATION, 1))
        except Exception:  # damaged metadata of any kind; the image itself can be read
            return 1


def _lies_turned(lens: RadialLens, size: tuple[int, int]) -> bool:
    """Return whether the principal point is nearer to the middle of the image turned by a quarter.

    The published images of Middlebury's temple lie so to their cameras.
    """
    center = lens.intrinsics[:2, 2]
    middle = np.array(size) / 2
    return bool(np.linalg.norm(center - middle[::-1]) < np.linalg.norm(center - middle))


def _has_aspect(size: tuple[int, int], other: tuple[int, int]) -> bool:
    ratio = size[0] * other[1] / (size[1] * other[0])
    return abs(ratio - 1) < _SAME_ASPECT


def _common_parts(parts: tuple[str, ...], path: Path) -> int:
    """Return how many parts at the end of two paths agree."""
    count = 0
    for own, other in zip(reversed(parts), reversed(path.parts), strict=False):
        if own != other:
            break
        count += 1
    return count
