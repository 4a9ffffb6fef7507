"""The log of Blender's glTF add-on, which keeps its handlers if an import or export fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_NAMES = ("glTFImporter", "glTFImporter_errors")  # of exports as well


@contextmanager
def restored_log() -> Iterator[None]:
    """Remove the handlers on exit that the add-on has added and not removed.

    They would print each later message once more, to a stream that may be closed by then.
    """
    loggers = [logging.getLogger(name) for name in _NAMES]
    handlers_before = [list(logger.handlers) for logger in loggers]
    try:
        yield
    finally:
        for logger, handlers in zip(loggers, handlers_before, strict=True):
            logger.handlers[:] = handlers
