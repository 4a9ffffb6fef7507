"""Run one command in several processes, each on one core, as shards of the same work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import bpy

_POLL_SECONDS = 0.1
_SIGNAL_CODE = 128  # shells report a process that a signal ended as 128 and the signal's number


def in_processes(count: int, shard: tuple[int, int], together: bool = False) -> int:
    """Run the command of this process in ``count`` processes, each with a part of ``shard``.

    A process bound to one core renders small images nearly twice as fast as one whose idle threads
    occupy another.

    Args:
        count: of processes.
        shard: (index, count) of the work that they share.
        together: stop all of them once one has failed.

    Returns:
        The highest exit code; 128 and the signal's number for a process that a signal ended.
    """
    children: list[subprocess.Popen[bytes]] = []
    # The children have to end when this process is asked to, so it must reach the cleanup below.
    previous_handler = signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(_SIGNAL_CODE + signal.SIGTERM)
    )
    # A child takes the core of this process at its start.
    try:
        for number in range(count):
            with _on_core(number):
                command = _shard_command(number, count, shard)
                children.append(subprocess.Popen(command))
        _wait_for(children, together)
        return max(_exit_code(child) for child in children)
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
                child.wait()
        signal.signal(signal.SIGTERM, previous_handler or signal.SIG_DFL)


def _shard_command(number: int, count: int, shard: tuple[int, int]) -> list[str]:
    """Return this process's command for the part ``number`` of ``count`` of ``shard``."""
    index, total = shard
    part = f"{index + total * number}/{total * count}"
    return [*_this_command(), "--processes", "1", "--shard", part]


def _this_command() -> list[str]:
    if bpy.app.binary_path:
        return [bpy.app.binary_path, *sys.argv[1:]]
    return [sys.executable, *sys.argv]


def _wait_for(children: list[subprocess.Popen[bytes]], together: bool) -> None:
    """Wait until all ``children`` have ended, or one has failed if they belong ``together``."""
    while any(child.poll() is None for child in children):
        if together and any(child.returncode for child in children):
            return
        time.sleep(_POLL_SECONDS)


def _exit_code(child: subprocess.Popen[bytes]) -> int:
    code = child.returncode or 0
    return code if code >= 0 else _SIGNAL_CODE - code


@contextmanager
def _on_core(number: int) -> Iterator[None]:
    """Bind the processes that are started within to one core, where the system can do so."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(cores)[number % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
