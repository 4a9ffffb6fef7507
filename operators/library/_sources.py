"""Which libraries are chosen, and where their indexes are."""

from __future__ import annotations

import zlib
from pathlib import Path

import bpy

from ...core.dataset.names import safe_name
from ...core.errors import LibraryError
from ...core.library.index_file import SUFFIX
from ...core.scene.library.scene_assets import write_collection
from .. import _results
from ._indexing import ASSETS, COLLECTION, FOLDER, LibrarySource

_KEPT = 40  # characters of the library's name in that of its index
_PACKAGE = __package__.rpartition(".operators.")[0]


class LibraryChoice:
    """Mix-in of the operators that use libraries: what their properties choose."""

    source: str
    library: str
    folder: str
    collection: str
    index_file: str

    def chosen_places(self) -> list[LibrarySource]:
        """Return the chosen libraries, without the objects of a collection.

        Raises:
            LibraryError: None is chosen, or it does not exist.
        """
        if self.source == COLLECTION:
            return [self._collection_place()]
        if self.source == FOLDER:
            if not self.folder:
                raise LibraryError("Choose a folder of mesh files first")
            root = _results.absolute_path(self.folder)
            return [self._place(FOLDER, root, root.name)]

        return self._asset_library_places()

    def chosen_sources(self) -> list[LibrarySource]:
        """Return the chosen libraries to be indexed.

        Raises:
            LibraryError: As :meth:`chosen_places`.
            SceneError: The collection has no object with faces.
            OutputError: Its objects cannot be written to a temporary file.
        """
        places = self.chosen_places()
        if self.source != COLLECTION:
            return places
        (place,) = places
        scene = write_collection(bpy.data.collections[self.collection])
        return [LibrarySource(place.kind, place.root, place.index, scene)]

    def _asset_library_places(self) -> list[LibrarySource]:
        libraries = bpy.context.preferences.filepaths.asset_libraries

        # One library, or all of them.
        chosen = [each for each in libraries if self.library in ("", each.name)]
        if not self.library:
            # Blender comes with a library in a folder that the user may never have made.
            chosen = [each for each in chosen if each.path and _folder_of(each).is_dir()]

        if not chosen and self.library:
            raise LibraryError(
                f"There is no asset library {self.library!r} in Blender's preferences. Choose "
                "another one"
            )
        if not chosen:
            raise LibraryError(
                "There is no folder of an asset library in Blender's preferences. Add one under "
                "File Paths > Asset Libraries, or choose a folder here"
            )
        if self.index_file and len(chosen) > 1:
            raise LibraryError("Several libraries cannot share an index. Choose one of them")
        return [self._place(ASSETS, _folder_of(each), each.name) for each in chosen]

    def _collection_place(self) -> LibrarySource:
        if self.collection not in bpy.data.collections:
            raise LibraryError("Choose a collection of this file first")
        root = Path(bpy.data.filepath)  # of no part if the file was not saved
        return self._place(COLLECTION, root, self.collection)

    def _place(self, kind: str, root: Path, name: str) -> LibrarySource:
        index = index_path(kind, root, name)
        if self.index_file:
            index = _results.absolute_path(self.index_file)
        return LibrarySource(kind, root, index)


def _folder_of(library: bpy.types.UserAssetLibrary) -> Path:
    """Return the folder of an asset library of the preferences."""
    return _results.absolute_path(library.path)


def index_path(kind: str, root: Path, name: str) -> Path:
    """Return where the index of a library is, unless a file is chosen.

    It is in the user's folder of the extension, so that libraries may be read-only.

    Args:
        kind: See :class:`LibrarySource`.
        root: Of the library.
        name: Of the library, as the file is to be called.
    """
    text = f"{kind} {root} {name}"
    number = zlib.crc32(text.encode("utf-8", "surrogateescape"))
    return _indexes_folder() / f"{safe_name(name)[:_KEPT]}-{number:08x}{SUFFIX}"


def _indexes_folder() -> Path:
    """Return the folder of the indexes, which may not exist."""
    try:
        return Path(bpy.utils.extension_path_user(_PACKAGE, path="libraries"))
    except ValueError:  # it is no extension, as in a script
        return Path(bpy.utils.user_resource('DATAFILES', path="maquette_libraries"))
