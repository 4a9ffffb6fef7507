"""The settings of a run of the dense network in a file: JSON, as its ``config.json``, or TOML."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ....errors import DatasetError
from .trainer import DenseRunConfig

T = TypeVar("T")

_ASIDE = ("datasets", "families")  # in the config.json of a run, but no settings


def read_dense_config(path: Path) -> DenseRunConfig:
    """Return the settings in the file ``path``, .toml or .json, over the defaults.

    Raises:
        DatasetError: it is missing, is neither, or holds a setting that there is not.
    """
    try:
        text = path.read_text(encoding="utf-8")
        settings = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise DatasetError(f"{path} is not {kind}: {error}") from error

    if not isinstance(settings, dict):
        raise DatasetError(f"{path} holds no settings: it should hold names and values")
    settings = {name: value for name, value in settings.items() if name not in _ASIDE}
    try:
        return updated(DenseRunConfig(), settings)
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from error


def updated(config: T, settings: Mapping[str, Any]) -> T:
    """Return the dataclass ``config`` with ``settings``, which may hold those of dataclasses in it.

    Raises:
        ValueError: a setting does not exist or is of another kind.
    """
    changes = {}
    names = [field.name for field in dataclasses.fields(config)]  # type: ignore[arg-type]
    for name, value in settings.items():
        if name not in names:
            raise ValueError(
                f"unknown setting {name!r}. Available settings: {', '.join(sorted(names))}"
            )
        changes[name] = _converted(name, getattr(config, name), value)

    return dataclasses.replace(config, **changes)  # type: ignore[type-var]


def _converted(name: str, default: Any, value: Any) -> Any:
    """Return ``value`` as the kind that ``default`` is of."""
    if dataclasses.is_dataclass(default):
        if not isinstance(value, Mapping):
            raise ValueError(f"{name} is {value!r}, and should hold names and values")
        return updated(default, value)
    if isinstance(default, tuple) and isinstance(value, list) and len(value) == len(default):
        return tuple(_converted(name, old, new) for old, new in zip(default, value, strict=True))
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        raise ValueError(f"{name} is {value!r}, and should be like {default!r}")
    return value
