"""COCO instances, one file for each split.

::

    OUT/
      images/NAME_000.png                  color and alpha of view 0
      annotations/instances_train.json     and of the other splits that have objects
      annotations/parts_train.json         likewise, if the set has parts

A category is a family, by the name ``object`` if there is none, numbered alike in every export of
the same set. Each view shows one object, or the instances of a whole scene, each visible one with
its own annotation. A mask is the visible part, as a run-length encoding with uncompressed counts;
views that show nothing have no annotation.

``parts_*.json`` has the same images. A category is a part of a family, such as ``chair/leg`` with
the supercategory ``chair``, by the name that its object gives it. An annotation is all that a view
shows of a part, and ``object_id`` is the annotation of the object that it belongs to, in
``instances_*.json``. What has no name has no annotation. (COCO has no standard for parts; PACO,
doi:10.48550/arXiv.2301.01795, has annotations of parts beside those of objects, too.)

After cocodataset.org/#format-data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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


@dataclass
class _SplitEntries:
    """What the files of one split list."""

    images: list[Entry] = field(default_factory=list)
    instances: list[Entry] = field(default_factory=list)
    parts: list[Entry] = field(default_factory=list)


def write_coco(selection: Selection, out: Path) -> Iterator[tuple[int, int]]:
    """Write the images of each object, and the annotations at the end.

    Yields:
        After each object how many of its views were written and left out.
    """
    # Numbers are given in the order of the selection.
    names = {_category_name(family) for family in selection.family_names()}
    categories = {name: number for number, name in enumerate(sorted(names), 1)}
    part_categories = {key: number for number, key in enumerate(selection.part_names(), 1)}
    splits: dict[str, _SplitEntries] = {}
    image_ids = count(1)
    annotation_ids = count(1)

    for item in selection:
        record = item.file.record
        entries = splits.setdefault(item.split, _SplitEntries())
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
            entries.images.append(image)

            # An annotation for each instance that it shows
            object_id = 0
            for family, mask in _instance_masks(view, record):
                object_id = next(annotation_ids)
                annotation = {
                    "id": object_id,
                    "image_id": image_id,
                    "category_id": categories[_category_name(family)],
                    **_mask_entry(mask),
                }
                entries.instances.append(annotation)

            # And for each part; of what shows nothing there is none.
            for part, mask in _part_masks(view, record):
                part_annotation = {
                    "id": next(annotation_ids),
                    "image_id": image_id,
                    "category_id": part_categories[record.family, part],
                    "object_id": object_id,
                    **_mask_entry(mask),
                }
                entries.parts.append(part_annotation)

        yield len(record.views), 0

    _write_annotations(selection, out, splits, (categories, part_categories))


def _write_annotations(
    selection: Selection,
    out: Path,
    splits: Mapping[str, _SplitEntries],
    categories: tuple[Mapping[str, int], Mapping[tuple[str, str], int]],
) -> None:
    """Write the files of each split, all with the same categories.

    Args:
        selection: Of the set.
        out: Folder of the export.
        splits: What the files of each split list.
        categories: Numbers of the families, and of (family, part).
    """
    names, part_keys = categories
    instance_categories = [{"id": number, "name": name} for name, number in names.items()]
    part_categories = [
        _part_category(number, family, part) for (family, part), number in part_keys.items()
    ]

    for split, entries in splits.items():
        content = {
            "info": {"description": f"{selection.folder.name}, {split}"},
            "images": entries.images,
            "annotations": entries.instances,
            "categories": instance_categories,
        }
        write_json(out / "annotations" / f"instances_{split}.json", content)
        if part_categories:
            parts = {"annotations": entries.parts, "categories": part_categories}
            write_json(out / "annotations" / f"parts_{split}.json", {**content, **parts})


def _part_category(number: int, family: str, part: str) -> Entry:
    supercategory = _category_name(family)
    return {"id": number, "name": f"{supercategory}/{part}", "supercategory": supercategory}


def _category_name(family: str) -> str:
    return family or "object"


def _instance_masks(view: RenderedView, record: Record) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield family and mask (H, W) of each object or instance that the view shows."""
    if view.index is None:
        masks = [(record.family, passes.object_mask(view))]
    else:
        masks = [(instance.family, view.index == instance.index) for instance in record.instances]
    return ((family, mask) for family, mask in masks if mask.any())


def _part_masks(view: RenderedView, record: Record) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield name and mask (H, W) of each named part that the view shows of its object.

    Their union is the mask of the object, but for what is unnamed.
    """
    if view.parts is None:
        return
    mask = passes.object_mask(view)
    for number, part in enumerate(record.parts, 1):
        part_mask = mask & (view.parts == number)
        if part and part_mask.any():
            yield part, part_mask


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
