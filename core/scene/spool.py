"""Finished views on disk until all of an object are there: few are in memory, and a run that was stopped goes on."""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import MeshArrays
from ..dataset import output
from ..dataset.records import Record, RenderedView, Shape, record_to_json, write_object
from ..errors import MeshError, OutputError

_ARRAYS = ("colour", "depth", "normal", "index", "flow", "surroundings")


class Spool:
    """The views of ``record`` that are finished, in the folder of its set; iterate over them once all are.

    A context: they go if its body is closed, as when a run is stopped where its scene can be edited, or finds that the
    object cannot be used. They stay if the process is killed, or the disk is full.

    Processes may share them. Those that an earlier run left of another record of that name are thrown away: of a scene
    that has changed since, in shape, cameras or frames; other changes are not seen.
    """

    def __init__(self, folder: Path, record: Record) -> None:
        kept = zlib.crc32(json.dumps(_rounded(record_to_json(record))).encode())
        self._set, self._record = folder, record
        self._folder = folder / "objects" / f".{record.name}.{kept:08x}.views"
        for other in self._folder.parent.glob(f".{record.name}.*.views"):
            if other != self._folder:
                shutil.rmtree(other, ignore_errors=True)

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind and issubclass(kind, GeneratorExit | MeshError):
            self._remove()

    def __contains__(self, place: int) -> bool:
        return zipfile.is_zipfile(self._path(place))  # not one that lost its end with the power

    def __iter__(self) -> Iterator[RenderedView]:
        for place, view in enumerate(self._record.views):
            path = self._path(place)
            try:
                with np.load(path) as data:
                    arrays = dict(data)
            except OSError as error:
                raise OutputError(f"{path} has been taken away by another process: run again") from error
            yield RenderedView(view.kind, view.camera, **arrays)

    def add(self, place: int, view: RenderedView) -> None:
        """Keep the view that is the ``place``-th of the record's.

        Raises:
            OutputError: the disk is full.
        """
        arrays = {name: getattr(view, name) for name in _ARRAYS if getattr(view, name) is not None}
        with output.whole(self._path(place)) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)

    def complete(self) -> bool:
        return all(place in self for place in range(len(self._record.views)))

    def gather(self, shape: Shape | None, mesh: MeshArrays | None) -> None:
        """Write the object, one view in memory at a time, and remove the views; another process may do the same.

        Raises:
            OutputError: the disk is full.
        """
        try:
            write_object(self._set, self._record, shape, self, mesh)
        except OutputError:
            if not (self._set / "objects" / f"{self._record.name}.tar").is_file():
                raise
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, place: int) -> Path:
        return self._folder / f"{place}.npz"


def _rounded(data: Any) -> Any:
    """``data`` of JSON, its numbers to five digits: the last ones differ from one processor to another."""
    if isinstance(data, dict):
        return {key: _rounded(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_rounded(value) for value in data]
    return float(f"{data:.5g}") if isinstance(data, float) else data
