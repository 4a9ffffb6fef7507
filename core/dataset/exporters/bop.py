"""BOP, the benchmark for 6D object pose estimation, in its scenewise layout.

::

    OUT/
      models/obj_000001.ply, models_info.json     millimetres, origin at the centre of the bounding box, Z up
      train/000001/ or val/ or test/              a folder for each object, by its split
        rgb/000000.png                            before black where nothing was put behind it, 8 bit
        depth/000000.png                          plane depth, 16 bit; ``depth_scale`` of the picture makes it mm
        mask/000000_000000.png, mask_visib/       the object's silhouette, and it less what occluders hide
        scene_camera.json, scene_gt.json, scene_gt_info.json
      test_targets_bop19.json                     if there are objects of the split test

Image IDs are the numbers of the views, object IDs those of the objects in the whole set, so exports of its parts agree.
The models are the meshes, with the colours that the pictures show near their vertices; of older sets, which do not
store the mesh, and of the shapes of a whole scene points of the surface without faces. ``diameter`` is that of points
of the surface; the box is the mesh's own, as the set tells it. BOP's toolkit counts pixels from the centre of the top
left one, so ``cam_K`` has the principal point half a pixel lower than here, and boxes are as wide as from the first
pixel to the last. BOP has no orthographic camera: those views are left out, and an object that has no other as well.
There is no ``camera.json``, as views differ in their intrinsics.

A whole scene is one folder with a pose for each of its instances that a picture shows. Copies of one shape are one
object, whose model is made of the points that the pictures show of it. How much of an instance something hides is not
known: there is ``mask_visib/`` and no ``mask/``, and ``scene_gt_info.json`` tells of what is visible alone.

After docs/bop_datasets_format.md and ``misc.py`` of github.com/thodan/bop_toolkit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...alignment.side_views import mask_bounds
from ...arrays import MeshArrays
from ...errors import ImageError
from ...geometry.silhouette import render_silhouette
from ...geometry.winding_number import area_normals
from .. import passes
from ..atomic_files import write_bytes as write_file
from ..atomic_files import write_json, write_png
from ..records import Instance, Record, RenderedView
from ..visibility import surface_colors
from .selection import SelectedObject, Selection

_FOLDERS = {"train": "train", "validation": "val", "test": "test"}
_MILLIMETERS = 1000
_POINTS = 4096  # of the model of a shape of a whole scene
_CENTERS = np.array(((0, 0, 0.5), (0, 0, 0.5), (0, 0, 0)))
_HEADER = """ply
format ascii 1.0
element vertex {count}
property float x
property float y
property float z
property float nx
property float ny
property float nz
property uchar red
property uchar green
property uchar blue
{faces}end_header
"""
_FACES = """element face {count}
property list uchar int vertex_indices
"""


@dataclass(frozen=True)
class _VisibleInstance:
    """What a picture shows: object ID, pose (4, 4) of its model in world space, metres, and mask (H, W).

    whole: (H, W) its mask if nothing hid it; None if that is not known.
    """

    number: int
    to_world: NDArray[np.float64]
    mask: NDArray[np.bool_]
    whole: NDArray[np.bool_] | None = None


def write_bop(selection: Selection, out: Path) -> Iterator[tuple[int, int]]:
    """Write each object, and at last what tells of all; yields how many views were written and left out."""
    models: dict[int, dict[str, Any]] = {}
    targets: list[dict[str, int]] = []
    shapes = selection.shape_numbers()
    for item in selection:
        if item.pinhole_views:
            if item.file.record.instances:
                models |= _write_models(item, out / "models", shapes)
            else:
                models[item.number] = _write_model(
                    item, out / "models" / f"obj_{item.number:06d}.ply"
                )
            folder = out / _FOLDERS.get(item.split, item.split) / f"{item.number:06d}"
            shown = _write_scene(item, folder, shapes)
            if item.split == "test":
                targets += [
                    {"im_id": index, "scene_id": item.number, "obj_id": number, "inst_count": count}
                    for index, counted in shown.items()
                    for number, count in counted.items()
                ]
        yield len(item.pinhole_views), len(item.file.record.views) - len(item.pinhole_views)
    write_json(out / "models/models_info.json", models)
    if targets:
        write_json(out / "test_targets_bop19.json", targets)


def _write_model(item: SelectedObject, path: Path) -> dict[str, Any]:
    """Write the mesh, or else surface points, and return their entry of ``models_info.json``."""
    record = item.file.record
    shape = item.file.read_shape()
    mesh = item.file.read_mesh()
    views = (item.file.read_view(index) for index in range(len(record.views)))
    color, _ = surface_colors(views, shape, record.bounds)
    if mesh is None:
        return _write_ply_model(
            path,
            record.name,
            shape.surface,
            shape.surface_normals,
            color,
            record.bounds,
            shape.surface,
        )
    near = _nearest_index(mesh.vertices, shape.surface[:_POINTS])
    normals = _vertex_normals(mesh)
    triangles = mesh.to_triangles()
    return _write_ply_model(
        path,
        record.name,
        mesh.vertices,
        normals,
        color[near],
        record.bounds,
        shape.surface,
        triangles,
    )


def _nearest_index(points: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.int64]:
    """Which of ``others`` (Q, 3) is nearest to each of ``points`` (P, 3)."""
    square = (others.astype(float) ** 2).sum(1) / 2
    parts = np.array_split(points.astype(float), -(-len(points) // 1024))
    return np.concatenate([(square - part @ others.T).argmin(1) for part in parts])


def _vertex_normals(mesh: MeshArrays) -> NDArray[np.float64]:
    """(V, 3) unit normals, the mean of the triangles' by area."""
    triangles = mesh.to_triangles()
    normals = np.zeros((len(mesh.vertices), 3))
    across = area_normals(mesh.vertices.astype(float), triangles)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], across)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)


