import json

import bpy
import numpy as np
import pytest
from maquette.core.errors import Cancelled, MeshError
from maquette.core.jobs.task import SteppedTask, in_thread
from maquette.core.procedural.fitting import results
from maquette.core.procedural.fitting.search import SearchSettings
from maquette.operators.procedural.make_procedural import require_accepted


@pytest.fixture(autouse=True)
def short_search(monkeypatch):
    """Let searches end after a few objects."""
    monkeypatch.setattr(results, "SearchSettings", lambda: SearchSettings(evaluations=40))


@pytest.fixture
def bottle(addon):
    """A bottle that is only a mesh, 2 m high, turned, away from the origin and red."""
    bpy.ops.maquette.add_procedural(family="bottle", seed=5003)
    obj = bpy.context.object
    for key in list(obj.keys()):
        del obj[key]
    for material in obj.data.materials:
        shader = material.node_tree.nodes["Principled BSDF"]
        shader.inputs["Base Color"].default_value = (0.8, 0.0, 0.0, 1.0)
        material.diffuse_color = (0.8, 0.0, 0.0, 1.0)
    obj.name = "Mesh"
    obj.location = (1.0, 2.0, 3.0)
    obj.rotation_euler.z = 0.5
    obj.scale = (2.0, 2.0, 2.0)
    bpy.context.view_layer.update()
    return obj


@pytest.fixture
def creature(addon):
    """Balls and rods at all angles, such as no generator makes."""
    rods = (
        ((0.0, 0.0, 0.3), (0.3, 0.42, 0.27)),
        ((0.05, -0.4, 0.5), (0.19, 0.2, 0.19)),
        ((0.13, -0.35, 0.85), (0.05, 0.05, 0.3)),
        ((-0.3, -0.18, 0.72), (0.3, 0.06, 0.06)),
        ((0.4, 0.44, 0.22), (0.3, 0.1, 0.1)),
    )
    for location, scale in rods:
        bpy.ops.mesh.primitive_uv_sphere_add(segments=12, ring_count=8, location=location)
        bpy.context.object.scale = scale
        bpy.context.object.select_set(True)
    bpy.ops.object.select_all(action='SELECT')
    bpy.ops.object.join()
    return bpy.context.object


def bounds(root):
    """The lowest and the highest corner in world space of an object and those below it."""
    bpy.context.view_layer.update()
    corners = []
    for obj in (root, *root.children):
        if obj.type == 'MESH':
            corners += [obj.matrix_world @ vertex.co for vertex in obj.data.vertices]
    points = np.array(corners)
    return points.min(0), points.max(0)


def test_takes_the_place_of_the_mesh_with_sliders_and_colors(bottle):
    wanted = bounds(bottle)
    assert bpy.ops.maquette.make_procedural() == {'FINISHED'}
    root = bpy.context.object
    assert root != bottle
    assert json.loads(root["maquette_recipe"])["family"] == "bottle"
    np.testing.assert_allclose(bounds(root), wanted, atol=0.03)
    assert bottle.hide_get()
    assert bottle.hide_render
    for material in root.data.materials:
        np.testing.assert_allclose(material.diffuse_color[:3], (0.8, 0, 0), atol=0.02)
    assert root.vertex_groups

    # A slider rebuilds it where it is, in its colors.
    before = len(root.data.vertices), tuple(root.scale)
    parameter = root.maquette_procedural
    parameter.percent_0 = 90.0
    assert json.loads(root["maquette_recipe"])["values"]
    assert tuple(root.scale) == before[1]
    np.testing.assert_allclose(root.data.materials[0].diffuse_color[:3], (0.8, 0, 0), atol=0.02)


def test_stands_beside_the_mesh_in_parts(bottle):
    assert bpy.ops.maquette.make_procedural(beside=True, parts='OBJECTS') == {'FINISHED'}
    root = bpy.context.object
    assert root.type == 'EMPTY'
    assert len(root.children) >= 1
    assert bottle.visible_get()
    assert bounds(root)[0][0] > bounds(bottle)[1][0]
    assert bounds(root)[0][2] == pytest.approx(bounds(bottle)[0][2], abs=0.03)


def test_undo_shows_the_mesh_again(bottle):
    bpy.ops.ed.undo_push(message="Before")
    bpy.ops.maquette.make_procedural()
    bpy.ops.ed.undo_push(message="After")
    bpy.ops.ed.undo()
    assert [obj.name for obj in bpy.data.objects] == ["Mesh"]
    assert not bpy.data.objects["Mesh"].hide_get()
    assert not bpy.data.objects["Mesh"].hide_render


def test_says_that_nothing_fits_and_changes_nothing(creature, scene_state):
    before = scene_state()
    with pytest.raises(RuntimeError, match=r"No procedural object fits\. The nearest is a"):
        bpy.ops.maquette.make_procedural()
    assert scene_state() == before
    assert creature.visible_get()
    assert bpy.ops.maquette.make_procedural(use_nearest=True) == {'FINISHED'}
    assert bpy.context.object != creature


def test_says_why_an_object_of_the_right_outline_is_refused():
    fit = results.ProceduralFit(
        family="tray",
        seed=0,
        values={},
        yaw=0.0,
        scale=np.array((0.1, 1.0, 0.1)),
        location=np.zeros(3),
        silhouette=0.95,
        volume=0.8,
        is_accepted=False,
    )
    with pytest.raises(MeshError, match=r"in outline is a tray .* stretched too far or differs"):
        require_accepted(fit)


def test_stopping_leaves_the_scene_as_it_was(bottle, scene_state):
    from maquette.core.scene.importing.mesh_import import world_triangles
    from maquette.operators import _compute
    from maquette.operators.procedural.make_procedural import start_fitting

    before = scene_state()
    task = start_fitting(_compute.compute_target(), world_triangles([bottle]), ())
    driver = SteppedTask(in_thread(task))
    while driver.progress.stage != "Searching parameters":
        assert not driver.poll()
    driver.cancel()
    with pytest.raises(Cancelled):
        driver.result()
    assert scene_state() == before
    assert bottle.visible_get()


def test_makes_a_bottle_of_images_of_its_sides(addon, weights, pictures):
    bpy.context.scene.cursor.location = (0.0, 5.0, 1.0)
    files = {name: str(pictures / f"{name}.png") for name in ("front", "right", "top")}
    outcome = bpy.ops.maquette.make_procedural(
        **files, weights=str(weights), resolution=32, size=2.0, use_nearest=True
    )
    assert outcome == {'FINISHED'}
    root = bpy.context.object
    low, high = bounds(root)
    assert (high - low).max() == pytest.approx(2, abs=0.3)
    assert low[2] == pytest.approx(1, abs=0.15)
    np.testing.assert_allclose((low + high)[:2] / 2, (0, 5), atol=0.1)
    red, green, blue, _ = root.data.materials[0].diffuse_color
    assert red > 3 * max(green, blue)


def test_needs_a_mesh_or_an_image(addon):
    with pytest.raises(RuntimeError, match="Select a mesh"):
        bpy.ops.maquette.make_procedural()
    with pytest.raises(RuntimeError, match="No reference"):
        bpy.ops.maquette.make_procedural(references=True)
    bpy.ops.mesh.primitive_plane_add()
    with pytest.raises(RuntimeError, match="no volume"):
        bpy.ops.maquette.make_procedural()
