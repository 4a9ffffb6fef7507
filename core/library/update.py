"""What of a library has changed since it was indexed, and the new index.

A file counts as unchanged if its time and size are, or else its content. An asset keeps its vectors
while its file does, also under another path. Textures and buffers beside a mesh file are not looked
at.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import LibraryError
from .index_file import LibraryIndex, compress_thumbnail
from .records import (
    FILE,
    AssetEntry,
    AssetName,
    EmbeddingInfo,
    FileStamp,
    LibraryFile,
    asset_id,
    asset_key,
)
from .views import THUMBNAIL_VIEW, view_directions

WHOLE_FILE = ""  # key of the problem of a whole file
_Stored = tuple[NDArray[np.float16], bytes]  # vectors (V, D) and thumbnail of an asset


def list_files(root: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files below a folder that have one of ``suffixes``, sorted.

    Hidden files and folders are left out, as are folders that cannot be read.

    Raises:
        LibraryError: There is no such folder.
    """
    if not root.is_dir():
        raise LibraryError(f"There is no folder {root}")
    found = []
    for parent, folders, names in os.walk(root):
        # os.walk goes into the folders that are left in its list.
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                found.append(Path(parent, name))

    return sorted(found)


class IndexBuilder:
    """The index of a library while it is brought up to date.

    Args:
        embedding: What makes the vectors.
        root: Folder of the library.
        source: See :class:`LibraryIndex`.
        old: The index so far; None for none. One of another embedding is of no use.
    """

    def __init__(
        self, embedding: EmbeddingInfo, root: str, source: str, old: LibraryIndex | None = None
    ) -> None:
        self._embedding = embedding
        self._root = root
        self._source = source
        self._files: dict[str, LibraryFile] = {}
        self._stored: dict[str, _Stored] = {}
        self._added: set[str] = set()

        # What may be kept: by the path of the file, and by its content.
        usable = old if old and old.embedding == embedding.version else None
        self._old_files: Mapping[str, LibraryFile] = usable.files if usable else {}
        self._old_stored: dict[str, _Stored] = {}
        self._old_by_digest: dict[str, LibraryFile] = {}
        if usable:
            self._take_old(usable)

    def _take_old(self, old: LibraryIndex) -> None:
        for row, entry in enumerate(old.entries):
            self._old_stored[entry.id] = (old.vectors[row], old.thumbnails[row])
        for file in old.files.values():
            if file.stamp.digest:
                self._old_by_digest[file.stamp.digest] = file

    def known_file(self, path: str, stamp: FileStamp) -> LibraryFile | None:
        """Return what is known of a file that has not changed; None if it has, or is new.

        Args:
            path: Within the library.
            stamp: Of the file now. Without a digest its time and size decide, with one its content.
        """
        old = self._old_files.get(path)

        # The same time and size, or the same content, also under another name.
        if old and stamp.is_same_time(old.stamp):
            return old
        if not stamp.digest:
            return None
        if old and old.stamp.digest == stamp.digest:
            return old
        return self._old_by_digest.get(stamp.digest)

    def keep_file(self, known: LibraryFile, path: str, stamp: FileStamp) -> None:
        """Take over a file that has not changed, with the assets that are indexed.

        Args:
            known: From :meth:`known_file`, perhaps under another path.
            path: Of the file now.
            stamp: Of the file now.
        """
        # The file as it is now, with the assets that it had.
        digest = stamp.digest or known.stamp.digest
        assets = known.assets
        if path != known.path:
            assets = _renamed(assets, path)
        self._files[path] = replace(
            known, path=path, stamp=replace(stamp, digest=digest), assets=assets
        )

        # Vectors and thumbnails go with the assets.
        for old_asset, asset in zip(known.assets, assets, strict=True):
            stored = self._old_stored.get(asset_id(known.path, old_asset))
            if stored:
                self._stored[asset_id(path, asset)] = stored

    def set_file(self, file: LibraryFile) -> None:
        """Add a file that is new or has changed; none of its assets is indexed yet."""
        self._files[file.path] = file

    def has_file(self, path: str) -> bool:
        """Return whether a file was kept or set."""
        return path in self._files

    def set_scene(self, file: LibraryFile, digests: Mapping[AssetName, str]) -> None:
        """Set the objects of a scene; those of the same digest as before stay indexed.

        Args:
            file: That stands for the scene.
            digests: Of its objects.
        """
        # A scene has no time: its objects are compared by what they look like.
        stored_digests = {asset_key(asset): digest for asset, digest in digests.items()}
        old = self._old_files.get(file.path)
        self._files[file.path] = replace(file, digests=stored_digests)

        for asset in file.assets:
            key = asset_key(asset)
            is_same = old is not None and old.digests.get(key) == stored_digests[key]
            entry_id = asset_id(file.path, asset)
            stored = self._old_stored.get(entry_id)
            if is_same and stored:
                self._stored[entry_id] = stored

    def missing_assets(self, path: str) -> list[AssetName]:
        """Return the assets of a file that are neither indexed nor left out for a reason."""
        file = self._files[path]
        missing = []
        for asset in file.assets:
            is_known = asset_id(path, asset) in self._stored
            if not is_known and asset_key(asset) not in file.problems:
                missing.append(asset)
        return missing

    def add_asset(
        self,
        path: str,
        asset: AssetName,
        vectors: NDArray[np.float32],
        images: NDArray[np.uint8],
    ) -> None:
        """Add an asset.

        Args:
            path: Of its file.
            asset: Where it is in the file.
            vectors: (V, D) of unit length.
            images: (V, S, S, 4) the views.
        """
        # Half precision is enough for a search.
        thumbnail = compress_thumbnail(images[THUMBNAIL_VIEW])
        entry_id = asset_id(path, asset)
        self._stored[entry_id] = (vectors.astype(np.float16), thumbnail)
        self._added.add(entry_id)

    def note_problem(self, path: str, asset: AssetName | None, reason: str) -> None:
        """Note why an asset, or a whole file, is left out until the file changes."""
        file = self._files[path]
        key = asset_key(asset) if asset else WHOLE_FILE
        self._files[path] = replace(file, problems={**file.problems, key: reason})

    def problems(self) -> dict[str, str]:
        """Return why files and assets are left out, by their names."""
        reasons = {}
        for path, file in self._files.items():
            for key, reason in file.problems.items():
                reasons[f"{path} {key}".strip()] = reason
        return reasons

    def added_count(self) -> int:
        """Return how many assets are new or were rendered again."""
        return len(self._added)

    def removed_count(self) -> int:
        """Return how many assets of the old index are not in the new one."""
        return len(self._old_stored.keys() - self._stored.keys())

    def to_index(self) -> LibraryIndex:
        """Return the index of all that was kept and added so far."""
        # In the order of files and of their assets.
        entries = tuple(self._entries())
        stored = [self._stored[entry.id] for entry in entries]
        view_count = len(view_directions())
        vectors = np.zeros((len(entries), view_count, self._embedding.dimensions), np.float16)
        for row, (asset_vectors, _) in enumerate(stored):
            vectors[row] = asset_vectors

        return LibraryIndex(
            embedding=self._embedding.version,
            root=self._root,
            source=self._source,
            files=dict(self._files),
            entries=entries,
            vectors=vectors,
            thumbnails=tuple(thumbnail for _, thumbnail in stored),
        )

    def _entries(self) -> Iterator[AssetEntry]:
        for path, file in self._files.items():
            for asset in file.assets:
                entry_id = asset_id(path, asset)
                if entry_id in self._stored:
                    yield AssetEntry(entry_id, path, asset)


def _renamed(assets: Sequence[AssetName], path: str) -> tuple[AssetName, ...]:
    """Return assets after their file was moved to ``path``: a whole file is named as it is."""
    stem = Path(path).stem
    return tuple(replace(asset, name=stem) if asset.kind == FILE else asset for asset in assets)
