"""The zip for users, built and installed by Blender in a temporary user folder; pip's package."""

import json
import os
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import bpy
import pytest

ROOT = Path(__file__).resolve().parents[1]
INSTALL = """
import os, sys, bpy, addon_utils
zip_path, picture, weights = sys.argv[1:]
bpy.ops.extensions.package_install_files(
    filepath=zip_path, repo='user_default', enable_on_install=True
)
name = "bl_ext.user_default.maquette"
preferences = bpy.context.preferences.addons[name].preferences
assert preferences.weights == ""
preferences.weights = weights
assert "torch" not in sys.modules, "enabling the add-on imports torch, which takes seconds"
before = set(bpy.data.objects)
assert bpy.ops.maquette.reconstruct(filepath=picture, resolution=32) == {'FINISHED'}
(made,) = set(bpy.data.objects) - before
assert len(made.data.polygons) > 100
folder = bpy.utils.extension_path_user(name)
addon_utils.disable(name)
assert not hasattr(bpy.types.Scene, "maquette")
assert not [kind for kind in dir(bpy.types) if kind.startswith("MAQUETTE")]
print("INSTALLED AND RAN", flush=True)
os._exit(0)
"""

FROM_REPOSITORY = """
import os, sys, bpy
bpy.context.preferences.system.use_online_access = True
url = sys.argv[1]
bpy.ops.preferences.extension_repo_add(
    name="Ours", remote_url=url, use_sync_on_startup=False, type='REMOTE'
)
place = len(bpy.context.preferences.extensions.repos) - 1
bpy.ops.extensions.repo_sync(repo_index=place)
bpy.ops.extensions.package_install(repo_index=place, pkg_id="maquette", enable_on_install=True)
assert any(name.endswith(".maquette") for name in bpy.context.preferences.addons.keys())
assert bpy.ops.maquette.add_procedural() == {'FINISHED'}
print("INSTALLED FROM REPOSITORY", flush=True)
os._exit(0)
"""


