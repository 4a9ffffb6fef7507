"""COCO instances, one file for each split.

::

    OUT/
      images/NAME_000.png                  colour and alpha of view 0
      annotations/instances_train.json     and of the other splits that have objects

A category is a family (``object`` if it has none), numbered alike in every export of the same set. Each view shows one
object, or the instances of a whole scene, each of them that it shows with an annotation of its own. A mask is what is
seen, as a run-length encoding with plain counts; what shows nothing has no annotation.

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
from .. import passes
from ..atomic_files import write_json, write_png
from ..records import Record, RenderedView
from .selection import Selection


def write_coco(selection: Selection, out: Path) -> Iterator[tuple[int, int]]:
    """Write each object's pictures, and at last the annotations; yields how many views were written and left out."""
    families = selection.family_names()
    categories = {family: number for number, family in enumerate(families, 1)}
    images: dict[str, list[dict[str, Any]]] = {}
    annotations: dict[str, list[dict[str, Any]]] = {}
    numbers = count(1)
    instances = count(1)
    for item in selection:
        record = item.file.record
        for index in range(len(record.views)):
            number = next(numbers)
            name = f"{item.name}_{index:03d}.png"
            view = item.file.read_view(index)
            write_png(out / "images" / name, item.read_image(view))
            size = {"height": view.camera.height, "width": view.camera.width}
            images.setdefault(item.split, []).append({"id": number, "file_name": name, **size})
            for family, mask in _instance_masks(view, record):
                annotation = {
                    "id": next(instances),
                    "image_id": number,
                    "category_id": categories[family],
                }
                annotations.setdefault(item.split, []).append(
                    {**annotation, **_mask_annotation(mask)}
                )
        yield len(record.views), 0
    for split, own in images.items():
        write_json(
            out / "annotations" / f"instances_{split}.json",
            {
                "info": {"description": f"{selection.folder.name}, {split}"},
                "images": own,
                "annotations": annotations.get(split, []),
                "categories": [
                    {"id": number, "name": family or "object"}
                    for family, number in categories.items()
                ],
            },
        )


def _instance_masks(view: RenderedView, record: Record) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Family and mask (H, W) of each thing that the view shows."""
    if view.index is None:
        found = [(record.family, passes.object_mask(view))]
    else:
        found = [(one.family, view.index == one.index) for one in record.instances]
    return ((family, mask) for family, mask in found if mask.any())


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of ``mask`` (H, W), down its columns, beginning with one of nothing, which may be 0 long."""
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate(((0,), ends, (flat.size,)))).tolist()
    return [0, *runs] if flat[0] else runs


def _mask_annotation(mask: NDArray[np.bool_]) -> dict[str, Any]:
    low, high = mask_bounds(mask)
    return {
        "iscrowd": 0,
        "area": int(mask.sum()),
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "segmentation": {"size": list(mask.shape), "counts": run_lengths(mask)},
    }
