"""The second weights file: what an image means, and the space of shapes.

One file holds several parts, each written by a training of its own: "heads" (see
``networks.semantics``), "shapes" and "generator". Its configuration is a dictionary of the parts'
configurations, and the keys of its tensors begin with the name of their part. For the layout see
``tensor_file``.

Which parts a file has is also told by ``jobs.meaning.has_part``, which does not need torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

from torch import Tensor

from ...dataset.reading.json_files import parse_json
from ...errors import WeightsError
from ...resources import MEANING_WEIGHTS
from .tensor_file import read_weights, write_tensors

HEADS = "heads"
SHAPES = "shapes"
GENERATOR = "generator"
_TASKS = {HEADS: "meaning", "retrieval": "projection"}  # training of a part of another name

T = TypeVar("T")
Configs = dict[str, dict[str, Any]]


def save_part(
    path: Path, name: str, config: Mapping[str, Any], state: Mapping[str, Tensor]
) -> None:
    """Write one part of the file ``path``, and keep the others.

    Args:
        path: The file, which need not exist.
        name: Of the part, without a dot.
        config: Of the part, as JSON holds it.
        state: Tensors by their keys.

    Raises:
        WeightsError: The file that is there is damaged.
        OutputError: It cannot be written. An older file stays as it is.
    """
    configs: Configs = {}
    tensors: dict[str, Tensor] = {}
    if path.exists():
        configs, tensors = _read_file(path)

    # Tensors of the part that is replaced are dropped; its new ones come last.
    prefix = f"{name}."
    kept = {key: value for key, value in tensors.items() if not key.startswith(prefix)}
    for key, value in state.items():
        kept[prefix + key] = value
    configs[name] = dict(config)
    write_tensors(path, configs, kept)


def load_part(name: str, path: Path | None = None) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return configuration and tensors of a part. The last files are kept for the next call.

    Args:
        name: Of the part.
        path: The file; None for the bundled one.

    Raises:
        WeightsError: The file is missing or damaged, or it does not have this part.
    """
    path = path or MEANING_WEIGHTS
    configs, tensors = _read_cached(path, _file_stamp(name, path))
    if name not in configs:
        raise WeightsError(
            f"The weights {path} have no part {name!r}. Train it with "
            f"maquette train --task {_TASKS.get(name, name)}"
        )

    prefix = f"{name}."
    state = {}
    for key, value in tensors.items():
        if key.startswith(prefix):
            # Kernels are stored in half precision; networks compute in single precision.
            is_float = value.is_floating_point()
            state[key.removeprefix(prefix)] = value.float() if is_float else value

    return configs[name], state


def load_network(
    name: str,
    path: Path | None,
    build: Callable[[dict[str, Any], dict[str, Tensor], Path], T],
) -> T:
    """Return what ``build`` makes of a part; the last one of each file is kept for the next call.

    Args:
        name: Of the part.
        path: The file; None for the bundled one.
        build: Takes configuration, tensors, and the file for messages; one for each part.

    Raises:
        WeightsError: The file is missing or damaged, or ``build`` refuses what it holds.
    """
    file = path or MEANING_WEIGHTS
    stamp = _file_stamp(name, file)
    known_stamp, network = _networks.get((name, file), (None, None))

    if known_stamp != stamp:
        config, state = load_part(name, file)
        network = build(config, state, file)
        _networks[name, file] = (stamp, network)

    return cast(T, network)


_networks: dict[tuple[str, Path], tuple[tuple[int, int], object]] = {}


def _file_stamp(name: str, path: Path) -> tuple[int, int]:
    """Return time and size of the file ``path``, which is to have the part ``name``.

    Raises:
        WeightsError: The file is missing.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise WeightsError(
            f"The weights {path} are missing. Reinstall Maquette, or train them with "
            f"maquette train --task {_TASKS.get(name, name)}"
        ) from error

    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=2)
def _read_cached(path: Path, stamp: tuple[int, int]) -> tuple[Configs, dict[str, Tensor]]:
    """Read a file.

    Args:
        path: The file.
        stamp: Time and size of the file, so that a changed file is another entry of the cache.
    """
    return _read_file(path)


def _read_file(path: Path) -> tuple[Configs, dict[str, Tensor]]:
    """Return the configurations of all parts, and all tensors.

    Raises:
        WeightsError: The file is damaged.
    """
    metadata, tensors = read_weights(path)
    try:
        configs = parse_json(metadata["config"].encode())
    except ValueError as error:
        raise WeightsError(f"The weights {path} have no configuration: {error}") from error

    are_parts = isinstance(configs, dict) and all(
        isinstance(config, dict) for config in configs.values()
    )
    if not are_parts:
        raise WeightsError(f"The weights {path} are not those of Maquette's heads and shapes")
    return configs, tensors
