"""Real processes of this Python, which run the tasks of works.py. None imports torch."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from maquette.core.errors import Cancelled, ImageError, StartError, WorkerError
from maquette.core.jobs import interpreters, worker_pool
from maquette.core.jobs.child_process import Patience
from maquette.core.jobs.interpreters import PythonInterpreter
from maquette.core.jobs.task import ThreadedTask, run_to_end
from maquette.core.jobs.worker_pool import WorkerPool
from maquette.core.jobs.worker_process import WorkerProcess

CORE = Path(worker_pool.__file__).parents[1]


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """A copy of core/ with works.py in it, as a worker process finds it."""
    folder = tmp_path_factory.mktemp("extension") / "core"
    (folder / "jobs").mkdir(parents=True)
    for path in [*CORE.glob("*.py"), *CORE.glob("jobs/*.py")]:
        shutil.copy(path, folder / path.relative_to(CORE))
    shutil.copy(Path(__file__).with_name("works.py"), folder)
    return folder


@pytest.fixture
def works(core, monkeypatch):
    monkeypatch.setattr(interpreters, "__file__", str(core / "jobs/interpreters.py"))
    spec = importlib.util.spec_from_file_location("maquette.core.works", core / "works.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def workers():
    workers = WorkerPool()
    yield workers
    workers.end_all()
    assert not workers.alive_workers()


@pytest.fixture
def run(workers):
    """Runs a task to its end in a process."""
    return lambda function, *arguments, idle=60: run_to_end(
        workers.run_function(PythonInterpreter.current(), function, *arguments, idle=idle)
    )


def wait_until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "the condition was never true"
        time.sleep(0.01)


def exists(pid):
    return Path(f"/proc/{pid}").exists()


def test_result_and_progress_come_back_from_another_process(works, workers):
    seen = []
    work = workers.run_function(PythonInterpreter.current(), works.double, np.arange(3.0), idle=60)
    result = run_to_end(work, lambda progress: seen.append((progress.fraction, progress.stage)))
    np.testing.assert_array_equal(result["array"], [0, 2, 4])
    assert result["pid"] != os.getpid() and (0.5, "Doubling") in seen


class Chatty(PythonInterpreter):
    """Prints before it is ready, as Blender does, and ends with an incomplete line."""

    def command_words(self, code):
        return super().command_words(
            f"print('Blender 5.2\\nRead prefs', end='', flush=True)\n{code}"
        )


def test_what_a_program_prints_before_it_is_ready_is_no_message(works, workers):
    result = run_to_end(
        workers.run_function(
            Chatty(*vars(PythonInterpreter.current()).values()), works.double, np.ones(2), idle=60
        )
    )
    np.testing.assert_array_equal(result["array"], [2, 2])


def test_the_command_of_blender_gives_our_code_its_arguments(capfd):
    words = interpreters.BlenderInterpreter("blender").command_words(
        "print(sys.argv[1:], 'bpy' in sys.modules)"
    )
    assert words[:2] == ("-b", "--factory-startup") and words[-1] == "--"
    program = words[words.index("--python-expr") + 1]
    subprocess.run(
        [sys.executable, "-c", program, "--python-expr", "--", "folder", "path"], check=True
    )
    assert capfd.readouterr().out == "['folder', 'path'] False\n"


def test_its_temporary_files_go_with_it(works, workers):
    work = workers.run_function(PythonInterpreter.current(), works.litter, idle=60)
    folder = next(stage for stage in (progress.stage for progress in work) if os.sep in stage)
    assert Path(folder).is_dir()
    work.close()
    workers.end_all()
    assert not Path(folder).parent.exists()


def test_it_stays_warm_and_another_python_takes_its_place(works, workers, run):
    first, second = (run(works.double, np.ones(1))["pid"] for _ in range(2))
    assert first == second
    other = PythonInterpreter(sys.executable, (*PythonInterpreter.current().paths, "/nowhere"))
    third = run_to_end(workers.run_function(other, works.double, np.ones(1), idle=60))["pid"]
    assert third != first and [worker.pid for worker in workers.alive_workers()] == [third]


def test_two_at_once_have_a_process_each_and_one_is_kept(works, workers):
    tasks = [
        ThreadedTask(
            workers.run_function(PythonInterpreter.current(), works.double, np.ones(1), idle=60)
        )
        for _ in range(2)
    ]
    wait_until(lambda: all(task.poll() for task in tasks))
    # One, if the first was done before the second began.
    assert len({task.result()["pid"] for task in tasks}) in (1, 2)
    wait_until(lambda: len(workers.alive_workers()) == 1)


def test_errors_of_the_user_and_bugs_arrive_as_what_they_are(works, run):
    with pytest.raises(ImageError, match="the picture is bad"):
        run(works.refuse)
    with pytest.raises(RuntimeError, match=r"(?s)works.py.*by zero"):
        run(works.bug)
    assert run(works.double, np.ones(1))


@pytest.mark.parametrize(
    ("code", "text"), [(3, "exit code 3.*memory is corrupt"), (0, "SIGKILL.*lower resolution. It")]
)
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals")
def test_a_crash_is_reported_and_the_next_call_starts_another(works, run, code, text):
    before = run(works.double, np.ones(1))["pid"]
    with pytest.raises(WorkerError, match=text) as raised:
        run(works.crash, code)
    assert not isinstance(raised.value, StartError)
    assert run(works.double, np.ones(1))["pid"] != before


def test_a_long_step_is_no_hanging(works, run, monkeypatch):
    """The process sends signs of life meanwhile, though the job neither yields nor computes."""
    monkeypatch.setattr(WorkerProcess, "job_patience", Patience(3.5, 3.5))
    assert run(works.slow_step, 5) == 5


def test_relative_paths_count_from_the_present_folder(works, run, tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
        monkeypatch.chdir(tmp_path / name)
        assert run(works.read_text, Path("file")) == name


def test_a_result_that_cannot_be_sent_is_a_bug_and_the_process_stays(works, run):
    pid = run(works.double, np.ones(1))["pid"]
    with pytest.raises(RuntimeError, match=r"(?s)In the worker process.*<class 'set'> cannot"):
        run(works.unsendable)
    assert run(works.double, np.ones(1))["pid"] == pid


def test_what_a_job_prints_is_neither_kept_nor_in_its_way(works, run):
    """More than a pipe holds, and than is kept."""
    assert run(works.chatter, 1000) == 1000


def cancelled(work, began):
    """Seconds from the cancel until the driver is free."""
    driver = ThreadedTask(work)
    wait_until(lambda: began(driver))
    start = time.monotonic()
    driver.cancel()
    wait_until(driver.poll)
    with pytest.raises(Cancelled):
        driver.result()
    return time.monotonic() - start


def test_cancel_closes_the_work_there_and_keeps_the_process(works, workers, run, tmp_path):
    pid = run(works.double, np.ones(1))["pid"]
    work = workers.run_function(PythonInterpreter.current(), works.forever, tmp_path, idle=60)
    assert cancelled(work, lambda driver: driver.progress.stage == "Running") < 1
    wait_until((tmp_path / "closed").exists)
    assert run(works.double, np.ones(1))["pid"] == pid


def test_cancel_in_a_long_step_ends_the_process(works, workers, tmp_path):
    work = workers.run_function(PythonInterpreter.current(), works.long_step, tmp_path, idle=60)
    assert cancelled(work, lambda driver: (tmp_path / "began").exists()) < 1
    wait_until(lambda: not workers.alive_workers(), 1)


def test_it_leaves_when_idle_and_the_next_call_starts_another(works, workers, run):
    first = run(works.double, np.ones(1), idle=0.2)["pid"]
    wait_until(lambda: not workers.alive_workers())
    assert run(works.double, np.ones(1))["pid"] != first


def test_its_idle_time_ends_just_as_a_job_is_sent(works, workers, run, monkeypatch):
    """The idle time may run out between the check whether it is alive and the request."""
    first = run(works.double, np.ones(1), idle=0.1)["pid"]
    wait_until(lambda: not workers.alive_workers())
    lives = iter([True])
    alive = WorkerProcess.is_alive
    monkeypatch.setattr(WorkerProcess, "is_alive", lambda self: next(lives, None) or alive(self))
    assert run(works.double, np.ones(1))["pid"] != first


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds processes in Linux's /proc")
def test_none_is_left_when_its_owner_is_killed_in_the_middle(core, tmp_path):
    script = tmp_path / "owner.py"
    script.write_text(f"""
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location(
    "c", r"{core}/__init__.py", submodule_search_locations=[r"{core}"]
)
sys.modules["c"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from c import works
from c.jobs import interpreters, worker_process
worker = worker_process.WorkerProcess(interpreters.PythonInterpreter.current())
for progress in worker.run_function(works.long_step, (Path(r"{tmp_path}"),), 60):
    print(worker.pid, worker._scratch, flush=True)
""")
    owner = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE)
    pid, scratch = owner.stdout.readline().decode().split()
    wait_until((tmp_path / "began").exists)
    assert exists(pid) and Path(scratch).is_dir()
    owner.kill()
    owner.wait()
    wait_until(lambda: not exists(pid), 5)
    assert not Path(scratch).exists()


def test_a_program_that_is_not_python_is_reported(works, workers, tmp_path):
    with pytest.raises(StartError, match=r"could not be started \(No such file"):
        run_to_end(
            workers.run_function(
                PythonInterpreter(str(tmp_path / "none")), works.double, 1, idle=60
            )
        )
    for program in ("true", "false"):
        with pytest.raises(StartError, match="ended unexpectedly"):
            run_to_end(
                workers.run_function(
                    PythonInterpreter(shutil.which(program)), works.double, 1, idle=60
                )
            )


def test_ended_from_outside_in_the_middle(works, workers, tmp_path):
    """As when the add-on is disabled: no thread is left, and none fails."""
    driver = ThreadedTask(
        workers.run_function(PythonInterpreter.current(), works.forever, tmp_path, idle=60)
    )
    wait_until(lambda: driver.progress.stage == "Running")
    workers.end_all()
    driver.cancel()
    wait_until(driver.poll)
    wait_until(lambda: not driver._thread.is_alive(), 5)
    with pytest.raises(Cancelled):
        driver.result()


@pytest.mark.parametrize("cancelled", [True, False])
def test_a_warm_one_that_is_ended_in_the_middle_is_not_begun_again(
    works, workers, run, tmp_path, cancelled
):
    run(works.double, 1)
    driver = ThreadedTask(
        workers.run_function(PythonInterpreter.current(), works.forever, tmp_path, idle=60)
    )
    wait_until(lambda: driver.progress.stage == "Running")
    if cancelled:
        driver.cancel()
    workers.end_all()
    wait_until(driver.poll)
    wait_until(lambda: not driver._thread.is_alive(), 5)
    with pytest.raises(Cancelled if cancelled else WorkerError):
        driver.result()
    assert not workers.alive_workers()
