"""Packages in a folder of their own: resolved, downloaded, unpacked, tested, put in place."""

import hashlib
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from maquette.core.errors import DependencyError
from maquette.core.jobs import package_install
from maquette.core.jobs.interpreters import PythonInterpreter
from maquette.core.jobs.package_install import (
    InstallRequest,
    Wheel,
    install_packages,
    installed_folder,
    remove_packages,
)
from maquette.core.jobs.task import run_to_end

TORCH = """
__version__ = "9.1"
backends = None
class cuda:
    is_available = staticmethod(lambda: False)
"""


def write_wheel(folder, name, version, module, code):
    """Write a wheel with one module, as small as pip takes it."""
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{module}/__init__.py", code)
        archive.writestr(f"{module}/Image.py", "")  # as Pillow has it
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    """A Python with NumPy and without pip, PyTorch and Pillow, as Blender's is."""
    folder = tmp_path_factory.mktemp("python")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    numpy = folder / "modules/numpy"
    numpy.mkdir(parents=True)
    (numpy / "__init__.py").write_text("__version__ = '1.26.0'\n")
    bin_name = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    return PythonInterpreter(str(folder / "venv" / bin_name), (str(folder / "modules"),))


@pytest.fixture
def request_of(bare_python, tmp_path):
    """Return a function that makes a request for the wheels of a folder."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    write_wheel(wheels, "pillow", "9.2", "PIL", "__version__ = '9.2'\n")

    def make(torch_code):
        for old in wheels.glob("torch-*"):
            old.unlink()
        if torch_code is not None:
            write_wheel(wheels, "torch", "9.1", "torch", torch_code)
        return InstallRequest(tmp_path / "root", bare_python, wheels=wheels)

    return make


def test_installed_packages_are_in_their_folder_and_work(request_of):
    request = request_of(TORCH)
    stages = []
    info = run_to_end(install_packages(request), lambda progress: stages.append(progress))
    assert info.torch == "9.1"
    assert {path.name for path in request.root.iterdir()} == {"packages"}
    assert (installed_folder(request.root) / "torch/__init__.py").exists()
    assert (installed_folder(request.root) / "PIL/__init__.py").exists()
    fractions = [progress.fraction for progress in stages]
    assert fractions == sorted(fractions) and "Unpacking" in {each.stage for each in stages}
    remove_packages(request.root)
    assert installed_folder(request.root) is None and not request.root.exists()


def test_what_was_installed_is_tested_and_not_what_the_python_has_besides(request_of, tmp_path):
    request = request_of(TORCH)
    older = tmp_path / "older/torch"
    older.mkdir(parents=True)
    (older / "__init__.py").write_text(TORCH.replace("9.1", "1.0"))
    python = replace(request.python, paths=(str(older.parent), *request.python.paths))
    assert run_to_end(install_packages(replace(request, python=python))).torch == "9.1"


def test_what_does_not_work_leaves_the_older_installation(request_of):
    run_to_end(install_packages(request_of(TORCH)))
    broken = request_of("raise OSError('a library is missing')")
    with pytest.raises(DependencyError, match=r"PyTorch .* cannot be imported: OSError: a library"):
        run_to_end(install_packages(broken))
    kept = installed_folder(broken.root) / "torch/__init__.py"
    assert kept.read_text() == TORCH


def test_a_platform_without_a_build_is_an_error_that_names_the_way_out(request_of):
    request = request_of(None)
    with pytest.raises(DependencyError, match=r"There is no torch .* Choose another Python"):
        run_to_end(install_packages(request))
    assert installed_folder(request.root) is None


def test_a_cancelled_installation_leaves_none(request_of):
    request = request_of(TORCH)
    task = install_packages(request)
    while next(task).stage != "Unpacking":
        pass
    task.close()
    assert installed_folder(request.root) is None


CONTENT = bytes(range(256)) * 4096


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT, or the part of it that is asked for."""

    ranges: ClassVar[list[str | None]] = []

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Server.ranges.clear()
    yield f"http://127.0.0.1:{server.server_port}/file.whl"
    server.shutdown()
    server.server_close()


def test_a_download_goes_on_where_it_ended(address, tmp_path):
    partial = tmp_path / "file.part"
    partial.write_bytes(CONTENT[:300000])
    wheel = Wheel("file.whl", address, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    received = list(package_install._download_one(wheel, partial))
    assert Server.ranges == ["bytes=300000-"]
    assert received[-1] == len(CONTENT) and partial.read_bytes() == CONTENT


def test_a_damaged_download_is_thrown_away(address, tmp_path):
    partial = tmp_path / "file.part"
    partial.write_bytes(b"x" * 300000)
    wheel = Wheel("file.whl", address, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    with pytest.raises(DependencyError, match="arrived damaged"):
        list(package_install._download_one(wheel, partial))
    assert not partial.exists()


def test_no_connection_is_an_error_that_keeps_what_is_there(tmp_path):
    partial = tmp_path / "file.part"
    partial.write_bytes(b"abc")
    wheel = Wheel("file.whl", "http://127.0.0.1:9/file.whl", "", 10)
    with pytest.raises(DependencyError, match="The download failed"):
        list(package_install._download_one(wheel, partial))
    assert partial.read_bytes() == b"abc"
