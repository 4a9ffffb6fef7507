"""End a process when the one that started it has ended, however that happened.

A parent keeps the other end of a pipe open that it never writes to. Systems close it with the
parent, also after SIGKILL. A thread of the child reads the pipe and so notices.

    parent   holds ----pipe----> stdin of the child
      |                              |
    killed   closed by the system    read() returns: stop in order, or else end
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

from . import temporary_folders

_POLL_INTERVAL = 0.5  # seconds between two looks at the parent's number
_ORPHAN_CODE = 1


def watch_stdin(stop: Callable[[], float]) -> None:
    """End this process once its stdin has ended.

    Args:
        stop: Called then, on a thread. It makes the process stop in order, and returns the seconds
            after which it is ended if it has not.
    """
    _start_thread(_wait_for_end_of_stdin, stop)


def watch_parent(stop: Callable[[], float]) -> None:
    """End this process once the one that started it has ended, as :func:`watch_stdin` does.

    For processes of other launchers, which share their stdin.
    """
    if sys.platform == "win32":  # there a process keeps the number of its parent
        return
    parent = os.getppid()

    def wait_for_end() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_INTERVAL)

    _start_thread(wait_for_end, stop)


def end_process(code: int) -> None:
    """End this process at once, without its temporary folders."""
    temporary_folders.remove_folders()
    os._exit(code)


def _start_thread(wait_for_end: Callable[[], None], stop: Callable[[], float]) -> None:
    def run() -> None:
        wait_for_end()
        time.sleep(stop())
        end_process(_ORPHAN_CODE)

    threading.Thread(target=run, name="maquette-lifeline", daemon=True).start()


def _wait_for_end_of_stdin() -> None:
    try:
        while os.read(0, 1):
            pass
    except OSError:
        pass  # closed on this side, or broken: nobody holds the other end
