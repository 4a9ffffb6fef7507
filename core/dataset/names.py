"""Names of objects that are safe as names of files, and distinct."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping


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
        get the checksum of their key.
    """
    safe_names = {key: safe_name(name) for key, name in names.items()}
    counts = Counter(name.casefold() for name in safe_names.values())

    distinct = {}
    for key, name in safe_names.items():
        is_unique = counts[name.casefold()] == 1
        distinct[key] = name if is_unique else f"{name}_{zlib.crc32(key.encode()):08x}"
    return distinct
