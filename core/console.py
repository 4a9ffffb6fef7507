"""Output of native code on the console."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def silence_stdout() -> Iterator[None]:
    """Discard what is written to stdout while the context is active, also by native code.

    Blender, its renderer and its exporters write to the file descriptor. Exceptions pass.
    """
    sys.stdout.flush()
    saved_stdout = os.dup(1)
    with Path(os.devnull).open("w") as null_device:
        os.dup2(null_device.fileno(), 1)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(saved_stdout, 1)
            os.close(saved_stdout)
