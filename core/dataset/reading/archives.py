"""The members of a tar: plain files with safe names, each after the other.

Other software writes links, folders, devices and holes into a tar. A training set needs none of
them, and a hole of a few bytes stands for any amount of memory.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Self

from ..names import check_member_name
from . import limits
from .files import stream_size

# Empty blocks after the last member: its own, two at the end, and those that fill a record
_MOST_PADDING = 3 * tarfile.BLOCKSIZE + tarfile.RECORDSIZE
# Types of headers: files, and those that extend the next one, as for a long name
_FILE_TYPES = frozenset((tarfile.REGTYPE, tarfile.AREGTYPE))
_EXTENSION_TYPES = frozenset((tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME))


class _PlainHeader(tarfile.TarInfo):
    """A header of a plain file, checked before tarfile acts on it.

    tarfile reads all that an extension claims, takes long for large ones, and follows negative
    sizes backwards.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Return the header in a block.

        Raises:
            ValueError: It is not one of a plain file.
        """
        header = super().frombuf(buf, encoding, errors)
        is_extension = header.type in _EXTENSION_TYPES
        if not is_extension and header.type not in _FILE_TYPES:
            raise ValueError(f"{header.name!a} is a link, a folder, a device or a sparse file")
        most = limits.EXTENSION_BYTES if is_extension else limits.MEMBER_BYTES
        if not 0 <= header.size <= most:
            raise ValueError(f"{header.name!a} declares {header.size} bytes")
        return header


@contextmanager
def open_archive(stream: IO[bytes]) -> Iterator[tarfile.TarFile]:
    """Open the tar that begins at the position of ``stream``; compressed ones are refused."""
    with tarfile.open(fileobj=stream, mode="r:", tarinfo=_PlainHeader) as archive:
        yield archive


def iterate_members(archive: tarfile.TarFile, most: int) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a tar by their headers, each after it was checked.

    Args:
        archive: A tar from :func:`open_archive`.
        most: Greatest number of members.

    Raises:
        ValueError: A member is not a plain file, has an unsafe name or exceeds the file. A damaged
            tar raises ``tarfile.TarError`` and further exceptions of the standard library.
    """
    stream = archive.fileobj
    if stream is None:
        raise ValueError("the archive is closed")
    size = stream_size(stream)  # type: ignore[arg-type]

    count = 0
    previous_end = 0
    while (member := archive.next()) is not None:
        count += 1
        if count > most:
            raise ValueError(f"it has more than {most} members")
        _check_member(member, previous_end, size)
        previous_end = member.offset_data + member.size
        # They would add up to more than the file.
        archive.members.clear()  # type: ignore[attr-defined]
        yield member


def read_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Return the content of a member that :func:`iterate_members` has checked."""
    stored = archive.extractfile(member)
    if stored is None:
        raise ValueError(f"{member.name} has no content")
    return stored.read()


def require_archive_size(stream: IO[bytes], start: int, size: int) -> None:
    """Refuse a tar that is too large to be read into memory.

    The headers of a large one are checked first, since a file with holes may have any size.

    Args:
        stream: The file.
        start: Byte at which the tar begins.
        size: Of the tar, bytes.

    Raises:
        ValueError: It is too large, or its members do not fill it.
    """
    if size > limits.ARCHIVE_BYTES:
        raise ValueError(f"it has {size} bytes, more than {limits.ARCHIVE_BYTES}")
    if size < limits.LARGE_ARCHIVE_BYTES:
        return
    stream.seek(start)
    filled = 0
    with open_archive(stream) as archive:
        for member in iterate_members(archive, limits.MEMBERS):
            filled = member.offset_data + member.size - start
    if size - filled > _MOST_PADDING:
        raise ValueError(f"there is something else {filled} bytes after its beginning")


def _check_member(member: tarfile.TarInfo, previous_end: int, size: int) -> None:
    """Check one header.

    Args:
        member: The header.
        previous_end: Byte after the previous member.
        size: Of the file, bytes.
    """
    # Once more, since an extension may have changed all of them
    check_member_name(member.name)
    if member.type not in _FILE_TYPES or member.issparse():
        raise ValueError(f"{member.name!a} is a link, a folder, a device or a sparse file")
    if not 0 <= member.size <= limits.MEMBER_BYTES:
        raise ValueError(f"{member.name} declares {member.size} bytes")
    if member.offset_data < previous_end or member.offset_data + member.size > size:
        raise ValueError(f"{member.name} is not within the file: unexpected end of data")
