import bpy
import numpy as np
import pytest
from maquette.core.arrays import MeshArrays

CUBE = MeshArrays(
    np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32),
    np.array(
        [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]],
        np.int32,
    ),
    np.array([[x, y, z] for x in (0, 0.25) for y in (0, 0.5) for z in (0, 1)], np.float32),
)


@pytest.fixture
def cube(addon):
    from maquette.core.scene.meshes import new_object

    obj = new_object("Cube", CUBE)
    bpy.context.collection.objects.link(obj)
    return obj


def test_quads_as_given(cube):
    mesh = cube.data
    assert (len(mesh.vertices), len(mesh.edges), len(mesh.polygons)) == (8, 12, 6)
    assert [tuple(p.vertices) for p in mesh.polygons] == [tuple(face) for face in CUBE.faces]
    assert not mesh.validate()
    assert all(p.use_smooth for p in mesh.polygons)
    assert np.dot(mesh.polygons[1].normal, (1, 0, 0)) > 0.99  # outwards


def test_triangles_as_given(addon):
    from maquette.core.scene.meshes import new_object

    mesh = new_object("Cube", MeshArrays(CUBE.vertices, CUBE.to_triangles())).data
    assert (len(mesh.polygons), len(mesh.edges)) == (12, 18)
    assert not mesh.color_attributes and not mesh.materials


def test_there_and_back(cube):
    from maquette.core.scene.importing.mesh_import import world_triangles

    cube.location = (1, 2, 3)
    bpy.context.view_layer.update()
    back = world_triangles([cube])
    np.testing.assert_allclose(back.vertices - np.array((1, 2, 3)), CUBE.vertices)
    assert len(back.faces) == 12


def test_colors_are_srgb_and_the_ones_that_show(cube):
    attributes = cube.data.color_attributes
    color = attributes["Color"]
    assert (color.domain, attributes.active_color) == ('POINT', color)
    assert attributes.render_color_index == 0 == attributes.active_color_index
    kept = np.empty(32, np.float32)
    color.data.foreach_get("color_srgb", kept)
    np.testing.assert_allclose(kept.reshape(8, 4)[:, :3], CUBE.colors, atol=0.5 / 255 + 1e-4)


def test_the_render_shows_the_colors(cube):
    """White light from all around and no light lost: the image shows the attribute's colors."""
    scene = bpy.context.scene
    scene.render.engine = 'CYCLES'
    scene.cycles.samples = 16
    scene.render.resolution_x = scene.render.resolution_y = 16
    scene.view_settings.view_transform = 'Standard'
    scene.world = white_world()
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.data.type, camera.data.ortho_scale = 'ORTHO', 0.2
    camera.location = (
        0.5,
        0.5,
        3,
    )  # the middle of the top: halfway between the colours of its corners
    scene.collection.objects.link(camera)
    scene.camera = camera
    red, green, blue = rendered(scene)
    assert (
        0.15 < red < 0.3 and 0.35 < green < 0.45 and blue > 0.95
    )  # of linear light, with a little shine
    cube.data.color_attributes["Color"].data.foreach_set("color_srgb", np.ones(32, np.float32))
    cube.data.update()
    assert min(rendered(scene)) > 0.85


def white_world():
    from maquette.core.scene import compat

    world = bpy.data.worlds.new("White")
    compat.use_nodes(world)
    nodes = world.node_tree.nodes
    nodes.clear()
    background = nodes.new('ShaderNodeBackground')
    background.inputs["Color"].default_value = (1, 1, 1, 1)
    world.node_tree.links.new(
        background.outputs[0], nodes.new('ShaderNodeOutputWorld').inputs["Surface"]
    )
    return world


def rendered(scene):
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        scene.render.filepath = f"{folder}/a.png"
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(scene.render.filepath)
        values = np.empty(16 * 16 * 4, np.float32)
        image.pixels.foreach_get(values)
        bpy.data.images.remove(image)
    return values.reshape(-1, 4)[:, :3].mean(axis=0)


def test_solid_view_shows_at_least_the_mean(cube):
    material = cube.data.materials[0]
    mean = CUBE.colors.mean(axis=0)
    np.testing.assert_allclose(
        material.diffuse_color[:3], ((mean + 0.055) / 1.055) ** 2.4, atol=1e-3
    )
