import os
from dataclasses import replace

import bpy
import numpy as np
import pytest
from maquette.core.cameras import Camera, look_at
from maquette.core.errors import ImageError, OutputError
from maquette.core.photogrammetry.records import SolvedPhotograph, SolvedScene, SparseCloud
from maquette.core.scene.cameras import from_blender
from maquette.core.scene.references import reference_pose
from maquette.core.scene.solved_cameras import (
    add_solved_scene,
    check_solved_path,
    cloud_of,
    write_solved,
)
from PIL import Image

POINTS = np.random.default_rng(0).uniform((-0.3, -0.3, 0), (0.3, 0.3, 0.6), (40, 3))


def make_camera(eye, width, height, focal):
    intrinsics = np.array(((focal, 0, width / 2 - 7.3), (0, focal, height / 2 + 4.1), (0, 0, 1.0)))
    return Camera(look_at(np.array(eye), np.array((0, 0, 0.3))), intrinsics, width, height)


@pytest.fixture
def solved(tmp_path):
    """Two photographs that lie and one that stands, with cameras off their centers."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    sizes = ((160, 120), (160, 120), (120, 160))
    eyes = ((0.2, -3.0, 1.0), (2.5, -1.0, 1.5), (1.0, 2.5, 0.8))
    photographs = []
    for index, (size, eye) in enumerate(zip(sizes, eyes, strict=True)):
        path = tmp_path / f"view_{index}.png"
        Image.new("RGB", size, (10 * index, 90, 60)).save(path)
        camera = make_camera(eye, *size, 150.0 + 20 * index)
        photographs.append(SolvedPhotograph(path, camera, (0.01 * index, 0.0)))
    count = len(POINTS)
    cloud = SparseCloud(
        points=POINTS.astype(np.float32),
        colors=np.linspace((0, 0.2, 1), (1, 0.4, 0), count).astype(np.float32),
        track_length=np.arange(2, count + 2, dtype=np.int32),
        error=np.linspace(0.1, 2, count).astype(np.float32),
    )
    return SolvedScene(tuple(photographs), cloud)


def test_points_fall_on_the_pixels_where_photographs_show_them(solved):
    collection = add_solved_scene(bpy.context, solved, 0.25)
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    world = np.array([vertex.co for vertex in cloud_of(collection).data.vertices])
    for photograph in solved.photographs:
        obj = bpy.data.objects[photograph.path.stem]
        expected, _ = photograph.camera.project(POINTS)
        background, _ = reference_pose(bpy.context, obj).camera.project(world)
        assert np.abs(background - expected).max() < 0.5
        if photograph.camera.width > photograph.camera.height:
            rendered, _ = from_blender(bpy.context.scene, obj, graph).project(world)
            assert np.abs(rendered - expected).max() < 0.5


def test_the_scene_takes_the_shape_of_most_photographs(solved):
    collection = add_solved_scene(bpy.context, solved, 1.0)
    scene = bpy.context.scene
    assert (scene.render.resolution_x, scene.render.resolution_y) == (160, 120)
    assert scene.camera == bpy.data.objects["view_0"]
    assert collection.name == "Photographs" and len(collection.objects) == 4
    data = bpy.data.objects["view_2"].data
    assert data["maquette_k1"] == pytest.approx(0.02)
    assert data.background_images[0].image.filepath.endswith("view_2.png")


def test_the_cloud_keeps_colors_track_lengths_and_errors(solved):
    cloud = cloud_of(add_solved_scene(bpy.context, solved, 2.0))
    mesh = cloud.data
    places = np.array([vertex.co for vertex in mesh.vertices])
    np.testing.assert_allclose(places, POINTS * 2, atol=1e-5)
    colors = np.array([each.color_srgb[:3] for each in mesh.color_attributes["Color"].data])
    np.testing.assert_allclose(colors, solved.cloud.colors, atol=1 / 255)
    lengths = [each.value for each in mesh.attributes["track_length"].data]
    assert lengths == solved.cloud.track_length.tolist()
    errors = [each.value for each in mesh.attributes["error"].data]
    np.testing.assert_allclose(errors, solved.cloud.error)


def test_the_cloud_shows_a_cube_for_each_vertex_in_its_color(solved):
    """Also in Solid view, which shows the active color attribute."""
    cloud = cloud_of(add_solved_scene(bpy.context, solved, 2.0))
    bpy.context.view_layer.update()
    shown = cloud.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    corners = np.array([vertex.co for vertex in shown.vertices])
    assert len(corners) == 8 * len(POINTS) and len(shown.polygons) >= 5 * len(POINTS)
    distance = np.linalg.norm(corners[:, None] - 2 * POINTS[None], axis=2)
    nearest = distance.argmin(1)
    assert (np.bincount(nearest) == 8).all()
    np.testing.assert_allclose(distance.min(1), 0.006 * 2 * np.sqrt(3), rtol=1e-3)
    assert shown.color_attributes.active_color.name == "Color"
    colors = np.array([each.color_srgb[:3] for each in shown.color_attributes["Color"].data])
    np.testing.assert_allclose(colors, solved.cloud.colors[nearest], atol=1 / 255)
    assert shown.materials[0].original == cloud.data.materials[0]


def test_a_photograph_that_is_gone_leaves_the_scene_as_it_was(solved):
    solved.photographs[1].path.unlink()
    with pytest.raises(ImageError, match="view_1"):
        add_solved_scene(bpy.context, solved, 1.0)
    assert not bpy.data.cameras and not bpy.data.collections


def test_a_file_of_it_opens_with_cameras_and_backgrounds(solved, tmp_path):
    path = tmp_path / "out.blend"
    collection = add_solved_scene(bpy.context, solved, 1.0)
    write_solved(path, bpy.context.scene, collection)
    assert [scene.name for scene in bpy.data.scenes] == ["Scene"]
    bpy.ops.wm.open_mainfile(filepath=str(path))
    scene = bpy.context.scene
    assert scene.camera.name == "view_0" and scene.render.resolution_x == 160
    image = scene.camera.data.background_images[0].image
    assert tuple(image.size) == (160, 120)


def test_a_ply_holds_every_point_and_its_color(solved, tmp_path):
    path = tmp_path / "out.ply"
    collection = add_solved_scene(bpy.context, solved, 1.0)
    write_solved(path, bpy.context.scene, collection)
    assert cloud_of(collection).modifiers[0].show_viewport
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.ply_import(filepath=str(path))
    (mesh,) = bpy.data.meshes
    places = np.array([vertex.co for vertex in mesh.vertices])
    np.testing.assert_allclose(places, POINTS, atol=1e-5)
    colors = np.array([each.color_srgb[:3] for each in mesh.color_attributes[0].data])
    np.testing.assert_allclose(colors, solved.cloud.colors, atol=2 / 255)


@pytest.mark.skipif(os.name != "posix", reason="file sizes are limited as POSIX does it")
@pytest.mark.parametrize("suffix", [".blend", ".ply"])
def test_an_older_file_survives_a_full_disk(solved, tmp_path, suffix):
    import resource

    path = tmp_path / f"out{suffix}"
    path.write_text("older")
    collection = add_solved_scene(bpy.context, solved, 1.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, hard))
    try:
        with pytest.raises(OutputError, match=r"could not be written [^\n]*$"):
            write_solved(path, bpy.context.scene, collection)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "older"
    assert not [file for file in tmp_path.iterdir() if "partial" in file.name]


def test_other_formats_are_refused_before_the_work(tmp_path):
    with pytest.raises(OutputError, match=r"\.blend or \.ply"):
        check_solved_path(tmp_path / "out.glb")
    with pytest.raises(OutputError, match="does not exist"):
        check_solved_path(tmp_path / "missing/out.blend")


def test_photographs_turned_by_exif_are_shown_upright(solved, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.new("RGB", (160, 120), (90, 60, 30)).save(path, exif=exif)
    camera = make_camera((0.2, -3.0, 1.0), 120, 160, 150.0)
    turned = replace(solved, photographs=(SolvedPhotograph(path, camera, turned=True),))
    add_solved_scene(bpy.context, turned, 1.0)
    image = bpy.data.objects["turned"].data.background_images[0].image
    assert tuple(image.size) == (120, 160)
