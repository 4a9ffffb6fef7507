import os
import subprocess
import sys
from pathlib import Path

import pytest
from maquette.core.errors import DependencyError
from maquette.core.jobs import dependencies


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A function that puts a package of some code in the place of another."""

    def write(name, code, part=""):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text(code)
        if part:
            (folder / "Image.py").write_text(part)
        monkeypatch.syspath_prepend(str(tmp_path))
        for module in [*sys.modules]:
            if module.partition(".")[0] == name:
                monkeypatch.delitem(sys.modules, module)
        dependencies.is_installed.cache_clear()

    yield write
    monkeypatch.undo()
    dependencies.is_installed.cache_clear()
    # What was imported of the packages in between.
    for module in [*sys.modules]:
        if str(tmp_path) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "raise OSError('libc10.so:\\n cannot open')",
            "imported: OSError: libc10.so: cannot open. ",
        ),
        ("raise ImportError('no _C')", "cannot be imported: ImportError: no _C. Install it again"),
        ("1 // 0", "cannot be imported: ZeroDivisionError: "),
        ("import sys; sys.exit(3)", "cannot be imported: SystemExit: 3"),
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("", "__init__.py is another module of that name"),
        ("this is no code", "SyntaxError: invalid syntax"),
    ],
)
def test_a_broken_package_is_told_with_the_reason(broken, code, text):
    broken("pycolmap", code)
    assert dependencies.is_installed("pycolmap")
    with pytest.raises(
        DependencyError, match=r"^pycolmap is installed in this Python but"
    ) as raised:
        dependencies.require_packages("pycolmap")
    assert text in str(raised.value) and "\n" not in str(raised.value)
    dependencies.require_installed("pycolmap")  # which imports nothing


def test_a_folder_without_code_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "pycolmap/models").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "pycolmap", raising=False)
    assert not dependencies.is_installed.__wrapped__("pycolmap")


def test_the_native_part_of_pillow_is_tried(broken):
    broken("PIL", "__version__ = '9'", "raise ImportError('_imaging')")
    with pytest.raises(DependencyError, match=r"Pillow is installed.*ImportError: _imaging\."):
        dependencies.require_packages("PIL")


def test_packages_that_work():
    dependencies.require_packages("PIL", "numpy")


def test_a_missing_one_and_what_else_can_be_done(broken, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    dependencies.is_installed.cache_clear()
    with pytest.raises(
        DependencyError, match=r"^PyTorch is not installed.*Maquette's preferences$"
    ):
        dependencies.require_packages("numpy", "torch")


def test_the_script_says_that_numpy_is_broken(tmp_path):
    """Everything imports it, so nothing else can."""
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy/__init__.py").write_text("raise ImportError('no _multiarray')")
    conftest = Path(__file__).parents[1] / "conftest.py"
    code = f"import runpy; runpy.run_path({str(conftest)!r})\nimport maquette\n"
    done = subprocess.run(
        [sys.executable, "-c", code + "maquette.run_console()"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    text = (
        "maquette: NumPy is installed in this Python but cannot be imported: ImportError: no _mult"
    )
    assert done.stderr.startswith(text)
