"""A small training set of ellipsoids, written without a renderer: images and truth are exact."""

import json

import numpy as np
import pytest
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.dataset.object_file import write_object
from maquette.core.dataset.records import Record, RenderedView, Shape, ViewRecord
from maquette.core.synthesis import camera_sampling

SIZE = 128


def picture(camera, half, color):
    """RenderedView of the ellipsoid with the half axes ``half`` about the origin."""
    rows, columns = np.mgrid[0 : camera.height, 0 : camera.width]
    pixels = np.stack((columns + 0.5, rows + 0.5), axis=-1).reshape(-1, 2)
    near, far = (camera.unproject(pixels, np.full(len(pixels), depth)) for depth in (0.5, 1.5))
    start, way = near / half, (far - near) / half
    a, b, c = (way**2).sum(1), (start * way).sum(1), (start**2).sum(1) - 1
    root = b * b - a * c
    hit = root > 0
    depth = np.where(hit, 0.5 + (-b - np.sqrt(np.maximum(root, 0))) / a, 0).reshape(
        camera.height, -1
    )
    points = camera.unproject(pixels, depth.ravel())
    normal = points / half**2
    normal = np.where(hit[:, None], normal / np.linalg.norm(normal, axis=1, keepdims=True), 0)
    rgba = np.zeros((camera.height * camera.width, 4), np.uint8)
    rgba[hit] = (*color, 255)
    shape = (camera.height, camera.width)
    return (
        rgba.reshape(*shape, 4),
        depth.astype(np.float32),
        normal.reshape(*shape, 3).astype(np.float16),
    )


SIDES = ("front", "right", "back", "top", "bottom")


def write_ellipsoid(folder, name, half, rng, color=None, sides=SIDES, free="free", size=SIZE):
    half = np.asarray(half, float)
    bounds = np.stack((-half, half))
    cameras = [*zip(sides, camera_sampling.side_cameras(sides, *bounds, size), strict=True)]
    for turn in (0.5, 2.5):
        eye = 3 * np.array((np.sin(turn), -np.cos(turn), 0.4))
        cameras.append((free, perspective_camera(look_at(eye, np.zeros(3)), 0.45, size)))
    color = rng.integers(40, 255, 3) if color is None else color
    uniform = rng.uniform(-1.1, 1.1, (2048, 3)) * half.max()
    surface = rng.normal(size=(512, 3))
    surface *= half / np.linalg.norm(surface, axis=1, keepdims=True)
    near = np.repeat(surface, 4, 0) + rng.normal(0, 0.03, (2048, 3))
    normals = surface / half**2
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    inside = [((p / half) ** 2).sum(1) < 1 for p in (uniform, near)]
    shape = Shape(
        *(
            np.float32(uniform),
            inside[0],
            np.float32(near),
            inside[1],
            np.float32(surface),
            np.float32(normals),
        )
    )
    views = [RenderedView(kind, camera, *picture(camera, half, color)) for kind, camera in cameras]
    recorded = tuple(ViewRecord(*each) for each in cameras)
    write_object(
        folder, Record(name, "test", "ellipsoid", bounds, tuple(half), recorded), shape, views
    )


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """A folder with 12 ellipsoids, 8 of them to train on."""
    return write_set(tmp_path_factory.mktemp("ellipsoids"))


@pytest.fixture(scope="session")
def others(tmp_path_factory):
    """Return a folder of 18 ellipsoids, 8 to test on: enough that lucky guesses average out."""
    return write_set(tmp_path_factory.mktemp("others"), 18)


def write_set(folder, count=12, **views):
    """Write ``count`` ellipsoids: 8 to train on, 2 to validate on and the others to test on."""
    rng = np.random.default_rng(0)
    splits = {}
    for i in range(count):
        half = rng.uniform(0.2, 0.5, 3)
        half[i % 3] = 0.5
        write_ellipsoid(folder, f"e{i:02d}", half, rng, **views)
        splits[f"e{i:02d}"] = "train" if i < 8 else "validation" if i < 10 else "test"
    (folder / "splits.json").write_text(json.dumps(splits))
    return folder


@pytest.fixture(scope="session")
def coins(tmp_path_factory):
    """Return a folder of 14 golden discs that face the front, 8 to train on; all are flat."""
    folder = tmp_path_factory.mktemp("coins")
    rng = np.random.default_rng(1)
    names = [f"c{i:02d}" for i in range(14)]
    for name in names:
        write_ellipsoid(
            folder, name, (0.5, rng.uniform(0.06, 0.1), rng.uniform(0.4, 0.5)), rng, (230, 180, 40)
        )
    splits = ["train"] * 8 + ["validation"] * 2 + ["test"] * 4
    (folder / "splits.json").write_text(json.dumps(dict(zip(names, splits, strict=True))))
    return folder


@pytest.fixture(scope="session")
def tiny():
    """A configuration that trains in seconds."""
    return tiny_config()


def tiny_config():
    from maquette.core.model.networks.reconstruction import NetworkConfig

    return NetworkConfig(
        picture=64,
        volume=12,
        pyramid=(16, 8),
        pixel_channels=8,
        fine_channels=4,
        depth_bins=4,
        bin_channels=4,
        volume_channels=(8, 16, 16),
        hidden=32,
        tube_channels=(32, 24, 16, 16),
        tube_depths=16,
    )
