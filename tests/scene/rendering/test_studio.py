"""A view's record is true of its image: known points are where the camera has them."""

import subprocess
import sys

import bpy
import numpy as np
import pytest
from maquette.core.cameras import look_at, orthographic_camera, perspective_camera, side_camera
from maquette.core.scene import compat


@pytest.fixture
def cube(addon):
    bpy.ops.mesh.primitive_cube_add(size=1, location=(0.2, 0.1, 0.3))
    return bpy.context.object


def state():
    kinds = ("scenes", "objects", "cameras", "lights", "worlds", "images", "meshes", "materials")
    return {
        kind: [item.name for item in getattr(bpy.data, kind) if item.name != "Render Result"]
        for kind in kinds
    }


CAMERAS = {
    "perspective": perspective_camera(look_at(np.array((2.0, -3, 1.5)), np.zeros(3)), 0.8, 96),
    "orthographic": orthographic_camera(look_at(np.array((2.0, -3, 1.5)), np.zeros(3)), 2.5, 96),
    "shifted": perspective_camera(look_at(np.array((2.0, -3, 1.5)), np.zeros(3)), 0.8, 96).cropped(
        20, -12, 96, 96
    ),
    "wide": perspective_camera(look_at(np.array((2.0, -3, 1.5)), np.zeros(3)), 0.8, 96).cropped(
        -30, 0, 150, 96
    ),
    "tall_flat": orthographic_camera(
        look_at(np.array((2.0, -3, 1.5)), np.zeros(3)), 2.5, 96
    ).cropped(10, -30, 76, 150),
    "top": side_camera("top", 2.5, 96),
}


@pytest.mark.parametrize("name", CAMERAS)
def test_depth_and_camera_put_every_pixel_on_the_cube(cube, name):
    from maquette.core.scene.rendering.studio import render_studio

    camera = CAMERAS[name]
    with render_studio(4) as stage:
        stage.set_objects([cube])
        view = stage.render_view("test", camera)
    assert view.colour.shape == (camera.height, camera.width, 4)
    rows, columns = np.nonzero(view.depth)
    inner = view.colour[rows, columns, 3] == 255
    rows, columns = rows[inner], columns[inner]
    assert len(rows) > 300
    depth = view.depth[rows, columns].astype(float)
    local = camera.unproject(np.stack((columns + 0.5, rows + 0.5), 1), depth) - (0.2, 0.1, 0.3)
    off = np.abs(np.abs(local).max(1) - 0.5)
    assert np.quantile(off, 0.9) < 0.03  # the depth is of one sample within the pixel
    axis = np.abs(local).argmax(1)
    normal = view.normal[rows, columns].astype(float)
    pick = np.arange(len(rows))
    agree = normal[pick, axis] * np.sign(local[pick, axis])
    assert np.quantile(agree, 0.1) > 0.9
    corner = camera.project(
        np.array([(x, y, z) for x in (-0.3, 0.7) for y in (-0.4, 0.6) for z in (-0.2, 0.8)])
    )[0]
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    limit = (camera.width, camera.height)
    np.testing.assert_allclose(
        box, (*corner.min(0).clip(0), *np.minimum(corner.max(0), limit)), atol=2.5
    )


def test_nothing_of_blender_points_to_the_scene_that_is_gone():
    """Its memory is overwritten with the letters of a scene's name: reading it there crashes."""
    code = (
        "import bpy, numpy as np\n"
        "from maquette.core.scene.rendering.thumbnails import render_thumbnails\n"
        "bpy.ops.mesh.primitive_cube_add()\n"
        "render_thumbnails(bpy.context.object, 16, samples=1)\n"
        "kept = [np.full(n, 0x4353, np.uint16) for n in range(8, 6000, 8) for _ in range(3)]\n"
        "bpy.context.collection.objects.link(bpy.data.objects.new('made', None))\n"
        "bpy.context.view_layer.update()\n"
        "print('well')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120, text=True)
    assert done.stdout.endswith("well\n"), done


def test_the_file_is_as_before_also_after_an_error(cube):
    from maquette.core.scene.rendering.studio import render_studio

    before = state()
    with pytest.raises(RuntimeError, match="in between"), render_studio(1) as stage:
        stage.set_objects([cube])
        stage.render_view("test", CAMERAS["top"])
        raise RuntimeError("in between")
    assert state() == before
    assert bpy.context.scene.objects.get(cube.name) is cube


def test_white_under_even_light_is_white_and_nothing_is_clear(addon):
    from maquette.core.scene.rendering.lighting import LightSettings
    from maquette.core.scene.rendering.studio import render_studio

    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.5)
    material = bpy.data.materials.new("grey")
    compat.use_nodes(material)
    shader = next(node for node in material.node_tree.nodes if node.type == 'BSDF_PRINCIPLED')
    shader.inputs["Base Color"].default_value = (0.2, 0.2, 0.2, 1)
    shader.inputs["Roughness"].default_value = 1
    shader.inputs["Specular IOR Level"].default_value = 0
    bpy.context.object.data.materials.append(material)
    with render_studio(32) as stage:
        stage.set_objects([bpy.context.object])
        stage.set_light(LightSettings(level=1.0))
        view = stage.render_view("test", side_camera("front", 2, 32))
    assert (view.colour[0, 0] == 0).all()
    assert view.colour[16, 16, 3] == 255
    srgb = 255 * (1.055 * 0.2 ** (1 / 2.4) - 0.055)
    assert view.colour[14:18, 14:18, :3].mean() == pytest.approx(srgb, abs=6)


