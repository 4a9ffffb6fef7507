"""The weights on disk: a .safetensors file whose header carries the configuration and a checksum.

Read and written here and not by the ``safetensors`` package, because Blender's own Python has none; the layout
(huggingface.co/docs/safetensors) is a length, a JSON header and the raw tensors. A test reads it with the package.
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
from torch import Tensor

from ...errors import WeightsError
from ...resources import BUNDLED_WEIGHTS
from ..networks.foreground import ForegroundNetwork
from ..networks.reconstruction import NetworkConfig, ReconstructionNetwork

_TYPES = {"F32": torch.float32, "F16": torch.float16, "I64": torch.int64}
_VERSION = "1"


def resolve_weights(path: Path | None) -> Path | None:
    """``path``, or the bundled file if it is named "bundled"."""
    return BUNDLED_WEIGHTS if path and path.name == "bundled" else path


def save_weights(
    path: Path, reconstruction: ReconstructionNetwork, mask: ForegroundNetwork
) -> None:
    """Write both networks into one file, kernels in half precision."""
    state = {f"reconstruction.{k}": v for k, v in reconstruction.state_dict().items()}
    state |= {f"mask.{k}": v for k, v in mask.state_dict().items()}
    names = {dtype: name for name, dtype in _TYPES.items()}
    header: dict[str, Any] = {}
    blobs = []
    at = 0
    for key, value in state.items():
        value = value.half() if value.is_floating_point() and value.dim() > 1 else value
        blob = value.detach().cpu().contiguous().numpy().tobytes()
        header[key] = {
            "dtype": names[value.dtype],
            "shape": list(value.shape),
            "data_offsets": [at, at + len(blob)],
        }
        blobs.append(blob)
        at += len(blob)
    body = b"".join(blobs)
    config = json.dumps(reconstruction.config.as_dict())
    header["__metadata__"] = {
        "version": _VERSION,
        "config": config,
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


@lru_cache(maxsize=1)
def _load_cached(
    path: Path, stamp: tuple[int, int], device: str
) -> tuple[ReconstructionNetwork, ForegroundNetwork]:
    metadata, state = read_weights(path)
    config = json.loads(metadata["config"])
    config = {
        key: tuple(value) if isinstance(value, list) else value for key, value in config.items()
    }
    networks = ReconstructionNetwork(NetworkConfig(**config)), ForegroundNetwork()
    for network, prefix in zip(networks, ("reconstruction.", "mask."), strict=True):
        part = {
            key.removeprefix(prefix): value
            for key, value in state.items()
            if key.startswith(prefix)
        }
        network.load_state_dict(part)
        network.eval().requires_grad_(False).to(device)
    return networks


def load_weights(
    path: Path | None = None, device: str = "cpu"
) -> tuple[ReconstructionNetwork, ForegroundNetwork]:
    """Both networks, ready to run on ``device``, from ``path`` or the bundled file; kept for the next call.

    Raises:
        WeightsError: the file is missing, damaged (its checksum differs) or of another version.
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


def read_weights(path: Path) -> tuple[Mapping[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a file that :func:`save_weights` wrote.

    Raises:
        WeightsError: it is damaged.
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
        intact = (
            hashlib.sha256(body).hexdigest() == metadata["sha256"]
            and metadata["version"] == _VERSION
        )
    except (struct.error, ValueError, KeyError) as error:
        raise WeightsError(
            f"{path} is not a Maquette weights file, or it is damaged. Copy the file again"
        ) from error
    if not intact:
        raise WeightsError(f"The weights {path} are damaged (wrong checksum). Copy the file again")
    state = {}
    for key, entry in header.items():
        start, end = entry["data_offsets"]
        flat = torch.frombuffer(bytearray(body[start:end]), dtype=_TYPES[entry["dtype"]])
        state[key] = flat.reshape(entry["shape"])
    return metadata, state
