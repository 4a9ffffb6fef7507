"""Run one command in several processes, each on one core, as shards of the same work."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import bpy

from ...core.jobs.temporary_folders import temporary_folder
from .stop_signals import GRACE_SECONDS, LIFELINE_VARIABLE, SIGNAL_CODE

_POLL_SECONDS = 0.1
_STOP_SECONDS = 0.6 * GRACE_SECONDS  # that the processes have, so that this one has time left


def in_processes(count: int, shard: tuple[int, int], together: bool = False) -> int:
    """Run the command of this process in ``count`` processes, each with a part of ``shard``.

    A process bound to one core renders small images nearly twice as fast as one whose idle threads
    occupy another. The processes end with this one, however it ends, and what they leave in the
    temporary folder is removed.

    Args:
        count: of processes.
        shard: (index, count) of the work that they share.
        together: stop all of them once one has failed.

    Returns:
        The highest exit code; 128 and the signal's number for a process that a signal ended.
    """
    children: list[subprocess.Popen[bytes]] = []
    with temporary_folder() as scratch:
        # A child takes the core of this process at its start.
        try:
            for number in range(count):
                with _on_core(number):
                    command = _shard_command(number, count, shard)
                    children.append(_start_child(command, scratch))
            _wait_for(children, together)
            return max(_exit_code(child) for child in children)
        finally:
            _end_children(children)


def _start_child(command: list[str], scratch: Path) -> subprocess.Popen[bytes]:
    """Start a process that ends when its stdin does, which is never written to."""
    environment = {**os.environ, LIFELINE_VARIABLE: "stdin"}
    environment |= dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(scratch))
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE)


def _end_children(children: list[subprocess.Popen[bytes]]) -> None:
    """Let all ``children`` that still run stop in order, and kill those that do not."""
    for child in children:
        if child.poll() is None:
            child.terminate()

    end = time.monotonic() + _STOP_SECONDS
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, end - time.monotonic()))
        child.kill()
        child.wait()
        if child.stdin:
            child.stdin.close()


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
    return code if code >= 0 else SIGNAL_CODE - code


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
