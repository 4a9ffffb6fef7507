"""Export a training set in the formats of other software.

Each module is one format. Its docstring describes the layout, and its ``write_FORMAT(selection,
out)`` writes one object after the other and yields after each one how many of its views were
written and how many the format cannot hold.
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
    """Result of an export.

    Attributes:
        objects: Number of objects that were written.
        views: Number of views that were written.
        left_out: Number of views for which the format has no camera.
    """

    objects: int
    views: int
    left_out: int


def export_selection(selection: Selection, out: Path, name: str) -> Task[Exported]:
    """Write objects of a training set in another format; one step an object.

    One object is in memory at a time (with COCO also the annotations so far). Every file is written
    completely or not at all, and files that list others come last.

    Args:
        selection: The objects.
        out: Folder to write, new or empty.
        name: One of :data:`FORMATS`.

    Raises:
        OutputError: ``out`` is not empty or cannot be written.
        DatasetError: An object is damaged.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} is not empty. Choose another folder, or remove it first")

    # Objects without a view that the format can hold do not count.
    objects = 0
    views = 0
    left_out = 0

    for done, (written, omitted) in enumerate(FORMATS[name](selection, out), 1):
        objects += written > 0
        views += written
        left_out += omitted
        yield Progress(done / len(selection.names), selection.names[done - 1])

    return Exported(objects=objects, views=views, left_out=left_out)
