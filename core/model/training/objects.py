"""From a training set on disk to objects in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...cameras import Camera
from ...dataset.compact import QuantizedPoints, decode_image
from ...dataset.index import ObjectLocation, locations_of_split, training_locations
from ...dataset.passes import world_points
from ...dataset.records import GRID, ObjectFile, grid_of
from ...errors import DatasetError
from ..inference.preprocessing import median_filter
from ..networks.projection import camera_matrix, transform_camera

COLORS_A_VIEW = 384
Points = NDArray[np.float32] | QuantizedPoints


class LazyImages(Sequence[NDArray[np.uint8]]):
    """Pictures (V, H, W, 4) uint8, kept as their files have them; each is read and despeckled when it is taken out."""

    def __init__(self, files: Sequence[bytes]) -> None:
        self._files = tuple(files)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, view: int) -> NDArray[np.uint8]:  # type: ignore[override]
        return median_filter(decode_image(self._files[view]))


@dataclass(frozen=True)
class Surface:
    """What a picture shows, without light.

    albedo: (H, W, 3) uint8 sRGB. occlusion: (H, W) uint8, 255 for open. normal: (H, W, 3) float16, in world space or,
    which is the same, in the object's own frame. All are 0 where nothing is.
    """

    albedo: NDArray[np.uint8]
    occlusion: NDArray[np.uint8]
    normal: NDArray[np.float16]


class Surfaces(Sequence[Surface]):
    """A :class:`Surface` for each view, kept as its files have it and read when it is taken out."""

    def __init__(self, file: ObjectFile) -> None:
        self._file = file

    def __len__(self) -> int:
        return len(self._file.record.views)

    def __getitem__(self, view: int) -> Surface:  # type: ignore[override]
        file = self._file
        albedo = file.albedo(view)
        occlusion = file.occlusion(view)
        if albedo is None or occlusion is None:
            raise DatasetError(f"{file.path} is not relightable")
        return Surface(albedo, occlusion, file.normal(view))


@dataclass(frozen=True)
class TrainingObject:
    """One object in memory, in its own frame: centred, the longest side 1. V views, P points.

    colour: of V views. kinds: (V,). cameras: (V, 5, 4), see ``projection``.
    frames: (V, 4, 4) similarity from the object's frame to each view's own: x right, y away, z up in the picture,
        the visible longest side 1, the origin where the picture's middle meets the depth of the object's centre.
    near, uniform: (P, 3) float32, of compact sets quantised, with near_inside, uniform_inside (P,) bool.
    half: (3,) half the extent of the bounding box.
    seen: (V, 384, 3) as they, points that each view shows, and seen_colour (V, 384, 3) uint8 their colours.
    surfaces: of the views, None if the set is not relightable. grid_file: member of the grid, None if there is none.
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
        """Which cells of the cube about the object are inside: (96, 96, 96), see ``core.geometry.occupancy_grid``.

        In the object's own frame the cell (i, j, k) is centered at ((i, j, k) + 0.5) / 96 - 0.5, times 1.02.
        """
        return None if self.grid_file is None else grid_of(self.grid_file)


def load_split(folders: Sequence[Path], split: str) -> list[TrainingObject]:
    """Every object of ``split`` in the training sets ``folders``, packed or not, in memory, as small as in its file.

    To train on not those that are copies of what another set judges by.

    Raises:
        DatasetError: a set is missing or damaged, its splits leak, or there is no object.
    """
    places = (
        training_locations(folders)
        if split == "train"
        else [p for folder in folders for p in locations_of_split(folder, split)]
    )
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = [found for found in pool.map(load_object, places) if found is not None]
    if not objects:
        raise DatasetError(f"{', '.join(map(str, folders))} has no objects in the split {split!r}")
    return objects


