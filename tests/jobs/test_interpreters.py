import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from maquette.core.errors import StartError
from maquette.core.jobs import interpreters
from maquette.core.jobs.interpreters import PythonInterpreter, clean_environment, program_path


def test_the_environment_keeps_what_set_ups_need():
    folder = str(Path("/usr/lib").absolute())
    kept = {"PATH": "/bin", "LD_LIBRARY_PATH": "/x", "CUDA_VISIBLE_DEVICES": "1"}
    kept |= {"PYTHONUSERBASE": "/y", "PYTHONNOUSERSITE": "1", "HOME": "/home/me"}
    dropped = dict.fromkeys(interpreters._DROPPED_VARIABLES, "x")
    path = os.pathsep.join(["", folder, ".", "lib", ""])
    cleaned = clean_environment({**kept, **dropped, "PYTHONPATH": path, "PYTHONSAFEPATH": ""})
    assert {name: cleaned[name] for name in kept} == kept
    assert not cleaned.keys() & dropped.keys()
    assert cleaned["PYTHONPATH"] == folder and cleaned["PYTHONSAFEPATH"] == "1"
    assert "PYTHONPATH" not in clean_environment({"PYTHONPATH": "lib"})


def test_it_has_nothing_to_read_and_a_group_of_its_own():
    code = "import os, sys; print(repr(sys.stdin.read()), os.getpgrp() == os.getpid())"
    process = PythonInterpreter.current().start_code(code, stdout=subprocess.PIPE)
    output, _ = process.communicate(timeout=60)
    assert output.split() == [b"''", b"True"]


def test_paths_of_programs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/python"
    shutil.copy(shutil.which("true"), program)
    assert program_path("bin/python") == program_path("~/bin/python") == str(program)
    # A name is looked for in the search path, but never in the working folder.
    (tmp_path / "mine").write_text("x")
    (tmp_path / "mine").chmod(0o755)
    for search in (str(tmp_path / "bin"), "bin"):
        monkeypatch.setenv("PATH", search)
        expected = program if Path(search).is_absolute() else tmp_path / "python"
        assert program_path("python") == str(expected)


def test_links_are_not_followed_since_they_make_a_virtual_environment(tmp_path):
    (tmp_path / "python").symlink_to(sys.executable)
    assert program_path(str(tmp_path / "python")) == str(tmp_path / "python")


def test_a_folder_is_no_program(tmp_path):
    with pytest.raises(StartError, match="it is a folder"):
        PythonInterpreter(str(tmp_path)).start_code("")
    with pytest.raises(StartError, match=r"a\?b could not be started"):
        PythonInterpreter(str(tmp_path / "a\nb")).start_code("")
