"""Output of native code on the console."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def silence_stdout() -> Iterator[None]:
    """Discard what is written to stdout while the context is active, also by native code.

    Blender, its renderer and its exporters write to the file descriptor. Exceptions pass.
    """
    with _silence(sys.stdout, 1):
        yield


@contextmanager
def silence_stderr() -> Iterator[None]:
    """Discard what is written to stderr while the context is active, as :func:`silence_stdout`.

    Exporters print tracebacks and hundreds of lines there about an error that is reported anyway.
    """
    with _silence(sys.stderr, 2):
        yield


@contextmanager
def _silence(stream: TextIO | None, descriptor: int) -> Iterator[None]:
    """Discard what is written to ``stream`` and to the file descriptor that it belongs to."""
    try:
        saved = os.dup(descriptor)
    except OSError:  # a window without a console may have none
        yield
        return

    if stream:
        stream.flush()
    with Path(os.devnull).open("w") as null_device:
        os.dup2(null_device.fileno(), descriptor)
    try:
        yield
    finally:
        if stream:
            stream.flush()
        os.dup2(saved, descriptor)
        os.close(saved)
