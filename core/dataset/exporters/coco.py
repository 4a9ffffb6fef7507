"""COCO instances, one file for each split.

::

    OUT/
      images/NAME_000.png                  color and alpha of view 0
      annotations/instances_train.json     and of the other splits that have objects

A category is a family, by the name ``object`` if there is none, numbered alike in every export of
the same set. Each view shows one object, or the instances of a whole scene, each visible one with
its own annotation. A mask is the visible part, as a run-length encoding with uncompressed counts;
views that show nothing have no annotation.

After cocodataset.org/#format-data.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...alignment.side_views import mask_bounds
from ...atomic_files import write_json, write_png
from .. import passes
from ..records import Record, RenderedView
from .selection import Selection

Entry = dict[str, Any]


def write_coco(selection: Selection, out: Path) -> Iterator[tuple[int, int]]:
    """Write the images of each object, and the annotations at the end.

    Yields:
        After each object how many of its views were written and left out.
    """
    # Numbers are given in the order of the selection.
    names = {_category_name(family) for family in selection.family_names()}
    categories = {name: number for number, name in enumerate(sorted(names), 1)}
    images: dict[str, list[Entry]] = {}
    annotations: dict[str, list[Entry]] = {}
    image_ids = count(1)
    annotation_ids = count(1)

    for item in selection:
        record = item.file.record
        for index in range(len(record.views)):
            # The image of a view
            image_id = next(image_ids)
            name = f"{item.name}_{index:03d}.png"
            view = item.file.read_view(index)
            write_png(out / "images" / name, item.read_image(view))
            image = {
                "id": image_id,
                "file_name": name,
                "height": view.camera.height,
                "width": view.camera.width,
            }
            images.setdefault(item.split, []).append(image)

            # An annotation for each instance that it shows
            for family, mask in _instance_masks(view, record):
                annotation = {
                    "id": next(annotation_ids),
                    "image_id": image_id,
                    "category_id": categories[_category_name(family)],
                    **_mask_entry(mask),
                }
                annotations.setdefault(item.split, []).append(annotation)
        yield len(record.views), 0

    # One file for each split, all with the same categories
    category_entries = [{"id": number, "name": name} for name, number in categories.items()]
    for split, split_images in images.items():
        content = {
            "info": {"description": f"{selection.folder.name}, {split}"},
            "images": split_images,
            "annotations": annotations.get(split, []),
            "categories": category_entries,
        }
        write_json(out / "annotations" / f"instances_{split}.json", content)


def _category_name(family: str) -> str:
    return family or "object"


def _instance_masks(view: RenderedView, record: Record) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield family and mask (H, W) of each object or instance that the view shows."""
    if view.index is None:
        masks = [(record.family, passes.object_mask(view))]
    else:
        masks = [(instance.family, view.index == instance.index) for instance in record.instances]
    return ((family, mask) for family, mask in masks if mask.any())


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Return the lengths of the runs of a mask (H, W), down its columns.

    The first run is one of the background, which may have the length 0.
    """
    # A run starts where a pixel differs from the one above it.
    pixels = mask.ravel(order="F")
    is_change = pixels[1:] != pixels[:-1]
    starts = np.flatnonzero(is_change) + 1
    limits = np.concatenate(((0,), starts, (pixels.size,)))
    runs: list[int] = np.diff(limits).tolist()

    # The format begins with a run of background.
    return [0, *runs] if pixels[0] else runs


def _mask_entry(mask: NDArray[np.bool_]) -> Entry:
    # A box is left, top, width and height.
    low, high = mask_bounds(mask.astype(np.float32))
    size = high - low
    area = int(mask.sum())
    box = [*low.tolist(), *size.tolist()]
    return {
        "iscrowd": 0,
        "area": area,
        "bbox": box,
        "segmentation": {"size": list(mask.shape), "counts": run_lengths(mask)},
    }
