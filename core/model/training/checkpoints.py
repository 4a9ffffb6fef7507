"""Checkpoint files, from which an interrupted run resumes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...errors import DatasetError


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically: the file is complete or as it was.

    Args:
        path: file to write.
        state: tensors, plain values, and dictionaries of them.
    """
    partial = path.with_suffix(".partial")
    torch.save(dict(state), partial)
    partial.replace(path)


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Return what :func:`write_checkpoint` wrote, with its tensors on ``device``.

    Raises:
        DatasetError: there is no such file, or it is no checkpoint.
    """
    if not path.is_file():
        raise DatasetError(f"The checkpoint {path} does not exist")
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location=device)
    except (
        Exception
    ) as error:  # the unpickler takes any bytes for instructions, and fails in many ways
        raise DatasetError(
            f"{path} is not a checkpoint or is incomplete. Choose another file, or copy it again"
        ) from error
    return state
