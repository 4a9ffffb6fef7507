"""Good files of every kind, small, which the cases are changed copies of."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image, features

_ROOT = Path(__file__).resolve().parents[2]
_SIZE = 48


def write_inputs(folder: Path) -> dict[str, list[Path]]:
    """Write good files below ``folder`` and return them by kind.

    Returns:
        Files by "pictures", "weights", "meshes", and folders by "sets".
    """
    return {
        "pictures": _write_pictures(folder / "pictures"),
        "weights": [_write_weights(folder / "weights")],
        "sets": _write_sets(folder / "sets"),
        "meshes": _write_meshes(folder / "meshes"),
    }


def _write_pictures(folder: Path) -> list[Path]:
    """Write a red bottle in every format and mode that is read."""
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[0:_SIZE, 0:_SIZE]
    mask = (abs(columns - 23.5) < np.where(rows < 20, 5, 12)) & (rows > 4) & (rows < 44)
    rgba = np.zeros((_SIZE, _SIZE, 4), np.uint8)
    rgba[mask] = (200, 40, 30, 255)
    cut_out = Image.fromarray(rgba)
    photo = Image.new("RGB", cut_out.size, "white")
    photo.paste(cut_out, mask=cut_out)
    gray16 = Image.fromarray((65535 - mask * np.uint16(50000)).astype(np.uint16))
    real = Image.fromarray(np.where(mask, 0.2, 1.0).astype(np.float32))

    images = {
        "alpha.png": cut_out,
        "photo.png": photo,
        "palette.png": photo.convert("P"),
        "bits.png": photo.convert("1"),
        "gray_alpha.png": cut_out.convert("LA"),
        "gray16.png": gray16,
        "photo.jpg": photo,
        "cmyk.jpg": photo.convert("CMYK"),
        "photo.bmp": photo,
        "photo.gif": photo,
        "alpha.tga": cut_out,
        "photo.tif": photo,
        "gray16.tif": gray16,
        "real.tif": real,
        "photo.ppm": photo,
        "alpha.ico": cut_out,
    }
    for name, feature in (("webp", "webp"), ("avif", "avif"), ("jp2", "jpg_2000")):
        if features.check(feature):
            images[f"alpha.{name}"] = cut_out
    for name, image in images.items():
        image.save(folder / name)
    photo.save(folder / "turned.jpg", exif=_exif_turned())
    photo.save(folder / "deflate.tif", compression="tiff_adobe_deflate")
    return sorted(folder.iterdir())


def _exif_turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    return exif


def _write_weights(folder: Path) -> Path:
    """Write a tiny network's weights."""
    import torch
    from maquette.core.model.inference.weights import save_weights
    from maquette.core.model.networks.foreground import ForegroundNetwork
    from maquette.core.model.networks.reconstruction import ReconstructionNetwork

    folder.mkdir(parents=True)
    torch.manual_seed(0)
    tiny = _load_conftest("tests/model/conftest.py").tiny_config()
    path = folder / "tiny.safetensors"
    save_weights(path, ReconstructionNetwork(tiny), ForegroundNetwork())
    return path


def _write_sets(folder: Path) -> list[Path]:
    """Write a training set in its plain, its compact and its packed form."""
    from maquette.operators.cli.main import run_command

    folder.mkdir(parents=True)
    plain = folder / "plain"
    arguments = ["--procedural", "aeroplane,animal,bed", "--count", "3", "--size", "32"]
    arguments += ["--samples", "1", "--points", "256", "--cameras", "sides", "free:1"]
    _run(run_command, "dataset", plain, *arguments)
    names = sorted(path.stem for path in (plain / "objects").iterdir())
    splits = dict(zip(names, ("train", "validation", "test"), strict=True))
    (plain / "splits.json").write_text(json.dumps(splits))
    compact = folder / "compact"
    _run(run_command, "dataset", "compact", plain, compact)
    packed = folder / "packed"
    shutil.copytree(plain, packed)
    _run(run_command, "dataset", "pack", packed, "--shard-size", "1")
    return [plain, compact, packed]


def _run(run_command, *arguments) -> None:
    code = run_command([str(argument) for argument in arguments])
    if code != 0:
        raise SystemExit(f"The inputs could not be made: {arguments} ended with {code}")


def _write_meshes(folder: Path) -> list[Path]:
    """Write a cube in every format that is imported."""
    import bpy

    folder.mkdir(parents=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.mesh.primitive_cube_add(size=1)
    bpy.ops.export_scene.gltf(filepath=str(folder / "cube.glb"))
    bpy.ops.export_scene.gltf(filepath=str(folder / "cube.gltf"), export_format='GLTF_SEPARATE')
    bpy.ops.wm.obj_export(filepath=str(folder / "cube.obj"))
    bpy.ops.wm.ply_export(filepath=str(folder / "cube.ply"), ascii_format=True)
    bpy.ops.wm.ply_export(filepath=str(folder / "binary.ply"), ascii_format=False)
    bpy.ops.wm.stl_export(filepath=str(folder / "cube.stl"))
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "cube.blend"), compress=False)
    suffixes = (".glb", ".gltf", ".obj", ".ply", ".stl", ".blend")
    return sorted(path for path in folder.iterdir() if path.suffix in suffixes)


def _load_conftest(path: str) -> ModuleType:
    """Return a module of the tests, which are no package."""
    name = Path(path).stem + "_of_fuzz"
    spec = importlib.util.spec_from_file_location(name, _ROOT / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