def evenly_spaced(objects: Sequence[TrainingObject], count: int) -> list[TrainingObject]:
    """At most ``count`` of ``objects``, evenly from first to last, so that no source of them is left out."""
    return (
        [objects[i * len(objects) // count] for i in range(count)]
        if count < len(objects)
        else list(objects)
    )


def load_object(place: ObjectLocation) -> TrainingObject | None:
    """One object as arrays; None if a view of it is empty, or if it is a whole scene."""
    file = place.open_object()
    if file.record.instances:
        return None
    record = file.record
    shape = file.read_shape()
    low, high = record.bounds
    center = (low + high) / 2
    size = float((high - low).max())
    normalize = object_frame(record.bounds)
    rng = np.random.default_rng(0)
    cameras = []
    frames = []
    seen = []
    seen_color = []
    for index, view in enumerate(record.views):
        picture = file.read_color(index)
        depth = file.read_depth(index)
        rows, columns = np.nonzero((picture[..., 3] > 127) & (depth > 0))
        if len(rows) < 16:
            return None
        pick = rng.integers(0, len(rows), COLORS_A_VIEW)
        j = rows[pick]
        i = columns[pick]
        world = view.camera.unproject(np.stack((i + 0.5, j + 0.5), 1), depth[j, i].astype(float))
        seen.append((world - center) / size)
        seen_color.append(median_filter(picture)[j, i, :3])
        cameras.append(transform_camera(camera_matrix(view.camera), normalize))
        frames.append(view_frame(view.camera, rows, columns, center) @ np.linalg.inv(normalize))
    near, uniform, shown = (
        QuantizedPoints.quantize(points) if file.is_compact else np.asarray(points, np.float32)
        for points in (
            (shape.near - center) / size,
            (shape.uniform - center) / size,
            np.stack(seen),
        )
    )
    return TrainingObject(
        record.name,
        record.family,
        LazyImages([file.read_member(file.color_kind(i)) for i in range(len(record.views))]),
        tuple(view.kind for view in record.views),
        np.stack(cameras),
        np.stack(frames),
        near,
        shape.near_inside,
        uniform,
        shape.uniform_inside,
        (high - low) / 2 / size,
        shown,
        np.stack(seen_color),
        _surfaces(file),
        file.parts.get(GRID),
    )


def _surfaces(file: ObjectFile) -> Surfaces | None:
    """With the members of the views alone: the points are in memory as they are."""
    if not file.relightable:
        return None
    parts = {
        kind: data for kind, data in file.parts.items() if kind == "json" or kind[:3].isdigit()
    }
    return Surfaces(ObjectFile(file.path, parts))


def dense_surface(file: ObjectFile) -> NDArray[np.float64]:
    """Points (P, 3) of the true surface: the samples of the record, and all that its views show."""
    parts = [file.read_shape().surface.astype(float)]
    for index in range(len(file.record.views)):
        view = file.read_view(index)
        parts.append(world_points(view)[(view.colour[..., 3] > 127) & (view.depth > 0)])
    return np.concatenate(parts)


def object_frame(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Similarity (4, 4) from world space to the object's own frame, centred, its longest side 1. bounds: (2, 3)."""
    scale = 1 / float(np.ptp(bounds, axis=0).max())
    frame = np.diag((scale, scale, scale, 1.0))
    frame[:3, 3] = -bounds.mean(0) * scale
    return frame


def view_frame(
    camera: Camera, rows: NDArray[np.int64], columns: NDArray[np.int64], center: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Similarity (4, 4) from world space to the view's own frame, see :class:`TrainingObject`.

    Args:
        rows, columns: of the pixels that show the object. centre: (3,) of the object, for its depth.
    """
    low = np.array((columns.min(), rows.min()), float)
    high = np.array((columns.max(), rows.max()), float) + 1
    depth = float((camera.from_world[2] * (*center, 1)).sum())
    middle = (low + high)[None] / 2
    corners = camera.unproject(np.concatenate((middle, low[None], high[None])), np.full(3, depth))
    right, up, back = camera.to_world[:3, :3].T
    span = corners[2] - corners[1]
    frame = np.eye(4)
    frame[:3, :3] = np.stack((right, -back, up)) / max(abs(span @ right), abs(span @ up))
    frame[:3, 3] = -frame[:3, :3] @ corners[0]
    return frame
