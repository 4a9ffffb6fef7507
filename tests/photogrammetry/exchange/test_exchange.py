"""Cameras written and read again, and read by the programs whose formats they are in."""

import json
from dataclasses import replace

import numpy as np
import pytest
from maquette.core.cameras import OPENCV_FROM_OPENGL, Camera
from maquette.core.errors import CameraFileError, OutputError
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry import exchange
from maquette.core.photogrammetry.exchange import read_cameras, write_cameras
from maquette.core.photogrammetry.exchange.colmap import read_colmap
from maquette.core.photogrammetry.exchange.lenses import to_radial
from maquette.core.photogrammetry.exchange.meshroom import read_meshroom
from maquette.core.photogrammetry.exchange.middlebury import read_middlebury
from maquette.core.photogrammetry.exchange.photographs import turn_camera
from maquette.core.photogrammetry.exchange.records import empty_cloud
from maquette.core.photogrammetry.exchange.transforms import read_transforms
from maquette.core.photogrammetry.lens import distort_pixels
from PIL import Image


def as_in_file(model):
    """Cameras of a file by the last part of their names."""
    return {camera.name.rpartition("/")[2]: camera for camera in model.cameras}


def check_same(model, scene, factor=1.0):
    """Check all numbers of cameras and points to 1e-6."""
    cameras = as_in_file(model)
    assert len(cameras) == len(scene.photographs)
    for photograph in scene.photographs:
        own = cameras[photograph.path.name]
        true = photograph.camera.scaled(factor)
        np.testing.assert_allclose(own.to_world, true.to_world, atol=1e-6)
        (fx, _, cx), (_, fy, cy), _ = true.intrinsics.tolist()
        assert own.lens.focal == pytest.approx((fx, fy), abs=1e-6)
        assert own.lens.center == pytest.approx((cx, cy), abs=1e-6)
        assert own.lens.size == (true.width, true.height)
        coefficients = (*own.lens.coefficients, 0, 0, 0, 0)
        assert coefficients[:4] == pytest.approx((*photograph.distortion, 0, 0), abs=1e-6)
    if model.cloud is not None:
        np.testing.assert_allclose(model.cloud.points, scene.cloud.points * factor, atol=1e-6)
        np.testing.assert_allclose(model.cloud.colors, scene.cloud.colors, atol=1e-6)


@pytest.mark.parametrize("suffix", [".bin", ".txt"])
def test_colmap_comes_back(scene, tmp_path, suffix):
    assert write_cameras(tmp_path / "model", scene, 2.0) == 6
    model = read_colmap(tmp_path / "model/sparse/0" / f"images{suffix}")
    check_same(model, scene, 2.0)
    np.testing.assert_allclose(model.cloud.error, scene.cloud.error)


def test_transforms_come_back(scene, tmp_path):
    path = tmp_path / "set" / "transforms.json"
    path.parent.mkdir()
    assert write_cameras(path, scene) == 6
    model = read_transforms(path)
    check_same(model, scene)
    assert model.cameras[0].name == "../photos/view 0.png"


def test_points_whose_bytes_look_like_line_ends_come_back(scene, tmp_path):
    points = scene.cloud.points.copy()
    points.view(np.uint8).reshape(len(points), -1)[:, 1:3] = (0x0D, 0x0A)
    cloud = replace(scene.cloud, points=points)
    write_cameras(tmp_path / "transforms.json", replace(scene, cloud=cloud))
    model = read_transforms(tmp_path / "transforms.json")
    np.testing.assert_array_equal(model.cloud.points, points)


@pytest.mark.parametrize("target", ["model", "transforms.json"])
def test_the_scene_comes_back(scene, paths, photographed_scene, tmp_path, target):
    """Up to what the frame of the floor and the object's size leave open."""
    write_cameras(tmp_path / target, scene)
    again = run_to_end(read_cameras(tmp_path / target, paths))
    truth = {each.path: each.camera for each in scene.photographs}
    degrees, away = photographed_scene.camera_errors(again.photographs, truth)
    assert degrees.max() < 1e-4 and away.max() < 1e-6
    assert again.floor_found and not again.left_out
    heights = again.cloud.points[:150, 2]
    assert np.abs(heights).max() < 1e-4
    assert np.ptp(again.cloud.points[150:, 0]) == pytest.approx(1, abs=0.15)
    assert again.photographs[0].camera.to_world[1, 3] < -1
    assert [each.distortion for each in again.photographs] == [
        each.distortion for each in scene.photographs
    ]


