"""BOP, the benchmark for 6D object pose estimation, in its scenewise layout.

::

    OUT/
      models/obj_000001.ply, models_info.json     millimeters, origin at the center of the bounding
                                                  box, Z up
      train/000001/ or val/ or test/              a folder for each object, by its split
        rgb/000000.png                            over black where there is no background, 8 bit
        depth/000000.png                          plane depth, 16 bit; ``depth_scale`` of the view
                                                  converts it to mm
        mask/000000_000000.png, mask_visib/       the object's silhouette, complete and without what
                                                  occluders hide
        scene_camera.json, scene_gt.json, scene_gt_info.json
      test_targets_bop19.json                     if there are objects of the split test

Image IDs are the numbers of the views, object IDs those of the objects in the complete set, so
exports of its parts agree. The models are the meshes, with the colors that the views show near
their vertices; of older sets, which do not store the mesh, and of the shapes of a whole scene,
surface points without faces. ``diameter`` is that of surface points; the box is that of the mesh,
as stored in the set. BOP's toolkit counts pixels from the center of the top left one, so the
principal point in ``cam_K`` is half a pixel less than in the set, and boxes are as wide as from the
first pixel to the last. BOP has no orthographic camera: those views are left out, and so is an
object that has no others. There is no ``camera.json``, since views differ in their intrinsics.

A whole scene is one folder with a pose for each of its instances that a view shows. Copies of one
shape are one object, whose model consists of the points that the views show of it. How much of an
instance is hidden is not known: there is ``mask_visib/`` and no ``mask/``, and
``scene_gt_info.json`` describes the visible part only.

After docs/bop_datasets_format.md and ``misc.py`` of github.com/thodan/bop_toolkit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...alignment.side_views import mask_bounds
from ...arrays import MeshArrays
from ...atomic_files import write_bytes as write_file
from ...atomic_files import write_json, write_png
from ...errors import ImageError
from ...geometry.silhouette import render_silhouette
from ...geometry.winding_number import area_normals
from .. import passes
from ..records import Instance, Record, RenderedView
from ..visibility import surface_colors
from .selection import SelectedObject, Selection

_FOLDERS = {"train": "train", "validation": "val", "test": "test"}
_MILLIMETERS = 1000
_MODEL_POINTS = 4096  # of a model without a mesh, and for the colors of one with a mesh
_SEED = 0  # of the points of a model, so that exports are reproducible
_PIXEL_CENTERS = np.array(((0, 0, 0.5), (0, 0, 0.5), (0, 0, 0)))
_DEPTH_STEPS = 2**16 - 1
_PAIRS_AT_ONCE = 256  # points whose distances to all others are in memory at a time
_QUERIES_AT_ONCE = 1024  # likewise of the search for the nearest points
_SHORTEST_NORMAL = 1e-20  # avoids a division by zero at vertices without faces
_LEAST_DEPTH = 1e-6  # meters; avoids a division by zero in views that show nothing
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
Entry = dict[str, Any]
ShapeNumbers = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class _VisibleInstance:
    """What a view shows of an object.

    Attributes:
        number: Object ID.
        to_world: (4, 4) pose of its model, meters.
        visible_mask: (H, W) of the visible part.
        full_mask: (H, W) as if nothing hid it; None if that is not known.
    """

    number: int
    to_world: NDArray[np.float64]
    visible_mask: NDArray[np.bool_]
    full_mask: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class _Model:
    """A model to write, with P points.

    Attributes:
        name: Of the object.
        points: (P, 3) meters.
        normals: (P, 3) of unit length.
        color: (P, 3) uint8 sRGB.
        bounds: (2, 3) low and high corner; their center becomes the origin.
        samples: (Q, 3) surface points that determine the diameter.
        triangles: (T, 3), or None for a model without faces.
    """

    name: str
    points: NDArray[np.floating[Any]]
    normals: NDArray[np.floating[Any]]
    color: NDArray[np.uint8]
    bounds: NDArray[np.float64]
    samples: NDArray[np.floating[Any]]
    triangles: NDArray[np.int32] | None = None


def write_bop(selection: Selection, out: Path) -> Iterator[tuple[int, int]]:
    """Write each object, and the lists of all of them at the end.

    Yields:
        After each object how many of its views were written and left out.
    """
    # One folder for each object
    models: dict[int, Entry] = {}
    targets: list[dict[str, int]] = []
    shape_numbers = selection.shape_numbers()

    for item in selection:
        if item.pinhole_views:
            models |= _write_models(item, out / "models", shape_numbers)
            folder = out / _FOLDERS.get(item.split, item.split) / f"{item.number:06d}"
            shown = _write_scene(item, folder, shape_numbers)
            if item.split == "test":
                targets += _target_entries(item.number, shown)
        yield len(item.pinhole_views), item.orthographic_count

    # Lists of all objects
    write_json(out / "models/models_info.json", models)
    if targets:
        write_json(out / "test_targets_bop19.json", targets)


def _target_entries(scene_id: int, shown: Mapping[int, Counter[int]]) -> list[dict[str, int]]:
    """Return the entries of ``test_targets_bop19.json`` of one folder.

    Args:
        scene_id: Number of the folder.
        shown: By the view, how many instances of which object it shows.
    """
    return [
        {"im_id": view_index, "scene_id": scene_id, "obj_id": number, "inst_count": count}
        for view_index, counts in shown.items()
        for number, count in counts.items()
    ]


# --- models -----------------------------------------------------------------------------------


def _write_models(
    item: SelectedObject, folder: Path, shape_numbers: ShapeNumbers
) -> dict[int, Entry]:
    """Write the model of an object, or those of the shapes of a whole scene.

    Returns:
        Entries of ``models_info.json`` by object ID.
    """
    if item.file.record.instances:
        models = _scene_models(item, shape_numbers)
    else:
        models = {item.number: _object_model(item)}

    # One file for each model
    entries = {}
    for number, model in models.items():
        path = folder / f"obj_{number:06d}.ply"
        entries[number] = _write_model(path, model)
    return entries


def _object_model(item: SelectedObject) -> _Model:
    """Return the mesh of an object, or else its surface points."""
    record = item.file.record
    shape = item.file.read_shape()
    mesh = item.file.read_mesh()
    views = (item.file.read_view(index) for index in range(len(record.views)))
    color, _ = surface_colors(views, shape, record.bounds)

    if mesh is None:
        return _Model(
            name=record.name,
            points=shape.surface,
            normals=shape.surface_normals,
            color=color,
            bounds=record.bounds,
            samples=shape.surface,
        )

    nearest = _nearest_index(mesh.vertices, shape.surface[:_MODEL_POINTS])
    return _Model(
        name=record.name,
        points=mesh.vertices,
        normals=_vertex_normals(mesh),
        color=color[nearest],
        bounds=record.bounds,
        samples=shape.surface,
        triangles=mesh.to_triangles(),
    )


def _nearest_index(
    points: NDArray[np.floating[Any]], others: NDArray[np.floating[Any]]
) -> NDArray[np.int64]:
    """Return the index of the one of ``others`` (Q, 3) nearest to each of ``points`` (P, 3)."""
    # |a - b|^2 / 2 without |a|^2 / 2, which is the same for all others
    half_squares = (others.astype(float) ** 2).sum(1) / 2
    chunk_count = -(-len(points) // _QUERIES_AT_ONCE)
    chunks = np.array_split(points.astype(float), chunk_count)
    return np.concatenate([(half_squares - chunk @ others.T).argmin(1) for chunk in chunks])


def _vertex_normals(mesh: MeshArrays) -> NDArray[np.float64]:
    """Return unit normals (V, 3), means of the triangles' weighed by their area."""
    # Normals of triangles whose length is their area, summed up at the corners
    triangles = mesh.to_triangles()
    triangle_normals = area_normals(mesh.vertices.astype(float), triangles)
    normals = np.zeros((len(mesh.vertices), 3))
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], triangle_normals)

    length = np.linalg.norm(normals, axis=1, keepdims=True)
    unit_normals: NDArray[np.float64] = normals / np.maximum(length, _SHORTEST_NORMAL)
    return unit_normals


