"""A small training set of ellipsoids whose images and ground truth are known exactly."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.dataset.object_file import write_object
from maquette.core.dataset.records import Record, RenderedView, Shape, ViewRecord
from maquette.core.synthesis import camera_sampling

SIZE = 64
HALVES = {
    "egg": (0.3, 0.4, 0.5),
    "lens": (0.5, 0.2, 0.35),
    "pill": (0.2, 0.6, 0.2),
    "stone": (1.0, 0.9, 0.8),
}
CENTER = np.array((1.0, -2.0, 0.5))


def _view(kind, camera, half, center):
    """Return the RenderedView of an ellipsoid; its color depends on the point.

    Args:
        kind: Of the view.
        camera: Of the view.
        half: (3,) half axes.
        center: (3,) of the ellipsoid.
    """
    rows, columns = np.mgrid[0 : camera.height, 0 : camera.width]
    pixels = np.stack((columns + 0.5, rows + 0.5), axis=-1).reshape(-1, 2)
    near, far = (
        camera.unproject(pixels, np.full(len(pixels), depth)) - center for depth in (1.0, 2.0)
    )
    start = near / half
    direction = (far - near) / half
    a = (direction**2).sum(1)
    b = (start * direction).sum(1)
    c = (start**2).sum(1) - 1
    root = b * b - a * c
    hit = root > 0
    depth = np.where(hit, 1 + (-b - np.sqrt(np.maximum(root, 0))) / a, 0)
    points = camera.unproject(pixels, depth) - center
    normal = points / half**2
    normal = np.where(hit[:, None], normal / np.linalg.norm(normal, axis=1, keepdims=True), 0)
    rgba = np.zeros((len(pixels), 4), np.uint8)
    rgba[hit, :3] = _painted(points[hit], half)
    rgba[hit, 3] = 255
    shape = (camera.height, camera.width)
    return RenderedView(
        kind,
        camera,
        rgba.reshape(*shape, 4),
        depth.reshape(shape).astype(np.float32),
        normal.reshape(*shape, 3).astype(np.float16),
    )


def _painted(points, half):
    """Return the color (P, 3) of the ellipsoid's points about its center."""
    return ((points / half + 1) * 100 + 20).clip(0, 255).astype(np.uint8)


def _write(folder, name, half, rng):
    half = np.asarray(half)
    bounds = CENTER + np.stack((-half, half))
    kinds = ("front", "right")
    cameras = [*zip(kinds, camera_sampling.side_cameras(kinds, *bounds, SIZE), strict=True)]
    for turn in (0.5, 2.5, 4.5):
        eye = CENTER + 5 * half.max() * np.array((np.sin(turn), -np.cos(turn), 0.4))
        camera = perspective_camera(look_at(eye, CENTER), 0.45, SIZE).cropped(
            turn, -1.5, SIZE, SIZE
        )
        cameras.append(("free", camera))
    sphere = rng.normal(size=(600, 3))
    surface = sphere / np.linalg.norm(sphere, axis=1, keepdims=True) * half
    normals = surface / half**2
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    uniform = rng.uniform(-1.1, 1.1, (256, 3)) * half.max()
    near = surface[:256] + rng.normal(0, 0.02, (256, 3))
    inside = [((points / half) ** 2).sum(1) < 1 for points in (uniform, near)]
    shape = Shape(
        np.float32(uniform + CENTER),
        inside[0],
        np.float32(near + CENTER),
        inside[1],
        np.float32(surface + CENTER),
        np.float32(normals),
    )
    family = "round" if name in ("egg", "stone") else "long"
    views = [_view(kind, camera, half, CENTER) for kind, camera in cameras]
    recorded = tuple(ViewRecord(kind, camera) for kind, camera in cameras)
    write_object(
        folder,
        Record(name, "test", family, bounds, tuple(half / half.max()), recorded),
        shape,
        views,
    )


@pytest.fixture(scope="session")
def ellipsoid_view():
    """Return a function that renders an ellipsoid, see :func:`_view`."""
    return _view


@pytest.fixture(scope="session")
def ellipsoids(tmp_path_factory):
    """Return a folder, not to be changed, with four objects of two families and all splits."""
    folder = tmp_path_factory.mktemp("set") / "ellipsoids"
    rng = np.random.default_rng(0)
    for name, half in HALVES.items():
        _write(folder, name, half, rng)
    splits = {"egg": "train", "lens": "train", "pill": "validation", "stone": "test"}
    (folder / "splits.json").write_text(json.dumps(splits))
    (folder / "dataset.json").write_text(json.dumps({"version": 1, "seed": 0}))
    (folder / "objects/sheet.skipped").write_text("It encloses almost no volume")
    return folder


@pytest.fixture
def set_copy(ellipsoids, tmp_path):
    """Return a copy of the set that a test may damage."""
    return shutil.copytree(ellipsoids, tmp_path / "set_copy")


@pytest.fixture
def bop_toolkit(monkeypatch):
    """Return the modules inout and misc of BOP's toolkit, from a package that contains them.

    They need ``np.float``, which older versions of numpy had.
    """
    pytest.importorskip(
        "easydatasettobop", reason="make setup installs it without what it asks for"
    )
    monkeypatch.setattr(np, "float", float, raising=False)
    from easydatasettobop.bop_dataset_utils import inout, misc

    return SimpleNamespace(inout=inout, misc=misc)
