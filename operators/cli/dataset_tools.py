"""What is done with a training set on disk: ``maquette dataset`` inspect, check, pack, compact and export;
``maquette dataset rooms`` makes what it may be lit by.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...core.console import silence_stdout
from ...core.dataset import (
    atomic_files,
    conversion,
    exporters,
    shards,
    splits,
    summary,
    validation,
)
from ...core.dataset.exporters.selection import select_objects
from ...core.jobs import dependencies
from .command import Command, image_path, run_with_progress_line


def _add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="the training set")
    parser.add_argument(
        "-o", "--output", type=image_path, default=Path("out/dataset.png"), help="(%(default)s)"
    )
    parser.add_argument(
        "--shown", type=int, default=24, help="objects on the contact sheet (%(default)s)"
    )
    parser.add_argument(
        "--size", type=int, default=96, help="of each picture on the sheet, pixels (%(default)s)"
    )


def _run_inspect(arguments: argparse.Namespace) -> int:
    dependencies.require_packages("PIL")
    from ...core.imaging.contact_sheet import write_contact_sheet

    atomic_files.make_folder(arguments.output.parent)
    found = run_with_progress_line(summary.summarize_dataset(arguments.folder, arguments.shown))
    print(summary.format_summary(found))
    if found.rows:
        write_contact_sheet(arguments.output, found.rows, arguments.size, columns=2)
        print(f"{arguments.output}: {len(found.rows)} objects")
    return 0


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="the training set")


def _run_check(arguments: argparse.Namespace) -> int:
    dependencies.require_packages("PIL")
    problems = run_with_progress_line(validation.validate_dataset(arguments.folder))
    for problem in problems:
        print(f"{problem.path}: {problem.what}")
    print(
        f"{arguments.folder}: {len(problems)} bad files"
        if problems
        else f"{arguments.folder}: all good"
    )
    return 1 if problems else 0


def _add_pack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="the training set")
    parser.add_argument(
        "--shard-size", type=int, default=64, help="of a shard at most, MiB (%(default)s)"
    )


def _run_pack(arguments: argparse.Namespace) -> int:
    if arguments.shard_size < 1:
        arguments.error("--shard-size is at least 1")
    written = run_with_progress_line(
        shards.pack_shards(arguments.folder, arguments.shard_size << 20)
    )
    print(f"{arguments.folder / 'shards'}: {len(written)} shards")
    return 0


def _add_compact(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="the training set")
    parser.add_argument(
        "out", type=Path, help="folder to write; a set that is begun there is gone on with"
    )


def _run_compact(arguments: argparse.Namespace) -> int:
    dependencies.require_packages("PIL")
    print(
        f"{arguments.out}: {run_with_progress_line(conversion.copy_compact(arguments.folder, arguments.out))} objects"
    )
    return 0


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="the training set")
    parser.add_argument("out", type=Path, help="folder to write, new or empty")
    parser.add_argument("--format", choices=exporters.FORMATS, required=True)
    parser.add_argument("--split", choices=splits.SPLITS, help="only its objects (all)")
    parser.add_argument(
        "--limit", type=int, help="only so many of the objects, drawn as by chance, always the same"
    )
    parser.add_argument(
        "--cut-out", action="store_true", help="without what was put behind and before the objects"
    )


def _run_export(arguments: argparse.Namespace) -> int:
    dependencies.require_packages("PIL")
    selection = select_objects(
        arguments.folder, arguments.split, arguments.limit, arguments.cut_out
    )
    done = run_with_progress_line(
        exporters.export_selection(selection, arguments.out, arguments.format)
    )
    told = (
        f"; {done.left_out} orthographic views left out: the format has none"
        if done.left_out
        else ""
    )
    print(f"{arguments.out}: {done.objects} objects, {done.views} views{told}")
    return 0


def _add_rooms(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="where to write; what is there is gone on with")
    parser.add_argument("--count", type=int, default=100, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--width", type=int, default=1280, help="of each, pixels; half as high (%(default)s)"
    )
    parser.add_argument("--samples", type=int, default=3, help="of Cycles a pixel (%(default)s)")
    parser.add_argument(
        "--hdri",
        type=Path,
        metavar="FOLDER",
        help="light domes about them (those that Blender ships)",
    )


def _run_rooms(arguments: argparse.Namespace) -> int:
    from ...core.scene.datagen.interiors import render_rooms

    with silence_stdout():
        written = run_with_progress_line(
            render_rooms(
                arguments.folder,
                arguments.count,
                arguments.seed,
                arguments.width,
                arguments.samples,
                arguments.hdri,
            )
        )
    print(f"{arguments.folder}: {written} written, {max(arguments.count - written, 0)} found there")
    return 0


INSPECT = Command(
    "dataset inspect",
    "Tell what a training set holds, and draw a contact sheet",
    _add_inspect,
    _run_inspect,
)
CHECK = Command("dataset check", "Verify every file of a training set", _add_check, _run_check)
PACK = Command(
    "dataset pack", "Write a training set into few large files, to stream", _add_pack, _run_pack
)
COMPACT = Command(
    "dataset compact", "Copy a training set into the compact form", _add_compact, _run_compact
)
EXPORT = Command(
    "dataset export", "Write a training set in the format of others", _add_export, _run_export
)
ROOMS = Command(
    "dataset rooms",
    "Render drawn rooms as light domes, to light by and to put behind objects",
    _add_rooms,
    _run_rooms,
)