def _scene_models(item: SelectedObject, shape_numbers: ShapeNumbers) -> dict[int, _Model]:
    """Return a model of each shape of a whole scene, from the points that the views show.

    Returns:
        Models by object ID.
    """
    record = item.file.record

    # Rows of point, normal and color (9) of each shape, in its frame, from all views
    rows_by_number: dict[int, list[NDArray[np.float64]]] = {}
    for index in item.pinhole_views:
        view = item.file.read_view(index)
        points = passes.world_points(view)
        has_surface = view.depth > 0
        for instance in record.instances_in(index):
            is_instance = view.index == instance.index
            shown = is_instance & has_surface
            local = passes.local_points(points[shown], instance.to_world)
            normals = view.normal[shown] @ instance.to_world[:3, :3]
            color = view.colour[shown][:, :3]
            rows = np.hstack((local, normals, color))
            number = shape_numbers[_shape_key(record, instance)]
            rows_by_number.setdefault(number, []).append(rows)

    # A random choice of them becomes the model.
    rng = np.random.default_rng(_SEED)
    bounds = _shape_bounds(record, shape_numbers)

    # Reversed, so that a shape has the name of its first instance
    names = {}
    for instance in reversed(record.instances):
        number = shape_numbers[_shape_key(record, instance)]
        names[number] = instance.name

    models = {}
    for number, parts in sorted(rows_by_number.items()):
        all_rows = np.concatenate(parts)
        chosen = rng.permutation(len(all_rows))[:_MODEL_POINTS]
        rows = all_rows[chosen]
        if len(rows):
            models[number] = _Model(
                name=names[number],
                points=rows[:, :3],
                normals=rows[:, 3:6],
                color=rows[:, 6:].astype(np.uint8),
                bounds=bounds[number],
                samples=rows[:, :3],
            )

    return models


