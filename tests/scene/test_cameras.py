"""Markers are in rendered images where the matrices have them, in all camera settings."""

import itertools

import bpy
import numpy as np
import pytest
from maquette.core.errors import SceneError
from maquette.core.imaging import exr
from maquette.core.scene import compat

MARKERS = np.array(((-0.55, 0.3, -0.35), (0.6, -0.4, -0.3), (0.1, 0.5, 0.6)))  # red, green, blue
FITS = ("AUTO", "HORIZONTAL", "VERTICAL")
ASPECTS = {"landscape": (64, 44), "portrait": (44, 64), "square": (56, 56)}
SHIFTS = ((0, 0), (0.09, -0.06))
PIXELS = ((1, 1), (1, 1.4), (1.4, 1))
PERCENTAGES = (100, 71)


@pytest.fixture
def markers(addon):
    """A small glowing sphere at each of MARKERS, in front of a camera rotated about all axes."""
    objects = []
    for place, color in zip(MARKERS, np.eye(4)[:3], strict=True):
        bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=2, radius=0.17, location=place)
        material = bpy.data.materials.new("glow")
        compat.use_nodes(material)
        tree = material.node_tree
        glow = tree.nodes.new('ShaderNodeEmission')
        glow.inputs["Color"].default_value = color
        output = next(node for node in tree.nodes if node.type == 'OUTPUT_MATERIAL')
        tree.links.new(glow.outputs[0], output.inputs["Surface"])
        bpy.context.object.data.materials.append(material)
        objects.append(bpy.context.object)
    data = bpy.data.cameras.new("Camera")
    camera = bpy.data.objects.new("Camera", data)
    bpy.context.collection.objects.link(camera)
    camera.location, camera.rotation_euler, camera.scale = (
        (0.9, -5.5, 1.6),
        (1.3, 0.2, 0.16),
        (1.5, 1.5, 1.5),
    )
    data.lens, data.ortho_scale, data.sensor_width, data.sensor_height = 26, 4, 32, 26
    bpy.context.scene.camera = camera
    return objects


@pytest.fixture
def rendered(markers, tmp_path):
    """Renders the scene as it is with its own camera: (H, W, 3) linear."""
    from maquette.core.scene import compat

    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples = 'CYCLES', 8
    scene.cycles.use_denoising = scene.cycles.use_adaptive_sampling = False
    scene.render.film_transparent = scene.render.use_persistent_data = True
    scene.render.threads_mode, scene.render.threads = 'FIXED', 1
    scene.render.filepath = str(tmp_path / "view.exr")
    compat.write_multilayer_exr(scene.render.image_settings)

    def _rendered():
        bpy.ops.render.render(write_still=True)
        passes = {
            name.partition(".")[2]: values
            for name, values in exr.read_exr(tmp_path / "view.exr").items()
        }
        return np.stack([passes[f"Combined.{channel}"] for channel in "RGB"], axis=2)

    return _rendered