def _write_models(
    item: SelectedObject, folder: Path, shapes: Mapping[tuple[str, str], int]
) -> dict[int, dict[str, Any]]:
    """Write what the pictures show of each shape of a whole scene; returns entries of ``models_info.json``."""
    record = item.file.record
    found: dict[int, list[NDArray[np.float64]]] = {}
    for index in item.pinhole_views:
        view = item.file.read_view(index)
        points = passes.world_points(view)
        for one in record.instances_in(index):
            on = (view.index == one.index) & (view.depth > 0)
            turn = one.to_world[:3, :3]
            place = one.to_world[:3, 3]
            rows = np.hstack(
                ((points[on] - place) @ turn, view.normal[on] @ turn, view.colour[on][:, :3])
            )
            found.setdefault(shapes[_model_key(record, one)], []).append(rows)
    result = {}
    rng = np.random.default_rng(0)
    bounds = _shape_bounds(record, shapes)
    names = {shapes[_model_key(record, one)]: one.name for one in reversed(record.instances)}
    for number, parts in sorted(found.items()):
        rows = np.concatenate(parts)
        rows = rows[rng.permutation(len(rows))[:_POINTS]]
        if len(rows):
            path = folder / f"obj_{number:06d}.ply"
            color = rows[:, 6:].astype(np.uint8)
            result[number] = _write_ply_model(
                path, names[number], rows[:, :3], rows[:, 3:6], color, bounds[number], rows[:, :3]
            )
    return result


def _model_key(record: Record, instance: Instance) -> tuple[str, str]:
    return record.name, instance.shape or instance.name


def _write_ply_model(
    path: Path,
    name: str,
    surface: NDArray[np.floating],
    normals: NDArray[np.floating],
    color: NDArray[np.uint8],
    bounds: NDArray[np.float64],
    samples: NDArray[np.floating],
    triangles: NDArray[np.int32] | None = None,
) -> dict[str, Any]:
    """Write points (P, 3), metres, with normals (P, 3) and colour (P, 3), the centre of ``bounds`` (2, 3) at 0.

    Args:
        samples: (Q, 3) of the surface, for its diameter.
    """
    points = (surface - bounds.mean(0)) * _MILLIMETERS
    lines = (
        f"{x:.6g} {y:.6g} {z:.6g} {nx:.4f} {ny:.4f} {nz:.4f} {red} {green} {blue}\n"
        for (x, y, z), (nx, ny, nz), (red, green, blue) in zip(points, normals, color, strict=True)
    )
    faces = [] if triangles is None else [f"3 {a} {b} {c}\n" for a, b, c in triangles.tolist()]
    header = _HEADER.format(
        count=len(points), faces=_FACES.format(count=len(faces)) if faces else ""
    )
    write_file(path, "".join((header, *lines, *faces)))
    size = ((bounds[1] - bounds[0]) * _MILLIMETERS).tolist()
    return {
        "diameter": largest_distance(samples * _MILLIMETERS),
        **{f"min_{axis}": -length / 2 for axis, length in zip("xyz", size, strict=True)},
        **{f"size_{axis}": length for axis, length in zip("xyz", size, strict=True)},
        "name": name,
    }


