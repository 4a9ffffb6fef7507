"""On what the model runs: by name, in this PyTorch. Imports torch only when asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...errors import DependencyError, DeviceError

if TYPE_CHECKING:
    import torch

NAMES = ("auto", "cpu", "cuda", "mps")


@contextmanager
def select_device(name: str) -> Iterator[torch.device]:
    """The device called ``name``, one of :data:`NAMES`; "auto" is the fastest that is there.

    Afterwards other programs have the memory that PyTorch would keep for its next call.

    Raises:
        DependencyError: it is not there. DeviceError: its memory did not suffice for what was done with it.
    """
    import torch

    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if there[device])
    if not there[name]:
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
