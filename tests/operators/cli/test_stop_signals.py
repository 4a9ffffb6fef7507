"""Commands that are stopped, killed, or whose terminal is closed leave nothing behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="finds processes in Linux's /proc"
)


class Run:
    """A command that renders for long, with a folder of its own for temporary files."""

    def __init__(self, as_script, folder, processes, **options):
        self.folder = folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir(exist_ok=True)
        words = ["--procedural", "all", "--count", 99, "--size", 32, "--samples", 1]
        words += ["--points", 256, "--cameras", "free:60", "--processes", processes]
        # Shells let the processes that they start in the background ignore Ctrl+C.
        options.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.process = subprocess.Popen(
            as_script.words("dataset", folder / "set", *words),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(self.temporary)},
            start_new_session=True,
            **options,
        )

    def wait_until_it_renders(self, count):
        """Wait until so many processes have temporary folders, and views are being written."""
        end = time.monotonic() + 60
        while not self.is_rendering(count):
            assert time.monotonic() < end and self.process.poll() is None
            time.sleep(0.05)

    def is_rendering(self, count):
        studios = [*self.temporary.rglob("maquette_*/maquette_owner.json")]
        owners = count + (count > 1)  # the first process has one for all
        return len(studios) >= owners and [*self.folder.glob("set/objects/.*.views/*")]

    def children(self):
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(word) for word in path.read_text().split()]


def wait_for_end(pids, seconds=10.0):
    end = time.monotonic() + seconds
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < end, "a process works on"
        time.sleep(0.05)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("number", "processes", "to_group"),
    [(signal.SIGTERM, 1, False), (signal.SIGINT, 2, True)],
)
def test_a_signal_leaves_nothing(as_script, tmp_path, number, processes, to_group):
    """Ctrl+C reaches all processes of a terminal; other signals one."""
    run = Run(as_script, tmp_path, processes)
    run.wait_until_it_renders(processes)
    children = run.children()
    send = os.killpg if to_group else os.kill
    send(run.process.pid, number)
    if to_group:
        send(run.process.pid, number)  # twice, as people press it
    _, errors = run.process.communicate(timeout=20)
    assert run.process.returncode == 128 + number and b"Traceback" not in errors, errors
    assert not list(run.temporary.iterdir())
    wait_for_end(children)


def test_processes_end_with_a_parent_that_is_killed_and_the_next_start_sweeps(as_script, tmp_path):
    run = Run(as_script, tmp_path, 2)
    run.wait_until_it_renders(2)
    children = run.children()
    assert len(children) == 2
    run.process.kill()
    run.process.communicate(timeout=20)
    wait_for_end(children)
    # They have removed what is theirs; the folder of the parent waits for the next start.
    left = [path for path in run.temporary.rglob("*") if path.name != "maquette_owner.json"]
    assert all(path.parent == run.temporary for path in left)
    others = run.temporary / "maquette_of_another"
    others.mkdir()
    done = subprocess.run(
        as_script.words("--help"),
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(run.temporary)},
        timeout=60,
    )
    assert done.returncode == 0 and list(run.temporary.iterdir()) == [others]


def test_a_hangup_that_is_ignored_stays_so():
    """As ``nohup`` asks."""
    from maquette.operators.cli.stop_signals import stop_in_order

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # What ran earlier in this process, such as Ray, may have left a handler of its own.
    before_stop = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with stop_in_order():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
        signal.signal(signal.SIGTERM, before_stop)


def test_a_command_is_stopped_in_order_and_the_handlers_are_as_before():
    from maquette.operators.cli.stop_signals import Stopped, stop_in_order

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    cleaned = []
    with pytest.raises(Stopped) as stop, stop_in_order():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        finally:
            os.kill(os.getpid(), signal.SIGINT)  # no longer disturbs
            cleaned.append(True)
    assert stop.value.code == 143 and cleaned
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    time.sleep(0.1)
    assert "maquette-signals" not in [thread.name for thread in threading.enumerate()]


def test_blender_lets_an_exception_pass_once_its_callback_has_returned(tmp_path):
    """As Cycles, which is Python code that Blender calls, and whose exceptions it prints."""
    from maquette.operators.cli.stop_signals import Stopped, stop_in_order

    file = tmp_path / "scripts/addons_core/cycles/__init__.py"
    code = "def render():\n os.kill(os.getpid(), 15)\n time.sleep(0.01)\n seen.append('rendered')\n"
    seen = []
    namespace = {"os": os, "time": time, "seen": seen}
    exec(compile(code, str(file), "exec"), namespace)
    with pytest.raises(Stopped) as stop, stop_in_order():
        namespace["render"]()
        seen.append(len("after"))
        seen.append("never")
    assert stop.value.code == 143 and seen in (["rendered"], ["rendered", 5])
    assert sys.getprofile() is None


def test_a_command_in_native_code_is_ended_after_some_seconds(tmp_path):
    """Python's handler of signals would only run once that code has ended."""
    code = f"""
import runpy, sys
runpy.run_path({str(Path(__file__).parents[2] / "conftest.py")!r})
from maquette.core.jobs import temporary_folders
from maquette.operators.cli import stop_signals
import hashlib
stop_signals.GRACE_SECONDS = 0.5
with stop_signals.stop_in_order():
    print(temporary_folders.create_folder(), flush=True)
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2**31 - 1)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment
    )
    folder = Path(process.stdout.readline().decode().strip())
    assert json.loads((folder / "maquette_owner.json").read_text())["pid"] == process.pid
    time.sleep(0.5)  # for the call
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 143 and not folder.exists()