def blender_ext(*arguments):
    """Blender's own command for extensions, which is plain Python."""
    cli = Path(bpy.utils.system_resource('SCRIPTS')) / "addons_core/bl_pkg/cli/blender_ext.py"
    done = subprocess.run(
        [sys.executable, cli, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    path = tmp_path_factory.mktemp("zip") / "maquette.zip"
    blender_ext("build", "--source-dir", ROOT, "--output-filepath", path)
    return path


def test_blender_finds_nothing_wrong_with_the_zip(built):
    output = blender_ext("validate", built)
    assert "error" not in output.lower() and "warning" not in output.lower(), output


def test_the_zip_holds_what_runs_and_no_more(built):
    with zipfile.ZipFile(built) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops <= {
        "__init__.py",
        "blender_manifest.toml",
        "LICENSE",
        "README.md",
        "core",
        "docs",
        "operators",
        "panels",
    }
    ours = {
        path.relative_to(ROOT).as_posix()
        for part in ("core", "operators", "panels")
        for path in (ROOT / part).rglob("*.py")
    }
    assert ours <= set(names)
    assert {"docs/guide.md", "docs/images/window.png"} <= set(names)  # the guide in the panel
    assert "core/jobs/worker_boot.py" in names  # read as text, never imported
    assert not [name for name in names if name.endswith((".pyc", ".blend1")) or "/." in name]
    assert built.stat().st_size < 70e6


@pytest.mark.slow
def test_installs_runs_and_leaves_nothing(built, weights, pictures, tmp_path):
    script = tmp_path / "install.py"
    script.write_text(INSTALL)
    done = subprocess.run(
        [sys.executable, script, built, pictures / "front.png", weights],
        env={**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "user")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    output = done.stdout + done.stderr
    assert "INSTALLED AND RAN" in output, output
    assert "policy violation" not in output.lower(), output


def test_versions_agree():
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert manifest["version"] == project["version"]


def test_pip_gets_every_package():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        path.parent
        for part in ("core", "operators", "panels")
        for path in (ROOT / part).rglob("*.py")
    }
    assert sorted(listed) == sorted(
        ["maquette", *(".".join(("maquette", *f.relative_to(ROOT).parts)) for f in folders)]
    )


@pytest.mark.slow
def test_pip_installs_the_script(tmp_path):
    """From a copy: pip leaves its build folder in the sources."""
    pytest.importorskip(
        "setuptools", reason="pip needs setuptools here, to build without a network"
    )
    source = tmp_path / "source"
    source.mkdir()
    for name in ("__init__.py", "blender_manifest.toml", "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    for name in ("core", "operators", "panels"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
    ]
    subprocess.run([*pip, tmp_path / "site", source], check=True, capture_output=True, timeout=300)
    assert (tmp_path / "site/maquette/core/jobs/worker_boot.py").is_file()
    done = subprocess.run(
        [tmp_path / "site/bin/maquette", "reconstruct", "nope.png", "-o", "out.glb"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (1, "maquette: There is no image file nope.png\n")


class TestOtherPackages:
    """What make zip-full and make repository write, without the wheels of 200 MB."""

    @pytest.fixture
    def full_zip(self):
        return runpy.run_path(str(ROOT / ".ci/full_zip.py"))

    @pytest.mark.parametrize(
        ("python", "oldest", "end"), [("cp311", "4.2.0", "5.1.0"), ("cp313", "5.1.0", None)]
    )
    def test_the_manifest_of_a_self_contained_zip(self, full_zip, python, oldest, end):
        text = (ROOT / "blender_manifest.toml").read_text()
        before = tomllib.loads(text)
        after = tomllib.loads(
            full_zip["manifest_with"](text, "linux-x64", python, ["b.whl", "a.whl"])
        )
        assert after.pop("wheels") == ["./wheels/a.whl", "./wheels/b.whl"] and after.pop(
            "platforms"
        ) == ["linux-x64"]
        assert (after.pop("blender_version_min"), after.pop("blender_version_max", None)) == (
            oldest,
            end,
        )
        del before["blender_version_min"]
        assert after == before and "wheels" not in before

    def test_numpy_is_never_among_the_wheels(self, full_zip):
        assert not [name for name in full_zip["PACKAGES"] if "numpy" in name]

    def test_a_self_contained_zip_is_valid(self, full_zip, built, tmp_path):
        with zipfile.ZipFile(built) as archive:
            archive.extractall(tmp_path / "source")
        wheel = "mpmath-1.4.1-py3-none-any.whl"
        (tmp_path / "source/wheels").mkdir()
        with zipfile.ZipFile(tmp_path / "source/wheels" / wheel, "w") as archive:
            archive.writestr("mpmath/__init__.py", "")
        manifest = tmp_path / "source/blender_manifest.toml"
        manifest.write_text(
            full_zip["manifest_with"](manifest.read_text(), "linux-x64", "cp311", [wheel])
        )
        blender_ext(
            "build", "--source-dir", tmp_path / "source", "--output-filepath", tmp_path / "full.zip"
        )
        output = blender_ext("validate", tmp_path / "full.zip")
        assert "error" not in output.lower() and "warning" not in output.lower(), output
        with zipfile.ZipFile(tmp_path / "full.zip") as archive:
            assert f"wheels/{wheel}" in archive.namelist()

    def test_a_repository_that_blender_installs_from(self, built, tmp_path):
        repository = tmp_path / "repository"
        repository.mkdir()
        shutil.copy(built, repository / "maquette.zip")
        blender_ext("server-generate", "--repo-dir", repository, "--html")
        (entry,) = json.loads((repository / "index.json").read_text())["data"]
        assert (entry["id"], entry["archive_url"]) == ("maquette", "./maquette.zip")
        script = tmp_path / "install.py"
        script.write_text(FROM_REPOSITORY)
        done = subprocess.run(
            [sys.executable, script, (repository / "index.json").as_uri()],
            env={**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "user")},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert "INSTALLED FROM REPOSITORY" in done.stdout, done.stdout + done.stderr
