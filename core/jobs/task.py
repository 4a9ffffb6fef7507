"""Long work as a generator: it yields :class:`Progress` and returns its result.

The same generator serves a script, a background Blender and a modal operator; only the driver
differs. Closing it early is how it is canceled, so it cleans up in ``finally`` or ``with``.

    run_to_end    drives it on the calling thread, until it ends
    SteppedTask   takes one step a poll, on the caller's thread
    ThreadedTask  drives it on a thread; a poll only looks
    in_thread     is itself a task, whose steps are short
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Generic, NoReturn, TypeVar, cast

from ..errors import Cancelled, MaquetteError

T = TypeVar("T")

_STEP = 0.005  # seconds
# Name of a unit, its seconds, and the number of units up to which it is used.
_DURATION_UNITS = (("s", 1, 60), ("min", 60, 60), ("h", 3600, 48))


@dataclass(frozen=True)
class Progress:
    """How far a task has come.

    Attributes:
        fraction: Share of the work that is done, in 0..1.
        stage: Short text for the status bar.
    """

    fraction: float
    stage: str


Task = Generator[Progress, None, T]


class ProgressClock:
    """Estimates the time that a task still takes, from its progress since work began.

    Loading and reading make no progress: the time in which the fraction stays at its first value
    is left out, since the work behind it goes at another speed. Progress that was made before the
    first call, such as in an earlier run, does not count.
    """

    patience: ClassVar[float] = 2.0  # seconds of work before the first estimate
    known: ClassVar[float] = 0.2  # share of the work that is done before the first estimate

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start at the first call of a method.

        Args:
            now: Returns the time in seconds, from any origin.
        """
        self._now = now
        self._first: tuple[float, float] | None = None

    def seconds_left(self, progress: Progress) -> float | None:
        """Return the estimated seconds until the end, None while there is no estimate."""
        now = self._now()
        if self._first is None or progress.fraction <= self._first[1]:
            self._first = (now, progress.fraction)

        start_time, start_fraction = self._first
        elapsed = now - start_time
        done = progress.fraction - start_fraction
        if elapsed < self.patience or done <= 0 or done < self.known * (1 - start_fraction):
            return None
        return elapsed / done * (1 - progress.fraction)

    def progress_text(self, progress: Progress) -> str:
        """Return ``progress`` as text, such as "Rendering, 40%, 3 min left".

        Before any work is done it is the stage alone, such as "Loading the model".
        """
        seconds = self.seconds_left(progress)
        if progress.fraction <= 0:
            return progress.stage
        text = f"{progress.stage}, {progress.fraction:.0%}"
        if seconds is None:
            return text
        return f"{text}, {_format_duration(seconds)} left"


def _format_duration(seconds: float) -> str:
    """Return a duration in the largest suitable unit, rounded up."""
    for name, unit, largest in _DURATION_UNITS:
        if seconds <= unit * largest:
            return f"{math.ceil(seconds / unit)} {name}"
    return f"{math.ceil(seconds / 86400)} days"


def run_to_end(work: Task[T], on_progress: Callable[[Progress], None] = lambda progress: None) -> T:
    """Run ``work`` on the calling thread and return its result.

    Args:
        work: The task.
        on_progress: Called with each progress that it yields.
    """
    while True:
        try:
            on_progress(next(work))
        except StopIteration as stop:
            return cast(T, stop.value)


class SteppedTask(Generic[T]):
    """Takes one step of a task per :meth:`poll`, on the caller's thread. For tasks that use bpy."""

    def __init__(self, work: Task[T], progress: Progress = Progress(0.0, "Starting")) -> None:
        """Hold ``work`` without starting it; ``progress`` is shown until its first step."""
        self.progress = progress
        self._work = work
        self._outcome: Callable[[], T] | None = None

    def poll(self) -> bool:
        """Take a step; return True once there are no more."""
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
        """Close the task; :meth:`result` raises Cancelled from now on."""
        # Closing may fail to clean up an object that was deleted in between.
        with suppress(MaquetteError):
            self._work.close()
        self._outcome = _raise_later(Cancelled("Stopped"))

    def result(self) -> T:
        """Return what the task returned; raise what it raised, or Cancelled."""
        assert self._outcome is not None, "poll() has not returned True yet"
        return self._outcome()


class ThreadedTask(SteppedTask[T]):
    """Runs a task on a thread. For tasks that never use bpy.

    A step may be long (importing torch takes seconds), so a canceled task is abandoned after
    :attr:`patience` seconds: its owner is free at once, and the thread ends at the next step.
    """

    patience: ClassVar[float] = 0.5  # seconds

    def __init__(self, work: Task[T], progress: Progress = Progress(0.0, "Starting")) -> None:
        """Start ``work`` at once; ``progress`` is shown until its first step has ended."""
        super().__init__(work, progress)
        self._stop = threading.Event()
        self._abandon_time = float("inf")
        self._thread = threading.Thread(target=self._run, name="maquette-work", daemon=True)
        self._thread.start()

    def poll(self) -> bool:
        """Return True once the task has ended or is abandoned."""
        return not self._thread.is_alive() or time.monotonic() >= self._abandon_time

    def wait(self, seconds: float) -> None:
        """Return when the task has ended, or after ``seconds``."""
        self._thread.join(seconds)

    def cancel(self) -> None:
        """Request that the task stop; it does so at its next yield."""
        if not self._stop.is_set():
            self._abandon_time = time.monotonic() + self.patience
            self._stop.set()

    def result(self) -> T:
        """Return what the task returned; raise what it raised, or Cancelled."""
        if self._stop.is_set():
            raise Cancelled("Stopped")
        return super().result()

    def _run(self) -> None:
        while not self._stop.is_set():
            if super().poll():
                return
        super().cancel()


def in_thread(work: Task[T], seconds: float = _STEP) -> Task[T]:
    """Run ``work``, which never uses bpy, on a thread, so that the steps here stay short.

    Args:
        work: The task.
        seconds: Time that each step here waits. A caller with a timer needs no wait.
    """
    # The first step is taken here: a short task needs no thread.
    try:
        first = next(work)
    except StopIteration as stop:
        return cast(T, stop.value)

    driver = ThreadedTask(work, first)
    try:
        while not driver.poll():
            driver.wait(seconds)
            yield driver.progress
        return driver.result()
    finally:
        driver.cancel()


def subtask(work: Task[T], start: float, end: float, stage: str | None = None) -> Task[T]:
    """Run ``work`` as a part of a larger task.

    Args:
        work: The task.
        start: Fraction of the larger task at which it begins, in 0..1.
        end: Fraction at which it ends.
        stage: Stage to show; that of ``work`` if None.
    """

    def place(progress: Progress) -> Progress:
        fraction = start + (end - start) * progress.fraction
        return Progress(fraction, stage or progress.stage)

    return (yield from map_progress(work, place))


def map_progress(work: Task[T], function: Callable[[Progress], Progress]) -> Task[T]:
    """Run ``work``, and yield what ``function`` makes of each progress that it yields."""
    while True:
        try:
            progress = next(work)
        except StopIteration as stop:
            return cast(T, stop.value)
        yield function(progress)


def single_step(progress: Progress, function: Callable[[], T]) -> Task[T]:
    """Run a function as a task of one step."""
    yield progress
    return function()


def _raise_later(error: Exception) -> Callable[[], NoReturn]:
    def raise_error() -> NoReturn:
        raise error

    return raise_error
