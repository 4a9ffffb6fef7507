import json
import subprocess
from pathlib import Path

from maquette.core.jobs import worker_boot
from maquette.core.jobs.interpreters import PythonInterpreter


def run_in_new_process(python, code):
    """What a process prints that starts with the boot code."""
    process = python.start_package_code(code, stdout=subprocess.PIPE)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(output)


def test_the_core_package_gets_its_other_name_and_nothing_else_is_imported():
    code = (
        "import json\n"
        "core = sys.modules['maquette_core']\n"
        "print(json.dumps([core.__file__, sorted(sys.modules)]))"
    )
    file, modules = run_in_new_process(PythonInterpreter.current(), code)
    assert Path(file) == Path(worker_boot.__file__).parents[1] / "__init__.py"
    assert not {"maquette", "bpy", "torch", "numpy"} & set(modules)


def test_folders_are_appended_once_and_the_current_one_is_removed(tmp_path):
    python = PythonInterpreter(PythonInterpreter.current().executable, (str(tmp_path), "/usr"))
    code = "import json\nprint(json.dumps(sys.path))"
    paths = run_in_new_process(python, code)
    assert paths[-2:] == [str(tmp_path), "/usr"] and "" not in paths

    again = PythonInterpreter(python.executable, (paths[0],))
    assert run_in_new_process(again, code).count(paths[0]) == 1


def test_the_folder_of_packages_comes_before_all_others(tmp_path):
    current = PythonInterpreter.current()
    python = PythonInterpreter(current.executable, current.paths, str(tmp_path))
    code = "import json\nprint(json.dumps(sys.path))"
    assert run_in_new_process(python, code)[0] == str(tmp_path)


def test_it_can_follow_other_code():
    """Blender's interpreter puts lines before it, where no future import may follow."""
    assert "__future__" not in Path(worker_boot.__file__).read_text(encoding="utf-8")
