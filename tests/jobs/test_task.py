import threading
import time
from itertools import pairwise

import pytest
from maquette.core.errors import Cancelled
from maquette.core.jobs.task import (
    Progress,
    ProgressClock,
    SteppedTask,
    ThreadedTask,
    in_thread,
    map_progress,
    run_to_end,
    single_step,
    subtask,
)


def count(n, log=None):
    try:
        for i in range(n):
            yield Progress(i / n, "Counting")
            time.sleep(0.001)
        return n
    finally:
        if log is not None:
            log.append("cleaned up")


def wait(running):
    while not running.poll():
        pass


def test_run_to_end_returns_the_result():
    seen = []
    assert run_to_end(count(3), seen.append) == 3
    assert [p.fraction for p in seen] == [0, 1 / 3, 2 / 3]


@pytest.mark.parametrize("driver", [ThreadedTask, SteppedTask])
class TestDrivers:
    def test_reach_the_result(self, driver):
        running = driver(count(3))
        wait(running)
        assert running.result() == 3

    def test_cancel_cleans_up(self, driver):
        log = []
        running = driver(count(10**6, log))
        while running.progress.stage != "Counting":
            running.poll()
        running.cancel()
        wait(running)
        with pytest.raises(Cancelled):
            running.result()
        assert log == ["cleaned up"]

    def test_errors_reach_the_owner(self, driver):
        def broken():
            yield Progress(0, "Breaking")
            raise ValueError("boom")

        running = driver(broken())
        wait(running)
        with pytest.raises(ValueError, match="boom"):
            running.result()


def test_a_subtask_is_a_part_of_the_progress():
    seen = []
    assert run_to_end(subtask(count(2), 0.5, 0.75, "Part"), seen.append) == 2
    assert seen == [Progress(0.5, "Part"), Progress(0.625, "Part")]
    seen.clear()
    run_to_end(subtask(count(1), 0.25, 1.0), seen.append)
    assert seen == [Progress(0.25, "Counting")]


def test_mapped_progress_keeps_the_result_and_closing_cleans_up():
    log = []
    work = map_progress(count(3, log), lambda progress: Progress(1.0, progress.stage.upper()))
    assert next(work) == Progress(1.0, "COUNTING")
    work.close()
    del work
    assert log == ["cleaned up"]


def test_time_left_counts_from_the_first_step():
    now = iter([100.0, 101.0, 110.0, 190.0])
    clock = ProgressClock(lambda: next(now))
    # Half was done before the clock started.
    assert clock.progress_text(Progress(0.5, "Running")) == "Running, 50%"
    assert (
        clock.progress_text(Progress(0.75, "Running")) == "Running, 75%"
    )  # too early for an estimate
    assert clock.progress_text(Progress(0.75, "Running")) == "Running, 75%, 10 s left"
    assert clock.progress_text(Progress(0.75, "Running")) == "Running, 75%, 2 min left"


def test_time_left_leaves_out_loading_and_waits_for_a_fifth_of_the_work():
    now = iter([0.0, 30.0, 30.0, 33.0, 34.0])
    clock = ProgressClock(lambda: next(now))
    for _ in range(2):
        assert clock.progress_text(Progress(0.0, "Loading the model")) == "Loading the model"
    assert clock.progress_text(Progress(0.0, "Reading")) == "Reading"
    assert clock.progress_text(Progress(0.19, "Running")) == "Running, 19%"
    # Four seconds for a quarter, and not 34.
    assert clock.progress_text(Progress(0.25, "Running")) == "Running, 25%, 12 s left"


def test_in_thread_runs_on_a_thread_and_its_steps_are_short():
    caller = threading.get_ident()

    def slow():
        time.sleep(0.3)
        return threading.get_ident()

    work = in_thread(single_step(Progress(0.5, "Sleeping"), slow))
    steps = []
    start = time.monotonic()
    runner = run_to_end(
        work, lambda progress: steps.append((progress.stage, time.monotonic() - start))
    )
    assert runner != caller and steps[-1][0] == "Sleeping" and len(steps) > 5
    assert max(b - a for (_, a), (_, b) in pairwise(steps)) < 0.2


def test_an_error_in_the_thread_is_raised_by_the_caller():
    with pytest.raises(ZeroDivisionError):
        run_to_end(in_thread(single_step(Progress(0.0, ""), lambda: 1 // 0)))
