"""What a run that was stopped goes on from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...errors import DatasetError


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write ``state`` whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(dict(state), partial)
    partial.replace(path)


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What :func:`write_checkpoint` was given, on ``device``.

    Raises:
        DatasetError: there is no such file, or it is no checkpoint.
    """
    if not path.is_file():
        raise DatasetError(f"The checkpoint {path} does not exist")
    try:
        return torch.load(path, weights_only=True, map_location=device)
    except Exception as error:  # the unpickler takes any bytes for orders, and fails as it may
        raise DatasetError(
            f"{path} is not a checkpoint or is incomplete. Choose another file, or copy it again"
        ) from error
