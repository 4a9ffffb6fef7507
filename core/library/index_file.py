"""The index of a library on disk: an .npz file, stored without compression.

    maquette_library   (3,) int32: version of the layout, number of views, length of a vector
    texts              bytes of a JSON text: embedding, root, source, and files with their assets
    assets             (N, 2) int32: position of its file, and its own among the assets of that
    directions         (V, 3) float32: from an asset to the viewers of its views
    vectors            (N, V, D) float16: of the views of each asset, unit length
    thumbnail_ends     (N,) int64: where each asset's thumbnail ends among the bytes of all
    thumbnails         bytes: thumbnails (S, S, 4) uint8, each compressed by zlib

The first array names the file: it tells a damaged index, which may be replaced, from a file of
somebody else, which may not. Nothing in the file is trusted: sizes are checked before memory is
taken, and arrays hold numbers alone.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic_files import atomic_write
from ..dataset.reading.arrays import read_npz
from ..dataset.reading.files import DAMAGE_ERRORS, open_regular
from ..dataset.reading.json_files import parse_json
from ..errors import LibraryError
from .records import KINDS, AssetEntry, AssetName, FileStamp, LibraryFile, asset_id
from .views import SIZE, view_directions

SUFFIX = ".npz"
MOST_ASSETS = 100_000  # of a library: 1.2 million vectors, 0.5 GB
_MARK = "maquette_library"
_VERSION = 1
_MOST_BYTES = 1 << 33  # of all arrays
_MOST_DIMENSIONS = 4096  # of a vector
_MOST_VIEWS = 64
_MARK_PLACE = 30  # bytes before the name of the first member in a zip
_THUMBNAIL_BYTES = SIZE * SIZE * 4
_ZLIB_LEVEL = 6


@dataclass(frozen=True)
class LibraryIndex:
    """An index in memory.

    Attributes:
        embedding: Name and version of what made the vectors; others cannot be compared.
        root: Folder of the library; "" for a collection of a scene.
        source: What was indexed: "ASSETS", "FOLDER" or "COLLECTION".
        files: Of the library, by their paths.
        entries: The assets.
        vectors: (N, V, D) float16, of unit length.
        thumbnails: Of the assets, compressed; empty if they were not read.
        directions: (V, 3) float32, from an asset to the viewers of its views.
    """

    embedding: str
    root: str
    source: str
    files: Mapping[str, LibraryFile]
    entries: tuple[AssetEntry, ...]
    vectors: NDArray[np.float16]
    thumbnails: tuple[bytes, ...] = ()
    directions: NDArray[np.float32] = field(default_factory=view_directions)

    def file_of(self, entry: AssetEntry) -> Path | None:
        """Return the absolute path of the file of an asset; None for an unsaved scene."""
        if entry.path:
            return Path(self.root) / entry.path
        return Path(self.root) if self.root else None


def write_index(path: Path, index: LibraryIndex) -> None:
    """Write an index; an older file stays until the new one is complete.

    Raises:
        LibraryError: It has more assets than are supported.
        OutputError: The file cannot be written.
    """
    if len(index.entries) > MOST_ASSETS:
        raise LibraryError(
            f"The library has {len(index.entries):,} assets, but an index can hold "
            f"{MOST_ASSETS:,}. Index its subfolders one by one"
        )

    texts = {
        "embedding": index.embedding,
        "root": index.root,
        "source": index.source,
        "files": [asdict(file) for file in index.files.values()],
    }

    # Numbers only, so that nothing is executed when they are read.
    lengths = [len(thumbnail) for thumbnail in index.thumbnails]
    shape = (_VERSION, index.vectors.shape[1], index.vectors.shape[2])
    arrays: dict[str, NDArray[Any]] = {
        _MARK: np.array(shape, np.int32),
        "texts": np.frombuffer(json.dumps(texts).encode(), np.uint8),
        "assets": _asset_positions(index),
        "directions": index.directions.astype(np.float32),
        "vectors": index.vectors.astype(np.float16),
        "thumbnail_ends": np.cumsum(lengths, dtype=np.int64),
        "thumbnails": np.frombuffer(b"".join(index.thumbnails), np.uint8),
    }
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def read_index(path: Path, with_thumbnails: bool = False) -> LibraryIndex:
    """Return the index of a file.

    Args:
        path: Of the file.
        with_thumbnails: Whether to read the thumbnails as well, most of the file.

    Raises:
        LibraryError: It is missing, damaged, no index, or of another version.
    """
    try:
        with open_regular(path) as file:
            # Thumbnails are most of the file, and searches do not need them.
            only = {_MARK, "texts", "assets", "directions", "vectors"}
            if with_thumbnails:
                only |= {"thumbnails", "thumbnail_ends"}
            arrays = read_npz(file, _MOST_BYTES, only)
        return _parse_index(arrays, with_thumbnails)
    except FileNotFoundError as error:
        raise LibraryError(f"There is no index {path}. Index the library first") from error
    except DAMAGE_ERRORS as error:
        # A damaged index may be made anew, another file must not be touched.
        if not is_index(path):
            raise LibraryError(
                f"{path} is not an index of a library. Choose another file"
            ) from error
        reason = str(error).splitlines() or [type(error).__name__]
        raise LibraryError(
            f"The index {path} is damaged ({reason[0]}). Index the library again"
        ) from error


@lru_cache(maxsize=8)
def _read_cached(path: Path, stamp: tuple[int, int]) -> LibraryIndex:
    """Read an index; ``stamp`` is its time and size, so that a changed file is read again."""
    return read_index(path)


def read_index_once(path: Path) -> LibraryIndex:
    """Return the index of a file without thumbnails, kept in memory until the file changes.

    Raises:
        LibraryError: As :func:`read_index`.
    """
    try:
        status = path.stat()
    except (OSError, ValueError):
        return read_index(path)  # which says what is wrong
    return _read_cached(path, (status.st_mtime_ns, status.st_size))


def is_index(path: Path) -> bool:
    """Return whether a file is an index of this project, perhaps a damaged one."""
    try:
        with open_regular(path) as file:
            start = file.read(_MARK_PLACE + len(_MARK))
    except (OSError, ValueError):
        return False
    return start[_MARK_PLACE:] == _MARK.encode()


def read_thumbnails(path: Path, rows: Sequence[int]) -> list[NDArray[np.uint8]]:
    """Return the thumbnails (S, S, 4) of some assets, without reading those of all.

    Args:
        path: Of the index.
        rows: Positions of the assets in it. One whose thumbnail is damaged is transparent.

    Raises:
        LibraryError: The index is missing or damaged.
    """
    try:
        with open_regular(path) as file:
            # From the end of one thumbnail to that of the next.
            ends = read_npz(file, _MOST_BYTES, {"thumbnail_ends"})["thumbnail_ends"]
            begin = _data_begin(file, "thumbnails.npy")
            images = []
            for row in rows:
                start = int(ends[row - 1]) if row else 0
                file.seek(begin + start)
                images.append(expand_thumbnail(file.read(int(ends[row]) - start)))
        return images
    except DAMAGE_ERRORS as error:
        raise LibraryError(
            f"The thumbnails of {path} cannot be read. Index the library again"
        ) from error


def compress_thumbnail(image: NDArray[np.uint8]) -> bytes:
    """Return a thumbnail (S, S, 4) as it is stored."""
    return zlib.compress(np.ascontiguousarray(image).tobytes(), _ZLIB_LEVEL)


def expand_thumbnail(data: bytes) -> NDArray[np.uint8]:
    """Return a stored thumbnail (S, S, 4); a transparent one if it is damaged."""
    expander = zlib.decompressobj()
    try:
        pixels = expander.decompress(data, _THUMBNAIL_BYTES)
    except zlib.error:
        pixels = b""

    if len(pixels) != _THUMBNAIL_BYTES:
        return np.zeros((SIZE, SIZE, 4), np.uint8)
    return np.frombuffer(pixels, np.uint8).reshape(SIZE, SIZE, 4)


def _data_begin(file: io.BufferedIOBase | Any, name: str) -> int:
    """Return the byte at which the numbers of a stored array of an .npz file begin.

    Raises:
        ValueError: It is compressed.
    """
    with zipfile.ZipFile(file) as archive:
        info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")

    # The header of the member in the zip, then that of the array.
    file.seek(info.header_offset + _MARK_PLACE - 4)
    name_length = int.from_bytes(file.read(2), "little")
    extra_length = int.from_bytes(file.read(2), "little")
    array_begin = info.header_offset + _MARK_PLACE + name_length + extra_length
    file.seek(array_begin)
    np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    np.lib.format.read_array_header_1_0(file)  # type: ignore[no-untyped-call]

    return int(file.tell())


def _parse_index(arrays: Mapping[str, NDArray[Any]], with_thumbnails: bool) -> LibraryIndex:
    """Return the index in the arrays of a file.

    Raises:
        ValueError: They contradict each other. Damaged texts raise further exceptions.
    """
    # What the file says of itself.
    version, views, dimensions = (int(value) for value in arrays[_MARK])
    if version != _VERSION:
        raise ValueError(f"it is of version {version}, not {_VERSION}")
    if not (0 < views <= _MOST_VIEWS and 0 < dimensions <= _MOST_DIMENSIONS):
        raise ValueError(f"it declares vectors of {views} x {dimensions}")

    # The assets, and a vector for each of their views.
    texts = parse_json(arrays["texts"].tobytes())
    files = [_parse_file(file) for file in texts["files"]]
    entries = _parse_entries(arrays["assets"], files)
    vectors = arrays["vectors"]
    if vectors.dtype != np.float16 or vectors.shape != (len(entries), views, dimensions):
        raise ValueError(f"it has vectors of the shape {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise ValueError("its vectors are not finite")
    directions = arrays["directions"]
    if directions.shape != (views, 3):
        raise ValueError(f"it has directions of the shape {directions.shape}")

    thumbnails: tuple[bytes, ...] = ()
    if with_thumbnails:
        thumbnails = tuple(_split_thumbnails(arrays, len(entries)))

    return LibraryIndex(
        embedding=_text(texts["embedding"]),
        root=_text(texts["root"]),
        source=_text(texts["source"]),
        files={file.path: file for file in files},
        entries=entries,
        vectors=vectors,
        thumbnails=thumbnails,
        directions=directions.astype(np.float32),
    )


def _split_thumbnails(arrays: Mapping[str, NDArray[Any]], count: int) -> Iterable[bytes]:
    """Yield the stored thumbnails of ``count`` assets."""
    ends = arrays["thumbnail_ends"]
    data = arrays["thumbnails"].tobytes()

    # The ends must be in order, and the last one that of the data.
    is_rising = ends.shape == (count,) and (np.diff(ends, prepend=0) >= 0).all()
    if not is_rising or (count and int(ends[-1]) != len(data)):
        raise ValueError("its thumbnails do not fit its assets")
    start = 0
    for end in ends.tolist():
        yield data[start:end]
        start = end


def _asset_positions(index: LibraryIndex) -> NDArray[np.int32]:
    """Return the array "assets" of an index."""
    # Where each file and each asset is.
    file_positions = {path: i for i, path in enumerate(index.files)}
    asset_positions = {}
    for path, file in index.files.items():
        for i, asset in enumerate(file.assets):
            asset_positions[path, asset] = i

    positions = []
    for entry in index.entries:
        file_position = file_positions[entry.path]
        asset_position = asset_positions[entry.path, entry.asset]
        positions.append((file_position, asset_position))
    return np.array(positions, np.int32).reshape(-1, 2)


def _parse_entries(positions: NDArray[Any], files: Sequence[LibraryFile]) -> tuple[AssetEntry, ...]:
    """Return the assets at positions (N, 2) among those of the files."""
    if positions.ndim != 2 or positions.shape[1] != 2 or positions.dtype != np.int32:
        raise ValueError(f"it has assets of the shape {positions.shape}")
    if len(positions) > MOST_ASSETS:
        raise ValueError(f"it has {len(positions)} assets, more than {MOST_ASSETS}")
    if positions.size and positions.min() < 0:
        raise ValueError("it has assets of no file")

    # An asset is named by its file and by its place in it.
    entries = []
    for file_position, asset_position in positions.tolist():
        file = files[file_position]
        asset = file.assets[asset_position]
        entries.append(AssetEntry(asset_id(file.path, asset), file.path, asset))

    return tuple(entries)


def _parse_asset(stored: Mapping[str, Any]) -> AssetName:
    kind = _text(stored["kind"])
    if kind not in KINDS:
        raise ValueError(f"it has an asset of the kind {kind[:20]!a}")
    members = tuple(_text(member) for member in stored["members"])
    return AssetName(kind, _text(stored["name"]), members)


def _parse_file(stored: Mapping[str, Any]) -> LibraryFile:
    stamp = stored["stamp"]
    problems = {_text(key): _text(reason) for key, reason in stored["problems"].items()}
    digests = {_text(key): _text(digest) for key, digest in stored["digests"].items()}

    return LibraryFile(
        path=_text(stored["path"]),
        stamp=FileStamp(int(stamp["modified"]), int(stamp["size"]), _text(stamp["digest"])),
        assets=tuple(_parse_asset(asset) for asset in stored["assets"]),
        problems=problems,
        digests=digests,
    )


def _text(value: object) -> str:
    """Return a text of the JSON.

    Raises:
        ValueError: It is no text.
    """
    if not isinstance(value, str):
        raise ValueError(f"it has {type(value).__name__} in place of a text")
    return value
