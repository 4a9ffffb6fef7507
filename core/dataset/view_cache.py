"""Finished views on disk until an object is complete.

Few views are in memory at a time, and a run that was stopped continues with those that exist.
"""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import atomic_files
from ..arrays import MeshArrays
from ..errors import MeshError, OutputError
from .object_file import write_compact_object, write_object
from .reading import limits
from .reading.arrays import read_npz
from .reading.files import describe_damage, open_regular
from .record_json import record_to_json
from .records import Record, RenderedView, Shape

# Fields of RenderedView, and names of the arrays in the files
_ARRAYS = (
    "colour",
    "depth",
    "normal",
    "index",
    "flow",
    "surroundings",
    "albedo",
    "occlusion",
    "parts",
)


class ViewCache:
    """The finished views of an object; iterate over them once all exist.

    A context manager: the views are removed if its body is closed, as when the user stops a run, or
    if the object turns out to be unusable. They stay if the process is killed or the disk is full.

    Several processes may share the views. Views that an earlier run left of another record of the
    same name are removed: the scene has changed since, in shape, cameras or frames. Other changes
    are not noticed.

    Args:
        folder: Of the training set.
        record: Of the object.
    """

    def __init__(self, folder: Path, record: Record) -> None:
        # The name of the folder identifies the record.
        rounded_record = _round_numbers(record_to_json(record))
        checksum = zlib.crc32(json.dumps(rounded_record).encode())
        self._set = folder
        self._record = record
        self._folder = folder / "objects" / f".{record.name}.{checksum:08x}.views"

        # Views of earlier versions of the object
        for other in self._folder.parent.glob(f".{record.name}.*.views"):
            if other != self._folder:
                shutil.rmtree(other, ignore_errors=True)

    def __enter__(self) -> ViewCache:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # A generator that is closed raises GeneratorExit in its body.
        if kind and issubclass(kind, GeneratorExit | MeshError):
            self._remove_folder()

    def __contains__(self, index: int) -> bool:
        return self.has(str(index))

    def __iter__(self) -> Iterator[RenderedView]:
        for index, view in enumerate(self._record.views):
            arrays = self.get(str(index))
            yield RenderedView(kind=view.kind, camera=view.camera, **arrays)

    def put_view(self, index: int, view: RenderedView) -> None:
        """Store a view.

        Args:
            index: Of the view in the record.
            view: Its images.

        Raises:
            OutputError: The disk is full.
        """
        arrays = {name: getattr(view, name) for name in _ARRAYS if getattr(view, name) is not None}
        self.put(str(index), arrays)

    def put(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Store further arrays until the object is written.

        Args:
            name: To find them again; not a number, since these are the names of the views.
            arrays: By their names.

        Raises:
            OutputError: The disk is full.
        """
        path = self._file_path(name)
        with (
            atomic_files.atomic_write(path, durable=False) as partial,
            partial.open("wb") as file,
        ):
            np.savez(file, **arrays)

    def has(self, name: str) -> bool:
        """Return whether the arrays called ``name`` are stored.

        A file that lost its end in a power failure does not count.
        """
        path = self._file_path(name)
        return path.is_file() and zipfile.is_zipfile(path)

    def get(self, name: str, only: Collection[str] = ()) -> dict[str, NDArray[Any]]:
        """Return what :meth:`put` was given.

        Args:
            name: Of the arrays.
            only: Names of the arrays to read; empty for all.
        """
        path = self._file_path(name)
        try:
            with (
                open_regular(path) as file,
                describe_damage(f"{path} is damaged. Remove it and run again"),
            ):
                return read_npz(file, limits.MEMBER_BYTES, only)
        except OSError as error:
            raise OutputError(f"{path} was removed by another process. Run again") from error

    def is_complete(self) -> bool:
        """Return whether all views of the record are stored."""
        return all(index in self for index in range(len(self._record.views)))

    def finalize(
        self,
        shape: Shape | None,
        mesh: MeshArrays | None,
        record: Record | None = None,
        shapes: Iterable[tuple[Shape | None, MeshArrays | None]] = (),
        small: bool = False,
    ) -> None:
        """Write the object and remove the views. Another process may do the same.

        One view is in memory at a time.

        Args:
            shape: See ``write_object``.
            mesh: See ``write_object``.
            record: With what has been found out since, to write instead of the first record.
            shapes: See ``write_object``.
            small: Whether to write the compact form.

        Raises:
            OutputError: The disk is full.
        """
        # Views are read from the files while the object is written.
        final_record = record or self._record
        try:
            if small and shape is not None:
                write_compact_object(self._set, final_record, shape, self)
            else:
                write_object(self._set, final_record, shape, self, mesh, shapes)
        except OutputError:
            # Another process that has written the object may have removed the views.
            if not (self._set / "objects" / f"{self._record.name}.tar").is_file():
                raise

        self._remove_folder()

    def _remove_folder(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file_path(self, name: str) -> Path:
        return self._folder / f"{name}.npz"


def _round_numbers(data: Any) -> Any:
    """Return JSON data with its floats rounded to five significant digits.

    The last digits differ between processors.
    """
    if isinstance(data, dict):
        return {key: _round_numbers(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_round_numbers(value) for value in data]
    return float(f"{data:.5g}") if isinstance(data, float) else data
