"""Photographed objects as a training set: what was reconstructed is the truth of the photographs.

photographs with outlines  ->  square images and their cameras
fused mesh                 ->  occupancy, distances, surface; depth and normals of each image
sparse and dense cloud     ->  measured points
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ... import atomic_files
from ...arrays import MeshArrays, SourceView
from ...dataset import ground_truth
from ...dataset.names import safe_name
from ...dataset.object_file import read_record, write_object
from ...dataset.records import MeasuredPoints, Record, RenderedView, Shape, ViewRecord
from ...dataset.visibility import surface_colors
from ...errors import ImageError
from ...geometry.fingerprint import shape_fingerprint
from ...geometry.rasterization import render_surface
from ...imaging.color import to_bytes
from ...jobs.task import Progress, Task
from ...photogrammetry.dense.records import DenseCloud, DenseShape
from ...photogrammetry.records import SolvedScene, SparseCloud
from ..bvh import nearest_triangle_finder
from .dataset_folder import DatasetSettings, lock_dataset, prepare_folder

FAMILY = "photographed"
_KIND = "free"  # as a handheld camera sees an object
_SETTINGS = DatasetSettings(size=256, samples=0, cameras=(), grid=True)
_LEAST_PIXELS = 64  # of an image in which the object is visible
_LEAST_VIEWS = 3
_VIEWS_SHARE = 0.4  # of the time
_SAMPLES_SHARE = 0.9


@dataclass(frozen=True)
class WrittenObject:
    """What was written.

    Attributes:
        path: Of the object's file.
        views: Number of its views.
    """

    path: Path
    views: int


def check_photographed_set(folder: Path) -> None:
    """Make sure, before the work begins, that an object can be added to ``folder``.

    Raises:
        DatasetError: It has a set of rendered objects, or a damaged one.
        OutputError: It cannot be written.
    """
    if folder.exists():
        prepare_folder(folder, _SETTINGS)


def write_photographed_object(
    folder: Path, name: str, solved: SolvedScene, shape: DenseShape, size: float
) -> Task[WrittenObject]:
    """Write a photographed object into a training set of such objects, which may hold others.

    An object of that name is replaced. All are in the split "train": what was reconstructed judges
    nothing.

    Args:
        folder: Of the set, new or of photographed objects.
        name: Of the object.
        solved: Its cameras and sparse points.
        shape: Its surface and dense points, with the photographs that it was made from.
        size: Length of its longest side, meters.

    Raises:
        ImageError: Hardly any photograph shows the object.
        MeshError: The mesh encloses no volume.
        DatasetError: The folder has a set of rendered objects.
        OutputError: The folder cannot be written.
    """
    prepare_folder(folder, _SETTINGS)
    with lock_dataset(folder, _SETTINGS):
        mesh = shape.mesh.offset_and_scaled(np.zeros(3), size)
        surface = MeshArrays(mesh.vertices, mesh.to_triangles())
        views: list[RenderedView] = []

        for index, photograph in enumerate(mesh.views):
            yield Progress(_VIEWS_SHARE * index / len(mesh.views), f"View {index + 1}")
            view = _training_view(photograph, surface)
            if np.count_nonzero(view.depth) >= _LEAST_PIXELS:
                views.append(view)

        if len(views) < _LEAST_VIEWS:
            raise ImageError(f"Only {len(views)} photographs show the object well enough to learn")

        yield Progress(_VIEWS_SHARE, "Samples")
        bounds = np.stack((surface.vertices.min(0), surface.vertices.max(0))).astype(float)
        truth = _ground_truth(surface, bounds, views)
        yield Progress(_SAMPLES_SHARE, "Writing")
        measured = _measured_points(solved.cloud, shape.cloud, size, bounds)
        record = _record(safe_name(name), solved, surface, bounds, views)
        path = write_object(folder, record, replace(truth, measured=measured), views, surface)
        _write_splits(folder)

    return WrittenObject(path, len(views))


def _training_view(photograph: SourceView, surface: MeshArrays) -> RenderedView:
    """Return a photograph as a square image of the set, with depth and normals of the mesh."""
    from PIL import Image

    with Image.open(io.BytesIO(photograph.png.tobytes())) as image:
        rgba = np.asarray(image.convert("RGBA"), np.float32) / 255

    # A square around the crop, whose borders are transparent.
    height, width = rgba.shape[:2]
    side = max(width, height)
    left = (side - width) // 2
    top = (side - height) // 2
    square = np.zeros((side, side, 4), np.float32)
    square[top : top + height, left : left + width] = rgba
    window = photograph.camera.resized(width, height).cropped(-left, -top, side, side)
    camera = window.resized(_SETTINGS.size, _SETTINGS.size)

    color = _resized(square, _SETTINGS.size)
    depth, normal = render_surface(surface.vertices, surface.faces, camera)
    shown = color[..., 3] > 0
    depth = np.where(shown, depth, 0)
    normal = np.where((depth > 0)[..., None], normal, 0)

    return RenderedView(_KIND, camera, color, depth, normal.astype(np.float16))


def _resized(image: NDArray[np.float32], side: int) -> NDArray[np.uint8]:
    """Return a square image (S, S, 4) in 0..1 with another number of pixels, as 8 bits."""
    from PIL import Image

    # Colors are weighed by alpha, so that the background leaves no fringe.
    alpha = image[..., 3:]
    layers = np.concatenate((image[..., :3] * alpha, alpha), axis=2).transpose(2, 0, 1)
    resized = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(layer)).resize(
                (side, side), Image.Resampling.BILINEAR
            )
        )
        for layer in layers
    ]
    mean = np.stack(resized, axis=2)
    mean[..., :3] /= np.maximum(mean[..., 3:], 1e-3)

    return to_bytes(mean)


def _ground_truth(
    surface: MeshArrays, bounds: NDArray[np.float64], views: list[RenderedView]
) -> Shape:
    """Return samples of the solid, and the colors that the views show of it."""
    rng = np.random.default_rng(_SETTINGS.seed)
    samples = ground_truth.sample_solid(surface, _SETTINGS.points, rng)
    shape = samples.label(nearest_triangle_finder, bounds)
    color, is_seen = surface_colors(views, shape, bounds)
    return replace(shape, surface_colour=color, surface_seen=is_seen)


def _record(
    name: str,
    solved: SolvedScene,
    surface: MeshArrays,
    bounds: NDArray[np.float64],
    views: list[RenderedView],
) -> Record:
    photographed: dict[str, object] = {
        "photographs": len(solved.photographs),
        "floor_found": solved.floor_found,
    }
    if solved.outline_agreement is not None:
        photographed["outline_agreement"] = round(solved.outline_agreement, 4)

    return Record(
        name=name,
        source=f"{len(solved.photographs)} photographs",
        family=FAMILY,
        bounds=bounds,
        fingerprint=shape_fingerprint(surface),
        views=tuple(ViewRecord(view.kind, view.camera) for view in views),
        more={"photographed": photographed},
    )


def _measured_points(
    sparse: SparseCloud, dense: DenseCloud, size: float, bounds: NDArray[np.float64]
) -> MeasuredPoints:
    """Return the points of both clouds within the cube of the uniform samples, in meters."""
    low, high = bounds
    reach = ground_truth.GROWN / 2 * float((high - low).max())
    center = (low + high) / 2
    sparse_points = (sparse.points * size).astype(np.float32)
    dense_points = (dense.points * size).astype(np.float32)
    in_sparse = (np.abs(sparse_points - center) <= reach).all(1)
    in_dense = (np.abs(dense_points - center) <= reach).all(1)

    return MeasuredPoints(
        sparse=sparse_points[in_sparse],
        sparse_colour=to_bytes(sparse.colors[in_sparse]),
        sparse_views=sparse.track_length[in_sparse].astype(np.int32),
        dense=dense_points[in_dense],
        dense_normals=_unit(dense.normals[in_dense]).astype(np.float16),
        dense_colour=to_bytes(dense.colors[in_dense]),
        dense_views=dense.view_count[in_dense].astype(np.int32),
    )


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors (P, 3) of unit length; up for those without a direction."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.maximum(length, 1e-6)
    return np.where(length > 1e-6, unit, np.array((0, 0, 1), np.float32))


def _write_splits(folder: Path) -> None:
    """Put every object of the set into the split "train"."""
    names = [read_record(path).name for path in sorted((folder / "objects").glob("*.tar"))]
    text = json.dumps(dict.fromkeys(names, "train"), indent=0)
    atomic_files.write_bytes(folder / "splits.json", text)
