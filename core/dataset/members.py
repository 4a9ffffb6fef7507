"""Members of an object's file: their names, and arrays to and from their bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry.occupancy_grid import SIDE as GRID_SIDE
from .reading import limits
from .reading.arrays import read_entry
from .records import Shape

# Kinds of members; those of a view follow its number, as in "000.albedo.png".
SURROUNDINGS = "surroundings.png"
ALBEDO = "albedo.png"
OCCLUSION = "occlusion.png"
GRID = "grid.npz"
MEASURED = "measured.npz"
PARTS = "parts.png"  # of a view
SURFACE_PARTS = "parts.npz"
# Kinds of the compact form only
SMALL_SURROUNDINGS = "surroundings.webp"
SMALL_DEPTH = "depth.png"
SMALL_ALBEDO = "albedo.webp"
SMALL_SHADING = "shading.webp"
SUMS = "crc.json"

_GRID_BYTES = GRID_SIDE**3 // 8 + 128  # bytes of the array and its header
# Faster than numpy's 6 by more than half; the files grow by a few percent.
_NPZ_COMPRESSION = 3
_PNG_COMPRESSION = 3


def shape_kind(number: int) -> str:
    """Return how the kinds of the members of a whole scene's shape ``number`` begin."""
    return f"shapes.{number:03d}"


def pack_shape(shape: Shape) -> dict[str, NDArray[Any]]:
    """Return the arrays of ``shape.npz``: all but colors and grid."""
    arrays: dict[str, NDArray[Any]] = {
        "uniform": shape.uniform,
        "uniform_inside": np.packbits(shape.uniform_inside),
        "near": shape.near,
        "near_inside": np.packbits(shape.near_inside),
        "surface": shape.surface,
        "surface_normals": shape.surface_normals.astype(np.float16),
    }
    if shape.uniform_distance is not None:
        arrays["uniform_distance"] = shape.uniform_distance
    if shape.near_distance is not None:
        arrays["near_distance"] = shape.near_distance
    return arrays


def unpack_shape(arrays: Mapping[str, NDArray[Any]], surface: Mapping[str, NDArray[Any]]) -> Shape:
    """Return the shape that :func:`pack_shape` was given.

    Args:
        arrays: Of ``shape.npz``.
        surface: Arrays of ``surface.npz``; empty if there is none.
    """
    # Bits are padded to bytes, so the number of points is needed.
    uniform = arrays["uniform"]
    near = arrays["near"]
    surface_seen = None
    if surface:
        surface_seen = _unpack_flags(surface["seen"], len(arrays["surface"]))

    return Shape(
        uniform=uniform,
        uniform_inside=_unpack_flags(arrays["uniform_inside"], len(uniform)),
        near=near,
        near_inside=_unpack_flags(arrays["near_inside"], len(near)),
        surface=arrays["surface"],
        surface_normals=arrays["surface_normals"].astype(np.float32),
        uniform_distance=arrays.get("uniform_distance"),
        near_distance=arrays.get("near_distance"),
        surface_colour=surface.get("colour"),
        surface_seen=surface_seen,
    )


def _unpack_flags(bits: NDArray[np.uint8], count: int) -> NDArray[np.bool_]:
    return np.unpackbits(bits, count=count).astype(bool)


def encode_grid(grid: NDArray[np.bool_]) -> bytes:
    """Return the member of ``grid`` (96, 96, 96): eight cells along z in each byte."""
    return encode_npz({"inside": np.packbits(grid)})


def decode_grid(data: bytes) -> NDArray[np.bool_]:
    """Return the content of the member ``grid.npz``, (96, 96, 96) bool.

    The size is checked before anything is decompressed, so a damaged file cannot fill the memory.

    Raises:
        ValueError: The member does not contain a grid. Damaged files raise further exceptions of
            the standard library.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        # The table of contents gives the sizes.
        entries = archive.infolist()
        sizes = {entry.filename: entry.file_size for entry in entries[: limits.ARRAYS]}
        if sizes != {"inside.npy": _GRID_BYTES}:
            raise ValueError(f"the arrays are {sizes}, not the bits of {GRID_SIDE} cells a side")
        bits = read_entry(archive, entries[0])

    # The header of the array may contradict its size.
    if bits.shape != (GRID_SIDE**3 // 8,) or bits.dtype != np.uint8:
        raise ValueError(f"the bits are {bits.dtype} {bits.shape}")
    inside = np.unpackbits(bits).astype(bool)
    return inside.reshape((GRID_SIDE,) * 3)


def encode_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return a compressed .npz whose bytes depend on the arrays alone, without time stamps."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, values in arrays.items():
            member = io.BytesIO()
            np.save(member, values, allow_pickle=False)
            # A ZipInfo made by name alone has a fixed date.
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy"),
                member.getvalue(),
                zipfile.ZIP_DEFLATED,
                compresslevel=_NPZ_COMPRESSION,
            )

    return buffer.getvalue()


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return an image (H, W) or (H, W, C) as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=_PNG_COMPRESSION)
    return buffer.getvalue()
