"""Notes beside the objects of a set: why one is missing, and which file ended a run.

``NAME.skipped`` is one line of text. Before a mesh file is opened it says that a run ended there,
and it is removed afterwards: a run that is killed leaves it. The next run opens that file last. If
that run ends there, too, the file is left out from then on, like one that ended the process that
tries files, until it changes or its note is deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ... import atomic_files
from .mesh_files import IMPORTER

_ENDED_ONCE = "A run ended while this file was opened"
_ENDED_TWICE = "Two runs ended while this file was opened"


class SkipNote:
    """The note of one object.

    Args:
        folder: Of the set.
        name: Of the object.
        path: Its mesh file; None if it has none.
    """

    def __init__(self, folder: Path, name: str, path: Path | None) -> None:
        self._note = folder / "objects" / f"{name}.skipped"
        self._path = path
        self._is_suspect = self.read() == _ENDED_ONCE

    def read(self) -> str:
        """Return the text, "" without a note or if the mesh file is newer than it."""
        try:
            if self._path and self._path.stat().st_mtime > self._note.stat().st_mtime:
                return ""
            return self._note.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def is_suspect(self) -> bool:
        """Return whether an earlier run ended while the mesh file was opened."""
        return self._is_suspect

    def lasting_reason(self) -> str:
        """Return why the object must not be tried again; "" if it may be."""
        text = self.read()
        return text if text.startswith((_ENDED_TWICE, IMPORTER)) else ""

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Note that the mesh file is being opened, until the context is left."""
        if self._path is None:
            yield
            return
        self.write(_ENDED_TWICE if self._is_suspect else _ENDED_ONCE)
        try:
            yield
        finally:
            self.remove()

    def write(self, reason: str) -> None:
        """Note why the object is missing."""
        atomic_files.write_bytes(self._note, reason)

    def remove(self) -> None:
        """Remove the note."""
        self._note.unlink(missing_ok=True)
