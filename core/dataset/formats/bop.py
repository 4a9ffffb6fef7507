"""BOP, the benchmark for 6D object pose estimation, in its scenewise layout.

::

    OUT/
      models/obj_000001.ply, models_info.json     millimetres, origin at the centre of the bounding box, Z up
      train/000001/ or val/ or test/              a folder for each object, by its split
        rgb/000000.png                            before black, 8 bit
        depth/000000.png                          plane depth, 16 bit; ``depth_scale`` of the picture makes it mm
        mask/000000_000000.png, mask_visib/       the object's silhouette less what occluders hide: both are the same
        scene_camera.json, scene_gt.json, scene_gt_info.json
      test_targets_bop19.json                     if there are objects of the split test

Image IDs are the numbers of the views, object IDs those of the objects in the whole set, so exports of its parts agree.
The models are sampled points of the surface with normals and colours, and no faces: the set does not store the mesh.
``diameter`` is therefore that of the samples; the box is the mesh's own, as the set tells it. BOP's toolkit counts
pixels from the centre of the top left one, so ``cam_K`` has the principal point half a pixel lower than here, and
boxes are as wide as from the first pixel to the last. BOP has no orthographic camera: those views are left out, and an
object that has no other as well. There is no ``camera.json``, as views differ in their intrinsics.

After docs/bop_datasets_format.md and ``misc.py`` of github.com/thodan/bop_toolkit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError
from ...sheet import bounding_box
from .. import passes
from ..output import write as write_file
from ..output import write_json, write_png
from ..records import RenderedView
from ..sightings import sightings
from .selection import Item, Selection

_FOLDERS = {"train": "train", "validation": "val", "test": "test"}
_MILLIMETRES = 1000
_CENTRES = np.array(((0, 0, 0.5), (0, 0, 0.5), (0, 0, 0)))
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
end_header
"""


def write(selection: Selection, out: Path) -> Iterator[tuple[int, int]]:
    """Write each object, and at last what tells of all; yields how many views were written and left out."""
    models: dict[int, dict[str, Any]] = {}
    targets: list[dict[str, int]] = []
    for item in selection:
        if item.pinhole:
            models[item.number] = _write_model(item, out / "models" / f"obj_{item.number:06d}.ply")
            _write_scene(item, out / _FOLDERS.get(item.split, item.split) / f"{item.number:06d}")
            if item.split == "test":
                numbers = {"scene_id": item.number, "obj_id": item.number, "inst_count": 1}
                targets += [{"im_id": index, **numbers} for index in item.pinhole]
        yield len(item.pinhole), len(item.file.record.views) - len(item.pinhole)
    write_json(out / "models/models_info.json", models)
    if targets:
        write_json(out / "test_targets_bop19.json", targets)


def _write_model(item: Item, path: Path) -> dict[str, Any]:
    """Write the surface points and return their entry of ``models_info.json``."""
    record, shape = item.file.record, item.file.shape()
    colour = sightings(item.file, shape, range(len(record.views))).colour
    points = (shape.surface - record.bounds.mean(0)) * _MILLIMETRES
    lines = (
        f"{x:.6g} {y:.6g} {z:.6g} {nx:.4f} {ny:.4f} {nz:.4f} {red} {green} {blue}\n"
        for (x, y, z), (nx, ny, nz), (red, green, blue) in zip(points, shape.surface_normals, colour, strict=True)
    )
    write_file(path, _HEADER.format(count=len(points)) + "".join(lines))
    size = ((record.bounds[1] - record.bounds[0]) * _MILLIMETRES).tolist()
    return {
        "diameter": diameter(points),
        **{f"min_{axis}": -length / 2 for axis, length in zip("xyz", size, strict=True)},
        **{f"size_{axis}": length for axis, length in zip("xyz", size, strict=True)},
        "name": record.name,
    }


def diameter(points: NDArray[np.floating]) -> float:
    """The largest distance between two of ``points`` (P, 3)."""
    points = points.astype(float)
    square = (points**2).sum(1)
    parts = np.array_split(np.arange(len(points)), -(-len(points) // 256))
    return float(np.sqrt(max((square[part, None] + square - 2 * points[part] @ points.T).max() for part in parts)))


def _write_scene(item: Item, folder: Path) -> None:
    cameras, poses, infos = {}, {}, {}
    centre = item.file.record.bounds.mean(0)
    for index in item.pinhole:
        view = item.file.view(index)
        mask = passes.mask(view)
        step = max(float(view.depth.max()), 1e-6) * _MILLIMETRES / 65535
        write_png(folder / f"rgb/{index:06d}.png", _before_black(view.colour))
        write_png(folder / f"depth/{index:06d}.png", _deep(view.depth, step))
        for name in ("mask", "mask_visib"):
            write_png(folder / f"{name}/{index:06d}_000000.png", mask.astype(np.uint8) * 255)
        pose = view.camera.from_world
        turn, move = pose[:3, :3], pose[:3, 3]
        cameras[index] = {
            "cam_K": (view.camera.intrinsics - _CENTRES).ravel().tolist(), "depth_scale": step,
            "cam_R_w2c": turn.ravel().tolist(), "cam_t_w2c": (move * _MILLIMETRES).tolist(),
        }  # fmt: skip
        poses[index] = [{
            "obj_id": item.number, "cam_R_m2c": turn.ravel().tolist(),
            "cam_t_m2c": ((turn @ centre + move) * _MILLIMETRES).tolist(),
        }]  # fmt: skip
        infos[index] = [_info(mask, view)]
    write_json(folder / "scene_camera.json", cameras)
    write_json(folder / "scene_gt_info.json", infos)
    write_json(folder / "scene_gt.json", poses)


def _info(mask: NDArray[np.bool_], view: RenderedView) -> dict[str, Any]:
    count = int(mask.sum())
    box = _box(mask)
    return {
        "bbox_obj": box, "bbox_visib": box, "px_count_all": count, "px_count_visib": count,
        "px_count_valid": int((mask & (view.depth > 0)).sum()), "visib_fract": float(count > 0),
    }  # fmt: skip


def _box(mask: NDArray[np.bool_]) -> list[int]:
    try:
        low, high = bounding_box(mask)
    except ImageError:
        return [-1, -1, -1, -1]
    return [*low.astype(int).tolist(), *(high - low - 1).astype(int).tolist()]


def _before_black(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``colour`` (H, W, 4) uint8 as (H, W, 3)."""
    return (colour[..., :3] * (colour[..., 3:] / 255.0) + 0.5).astype(np.uint8)


def _deep(depth: NDArray[np.float32], step: float) -> NDArray[np.uint16]:
    """``depth`` (H, W) in metres as whole steps of ``step`` millimetres."""
    return (depth.astype(float) * _MILLIMETRES / step + 0.5).astype(np.uint16)
