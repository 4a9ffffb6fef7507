"""Whether an exported file is complete: Blender's exporters report success on a full disk.

Each check compares what the file declares, such as counts and lengths, with its size, or looks for
the end of what has no counts. No mesh is decoded, so a check takes a fraction of the export's time.
"""

from __future__ import annotations

import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from ..errors import OutputError

_GLB_HEADER = 12  # bytes: magic, version, length
_CHUNK_HEADER = 8  # bytes: length, type
_STL_HEADER = 80  # bytes before the number of triangles
_STL_TRIANGLE = 50  # bytes
_CRATE_OFFSET = 16  # byte at which a binary USD file has the offset of its table of contents
_CRATE_SECTION = 32  # bytes of an entry of that table: name, start, size
_ZSTD_FOOTER = 9  # bytes: number of frames, flags, magic
_ZSTD_SEEK_MAGIC = 0x8F92EAB1
_ZSTD_SKIPPABLE_MAGIC = 0x184D2A5E
_ZSTD_CHECKSUMS = 0x80  # flag: entries have a checksum
_BLEND_END = 64  # bytes; the last block's header is shorter
_PLY_BYTES = {
    "char": 1,
    "uchar": 1,
    "short": 2,
    "ushort": 2,
    "int": 4,
    "uint": 4,
    "float": 4,
    "double": 8,
}
_TEXT_USD = b"#usda"
_BINARY_USD = b"PXR-USDC"
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"
# What reading a cut file may raise.
_READ_ERRORS = (ValueError, KeyError, IndexError, TypeError, struct.error, zlib.error)


@dataclass(frozen=True)
class MeshCounts:
    """How much an export should have written.

    Attributes:
        vertices: Number of vertices of all objects.
        faces: Number of faces of all objects.
    """

    vertices: int
    faces: int


class _IncompleteError(Exception):
    """A file ends too early, or has no content."""


def check_export(path: Path, counts: MeshCounts, target: Path) -> None:
    """Check that an exported file and its companions are complete.

    Args:
        path: The file; its companions are in the same folder, and nothing else.
        counts: What was exported; some formats declare no counts of their own.
        target: How the file is called in errors.

    Raises:
        OutputError: One is missing, empty or cut.
    """
    try:
        _require(path.is_file() and path.stat().st_size > 0, "nothing was written")
        _CHECKS[path.suffix.lower()](path, counts)
        for image in _images_in(path.parent):
            _check_image(image)
    except (_IncompleteError, zipfile.BadZipFile, *_READ_ERRORS) as error:
        problem = str(error) if isinstance(error, _IncompleteError) else "it is cut"
        raise OutputError(
            f"{target} could not be written completely ({problem}). The disk may be full: free "
            "some space and run again"
        ) from error


def _check_glb(path: Path, _counts: MeshCounts) -> None:
    """Compare the lengths of the file and its chunks with its size."""
    data = path.read_bytes()
    _magic, _version, length = struct.unpack_from("<4sII", data)
    _require(length == len(data), "its length differs from its header")

    # The chunks fill the file: JSON, then the buffer.
    position = _GLB_HEADER
    chunks = []
    while position < length:
        (size,) = struct.unpack_from("<I", data, position)
        position += _CHUNK_HEADER
        chunks.append(data[position : position + size])
        position += size

    _require(position == length, "a chunk is cut")

    declared = sum(buffer["byteLength"] for buffer in json.loads(chunks[0]).get("buffers", ()))
    _require(sum(map(len, chunks[1:])) >= declared, "its buffer is cut")


def _check_gltf(path: Path, _counts: MeshCounts) -> None:
    """Compare the lengths of the buffers with their files, and look for the images."""
    content = json.loads(path.read_bytes())
    for buffer in content.get("buffers", ()):
        size = _companion(path, buffer["uri"]).stat().st_size
        _require(size == buffer["byteLength"], f"{buffer['uri']} is cut")
    for image in content.get("images", ()):
        _companion(path, image["uri"])


def _companion(path: Path, uri: str) -> Path:
    """Return the file that a URI in the file ``path`` refers to.

    Raises:
        _IncompleteError: There is none.
    """
    companion = path.parent / unquote(uri)
    _require(companion.is_file(), f"{companion.name} is missing")
    return companion


def _check_obj(path: Path, counts: MeshCounts) -> None:
    """Count vertices and faces, and look for the materials that the faces use."""
    data = _complete_text(path)
    _require(data.count(b"\nv ") == counts.vertices, "vertices are missing")
    _require(data.count(b"\nf ") == counts.faces, "faces are missing")

    lines = data.splitlines()
    used = {line[len(b"usemtl ") :] for line in lines if line.startswith(b"usemtl ")}
    for line in lines:
        if not line.startswith(b"mtllib "):
            continue
        library = path.with_name(os.fsdecode(line[len(b"mtllib ") :]))
        materials = _complete_text(library).splitlines()
        defined = {text[len(b"newmtl ") :] for text in materials if text.startswith(b"newmtl ")}
        _require(used <= defined, f"{library.name} lacks materials")


def _check_ply(path: Path, _counts: MeshCounts) -> None:
    """Compare the counts in the header with the size of what follows."""
    data = path.read_bytes()
    end = data.index(b"end_header\n") + len(b"end_header\n")
    position = end

    for count, scalar_bytes, lists in _ply_elements(data[:end].decode("ascii").splitlines()):
        if not lists:
            position += count * scalar_bytes
            continue
        (count_bytes, item_bytes), *more_lists = lists
        _require(not (more_lists or scalar_bytes) and count_bytes == 1, "it has unknown lists")
        position = _end_of_lists(data, position, count, item_bytes)

    _require(position == len(data), "it is cut")


