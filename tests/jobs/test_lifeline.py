"""Processes that end with the one that started them, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from maquette.core.jobs import lifeline
from maquette.core.jobs.interpreters import PythonInterpreter
from maquette.core.jobs.training_process import write_settings

CORE = Path(lifeline.__file__).parents[1]
LOADING = f"""
import importlib.util, os, subprocess, sys, time
from pathlib import Path
spec = importlib.util.spec_from_file_location(
    "c", r"{CORE}/__init__.py", submodule_search_locations=[r"{CORE}"]
)
sys.modules["c"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from c.jobs import lifeline, temporary_folders, training_process
from c.jobs.interpreters import PythonInterpreter
"""
# A thread waits, since the process itself does something that takes long.
CHILD = (
    LOADING
    + """
lifeline.{watch}(lambda: {seconds})
print(temporary_folders.create_folder(), flush=True)
time.sleep(60)
"""
)
PARENT = """
import subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, "-c", {child!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE
)
print(child.pid, child.stdout.readline().decode().strip(), flush=True)
time.sleep(60)
"""
TRAINING_PARENT = (
    LOADING
    + """
process = training_process.TrainingProcess(Path({run!r}), PythonInterpreter({program!r}))
while not process._has_begun():
    time.sleep(0.01)
print(process._process.pid, flush=True)
time.sleep(60)
"""
)

pytestmark = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="finds processes in Linux's /proc"
)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def start_parent(code, folder):
    """Start a process; return it and what it prints first."""
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    return parent, parent.stdout.readline().decode().split()


def seconds_until_end(pid, most=15.0):
    start = time.monotonic()
    while is_running(pid):
        assert time.monotonic() - start < most, "it works on"
        time.sleep(0.02)
    return time.monotonic() - start


@pytest.mark.parametrize("watch", ["watch_stdin", "watch_parent"])
def test_a_child_ends_with_its_killed_parent_and_leaves_nothing(tmp_path, watch):
    child_code = CHILD.format(watch=watch, seconds=0)
    parent, (pid, folder) = start_parent(PARENT.format(child=child_code), tmp_path)
    assert is_running(pid) and Path(folder).is_dir()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    seconds_until_end(pid)
    assert not Path(folder).exists()


def test_a_child_has_the_time_that_it_asks_for(tmp_path):
    child_code = CHILD.format(watch="watch_stdin", seconds=1.5)
    parent, (pid, _) = start_parent(PARENT.format(child=child_code), tmp_path)
    parent.kill()
    parent.wait()
    assert seconds_until_end(pid) > 1


class TestTraining:
    """The process of a training, whose network is a loop here."""

    @pytest.fixture
    def program(self, tmp_path):
        """A Python whose training waits for the stop file."""
        train = (
            "import types, pathlib, time\n"
            "def train_from_settings(path):\n"
            "    run = pathlib.Path(path).parent\n"
            "    while not (run / 'stop').exists(): print('step', flush=True); time.sleep(0.01)\n"
            "    (run / 'checkpoint').touch()\n"
            "    return 0\n"
            "module = types.ModuleType('maquette_core.model.jobs.reconstruct')\n"
            "module.train_from_settings = train_from_settings\n"
            "sys.modules[module.__name__] = module\n"
        )
        wrapper = tmp_path / "python"
        wrapper.write_text(
            f"#!{sys.executable}\n"
            "import os, sys\n"
            "words = sys.argv[1:]\n"
            "place = words.index('-c') + 1\n"
            f"words[place] = words[place].replace('from maquette_core.model.jobs', {train!r}\n"
            "    + 'from maquette_core.model.jobs')\n"
            f"os.execv({sys.executable!r}, [{sys.executable!r}, *words])\n"
        )
        wrapper.chmod(0o755)
        return str(wrapper)

    @pytest.mark.parametrize("steps", [0, 5])
    def test_it_stops_with_a_checkpoint_when_blender_is_killed(self, tmp_path, program, steps):
        run = tmp_path / "run"
        write_settings(run, {"training": {"steps": 100}})
        if steps:
            (run / "log.csv").write_text(f"{steps},train,1\n")
        code = TRAINING_PARENT.format(run=str(run), program=program)
        parent, (pid,) = start_parent(code, tmp_path)
        assert is_running(pid)
        parent.kill()
        parent.wait()
        seconds_until_end(pid)
        assert (run / "checkpoint").exists() == bool(steps)
        assert PythonInterpreter(program).label == program
