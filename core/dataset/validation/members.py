"""Check which members an object's file has."""

from __future__ import annotations

import io
import zlib

from ..members import (
    ALBEDO,
    GRID,
    MEASURED,
    OCCLUSION,
    PARTS,
    SMALL_ALBEDO,
    SMALL_DEPTH,
    SMALL_SHADING,
    SMALL_SURROUNDINGS,
    SUMS,
    SURFACE_PARTS,
    SURROUNDINGS,
    shape_kind,
)
from ..object_file import ObjectFile
from ..reading import limits
from ..reading.archives import iterate_members, open_archive
from ..reading.json_files import parse_json
from ..records import has_surroundings
from .requirements import require_that

_OPTIONAL_MEMBERS = ("mesh.npz", "surface.npz", GRID, MEASURED)  # which not all sets have


def check_members(data: bytes, file: ObjectFile) -> None:
    """Check that the tar has exactly the members that the record needs, and their checksums.

    Args:
        data: The tar.
        file: The same, opened.
    """
    # Checksums
    name = file.path.stem
    if file.is_compact:
        checksums = parse_json(file.read_member(SUMS))
        require_that(isinstance(checksums, dict), f"{SUMS} is no dictionary")
        for kind, checksum in checksums.items():
            require_that(zlib.crc32(file.read_member(kind)) == checksum, f"{kind} is damaged")

    # Names in the tar: nothing missing
    with open_archive(io.BytesIO(data)) as archive:
        names = [member.name for member in iterate_members(archive, limits.MEMBERS)]
    expected = {f"{name}.{kind}" for kind in _required_kinds(file)}
    missing = sorted(expected - set(names))
    require_that(not missing, f"lacks {', '.join(missing)}")

    # Nothing more, and nothing twice
    optional = {f"{name}.{kind}" for kind in _OPTIONAL_MEMBERS}
    expected |= optional & set(names)
    require_that(
        sorted(names) == sorted(expected),
        "contains members that the record does not list, or one of them twice",
    )


def _required_kinds(file: ObjectFile) -> list[str]:
    """Return the kinds of the members that an object with this record has.

    Only a whole scene may lack the ground truth.
    """
    # Of the object
    record = file.record
    kinds = ["json"]
    if file.has_ground_truth or not record.instances:
        kinds.append("shape.npz")
    if file.is_compact:
        kinds.append(SUMS)
    if record.parts:
        kinds.append(SURFACE_PARTS)

    # Of the shapes of a whole scene, and of the views
    for number, shape in enumerate(record.shapes):
        kinds += [f"{shape_kind(number)}.{kind}.npz" for kind in shape.holds]
    for index, view in enumerate(record.views):
        view_kinds = _required_view_kinds(file, has_surroundings(view.drawn))
        kinds += [f"{index:03d}.{kind}" for kind in view_kinds]
    return kinds


def _required_view_kinds(file: ObjectFile, surrounded: bool) -> list[str]:
    """Return the kinds of the members of a view.

    Args:
        file: Of the object.
        surrounded: Whether the view has a background or an occluder.
    """
    if file.is_compact:
        kinds = ["webp", SMALL_DEPTH]
        surroundings = SMALL_SURROUNDINGS
        relighting = [SMALL_ALBEDO, SMALL_SHADING]
    else:
        kinds = ["png", "npz"]
        surroundings = SURROUNDINGS
        relighting = [ALBEDO, OCCLUSION]

    # Optional members
    if surrounded:
        kinds.append(surroundings)
    if file.relightable:
        kinds += relighting
    if file.record.parts:
        kinds.append(PARTS)
    return kinds