def largest_distance(points: NDArray[np.floating]) -> float:
    """The largest distance between two of ``points`` (P, 3)."""
    points = points.astype(float)
    square = (points**2).sum(1)
    parts = np.array_split(np.arange(len(points)), -(-len(points) // 256))
    return float(
        np.sqrt(
            max((square[part, None] + square - 2 * points[part] @ points.T).max() for part in parts)
        )
    )


def _write_scene(
    item: SelectedObject, folder: Path, shapes: Mapping[tuple[str, str], int]
) -> dict[int, Counter[int]]:
    """Write the pictures and what is to be known of them; returns how often each shows which object."""
    cameras = {}
    poses = {}
    infos = {}
    shown = {}
    whole = bool(item.file.record.instances)
    mesh = item.file.read_mesh()
    for index in item.pinhole_views:
        view = item.file.read_view(index)
        step = max(float(view.depth.max()), 1e-6) * _MILLIMETERS / 65535
        write_png(folder / f"rgb/{index:06d}.png", _before_black(item.read_image(view)))
        write_png(folder / f"depth/{index:06d}.png", _depth_steps(view.depth, step))
        occluded = bool(item.file.record.views[index].drawn.get("occluders"))
        things = (
            _instance_entries(item, index, view, shapes)
            if whole
            else [_object_entry(item, view, mesh, occluded)]
        )
        for place, thing in enumerate(things):
            for name, mask in (("mask_visib", thing.mask), ("mask", thing.whole)):
                if mask is not None:
                    write_png(
                        folder / f"{name}/{index:06d}_{place:06d}.png", mask.astype(np.uint8) * 255
                    )
        pose = view.camera.from_world
        cameras[index] = {
            "cam_K": (view.camera.intrinsics - _CENTERS).ravel().tolist(),
            "depth_scale": step,
            "cam_R_w2c": pose[:3, :3].ravel().tolist(),
            "cam_t_w2c": (pose[:3, 3] * _MILLIMETERS).tolist(),
        }
        poses[index] = [
            {
                "obj_id": thing.number,
                "cam_R_m2c": (pose @ thing.to_world)[:3, :3].ravel().tolist(),
                "cam_t_m2c": ((pose @ thing.to_world)[:3, 3] * _MILLIMETERS).tolist(),
            }
            for thing in things
        ]
        infos[index] = [_model_info(thing, view) for thing in things]
        shown[index] = Counter(thing.number for thing in things)
    write_json(folder / "scene_camera.json", cameras)
    write_json(folder / "scene_gt_info.json", infos)
    write_json(folder / "scene_gt.json", poses)
    return shown


def _object_entry(
    item: SelectedObject, view: RenderedView, mesh: MeshArrays | None, occluded: bool
) -> _VisibleInstance:
    seen = passes.object_mask(view)
    whole = seen | render_silhouette(mesh, view.camera) if mesh is not None and occluded else seen
    return _VisibleInstance(
        item.number, _recentered_pose(np.eye(4), item.file.record.bounds), seen, whole
    )


def _instance_entries(
    item: SelectedObject, index: int, view: RenderedView, shapes: Mapping[tuple[str, str], int]
) -> list[_VisibleInstance]:
    """Those that the picture shows. The models of copies are centred alike, by the bounds of all of them."""
    record = item.file.record
    bounds = _shape_bounds(record, shapes)
    found = []
    for one in record.instances_in(index):
        number = shapes[_model_key(record, one)]
        mask = view.index == one.index
        if mask.any():
            found.append(
                _VisibleInstance(number, _recentered_pose(one.to_world, bounds[number]), mask)
            )
    return found


def _shape_bounds(
    record: Record, shapes: Mapping[tuple[str, str], int]
) -> dict[int, NDArray[np.float64]]:
    """(2, 3) of each shape in its own frame, which holds those of all its copies."""
    bounds: dict[int, NDArray[np.float64]] = {}
    for one in record.instances:
        number = shapes[_model_key(record, one)]
        old = bounds.get(number, one.bounds)
        bounds[number] = np.stack(
            (np.minimum(old[0], one.bounds[0]), np.maximum(old[1], one.bounds[1]))
        )
    return bounds


def _recentered_pose(
    to_world: NDArray[np.float64], bounds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``to_world`` (4, 4) of a frame as that of a model whose origin is the centre of ``bounds`` (2, 3) in it."""
    center = np.eye(4)
    center[:3, 3] = bounds.mean(0)
    return to_world @ center


def _model_info(thing: _VisibleInstance, view: RenderedView) -> dict[str, Any]:
    seen = int(thing.mask.sum())
    info = {"bbox_visib": _mask_box(thing.mask), "px_count_visib": seen}
    if thing.whole is None:
        return info
    count = int(thing.whole.sum())
    valid = int((thing.whole & (view.depth > 0)).sum())
    share = seen / max(count, 1)
    return {
        **info,
        "bbox_obj": _mask_box(thing.whole),
        "px_count_all": count,
        "px_count_valid": valid,
        "visib_fract": share,
    }


def _mask_box(mask: NDArray[np.bool_]) -> list[int]:
    try:
        low, high = mask_bounds(mask)
    except ImageError:
        return [-1, -1, -1, -1]
    return [*low.astype(int).tolist(), *(high - low - 1).astype(int).tolist()]


def _before_black(color: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``colour`` (H, W, 4) uint8 as (H, W, 3)."""
    return (color[..., :3] * (color[..., 3:] / 255.0) + 0.5).astype(np.uint8)


def _depth_steps(depth: NDArray[np.float32], step: float) -> NDArray[np.uint16]:
    """``depth`` (H, W) in metres as whole steps of ``step`` millimetres."""
    return (depth.astype(float) * _MILLIMETERS / step + 0.5).astype(np.uint16)
