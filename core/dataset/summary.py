"""What a training set holds: counts, problems, and a picture of some of its objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from ..jobs.task import Progress, Task
from . import passes, splits
from .index import ObjectLocation, build_index
from .records import ObjectFile

_EMPTY = 16  # pixels: training leaves out an object with a view that shows fewer
_PICTURES = 6
Row = tuple[str, list[NDArray[np.floating]]]


@dataclass
class DatasetSummary:
    """What was found.

    kinds: of views. sizes: of pictures, (width, height). longest: longest sides, metres. problems: by object, or file.
    families: of objects, and of the instances of whole scenes.
    rows: label and pictures of some objects, for a contact sheet: views, then normals, object coordinates and,
        where it is there, albedo and occlusion of the last of them.
    """

    splits: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    longest: list[float] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


def summarize_dataset(folder: Path, shown: int) -> Task[DatasetSummary]:
    """Read every object of the training set in ``folder``; ``shown`` of them, evenly spread, come as rows.

    Raises:
        DatasetError: there is no training set.
    """
    places = build_index(folder)
    found = DatasetSummary(
        skipped=_skipped_objects(folder),
        problems={path.name: why for path, why in places.damaged.items()},
    )
    assigned = _count_splits(folder, found)
    usual: dict[str, tuple[str, ...]] = {}
    pick = {
        round(i) for i in np.linspace(0, len(places.by_name) - 1, min(shown, len(places.by_name)))
    }
    for index, (name, place) in enumerate(places.by_name.items()):
        yield Progress(index / len(places.by_name), name)
        found.splits[assigned.get(name, "none")] += 1
        try:
            usual[name] = _inspect_object(place, found, index in pick)
        except DatasetError as error:
            found.problems[name] = str(error)
    if usual:
        _compare_views(usual, found)
    for name in sorted(set(assigned) - set(places.by_name)):
        found.problems[name] = "it is in a split, but its file is missing"
    return found


def _inspect_object(place: ObjectLocation, found: DatasetSummary, shown: bool) -> tuple[str, ...]:
    """Count one object and return the kinds of its views."""
    file = place.open_object()
    record = file.record
    found.families.update([one.family for one in record.instances] or [record.family])
    found.longest.append(float(np.ptp(record.bounds, axis=0).max()))
    for index, view in enumerate(record.views):
        kind = view.kind
        camera = view.camera
        found.kinds[f"{kind}, {'orthographic' if camera.orthographic else 'perspective'}"] += 1
        found.sizes[camera.width, camera.height] += 1
        seen = int((file.read_color(index)[..., 3] > 127).sum())
        if seen < _EMPTY:
            found.problems.setdefault(
                record.name, f"view {index} ({kind}) shows {seen} pixels of it"
            )
    if shown:
        found.rows.append(_sheet_row(file))
    return tuple(view.kind for view in record.views)


def _sheet_row(file: ObjectFile) -> Row:
    record = file.record
    indices = sorted({round(i) for i in np.linspace(0, len(record.views) - 1, _PICTURES)})
    view = file.read_view(indices[-1])
    on = (view.depth > 0)[..., None]
    normals = (passes.camera_normals(view, "opengl") + 1) / 2
    coordinates = passes.object_coordinates(view, *record.unposed_bounds())
    if view.index is not None:
        coordinates = passes.instance_coordinates(view, record.instances_in(indices[-1]))
    pictures = [file.read_color(index) / 255.0 for index in indices]
    parts = [normals, coordinates]
    if view.albedo is not None:
        parts += [view.albedo / 255.0, np.dstack([view.occlusion / 255.0] * 3)]
    return f"{record.name}  {record.family}", [
        *pictures,
        *(np.dstack((part, on)) for part in parts),
    ]


def _compare_views(usual: Mapping[str, tuple[str, ...]], found: DatasetSummary) -> None:
    """Tell of objects whose views are not those that most objects have."""
    (most, _), *_ = Counter(usual.values()).most_common(1)
    for name, kinds in usual.items():
        less = Counter(most) - Counter(kinds)
        more = Counter(kinds) - Counter(most)
        told = [
            f"{count} {kind} {word}"
            for word, many in (("less", less), ("more", more))
            for kind, count in many.items()
        ]
        if told:
            found.problems.setdefault(
                name, f"its views are not those of most objects: {', '.join(told)}"
            )


def _skipped_objects(folder: Path) -> dict[str, str]:
    paths = sorted((folder / "objects").glob("*.skipped"))
    return {path.stem: path.read_text(encoding="utf-8", errors="replace") for path in paths}


def _count_splits(folder: Path, found: DatasetSummary) -> dict[str, str]:
    try:
        return splits.read_splits(folder)
    except DatasetError as error:
        found.problems["splits.json"] = str(error)
        return {}


def format_summary(found: DatasetSummary) -> str:
    """``found`` as text."""
    lines = [f"{sum(found.splits.values())} objects, {sum(found.kinds.values())} views"]
    for name, counted in (
        ("splits", found.splits),
        ("families", found.families),
        ("views", found.kinds),
    ):
        lines.append(
            f"{name}: "
            + "; ".join(f"{key or 'none'} {count}" for key, count in counted.most_common())
        )
    lines.append(
        "sizes: " + "; ".join(f"{w} x {h} {count}" for (w, h), count in found.sizes.most_common())
    )
    if found.longest:
        lines.append(f"longest sides: {min(found.longest):.3g} to {max(found.longest):.3g} m")
    for name, told in (("problems", found.problems), ("skipped", found.skipped)):
        lines.append(f"{name}: {len(told)}")
        lines += [f"  {key}: {why}" for key, why in told.items()]
    return "\n".join(lines)
