"""A program in place of the chosen Python that does anything but what is expected of it."""

import importlib.util
import os
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from maquette.core.errors import DependencyError, MaquetteError, StartError, WorkerError
from maquette.core.jobs import dependencies, messages, python_probe
from maquette.core.jobs.child_process import Patience
from maquette.core.jobs.interpreters import PythonInterpreter
from maquette.core.jobs.task import Progress, ThreadedTask, run_to_end
from maquette.core.jobs.training_process import TrainingProcess, write_settings
from maquette.core.jobs.worker_pool import WorkerPool
from maquette.core.jobs.worker_process import WorkerProcess

_spec = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
_hostile = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_hostile)
write_program = _hostile.write_program

pytestmark = pytest.mark.skipif(os.name == "nt", reason="programs that begin with #!")

SHORT = Patience(idle=1.0, total=2.5)
SECONDS = 10.0  # in which every answer must be there
FLOOD = "while True: os.write({stream}, b'x' * (1 << 20))"


@pytest.fixture(autouse=True)
def short_patience(monkeypatch):
    monkeypatch.setattr(PythonInterpreter, "start_patience", SHORT)
    monkeypatch.setattr(WorkerProcess, "job_patience", SHORT)
    monkeypatch.setattr(python_probe, "LOADING_PATIENCE", SHORT)


@pytest.fixture
def refused(tmp_path):
    """A function that returns the error of a task, which must come soon and cost little memory."""

    def error_of(task):
        start = time.monotonic()
        before = memory()
        with pytest.raises(MaquetteError) as raised:
            run_to_end(task)
        assert time.monotonic() - start < SECONDS
        assert memory() - before < 100
        text = str(raised.value)
        assert len(text) < 1000 and text.isprintable() and "�" not in text
        return raised.value

    return error_of


@pytest.fixture
def run(refused):
    """A function that runs a job in a program, and returns its error."""
    workers = WorkerPool()

    def error_of(program, *arguments):
        python = PythonInterpreter(program)
        return refused(workers.run_function(python, reading, *arguments, idle=60))

    yield error_of
    workers.end_all()


