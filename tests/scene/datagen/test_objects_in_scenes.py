"""Objects of the open scene, one by one: hidden, animated, and in other units than meters."""

import bpy
import numpy as np
import pytest
from maquette.core.dataset.object_file import ObjectFile
from maquette.core.dataset.validation import validate_dataset
from maquette.core.jobs.task import run_to_end

RIGS = "sides:front free:1 scene"


@pytest.fixture
def scene(make):
    return bpy.context.scene


def render_objects(folder, objects, rigs=RIGS, **changes):
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import scene_sources
    from maquette.core.synthesis.camera_rigs import parse_rigs
    from maquette.core.synthesis.randomization import Randomization

    settings = DatasetSettings(
        size=32,
        samples=1,
        points=256,
        cameras=parse_rigs(rigs.split()),
        random=Randomization(**changes),
    )
    run_to_end(render_dataset(scene_sources(objects), folder, settings))
    assert run_to_end(validate_dataset(folder)) == []
    return [ObjectFile(path) for path in sorted((folder / "objects").glob("*.tar"))]


@pytest.mark.parametrize("changes", [{}, {"turn": "any", "lamps": 2, "occluders": 2}])
def test_meters_follow_the_unit_scale(scene, make, tmp_path, changes):
    cube = make.add_cube(location=(0, 0, 1))
    cube.scale = (1, 0.5, 1)
    bpy.context.view_layer.update()
    (one,) = render_objects(tmp_path / "meters", [cube], **changes)
    scene.unit_settings.scale_length = 0.01
    (two,) = render_objects(tmp_path / "centimeters", [cube], **changes)
    np.testing.assert_allclose(two.record.bounds, one.record.bounds * 0.01, rtol=1e-5, atol=1e-7)
    shape, other = one.read_shape(), two.read_shape()
    np.testing.assert_allclose(other.surface, shape.surface * 0.01, atol=1e-6)
    np.testing.assert_allclose(other.uniform_distance, shape.uniform_distance * 0.01, atol=1e-6)
    if changes:
        pose, other_pose = (
            np.array(each.record.more["drawn"]["pose"]["matrix"]) for each in (one, two)
        )
        np.testing.assert_allclose(other_pose[:3, 3], pose[:3, 3] * 0.01, atol=1e-6)
    for number in range(3):
        large, small = one.read_view(number), two.read_view(number)
        place, other_place = (view.camera.to_world[:3, 3] for view in (large, small))
        np.testing.assert_allclose(other_place, place * 0.01, atol=1e-6)
        shown = (large.depth > 0) & (small.depth > 0)
        assert shown.mean() > 0.02
        np.testing.assert_allclose(small.depth[shown], large.depth[shown] * 0.01, rtol=0.02)
        difference = np.abs(small.colour.astype(int) - large.colour)
        assert np.median(difference[shown]) <= 8
        if changes:
            lamps = one.record.views[number].drawn["light"]["lamps"]
            other_lamps = two.record.views[number].drawn["light"]["lamps"]
            for lamp, other_lamp in zip(lamps, other_lamps, strict=True):
                np.testing.assert_allclose(
                    other_lamp["place"], np.array(lamp["place"]) * 0.01, rtol=1e-4
                )


def test_the_preview_is_in_the_unit_of_the_viewport(scene, make):
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.objects import preview_views
    from maquette.core.scene.datagen.sources import scene_sources

    cube = make.add_cube(location=(5, 0, 0))
    scene.unit_settings.scale_length = 0.01
    ((bounds, views),) = run_to_end(preview_views(scene_sources([cube]), DatasetSettings()))
    np.testing.assert_allclose(bounds, [[4, -1, -1], [6, 1, 1]], atol=1e-5)
    for view in views:
        assert np.linalg.norm(view.camera.to_world[:3, 3] - (5, 0, 0)) < 30


@pytest.mark.parametrize("changes", [{}, {"materials": 1.0}, {"turn": "z"}])
def test_objects_hidden_in_the_viewport_of_an_opened_file(scene, make, tmp_path, changes):
    cube = make.add_cube(location=(3, 0, 1))
    carrier = bpy.data.objects.new("carrier", None)
    scene.collection.objects.link(carrier)
    carrier.location = (0, 2, 0)
    cube.parent = carrier
    cube.modifiers.new("array", 'ARRAY').count = 2
    cube.hide_viewport = True
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "hidden.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "hidden.blend"))
    before = make.counts()
    (file,) = render_objects(tmp_path / "set", [bpy.data.objects["cube"]], "free:1", **changes)
    assert make.counts() == before
    middle = file.record.bounds.mean(0)
    np.testing.assert_allclose(middle, (4, 2, 1), atol=1e-5)
    size = np.ptp(file.record.bounds, axis=0)
    if "turn" not in changes:
        np.testing.assert_allclose(size, (4, 2, 2), atol=1e-5)


def test_values_that_are_not_keyed_stay(scene, make, tmp_path):
    cube = make.add_cube()
    for frame, x in ((1, 0.0), (11, 10.0)):
        cube.location.x = x
        cube.keyframe_insert("location", frame=frame)
    scene.frame_set(6)
    cube.location.x = -7
    bpy.context.view_layer.update()
    (file,) = render_objects(tmp_path, [cube], "free:2")
    assert cube.location.x == -7 and cube.matrix_world.translation.x == -7
    np.testing.assert_allclose(file.record.bounds.mean(0), (5, 0, 0), atol=1e-5)


def test_a_large_and_a_tiny_object_are_not_cut_off(scene, make, tmp_path):
    large = make.add_cube("large", size=4000)
    tiny = make.add_cube("tiny", (0.5, 0, 0), size=1e-4)
    for file in render_objects(tmp_path, [large, tiny], "sphere:2,distance=1.2..1.4"):
        for number in range(2):
            view = file.read_view(number)
            assert (view.depth > 0).mean() > 0.2
            np.testing.assert_array_equal(view.depth > 0, view.colour[..., 3] > 0)
