"""Small relightable training sets with grids, whose pictures and truth are known exactly."""

import json

import numpy as np
import pytest
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.dataset.object_file import write_compact_object
from maquette.core.dataset.records import Record, RenderedView, Shape, ViewRecord
from maquette.core.geometry.occupancy_grid import cell_centers
from maquette.core.synthesis import camera_sampling

SIDES = ("front", "right", "back", "top")


def ellipsoid_view(kind, camera, half, color):
    """The ellipsoid with the half axes ``half`` about the origin, in even light."""
    rows, columns = np.mgrid[0 : camera.height, 0 : camera.width]
    pixels = np.stack((columns + 0.5, rows + 0.5), axis=-1).reshape(-1, 2)
    near = camera.unproject(pixels, np.full(len(pixels), 0.5)) / half
    along = camera.unproject(pixels, np.full(len(pixels), 1.5)) / half - near
    a = (along**2).sum(1)
    b = (near * along).sum(1)
    root = b * b - a * ((near**2).sum(1) - 1)
    hit = root > 0
    depth = np.where(hit, 0.5 + (-b - np.sqrt(np.maximum(root, 0))) / a, 0)
    points = camera.unproject(pixels, depth)
    normal = points / half**2
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    size = (camera.height, camera.width)
    rgba = np.zeros((len(pixels), 4), np.uint8)
    rgba[hit] = (*color, 255)
    return RenderedView(
        kind,
        camera,
        rgba.reshape(*size, 4),
        depth.reshape(size).astype(np.float32),
        (normal * hit[:, None]).reshape(*size, 3).astype(np.float16),
        albedo=rgba[:, :3].reshape(*size, 3),
        occlusion=np.where(hit, 255, 0).astype(np.uint8).reshape(size),
    )


def write_relightable(folder, name, half, color=(200, 120, 60), size=64):
    """Write an ellipsoid in the compact form: four sides and two free views."""
    half = np.asarray(half, float)
    bounds = np.stack((-half, half))
    cameras = list(zip(SIDES, camera_sampling.side_cameras(SIDES, *bounds, size), strict=True))
    for turn in (0.5, 2.5):
        eye = 3 * np.array((np.sin(turn), -np.cos(turn), 0.4))
        cameras.append(("free", perspective_camera(look_at(eye, np.zeros(3)), 0.45, size)))
    rng = np.random.default_rng(0)
    uniform = rng.uniform(-1.1, 1.1, (2048, 3)) * half.max()
    surface = rng.normal(size=(64, 3))
    surface /= np.linalg.norm(surface, axis=1, keepdims=True)
    shape = Shape(
        uniform=uniform.astype(np.float32),
        uniform_inside=((uniform / half) ** 2).sum(1) < 1,
        near=uniform.astype(np.float32),
        near_inside=((uniform / half) ** 2).sum(1) < 1,
        surface=(surface * half).astype(np.float32),
        surface_normals=surface.astype(np.float32),
        grid=((cell_centers(bounds) / half) ** 2).sum(-1) < 1,
    )
    views = [ellipsoid_view(kind, camera, half, color) for kind, camera in cameras]
    recorded = tuple(ViewRecord(kind, camera) for kind, camera in cameras)
    family = f"kind{int(name[1:]) % 2}"
    record = Record(name, "test", family, bounds, tuple(half), recorded)
    write_compact_object(folder, record, shape, views)


def write_relightable_set(folder, count=6):
    """Write ``count`` ellipsoids, the last two to validate on."""
    rng = np.random.default_rng(0)
    splits = {}
    for index in range(count):
        half = rng.uniform(0.2, 0.5, 3)
        half[index % 3] = 0.5
        name = f"e{index:02d}"
        write_relightable(folder, name, half)
        splits[name] = "train" if index < count - 2 else "validation"
    (folder / "splits.json").write_text(json.dumps(splits))
    return folder


@pytest.fixture(scope="session")
def relightable(tmp_path_factory):
    """A folder with six ellipsoids, four of them to train on."""
    return write_relightable_set(tmp_path_factory.mktemp("relightable"))


@pytest.fixture(scope="session")
def ellipsoids(relightable):
    """The objects of that folder to train on."""
    from maquette.core.model.training.dense.objects import load_dense_split

    return load_dense_split([relightable], "train")


@pytest.fixture(scope="session")
def dense_config():
    """A configuration of the dense network that trains in seconds."""
    from maquette.core.model.networks.dense_trunk import DenseConfig
    from maquette.core.model.training.dense.batches import SamplingConfig
    from maquette.core.model.training.dense.images import AugmentationConfig
    from maquette.core.model.training.dense.trainer import DenseRunConfig, DenseTrainingConfig

    return DenseRunConfig(
        training=DenseTrainingConfig(
            steps=3, warmup_steps=2, validation=2, validate_every=3, precision="float32"
        ),
        network=DenseConfig(
            widths=(32, 32, 32, 32), blocks=(1, 1, 1, 1), decoder_blocks=1, head_width=32
        ),
        sampling=SamplingConfig(objects=2, views=2, side=64),
        augmentation=AugmentationConfig(clean_steps=1),
    )
