"""Checkpoint files, from which an interrupted run resumes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch

from ...atomic_files import atomic_write
from ...errors import DatasetError, OutputError
from ..networks.reconstruction import NetworkConfig


class Stored(Protocol):
    """A network or an optimizer: what has a state that a checkpoint holds."""

    def state_dict(self) -> Any:
        """Return the state."""

    def load_state_dict(self, state_dict: Any) -> Any:
        """Take the state."""


def save_parts(path: Path, step: int, parts: Mapping[str, Stored], **extra: dict[str, Any]) -> None:
    """Write everything that a resumed run needs, atomically.

    Args:
        path: file to write.
        step: number of steps done.
        parts: networks and optimizers by their keys in the checkpoint.
        extra: more entries, such as the configuration.

    Raises:
        OutputError: the disk is full or the folder cannot be written.
    """
    states = {key: part.state_dict() for key, part in parts.items()}
    write_checkpoint(path, {"step": step, **states, **extra})


def load_parts(path: Path, parts: Mapping[str, Stored], device: torch.device | str = "cpu") -> int:
    """Give ``parts`` the states that :func:`save_parts` wrote.

    Args:
        path: file to read.
        parts: networks and optimizers by their keys in the checkpoint.
        device: of the tensors that are read.

    Returns:
        The number of steps done.

    Raises:
        DatasetError: there is no such file, or it is a checkpoint of something else.
    """
    state = read_checkpoint(path, device, ("step", *parts))
    with blame_checkpoint(path):
        for key, part in parts.items():
            part.load_state_dict(state[key])
        return int(state["step"])


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically: the file is complete or as it was.

    Args:
        path: file to write.
        state: tensors, plain values, and dictionaries of them.

    Raises:
        OutputError: the disk is full or the folder cannot be written.
    """
    with atomic_write(path) as partial:
        try:
            torch.save(dict(state), partial)
        except RuntimeError as error:  # its writer in C++ has no other
            raise OutputError(
                f"{path} could not be written completely. Free some space and run again"
            ) from error


def read_checkpoint(
    path: Path, device: torch.device | str = "cpu", entries: Collection[str] = ()
) -> dict[str, Any]:
    """Return what :func:`write_checkpoint` wrote, with its tensors on ``device``.

    Args:
        path: file to read.
        device: of the tensors.
        entries: keys that it must have.

    Raises:
        DatasetError: there is no such file, it is no checkpoint, or it is one of something else.
    """
    if not path.is_file():
        raise DatasetError(f"The checkpoint {path} does not exist")
    try:
        state = torch.load(path, weights_only=True, map_location=device)
    except (
        Exception
    ) as error:  # the unpickler takes any bytes for instructions, and fails in many ways
        raise DatasetError(
            f"{path} is not a checkpoint or is incomplete. Choose another file, or copy it again"
        ) from error

    if not isinstance(state, dict) or not set(entries) <= state.keys():
        raise _other_checkpoint(path)
    return state


@contextmanager
def blame_checkpoint(path: Path) -> Iterator[None]:
    """Report content that does not fit the network or the optimizer as an error of ``path``.

    Raises:
        DatasetError: something did not fit.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise _other_checkpoint(path) from error


def network_config(path: Path, state: Mapping[str, Any]) -> NetworkConfig:
    """Return the sizes of the reconstruction network in a checkpoint.

    Args:
        path: of the checkpoint.
        state: its content.

    Raises:
        DatasetError: it is a checkpoint of another network.
    """
    try:
        return NetworkConfig(**state["network"])
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{path} is not a checkpoint of the reconstruction network. Choose another file"
        ) from error


def _other_checkpoint(path: Path) -> DatasetError:
    return DatasetError(
        f"{path} is not a checkpoint of this network: it is one of another network or of something "
        "else. Choose another file or another folder of the run"
    )
