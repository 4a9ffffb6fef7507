"""Cameras of other programs in, ours out: by operators and by the command."""

import bpy
import numpy as np
import pytest
from maquette.core.dataset.index import locations_of_split
from maquette.core.model.training.objects import load_object
from maquette.core.photogrammetry.exchange import write_cameras
from maquette.core.photogrammetry.exchange.colmap import read_colmap
from maquette.core.photogrammetry.exchange.transforms import read_transforms
from maquette.core.photogrammetry.records import SolvedPhotograph, SolvedScene, SparseCloud
from maquette.core.scene.cameras import from_blender
from maquette.core.scene.photographs.real_size import solved_collections
from maquette.operators.cli.main import run_command
from PIL import Image


@pytest.fixture
def colmap(capture, tmp_path):
    """A model of COLMAP of the captured photographs, with a floor."""
    generator = np.random.default_rng(0)
    points = generator.uniform(-1.5, 1.5, (120, 3)) * (1, 1, 0)
    points[60:] = generator.uniform((-0.5, -0.3, 0), (0.5, 0.3, 0.4), (60, 3))
    count = len(points)
    cloud = SparseCloud(
        points.astype(np.float32),
        np.full((count, 3), 0.5, np.float32),
        np.full(count, 3, np.int32),
        np.full(count, 0.5, np.float32),
    )
    write_cameras(tmp_path / "model", SolvedScene(capture.solved.photographs, cloud), 7.0)
    return tmp_path / "model"


def relative_poses(poses):
    """Poses (N, 4, 4) relative to the first, the farthest at distance 1."""
    relative = np.linalg.inv(poses[0]) @ np.array(poses)
    relative[:, :3, 3] /= np.linalg.norm(relative[:, :3, 3], axis=1).max()
    return relative


def test_the_operator_takes_cameras_instead_of_solving(addon, capture, colmap):
    folder = str(capture.solved.photographs[0].path.parent)
    chosen = {"folder": folder, "cameras": str(colmap), "make_mesh": False, "size": 2.0}
    assert bpy.ops.maquette.solve_photographs(**chosen) == {'FINISHED'}
    summary = bpy.context.scene.maquette_photographs.summary
    assert "3 of 3 photographs used" in summary
    assert "Cameras are those of COLMAP" in summary
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    names = [photograph.path.stem for photograph in capture.solved.photographs]
    own = [from_blender(bpy.context.scene, bpy.data.objects[name], graph) for name in names]
    true = [photograph.camera.to_world for photograph in capture.solved.photographs]
    poses = relative_poses([camera.to_world for camera in own])
    np.testing.assert_allclose(poses, relative_poses(true), atol=1e-4)
    np.testing.assert_allclose(own[0].intrinsics[0, 0], 70, rtol=1e-5)


def test_missing_cameras_are_told_at_once(addon, capture, tmp_path):
    folder = str(capture.solved.photographs[0].path.parent)
    with pytest.raises(RuntimeError, match="There is no file or folder"):
        bpy.ops.maquette.solve_photographs(folder=folder, cameras=str(tmp_path / "none"))


@pytest.mark.parametrize("name", ["transforms.json", "model"])
def test_solved_cameras_are_exported(addon, capture, tmp_path, name):
    capture.add(2.0)
    path = tmp_path / "out" / name
    assert bpy.ops.maquette.export_cameras(filepath=str(path)) == {'FINISHED'}
    is_folder = name == "model"
    model = read_colmap(path / "sparse/0/images.bin") if is_folder else read_transforms(path)
    assert len(model.cameras) == 3
    for camera, photograph in zip(model.cameras, capture.solved.photographs, strict=True):
        np.testing.assert_allclose(
            camera.to_world, photograph.camera.scaled(2.0).to_world, atol=1e-5
        )
        assert camera.lens.focal == pytest.approx((70, 70), rel=1e-5)
        assert camera.lens.center == pytest.approx((32, 32), rel=1e-5)
        assert camera.name.endswith(photograph.path.name)
    np.testing.assert_allclose(model.cloud.points, capture.solved.cloud.points * 2, atol=1e-6)
    np.testing.assert_allclose(model.cloud.colors, 0.5, atol=3e-3)


def test_photographs_of_two_sizes_keep_their_lenses(addon, capture, tmp_path):
    """The scene's resolution is that of most photographs, and not of each."""
    first = capture.solved.photographs[0]
    wide = first.path.with_name("wide.jpg")
    Image.new("RGB", (96, 48)).save(wide)
    intrinsics = np.array(((90.0, 0, 50), (0, 90.0, 20), (0, 0, 1)))
    camera = type(first.camera)(first.camera.to_world, intrinsics, 96, 48)
    photographs = (*capture.solved.photographs, SolvedPhotograph(wide, camera, (0.1, -0.05)))
    solved = SolvedScene(photographs, capture.solved.cloud)
    type(capture)(solved, capture.shape).add(1.0)
    bpy.ops.maquette.export_cameras(filepath=str(tmp_path / "model"))
    cameras = read_colmap(tmp_path / "model/sparse/0/images.bin").cameras
    lens = {camera.name: camera.lens for camera in cameras}["wide.jpg"]
    assert lens.size == (96, 48)
    assert lens.focal == pytest.approx((90, 90), rel=1e-5)
    assert lens.center == pytest.approx((50, 20), rel=1e-5)
    assert lens.coefficients[:2] == pytest.approx((0.1, -0.05))


