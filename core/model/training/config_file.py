"""The settings of a run of training in a file: JSON, as a run's own ``config.json``, or TOML."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ...errors import DatasetError
from ...jobs.task import Task
from ..inference import weights
from ..networks.reconstruction import NetworkConfig
from .trainer import TrainingConfig, train_network

_PATHS = ("run", "start", "weights")


@dataclass(frozen=True)
class RunSettings:
    """What a file of settings holds.

    training: of the fields of :class:`TrainingConfig`. network: its sizes, None for those of what the run starts from.
    datasets, run, start, weights: as the options of ``maquette train``; relative paths are so to the file.
    """

    training: Mapping[str, Any]
    network: NetworkConfig | None = None
    datasets: tuple[Path, ...] = ()
    run: Path | None = None
    start: Path | None = None
    weights: Path | None = None


def read_settings(path: Path) -> RunSettings:
    """The settings in the file ``path``, .toml or .json.

    Raises:
        DatasetError: it is missing, is neither, or holds a setting that there is not.
    """
    try:
        text = path.read_text(encoding="utf-8")
        known = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DatasetError(
            f"{path} is not {'TOML' if path.suffix == '.toml' else 'JSON'}: {error}"
        ) from error
    _check_keys(
        path,
        known,
        {field.name: dict for field in fields(RunSettings)[:2]}
        | {"datasets": list}
        | dict.fromkeys(_PATHS, str),
    )
    training = known.get("training", {})
    network = known.get("network")
    _check_keys(
        path, training, {name: type(value) for name, value in vars(TrainingConfig()).items()}
    )
    if network is not None:
        _check_keys(
            path, network, {name: type(value) for name, value in NetworkConfig().as_dict().items()}
        )
        network = NetworkConfig(
            **{key: tuple(v) if isinstance(v, list) else v for key, v in network.items()}
        )
    paths = {name: path.parent / known[name] for name in _PATHS if name in known}
    return RunSettings(
        training, network, tuple(path.parent / name for name in known.get("datasets", ())), **paths
    )


def training_work(settings: RunSettings) -> Task[Path]:
    """The run of ``settings``, which must name its training sets and folder; see :func:`training.train`."""
    assert settings.run, "a run has a folder"
    config = TrainingConfig(**settings.training)
    return train_network(
        settings.datasets,
        settings.run,
        config,
        settings.network,
        weights.resolve_weights(settings.start),
    )


def _check_keys(path: Path, found: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    """Raise DatasetError unless all of ``found`` is named in ``kinds`` and of its kind."""
    if not isinstance(found, dict):
        raise DatasetError(f"{path} contains no settings. It must be a table of names and values")
    for name, value in found.items():
        if name not in kinds:
            raise DatasetError(
                f"{path}: unknown setting {name!r}. Available settings: {', '.join(sorted(kinds))}"
            )
        kind = kinds[name]
        fits = {float: (int, float), tuple: (list,)}.get(kind, (kind,))
        if not isinstance(value, fits) or (isinstance(value, bool) and kind is not bool):
            raise DatasetError(f"{path}: {name} is {value!r}, but must be of type {kind.__name__}")