def test_pycolmap_shows_points_where_we_do(scene, tmp_path):
    pycolmap = pytest.importorskip("pycolmap")
    write_cameras(tmp_path, scene)
    model = pycolmap.Reconstruction(tmp_path / "sparse/0")
    points = np.array([model.points3D[key].xyz for key in sorted(model.points3D)])
    np.testing.assert_allclose(points, scene.cloud.points, atol=1e-6)
    for photograph in scene.photographs:
        image = model.find_image_with_name(photograph.path.name)
        shown = np.array([image.project_point(point) for point in points[:20]])
        ideal, _ = photograph.camera.project(points[:20])
        own = distort_pixels(photograph.camera, photograph.distortion, ideal)
        np.testing.assert_allclose(shown, own, atol=1e-6)


@pytest.mark.parametrize("form", ["binary", "text"])
def test_what_pycolmap_writes_is_read(scene, tmp_path, form):
    """With observations and tracks, which ours do not have."""
    pycolmap = pytest.importorskip("pycolmap")
    write_cameras(tmp_path / "ours", scene)
    model = pycolmap.Reconstruction(tmp_path / "ours/sparse/0")
    for number in model.reg_image_ids():
        pixels = [pycolmap.Point2D((5.0 + row, 7.0)) for row in range(3)]
        model.images[number].points2D = pycolmap.Point2DList(pixels)
        model.images[number].name = f"view {number - 1}.png".replace(" ", "_")
    for image, row in ((1, 0), (2, 1), (3, 2)):
        model.add_observation(7, pycolmap.TrackElement(image, row))
    written = tmp_path / "theirs"
    written.mkdir()
    getattr(model, f"write_{form}")(written)
    again = read_colmap(exchange.locate_cameras(written))
    renamed = tuple(
        replace(each, path=each.path.with_name(each.path.name.replace(" ", "_")))
        for each in scene.photographs
    )
    check_same(again, replace(scene, photographs=renamed))
    assert again.cloud.track_length.tolist() == [0] * 6 + [3] + [0] * 223


def test_pycolmap_reads_the_text_as_well(scene, tmp_path):
    """Without spaces: in COLMAP's text names end at the first one."""
    pycolmap = pytest.importorskip("pycolmap")
    renamed = tuple(
        replace(each, path=each.path.with_name(f"{index}.png"))
        for index, each in enumerate(scene.photographs)
    )
    write_cameras(tmp_path, replace(scene, photographs=renamed))
    model = pycolmap.Reconstruction()
    model.read_text(tmp_path / "sparse/0")
    for photograph in renamed:
        image = model.find_image_with_name(photograph.path.name)
        pose = np.array(image.cam_from_world().matrix())
        np.testing.assert_allclose(pose, photograph.camera.from_world[:3], atol=1e-9)


@pytest.mark.filterwarnings("ignore")  # of theirs
def test_nerfstudio_looks_along_our_rays(scene, nerfstudio, tmp_path):
    straight = tuple(replace(each, distortion=(0.0, 0.0)) for each in scene.photographs)
    write_cameras(tmp_path / "transforms.json", replace(scene, photographs=straight))
    keep = {"orientation_method": "none", "center_method": "none", "auto_scale_poses": False}
    data = nerfstudio(tmp_path, **keep)
    outputs = data._dataparser_outputs
    assert [path.name for path in outputs.image_filenames] == [each.path.name for each in straight]
    for index, photograph in enumerate(straight):
        rays = data.cameras.generate_rays(camera_indices=index)
        camera = photograph.camera
        rows, columns = np.mgrid[: camera.height, : camera.width] + 0.5
        pixels = np.stack((columns.ravel(), rows.ravel()), 1)
        own = camera.unproject(pixels, np.ones(len(pixels))) - camera.to_world[:3, 3]
        own /= np.linalg.norm(own, axis=1, keepdims=True)
        np.testing.assert_allclose(rays.directions.numpy().reshape(-1, 3), own, atol=1e-5)
        np.testing.assert_allclose(rays.origins[0, 0], camera.to_world[:3, 3], atol=1e-5)


