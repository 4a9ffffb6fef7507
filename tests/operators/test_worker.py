"""Where the model runs: here, or in a worker process of the Python in the preferences."""

import sys
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.jobs import dependencies

CORNER = MeshArrays(
    np.eye(4, 3, dtype=np.float32), np.array(((0, 1, 2), (0, 3, 1), (1, 3, 2), (2, 3, 0)), np.int32)
)


@pytest.fixture
def named(addon, monkeypatch):
    """Preferences that do not name a Python, and a function that lets them name this very one."""
    from maquette.operators import _compute

    ours = SimpleNamespace(python="", device='CPU', idle=60, weights="", told="", found_devices="")
    monkeypatch.setattr(_compute, "addon_preferences", lambda: ours)

    def name():
        ours.python = sys.executable
        _compute._last_results.clear()
        monkeypatch.setattr(
            dependencies, "is_installed", lambda package: False
        )  # as in Blender's own Python

    ours.name = name
    return ours


def reconstruct(weights, path, **options):
    options = {"resolution": 32, "weights": str(weights)} | options
    return bpy.ops.maquette.reconstruct(filepath=str(path), **options)


def vertices(obj):
    return np.array([vertex.co for vertex in obj.data.vertices])


@pytest.mark.slow
def test_another_python_gives_the_same_mesh_tells_what_is_wrong_and_is_let_go(
    named, weights, pictures, tmp_path
):
    import torch
    from maquette.operators import _compute

    assert reconstruct(weights, pictures / "photo.png") == {'FINISHED'}
    here = vertices(bpy.context.object)
    named.name()
    assert not bpy.ops.maquette.release_memory.poll()
    assert reconstruct(weights, pictures / "photo.png") == {'FINISHED'}
    np.testing.assert_allclose(vertices(bpy.context.object), here, atol=1e-5)
    with pytest.raises(RuntimeError, match="nope are missing"):
        reconstruct(tmp_path / "nope", pictures / "photo.png")
    if not torch.backends.mps.is_available():
        named.device = 'MPS'
        with pytest.raises(RuntimeError, match="found no MPS device"):
            reconstruct(weights, pictures / "photo.png")
    assert len(_compute._workers.alive_workers()) == 1
    assert bpy.ops.maquette.release_memory() == {'FINISHED'} and not _compute.is_worker_alive()
    assert len(bpy.data.objects) == 2


def test_the_commands_of_the_model_run_there_too(named, tmp_path, capsys):
    from maquette.operators.cli import main

    named.name()
    assert main.run_command(["train", "--config", str(tmp_path / "run.json")]) == 1
    assert "run.json cannot be read" in capsys.readouterr().err


def test_a_python_that_is_not_there_is_said(named, weights, pictures, tmp_path):
    named.python = str(tmp_path / "none")
    with pytest.raises(RuntimeError, match="none could not be started"):
        reconstruct(weights, pictures / "photo.png")
    assert not list(bpy.data.objects)


def test_only_the_size_differs_and_the_model_is_not_asked_again(
    addon, weights, pictures, monkeypatch
):
    from maquette.core.model.inference import pipeline

    path = pictures / "front.png"
    reconstruct(weights, path)
    first = vertices(bpy.context.object)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "reconstruct_photo", None)  # would raise, if it were called
        assert reconstruct(weights, path, size=2.0, name="Twice") == {'FINISHED'}
        np.testing.assert_allclose(vertices(bpy.context.object), 2 * first, atol=1e-6)
        assert bpy.context.object.name == "Twice"
        with pytest.raises(RuntimeError, match="NoneType"):
            reconstruct(weights, path, resolution=48)
        with pytest.raises(RuntimeError, match="NoneType"):
            reconstruct(weights, pictures / "photo.png")


def test_a_picture_that_has_changed_is_read_again(addon, weights, pictures, tmp_path):
    from PIL import Image

    path = tmp_path / "picture.png"
    Image.open(pictures / "front.png").save(path)
    reconstruct(weights, path)
    Image.open(pictures / "front.png").rotate(90).save(path)
    reconstruct(weights, path)
    lying, standing = (
        vertices(obj) for obj in sorted(bpy.data.objects, key=lambda obj: obj.name)[::-1]
    )
    assert np.ptp(lying[:, 0]) > 1.2 * np.ptp(standing[:, 0])


def test_what_else_a_result_depends_on_is_asked_anew(
    named, weights, pictures, monkeypatch, tmp_path
):
    """A change of the weights, the device, a packed image or the Python calls the model again."""
    import shutil

    from maquette.core.model.jobs import reconstruct as reconstruct_job

    requests = []

    def fake(request):
        requests.append(request)
        yield from ()
        return CORNER

    monkeypatch.setattr(reconstruct_job, "reconstruct_request", fake)
    kept = tmp_path / "own.safetensors"
    shutil.copy(weights, kept)
    image = bpy.data.images.load(str(pictures / "front.png"))
    image.pack()

    def calls():
        before = len(requests)
        for _ in range(2):
            assert bpy.ops.maquette.reconstruct(image=image.name, weights=str(kept)) == {'FINISHED'}
        return len(requests) - before

    assert calls() == 1
    kept.write_bytes(kept.read_bytes() + b" ")
    assert calls() == 1
    image.pixels[0] = 0.5
    assert calls() == 1
    named.device = 'CUDA'
    assert calls() == 1 and requests[-1].device == "cuda"
    assert calls() == 0


def test_another_python_is_asked_anew(named):
    from maquette.core.model.jobs import reconstruct as reconstruct_job
    from maquette.operators import _compute

    keys = {
        _compute._cache_key(python, reconstruct_job.reconstruct_request.__qualname__, ())
        for python in (None, _compute.PythonInterpreter("a"), _compute.PythonInterpreter("b"))
    }
    assert len(keys) == 3


def test_the_test_button_tells_and_keeps_what_is_there(named, monkeypatch):
    from maquette.core.errors import DependencyError
    from maquette.core.jobs import python_probe

    named.name()

    def probe(python):
        assert python.executable == sys.executable
        yield from ()
        return python_probe.PythonInfo("3.12.1", "2.9", {"cuda": "Card"})

    monkeypatch.setattr(python_probe, "probe_python", probe)
    assert bpy.ops.maquette.test_python() == {'FINISHED'}
    assert named.found_devices == "cuda" and "PyTorch 2.9, devices: CPU, CUDA (Card)" in named.told

    def refuse(python):
        yield from ()
        raise DependencyError("it has no PyTorch")

    monkeypatch.setattr(python_probe, "probe_python", refuse)
    with pytest.raises(RuntimeError, match="it has no PyTorch"):
        bpy.ops.maquette.test_python()
    assert (named.found_devices, named.told) == ("", "it has no PyTorch")
