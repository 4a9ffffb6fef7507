"""On what the model runs: by name, in this PyTorch. Imports torch only when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DependencyError

if TYPE_CHECKING:
    import torch

NAMES = ("auto", "cpu", "cuda", "mps")


def chosen(name: str) -> torch.device:
    """The device called ``name``, one of :data:`NAMES`; "auto" is the fastest that is there.

    Raises:
        DependencyError: it is not there.
    """
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if there[device])
    if not there[name]:
        raise DependencyError(
            f"PyTorch {torch.__version__} finds no {name.upper()} device. Choose Automatic or CPU in the preferences"
        )
    return torch.device(name)


def give_back(device: torch.device) -> None:
    """Let other programs have the memory that PyTorch keeps for its next call."""
    import torch

    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
