"""COLMAP's text model, a folder for each object.

::

    OUT/NAME/
      images/000.png             color and alpha of view 0
      sparse/0/cameras.txt       a PINHOLE camera for each view
      sparse/0/images.txt        world-to-camera of each view, and where it sees which points
      sparse/0/points3D.txt      the surface points that a view shows, with mean color and track

World space is that of the set, in meters. Pixels count from the outer corner of the top left one,
as in the set. COLMAP has no orthographic camera, so those views are left out, and so is an object
that has no others. Points and poses are exact, so the ERROR of each point is 0. The points of a
whole scene are some of those that its views show.

After colmap.github.io/format.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...atomic_files import write_bytes as write_file
from ...atomic_files import write_png
from ...cameras import Camera
from ..visibility import Visibility, project_surface, visible_points
from .selection import SelectedObject, Selection, write_each

_SCENE_POINTS = 8192  # of a whole scene, about as many as objects have


def write_colmap(selection: Selection, out: Path) -> Iterator[tuple[int, int]]:
    """Write each object; yield how many of its views were written and left out."""
    return write_each(selection, out, _write_object)


def _write_object(item: SelectedObject, folder: Path) -> None:
    # Points, and where the views show them
    if item.file.record.instances:
        shape = visible_points(item.file, item.pinhole_views, _SCENE_POINTS)
    else:
        shape = item.file.read_shape()

    visibility = project_surface(item.file, shape, item.pinhole_views)

    # Images, and the lines of each
    camera_lines = []
    image_lines = []
    for row, index in enumerate(item.pinhole_views):
        name = f"{index:03d}.png"
        camera = item.file.record.views[index].camera
        write_png(folder / "images" / name, item.read_image(item.file.read_view(index)))
        camera_lines.append(_camera_line(row + 1, camera))
        image_lines.append(_pose_line(row + 1, camera, name))
        image_lines.append(_observation_line(visibility.pixels[row], visibility.seen[row]))

    model = folder / "sparse/0"
    write_file(model / "cameras.txt", "".join(camera_lines))
    write_file(model / "images.txt", "".join(image_lines))
    write_file(model / "points3D.txt", "".join(_point_lines(shape.surface, visibility)))


def quaternion_of_rotation(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quaternion (w, x, y, z), w >= 0, of a rotation matrix (3, 3).

    It is the eigenvector of the largest eigenvalue of a symmetric matrix (Bar-Itzhack 2000, "New
    method for extracting the quaternion from a rotation matrix").
    """
    # The letters are the entries of the rotation, row by row.
    (a, b, c), (d, e, f), (g, h, i) = rotation
    matrix = (
        (a + e + i, h - f, c - g, d - b),
        (h - f, a - e - i, d + b, c + g),
        (c - g, d + b, e - a - i, h + f),
        (d - b, c + g, h + f, i - a - e),
    )
    _, eigenvectors = np.linalg.eigh(np.array(matrix))
    quaternion: NDArray[np.float64] = eigenvectors[:, -1]

    return quaternion if quaternion[0] >= 0 else -quaternion


def _camera_line(number: int, camera: Camera) -> str:
    """Return the line of a camera: number, model, size and intrinsics."""
    (fx, _, cx), (_, fy, cy), _ = camera.intrinsics.tolist()
    return f"{number} PINHOLE {camera.width} {camera.height} {fx!r} {fy!r} {cx!r} {cy!r}\n"


def _pose_line(number: int, camera: Camera, name: str) -> str:
    """Return the first line of an image: number, pose, number of the camera, and file."""
    pose = camera.from_world
    values = (*quaternion_of_rotation(pose[:3, :3]), *pose[:3, 3])
    numbers = " ".join(f"{value:.17g}" for value in values)
    return f"{number} {numbers} {number} {name}\n"


def _observation_line(pixels: NDArray[np.float64], seen: NDArray[np.bool_]) -> str:
    """Return the second line of an image: pixel and number of each point that it shows."""
    points = np.flatnonzero(seen)
    parts = [
        f"{u:.4f} {v:.4f} {point + 1}" for point, (u, v) in zip(points, pixels[points], strict=True)
    ]
    return f"{' '.join(parts)}\n"


def _point_lines(points: NDArray[np.float32], visibility: Visibility) -> Iterator[str]:
    """Yield a line for each point that a view shows; its number is its index plus 1."""
    # Position of a point among those that an image shows
    positions = np.cumsum(visibility.seen, axis=1) - 1
    is_shown = visibility.seen.any(0)
    for point in np.flatnonzero(is_shown):
        x, y, z = points[point]
        red, green, blue = visibility.color[point]
        images = np.flatnonzero(visibility.seen[:, point])
        track = " ".join(f"{image + 1} {positions[image, point]}" for image in images)
        error = 0
        yield f"{point + 1} {x:.9g} {y:.9g} {z:.9g} {red} {green} {blue} {error} {track}\n"
