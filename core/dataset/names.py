"""Names of objects that are safe as names of files, and distinct."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Mapping

# UTF-8 bytes of an object's name: with the endings of members and partial files, the names of files
# stay below the 255 bytes that file systems hold.
LONGEST_NAME = 230
_LONGEST_MEMBER_NAME = 255
_SHOWN = 60  # characters of a name in an error text
# Control characters, separators of paths, what Windows forbids, and halves of characters
_UNSAFE = re.compile("[\\x00-\\x1f\\x7f-\\x9f/\\\\:*?\"<>|\\u2028\\u2029\\ud800-\\udfff]")
_RESERVED = re.compile(
    r"(con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]) *(\.|$)",
    re.IGNORECASE,
)


def check_name(name: object) -> str:
    """Return the name of an object from a file of others if it can be that of a file.

    Raises:
        ValueError: It is not a text, is empty or too long, leads to another folder, or has
            characters that a file system forbids.
    """
    return _check_file_name(name, LONGEST_NAME)


def check_member_name(name: object) -> str:
    """Return the name of an archive's member, which is longer by its ending, likewise.

    Raises:
        ValueError: As :func:`check_name`.
    """
    return _check_file_name(name, _LONGEST_MEMBER_NAME)


def _check_file_name(name: object, longest: int) -> str:
    if not isinstance(name, str):
        raise ValueError(f"the name is of the type {type(name).__name__}, not a text")
    shown = f"the name {name[:_SHOWN]!a}"
    if not name or _UNSAFE.search(name):
        raise ValueError(
            f"{shown} is not that of a file: it is empty, a path, or has characters that "
            "file systems forbid"
        )

    # Windows drops dots and spaces at the end; a dot at the beginning hides a file, or leads up.
    if name[0] in ". " or name[-1] in ". " or _RESERVED.match(name):
        raise ValueError(f"{shown} is not that of a file on every system")
    if len(name.encode()) > longest:
        raise ValueError(f"{shown} is longer than {longest} bytes")
    return name


_KEPT_BYTES = 160  # of a longer name, before its checksum


def safe_name(name: str) -> str:
    """Return ``name`` with letters, digits, "-" and "_" only; "/" becomes "__".

    Names of devices on Windows, such as "aux", get a "_" at the end.
    """
    characters = [
        character if character.isalnum() or character in "-_" else "_"
        for character in name.replace("/", "__")
    ]
    safe = "".join(characters)
    return f"{safe}_" if _RESERVED.match(safe) else safe


def distinct_names(names: Mapping[str, str]) -> dict[str, str]:
    """Return a distinct safe name for each of ``names``, on any file system.

    Args:
        names: The preferred names by a unique key.

    Returns:
        The safe names by the same keys. Those that would be equal, apart from upper and lower case,
        get the checksum of their key; those that are too long are cut and get it, too.
    """
    safe_names = {key: safe_name(name) for key, name in names.items()}
    counts = Counter(name.casefold() for name in safe_names.values())

    distinct = {}
    for key, name in safe_names.items():
        is_unique = counts[name.casefold()] == 1
        is_short = len(name.encode()) <= LONGEST_NAME
        if is_unique and is_short:
            distinct[key] = name
            continue

        checksum = zlib.crc32(key.encode("utf-8", "surrogateescape"))
        distinct[key] = f"{_cut(name)}_{checksum:08x}"

    return distinct


def _cut(name: str) -> str:
    """Return a name, or its beginning where it leaves no room for a checksum."""
    return name.encode()[:_KEPT_BYTES].decode("utf-8", "ignore")
