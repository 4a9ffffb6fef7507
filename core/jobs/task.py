"""Long work as a generator: it yields :class:`Progress` and returns its result.

One such generator serves a script, a background Blender and a modal operator;
only what drives it differs. Closing it early is how it is cancelled, so it cleans
up after itself in ``finally`` or ``with``.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Generic, NoReturn, TypeVar

from ..errors import Cancelled, MaquetteError

T = TypeVar("T")

_STEP = 0.005  # seconds


@dataclass(frozen=True)
class Progress:
    """How far the work is: ``fraction`` in 0..1 and a short ``stage`` for the status bar."""

    fraction: float
    stage: str


Task = Generator[Progress, None, T]


class ProgressClock:
    """Tells how long a work still takes, from how far it came since its first step; what was there before counts not.

    now: the time in seconds, from any beginning.
    """

    patience: ClassVar[float] = 2.0  # seconds before the first guess

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._first: tuple[float, float] | None = None

    def seconds_left(self, progress: Progress) -> float | None:
        """Seconds, or None while there is nothing to tell by."""
        now = self._now()
        if self._first is None:
            self._first = now, progress.fraction
        passed = now - self._first[0]
        done = progress.fraction - self._first[1]
        return (
            passed / done * (1 - progress.fraction)
            if passed >= self.patience and done > 0
            else None
        )

    def progress_text(self, progress: Progress) -> str:
        """``progress`` as text, such as "Rendering, 40%, 3 min left"."""
        left = self.seconds_left(progress)
        return f"{progress.stage}, {progress.fraction:.0%}" + (
            f", {_format_duration(left)} left" if left is not None else ""
        )


def _format_duration(seconds: float) -> str:
    """Rounded up to what a person wants to know."""
    for name, unit, most in (("s", 1, 60), ("min", 60, 60), ("h", 3600, 48)):
        if seconds <= unit * most:
            return f"{math.ceil(seconds / unit)} {name}"
    return f"{math.ceil(seconds / 86400)} days"


def run_to_end(work: Task[T], on_progress: Callable[[Progress], None] = lambda progress: None) -> T:
    """Drive ``work`` on the calling thread and return its result."""
    while True:
        try:
            on_progress(next(work))
        except StopIteration as stop:
            result: T = stop.value
            return result


class SteppedTask(Generic[T]):
    """Takes one step of the work per :meth:`poll`, on the caller's thread. For work that uses bpy."""

    def __init__(self, work: Task[T], progress: Progress = Progress(0.0, "Starting")) -> None:
        self.progress = progress
        self._work = work
        self._outcome: Callable[[], T] | None = None

    def poll(self) -> bool:
        """Take a step; True once there is nothing left to do."""
        if self._outcome is None:
            try:
                self.progress = next(self._work)
            except StopIteration as stop:
                value = stop.value
                self._outcome = lambda: value
            except Exception as error:
                self._outcome = _raise_later(error)
        return self._outcome is not None

    def cancel(self) -> None:
        with suppress(MaquetteError):  # of what it would tidy up and finds gone
            self._work.close()
        self._outcome = _raise_later(Cancelled("Stopped"))

    def result(self) -> T:
        """What the work returned; raises what it raised, or Cancelled."""
        assert self._outcome is not None, "poll() has not said True yet"
        return self._outcome()


class ThreadedTask(SteppedTask[T]):
    """Runs the work on a thread of its own. For work that never touches bpy.

    A step may be long (importing torch takes seconds), so a cancelled work is let go after :attr:`patience`
    seconds: its owner is free at once, and the thread ends by itself at the next step.
    """

    patience: ClassVar[float] = 0.5

    def __init__(self, work: Task[T], progress: Progress = Progress(0.0, "Starting")) -> None:
        super().__init__(work, progress)
        self._stop = threading.Event()
        self._let_go_at = float("inf")
        self._thread = threading.Thread(target=self._run, name="maquette-work", daemon=True)
        self._thread.start()

    def poll(self) -> bool:
        return not self._thread.is_alive() or time.monotonic() >= self._let_go_at

    def wait(self, seconds: float) -> None:
        """Return when the work has ended, or after ``seconds``."""
        self._thread.join(seconds)

    def cancel(self) -> None:
        """Ask the work to stop; it does so at its next yield."""
        if not self._stop.is_set():
            self._let_go_at = time.monotonic() + self.patience
            self._stop.set()

    def result(self) -> T:
        if self._stop.is_set():
            raise Cancelled("Stopped")
        return super().result()

    def _run(self) -> None:
        while not self._stop.is_set():
            if super().poll():
                return
        super().cancel()


def in_thread(work: Task[T], seconds: float = _STEP) -> Task[T]:
    """``work``, which never touches bpy, on a thread of its own: the steps of this one stay short, for a window.

    seconds: how long each of them waits; none need, if a timer takes them.
    """
    try:
        first = next(work)
    except StopIteration as stop:
        return stop.value
    driver = ThreadedTask(work, first)
    try:
        while not driver.poll():
            driver.wait(seconds)
            yield driver.progress
        return driver.result()
    finally:
        driver.cancel()


def subtask(work: Task[T], start: float, end: float, stage: str | None = None) -> Task[T]:
    """``work`` as a part of a larger one, between two fractions of it; under its own names of stages if None."""
    while True:
        try:
            progress = next(work)
        except StopIteration as stop:
            return stop.value
        yield Progress(start + (end - start) * progress.fraction, stage or progress.stage)


def single_step(progress: Progress, function: Callable[[], T]) -> Task[T]:
    """A work of one step."""
    yield progress
    return function()


def _raise_later(error: Exception) -> Callable[[], NoReturn]:
    def outcome() -> NoReturn:
        raise error

    return outcome
