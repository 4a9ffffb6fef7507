"""Tensors on disk: a .safetensors file whose header carries a configuration and checksums.

It is read and written here rather than with the ``safetensors`` package, which Blender's Python
does not have. The layout (huggingface.co/docs/safetensors) is a length, a JSON header and the raw
tensors:

    8 bytes   length of the header, little-endian
    header    {"__metadata__": {...}, key: {"dtype", "shape", "data_offsets"}, ...} and spaces
    body      the tensors' bytes, one after the other

The metadata are texts:

    version       of this layout
    config        what the networks are built from, JSON
    sha256        of the body
    file_sha256   of the file, in which this value counts as 64 zeros; older files lack it

A file may come from anywhere, so it is checked before memory is taken: the checksums, that the
tensors fill the body one after the other, and that all numbers are finite. Of older files a
checksum does not cover the header; of the bundled file, which is one of them, it is known.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...atomic_files import write_bytes
from ...dataset.reading.files import read_file
from ...dataset.reading.json_files import parse_json
from ...errors import WeightsError

_TYPES = {"F32": torch.float32, "F16": torch.float16, "I64": torch.int64}
_TYPE_NAMES = {dtype: name for name, dtype in _TYPES.items()}
_VERSION = "1"
_ALIGNMENT = 8  # the body starts at a multiple of this many bytes
_LENGTH_BYTES = 8  # of the header's length
_LARGEST_FILE = 2**30  # bytes; thirty times the bundled file
_LARGEST_HEADER = 2**23  # bytes; fifty times that of the bundled file
_LARGEST_AXIS = 2**24  # of a tensor; products of few axes stay exact
_MOST_AXES = 8
_NO_DIGEST = "0" * 64  # stands for the checksum of the file in what it is computed from
# Files without a checksum of the header, by that of their body: the bundled one.
_KNOWN_FILES = {
    "2c589a2440ad0016104e0fa54483c8fa0d0f835790b9e17381c82534406e57b9": (
        "7a3af1aa79c2bd72c4c76d8ec349589ec1c760dca0c938f8a787feb2930655cf"
    )
}


def write_tensors(path: Path, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Write ``state`` to the file ``path``, kernels and tables in half precision.

    Args:
        path: The file. An older one stays as it is if the new one cannot be written.
        config: What :func:`read_weights` returns as the metadata "config", as JSON holds it.
        state: Tensors by their keys, in the order of the file.

    Raises:
        OutputError: It cannot be written.
    """
    # An entry of the header and the bytes of each tensor.
    header: dict[str, Any] = {}
    blobs = []
    offset = 0

    for key, value in state.items():
        is_kernel = value.is_floating_point() and value.dim() > 1
        stored_value = value.half() if is_kernel else value
        blob = stored_value.detach().cpu().contiguous().numpy().tobytes()
        header[key] = {
            "dtype": _TYPE_NAMES[stored_value.dtype],
            "shape": list(stored_value.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)

    # What a reader needs besides the tensors.
    body = b"".join(blobs)
    header["__metadata__"] = {
        "version": _VERSION,
        "config": json.dumps(config),
        "sha256": hashlib.sha256(body).hexdigest(),
        "file_sha256": _NO_DIGEST,
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _ALIGNMENT)

    # The checksum of the file is the last to be known.
    beginning = struct.pack("<Q", len(text)) + text
    digest = _hash_parts(beginning, body)
    beginning = beginning.replace(_NO_DIGEST.encode(), digest.encode(), 1)
    write_bytes(path, beginning + body)


def read_weights(path: Path) -> tuple[Mapping[str, str], dict[str, Tensor]]:
    """Return metadata and tensors of a file that :func:`write_tensors` wrote.

    Raises:
        WeightsError: The file is damaged.
    """
    try:
        data = read_file(path, _LARGEST_FILE)
    except OSError as error:
        raise WeightsError(f"The weights {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise WeightsError(f"{path} is not a Maquette weights file: {error}") from error

    try:
        header, begin = _parse_header(data)
        metadata = _pop_metadata(header)
        is_intact = _has_checksums(data, begin, metadata) and metadata["version"] == _VERSION
        if is_intact:
            entries = list(_iterate_entries(header, len(data) - begin))
    except (struct.error, ValueError, KeyError, TypeError, MemoryError) as error:
        raise WeightsError(
            f"{path} is not a Maquette weights file, or it is damaged. Copy the file again"
        ) from error

    if not is_intact:
        raise WeightsError(f"The weights {path} are damaged (wrong checksum). Copy the file again")

    state = {}
    for key, dtype, shape, start, end in entries:
        values = torch.frombuffer(bytearray(data[begin + start : begin + end]), dtype=dtype)
        _require_usable(path, key, values)
        state[key] = values.reshape(shape)

    return metadata, state


def _parse_header(data: bytes) -> tuple[dict[str, Any], int]:
    """Return the header of a file, and the byte at which the body begins.

    Raises:
        ValueError: It is not JSON, not a dictionary, or longer than the file.
    """
    (length,) = struct.unpack_from("<Q", data)
    begin = _LENGTH_BYTES + length
    if length > _LARGEST_HEADER or begin > len(data):
        raise ValueError("the header exceeds the file")
    header = parse_json(data[_LENGTH_BYTES:begin])
    if not isinstance(header, dict):
        raise ValueError("the header is no dictionary")
    return header, begin


def _pop_metadata(header: dict[str, Any]) -> dict[str, str]:
    """Remove the metadata from a header, and return them.

    Raises:
        KeyError: There are none.
        ValueError: They are not texts.
    """
    metadata = header.pop("__metadata__")
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise ValueError("the metadata are not texts")

    for key in ("version", "config", "sha256"):
        if key not in metadata:
            raise KeyError(key)
    return metadata


def _has_checksums(data: bytes, begin: int, metadata: Mapping[str, str]) -> bool:
    """Return whether a file is as it was written.

    Args:
        data: The file.
        begin: Byte at which the body begins.
        metadata: Of the file.
    """
    # Slices of a view are not copied.
    body = memoryview(data)[begin:]
    if "file_sha256" in metadata:
        digest = metadata["file_sha256"]
        beginning = data[:begin].replace(digest.encode(), _NO_DIGEST.encode(), 1)
        return _hash_parts(beginning, body) == digest

    body_digest = _hash_parts(body)
    if body_digest in _KNOWN_FILES:
        return _hash_parts(data) == _KNOWN_FILES[body_digest]
    return body_digest == metadata["sha256"]


def _hash_parts(*parts: bytes | memoryview) -> str:
    """Return the SHA-256 of ``parts``, one after the other."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()


def _iterate_entries(
    header: Mapping[str, Any], size: int
) -> Iterator[tuple[str, torch.dtype, list[int], int, int]]:
    """Yield key, type, shape, first byte and end of each tensor, which fill the body in order.

    Args:
        header: Without the metadata.
        size: Of the body, bytes.

    Raises:
        ValueError: There are gaps or overlaps, or an entry is not of the layout.
        KeyError: A part of an entry is missing, or a type is unknown.
        TypeError: A part of an entry is of another type.
    """
    position = 0
    for key, entry in header.items():
        dtype = _TYPES[entry["dtype"]]
        shape = entry["shape"]
        if not isinstance(shape, list) or len(shape) > _MOST_AXES:
            raise ValueError(f"{key} has no shape")
        count = 1

        for length in shape:
            if type(length) is not int or not 0 <= length <= _LARGEST_AXIS:
                raise ValueError(f"{key} has no shape")
            count *= length

        # One after the other, without gaps
        end = position + count * dtype.itemsize
        if entry["data_offsets"] != [position, end] or end > size or not count:
            raise ValueError(f"{key} is not where it should be")
        yield key, dtype, shape, position, end
        position = end

    if position != size:
        raise ValueError("there is something behind the last tensor")


def _require_usable(path: Path, key: str, values: Tensor) -> None:
    """Refuse tensors with which a network cannot compute.

    Raises:
        WeightsError: Values are not finite, or a variance is negative.
    """
    if not values.is_floating_point():
        return
    is_variance = key.endswith("running_var")
    array = values.numpy()  # which needs no thread for small tensors

    if not np.isfinite(array).all() or (is_variance and (array < 0).any()):
        raise WeightsError(
            f"The weights {path} contain values that are not numbers, or no variances ({key}). "
            "They come from a training that failed: choose another file"
        )
