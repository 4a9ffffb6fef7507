"""What an index knows of the files and assets of a library, as plain values."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Kinds of assets: a data-block of a .blend file that is marked as an asset; a whole mesh file; an
# object of a scene with its children.
OBJECT = "OBJECT"
COLLECTION = "COLLECTION"
FILE = "FILE"
SCENE_OBJECT = "SCENE_OBJECT"
KINDS = (OBJECT, COLLECTION, FILE, SCENE_OBJECT)

_NAMESPACE = uuid.UUID("6c1b1a5e-52a6-4b55-9a2c-0d5c6e0f7a11")  # of the ids of assets
_CHUNK = 1 << 20  # bytes that are read at once


@dataclass(frozen=True)
class EmbeddingInfo:
    """What makes the vectors of an index.

    Attributes:
        version: Its name and a checksum of its weights: vectors of others cannot be compared.
        dimensions: Length D of a vector.
    """

    version: str
    dimensions: int


@dataclass(frozen=True)
class AssetName:
    """Where an asset is within its file.

    Attributes:
        kind: One of ``KINDS``.
        name: Of the data-block; of a whole file the name of the file without suffix.
        members: Names of the objects of a scene object: itself and all its children.
    """

    kind: str
    name: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileStamp:
    """What tells whether a file has changed.

    Attributes:
        modified: Time of the last change, nanoseconds; 0 if there is no such file.
        size: Bytes.
        digest: SHA-256 of the content, hexadecimal; "" if it was not computed.
    """

    modified: int
    size: int
    digest: str = ""

    def is_same_time(self, other: FileStamp) -> bool:
        """Return whether time and size are equal: then the content is taken to be equal."""
        return (self.modified, self.size) == (other.modified, other.size)


@dataclass(frozen=True)
class LibraryFile:
    """A file of a library.

    Attributes:
        path: Relative to the library's folder, with slashes; "" for the open scene.
        stamp: Of the file when its assets were listed.
        assets: All that it contains, indexed or not.
        problems: Why assets were left out, by :func:`asset_key`; the empty key stands for the
            whole file.
        digests: Of the assets of a scene, by the same key.
    """

    path: str
    stamp: FileStamp
    assets: tuple[AssetName, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AssetEntry:
    """An indexed asset.

    Attributes:
        id: UUID of library file, kind and name: it stays when the file changes.
        path: Of its :class:`LibraryFile`.
        asset: Where it is in that file.
    """

    id: str
    path: str
    asset: AssetName


@dataclass(frozen=True)
class AssetRender:
    """The rendered views of an asset.

    Attributes:
        asset: That was rendered.
        images: (12, S, S, 4) uint8, sRGB with straight alpha; (0, 0, 0, 4) if it failed.
        problem: Why it cannot be used; "" if it can.
    """

    asset: AssetName
    images: NDArray[np.uint8]
    problem: str = ""


def asset_id(path: str, asset: AssetName) -> str:
    """Return the id of an asset of the file ``path`` (relative to the library's folder)."""
    text = f"{path}\n{asset.kind}\n{asset.name}"
    # Names of files may hold bytes that are not UTF-8, as halves of characters.
    digest = hashlib.sha1(_NAMESPACE.bytes + text.encode("utf-8", "surrogatepass"))
    return uuid.UUID(bytes=digest.digest()[:16], version=5).hex


def asset_key(asset: AssetName) -> str:
    """Return the key of an asset in the dictionaries of :class:`LibraryFile`."""
    return f"{asset.kind} {asset.name}"


def read_stamp(path: Path) -> FileStamp:
    """Return time and size of a file.

    Raises:
        OSError: It cannot be read.
    """
    status = path.stat()
    return FileStamp(status.st_mtime_ns, status.st_size)


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
