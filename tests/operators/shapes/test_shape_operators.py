import importlib.util
from pathlib import Path

import bpy
import numpy as np
import pytest

WRITER = Path(__file__).resolve().parents[2] / "model/inference/shapes/test_shape_space.py"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("shape_weights", WRITER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.write_weights(tmp_path_factory.mktemp("weights") / "meaning.safetensors"))


@pytest.fixture
def two_objects(addon):
    for obj in list(bpy.data.objects):
        bpy.data.objects.remove(obj)
    bpy.ops.mesh.primitive_cube_add(size=1)
    first = bpy.context.object
    bpy.ops.mesh.primitive_cube_add(size=1, location=(3, 0, 0))
    second = bpy.context.object
    second.scale = (1, 1, 2)
    bpy.context.view_layer.update()
    first.select_set(True)
    return first, second


def test_a_row_stands_to_the_right_and_is_selected(two_objects, weights):
    assert bpy.ops.maquette.blend_shapes(count=2, weights=weights) == {'FINISHED'}
    made = bpy.context.selected_objects
    bpy.context.view_layer.update()
    assert len(made) == 2 and len(bpy.data.objects) == 4
    heights = sorted(obj.dimensions.z for obj in made)
    assert 1.2 < heights[0] / 1.125 < heights[1] / 1.125 < 2
    assert all(obj.location.x > 3.5 for obj in made)
    assert all({len(p.vertices) for p in obj.data.polygons} == {4} for obj in made)


def test_a_single_shape_has_the_factor_in_its_name(two_objects, weights):
    bpy.ops.maquette.blend_shapes(row=False, factor=0.25, weights=weights)
    assert bpy.context.object.name == "Cube to Cube.001 25%"


def test_a_completion_takes_the_place_of_what_it_completes(two_objects, weights):
    first, second = two_objects
    second.select_set(False)
    bpy.context.view_layer.objects.active = first
    first.location = (0, 5, 0)
    bpy.context.view_layer.update()
    arguments = {"missing": 'BACK', "share": 0.5, "weights": weights}
    assert bpy.ops.maquette.complete_shape(**arguments) == {'FINISHED'}
    obj = bpy.context.object
    bpy.context.view_layer.update()
    assert first.hide_get() and obj.name == "Cube Complete"
    corners = np.array([obj.matrix_world @ vertex.co for vertex in obj.data.vertices])
    assert corners[:, 1].max() > 6 and corners[:, 1].min() > 4.2


def test_variations_have_seeds_of_their_own(two_objects, weights):
    _, second = two_objects
    second.select_set(False)
    assert bpy.ops.maquette.vary_shape(count=2, strength=0.5, weights=weights) == {'FINISHED'}
    assert len(bpy.context.selected_objects) == 2


def test_candidates_are_made_in_their_size_and_chosen(two_objects, weights):
    options = {"kind": 'SEAT', "count": 3, "size": 0.5, "weights": weights}
    assert bpy.ops.maquette.generate_shape(**options) == {'FINISHED'}
    made = list(bpy.context.selected_objects)
    bpy.context.view_layer.update()
    assert all(max(obj.dimensions) == pytest.approx(0.5, abs=1e-3) for obj in made)
    for obj in made[1:]:
        obj.select_set(False)
    assert bpy.ops.maquette.keep_shapes() == {'FINISHED'}
    assert [obj for obj in bpy.data.objects if obj.name.startswith("Seat")] == [made[0]]
    assert not bpy.ops.maquette.keep_shapes.poll()


def test_candidates_know_their_nearest_training_shapes_and_have_thumbnails(two_objects, weights):
    from maquette.operators.shapes._candidates import list_candidates, nearest_of, thumbnails_of

    options = {"kind": 'SEAT', "count": 3, "weights": weights}
    assert bpy.ops.maquette.generate_shape(**options) == {'FINISHED'}
    candidates = list_candidates(bpy.context)
    assert [obj["maquette_candidate"] for obj in candidates] == [1, 2, 3]
    keys = set()
    for obj in candidates:
        name, copying = nearest_of(obj)
        assert name in {"first", "second", "third"} and copying > 0
        key, thumbnails = thumbnails_of(obj)
        keys.add(key)
        assert thumbnails.own.shape == thumbnails.nearest.shape == (128, 128, 4)
    assert len(keys) == 3


def test_a_candidate_is_chosen_by_its_button_and_once_more_not(two_objects, weights):
    bpy.ops.maquette.generate_shape(kind='SEAT', count=2, weights=weights)
    bpy.ops.object.select_all(action='DESELECT')
    assert bpy.ops.maquette.choose_shape(name="Seat") == {'FINISHED'}
    assert [obj.name for obj in bpy.context.selected_objects] == ["Seat"]
    assert bpy.context.active_object.name == "Seat"
    bpy.ops.maquette.choose_shape(name="Seat")
    assert not bpy.context.selected_objects
    with pytest.raises(RuntimeError, match="no object 'Sofa'"):
        bpy.ops.maquette.choose_shape(name="Sofa")


def test_the_command_line_tells_how_much_is_copied(addon, weights, tmp_path, capfd):
    from maquette.operators.cli import main

    command = ["shapes", "generate", "seat", "--count", "2", "-o", str(tmp_path / "seats.glb")]
    assert main.run_command([*command, "--weights", weights]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("Shape 1: copying ") and " nearest " in lines[0]
    assert any(line.startswith("copying ratio ") for line in lines)


def test_without_weights_the_error_says_what_to_do(two_objects, tmp_path):
    with pytest.raises(RuntimeError, match=r"missing.*--task shapes"):
        bpy.ops.maquette.blend_shapes(weights=str(tmp_path / "none.safetensors"))
    assert len(bpy.data.objects) == 2


def test_two_meshes_must_be_selected(two_objects):
    two_objects[0].select_set(False)
    assert not bpy.ops.maquette.blend_shapes.poll()
    assert bpy.ops.maquette.vary_shape.poll()


def test_an_object_without_faces_is_refused(two_objects, weights):
    two_objects[0].data.clear_geometry()
    with pytest.raises(RuntimeError, match="'Cube' has no faces"):
        bpy.ops.maquette.blend_shapes(weights=weights)


def test_the_command_line_writes_a_row(addon, weights, tmp_path, capfd):
    from maquette.operators.cli import main

    mesh = tmp_path / "cube.obj"
    lines = [f"v {x} {y} {z}" for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    faces = ((1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4))
    lines += ["f " + " ".join(map(str, face)) for face in faces]
    mesh.write_text("\n".join(lines) + "\n")
    out = tmp_path / "row.glb"
    command = ["shapes", "blend", str(mesh), str(mesh), "--count", "1", "-o", str(out)]
    assert main.run_command([*command, "--weights", weights]) == 0
    assert out.stat().st_size > 1000
    assert "1 shapes" in capfd.readouterr().out
