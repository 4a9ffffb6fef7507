import bpy
import numpy as np
import pytest
from maquette.operators.cli.main import run_command


@pytest.fixture
def picture(pictures):
    return str(pictures / "front.png")


@pytest.fixture
def reconstruct(addon, weights, picture):
    def run(output):
        options = {"filepath": picture, "size": 2.0, "weights": str(weights), "resolution": 32}
        assert bpy.ops.maquette.reconstruct(output=output, **options) == {'FINISHED'}
        return bpy.context.active_object

    return run


def bounds(obj):
    points = np.array([vertex.co for vertex in obj.data.vertices])
    return points.min(0), points.max(0)


def test_points_lie_on_the_mesh_with_normals_and_confidence(reconstruct):
    mesh = reconstruct('MESH')
    cloud = reconstruct('POINTS')
    assert len(cloud.data.vertices) == 32 * 32 and not cloud.data.polygons
    np.testing.assert_allclose(bounds(cloud), bounds(mesh), atol=0.1)
    attributes = cloud.data.attributes
    normals = np.array([each.vector for each in attributes["point_normal"].data])
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    confidence = [each.value for each in attributes["Confidence"].data]
    assert min(confidence) >= 0 and max(confidence) <= 1
    assert cloud.data.color_attributes.active_color.name == "Color"


def test_voxels_are_cubes_of_one_size(reconstruct):
    mesh = reconstruct('MESH')
    cubes = reconstruct('VOXELS')
    edge = 2.0 / 32
    low, high = bounds(cubes)
    assert np.abs(low - bounds(mesh)[0]).max() < 1.01 * edge
    assert (high - low).max() == pytest.approx(2.0, abs=1.01 * edge)
    areas = [face.area for face in cubes.data.polygons]
    np.testing.assert_allclose(areas, edge**2, rtol=1e-3)
    assert cubes.data.color_attributes


@pytest.fixture
def command(weights, picture):
    def run(*options):
        words = ["reconstruct", picture, "--resolution", "32", "--weights", str(weights)]
        return run_command([*words, *map(str, options)])

    return run


def test_points_are_written_with_normals_and_confidence(command, tmp_path, capsys):
    path = tmp_path / "out.ply"
    assert command("-o", path, "--as", "points") == 0
    assert "out.ply: 1,024 points" in capsys.readouterr().out
    header, _, data = path.read_bytes().partition(b"end_header\n")
    assert b"element vertex 1024" in header and b"property float confidence" in header
    layout = [("point", "<f4", 3), ("normal", "<f4", 3), ("color", "u1", 3), ("sure", "<f4")]
    table = np.frombuffer(data, layout)
    assert np.ptp(table["point"], axis=0).max() == pytest.approx(1, abs=0.05)
    assert table["sure"].min() >= 0 and table["sure"].max() <= 1


def test_voxels_are_written_as_an_archive_or_as_a_mesh(command, tmp_path):
    assert command("-o", tmp_path / "out.npz", "--as", "voxels") == 0
    stored = np.load(tmp_path / "out.npz")
    assert stored["spacing"] == pytest.approx(1 / 32, rel=1e-3)
    assert 500 < stored["occupancy"].sum() < 32**3
    assert command("-o", tmp_path / "out.glb", "--as", "voxels") == 0
    assert (tmp_path / "out.glb").read_bytes()[:4] == b"glTF"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["-o", "a.npz"], "add --as voxels"),
        (["-o", "a.glb", "--as", "points"], "points are written as .ply"),
        (["-o", "a.ply", "--as", "points", "--preset", "game"], "need --as mesh"),
        (["--out-dir", "a", "--assets", "--as", "voxels"], "need --as mesh"),
    ],
)
def test_contradicting_options_are_refused(command, options, text, capsys):
    assert command(*options) == 2
    assert text in capsys.readouterr().err


def test_a_folder_of_points(weights, picture, tmp_path):
    words = ["reconstruct", picture, "--resolution", "32", "--weights", str(weights)]
    assert run_command([*words, "--out-dir", str(tmp_path), "--as", "points"]) == 0
    assert (tmp_path / "front.ply").read_bytes().startswith(b"ply")
