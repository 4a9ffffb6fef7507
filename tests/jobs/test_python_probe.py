import sys

import pytest
from maquette.core.errors import DependencyError, WorkerError
from maquette.core.jobs import python_probe
from maquette.core.jobs.interpreters import PythonInterpreter
from maquette.core.jobs.task import run_to_end

GOOD = (
    '{"python": [3, 12, 1], "packages": {"numpy": "2.0", "PIL": "11", "torch": "2.9"}, '
    '"broken": {}, "devices": []}'
)


@pytest.fixture
def program(tmp_path):
    """A program that prints a text and ends."""

    def write(text, code=0):
        (tmp_path / "text").write_text(text)
        path = tmp_path / "python"
        path.write_text(f'#!/bin/sh\ncat "{tmp_path}/text"\nexit {code}\n')
        path.chmod(0o755)
        return PythonInterpreter(str(path))

    return write


def probe(python):
    return run_to_end(python_probe.probe_python(python))


@pytest.mark.slow
def test_the_current_python():
    import torch

    info = probe(PythonInterpreter.current())
    assert info.torch == torch.__version__ and info.python == ".".join(
        map(str, sys.version_info[:3])
    )
    assert f"PyTorch {torch.__version__}, devices: CPU" in info.status_text()


def test_a_good_answer_after_chatter(program):
    info = probe(program("a warning\n" + GOOD.replace("[]", '[["cuda", "Card"]]')))
    assert info.status_text() == "Python 3.12.1, PyTorch 2.9, devices: CPU, CUDA (Card)"


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (
            GOOD.replace("12, 1", "8, 0"),
            WorkerError,
            "is Python 3.8.0, but 3.11 or newer is required",
        ),
        (
            GOOD.replace('"torch": "2.9"', '"x": "1"'),
            DependencyError,
            'has no PyTorch. Install it with ".*" -m pip',
        ),
        (
            GOOD.replace('"broken": {', '"broken": {"torch": "libc10.so"'),
            DependencyError,
            "cannot be imported: libc10.so",
        ),
        ("hello", WorkerError, "does not seem to be Python. Its last output: hello"),
        ("", WorkerError, "Its last output: nothing"),
        ("{}", WorkerError, "does not seem to be Python"),
    ],
)
def test_what_is_wrong_is_reported(program, answer, error, text):
    with pytest.raises(error, match=text):
        probe(program(answer))


def test_no_such_program(tmp_path):
    with pytest.raises(WorkerError, match=r"does not exist\. Choose a Python"):
        probe(PythonInterpreter(str(tmp_path / "none")))


def test_a_file_that_is_no_program(tmp_path):
    (tmp_path / "text").write_text("hello")
    with pytest.raises(WorkerError, match=r"could not be started \(Permission denied"):
        probe(PythonInterpreter(str(tmp_path / "text")))