def meshroom_file(scene, version):
    """What Meshroom writes, in which numbers are texts."""
    views, intrinsics, poses = [], [], []
    for number, photograph in enumerate(scene.photographs):
        (fx, _, cx), (_, _, cy), _ = photograph.camera.intrinsics.tolist()
        lens = {"intrinsicId": str(number), "width": "64", "height": "48", "type": "radial3"}
        lens["principalPoint"] = [str(cx), str(cy)]
        lens["pxFocalLength"] = str(fx)
        if version >= (1, 2, 1):
            lens["principalPoint"] = [str(cx - 32), str(cy - 24)]
        if version >= (1, 2, 2):
            lens |= {"focalLength": str(fx / 64 * 20.0), "sensorWidth": "20", "pixelRatio": "1"}
            lens |= {"type": "pinhole", "distortionType": "radialk3"}
        lens["distortionParams"] = [*map(str, photograph.distortion), "0"]
        intrinsics.append(lens)
        views.append(
            {
                "viewId": str(number),
                "poseId": str(number),
                "intrinsicId": str(number),
                "path": f"C:\\photos\\{photograph.path.name}",
            }
        )
        rotation = (OPENCV_FROM_OPENGL @ np.linalg.inv(photograph.camera.to_world))[:3, :3]
        transform = {
            "rotation": [repr(value) for value in rotation.T.ravel().tolist()],
            "center": [repr(value) for value in photograph.camera.to_world[:3, 3].tolist()],
        }
        poses.append({"poseId": str(number), "pose": {"transform": transform, "locked": "0"}})
    views.append({"viewId": "99", "poseId": "99", "intrinsicId": "0", "path": "no pose.jpg"})
    structure = [
        {
            "X": [repr(value) for value in point],
            "color": [str(value) for value in color],
            "observations": [{}, {}, {}],
        }
        for point, color in zip(
            scene.cloud.points.tolist(), (scene.cloud.colors * 255).round().astype(int), strict=True
        )
    ]
    return {
        "version": [str(number) for number in version],
        "views": views,
        "intrinsics": intrinsics,
        "poses": poses,
        "structure": structure,
    }


@pytest.mark.parametrize("version", [(1, 0, 0), (1, 2, 1), (1, 2, 6)])
def test_meshroom_is_read(scene, tmp_path, version):
    path = tmp_path / "cameras.sfm"
    path.write_text(json.dumps(meshroom_file(scene, version)))
    model = read_meshroom(path)
    check_same(model, scene)
    assert (model.cloud.track_length == 3).all()
    assert exchange.locate_cameras(tmp_path) == path


def middlebury_line(photograph):
    pose = photograph.camera.from_world
    numbers = (*photograph.camera.intrinsics.ravel(), *pose[:3, :3].ravel(), *pose[:3, 3])
    return f"{photograph.path.name.replace(' ', '_')} {' '.join(repr(float(x)) for x in numbers)}"


def test_middlebury_is_read(scene, tmp_path):
    straight = [replace(each, distortion=(0.0, 0.0)) for each in scene.photographs]
    lines = [str(len(straight)), *map(middlebury_line, straight)]
    path = tmp_path / "box_par.txt"
    path.write_text("\n".join(lines))
    model = read_middlebury(path)
    for camera, photograph in zip(model.cameras, straight, strict=True):
        np.testing.assert_allclose(camera.to_world, photograph.camera.to_world, atol=1e-9)
        assert camera.lens.center == tuple(photograph.camera.intrinsics[:2, 2])


def as_camera(camera):
    """The camera of an image of Middlebury's file."""
    return Camera(camera.to_world, to_radial(camera.lens).intrinsics, 640, 480)


def no_points(photographs, max_side):
    """In place of finding points: there are none."""
    yield from ()
    return empty_cloud(), ""


