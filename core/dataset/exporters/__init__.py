"""A training set in the formats of others.

Each module is one format: its docstring tells the layout, and ``write(selection, out)`` writes it an object at a time
and yields after each how many of its views were written and how many the format could not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import OutputError
from ...jobs.task import Progress, Task
from . import bop, coco, colmap, nerf
from .selection import Selection

FORMATS: Mapping[str, Callable[[Selection, Path], Iterator[tuple[int, int]]]] = {
    "nerf": nerf.write_nerf,
    "colmap": colmap.write_colmap,
    "coco": coco.write_coco,
    "bop": bop.write_bop,
}


@dataclass(frozen=True)
class Exported:
    """How many objects and views were written, and how many views the format has no camera for."""

    objects: int
    views: int
    left_out: int


def export_selection(selection: Selection, out: Path, name: str) -> Task[Exported]:
    """Write ``selection`` to the folder ``out`` in the format ``name`` of :data:`FORMATS`; one step an object.

    Holds one object in memory at a time (of COCO also the annotations so far). Every file is written whole, and those
    that tell of others after them.

    Raises:
        OutputError: ``out`` is not empty or cannot be written. DatasetError: an object is damaged.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} is not empty. Choose another folder, or remove it first")
    objects = views = left_out = 0
    for done, (written, without) in enumerate(FORMATS[name](selection, out), 1):
        objects += written > 0
        views += written
        left_out += without
        yield Progress(done / len(selection.names), selection.names[done - 1])
    return Exported(objects, views, left_out)
