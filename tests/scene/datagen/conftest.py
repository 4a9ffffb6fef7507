"""A small scene, its rendering as a whole, and what of the file must be as before."""

from types import SimpleNamespace

import bpy
import numpy as np
import pytest

SIZE = 48


def add_camera(name, location=(0, -10, 0)):
    """Add a camera that looks along +Y."""
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    camera.location = location
    camera.rotation_euler = (np.pi / 2, 0, 0)
    bpy.context.scene.collection.objects.link(camera)
    return camera


def add_cube(name="cube", location=(0, 0, 0), size=2):
    bpy.ops.mesh.primitive_cube_add(size=size, location=location)
    bpy.context.object.name = name
    return bpy.context.object


def node_group(build):
    """Geometry nodes with one geometry in and one out, which ``build`` connects."""
    group = bpy.data.node_groups.new("nodes", 'GeometryNodeTree')
    for in_out in ('INPUT', 'OUTPUT'):
        group.interface.new_socket("Geometry", in_out=in_out, socket_type='NodeSocketGeometry')
    build(group, group.nodes.new('NodeGroupInput'), group.nodes.new('NodeGroupOutput'))
    return group


def counts():
    """How many data-blocks of each kind there are, the frame, the selection and the mode."""
    kinds = [prop.identifier for prop in bpy.data.bl_rna.properties if prop.type == 'COLLECTION']
    scene = bpy.context.scene
    blocks = {kind: len(getattr(bpy.data, kind)) for kind in kinds}
    blocks["images"] -= "Render Result" in bpy.data.images
    return (
        blocks,
        (scene.frame_current, scene.frame_subframe, scene.frame_start, scene.frame_end),
        scene.camera and scene.camera.name_full,
        sorted(obj.name for obj in scene.objects if obj.select_get()),
        bpy.context.mode,
    )


def new_scene():
    """An empty scene with a camera at (0, -10, 0) that looks along +Y, and a sun."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = bpy.context.scene
    scene.camera = add_camera("Camera")
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    lamp = bpy.data.objects.new("lamp", bpy.data.lights.new("lamp", 'SUN'))
    lamp.rotation_euler = (0.6, 0.3, 0)
    scene.collection.objects.link(lamp)
    return scene


def render(folder, cameras="scene", size=SIZE, samples=1):
    """Render the scene, check that the file is as before, and return what was written."""
    from maquette.core.dataset.object_file import ObjectFile
    from maquette.core.dataset.validation import validate_dataset
    from maquette.core.jobs.task import run_to_end
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.whole_scene import WholeScene, render_whole_scene
    from maquette.core.synthesis.camera_rigs import parse_rigs

    settings = DatasetSettings(
        size=size, samples=samples, cameras=parse_rigs(cameras.split()), points=256
    )
    layer = bpy.context.view_layer.name
    before = counts()
    try:
        run_to_end(render_whole_scene(bpy.context.scene, layer, folder, settings, WholeScene()))
    finally:
        assert counts() == before
    assert run_to_end(validate_dataset(folder)) == []
    return ObjectFile(next((folder / "objects").glob("*.tar")))


def middle_of(file, number, name):
    """The middle of what a view shows of an instance, world space."""
    from maquette.core.dataset import passes

    view = file.read_view(number)
    index = next(one.index for one in file.record.instances if one.name == name)
    points = passes.world_points(view)[view.index == index]
    assert len(points)
    return (points.min(0) + points.max(0)) / 2


@pytest.fixture
def make(addon):
    """What makes and renders scenes, in an empty file with a camera."""
    new_scene()
    return SimpleNamespace(
        add_camera=add_camera,
        add_cube=add_cube,
        node_group=node_group,
        counts=counts,
        new_scene=new_scene,
        render=render,
        middle_of=middle_of,
    )