def test_any_selected_cameras_are_exported(addon, tmp_path):
    scene = bpy.context.scene
    scene.render.resolution_x = 200
    scene.render.resolution_y = 100
    for index in range(2):
        bpy.ops.object.camera_add(location=(index, -5, 1), rotation=(1.5, 0, 0))
    for obj in scene.objects:
        obj.select_set(True)
    path = tmp_path / "transforms.json"
    assert bpy.ops.maquette.export_cameras(filepath=str(path)) == {'FINISHED'}
    model = read_transforms(path)
    names = [camera.name.rpartition("/")[2] for camera in model.cameras]
    assert sorted(names) == ["Camera.001.png", "Camera.png"]
    graph = bpy.context.evaluated_depsgraph_get()
    true = from_blender(scene, bpy.data.objects["Camera"], graph)
    own = model.cameras[names.index("Camera.png")]
    np.testing.assert_allclose(own.to_world, true.to_world, atol=1e-6)
    assert own.lens.focal[0] == pytest.approx(true.intrinsics[0, 0])
    assert model.cloud is None


def test_without_cameras_the_export_says_what_to_do(addon, tmp_path):
    with pytest.raises(RuntimeError, match="press Solve Photographs"):
        bpy.ops.maquette.export_cameras(filepath=str(tmp_path / "transforms.json"))
    with pytest.raises(RuntimeError, match="Choose the file"):
        bpy.ops.maquette.export_cameras()


def test_the_command_takes_and_writes_cameras(addon, capture, colmap, tmp_path, capsys):
    folder = str(capture.solved.photographs[0].path.parent)
    output = tmp_path / "out.blend"
    written = tmp_path / "out" / "transforms.json"
    command = ["photographs", folder, "--cameras", str(colmap), "--no-mesh", "--size", "3"]
    assert run_command([*command, "-o", str(output), "--export-cameras", str(written)]) == 0
    assert f"3 cameras in {written}" in capsys.readouterr().out
    poses = [camera.to_world for camera in read_transforms(written).cameras]
    true = [photograph.camera.to_world for photograph in capture.solved.photographs]
    np.testing.assert_allclose(relative_poses(poses), relative_poses(true), atol=1e-6)
    bpy.ops.wm.open_mainfile(filepath=str(output))
    assert len(bpy.data.cameras) == 3


def test_the_command_writes_photographs_without_distortion(addon, capture, colmap, tmp_path):
    folder = str(capture.solved.photographs[0].path.parent)
    command = ["photographs", folder, "--cameras", str(colmap), "--undistort"]
    written = tmp_path / "straight"
    assert run_command([*command, "--export-cameras", str(written)]) == 0
    cameras = read_colmap(written / "sparse/0/images.bin").cameras
    assert all((written / "images" / camera.name).is_file() for camera in cameras)
    text = (written / "sparse/0/cameras.txt").read_text()
    assert "PINHOLE" in text and "OPENCV" not in text


def test_the_command_writes_cameras_alone(addon, capture, colmap, tmp_path):
    folder = str(capture.solved.photographs[0].path.parent)
    command = ["photographs", folder, "--cameras", str(colmap)]
    assert run_command([*command, "--export-cameras", str(tmp_path / "again")]) == 0
    assert len(read_colmap(tmp_path / "again/sparse/0/images.txt").cameras) == 3
    assert not solved_collections(bpy.context.scene)


@pytest.mark.slow
def test_the_command_adds_to_a_training_set(addon, photographs, tmp_path, capsys):
    pytest.importorskip("pycolmap")
    folder = tmp_path / "box"
    folder.mkdir()
    for path in photographs:
        (folder / path.name).write_bytes(path.read_bytes())
    written = tmp_path / "set"
    command = ["photographs", str(folder), "--training-set", str(written), "--detail", "40"]
    assert run_command(command) == 0
    assert f"10 views in {written / 'objects' / 'box.tar'}" in capsys.readouterr().out
    assert run_command(["dataset", "check", str(written)]) == 0
    (location,) = locations_of_split(written, "train")
    training_object = load_object(location)
    assert training_object.uniform_inside.mean() > 0.05


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "-o, --export-cameras or --training-set is needed"),
        (["--export-cameras", "model", "--texture"], "need -o"),
        (["--training-set", "set", "--no-mesh"], "need a mesh"),
        (["-o", "a.glb", "--undistort"], "--undistort needs --export-cameras"),
    ],
)
def test_the_command_must_write_something(options, text, tmp_path, capsys):
    assert run_command(["photographs", str(tmp_path), *options]) == 2
    assert text in capsys.readouterr().err
