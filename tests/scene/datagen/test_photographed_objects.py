"""A photographed object as training data: of an ellipsoid, whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from maquette.core.arrays import MeshArrays, SourceView
from maquette.core.cameras import Camera, look_at
from maquette.core.dataset.index import locations_of_split
from maquette.core.dataset.object_file import write_object
from maquette.core.dataset.validation import validate_dataset
from maquette.core.errors import DatasetError, ImageError
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.imaging import image_files
from maquette.core.jobs.task import run_to_end
from maquette.core.model.training.objects import load_object
from maquette.core.model.training.sampling.batches import SamplingConfig, sample_batch
from maquette.core.model.training.sampling.placement import is_usable
from maquette.core.model.training.streaming_dataset import TrainingStream
from maquette.core.photogrammetry.dense.records import DenseCloud, DenseShape, VoxelGrid
from maquette.core.photogrammetry.records import SolvedPhotograph, SolvedScene, SparseCloud
from maquette.core.scene.datagen import photographed_objects
from maquette.core.scene.datagen.photographed_objects import (
    check_photographed_set,
    write_photographed_object,
)

HALF = np.array((0.5, 0.35, 0.3))
CENTER = np.array((0.0, 0.0, 0.3))
CELLS = 40
SIZE = 2.0


def hit_distance(origins, directions):
    """Where rays (P, 3) first meet the ellipsoid, in lengths of their directions; 0 for nowhere."""
    start = (origins - CENTER) / HALF
    way = directions / HALF
    a = (way**2).sum(1)
    b = (start * way).sum(1)
    root = b**2 - a * ((start**2).sum(1) - 1)
    return np.where(root > 0, (-b - np.sqrt(root.clip(0))) / a, 0)


def photograph_of(angle):
    """A crop of a photograph that is wider than high, with the outline as alpha."""
    turn = np.radians(angle)
    eye = np.array((2.5 * np.sin(turn), -2.5 * np.cos(turn), 1.0))
    intrinsics = np.array(((160.0, 0, 50), (0, 160.0, 40), (0, 0, 1)))
    camera = Camera(look_at(eye, CENTER), intrinsics, 100, 80)
    rows, columns = np.mgrid[0:80, 0:100] + 0.5
    pixels = np.stack((columns.ravel(), rows.ravel()), 1)
    directions = camera.unproject(pixels, np.ones(len(pixels))) - eye
    distance = hit_distance(np.tile(eye, (len(pixels), 1)), directions)
    points = eye + directions * distance[:, None]
    rgba = np.ones((len(pixels), 4), np.float32)
    rgba[:, :3] = 0.5 + 0.4 * (points - CENTER) / HALF
    rgba[:, 3] = distance > 0
    return SourceView(image_files.encode_png(rgba.clip(0, 1).reshape(80, 100, 4)), camera)


@pytest.fixture(scope="module")
def captured():
    """What photographs of the ellipsoid give: its longest side is 1, it stands on z = 0."""
    views = tuple(photograph_of(60 * index) for index in range(6))
    spacing = 1.2 / CELLS
    origin = CENTER - 0.6
    steps = np.arange(CELLS + 1) * spacing
    grid = np.stack(np.meshgrid(*(steps + low for low in origin), indexing="ij"), axis=-1)
    field = ((1 - np.linalg.norm((grid - CENTER) / HALF, axis=-1)) * 0.35).astype(np.float32)
    mesh = surface_nets(field, origin=origin, spacing=spacing)
    mesh = MeshArrays(mesh.vertices, mesh.faces, np.full_like(mesh.vertices, 0.5), views=views)

    # Some points of both clouds are of the floor far around.
    points = np.concatenate((mesh.vertices[::9], np.array(((5.0, 5, 0),)))).astype(np.float32)
    normals = (points - CENTER) / HALF**2
    normals = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32)
    colors = np.full((len(points), 3), 0.25, np.float32)
    counts = np.full(len(points), 4, np.int32)
    dense = DenseCloud(points, normals, colors, counts)
    sparse = SparseCloud(points, colors, counts, np.zeros(len(points), np.float32))
    shape = DenseShape(mesh, dense, VoxelGrid(field, origin, spacing), mesh)
    photographs = tuple(
        SolvedPhotograph(f"{index}.jpg", view.camera) for index, view in enumerate(views)
    )
    return SolvedScene(photographs, sparse, outline_agreement=0.97, floor_found=True), shape


@pytest.fixture(scope="module")
def written(captured, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets") / "set"
    result = run_to_end(write_photographed_object(folder, "My egg!", *captured, SIZE))
    return folder, result


def test_the_set_is_valid_and_complete(written):
    folder, result = written
    assert not run_to_end(validate_dataset(folder))
    assert result.views == 6 and result.path == folder / "objects" / "My_egg_.tar"


def test_images_depth_and_normals_are_of_the_object(written):
    folder, _ = written
    (location,) = locations_of_split(folder, "train")
    file = location.open_object()
    center = CENTER * SIZE
    for index in range(6):
        view = file.read_view(index)
        camera = view.camera
        assert view.colour.shape == (256, 256, 4)
        rows, columns = np.nonzero((view.depth > 0) & (view.colour[..., 3] > 250))
        assert len(rows) > 5000
        pixels = np.stack((columns, rows), 1) + 0.5
        points = camera.unproject(pixels, view.depth[rows, columns])

        # Points lie on the ellipsoid, seen by a ray through their pixel, in the painted color.
        local = (points - center) / (HALF * SIZE)
        assert np.abs(np.linalg.norm(local, axis=1) - 1).max() < 0.05
        inner = np.abs(np.linalg.norm(local, axis=1) - 1) < 0.02
        color = view.colour[rows, columns, :3] / 255
        assert np.abs(color - (0.5 + 0.4 * local))[inner].mean() < 0.02
        outward = local / HALF
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        cosine = (outward * view.normal[rows, columns].astype(float)).sum(1)
        assert np.quantile(cosine, 0.01) > 0.97


def test_occupancy_is_that_of_the_solid(written):
    folder, _ = written
    (location,) = locations_of_split(folder, "train")
    shape = location.open_object().read_shape()
    inside = np.linalg.norm((shape.uniform / SIZE - CENTER) / HALF, axis=1) < 1
    assert (inside == shape.uniform_inside).mean() > 0.98
    assert shape.grid.mean() == pytest.approx(4 / 3 * np.pi * HALF.prod() / 1.02**3, rel=0.06)
    assert shape.surface_seen.mean() > 0.5


def test_measured_points_are_those_of_the_object_in_meters(written, captured):
    folder, _ = written
    (location,) = locations_of_split(folder, "train")
    file = location.open_object()
    measured = file.read_measured()
    expected = captured[0].cloud.points[:-1] * SIZE
    np.testing.assert_allclose(measured.sparse, expected, atol=1e-6)
    np.testing.assert_allclose(measured.dense, expected, atol=1e-6)
    assert (measured.dense_views == 4).all() and (measured.sparse_colour == 64).all()
    assert file.record.more["photographed"]["outline_agreement"] == 0.97


def test_training_takes_the_set(written):
    folder, _ = written
    stream = TrainingStream(folder, "train", views=4, points=64)
    (item,) = list(stream)
    assert item["colour"].shape == (4, 4, 256, 256)
    assert item["grid"].shape == (96, 96, 96)
    assert {"uniform_distance", "surface_normals", "depth"} <= item.keys()

    # The batches of the trainer: of one and of several photographs.
    objects = [load_object(location) for location in locations_of_split(folder, "train")]
    assert is_usable(objects[0], 1)
    config = SamplingConfig(points=64, color_points=16, image_size=32, unposed_batch_odds=1.0)
    counts = set()
    for step in range(12):
        batch = sample_batch(objects, 0, step, config)
        counts.add(batch.images.shape[1])
        assert batch.images.isfinite().all() and batch.occupancy.float().mean() > 0.05
    assert len(counts) > 1


def test_a_second_object_joins_the_first_which_may_be_replaced(written, captured):
    folder, _ = written
    solved, shape = captured
    run_to_end(write_photographed_object(folder, "other", solved, shape, 1.0))
    run_to_end(write_photographed_object(folder, "My egg!", solved, shape, SIZE))
    names = sorted(location.name for location in locations_of_split(folder, "train"))
    assert names == ["My_egg_", "other"]
    assert not run_to_end(validate_dataset(folder))


def test_measured_points_far_away_are_a_problem(written, tmp_path):
    folder, _ = written
    location = next(each for each in locations_of_split(folder, "train") if each.name == "My_egg_")
    file = location.open_object()
    shape = file.read_shape()
    far = replace(shape.measured, sparse=shape.measured.sparse + 9)
    views = [file.read_view(index) for index in range(6)]
    write_object(tmp_path, file.record, replace(shape, measured=far), views, file.read_mesh())
    for name in ("dataset.json", "splits.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    texts = [problem.what for problem in run_to_end(validate_dataset(tmp_path))]
    assert any("measured.npz: points are outside" in text for text in texts)


def test_a_rendered_set_is_left_alone(captured, tmp_path):
    (tmp_path / "dataset.json").write_text('{"version": 1, "seed": 3}')
    with pytest.raises(DatasetError, match="different settings"):
        run_to_end(write_photographed_object(tmp_path, "egg", *captured, 1.0))
    with pytest.raises(DatasetError, match="different settings"):
        check_photographed_set(tmp_path)
    check_photographed_set(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_photographs_that_show_nothing_are_refused(captured, tmp_path, monkeypatch):
    monkeypatch.setattr(photographed_objects, "_LEAST_PIXELS", 10**6)
    with pytest.raises(ImageError, match="Only 0 photographs"):
        run_to_end(write_photographed_object(tmp_path / "set", "egg", *captured, 1.0))
