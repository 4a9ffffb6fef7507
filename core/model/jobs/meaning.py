"""What the weights of meaning hold, asked without torch: the sidebar hides what they lack."""

from __future__ import annotations

import json
import struct
from functools import lru_cache
from pathlib import Path

from ...resources import MEANING_WEIGHTS

_LENGTH_BYTES = 8  # of the header's length, see ``inference.tensor_file``
_LARGEST_HEADER = 2**23  # bytes


def has_part(name: str, path: Path | None = None) -> bool:
    """Return whether the weights have the part ``name``, such as "heads" or "shapes".

    It reads the header of the file alone, once for each change of the file, so that panels may ask
    at each redraw. A missing or damaged file has no part.

    Args:
        name: Of the part, see ``inference.meaning_weights``.
        path: The file; None for the bundled one.
    """
    path = path or MEANING_WEIGHTS
    try:
        status = path.stat()
    except OSError:
        return False
    return name in _part_names(path, (status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=4)
def _part_names(path: Path, stamp: tuple[int, int]) -> frozenset[str]:
    """Return the names of the parts of a file; none if it is damaged.

    Args:
        path: The file.
        stamp: Time and size of the file, so that a changed file is another entry of the cache.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(_LENGTH_BYTES))
            if length > _LARGEST_HEADER:
                return frozenset()
            header = json.loads(file.read(length))
        configs = json.loads(header["__metadata__"]["config"])
        return frozenset(configs)
    except (OSError, struct.error, ValueError, KeyError, TypeError):
        return frozenset()