def memory():
    """Megabytes of this process."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    words = status.read_text().split()
    return int(words[words.index("VmRSS:") + 1]) / 1024


def reading(*arguments):
    """Do nothing; the programs do not run it."""
    yield Progress(0.0, "Never")


def probe(program):
    return python_probe.probe_python(PythonInterpreter(program))


class TestBeforeItBegins:
    """The probe and the worker process say what is wrong with a program."""

    @pytest.mark.parametrize(
        ("act", "probed", "worked"),
        [
            ("time.sleep(60)", "did not respond for", "did not respond for"),
            ("os.close(1); os.close(2); time.sleep(60)", "closed its output", "closed its output"),
            ("os.kill(os.getpid(), 40)", "killed by signal 40", "killed by signal 40"),
            ("os.kill(os.getpid(), 11)", "killed by signal SIGSEGV", "killed by signal SIGSEGV"),
            ("sys.exit('no licence')", "Its last output: no licence", "exit code 1.: no licence"),
            ("os._exit(9009 % 256)", "Its last output: nothing", "exit code 49"),
            ("print('name? ', end=''); input()", "EOFError", "not a message|ended|respond"),
            (FLOOD.format(stream=1), "printed more than 16 MB", "printed more than 4 MB"),
            (FLOOD.format(stream=2), "printed more than 16 MB", "printed more than 16 MB"),
            (
                r"os.write(1, b'\xff' * 10000); time.sleep(60)",
                "nothing .it printed what is no text",
                "respond",
            ),
            ("os.write(1, bytes(range(256)) * 99)", "not seem to be Python", "exit code 0"),
            ("while True: pass", "did not respond for [23] s", "did not respond for [23] s"),
        ],
    )
    def test_what_it_does(self, refused, run, tmp_path, act, probed, worked):
        program = write_program(tmp_path / "python", act)
        error = refused(probe(program))
        assert isinstance(error, WorkerError)
        assert_matches(probed, error)
        error = run(program)
        assert isinstance(error, StartError)
        assert_matches(worked, error)

    def test_a_folder_a_pipe_a_text_and_nothing(self, refused, run, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "text").write_text("hello")
        (tmp_path / "no_program").write_bytes(b"\0\1\2")
        (tmp_path / "no_program").chmod(0o755)
        cases = {
            tmp_path: "it is a folder. Choose|it is a folder\\)",
            tmp_path / "pipe": "it is not a file",
            tmp_path / "text": "Permission denied",
            tmp_path / "no_program": "Exec format error",
            "x" * 300: "could not be started|does not exist",
            "a\0b": "could not be started|does not exist",
        }
        for path, text in cases.items():
            assert_matches(text, refused(probe(str(path))))
            assert_matches(text, run(str(path)))

    def test_an_old_python_is_named_by_its_version(self, refused, run, tmp_path):
        old = "version = sys.version_info; sys.version_info = (3, 9, 1)\ncode = sys.argv[3]\n"
        old += "sys.argv[:] = sys.argv[3:]\nsys.modules['torch'] = None\n"
        old += "exec(compile(code, 'code', 'exec'))"
        program = write_program(tmp_path / "python", old)
        assert_matches("is Python 3.9.1, but 3.11 or newer is required", refused(probe(program)))
        assert_matches("it is Python 3.9.1, but 3.11 or newer is required", run(program))

    def test_names_with_spaces_lines_and_letters(self, tmp_path):
        folder = tmp_path / "a b\nç"
        folder.mkdir()
        answer = '{"python": [3, 12, 1], "packages": {"numpy": "2", "PIL": "1", "torch": "2"}, '
        answer += '"broken": {}, "devices": [["mps", "a\\u0007b"]]}'
        program = write_program(
            folder / "python", f"print('banner'); print({answer!r}, flush=True)"
        )
        info = run_to_end(probe(program))
        assert info.status_text() == "Python 3.12.1, PyTorch 2, devices: CPU, MPS (a b)"


def assert_matches(pattern, error):
    assert re.search(pattern, str(error)), str(error)


@pytest.mark.parametrize(
    "answer",
    [
        '{"python": [3, 11]}',
        '{"python": ["x"], "packages": {}, "broken": {}, "devices": []}',
        '{"python": [3, 1e400], "packages": {}, "broken": {}, "devices": []}',
        '{"python": [3, 12], "packages": [], "broken": {}, "devices": []}',
        '{"python": [3, 12], "packages": {"torch": 1}, "broken": {}, "devices": []}',
        '{"python": [3, 12], "packages": {}, "broken": {"torch": null}, "devices": []}',
        '{"python": [3, 12], "packages": {}, "broken": {}, "devices": {"cuda": 1}}',
        '{"python": [3, 12], "packages": {}, "broken": {}, "devices": [["tpu", "x"]]}',
        '{"python": [true, 12], "packages": {}, "broken": {}, "devices": []}',
        "[" * 60000,
        "[]",
        "null",
    ],
)
def test_an_odd_answer_of_the_probe(refused, tmp_path, answer):
    program = write_program(tmp_path / "python", f"print({answer!r})")
    assert_matches("does not seem to be Python. Its last output", refused(probe(program)))


class TestAfterItHasBegun:
    @pytest.mark.parametrize(
        ("act", "text"),
        [
            (r"os.write(1, b'\xff' * 100000); time.sleep(60)", "not a message"),
            ("os.close(1); time.sleep(60)", "closed its output"),
            ("os.kill(os.getpid(), 40)", "killed by signal 40"),
            ("os.kill(os.getpid(), 9)", "SIGKILL.. It may have run out of memory"),
            ("time.sleep(60)", "did not respond for"),
            ("while True: pass", "did not respond for [23] s"),
            (FLOOD.format(stream=1), "not a message"),
            (FLOOD.format(stream=2), "printed more than 4 MB"),
            (
                "sys.stderr.write('a\\n\\x1b[31mlast words\\n'); os._exit(7)",
                "7.:.*last words. It is",
            ),
        ],
    )
    def test_what_it_does(self, run, tmp_path, monkeypatch, act, text):
        monkeypatch.setattr(WorkerProcess, "most_in_job", 4 << 20)
        program = write_program(tmp_path / "python", act, begins=True)
        # More than a pipe holds: nobody reads it.
        error = run(program, np.zeros(1 << 20, np.uint8))
        assert not isinstance(error, StartError)
        assert_matches(text, error)

    @pytest.mark.parametrize(
        "message",
        [
            7,
            {},
            {"job": 1},
            {"job": 2, "result": None},
            {"job": 1, "error": ["x"]},
            {"job": 1, "error": [1, 2]},
            {"job": 1, "bug": 3},
            {"job": 1, "progress": 0.5},
            {"job": 1, "ended": "really"},
            {"result": 3},
        ],
    )
    def test_a_message_that_is_no_answer(self, run, tmp_path, message):
        program = self.answering(tmp_path, [message])
        assert_matches("something that is not an answer", run(program))

    @pytest.mark.parametrize(
        "header",
        [
            b"{",
            b"[]",
            b"\xff\xfe",
            b'{"value": 1}',
            b'{"value": {"array": 0}, "arrays": []}',
            b'{"value": {"array": 0}, "arrays": [["<f4", [1000000000000]]]}',
            b'{"value": 1, "arrays": [["<f4", [-1]]]}',
            b'{"value": 1, "arrays": [["O", [1]]]}',
            b'{"value": 1, "arrays": [["nonsense", [1]]]}',
            b'{"value": 1, "arrays": 3}',
            b'{"value": {"a": 1, "b": 2}, "arrays": []}',
            b'{"value": {"nowhere:Class": {}}, "arrays": []}',
            b'{"value": {"errors:WorkerError": {}}, "arrays": []}',
            b'{"value": {"jobs.task:Progress": {"x": 1}}, "arrays": []}',
            b'{"value": ' + b"[" * 100000 + b', "arrays": []}',
        ],
    )
    def test_a_malformed_message(self, run, tmp_path, header):
        (tmp_path / "bytes").write_bytes(len(header).to_bytes(8, "little") + header)
        act = f"os.write(1, open({str(tmp_path / 'bytes')!r}, 'rb').read()); time.sleep(60)"
        program = write_program(tmp_path / "python", act, begins=True)
        assert_matches("was ended: ", run(program))

    @pytest.mark.parametrize("name", ["SystemExit", "__doc__", "annotations"])
    def test_a_name_that_is_no_error(self, run, tmp_path, name):
        """Neither another exception nor anything else of the module is raised by its name."""
        error = run(self.answering(tmp_path, [{"job": 1, "error": [name, "a text"]}]))
        assert type(error) is MaquetteError and str(error) == "a text"

    def test_answers_without_end_do_not_pile_up(self, run, tmp_path):
        progress = {"job": 1, "progress": Progress(0.5, "x" * 10000)}
        program = self.answering(tmp_path, [progress] * 5000 + [7])
        assert_matches("not an answer", run(program))

    def answering(self, folder, answers):
        """A program that sends ``answers`` to its first job, and stays."""
        with (folder / "bytes").open("wb") as file:
            for answer in answers:
                messages.send_message(file, answer)
        act = f"data = memoryview(open({str(folder / 'bytes')!r}, 'rb').read())\n"
        # Not before the job has come.
        act += "os.read(0, 1)\nwhile data: data = data[os.write(1, data[:65536]):]\ntime.sleep(60)"
        return write_program(folder / "python", act, begins=True)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds processes in Linux's /proc")
def test_what_it_has_started_ends_with_it(run, refused, tmp_path):
    """Neither those that it waits for nor those that it leaves behind, as a fork bomb does."""
    number = tmp_path / "number"
    act = "child = subprocess.Popen(['sleep', '61'])\n"
    act += f"open({str(number)!r}, 'w').write(str(child.pid))\n"
    for rest in ("time.sleep(60)", "os._exit(0)"):
        program = write_program(tmp_path / "python", act + rest)
        for fails in (run, lambda program: refused(probe(program))):
            fails(program)
            assert has_ended(int(number.read_text()))


def has_ended(pid, seconds=5.0):
    """Whether a process ends soon; what has no parent to ask for it may stay as a zombie."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_silent_one_can_be_canceled(tmp_path, monkeypatch):
    monkeypatch.setattr(PythonInterpreter, "start_patience", Patience(60, 60))
    workers = WorkerPool()
    program = write_program(tmp_path / "python", "time.sleep(60)")
    for task in (
        probe(program),
        workers.run_function(PythonInterpreter(program), reading, idle=60),
    ):
        driver = ThreadedTask(task)
        time.sleep(0.3)
        driver.cancel()
        driver._thread.join(3)
        assert not driver._thread.is_alive()
    assert not workers.alive_workers()


