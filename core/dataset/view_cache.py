"""Finished views on disk until all of an object are there: few are in memory, and a run that was stopped goes on."""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..errors import MeshError, OutputError
from . import atomic_files
from .records import Record, RenderedView, Shape, record_to_json, write_object

_ARRAYS = ("colour", "depth", "normal", "index", "flow", "surroundings", "albedo", "occlusion")


class ViewCache:
    """The views of ``record`` that are finished, in the folder of its set; iterate over them once all are.

    A context: they go if its body is closed, as when a run is stopped where its scene can be edited, or finds that the
    object cannot be used. They stay if the process is killed, or the disk is full.

    Processes may share them. Those that an earlier run left of another record of that name are thrown away: of a scene
    that has changed since, in shape, cameras or frames; other changes are not seen.
    """

    def __init__(self, folder: Path, record: Record) -> None:
        kept = zlib.crc32(json.dumps(_round_numbers(record_to_json(record))).encode())
        self._set = folder
        self._record = record
        self._folder = folder / "objects" / f".{record.name}.{kept:08x}.views"
        for other in self._folder.parent.glob(f".{record.name}.*.views"):
            if other != self._folder:
                shutil.rmtree(other, ignore_errors=True)

    def __enter__(self) -> ViewCache:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind and issubclass(kind, GeneratorExit | MeshError):
            self._remove_folder()

    def __contains__(self, place: int) -> bool:
        return self.has(str(place))

    def __iter__(self) -> Iterator[RenderedView]:
        for place, view in enumerate(self._record.views):
            with self._opened_arrays(self._file_path(str(place))) as data:
                arrays = dict(data)
            yield RenderedView(view.kind, view.camera, **arrays)

    def put_view(self, place: int, view: RenderedView) -> None:
        """Keep the view that is the ``place``-th of the record's.

        Raises:
            OutputError: the disk is full.
        """
        arrays = {name: getattr(view, name) for name in _ARRAYS if getattr(view, name) is not None}
        self.put(str(place), arrays)

    def put(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep what else was found out, until the object is written.

        Raises:
            OutputError: the disk is full.
        """
        with (
            atomic_files.atomic_write(self._file_path(name)) as partial,
            partial.open("wb") as file,
        ):
            np.savez(file, **arrays)

    def has(self, name: str) -> bool:
        return zipfile.is_zipfile(self._file_path(name))  # not one that lost its end with the power

    def get(self, name: str, only: Collection[str] = ()) -> dict[str, NDArray[Any]]:
        """What :meth:`put` was given, or ``only`` those arrays of it that are named."""
        with self._opened_arrays(self._file_path(name)) as data:
            return {key: data[key] for key in data if not only or key in only}

    def is_complete(self) -> bool:
        return all(place in self for place in range(len(self._record.views)))

    def finalize(
        self,
        shape: Shape | None,
        mesh: MeshArrays | None,
        record: Record | None = None,
        shapes: Iterable[tuple[Shape | None, MeshArrays | None]] = (),
        small: bool = False,
    ) -> None:
        """Write the object, one view in memory at a time, and remove the views; another process may do the same.

        Args:
            record: with what has been found out since, in place of that which the views were made by.
            shape, mesh, shapes, small: see ``write_object``.

        Raises:
            OutputError: the disk is full.
        """
        try:
            write_object(self._set, record or self._record, shape, self, mesh, shapes, small)
        except OutputError:
            if not (self._set / "objects" / f"{self._record.name}.tar").is_file():
                raise
        self._remove_folder()

    def _remove_folder(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file_path(self, name: str) -> Path:
        return self._folder / f"{name}.npz"

    @staticmethod
    @contextmanager
    def _opened_arrays(path: Path) -> Iterator[Mapping[str, NDArray[Any]]]:
        try:
            with np.load(path) as data:
                yield data
        except OSError as error:
            raise OutputError(f"{path} was removed by another process. Run again") from error


def _round_numbers(data: Any) -> Any:
    """``data`` of JSON, its numbers to five digits: the last ones differ from one processor to another."""
    if isinstance(data, dict):
        return {key: _round_numbers(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_round_numbers(value) for value in data]
    return float(f"{data:.5g}") if isinstance(data, float) else data
