"""What a training set contains: counts, problems, and images of some of its objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from ..jobs.task import Progress, Task
from . import passes, splits
from .index import ObjectLocation, build_index
from .object_file import ObjectFile
from .reading.array_rules import VIEW_ARRAYS
from .reading.files import read_file
from .records import RenderedView

_FEWEST_PIXELS = 16  # training leaves out an object with a view that shows fewer
_OPAQUE = 127  # alpha, in 8 bits, above which a pixel shows the object
_LONGEST_REASON = 2**16  # bytes of a text that says why an object was skipped
_SHEET_SIDE = 512  # pixels; images of twice as many are reduced for the contact sheet
_VIEWS_IN_ROW = 6  # of the contact sheet
Row = tuple[str, list[NDArray[np.floating[Any]]]]


@dataclass
class DatasetSummary:
    """Contents of a training set.

    Attributes:
        splits: Objects by split.
        families: Objects, and instances of whole scenes, by family.
        kinds: Views by kind and projection.
        sizes: Views by (width, height) of their images.
        longest: Longest sides of the objects, meters.
        parts: Objects that have a part of the name, in sets with parts.
        problems: By object or file.
        skipped: Objects that could not be used, and why.
        rows: Label and images of some objects, for a contact sheet: views, then normals, object
            coordinates and, in relightable sets, albedo and occlusion, and in sets with parts their
            map, of the last of these views.
    """

    splits: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    longest: list[float] = field(default_factory=list)
    parts: Counter[str] = field(default_factory=Counter)
    problems: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


def summarize_dataset(folder: Path, shown: int) -> Task[DatasetSummary]:
    """Read every object of a training set; one step an object.

    Args:
        folder: Of the training set.
        shown: Number of objects to show as rows, evenly spread over the set.

    Returns:
        The summary.

    Raises:
        DatasetError: There is no training set.
    """
    index = build_index(folder)
    summary = DatasetSummary(
        skipped=_skipped_objects(folder),
        problems={path.name: reason for path, reason in index.damaged.items()},
    )
    assigned = _read_splits(folder, summary)

    # Count the views of each object and keep some objects as rows.
    count = len(index.by_name)
    row_count = min(shown, count)
    evenly_spread = np.linspace(0, count - 1, row_count)
    shown_numbers = {round(number) for number in evenly_spread}
    kinds_by_object: dict[str, tuple[str, ...]] = {}

    for number, (name, location) in enumerate(index.by_name.items()):
        yield Progress(number / count, name)
        summary.splits[assigned.get(name, "none")] += 1
        try:
            kinds_by_object[name] = _add_object(location, summary, number in shown_numbers)
        except DatasetError as error:
            summary.problems[name] = str(error)

    # Compare objects with each other, and with the splits.
    if kinds_by_object:
        _report_unusual_views(kinds_by_object, summary)
    missing = set(assigned) - set(index.by_name)
    for name in sorted(missing):
        summary.problems[name] = "the object is in a split, but its file is missing"
    return summary


def _add_object(location: ObjectLocation, summary: DatasetSummary, shown: bool) -> tuple[str, ...]:
    """Count one object, and add a row of its images if it is ``shown``.

    Returns:
        The kinds of its views.
    """
    # The object
    file = location.open_object()
    file.require_declared_sizes()
    record = file.record
    families = [instance.family for instance in record.instances]
    summary.families.update(families or [record.family])
    summary.parts.update(record.parts)
    summary.longest.append(float(np.ptp(record.bounds, axis=0).max()))

    # Its views
    for index, view in enumerate(record.views):
        projection = "orthographic" if view.camera.orthographic else "perspective"
        summary.kinds[f"{view.kind}, {projection}"] += 1
        summary.sizes[view.camera.width, view.camera.height] += 1
        is_opaque = file.read_color(index)[..., 3] > _OPAQUE
        pixels = int(is_opaque.sum())
        if pixels < _FEWEST_PIXELS:
            problem = f"view {index} ({view.kind}) shows {pixels} pixels of it"
            summary.problems.setdefault(record.name, problem)

    if shown:
        summary.rows.append(_sheet_row(file))
    return tuple(view.kind for view in record.views)


def _sheet_row(file: ObjectFile) -> Row:
    """Return label and images of an object for the contact sheet."""
    # Colors of views, evenly spread
    record = file.record
    spread = np.linspace(0, len(record.views) - 1, _VIEWS_IN_ROW)
    indices = sorted({round(number) for number in spread})
    images: list[NDArray[np.floating[Any]]] = []

    for index in indices:
        color = file.read_color(index)
        step = _reduction(color)
        images.append(color[::step, ::step] / 255.0)

    # Passes of the last of these views, with its mask as alpha
    view = _reduced_view(file.read_view(indices[-1]))
    if view.index is None:
        coordinates = passes.object_coordinates(view, *record.unposed_bounds())
    else:
        coordinates = passes.instance_coordinates(view, record.instances_in(indices[-1]))

    pass_images: list[NDArray[np.floating[Any]]] = [
        (passes.camera_normals(view, "opengl") + 1) / 2,
        coordinates,
    ]
    if view.albedo is not None and view.occlusion is not None:
        occlusion = view.occlusion / 255.0
        pass_images += [view.albedo / 255.0, np.dstack([occlusion] * 3)]
    if view.parts is not None:
        pass_images.append(passes.part_colors(view.parts))
    mask = (view.depth > 0)[..., None]
    images += [np.dstack((image, mask)) for image in pass_images]

    return f"{record.name}  {record.family}", images


def _reduction(image: NDArray[Any]) -> int:
    """Return of how many pixels along an axis one is enough for the contact sheet."""
    return max(max(image.shape[:2]) // _SHEET_SIDE, 1)


def _reduced_view(view: RenderedView) -> RenderedView:
    """Return a view with fewer pixels if it has far more than a contact sheet shows."""
    step = _reduction(view.depth)
    if step == 1:
        return view
    images = {}

    for name in VIEW_ARRAYS:
        image = getattr(view, name)
        if image is not None:
            images[name] = image[::step, ::step]

    # A pixel that is kept has its center where it was.
    height, width = images["depth"].shape
    shift = (1 / step - 1) / 2
    camera = view.camera.zoomed(1 / step).cropped(shift, shift, width, height)
    return replace(view, camera=camera, **images)


def _report_unusual_views(
    kinds_by_object: Mapping[str, tuple[str, ...]], summary: DatasetSummary
) -> None:
    """Add a problem for each object whose views differ from those of most objects."""
    # What most objects have
    all_kinds = Counter(kinds_by_object.values())
    (usual_kinds, _), *_ = all_kinds.most_common(1)
    usual = Counter(usual_kinds)

    for name, object_kinds in kinds_by_object.items():
        kinds = Counter(object_kinds)
        missing = usual - kinds
        additional = kinds - usual
        differences = [f"{count} {kind} less" for kind, count in missing.items()]
        differences += [f"{count} {kind} more" for kind, count in additional.items()]

        # A problem that was found in the object itself takes precedence.
        if differences:
            problem = f"its views are not those of most objects: {', '.join(differences)}"
            summary.problems.setdefault(name, problem)


def _skipped_objects(folder: Path) -> dict[str, str]:
    paths = sorted((folder / "objects").glob("*.skipped"))
    return {path.stem: _skip_reason(path) for path in paths}


def _skip_reason(path: Path) -> str:
    """Return why an object was skipped, or why that cannot be read."""
    try:
        reason = read_file(path, _LONGEST_REASON)
    except (OSError, ValueError) as error:
        return str(error)
    return reason.decode("utf-8", errors="replace")


def _read_splits(folder: Path, summary: DatasetSummary) -> dict[str, str]:
    """Return the splits of the set; if they cannot be read, none, and add a problem."""
    try:
        return splits.read_splits(folder)
    except DatasetError as error:
        summary.problems["splits.json"] = str(error)
        return {}


def format_summary(summary: DatasetSummary) -> str:
    """Return a summary as text."""
    # Counts
    objects = sum(summary.splits.values())
    views = sum(summary.kinds.values())
    lines = [
        f"{objects} objects, {views} views",
        _format_counts("splits", summary.splits),
        _format_counts("families", summary.families),
        _format_counts("views", summary.kinds),
    ]

    if summary.parts:
        lines.append(_format_counts("parts", summary.parts))

    # Sizes, in pixels and in meters
    sizes = [
        f"{width} x {height} {count}" for (width, height), count in summary.sizes.most_common()
    ]
    lines.append(f"sizes: {'; '.join(sizes)}")
    if summary.longest:
        shortest = min(summary.longest)
        longest = max(summary.longest)
        lines.append(f"longest sides: {shortest:.3g} to {longest:.3g} m")

    # One line for each object with a problem
    for title, reasons in (("problems", summary.problems), ("skipped", summary.skipped)):
        lines.append(f"{title}: {len(reasons)}")
        lines += [f"  {name}: {reason}" for name, reason in reasons.items()]
    return "\n".join(lines)


def _format_counts(title: str, counts: Counter[str]) -> str:
    parts = [f"{key or 'none'} {count}" for key, count in counts.most_common()]
    return f"{title}: {'; '.join(parts)}"
