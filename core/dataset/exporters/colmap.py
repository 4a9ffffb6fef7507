"""COLMAP's text model, a folder for each object.

::

    OUT/NAME/
      images/000.png             colour and alpha of view 0
      sparse/0/cameras.txt       a PINHOLE camera for each view
      sparse/0/images.txt        world-to-camera of each view, and where it sees which points
      sparse/0/points3D.txt      the surface points that a picture shows, with mean colour and track

World space is the set's, in metres. Pixels count from the outer corner of the top left one, as here. COLMAP has no
orthographic camera, so those views are left out, and an object that has no other as well. Points and poses are
exact, so the ERROR of each point is 0. The points of a whole scene are some that its pictures show.

After colmap.github.io/format.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...cameras import Camera
from ..atomic_files import write_bytes as write_file
from ..atomic_files import write_png
from ..visibility import Visibility, project_surface, visible_points
from .selection import SelectedObject, Selection, write_each

_POINTS = 8192  # of a whole scene


def write_colmap(selection: Selection, out: Path) -> Iterator[tuple[int, int]]:
    """Write each object; yields how many of its views were written and left out."""
    return write_each(selection, out, _write_object)


def _write_object(item: SelectedObject, folder: Path) -> None:
    scene = bool(item.file.record.instances)
    shape = (
        visible_points(item.file, item.pinhole_views, _POINTS) if scene else item.file.read_shape()
    )
    found = project_surface(item.file, shape, item.pinhole_views)
    cameras = [item.file.record.views[index].camera for index in item.pinhole_views]
    names = [f"{index:03d}.png" for index in item.pinhole_views]
    for index, name in zip(item.pinhole_views, names, strict=True):
        write_png(folder / "images" / name, item.read_image(item.file.read_view(index)))
    model = folder / "sparse/0"
    write_file(
        model / "cameras.txt",
        "".join(_camera_line(i, camera) for i, camera in enumerate(cameras, 1)),
    )
    write_file(
        model / "images.txt",
        "".join(
            _image_lines(i, camera, name, pixels, seen)
            for i, (camera, name, pixels, seen) in enumerate(
                zip(cameras, names, found.pixels, found.seen, strict=True), 1
            )
        ),
    )
    write_file(model / "points3D.txt", "".join(_point_lines(shape.surface, found)))


def quaternion_of_rotation(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """(w, x, y, z) with w >= 0 of a (3, 3) rotation matrix: an eigenvector, as Bar-Itzhack (2000) has it."""
    (a, b, c), (d, e, f), (g, h, i) = rotation
    form = (
        (a + e + i, h - f, c - g, d - b),
        (h - f, a - e - i, d + b, c + g),
        (c - g, d + b, e - a - i, h + f),
        (d - b, c + g, h + f, i - a - e),
    )
    found = np.linalg.eigh(np.array(form))[1][:, -1]
    return found if found[0] >= 0 else -found


def _camera_line(number: int, camera: Camera) -> str:
    (fx, _, cx), (_, fy, cy), _ = camera.intrinsics.tolist()
    return f"{number} PINHOLE {camera.width} {camera.height} {fx!r} {fy!r} {cx!r} {cy!r}\n"


def _image_lines(
    number: int, camera: Camera, name: str, pixels: NDArray[np.float64], seen: NDArray[np.bool_]
) -> str:
    pose = camera.from_world
    numbers = " ".join(
        f"{value:.17g}" for value in (*quaternion_of_rotation(pose[:3, :3]), *pose[:3, 3])
    )
    points = " ".join(
        f"{u:.4f} {v:.4f} {point + 1}" for point in np.flatnonzero(seen) for u, v in [pixels[point]]
    )
    return f"{number} {numbers} {number} {name}\n{points}\n"


def _point_lines(points: NDArray[np.float32], found: Visibility) -> Iterator[str]:
    """A line for each seen point; its number is its place among all, from 1."""
    places = np.cumsum(found.seen, axis=1) - 1  # of a point among those of its picture
    for point in np.flatnonzero(found.seen.any(0)):
        x, y, z = points[point]
        red, green, blue = found.color[point]
        track = " ".join(
            f"{image + 1} {places[image, point]}" for image in np.flatnonzero(found.seen[:, point])
        )
        yield f"{point + 1} {x:.9g} {y:.9g} {z:.9g} {red} {green} {blue} 0 {track}\n"