def _shape_key(record: Record, instance: Instance) -> tuple[str, str]:
    """Return the key of an instance's shape in ``Selection.shape_numbers``."""
    return record.name, instance.shape or instance.name


def _shape_bounds(record: Record, shape_numbers: ShapeNumbers) -> dict[int, NDArray[np.float64]]:
    """Return the box (2, 3) around the boxes of all copies of each shape, in its frame."""
    bounds: dict[int, NDArray[np.float64]] = {}
    for instance in record.instances:
        number = shape_numbers[_shape_key(record, instance)]
        low, high = bounds.get(number, instance.bounds)
        instance_low, instance_high = instance.bounds
        joint_low = np.minimum(low, instance_low)
        joint_high = np.maximum(high, instance_high)
        bounds[number] = np.stack((joint_low, joint_high))

    return bounds


def _write_model(path: Path, model: _Model) -> Entry:
    """Write a model as .ply in millimeters.

    Returns:
        Its entry of ``models_info.json``.
    """
    # A line for each vertex, around the center of the box
    points = (model.points - model.bounds.mean(0)) * _MILLIMETERS
    vertex_lines = (
        f"{x:.6g} {y:.6g} {z:.6g} {nx:.4f} {ny:.4f} {nz:.4f} {red} {green} {blue}\n"
        for (x, y, z), (nx, ny, nz), (red, green, blue) in zip(
            points, model.normals, model.color, strict=True
        )
    )

    # A line for each face
    face_lines = []
    faces_header = ""
    if model.triangles is not None and len(model.triangles):
        face_lines = [f"3 {a} {b} {c}\n" for a, b, c in model.triangles.tolist()]
        faces_header = _FACES.format(count=len(face_lines))
    header = _HEADER.format(count=len(points), faces=faces_header)
    write_file(path, "".join((header, *vertex_lines, *face_lines)))

    # Box and diameter
    low, high = model.bounds
    size = ((high - low) * _MILLIMETERS).tolist()

    return {
        "diameter": largest_distance(model.samples * _MILLIMETERS),
        **{f"min_{axis}": -length / 2 for axis, length in zip("xyz", size, strict=True)},
        **{f"size_{axis}": length for axis, length in zip("xyz", size, strict=True)},
        "name": model.name,
    }