TEMPLE = """2
templeR0001.png 1520.4 0.0 302.32 0.0 1525.9 246.87 0.0 0.0 1.0 0.02187598221295043 \
0.98329680886213122 -0.18068986436368856 0.99856708067455469 -0.01266114646423925 \
0.05199500709979997 0.04883878372068499 -0.18156839221560722 -0.98216479887691122 \
-0.0292149526928 -0.0241923869131 0.52269561933
templeR0002.png 1520.4 0.0 302.32 0.0 1525.9 246.87 0.0 0.0 1.0 0.0027255707882867641 \
0.98353557606148900 -0.18069405603193772 0.99651741905514424 -0.01773058775937118 \
-0.08147797111723514 -0.08334029507718225 -0.17984270037758626 -0.98015865977776562 \
-0.0288222339759 -0.0306361018019 0.525505113107
"""


def test_the_temple_lies_turned_by_a_quarter(tmp_path, monkeypatch):
    """Its images are 480 x 640, its cameras for 640 x 480: what is at (u, v) is at (v, 640 - u)."""
    monkeypatch.setattr(exchange, "find_points", no_points)
    paths = [tmp_path / f"templeR000{number}.png" for number in (1, 2)]
    for path in paths:
        Image.new("L", (480, 640)).save(path)
    (tmp_path / "templeR_par.txt").write_text(TEMPLE)
    scene = run_to_end(read_cameras(tmp_path, paths))
    assert any("turned upright by a quarter" in note for note in scene.notes)

    file = as_in_file(read_middlebury(tmp_path / "templeR_par.txt"))
    turned = [turn_camera(as_camera(file[path.name]), 1) for path in paths]
    point = as_camera(file[paths[0].name]).unproject(np.array(((100.0, 200.0),)), np.array((0.5,)))
    np.testing.assert_allclose(turned[0].project(point)[0], ((200.0, 540.0),), atol=1e-9)

    # The world is another one, but the same for both.
    moves = []
    for photograph, camera in zip(scene.photographs, turned, strict=True):
        np.testing.assert_allclose(photograph.camera.intrinsics, camera.intrinsics)
        moves.append(photograph.camera.to_world[:3, :3] @ camera.to_world[:3, :3].T)
    np.testing.assert_allclose(moves[0], moves[1], atol=1e-9)


def test_cameras_that_hung_upside_down_are_turned_the_other_way(tmp_path):
    """Two were held one way and one the other, and all photographs are upright."""
    from maquette.core.photogrammetry.exchange.photographs import place_photographs

    lines = TEMPLE.strip().replace("\\\n", "").splitlines()
    words = lines[-1].split()
    rotation = np.array(words[10:19], float).reshape(3, 3)
    over = np.diag((-1.0, -1.0, 1.0)) @ rotation
    numbers = " ".join(str(value) for value in over.ravel())
    hanging = " ".join(("templeR0003.png", *words[1:10], numbers, *words[19:]))
    (tmp_path / "three_par.txt").write_text("\n".join(("3", *lines[1:], hanging)))
    paths = [tmp_path / f"templeR000{number}.png" for number in (1, 2, 3)]
    for path in paths:
        Image.new("L", (480, 640)).save(path)
    model = read_middlebury(tmp_path / "three_par.txt")
    placed = run_to_end(place_photographs(model, paths, "three_par.txt"))
    second, third = (entry.camera.to_world for entry in placed.photographs[1:])
    np.testing.assert_allclose(second[:3, :3], third[:3, :3], atol=1e-9)


