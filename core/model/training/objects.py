"""Load the objects of a training set into memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...dataset.compact import QuantizedPoints, decode_image
from ...dataset.frames import object_frame, view_frame
from ...dataset.index import ObjectLocation, split_locations
from ...dataset.members import GRID, decode_grid
from ...dataset.object_file import ObjectFile
from ...errors import DatasetError
from ..inference.preprocessing import median_filter
from ..networks.projection import camera_matrix, transform_camera

# Visible surface points that are kept of each view: for the colors and depths of a sample, which
# takes fewer.
COLORS_A_VIEW = 384
# A view that shows the object in fewer pixels is taken for empty.
_MIN_PIXELS = 16
# A pixel whose alpha (0 to 255) is above this shows the object.
_OPAQUE = 127
Points = NDArray[np.float32] | QuantizedPoints
T = TypeVar("T")


class LazyImages(Sequence[NDArray[np.uint8]]):
    """Images (V, H, W, 4) uint8, kept encoded; each is decoded and despeckled on access."""

    def __init__(self, files: Sequence[bytes]) -> None:
        self._files = tuple(files)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, view: int) -> NDArray[np.uint8]:  # type: ignore[override]
        return median_filter(decode_image(self._files[view]))


@dataclass(frozen=True)
class Surface:
    """What an image shows, without light. All are 0 where there is no surface.

    Attributes:
        albedo: (H, W, 3) uint8 sRGB.
        occlusion: (H, W) uint8, 255 for open.
        normal: (H, W, 3) float16, in world space, whose axes are those of the object's frame.
    """

    albedo: NDArray[np.uint8]
    occlusion: NDArray[np.uint8]
    normal: NDArray[np.float16]


class Surfaces(Sequence[Surface]):
    """A :class:`Surface` for each view, kept as encoded as in its file and decoded on access."""

    def __init__(self, file: ObjectFile) -> None:
        self._file = file

    def __len__(self) -> int:
        return len(self._file.record.views)

    def __getitem__(self, view: int) -> Surface:  # type: ignore[override]
        albedo = self._file.albedo(view)
        occlusion = self._file.occlusion(view)
        if albedo is None or occlusion is None:
            raise DatasetError(f"{self._file.path} is not relightable")
        return Surface(albedo, occlusion, self._file.normal(view))


@dataclass(frozen=True)
class TrainingObject:
    """One object in memory, in its frame: centered, the longest side 1. V views, P points.

    Attributes:
        name: of the object.
        family: its category.
        color: images of the views.
        view_kinds: (V,) kinds of the views: names of sides, or "free".
        cameras: (V, 5, 4), see ``networks.projection``.
        view_frames: (V, 4, 4) similarity from the object's frame to each view's, see
            ``dataset.frames.view_frame``.
        near_points: (P, 3) float32 near the surface; of compact sets quantized.
        near_inside: (P,) which of them are inside.
        uniform: (P, 3) as ``near_points``, uniform over the bounding box grown by 10 %.
        uniform_inside: (P,) which of them are inside.
        half_extent: (3,) of the bounding box.
        visible_points: (V, 384, 3) as ``near_points``, points that each view shows.
        seen_color: (V, 384, 3) uint8 their colors.
        surfaces: of the views; None if the set is not relightable.
        grid_file: encoded occupancy grid; None if there is none.
    """

    name: str
    family: str
    color: LazyImages
    view_kinds: tuple[str, ...]
    cameras: NDArray[np.float32]
    view_frames: NDArray[np.float64]
    near_points: Points
    near_inside: NDArray[np.bool_]
    uniform: Points
    uniform_inside: NDArray[np.bool_]
    half_extent: NDArray[np.float64]
    visible_points: Points
    seen_color: NDArray[np.uint8]
    surfaces: Surfaces | None = None
    grid_file: bytes | None = None

    def grid(self) -> NDArray[np.bool_] | None:
        """Return which cells (96, 96, 96) about the object are inside; None if there is no grid.

        In the object's frame the cell (i, j, k) is centered at ((i, j, k) + 0.5) / 96 - 0.5, times
        1.02; see ``core.geometry.occupancy_grid``.
        """
        return None if self.grid_file is None else decode_grid(self.grid_file)


def load_split(folders: Sequence[Path], split: str) -> list[TrainingObject]:
    """Load all objects of a split of training sets, packed or not, encoded as in their files.

    For the split "train", copies of objects by which another set is evaluated are left out. Sets
    with so few objects that none is in a split lend some to it, see ``dataset.index``.

    Raises:
        DatasetError: a set is missing or damaged, its splits leak, or there is no object.
    """
    locations = split_locations(folders, split)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        loaded = pool.map(load_object, locations)
        objects = [training_object for training_object in loaded if training_object is not None]
    if not objects:
        names = ", ".join(map(str, folders))
        raise DatasetError(f"{names} has no objects in the split {split!r}")
    return objects


def evenly_spaced(objects: Sequence[T], count: int) -> list[T]:
    """Return at most ``count`` objects, evenly spaced, so that no source of them is left out."""
    if count >= len(objects):
        return list(objects)
    return [objects[index * len(objects) // count] for index in range(count)]


def load_object(location: ObjectLocation) -> TrainingObject | None:
    """Load one object; None if one of its views is empty, or if it is a whole scene."""
    file = location.open_object()
    record = file.record
    if record.instances:
        return None
    low, high = record.bounds
    center = (low + high) / 2
    size = float((high - low).max())
    normalization = object_frame(record.bounds)

    # Each view: its camera and frame, and some of the surface that it shows.
    rng = np.random.default_rng(0)
    cameras = []
    view_frames = []
    visible_points = []
    visible_colors = []

    for index, view in enumerate(record.views):
        image = file.read_color(index)
        depth = file.read_depth(index)
        rows, columns = np.nonzero((image[..., 3] > _OPAQUE) & (depth > 0))
        if len(rows) < _MIN_PIXELS:
            return None
        pick = rng.integers(0, len(rows), COLORS_A_VIEW)
        pixels = np.stack((columns[pick] + 0.5, rows[pick] + 0.5), 1)
        pixel_depth = depth[rows[pick], columns[pick]].astype(float)
        world = view.camera.unproject(pixels, pixel_depth)
        visible_points.append((world - center) / size)
        visible_colors.append(median_filter(image)[rows[pick], columns[pick], :3])
        cameras.append(transform_camera(camera_matrix(view.camera), normalization))
        frame = view_frame(view.camera, rows, columns, center)
        view_frames.append(frame @ np.linalg.inv(normalization))

    # Compact sets hold points in steps of 1/65535 of the box: in memory they stay as small.
    shape = file.read_shape()
    to_points = QuantizedPoints.quantize if file.is_compact else _to_float32
    images = [file.read_member(file.color_kind(index)) for index in range(len(record.views))]

    return TrainingObject(
        name=record.name,
        family=record.family,
        color=LazyImages(images),
        view_kinds=tuple(view.kind for view in record.views),
        cameras=np.stack(cameras),
        view_frames=np.stack(view_frames),
        near_points=to_points((shape.near - center) / size),
        near_inside=shape.near_inside,
        uniform=to_points((shape.uniform - center) / size),
        uniform_inside=shape.uniform_inside,
        half_extent=(high - low) / 2 / size,
        visible_points=to_points(np.stack(visible_points)),
        seen_color=np.stack(visible_colors),
        surfaces=_load_surfaces(file),
        grid_file=file.parts.get(GRID),
    )


def _to_float32(points: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(points, np.float32)


def _load_surfaces(file: ObjectFile) -> Surfaces | None:
    """Return the surfaces of the views, without the file's points: those are in memory already."""
    if not file.relightable:
        return None
    parts = {}
    for kind, data in file.parts.items():
        if kind == "json" or kind[:3].isdigit():
            parts[kind] = data
    return Surfaces(file.with_parts(parts))