def largest_distance(points: NDArray[np.floating[Any]]) -> float:
    """Return the largest distance between two of ``points`` (P, 3)."""
    points = points.astype(float)
    squares = (points**2).sum(1)
    chunk_count = -(-len(points) // _PAIRS_AT_ONCE)

    # |a - b|^2 = |a|^2 + |b|^2 - 2 a b
    largest_squares = []
    for chunk in np.array_split(np.arange(len(points)), chunk_count):
        products = 2 * points[chunk] @ points.T
        distance_squares = squares[chunk, None] + squares - products
        largest_squares.append(distance_squares.max())

    return float(np.sqrt(max(largest_squares)))


# --- images and poses -------------------------------------------------------------------------


def _write_scene(
    item: SelectedObject, folder: Path, shape_numbers: ShapeNumbers
) -> dict[int, Counter[int]]:
    """Write the images of an object, and their cameras, poses and masks.

    Returns:
        By the view, how many instances of which object it shows.
    """
    cameras = {}
    poses = {}
    infos = {}
    shown = {}
    mesh = item.file.read_mesh()

    for index in item.pinhole_views:
        # Images; the deepest point takes the last step of depth.
        view = item.file.read_view(index)
        depth_step = max(float(view.depth.max()), _LEAST_DEPTH) * _MILLIMETERS / _DEPTH_STEPS
        write_png(folder / f"rgb/{index:06d}.png", _over_black(item.read_image(view)))
        write_png(folder / f"depth/{index:06d}.png", _depth_steps(view.depth, depth_step))

        # Masks, camera and poses
        if item.file.record.instances:
            instances = _instances_in_view(item, index, view, shape_numbers)
        else:
            instances = [_object_in_view(item, index, view, mesh)]

        _write_masks(folder, index, instances)
        cameras[index] = _camera_entry(view, depth_step)
        poses[index] = [_pose_entry(instance, view) for instance in instances]
        infos[index] = [_info_entry(instance, view) for instance in instances]
        shown[index] = Counter(instance.number for instance in instances)

    # These files list what was written before.
    write_json(folder / "scene_camera.json", cameras)
    write_json(folder / "scene_gt_info.json", infos)
    write_json(folder / "scene_gt.json", poses)
    return shown


def _write_masks(folder: Path, index: int, instances: Sequence[_VisibleInstance]) -> None:
    """Write the masks of the view with the index ``index``."""
    for number, instance in enumerate(instances):
        file_name = f"{index:06d}_{number:06d}.png"
        for name, mask in (
            ("mask_visib", instance.visible_mask),
            ("mask", instance.full_mask),
        ):
            if mask is not None:
                pixels = np.where(mask, 255, 0).astype(np.uint8)
                write_png(folder / name / file_name, pixels)


def _object_in_view(
    item: SelectedObject, index: int, view: RenderedView, mesh: MeshArrays | None
) -> _VisibleInstance:
    """Return mask and pose of the object; what occluders hide follows from its mesh."""
    # Without occluders everything is visible.
    visible_mask = passes.object_mask(view)
    full_mask = visible_mask
    has_occluders = bool(item.file.record.views[index].drawn.get("occluders"))
    if mesh is not None and has_occluders:
        full_mask = visible_mask | render_silhouette(mesh, view.camera)

    return _VisibleInstance(
        number=item.number,
        to_world=_recentered_pose(np.eye(4), item.file.record.bounds),
        visible_mask=visible_mask,
        full_mask=full_mask,
    )


def _instances_in_view(
    item: SelectedObject, index: int, view: RenderedView, shape_numbers: ShapeNumbers
) -> list[_VisibleInstance]:
    """Return masks and poses of the instances that a view of a whole scene shows.

    The models of copies are centered alike, by the bounds of all of them.
    """
    # Pixels and box of each instance
    record = item.file.record
    bounds = _shape_bounds(record, shape_numbers)
    index_image = passes.instance_index(view)
    visible = []

    for instance in record.instances_in(index):
        number = shape_numbers[_shape_key(record, instance)]
        mask = index_image == instance.index
        if mask.any():
            to_world = _recentered_pose(instance.to_world, bounds[number])
            visible.append(_VisibleInstance(number, to_world, mask))

    return visible


def _recentered_pose(
    to_world: NDArray[np.float64], bounds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the pose of a model whose origin is the center of a box.

    Args:
        to_world: (4, 4) pose of the frame of the box.
        bounds: (2, 3) low and high corner of the box.
    """
    center = np.eye(4)
    center[:3, 3] = bounds.mean(0)
    return to_world @ center


def _camera_entry(view: RenderedView, depth_step: float) -> Entry:
    pose = view.camera.from_world
    rotation = pose[:3, :3]
    translation = pose[:3, 3] * _MILLIMETERS
    intrinsics = view.camera.intrinsics - _PIXEL_CENTERS

    return {
        "cam_K": intrinsics.ravel().tolist(),
        "depth_scale": depth_step,
        "cam_R_w2c": rotation.ravel().tolist(),
        "cam_t_w2c": translation.tolist(),
    }


def _pose_entry(instance: _VisibleInstance, view: RenderedView) -> Entry:
    pose = view.camera.from_world @ instance.to_world
    rotation = pose[:3, :3]
    translation = pose[:3, 3] * _MILLIMETERS

    return {
        "obj_id": instance.number,
        "cam_R_m2c": rotation.ravel().tolist(),
        "cam_t_m2c": translation.tolist(),
    }


def _info_entry(instance: _VisibleInstance, view: RenderedView) -> Entry:
    """Return boxes and pixel counts of an instance, as far as they are known."""
    visible_count = int(instance.visible_mask.sum())
    info = {"bbox_visib": _mask_box(instance.visible_mask), "px_count_visib": visible_count}
    if instance.full_mask is None:
        return info
    count = int(instance.full_mask.sum())

    return {
        **info,
        "bbox_obj": _mask_box(instance.full_mask),
        "px_count_all": count,
        "px_count_valid": int((instance.full_mask & (view.depth > 0)).sum()),
        "visib_fract": visible_count / max(count, 1),
    }


def _mask_box(mask: NDArray[np.bool_]) -> list[int]:
    """Return the box of a mask: left, top, width and height; -1 each if it is empty."""
    try:
        low, high = mask_bounds(mask.astype(np.float32))
    except ImageError:
        return [-1, -1, -1, -1]
    return [*low.astype(int).tolist(), *(high - low - 1).astype(int).tolist()]


def _over_black(color: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image (H, W, 4) over black, (H, W, 3)."""
    return (color[..., :3] * (color[..., 3:] / 255.0) + 0.5).astype(np.uint8)


def _depth_steps(depth: NDArray[np.float32], step: float) -> NDArray[np.uint16]:
    """Return depth (H, W) in meters as whole numbers of steps of ``step`` millimeters."""
    return (depth.astype(float) * _MILLIMETERS / step + 0.5).astype(np.uint16)
