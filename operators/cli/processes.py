"""One command in several processes, each on a core of its own, as shards of the same work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import bpy


def in_processes(count: int, shard: tuple[int, int], together: bool = False) -> int:
    """Run the command that this process was started with ``count`` times, each with a part of ``shard`` (index, of).

    A process bound to one core renders small pictures nearly twice as fast as one whose idle threads spin on another.

    Args:
        count: of processes. shard: (index, of) of the work that they share.
        together: once one has failed, the others are stopped too.

    Returns:
        The highest exit code; 128 and the signal's number for a process that one ended.
    """
    index, of = shard
    children: list[subprocess.Popen[bytes]] = []
    before = signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM)
    )  # so that they end with this one
    try:
        for child in range(count):
            with _on_core(child):
                words = [
                    *_this_command(),
                    "--processes",
                    "1",
                    "--shard",
                    f"{index + of * child}/{of * count}",
                ]
                children.append(subprocess.Popen(words))
        while any(child.poll() is None for child in children):
            if together and any(child.returncode for child in children):
                break
            time.sleep(0.1)
        return max(
            code if code >= 0 else 128 - code
            for code in (child.returncode or 0 for child in children)
        )
    finally:
        for running in children:
            if running.poll() is None:
                running.terminate()
                running.wait()
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _this_command() -> list[str]:
    return (
        [bpy.app.binary_path, *sys.argv[1:]] if bpy.app.binary_path else [sys.executable, *sys.argv]
    )


@contextmanager
def _on_core(number: int) -> Iterator[None]:
    """What is started meanwhile runs on one core, where the system can bind it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(cores)[number % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
