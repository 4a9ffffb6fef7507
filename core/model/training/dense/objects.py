"""Objects of relightable training sets in memory, as small as in their files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....cameras import Camera
from ....dataset.compact import decode_normals, decode_pixels
from ....dataset.frames import object_frame
from ....dataset.index import ObjectLocation, split_locations
from ....dataset.members import SMALL_ALBEDO, SMALL_SHADING
from ....dataset.object_file import ObjectFile
from ....dataset.records import Record, ViewRecord
from ....errors import DatasetError
from ....procedural.part_groups import GROUP_NAMES, group_table, part_group
from ...inference.preprocessing import median_filter
from ...networks.projection import camera_matrix, transform_camera
from .ray_targets import solid_box

_SYMMETRIC = 0.94  # IoU of a grid with its mirror image above which the object counts as symmetric
_LEAST_PIXELS = 24  # of a view that shows the object
# Members that training needs besides views; points are half of the bytes, and only judge.
_NEEDED = ("json", "crc.json", "grid.npz")
_POINTS = "shape.npz"


@dataclass(frozen=True)
class SurfaceView:
    """What one view shows, without light, in the object's frame.

    Attributes:
        color: (H, W, 3) uint8 sRGB as it was rendered. albedo: (H, W, 3) uint8 sRGB.
        occlusion: (H, W) uint8, 255 for open. alpha: (H, W) uint8.
        normal: (H, W, 3) float32 unit vectors, 0 where nothing is.
        depth: (H, W) float32 along the camera's axis from the middle of the bounding box, in its
            longest sides; NaN where nothing is.
        camera: (5, 4) float32, see ``projection``, for the object's frame.
    """

    color: NDArray[np.uint8]
    albedo: NDArray[np.uint8]
    occlusion: NDArray[np.uint8]
    alpha: NDArray[np.uint8]
    normal: NDArray[np.float32]
    depth: NDArray[np.float32]
    camera: NDArray[np.float32]


class DenseObject:
    """One object: its views, grid and points are decoded when they are needed.

    Attributes:
        name: of the object. family: its class.
        kinds: (V,) "front", ... of the six sides, "free" of other views.
        cameras: (V, 5, 4) float32 for the object's frame: centered, longest side 1.
        half: (3,) half the extent of the bounding box in that frame.
    """

    def __init__(self, file: ObjectFile) -> None:
        record = file.record
        self._file = file
        self._frame = object_frame(record.bounds)
        self.name = record.name
        self.family = record.family
        self.kinds = tuple(view.kind for view in record.views)
        self.cameras = np.stack([self._camera(view) for view in record.views])
        low, high = record.bounds
        self.half = (high - low) / 2 / float((high - low).max())

    @cached_property
    def mirror(self) -> NDArray[np.float64] | None:
        """Unit normal (3,) of the plane through the origin by which the object is symmetric."""
        return _mirror_plane(self.grid())

    @cached_property
    def part_groups(self) -> NDArray[np.int64] | None:
        """Index (256,) in ``GROUP_NAMES`` of each number of :meth:`parts`; -1 for none.

        None for an object without parts, or whose parts no generator has named.
        """
        record = self.record
        if record.parts_from != "procedural" or not record.parts:
            return None
        names = [part_group(label, record.family) for label in record.parts]
        return group_table(names, GROUP_NAMES)

    @cached_property
    def box(self) -> NDArray[np.int64]:
        """First and last cells (2, 3) of the grid that hold something, see ``solid_box``."""
        return solid_box(self.grid())

    def grid(self) -> NDArray[np.bool_]:
        """Return which cells of the cube about the object are inside: (96, 96, 96) by x, y, z."""
        grid = self._file.grid()
        if grid is None:
            raise DatasetError(f"{self._file.path} has no grid: render the set with --grid")
        return grid

    def view(self, index: int) -> SurfaceView:
        """Return what the view ``index`` shows."""
        file = self._file
        if not file.relightable:
            raise DatasetError(f"{file.path} is not relightable: render the set with --relightable")
        rgba = file.read_color(index)
        depth = file.read_depth(index)
        albedo, normal, occlusion = self._surface(index, depth)

        return SurfaceView(
            color=median_filter(rgba)[..., :3],
            albedo=albedo,
            occlusion=occlusion,
            alpha=rgba[..., 3],
            normal=normal,
            depth=self._depth(index, depth),
            camera=self.cameras[index],
        )

    def _surface(
        self, index: int, depth: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8]]:
        """Return albedo, normals and occlusion of a view, reading each compact member once.

        Args:
            index: of the view.
            depth: (H, W) of it, 0 where nothing is.
        """
        file = self._file
        if not file.is_compact:
            normal = file.normal(index).astype(np.float32)
            return file.albedo(index), normal, file.occlusion(index)  # type: ignore[return-value]
        height, width = depth.shape
        size = (width, height)
        albedo = decode_pixels(file.read_member(f"{index:03d}.{SMALL_ALBEDO}"), size, "RGB")
        shading = decode_pixels(file.read_member(f"{index:03d}.{SMALL_SHADING}"), size, "RGB")
        normal = decode_normals(shading[..., :2], depth > 0).astype(np.float32)

        return albedo, normal, shading[..., 2]

    @property
    def record(self) -> Record:
        """What is known of the object."""
        return self._file.record

    def parts(self, index: int) -> NDArray[np.uint8]:
        """Return the numbers of the parts (H, W) in the view ``index``, from 1 in its record."""
        parts = self._file.read_parts(index)
        if parts is None:
            raise DatasetError(f"{self._file.path} has no parts: render the set with --parts")
        return parts

    def alpha(self, index: int) -> NDArray[np.uint8]:
        """Return the alpha (H, W) of the view ``index`` alone."""
        return self._file.read_color(index)[..., 3]

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return points (P, 3) of the grown box in the object's frame, and which are inside."""
        shape = self._file.read_shape()
        points = np.asarray(shape.uniform[:], float)
        return points @ self._frame[:3, :3].T + self._frame[:3, 3], shape.uniform_inside

    def _camera(self, view: ViewRecord) -> NDArray[np.float32]:
        return transform_camera(camera_matrix(view.camera), self._frame)

    def _depth(self, index: int, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return ``depth`` (H, W; metres from the camera) in the object's unit from its middle."""
        camera: Camera = self._file.record.views[index].camera
        scale = self._frame[0, 0]
        center = -self._frame[:3, 3] / scale
        center_depth = float(camera.from_world[2] @ (*center, 1))
        relative = (depth - center_depth) * scale
        return np.where(depth > 0, relative, np.nan).astype(np.float32)


def load_dense_split(folders: Sequence[Path], split: str) -> list[DenseObject]:
    """Load the objects of ``split`` in the training sets ``folders``, packed or not.

    The split "train" leaves out copies of objects that another of the sets validates or tests on.

    Raises:
        DatasetError: a set is missing or damaged, is not relightable or has no grids, or there is
            no object.
    """
    places = split_locations(folders, split)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        loaded = pool.map(lambda place: load_dense_object(place, split != "train"), places)
        objects = [item for item in loaded if item is not None]
    if not objects:
        names = ", ".join(map(str, folders))
        raise DatasetError(f"{names} has no objects in the split {split!r}")
    return objects


def load_dense_object(place: ObjectLocation, points: bool = True) -> DenseObject | None:
    """Load one object; None if a view of it is empty, or if it is a whole scene.

    Args:
        place: where its file is.
        points: keep what :meth:`DenseObject.points` returns.

    Raises:
        DatasetError: it is damaged, is not relightable or has no grid.
    """
    file = place.open_object()
    if file.record.instances:
        return None
    if not file.relightable:
        raise DatasetError(f"{file.path} is not relightable: render the set with --relightable")

    # Keep in memory only the members that training reads.
    kept = {}
    for kind, data in file.parts.items():
        if _is_needed(kind) or (points and kind == _POINTS):
            kept[kind] = data
    small = file.with_parts(kept)

    # A view that shows next to nothing has no frame.
    for index in range(len(small.record.views)):
        alpha = small.read_color(index)[..., 3]
        if (alpha > 127).sum() < _LEAST_PIXELS:
            return None

    return DenseObject(small)


def _is_needed(kind: str) -> bool:
    return kind in _NEEDED or kind[:3].isdigit()


def _mirror_plane(grid: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Return the normal (3,) of the plane across x or y by which ``grid`` is symmetric, or None."""
    for axis in (0, 1):
        mirrored = np.flip(grid, axis)
        union = np.count_nonzero(grid | mirrored)
        overlap = np.count_nonzero(grid & mirrored)
        if union and overlap > _SYMMETRIC * union:
            normal: NDArray[np.float64] = np.eye(3)[axis]
            return normal

    return None
