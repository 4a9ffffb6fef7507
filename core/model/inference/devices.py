"""Devices on which PyTorch computes. torch is imported when a device is selected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...errors import DependencyError, DeviceError

if TYPE_CHECKING:
    import torch

NAMES = ("auto", "cpu", "cuda", "mps")
_FASTEST_FIRST = ("cuda", "mps", "cpu")


@contextmanager
def select_device(name: str) -> Iterator[torch.device]:
    """Return the device ``name`` for a block of code.

    On exit, memory that PyTorch would keep for its next call is released for other programs.

    Args:
        name: One of :data:`NAMES`; "auto" is the fastest available device.

    Raises:
        DependencyError: The device is not available.
        DeviceError: The memory of the device did not suffice for the block.
    """
    import torch

    is_available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        name = next(device for device in _FASTEST_FIRST if is_available[device])
    if not is_available[name]:
        raise DependencyError(
            f"PyTorch {torch.__version__} found no {name.upper()} device. Choose Automatic or "
            "CPU in the preferences"
        )

    try:
        yield torch.device(name)
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"The {name.upper()} device ran out of memory. Lower the resolution, or choose CPU "
            "in the preferences"
        ) from error
    finally:
        if name == "cuda":
            torch.cuda.empty_cache()
        elif name == "mps":
            torch.mps.empty_cache()
