"""Tasks for tests/jobs/test_worker_pool.py, which puts this file into a copy of core/."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from .errors import ImageError
from .jobs.task import Progress


def double(array):
    print("to stdout, where the answers go")
    yield Progress(0.5, "Doubling")
    return {"pid": os.getpid(), "array": array * 2}


def forever(folder):
    try:
        while True:
            yield Progress(0.5, "Running")
            time.sleep(0.01)
    finally:
        (folder / "closed").touch()


def long_step(folder: Path):
    yield Progress(0.0, "Beginning")
    (folder / "began").touch()
    time.sleep(60)
    yield Progress(1.0, "Never")


def slow_step(seconds):
    yield Progress(0.0, "Beginning")
    time.sleep(seconds)
    return seconds


def read_text(path):
    yield Progress(0.0, "Reading")
    return path.read_text()


def unsendable():
    yield Progress(0.0, "Starting")
    return {1, 2}


def chatter(count):
    yield Progress(0.0, "Chattering")
    for _ in range(count):
        print("x" * 9999, file=sys.stderr)
    return count


def litter():
    folder = tempfile.mkdtemp()
    while True:
        yield Progress(0.5, folder)
        time.sleep(0.01)


def refuse():
    yield Progress(0.0, "Starting")
    raise ImageError("the picture is bad")


def bug():
    yield Progress(0.0, "Starting")
    raise ZeroDivisionError("by zero")


def crash(code):
    yield Progress(0.0, "Starting")
    if code:
        print("memory is corrupt", file=sys.stderr, flush=True)
        os._exit(code)
    os.kill(os.getpid(), signal.SIGKILL)