def test_a_reader_that_dies_fails_the_job(monkeypatch, refused):
    def fail(stream):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(messages, "receive_message", fail)
    workers = WorkerPool()
    task = workers.run_function(PythonInterpreter.current(), reading, idle=60)
    assert_matches("was ended: a bug", refused(task))
    assert not workers.alive_workers()


class TestTraining:
    def failure(self, folder, act, begins=False):
        write_settings(folder / "run", {"training": {"steps": 3}})
        program = write_program(folder / "python", act, begins)
        process = TrainingProcess(folder / "run", PythonInterpreter(program))
        try:
            process.wait(SECONDS)
            return process.failure_text()
        finally:
            process.request_stop()

    @pytest.mark.parametrize(
        ("act", "text"),
        [
            ("time.sleep(60)", "It did not respond for"),
            ("print('hello')", "ended before its training did (exit code 0). hello"),
            ("os.kill(os.getpid(), 40)", "ended before its training did (killed by signal 40)"),
            ("sys.exit('no licence')", "no licence"),
        ],
    )
    def test_a_program_that_does_not_train(self, tmp_path, act, text):
        assert text in self.failure(tmp_path, act)

    @pytest.mark.parametrize("stream", [1, 2])
    def test_its_output_is_bounded(self, tmp_path, stream):
        act = f"for _ in range(200): os.write({stream}, b'x' * (1 << 20))\n"
        act += f"os.write({stream}, b'\\nthe end')\nsys.exit(3)"
        before = memory()
        assert self.failure(tmp_path, act) == "the end"
        assert memory() - before < 100
        assert 0 < (tmp_path / "run/output.txt").stat().st_size <= 1 << 20

    def test_it_can_be_stopped_at_any_time(self, tmp_path):
        write_settings(tmp_path / "run", {"training": {"steps": 3}})
        program = write_program(tmp_path / "python", "signal.signal(15, 1)\ntime.sleep(60)")
        process = TrainingProcess(tmp_path / "run", PythonInterpreter(program))
        process.request_stop()
        process.wait(3)
        assert not process.is_running() and process.failure_text() is None


