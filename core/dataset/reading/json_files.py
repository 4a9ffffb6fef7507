"""Parse JSON without taking more memory than a multiple of its size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import DatasetError
from . import limits
from .files import read_file

_SMALL = 2**20  # bytes; smaller texts need at most some 30 MB


def parse_json(data: bytes) -> Any:
    """Return the content of a JSON text in UTF-8.

    Raises:
        ValueError: It is not JSON, or too large or too deep.
    """
    if len(data) > limits.JSON_BYTES:
        raise ValueError(f"the JSON has {len(data)} bytes, more than {limits.JSON_BYTES}")
    if len(data) > _SMALL:
        _check_counts(data)
    try:
        return json.loads(data.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the dictionary in a JSON file.

    Raises:
        DatasetError: The file is missing, damaged or no dictionary.
    """
    try:
        content = parse_json(read_file(path, limits.JSON_BYTES))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, MemoryError) as error:
        raise DatasetError(f"{path} is damaged: {error}") from error

    if not isinstance(content, dict):
        raise DatasetError(f"{path} is damaged: it is no dictionary")
    return content


def _check_counts(data: bytes) -> None:
    """Refuse a text whose values would take far more memory than its bytes."""
    containers = data.count(b"[") + data.count(b"{")
    entries = data.count(b":")
    values = data.count(b",")

    if (
        containers > limits.JSON_CONTAINERS
        or entries > limits.JSON_ENTRIES
        or values > limits.JSON_VALUES
    ):
        raise ValueError(
            f"the JSON has {containers} containers, {entries} entries and {values} values"
        )