class TestPhotographs:
    def test_of_another_size_the_camera_is_scaled(self, scene, paths, tmp_path):
        write_cameras(tmp_path / "model", scene)
        for path in paths:
            Image.new("RGB", (128, 96)).save(path)
        again = run_to_end(read_cameras(tmp_path / "model", paths))
        camera = again.photographs[1].camera
        assert (camera.width, camera.height) == (128, 96)
        np.testing.assert_allclose(camera.intrinsics[0], (132, 0, 64))

    def test_of_another_shape_is_left_out(self, scene, paths, tmp_path):
        write_cameras(tmp_path / "model", scene)
        Image.new("RGB", (64, 64)).save(paths[2])
        paths[3].write_text("no image")
        extra = paths[0].with_name("extra.png")
        again = run_to_end(read_cameras(tmp_path / "model", [*paths, extra]))
        reasons = {entry.path: entry for entry in again.left_out}
        assert "another shape" in reasons[paths[2]].reason
        assert reasons[paths[3]].unreadable
        assert "no camera in images.bin" in reasons[extra].reason
        assert len(again.photographs) == 4

    def test_turned_by_exif_the_stored_pixels_count(self, scene, paths, tmp_path):
        """A photograph that lies on its side has the camera of its pixels, and ours is upright."""
        write_cameras(tmp_path / "model", scene)
        exif = Image.Exif()
        exif[0x0112] = 6
        for path in paths:
            Image.new("RGB", (64, 48)).save(path, exif=exif)
        again = run_to_end(read_cameras(tmp_path / "model", paths))
        upright = again.photographs[1].camera
        assert again.photographs[1].turned
        assert (upright.width, upright.height) == (48, 64)

        # Orientation 6 is shown turned clockwise: (u, v) is at (48 - v, u).
        stored = scene.photographs[1].camera
        point = stored.unproject(np.array(((10.0, 20.0),)), np.array((2.0,)))
        turned = turn_camera(stored, 3)
        np.testing.assert_allclose(turned.project(point)[0], ((28.0, 10.0),))
        np.testing.assert_allclose(upright.intrinsics, turned.intrinsics)

        # What is written is the stored one again.
        write_cameras(tmp_path / "again", again)
        back = as_in_file(read_colmap(tmp_path / "again/sparse/0/images.bin"))
        assert back[paths[1].name].lens.size == (64, 48)
        assert back[paths[1].name].lens.center == pytest.approx((32, 24))

    def test_names_match_by_their_last_parts(self, scene, paths, tmp_path):
        """Of two cameras of one name, that of the same folder counts."""
        write_cameras(tmp_path / "transforms.json", scene)
        content = json.loads((tmp_path / "transforms.json").read_text())
        frame = dict(content["frames"][0], file_path="other/view 0.png")
        content["frames"].append(frame)
        content["frames"][1]["file_path"] = "elsewhere/view 1.jpg"
        (tmp_path / "transforms.json").write_text(json.dumps(content))
        again = run_to_end(read_cameras(tmp_path / "transforms.json", paths))
        assert len(again.photographs) == 6

    def test_names_that_may_be_two_are_refused(self, scene, paths, tmp_path):
        write_cameras(tmp_path / "transforms.json", scene)
        content = json.loads((tmp_path / "transforms.json").read_text())
        content["frames"][0]["file_path"] = "a/view 0.png"
        content["frames"][1]["file_path"] = "b/view 0.png"
        (tmp_path / "transforms.json").write_text(json.dumps(content))
        with pytest.raises(CameraFileError, match=r"may be a/view 0\.png or b/view 0\.png"):
            run_to_end(read_cameras(tmp_path / "transforms.json", paths))

    def test_two_photographs_of_one_name_are_refused(self, scene, paths, tmp_path):
        write_cameras(tmp_path / "model", scene)
        twin = tmp_path / "twin" / paths[0].name
        with pytest.raises(CameraFileError, match=r"may be .*view 0\.png or .*view 0\.png"):
            run_to_end(read_cameras(tmp_path / "model", [*paths, twin]))

    def test_others_than_the_cameras_are_refused(self, scene, tmp_path):
        write_cameras(tmp_path / "model", scene)
        with pytest.raises(CameraFileError, match=r"No photograph is called .* has view 0\.png"):
            run_to_end(read_cameras(tmp_path / "model", [tmp_path / "x.png"]))


def test_what_cannot_be_written_is_refused(scene, tmp_path):
    with pytest.raises(OutputError, match=r"a file \.json"):
        write_cameras(tmp_path / "cameras.txt", scene)
    flat = tuple(
        replace(each, camera=replace(each.camera, orthographic=True)) for each in scene.photographs
    )
    with pytest.raises(OutputError, match="no camera with perspective"):
        write_cameras(tmp_path / "model", replace(scene, photographs=flat))