def painted(obj, color, **more):
    material = bpy.data.materials.new("paint")
    compat.use_nodes(material)
    shader = next(node for node in material.node_tree.nodes if node.type == 'BSDF_PRINCIPLED')
    shader.inputs["Base Color"].default_value = (*color, 1)
    for name, value in more.items():
        shader.inputs[name.replace("_", " ")].default_value = value
    obj.data.materials.append(material)


def in_srgb(linear):
    return 255 * (1.055 * np.asarray(linear) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("name", ["perspective", "top"])
def test_albedo_of_a_lit_and_half_shadowed_cube_is_flat(cube, name):
    from maquette.core.scene.rendering.lighting import LightSettings
    from maquette.core.scene.rendering.studio import render_studio

    painted(cube, (0.5, 0.05, 0.02), Specular_IOR_Level=0.0)
    bpy.ops.mesh.primitive_cube_add(
        size=1, location=(0.8, -0.9, 1.4)
    )  # casts its shadow onto the other
    shade = bpy.context.object
    with render_studio(8, relightable=True) as stage:
        stage.set_objects([cube, shade])
        shade.visible_camera = False
        stage.set_light(LightSettings(level=0.2, sun=3.0, sun_tilt=0.8))
        view = stage.render_view("test", CAMERAS[name])
    on = view.colour[..., 3] > 0
    assert on.sum() > 300
    assert (
        np.ptp(np.quantile(view.colour[on, 0], (0.1, 0.9))) > 25
    )  # light and shadow are in the picture
    np.testing.assert_allclose(
        view.albedo[on], np.broadcast_to(in_srgb((0.5, 0.05, 0.02)), (on.sum(), 3)), atol=2
    )
    assert ((view.colour[..., 3] > 0) & (view.colour[..., 3] < 255)).any()  # its edges, too
    assert not view.albedo[~on].any() and not view.occlusion[~on].any()
    assert view.albedo.dtype == view.occlusion.dtype == np.uint8


def test_albedo_of_metal_is_its_color(cube):
    from maquette.core.scene.rendering.studio import render_studio

    painted(cube, (0.8, 0.4, 0.1), Metallic=1.0, Roughness=0.2)
    with render_studio(8, relightable=True) as stage:
        stage.set_objects([cube])
        view = stage.render_view("test", CAMERAS["top"])
    on = view.colour[..., 3] > 0
    np.testing.assert_allclose(np.median(view.albedo[on], axis=0), in_srgb((0.8, 0.4, 0.1)), atol=4)


@pytest.mark.parametrize("size", [1.0, 40.0])
def test_an_inner_corner_is_occluded_and_an_open_face_is_not_at_any_size(addon, size):
    """Of a floor and a wall: dark next to their edge, open half the longest side away."""
    from maquette.core.scene.rendering.studio import render_studio

    bpy.ops.mesh.primitive_cube_add(
        size=1, location=(0, 0, -0.05 * size), scale=(size, size, 0.1 * size)
    )
    floor = bpy.context.object
    bpy.ops.mesh.primitive_cube_add(
        size=1, location=(0.45 * size, 0, 0.2 * size), scale=(0.1 * size, size, 0.5 * size)
    )
    wall = bpy.context.object
    bpy.context.view_layer.update()
    boxes = [
        np.array(obj.bound_box) @ np.array(obj.matrix_world)[:3, :3].T + obj.location
        for obj in (floor, wall)
    ]
    corners = np.concatenate(boxes)
    with render_studio(8, relightable=True) as stage:
        stage.set_objects([floor, wall], corners)
        eye = np.array((0.0, -0.01, 3.0)) * size
        view = stage.render_view(
            "test", orthographic_camera(look_at(eye, np.zeros(3)), 1.2 * size, 96)
        )
    column = [
        round(48 + 80 * x) for x in (-0.4, -0.02, 0.36, 0.45)
    ]  # far floor, past the reach, beside, on the wall
    far, past, beside, top = (view.occlusion[30:66, at - 2 : at + 2].mean() for at in column)
    assert far > 250 and top > 250 and beside < 190 and beside < past - 50
    assert view.occlusion[30:66, 12:40].std() < 12  # no noise


def test_without_asking_there_is_neither(cube):
    from maquette.core.scene.rendering.studio import render_studio

    with render_studio(1) as stage:
        stage.set_objects([cube])
        view = stage.render_view("test", CAMERAS["top"])
    assert view.albedo is None and view.occlusion is None