def found(picture):
    """Where each channel of (H, W, 3) has its light: (3, 2) pixels, as of ``cameras``."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    light = picture.astype(float)
    assert (light.sum((0, 1)) > 1).all()
    return (
        np.stack([(light * at[..., None]).sum((0, 1)) for at in (columns, rows)], 1)
        / light.sum((0, 1))[:, None]
    )


def here():
    from maquette.core.scene.cameras import from_blender

    scene = bpy.context.scene
    return from_blender(scene, scene.camera, bpy.context.evaluated_depsgraph_get())


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("fit", FITS)
def test_markers_are_where_the_matrix_says(markers, rendered, fit, aspect):
    """Eight of the 72 settings at a time, each rendered by Blender and by the training set."""
    from maquette.core.scene.rendering.studio import render_studio

    scene = bpy.context.scene
    render, data = scene.render, scene.camera.data
    cameras, pictures = [], []
    pixels = (PIXELS[0], PIXELS[2] if aspect == "portrait" else PIXELS[1])
    for number, (shift, pixel, percentage) in enumerate(
        itertools.product(SHIFTS, pixels, PERCENTAGES)
    ):
        data.sensor_fit, data.type = (
            fit,
            ('PERSP', 'ORTHO')[(number.bit_count() + FITS.index(fit)) % 2],
        )
        data.shift_x, data.shift_y = shift
        (render.resolution_x, render.resolution_y), render.resolution_percentage = (
            ASPECTS[aspect],
            percentage,
        )
        render.pixel_aspect_x, render.pixel_aspect_y = pixel
        cameras.append(here())
        pictures.append(rendered())
    with render_studio(8, threads=1) as stage:
        stage.set_objects(markers)
        again = [stage.render_view("scene", camera) for camera in cameras]
    for camera, picture, view in zip(cameras, pictures, again, strict=True):
        assert picture.shape[:2] == view.colour.shape[:2] == (camera.height, camera.width)
        expected, _ = camera.project(MARKERS)
        assert (expected > 2.5).all() and (
            expected < np.array((camera.width, camera.height)) - 2.5
        ).all()
        np.testing.assert_allclose(found(picture), expected, atol=0.3)
        lit = (
            np.where(view.colour[..., 3:] > 0, view.colour[..., :3] / 255.0, 0)
            * view.colour[..., 3:]
            / 255
        )
        np.testing.assert_allclose(found(lit), expected, atol=0.3)
    assert any(camera.orthographic for camera in cameras) and not all(
        camera.orthographic for camera in cameras
    )


def test_a_path_is_the_active_camera_over_the_frames(markers, rendered):
    from maquette.core.scene.cameras import camera_path

    scene, first = bpy.context.scene, bpy.context.scene.camera
    (scene.render.resolution_x, scene.render.resolution_y), first.scale = (48, 48), (1, 1, 1)
    for frame, place, lens in ((1, -0.4, 24), (9, 1.2, 34)):
        first.location.x, first.data.lens = place, lens
        first.keyframe_insert("location", frame=frame)
        first.data.keyframe_insert("lens", frame=frame)
    second = bpy.data.objects.new("Second", first.data.copy())
    bpy.context.collection.objects.link(second)
    second.location, second.rotation_euler = (0.2, -6, 0), (1.57, 0, 0)
    for frame, camera in ((1, first), (7, second)):
        scene.timeline_markers.new(camera.name, frame=frame).camera = camera
    scene.frame_set(3)
    views = camera_path(bpy.context, (1, 9), 3)
    assert (scene.frame_current, scene.camera) == (3, first)
    assert [dict(view.drawn) for view in views] == [
        {"camera": "Camera", "frame": 1},
        {"camera": "Camera", "frame": 4},
        {"camera": "Second", "frame": 7},
    ]
    for view in views[1:]:
        scene.frame_set(view.drawn["frame"])
        np.testing.assert_allclose(found(rendered()), view.camera.project(MARKERS)[0], atol=0.3)


def test_cameras_of_the_scene_in_the_size_of_the_set(markers):
    from maquette.core.scene.cameras import of_scene
    from maquette.core.synthesis.camera_rigs import parse_rigs

    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y, scene.frame_end = 1920, 1080, 3
    views = of_scene(bpy.context, parse_rigs(["sides", "scene", "path", "path:2"]), 128)
    assert {name: len(each) for name, each in views.items()} == {"scene": 1, "path": 3, "path:2": 1}
    camera = views["scene"][0].camera
    assert (camera.width, camera.height) == (128, 72)
    np.testing.assert_allclose(camera.project(MARKERS)[0] * 15, here().project(MARKERS)[0])


def test_what_has_no_matrix_is_said(markers):
    from maquette.core.scene.cameras import camera_path, scene_cameras

    camera = bpy.context.scene.camera
    camera.scale.x = -1
    bpy.context.view_layer.update()
    with pytest.raises(SceneError, match="Camera is mirrored or sheared"):
        scene_cameras(bpy.context)
    camera.scale.x = 1
    camera.data.type = 'PANO'
    with pytest.raises(SceneError, match="Camera is a pano camera"):
        scene_cameras(bpy.context)
    bpy.context.scene.camera = None
    with pytest.raises(SceneError, match="no active camera"):
        camera_path(bpy.context, (1, 2))
    bpy.data.objects.remove(camera)
    with pytest.raises(SceneError, match="has no camera"):
        scene_cameras(bpy.context)
