"""Points with colors as PLY files: what goes with a ``transforms.json``."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...atomic_files import write_bytes
from ...dataset.reading.files import read_file
from ...imaging.color import to_bytes
from ..records import SparseCloud
from .file_reading import report_damage
from .records import make_cloud

_LARGEST_FILE = 2**30  # bytes
_LONGEST_HEADER = 2**14
_END = re.compile(rb"end_header\r?\n")
_TYPES = {
    **dict.fromkeys(("float", "float32"), "<f4"),
    **dict.fromkeys(("double", "float64"), "<f8"),
    **dict.fromkeys(("uchar", "uint8"), "<u1"),
    **dict.fromkeys(("char", "int8"), "<i1"),
    **dict.fromkeys(("ushort", "uint16"), "<u2"),
    **dict.fromkeys(("short", "int16"), "<i2"),
    **dict.fromkeys(("uint", "uint32"), "<u4"),
    **dict.fromkeys(("int", "int32"), "<i4"),
}
_FORMATS = ("ascii", "binary_little_endian")
_LAYOUT = [("place", "<f4", 3), ("color", "<u1", 3)]
_HEADER = """ply
format binary_little_endian 1.0
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""


def read_points(path: Path) -> SparseCloud | None:
    """Return the vertices of a PLY file, gray if they have no colors; None if there are none.

    Raises:
        CameraFileError: The file is damaged, or written otherwise.
    """
    with report_damage(path):
        data = read_file(path, _LARGEST_FILE)
        end = _END.search(data, 0, _LONGEST_HEADER)
        if not data.startswith(b"ply") or not end:
            raise ValueError("it is no PLY file")
        form, count, layout = _read_header(data[: end.start()].decode("ascii", "replace"))
        body = data[end.end() :]
        if not count:
            return None

        if form == "ascii":
            table = _read_ascii(body, count, layout)
        else:
            table = np.frombuffer(body, layout, count)

        points = _columns(table, ("x", "y", "z"))
        colors = np.full((len(points), 3), 128, np.uint8)
        if "red" in (layout.names or ()):
            colors = _columns(table, ("red", "green", "blue")).clip(0, 255).astype(np.uint8)
        return make_cloud(points, colors)


def write_points(path: Path, cloud: SparseCloud) -> None:
    """Write the points with their colors.

    Raises:
        OutputError: The file cannot be written.
    """
    table = np.zeros(len(cloud.points), _LAYOUT)
    table["place"] = cloud.points
    table["color"] = to_bytes(cloud.colors)
    header = _HEADER.format(count=len(table)).encode()
    write_bytes(path, header + table.tobytes())


def _read_header(text: str) -> tuple[str, int, np.dtype[np.void]]:
    """Return form, number and type of the vertices, which must come first."""
    form = ""
    count = -1
    columns: list[tuple[str, str]] = []

    for line in text.splitlines()[1:]:
        words = line.split()
        match words:
            case ["format", form, _]:
                pass
            case ["element", "vertex", number] if count < 0:
                count = int(number)
            case ["element", *_]:
                if count < 0:
                    raise ValueError("its first element are not vertices")
                break
            case ["property", kind, name]:
                columns.append((name, _TYPES[kind]))
            case ["property", *_]:
                raise ValueError("its vertices have lists")

    if form not in _FORMATS or count < 0:
        raise ValueError(f"it is none of {', '.join(_FORMATS)}")
    return form, count, np.dtype(columns)


def _read_ascii(body: bytes, count: int, layout: np.dtype[np.void]) -> NDArray[np.void]:
    """Return ``count`` lines of numbers as a table."""
    if count > len(body):
        raise ValueError(f"it ends before its {count:,} vertices")
    table = np.loadtxt(io.BytesIO(body), layout, max_rows=count, ndmin=1)
    if len(table) != count:
        raise ValueError(f"it has {len(table):,} of its {count:,} vertices")
    return table


def _columns(table: NDArray[np.void], names: tuple[str, ...]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # of NaNs that signal; they are left out later
        return np.stack([table[name].astype(np.float64) for name in names], axis=1)
