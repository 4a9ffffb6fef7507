"""``transforms.json`` of NeRF, Instant-NGP and nerfstudio, a folder for each object.

::

    OUT/NAME/
      transforms.json
      images/000.png     color and alpha of view 0
      depth/000.npy      (H, W) float32 plane depth in millimeters, nerfstudio's default unit;
                         0 where there is no surface

Camera-to-world is in OpenGL's convention, as stored, in meters, Z up. ``cx`` and ``cy`` count from
the outer corner of the top left pixel, also as stored. Intrinsics are given once if all views share
them, else in each frame. Beside a single camera with square pixels and its axis in the middle,
``camera_angle_x`` is its horizontal field of view in radians: all that the original NeRF and many
after it read. ``scale`` and ``offset`` are Instant-NGP's: they bring the object,
enlarged by a tenth, into its unit cube, hence ``aabb_scale`` 1; nerfstudio computes its own. The
format has no orthographic camera, so those views are left out, and so is an object that has no
others.

After docs.nerf.studio/quickstart/data_conventions and instant-ngp's docs/nerf_dataset_tips.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...atomic_files import write_json, write_npy, write_png
from ...cameras import Camera
from ..records import Record
from .selection import SelectedObject, Selection, write_each

_MILLIMETERS = np.float32(1000)
_UNIT_CUBE_MARGIN = 1.1  # how much larger than the object the unit cube is
_SAME_PIXELS = 1e-6  # of the width, by which numbers of pixels may differ by rounding
_INTRINSICS = ("fl_x", "fl_y", "cx", "cy", "w", "h")


def write_nerf(selection: Selection, out: Path) -> Iterator[tuple[int, int]]:
    """Write each object; yield how many of its views were written and left out."""
    return write_each(selection, out, _write_object)


def _write_object(item: SelectedObject, folder: Path) -> None:
    record = item.file.record
    frames = []
    for index in item.pinhole_views:
        # Image and depth
        image_path = f"images/{index:03d}.png"
        depth_path = f"depth/{index:03d}.npy"
        view = item.file.read_view(index)
        write_png(folder / image_path, item.read_image(view))
        write_npy(folder / depth_path, view.depth * _MILLIMETERS)

        # Pose and intrinsics
        camera = record.views[index].camera
        frames.append(
            {
                "file_path": image_path,
                "depth_file_path": depth_path,
                "transform_matrix": camera.to_world.tolist(),
                **_intrinsics_entry(camera),
            }
        )

    shared = _hoist_shared_intrinsics(frames)
    content = {**_field_of_view(shared), **_instant_ngp_entries(record), **shared, "frames": frames}
    write_json(folder / "transforms.json", content)


def _intrinsics_entry(camera: Camera) -> dict[str, float]:
    matrix = camera.intrinsics.tolist()
    return {
        "fl_x": matrix[0][0],
        "fl_y": matrix[1][1],
        "cx": matrix[0][2],
        "cy": matrix[1][2],
        "w": camera.width,
        "h": camera.height,
    }


def _hoist_shared_intrinsics(frames: list[dict[str, Any]]) -> dict[str, Any]:
    """Remove from ``frames``, and return, the intrinsics that are the same in all of them."""
    # A key that is shared moves out of every frame.
    shared = {}
    for key in _INTRINSICS:
        values = {frame[key] for frame in frames}
        if len(values) != 1:
            continue
        shared[key] = frames[0][key]
        for frame in frames:
            del frame[key]

    return shared


def _field_of_view(shared: Mapping[str, float]) -> dict[str, float]:
    """Return ``camera_angle_x`` if it and the size of the images are all of the camera.

    Args:
        shared: Intrinsics that all views have in common.
    """
    if not set(_INTRINSICS) <= shared.keys():
        return {}
    focal_length = shared["fl_x"]
    pixel_difference = max(
        abs(shared["fl_y"] - focal_length),
        abs(shared["cx"] - shared["w"] / 2),
        abs(shared["cy"] - shared["h"] / 2),
    )
    if pixel_difference > _SAME_PIXELS * shared["w"]:
        return {}
    return {"camera_angle_x": 2 * math.atan(shared["w"] / (2 * focal_length))}


def _instant_ngp_entries(record: Record) -> dict[str, Any]:
    """Return the entries that only Instant-NGP reads, and the camera model."""
    low, high = record.bounds
    scale = 1 / (_UNIT_CUBE_MARGIN * float((high - low).max()))
    offset = 0.5 - scale * (low + high) / 2
    return {"camera_model": "OPENCV", "aabb_scale": 1, "scale": scale, "offset": offset.tolist()}