def test_a_file_of_the_same_name_hides_nothing(tmp_path, monkeypatch, site, works_here):
    """Python files in the working folder are not run, by none of the processes."""
    ran = tmp_path / "ran"
    for name in ("json", "struct", "pathlib", "numpy", "importlib", "subprocess", "torch"):
        (tmp_path / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write('{name} ')\n")
    monkeypatch.chdir(tmp_path)
    for variable in (f"{os.pathsep}{{}}", f".{os.pathsep}{{}}{os.pathsep}"):
        monkeypatch.setenv("PYTHONPATH", variable.format(site))
        current = PythonInterpreter(sys.executable, PythonInterpreter.current().paths)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PythonInterpreter, "start_patience", Patience(60, 60))
            patch.setattr(python_probe, "LOADING_PATIENCE", Patience(60, 60))
            works_here(current)
        assert not ran.exists(), ran.read_text()


@pytest.fixture
def site(tmp_path_factory):
    """A folder with a PyTorch of a few lines."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "torch.py").write_text(
        "__version__ = '2'\n"
        "class cuda:\n is_available = staticmethod(lambda: False)\n"
        "class backends: pass\n"
    )
    return folder


@pytest.fixture
def works_here(tmp_path_factory):
    """Runs the probe, a worker's job and a training process."""
    run_folder = tmp_path_factory.mktemp("run")

    def use(python):
        assert run_to_end(python_probe.probe_python(python)).torch == "2"
        workers = WorkerPool()
        task = workers.run_function(python, dependencies_job(), "numpy", idle=60)
        with pytest.raises((MaquetteError, RuntimeError)):
            run_to_end(task)
        workers.end_all()
        write_settings(run_folder, {"datasets": ["nowhere"], "training": {"steps": 1}})
        process = TrainingProcess(run_folder, python)
        process.wait(60)
        assert process.failure_text()

    return use


@pytest.fixture
def with_broken(tmp_path):
    """A function that makes a Python of which a package cannot be imported."""

    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "torch.py").write_text("raise ImportError('not now')")  # it takes seconds
        (folder / f"{name}.py").write_text("raise OSError('libx.so:\\n is lost')")
        act = f"os.environ['PYTHONPATH'] = {str(folder)!r}\n"
        act += f"os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])"
        return write_program(folder / "python", act)

    return make


@pytest.mark.parametrize(("name", "title"), [("PIL", "Pillow"), ("torch", "PyTorch")])
def test_a_broken_package_is_named_by_the_test(refused, with_broken, monkeypatch, name, title):
    monkeypatch.setattr(python_probe, "LOADING_PATIENCE", Patience(60, 60))
    monkeypatch.setattr(python_probe, "MODEL", (name,))
    error = refused(probe(with_broken(name)))
    assert isinstance(error, DependencyError)
    text = f"^{title} is installed in .*python but cannot be imported: OSError: libx.so: is lost$"
    assert_matches(text, error)


def test_a_broken_numpy_is_named_by_the_job(run, with_broken):
    error = run(with_broken("numpy"))
    assert_matches("NumPy cannot be imported: OSError: libx.so: is lost. Press Test", error)


def dependencies_job():
    """A function of the package that a worker process can find, though it is no task."""
    return dependencies.missing_packages
