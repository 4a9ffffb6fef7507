"""Names of objects that are safe as names of files, and distinct."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping

_MAX_BYTES = 230  # of a name: what is added to it must fit into the 255 of a file system
_KEPT_BYTES = 160  # of a longer name, before its checksum


def safe_name(name: str) -> str:
    """Return ``name`` with letters, digits, "-" and "_" only; "/" becomes "__"."""
    characters = [
        character if character.isalnum() or character in "-_" else "_"
        for character in name.replace("/", "__")
    ]
    return "".join(characters)


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
        is_short = len(name.encode()) <= _MAX_BYTES
        if is_unique and is_short:
            distinct[key] = name
            continue

        checksum = zlib.crc32(key.encode("utf-8", "surrogateescape"))
        kept = name if is_short else _cut(name)
        distinct[key] = f"{kept}_{checksum:08x}"
    return distinct


def _cut(name: str) -> str:
    """Return the beginning of a name that is too long."""
    return name.encode()[:_KEPT_BYTES].decode("utf-8", "ignore")
