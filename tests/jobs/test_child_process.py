import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from maquette.core.jobs import child_process
from maquette.core.jobs.child_process import (
    OutputTail,
    Patience,
    SilenceWatch,
    exit_text,
    last_line_of,
)


def start(code):
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "exit code 0"),
        (-9, "killed by signal SIGKILL"),
        (-40, "killed by signal 40"),
        (9009, "exit code 9009: it is the placeholder of the Microsoft Store, not a Python"),
        (3221225477, "exit code 0xC0000005"),
    ],
)
def test_how_a_process_ended(code, text):
    assert exit_text(code) == text


def test_the_last_line_can_be_shown():
    assert last_line_of("a\n\x1b[31mb\tc\x00\n\n  \n") == "[31mb c"
    assert last_line_of("") == last_line_of("\n") == last_line_of("\ufffd" * 9) == ""
    assert len(last_line_of("x" * 10**6)) < 200


def test_the_end_of_much_output_is_kept(tmp_path):
    process = start("for _ in range(300): print('x' * 9999)\nprint('end')")
    tail = OutputTail(process.stdout, tmp_path / "log")
    tail.wait(60)
    assert tail.has_ended() and tail.count == 300 * 10000 + 4
    assert tail.last_line() == "end" and len(tail.text()) == tail.kept == len(tail.began)
    log = (tmp_path / "log").read_text()
    assert log.endswith("xxx\nend\n") and len(log) <= child_process._LARGEST_LOG
    process.wait()


def until_it_hangs(watch, seconds):
    """Whether the watch finds within some seconds that its process hangs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if watch.is_hanging():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="computing time is not known")
def test_a_silent_process_hangs_unless_it_computes():
    sleeping = start("import time; time.sleep(60)")
    # A shell that waits for a Python that computes is the usual wrapper of an environment.
    computing = start(
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    )
    try:
        time.sleep(0.5)
        assert until_it_hangs(SilenceWatch(sleeping.pid, Patience(0.4, 60)), 5)
        assert not until_it_hangs(SilenceWatch(computing.pid, Patience(0.4, 60)), 1.5)
        assert until_it_hangs(SilenceWatch(computing.pid, Patience(0.4, 1)), 5)
    finally:
        for process in (sleeping, computing):
            child_process.kill_group(process)
            process.wait()


def test_a_sign_of_life_and_a_computer_that_slept_count_anew(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(child_process.time, "monotonic", lambda: now[0])
    watch = SilenceWatch(os.getpid(), Patience(5, 5))
    for _ in range(4):
        now[0] += 1
        assert not watch.is_hanging()
    now[0] += 3600
    assert not watch.is_hanging()  # counts as one second
    watch.reset()
    for _ in range(5):
        now[0] += 1
        assert not watch.is_hanging()
    now[0] += 1
    assert watch.is_hanging() and watch.silent_text() == "6 s"
