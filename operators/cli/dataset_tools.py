"""``maquette dataset inspect``, ``check``, ``pack``, ``compact`` and ``export``: sets on disk.

``maquette dataset rooms`` renders HDRIs that can light them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...core.atomic_files import make_folder
from ...core.console import print_line, silence_stdout
from ...core.dataset import (
    conversion,
    exporters,
    shards,
    splits,
    summary,
    validation,
)
from ...core.dataset.exporters.selection import select_objects
from ...core.jobs import dependencies
from .command import Command, add_limit_argument, image_path, run_with_progress_line

_MEBIBYTE_SHIFT = 20  # bits: a MiB is 2^20 bytes
_SHEET_COLUMNS = 2


def _add_set_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="the training set")


def _add_inspect(parser: argparse.ArgumentParser) -> None:
    _add_set_argument(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=image_path,
        default=Path("out/dataset.png"),
        help="contact sheet to write (%(default)s)",
    )
    parser.add_argument(
        "--shown", type=int, default=24, help="objects on the contact sheet (%(default)s)"
    )
    parser.add_argument(
        "--size", type=int, default=96, help="size of each image on it in pixels (%(default)s)"
    )


def _run_inspect(arguments: argparse.Namespace) -> int:
    # Imported late: the command line must start without Pillow.
    dependencies.require_packages("PIL")
    from ...core.imaging.contact_sheet import write_contact_sheet

    make_folder(arguments.output.parent)
    task = summary.summarize_dataset(arguments.folder, arguments.shown)
    result = run_with_progress_line(task)
    print_line(summary.format_summary(result))
    if result.rows:
        write_contact_sheet(arguments.output, result.rows, arguments.size, columns=_SHEET_COLUMNS)
        print_line(f"{arguments.output}: {len(result.rows)} objects")
    return 0


def _run_check(arguments: argparse.Namespace) -> int:
    dependencies.require_packages("PIL")
    problems = run_with_progress_line(validation.validate_dataset(arguments.folder))
    for problem in problems:
        print_line(f"{problem.path}: {problem.what}")

    # The exit code lets scripts stop at a bad set.
    if problems:
        print_line(f"{arguments.folder}: {len(problems)} bad files")
        return 1
    print_line(f"{arguments.folder}: all good")
    return 0


def _add_pack(parser: argparse.ArgumentParser) -> None:
    _add_set_argument(parser)
    parser.add_argument(
        "--shard-size", type=int, default=64, help="maximum size of a shard in MiB (%(default)s)"
    )


def _run_pack(arguments: argparse.Namespace) -> int:
    if arguments.shard_size < 1:
        arguments.error("--shard-size must be at least 1")
    task = shards.pack_shards(arguments.folder, arguments.shard_size << _MEBIBYTE_SHIFT)
    written = run_with_progress_line(task)
    print_line(f"{arguments.folder / 'shards'}: {len(written)} shards")
    return 0


def _add_compact(parser: argparse.ArgumentParser) -> None:
    _add_set_argument(parser)
    parser.add_argument("out", type=Path, help="output folder; an unfinished set is continued")


def _run_compact(arguments: argparse.Namespace) -> int:
    dependencies.require_packages("PIL")
    task = conversion.copy_compact(arguments.folder, arguments.out)
    count = run_with_progress_line(task)
    print_line(f"{arguments.out}: {count} objects")
    return 0


def _add_export(parser: argparse.ArgumentParser) -> None:
    _add_set_argument(parser)
    parser.add_argument("out", type=Path, help="output folder, new or empty")
    parser.add_argument(
        "--format", choices=exporters.FORMATS, required=True, help="format to write"
    )
    parser.add_argument(
        "--split", choices=splits.SPLITS, help="only the objects of this split (default: all)"
    )
    add_limit_argument(parser)
    parser.add_argument(
        "--cut-out", action="store_true", help="leave out backgrounds and occluders"
    )


def _run_export(arguments: argparse.Namespace) -> int:
    dependencies.require_packages("PIL")
    selection = select_objects(
        arguments.folder, arguments.split, arguments.limit, arguments.cut_out
    )
    task = exporters.export_selection(selection, arguments.out, arguments.format)
    result = run_with_progress_line(task)

    # Formats for photographs have no orthographic cameras; report what is missing.
    text = f"{arguments.out}: {result.objects} objects, {result.views} views"
    if result.left_out:
        text += f"; {result.left_out} orthographic views left out: the format has none"
    print_line(text)
    return 0


def _add_rooms(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="output folder; an unfinished set is continued")
    parser.add_argument("--count", type=int, default=100, help="number of HDRIs (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (%(default)s)")
    parser.add_argument(
        "--width",
        type=int,
        default=1280,
        help="width of each in pixels; the height is half of it (%(default)s)",
    )
    parser.add_argument(
        "--samples", type=int, default=3, help="Cycles samples per pixel (%(default)s)"
    )
    parser.add_argument(
        "--hdri",
        type=Path,
        metavar="FOLDER",
        help="HDRIs around the interiors (default: those that come with Blender)",
    )


def _run_rooms(arguments: argparse.Namespace) -> int:
    from ...core.scene.datagen.interiors import render_rooms

    task = render_rooms(
        arguments.folder,
        arguments.count,
        arguments.seed,
        arguments.width,
        arguments.samples,
        arguments.hdri,
    )

    # Cycles prints its progress too, which would break the progress line.
    with silence_stdout():
        written = run_with_progress_line(task)
    present = max(arguments.count - written, 0)
    print_line(f"{arguments.folder}: {written} written, {present} already present")
    return 0


INSPECT = Command(
    "dataset inspect",
    "Summarize a training set and write a contact sheet",
    _add_inspect,
    _run_inspect,
)
CHECK = Command(
    "dataset check", "Verify every file of a training set", _add_set_argument, _run_check
)
PACK = Command(
    "dataset pack", "Pack a training set into few large files for streaming", _add_pack, _run_pack
)
COMPACT = Command(
    "dataset compact", "Copy a training set into the compact form", _add_compact, _run_compact
)
EXPORT = Command(
    "dataset export", "Convert a training set to another format", _add_export, _run_export
)
ROOMS = Command(
    "dataset rooms",
    "Render random interiors as HDRIs for lighting and backgrounds",
    _add_rooms,
    _run_rooms,
)
