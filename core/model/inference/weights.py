"""The weights on disk: a .safetensors file whose header carries the configuration and a checksum.

It is read and written here rather than with the ``safetensors`` package, which Blender's Python
does not have. The layout (huggingface.co/docs/safetensors) is a length, a JSON header and the raw
tensors:

    8 bytes   length of the header, little-endian
    header    {"__metadata__": {...}, key: {"dtype", "shape", "data_offsets"}, ...} and spaces
    body      the tensors' bytes, one after the other

For the tensors' keys see ``networks.stored_keys``.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...atomic_files import write_bytes
from ...errors import WeightsError
from ...resources import BUNDLED_WEIGHTS
from ..networks.foreground import ForegroundNetwork
from ..networks.reconstruction import NetworkConfig, ReconstructionNetwork

_TYPES = {"F32": torch.float32, "F16": torch.float16, "I64": torch.int64}
_TYPE_NAMES = {dtype: name for name, dtype in _TYPES.items()}
_VERSION = "1"
_ALIGNMENT = 8  # the body starts at a multiple of this many bytes
_RECONSTRUCTION = "reconstruction."  # beginnings of the two networks' keys
_FOREGROUND = "mask."


def resolve_weights(path: Path | None) -> Path | None:
    """Return ``path``, or the bundled file if ``path`` is named "bundled"."""
    if path and path.name == "bundled":
        return BUNDLED_WEIGHTS
    return path


def save_weights(
    path: Path, reconstruction: ReconstructionNetwork, foreground: ForegroundNetwork
) -> None:
    """Write both networks to the file ``path``, their kernels in half precision.

    Raises:
        OutputError: It cannot be written. An older file stays as it is.
    """
    state: dict[str, Tensor] = {}
    for prefix, network in ((_RECONSTRUCTION, reconstruction), (_FOREGROUND, foreground)):
        for key, value in network.state_dict().items():
            state[prefix + key] = value

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

    # What :func:`load_weights` needs besides the tensors.
    body = b"".join(blobs)
    header["__metadata__"] = {
        "version": _VERSION,
        "config": json.dumps(reconstruction.config.as_dict()),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    write_bytes(path, struct.pack("<Q", len(text)) + text + body)


def load_weights(
    path: Path | None = None, device: str = "cpu"
) -> tuple[ReconstructionNetwork, ForegroundNetwork]:
    """Return both networks, ready to run. The last result is kept for the next call.

    Args:
        path: The file; None for the bundled one.
        device: Where the networks will run: "cpu", "cuda" or "mps".

    Raises:
        WeightsError: The file is missing, damaged (its checksum differs) or of another version.
    """
    path = path or BUNDLED_WEIGHTS
    try:
        status = path.stat()
    except OSError as error:
        raise WeightsError(
            f"The model's weights {path} are missing. Reinstall Maquette, or choose another file "
            "in its preferences"
        ) from error
    try:
        return _load_cached(path, (status.st_mtime_ns, status.st_size), device)
    except torch.OutOfMemoryError:
        raise
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise WeightsError(
            f"The weights {path} do not fit this version of Maquette: {error}"
        ) from error


@lru_cache(maxsize=1)
def _load_cached(
    path: Path, stamp: tuple[int, int], device: str
) -> tuple[ReconstructionNetwork, ForegroundNetwork]:
    """Load both networks.

    Args:
        path: The file.
        stamp: Time and size of the file, so that a changed file is another entry of the cache.
        device: See :func:`load_weights`.
    """
    metadata, state = read_weights(path)
    config: dict[str, Any] = json.loads(metadata["config"])
    for name, value in config.items():
        if isinstance(value, list):
            config[name] = tuple(value)

    reconstruction = ReconstructionNetwork(NetworkConfig(**config))
    foreground = ForegroundNetwork()
    _load_part(reconstruction, state, _RECONSTRUCTION, device)
    _load_part(foreground, state, _FOREGROUND, device)
    return reconstruction, foreground


def _load_part(network: nn.Module, state: Mapping[str, Tensor], prefix: str, device: str) -> None:
    """Load the tensors whose keys start with ``prefix``, and make ``network`` ready to run."""
    part = {}
    for key, value in state.items():
        if key.startswith(prefix):
            part[key.removeprefix(prefix)] = value
    network.load_state_dict(part)
    network.eval().requires_grad_(False).to(device)


def read_weights(path: Path) -> tuple[Mapping[str, str], dict[str, Tensor]]:
    """Return metadata and tensors of a file that :func:`save_weights` wrote.

    Raises:
        WeightsError: The file is damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"The weights {path} cannot be read: {error.strerror}") from error

    try:
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + length])
        metadata = header.pop("__metadata__")
        body = data[8 + length :]
        has_checksum = hashlib.sha256(body).hexdigest() == metadata["sha256"]
        is_intact = has_checksum and metadata["version"] == _VERSION
    except (struct.error, ValueError, KeyError) as error:
        raise WeightsError(
            f"{path} is not a Maquette weights file, or it is damaged. Copy the file again"
        ) from error
    if not is_intact:
        raise WeightsError(f"The weights {path} are damaged (wrong checksum). Copy the file again")

    state = {}
    for key, entry in header.items():
        start, end = entry["data_offsets"]
        values = torch.frombuffer(bytearray(body[start:end]), dtype=_TYPES[entry["dtype"]])
        state[key] = values.reshape(entry["shape"])
    return metadata, state
