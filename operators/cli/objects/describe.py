"""``maquette describe``: what an image shows, and its parts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....core.console import print_line
from ....core.dataset.passes import part_colors
from ....core.model.jobs.describe import describe_file  # without torch
from ... import _compute
from ..command import (
    Command,
    add_keep_holes_argument,
    add_weights_argument,
    image_path,
    run_with_progress_line,
)

if TYPE_CHECKING:
    from ....core.model.inference.meaning.semantics import ImageMeaning

_MOST_FAMILIES = 3
_LEAST_PART = 0.02  # share of the object below which a part is not listed
_SHEET_SIZE = 256  # pixels of an image in the written sheet


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="image of an object")
    parser.add_argument(
        "-o",
        "--output",
        type=image_path,
        metavar="IMAGE",
        help="write a sheet: each object, and its parts in colors",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON per image")
    parser.add_argument(
        "--heads",
        type=Path,
        metavar="FILE",
        help="weights of the heads (default: the bundled ones)",
    )
    add_keep_holes_argument(parser)
    add_weights_argument(parser)


def _run_command(arguments: argparse.Namespace) -> int:
    rows = []
    for photo in arguments.photos:
        described = run_with_progress_line(
            _compute.run_function(
                describe_file, photo, arguments.keep_holes, arguments.weights, arguments.heads
            )
        )
        content = summarize(described.meaning)
        if arguments.json:
            print_line(json.dumps({"image": str(photo), **content}))
        else:
            print_line(f"{photo}: {_as_text(content)}")
        images = [described.window, part_picture(described.meaning)]
        rows.append((_families_text(content), images))

    if arguments.output:
        from ....core.imaging.contact_sheet import write_contact_sheet  # needs Pillow

        write_contact_sheet(arguments.output, rows, _SHEET_SIZE)

    return 0


def summarize(meaning: ImageMeaning) -> dict[str, Any]:
    """Return what an image shows, as JSON holds it.

    Keys: "known", "families" (probability by name), "parts" (share of the object by name), and
    "draws" of the most probable family that has some (expected value by address).
    """
    families = {name: round(share, 4) for name, share in meaning.families[:_MOST_FAMILIES]}
    shares = part_shares(meaning)
    draws = {}
    for family in list(meaning.draws)[:1]:
        values = {each.target.address: round(each.mean(), 4) for each in meaning.draws[family]}
        draws[family] = values
    return {"known": meaning.is_known, "families": families, "parts": shares, "draws": draws}


def part_shares(meaning: ImageMeaning) -> dict[str, float]:
    """Return the share of the object's pixels of each part, the largest first."""
    groups = most_likely_groups(meaning)
    counts = np.bincount(groups.ravel(), minlength=len(meaning.groups) + 1)[1:]
    total = max(int(counts.sum()), 1)
    shares = {}

    for index in np.argsort(-counts, kind="stable"):
        share = float(counts[index] / total)
        if share >= _LEAST_PART:
            shares[meaning.groups[index]] = round(share, 4)

    return shares


def most_likely_groups(meaning: ImageMeaning) -> NDArray[np.int64]:
    """Return the part (h, w) of each pixel: its place among the groups from 1, 0 for none."""
    is_object = meaning.parts[..., 0] < 0.5
    groups = meaning.parts[..., 1:].argmax(2) + 1
    return np.where(is_object, groups, 0)


def part_picture(meaning: ImageMeaning) -> NDArray[np.float32]:
    """Return the parts in colors (h, w, 4), transparent where there is none."""
    parts = most_likely_groups(meaning).astype(np.uint8)
    alpha = (parts > 0).astype(np.float32)
    return np.dstack((part_colors(parts), alpha))


def _as_text(content: dict[str, Any]) -> str:
    """Return the lines that are printed for people."""
    parts = [f"{name} {share:.0%}" for name, share in content["parts"].items()]
    lines = [_families_text(content), f"  parts: {', '.join(parts)}"]
    for family, values in content["draws"].items():
        draws = [f"{address} {value:g}" for address, value in values.items()]
        lines.append(f"  draws of {family}: {', '.join(draws)}")
    return "\n".join(lines)


def _families_text(content: dict[str, Any]) -> str:
    """Return the most probable families in words."""
    families = [f"{name} {share:.0%}" for name, share in content["families"].items()]
    text = ", ".join(families)
    return text if content["known"] else f"unknown object ({text})"


COMMAND = Command(
    "describe", "Tell what an image shows, and which parts it has", _add_arguments, _run_command
)
