"""``maquette index`` and ``maquette find``: libraries of assets that are searched by images."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.console import print_line
from ....core.errors import LibraryError, MaquetteError
from ....core.imaging import image_files
from ....core.jobs.task import Task
from ....core.library.records import FILE, AssetName
from ....core.model.jobs.embedding import ImageQuery, crop_region
from ....core.scene.importing.mesh_import import SUFFIXES
from ... import _compute
from ...library._finding import FoundAsset, MeshQuery, find_by_image, find_by_mesh
from ...library._indexing import ASSETS, FOLDER, LibrarySource, index_libraries
from ...library._rendering import AssetRenderer
from ...properties.library import COUNT
from ..command import (
    Command,
    image_path,
    number_within,
    report_failures,
    run_with_progress_line,
)

_TILE = 128  # pixels of an image on the sheet
_WHOLE = (0.0, 0.0, 1.0, 1.0)


def _add_index(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder of .blend and other mesh files")
    parser.add_argument(
        "--library", type=Path, required=True, metavar="INDEX", help="file of the index (.npz)"
    )
    parser.add_argument(
        "--marked",
        action="store_true",
        help="only assets that are marked in .blend files, as in Blender's asset libraries",
    )
    parser.add_argument("--rebuild", action="store_true", help="render all assets again")


def _run_index(arguments: argparse.Namespace) -> int:
    kind = ASSETS if arguments.marked else FOLDER
    source = LibrarySource(kind, arguments.folder.absolute(), arguments.library.absolute())
    target = _compute.compute_target()
    task = index_libraries([source], target, AssetRenderer(), arguments.rebuild)
    (report,) = run_with_progress_line(task)
    if report.reason:
        print_line(f"maquette: {report.reason}", error=True)
    for name, reason in report.problems.items():
        print_line(f"maquette: {name} was left out: {reason}", error=True)
    print_line(f"{arguments.library}: {report.summary()}")

    return 0


def _add_find(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "query", nargs="+", type=Path, help="image of an object, or a mesh file with one"
    )
    parser.add_argument(
        "--library",
        type=Path,
        action="append",
        required=True,
        metavar="INDEX",
        help="file of an index; may be given several times",
    )

    parser.add_argument(
        "--count",
        type=number_within(int, COUNT),
        default=COUNT["default"],
        help="assets per query (%(default)s)",
    )
    parser.add_argument(
        "--drawing", action="store_true", help="everything within the outline is the object"
    )

    parser.add_argument(
        "--region",
        nargs=4,
        type=float,
        default=_WHOLE,
        metavar=("LEFT", "TOP", "RIGHT", "BOTTOM"),
        help="part of the image that counts, in shares of its width and height",
    )

    parser.add_argument("--json", action="store_true", help="print one line of JSON per query")
    parser.add_argument(
        "--sheet",
        type=image_path,
        metavar="IMAGE",
        help="write the queries with what was found as a contact sheet",
    )


def _run_find(arguments: argparse.Namespace) -> int:
    target = _compute.compute_target()
    rows = []
    failures = {}

    for path in arguments.query:
        try:
            found = run_with_progress_line(_find(path, arguments, target))
        except LibraryError:
            raise
        except MaquetteError as error:
            failures[path] = str(error)
            continue
        print_line(_as_json(path, found) if arguments.json else _as_text(path, found))
        if arguments.sheet:
            rows.append((path, found))

    if rows:
        _write_sheet(arguments, rows)
    return report_failures(failures, len(arguments.query), "searched by")


def _find(
    path: Path, arguments: argparse.Namespace, target: _compute.ComputeTarget
) -> Task[list[FoundAsset]]:
    """Return the task that searches by one file."""
    indexes = arguments.library
    path = path.absolute()
    if path.suffix.lower() in SUFFIXES:
        mesh = MeshQuery(path, AssetName(FILE, path.stem))
        return find_by_mesh(mesh, indexes, arguments.count, target, AssetRenderer())
    query = ImageQuery(path, tuple(arguments.region), is_drawing=arguments.drawing)
    return find_by_image(query, None, indexes, arguments.count, target)


def _as_text(path: Path, found: Sequence[FoundAsset]) -> str:
    """Return what was found as lines: score, name and file."""
    lines = [str(path)]
    for item in found:
        match = item.match
        lines.append(f"  {match.score:.3f}\t{match.entry.asset.name}\t{match.file}")
    return "\n".join(lines)


def _as_json(path: Path, found: Sequence[FoundAsset]) -> str:
    """Return what was found as JSON: the rotation about Z that shows it as in the image, too."""
    assets: list[dict[str, Any]] = []
    for item in found:
        match = item.match
        asset = {
            "name": match.entry.asset.name,
            "kind": match.entry.asset.kind.lower(),
            "file": str(match.file),
            "id": match.entry.id,
            "score": round(match.score, 4),
            "turn": round(float(np.degrees(match.turn)), 1),
        }
        assets.append(asset)

    return json.dumps({"query": str(path), "found": assets})


def _write_sheet(
    arguments: argparse.Namespace, rows: Sequence[tuple[Path, Sequence[FoundAsset]]]
) -> None:
    """Write each query, and what was found to the right of it, as a row of a contact sheet."""
    from ....core.imaging.contact_sheet import write_contact_sheet

    sheet = []
    for path, found in rows:
        names = ", ".join(f"{item.match.entry.asset.name} {item.match.score:.2f}" for item in found)
        images: list[NDArray[np.floating]] = [_shown_query(path, arguments.region)]
        for item in found:
            images.append(item.thumbnail.astype(np.float32) / 255)
        sheet.append((f"{path.name}: {names}", images))

    write_contact_sheet(arguments.sheet, sheet, _TILE)
    print_line(arguments.sheet)


def _shown_query(path: Path, region: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """Return the image that was searched by; a transparent one for a mesh file."""
    if path.suffix.lower() in SUFFIXES:
        return np.zeros((_TILE, _TILE, 4), np.float32)
    return crop_region(image_files.read_image(path), region)


INDEX = Command(
    name="index",
    help="index a folder of .blend and other mesh files, so that objects can be found in it",
    add_arguments=_add_index,
    run=_run_index,
)
FIND = Command(
    name="find",
    help="find the objects of indexed libraries that look most like an image, drawing or mesh",
    add_arguments=_add_find,
    run=_run_find,
)
