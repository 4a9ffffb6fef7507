"""The buttons that install PyTorch into a folder of the extension, and remove it."""

import sys

import bpy
import pytest
from maquette.core.errors import DependencyError
from maquette.core.jobs import dependencies, package_install, python_probe
from maquette.core.jobs.python_probe import PythonInfo
from maquette.core.jobs.task import Progress


@pytest.fixture
def root(addon, tmp_path, monkeypatch):
    """The folder of the packages; this Python counts as one without PyTorch."""
    from maquette.operators import _compute

    folder = tmp_path / "python"
    monkeypatch.setattr(_compute, "packages_root", lambda: folder)
    monkeypatch.setattr(dependencies, "is_installed", lambda package: False)
    return folder


def installs(monkeypatch, error=None):
    """Let the installation write the packages, or fail, without pip."""
    requests = []

    def install(request):
        requests.append(request)
        yield Progress(0.5, "Downloading")
        if error:
            raise error
        for name in dependencies.MODEL:
            package = request.root / package_install.PACKAGES / name
            package.mkdir(parents=True)
            (package / "__init__.py").touch()
        return PythonInfo("3.11.0", "2.13", {})

    monkeypatch.setattr(package_install, "install_packages", install)
    return requests


def test_what_is_installed_is_used_by_the_worker_alone(root, monkeypatch, tmp_path):
    from maquette.operators import _compute

    requests = installs(monkeypatch)
    path_before = list(sys.path)
    assert _compute.missing_packages() == ["torch", "PIL"]
    assert bpy.ops.maquette.install_packages(wheels=str(tmp_path)) == {'FINISHED'}
    assert requests[0].build == "cpu" and requests[0].wheels == tmp_path
    assert _compute.missing_packages() == []
    assert _compute.missing_packages("pycolmap") == ["pycolmap"]
    target = _compute.compute_target()
    assert target.worker.packages == str(root / "packages")
    assert target.worker.executable == sys.executable and sys.path == path_before

    assert bpy.ops.maquette.remove_packages() == {'FINISHED'}
    assert not root.exists() and _compute.missing_packages() == ["torch", "PIL"]
    assert not bpy.ops.maquette.remove_packages.poll()


def test_without_online_access_nothing_is_downloaded(root, monkeypatch):
    requests = installs(monkeypatch)
    if bpy.app.online_access:
        bpy.context.preferences.system.use_online_access = False
    with pytest.raises(RuntimeError, match="Online access is off"):
        bpy.ops.maquette.install_packages()
    assert requests == []


def test_a_failure_is_reported(root, monkeypatch, tmp_path):
    installs(monkeypatch, DependencyError("There is no torch for it"))
    with pytest.raises(RuntimeError, match="There is no torch for it"):
        bpy.ops.maquette.install_packages(wheels=str(tmp_path))


def test_the_test_button_tests_what_is_installed(root, monkeypatch, tmp_path):
    tested = []

    def probe(python):
        tested.append(python)
        yield from ()
        return PythonInfo("3.11.0", "2.13", {})

    installs(monkeypatch)
    monkeypatch.setattr(python_probe, "probe_python", probe)
    bpy.ops.maquette.install_packages(wheels=str(tmp_path))
    assert bpy.ops.maquette.test_python() == {'FINISHED'}
    assert tested[0].packages == str(root / "packages")