def _ply_elements(header: list[str]) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Yield of each element its count, the bytes of its scalars, and its lists' bytes."""
    elements: list[tuple[int, int, list[tuple[int, int]]]] = []
    for line in header:
        match line.split():
            case ["element", _name, count]:
                elements.append((int(count), 0, []))
            case ["property", "list", count_type, item_type, _name]:
                elements[-1][2].append((_PLY_BYTES[count_type], _PLY_BYTES[item_type]))
            case ["property", scalar_type, _name]:
                count, size, lists = elements[-1]
                elements[-1] = (count, size + _PLY_BYTES[scalar_type], lists)

    yield from elements


def _end_of_lists(data: bytes, position: int, count: int, item_bytes: int) -> int:
    """Return where ``count`` lists end, each a byte with its length and then its items."""
    # Most meshes have faces of one kind only.
    if count and position < len(data):
        stride = 1 + data[position] * item_bytes
        lengths = np.frombuffer(data, np.uint8, offset=position)[: count * stride : stride]
        if len(lengths) == count and (lengths == data[position]).all():
            return position + count * stride

    for _ in range(count):
        position += 1 + data[position] * item_bytes
    return position


def _check_stl(path: Path, _counts: MeshCounts) -> None:
    """Compare the number of triangles with the size."""
    with path.open("rb") as file:
        file.seek(_STL_HEADER)
        (triangles,) = struct.unpack("<I", file.read(4))
    expected = _STL_HEADER + 4 + _STL_TRIANGLE * triangles
    _require(path.stat().st_size == expected, "it is cut")


def _check_usd(path: Path, _counts: MeshCounts) -> None:
    """Check a text, a binary or a zipped file."""
    if path.suffix.lower() == ".usdz":
        _check_usdz(path)
        return
    data = path.read_bytes()
    if data.startswith(_TEXT_USD):
        # Only what ends at the margin is a complete prim.
        _require(data.rstrip().endswith(b"\n}"), "it is cut")
    else:
        _check_usd_crate(data)


def _check_usdz(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        _require(archive.testzip() is None, "its archive is damaged")
        _require(bool(archive.namelist()), "its archive is empty")


def _check_usd_crate(data: bytes) -> None:
    """Check that the table of contents of a binary file is its end, and covers it."""
    _require(data.startswith(_BINARY_USD), "it has no header")
    (start,) = struct.unpack_from("<q", data, _CRATE_OFFSET)
    (count,) = struct.unpack_from("<Q", data, start)
    _require(start + 8 + count * _CRATE_SECTION == len(data), "it is cut")

    for index in range(count):
        entry = start + 8 + index * _CRATE_SECTION
        section_start, size = struct.unpack_from("<qq", data, entry + 16)
        _require(section_start + size <= start, "a section is cut")


def _check_blend(path: Path, _counts: MeshCounts) -> None:
    """Compare the lengths of the compressed parts with the size, or look for the last block.

    Blender compresses in the seekable format of Zstandard (its
    contrib/seekable_format/zstd_seekable_compression_format.md): frames, then a table of their
    lengths.
    """
    data = path.read_bytes()
    if data.startswith(b"BLENDER"):
        _require(b"ENDB" in data[-_BLEND_END:], "it is cut")
        return

    count, flags, magic = struct.unpack_from("<IBI", data, len(data) - _ZSTD_FOOTER)
    _require(magic == _ZSTD_SEEK_MAGIC, "it is cut")
    entry_bytes = 12 if flags & _ZSTD_CHECKSUMS else 8
    table = len(data) - _ZSTD_FOOTER - count * entry_bytes
    table_magic, _size = struct.unpack_from("<II", data, table - 8)
    _require(table_magic == _ZSTD_SKIPPABLE_MAGIC, "its table is cut")
    lengths = [
        struct.unpack_from("<I", data, table + index * entry_bytes)[0] for index in range(count)
    ]
    _require(sum(lengths) == table - 8, "a part is cut")


def _complete_text(path: Path) -> bytes:
    """Return a text with a line break before and after it.

    Raises:
        _IncompleteError: It is missing, empty, or its last line has no end.
    """
    _require(path.is_file(), f"{path.name} is missing")
    data = path.read_bytes()
    _require(data.endswith(b"\n"), f"{path.name} is cut")
    return b"\n" + data


def _images_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".png", ".jpg", ".jpeg"):
            yield path


def _check_image(path: Path) -> None:
    end = _PNG_END if path.suffix.lower() == ".png" else _JPEG_END
    _require(path.read_bytes().endswith(end), f"{path.name} is cut")


def _require(is_met: bool, problem: str) -> None:
    if not is_met:
        raise _IncompleteError(problem)


_CHECKS: dict[str, Callable[[Path, MeshCounts], None]] = {
    ".glb": _check_glb,
    ".gltf": _check_gltf,
    ".obj": _check_obj,
    ".ply": _check_ply,
    ".stl": _check_stl,
    ".usd": _check_usd,
    ".usda": _check_usd,
    ".usdc": _check_usd,
    ".usdz": _check_usd,
    ".blend": _check_blend,
}
