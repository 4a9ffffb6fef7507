"""The settings of a run of the shape space or of a generator, as its ``config.json`` holds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from ....errors import DatasetError
from ..dense.config_file import updated
from .trainer import ShapeRunConfig

T = TypeVar("T")


def read_shape_config(path: Path) -> ShapeRunConfig:
    """Return the settings of a run of the shape space in ``path``, over the defaults.

    Raises:
        DatasetError: it is missing or damaged, or holds a setting that there is not.
    """
    return read_settings(path, ShapeRunConfig())


def read_settings(path: Path, defaults: T) -> T:
    """Return the settings in the JSON file ``path`` over ``defaults``, a dataclass.

    Raises:
        DatasetError: it is missing or damaged, or holds a setting that there is not.
    """
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError("it should hold names and values")
        return updated(defaults, settings)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from error
