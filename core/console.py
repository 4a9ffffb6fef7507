"""Output on the console: lines that never fail, and the silence of native code."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

_ESCAPE = "backslashreplace"  # how Python writes what an encoding lacks: \\u0441


class Notice(UserWarning):
    """Something was ignored that does not keep the work from its end; a sentence for the user."""


def print_line(text: object = "", error: bool = False, end: str = "\n") -> None:
    """Write a line to stdout or stderr at once, whatever the console can take.

    What its encoding lacks is escaped. A console that is closed, or whose reader has gone away,
    does not end the work: its output is dropped.

    Args:
        text: The line.
        error: Whether it goes to stderr.
        end: What follows it.
    """
    stream = sys.stderr if error else sys.stdout
    if stream is None:  # closed before the start, or a program without a console
        return
    try:
        stream.write(printable(f"{text}{end}", stream))
        stream.flush()
    except (OSError, ValueError):
        _drop_output(stream)


def printable(text: str, stream: TextIO | None = None) -> str:
    """Return a text with what cannot be encoded escaped, such as names that are not UTF-8.

    Args:
        text: Any.
        stream: Where it is to be written; None for UTF-8, which Blender takes.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, _ESCAPE).decode(encoding)


@contextmanager
def safe_console() -> Iterator[None]:
    """Let prints of other code escape what the console lacks, and show notices as lines.

    Pillow's warnings are not shown: what of damaged files concerns the user is an error.
    """
    streams = [stream for stream in (sys.stdout, sys.stderr) if hasattr(stream, "reconfigure")]
    modes = [stream.errors for stream in streams]
    show_warning = warnings.showwarning

    def show_line(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, Notice):
            print_line(f"maquette: {message}", error=True)
        elif "PIL" not in Path(filename).parts:
            show_warning(message, category, filename, lineno, file, line)

    for stream in streams:
        stream.reconfigure(errors=_ESCAPE)
    warnings.showwarning = show_line
    try:
        yield
    finally:
        warnings.showwarning = show_warning
        for stream, mode in zip(streams, modes, strict=True):
            with suppress(OSError, ValueError):
                stream.reconfigure(errors=mode)


def flush_console() -> None:
    """Write what stdout and stderr still hold, if they can take it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            _drop_output(stream)


def hold_standard_streams() -> None:
    """Open what a shell has closed of stdin, stdout and stderr as the null device.

    Otherwise the next file that is opened would take their number, and get what native code prints.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number


@contextmanager
def silence_stdout() -> Iterator[None]:
    """Discard what is written to stdout while the context is active, also by native code.

    Blender, its renderer and its exporters write to the file descriptor. Exceptions pass.
    """
    with _silence(1):
        yield


@contextmanager
def silence_stderr() -> Iterator[None]:
    """Discard what is written to stderr while the context is active, as :func:`silence_stdout`.

    Exporters print tracebacks and hundreds of lines there about an error that is reported anyway.
    """
    with _silence(2):
        yield


@contextmanager
def _silence(descriptor: int) -> Iterator[None]:
    """Discard what is written to the file descriptor of stdout or stderr."""
    flush_console()
    try:
        saved = os.dup(descriptor)
    except OSError:  # a window without a console may have none
        yield
        return

    with Path(os.devnull).open("w") as null_device:
        os.dup2(null_device.fileno(), descriptor)
    try:
        yield
    finally:
        flush_console()
        os.dup2(saved, descriptor)
        os.close(saved)


def _drop_output(stream: TextIO) -> None:
    """Send what is still written to a stream to nowhere, also what it could not write so far."""
    with suppress(OSError, ValueError), Path(os.devnull).open("w") as null_device:
        os.dup2(null_device.fileno(), stream.fileno())
