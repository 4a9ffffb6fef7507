"""The weights of reconstruction on disk, see ``tensor_file`` for the layout.

For the tensors' keys see ``networks.stored_keys``. The configuration holds the sizes of the
reconstruction network. A file may come from anywhere, so its tensors must be those of networks of
this configuration, in the order in which they are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...dataset.reading.json_files import parse_json
from ...errors import WeightsError
from ...resources import BUNDLED_WEIGHTS
from ..networks.foreground import ForegroundNetwork
from ..networks.reconstruction import NetworkConfig, ReconstructionNetwork
from .tensor_file import read_weights, write_tensors

# Least and greatest value of each entry of the configuration, and how many values it has.
_CONFIG_RANGES = {
    "picture": (32, 512, 0),
    "volume": (4, 64, 0),
    "pyramid": (1, 2048, 2),
    "pixel_channels": (1, 2048, 0),
    "fine_channels": (1, 2048, 0),
    "depth_bins": (1, 256, 0),
    "bin_channels": (1, 2048, 0),
    "volume_channels": (1, 2048, 3),
    "hidden": (1, 2048, 0),
    "tube_channels": (1, 2048, 4),
    "tube_depths": (1, 256, 0),
}
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
    state = _stored_state(reconstruction, foreground)
    write_tensors(path, reconstruction.config.as_dict(), state)


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
    config = _parse_config(metadata["config"])
    _require_tensors(config, state)

    reconstruction = ReconstructionNetwork(config)
    foreground = ForegroundNetwork()
    _load_part(reconstruction, state, _RECONSTRUCTION, device)
    _load_part(foreground, state, _FOREGROUND, device)

    return reconstruction, foreground


def _stored_state(
    reconstruction: ReconstructionNetwork, foreground: ForegroundNetwork
) -> dict[str, Tensor]:
    """Return the tensors of both networks by the keys of files, in the order of files."""
    state: dict[str, Tensor] = {}
    for prefix, network in ((_RECONSTRUCTION, reconstruction), (_FOREGROUND, foreground)):
        for key, value in network.state_dict().items():
            state[prefix + key] = value
    return state


def _parse_config(text: str) -> NetworkConfig:
    """Return the configuration in the metadata.

    Raises:
        ValueError: It is not one that can be built and run.
    """
    stored = parse_json(text.encode())
    if not isinstance(stored, dict):
        raise ValueError("the configuration is no dictionary")

    config: dict[str, Any] = {}
    for name, value in stored.items():
        if name not in _CONFIG_RANGES:
            raise ValueError(f"the configuration has an unknown entry {name[:20]!a}")
        least, most, count = _CONFIG_RANGES[name]
        values = value if count and isinstance(value, list) else [value]
        has_count = len(values) == max(count, 1)
        if not has_count or any(type(number) is not int for number in values):
            raise ValueError(f"{name} in the configuration is not {max(count, 1)} whole numbers")
        if min(values) < least or max(values) > most:
            raise ValueError(f"{name} in the configuration is not in {least}..{most}")
        config[name] = tuple(values) if count else value

    return NetworkConfig(**config)


def _require_tensors(config: NetworkConfig, state: Mapping[str, Tensor]) -> None:
    """Check that ``state`` has the tensors of both networks, in their order.

    Networks without memory are compared, since a configuration may be of any size.

    Raises:
        ValueError: A tensor is missing, or has another shape or type.
    """
    with torch.device("meta"):
        expected = _stored_state(ReconstructionNetwork(config), ForegroundNetwork())
    if list(expected) != list(state):
        different = sorted(set(expected) ^ set(state)) or ["the order"]
        raise ValueError(f"the tensors are others ({different[0]})")
    for key, value in state.items():
        is_same_kind = value.is_floating_point() == expected[key].is_floating_point()
        if value.shape != expected[key].shape or not is_same_kind:
            raise ValueError(f"{key} is {tuple(value.shape)}, not {tuple(expected[key].shape)}")


def _load_part(network: nn.Module, state: Mapping[str, Tensor], prefix: str, device: str) -> None:
    """Load the tensors whose keys start with ``prefix``, and make ``network`` ready to run."""
    part = {}
    for key, value in state.items():
        if key.startswith(prefix):
            part[key.removeprefix(prefix)] = value
    network.load_state_dict(part)
    network.eval().requires_grad_(False).to(device)
