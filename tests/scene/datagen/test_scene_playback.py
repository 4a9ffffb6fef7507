"""Frames of a whole scene are as in Blender's playback, and cameras where they stand."""

import bpy
import numpy as np
import pytest
from maquette.core.errors import DatasetError, MaquetteError, SceneError

FRAMES = (1, 6, 11)


@pytest.fixture
def scene(make):
    return bpy.context.scene


def keyed(owner, path, *keys):
    for frame, value in keys:
        if path.startswith("["):
            owner[path[2:-2]] = value
        else:
            setattr(owner, path, value)
        owner.keyframe_insert(path, frame=frame)


def driven(obj, data_path, scene, index=0):
    """Let the location of ``obj`` be a property of ``scene``."""
    driver = obj.driver_add("location", index).driver
    driver.expression = "value / 20"
    variable = driver.variables.new()
    variable.name, variable.type = "value", 'SINGLE_PROP'
    variable.targets[0].id_type = 'SCENE'
    variable.targets[0].id = scene
    variable.targets[0].data_path = data_path
    return variable.targets[0]


def test_drivers_of_the_current_frame(scene, make, tmp_path):
    cube = make.add_cube()
    target = driven(cube, "frame_current", scene)
    file = make.render(tmp_path, "path:1..31,step=15")
    for number, frame in enumerate((1, 16, 31)):
        pose = file.record.instances_in(number)[0].to_world
        np.testing.assert_allclose(pose[0, 3], frame / 20, atol=1e-6)
        np.testing.assert_allclose(make.middle_of(file, number, "cube")[0], frame / 20, atol=0.3)
    assert target.id == scene


def test_drivers_of_animated_properties_of_the_scene(scene, make, tmp_path):
    scene["slide"] = 0.0
    driven(make.add_cube(), '["slide"]', scene)
    keyed(scene, '["slide"]', (1, 0.0), (11, 20.0))
    scene.frame_set(3)
    expected = []
    for frame in FRAMES:
        scene.frame_set(frame)
        expected.append(bpy.data.objects["cube"].matrix_world.translation.x)
    scene.frame_set(3)
    file = make.render(tmp_path, "path:1..11,step=5")
    poses = [file.record.instances_in(number)[0].to_world[0, 3] for number in range(3)]
    np.testing.assert_allclose(poses, expected, atol=1e-6)
    assert np.ptp(poses) > 0.5


def test_an_animated_exposure(scene, make, tmp_path):
    make.add_cube()
    scene.view_settings.view_transform = 'Standard'
    for frame, exposure in ((1, -3.0), (11, 0.0)):
        scene.view_settings.exposure = exposure
        scene.keyframe_insert("view_settings.exposure", frame=frame)
    scene.frame_set(11)
    file = make.render(tmp_path, "path:1..11,step=10")
    dark, bright = (file.read_view(number) for number in range(2))
    shown = dark.index > 0
    assert dark.colour[shown, :3].mean() < 0.6 * bright.colour[shown, :3].mean()
    assert scene.view_settings.exposure == 0


def test_negative_frames(scene, make, tmp_path):
    cube = make.add_cube()
    keyed(cube, "location", (-10, (-2, 0, 0)), (0, (2, 0, 0)))
    scene.frame_set(0)
    file = make.render(tmp_path, "path:-10..0,step=5")
    assert [view.frame for view in file.record.views] == [-10, -5, 0]
    places = [make.middle_of(file, number, "cube")[0] for number in range(3)]
    np.testing.assert_allclose(places, (-2, 0, 2), atol=0.3)


def test_a_frame_between_two(scene, make, tmp_path):
    cube = make.add_cube()
    keyed(cube, "location", (1, (0, 0, 0)), (2, (2, 0, 0)))
    scene.frame_set(1, subframe=0.5)
    file = make.render(tmp_path)
    np.testing.assert_allclose(file.record.instances[0].to_world[0, 3], 1, atol=1e-6)


def test_remapped_time(scene, make, tmp_path):
    cube = make.add_cube()
    keyed(cube, "location", (1, (0, 0, 0)), (101, (1, 0, 0)))
    scene.render.frame_map_old, scene.render.frame_map_new = 100, 200
    scene.frame_set(20)
    expected = cube.matrix_world.translation.x
    file = make.render(tmp_path, "path:20..20")
    np.testing.assert_allclose(file.record.instances[0].to_world[0, 3], expected, atol=1e-6)


def fall(make):
    """A cube that falls as a rigid body on the ground, and a cloth that is pinned nowhere."""
    make.add_cube("falling", (-2, 0, 2), 1)
    bpy.ops.rigidbody.object_add()
    make.add_cube("ground", (0, 0, -3), 1)
    bpy.ops.rigidbody.object_add()
    bpy.context.object.rigid_body.type = 'PASSIVE'
    bpy.ops.mesh.primitive_grid_add(size=2, location=(2, 0, 2), x_subdivisions=4, y_subdivisions=4)
    cloth = bpy.context.object
    cloth.name = "cloth"
    cloth.rotation_euler = (1, 0, 0)
    cloth.modifiers.new("cloth", 'CLOTH')
    bpy.context.scene.frame_set(1)


def heights():
    """The middle heights of what falls, as the viewport shows it."""
    graph = bpy.context.evaluated_depsgraph_get()
    result = []
    for name in ("falling", "cloth"):
        obj = bpy.data.objects[name].evaluated_get(graph)
        co = np.array([obj.matrix_world @ vertex.co for vertex in obj.data.vertices])
        result.append((co[:, 2].min() + co[:, 2].max()) / 2)
    return result


def played(frames):
    """The heights at some frames when the viewport plays all frames."""
    expected = {}
    for frame in range(1, max(frames) + 1):
        bpy.context.scene.frame_set(frame)
        expected[frame] = heights()
    return [expected[frame] for frame in frames]


def shown_heights(make, file, number):
    return [make.middle_of(file, number, name)[2] for name in ("falling", "cloth")]


def test_rigid_bodies_and_cloth_are_as_played(scene, make, tmp_path):
    fall(make)
    expected = np.array(played(FRAMES))
    assert np.ptp(expected, axis=0).min() > 0.2
    make.new_scene()
    fall(make)
    file = make.render(tmp_path, "path:1..11,step=5")
    poses = [
        next(one for one in file.record.instances_in(number) if one.name == "falling").to_world
        for number in range(3)
    ]
    np.testing.assert_allclose([pose[2, 3] for pose in poses], expected[:, 0], atol=1e-3)
    shown = [shown_heights(make, file, number) for number in range(3)]
    np.testing.assert_allclose(shown, expected, atol=0.25)
    np.testing.assert_allclose(heights(), (2, 2), atol=1e-3)  # the file is at its first frame


def test_the_user_may_edit_and_play_after_rigid_bodies_were_rendered(scene, make, tmp_path):
    fall(make)
    played(FRAMES)
    bpy.context.scene.frame_set(1)
    make.render(tmp_path, "path:1..3")
    bpy.data.objects["falling"].location.z = 3
    np.testing.assert_allclose(played(FRAMES)[0][0], 3, atol=1e-3)
    assert played(FRAMES)[2][0] < 2.9
    bpy.data.objects.remove(bpy.data.objects["falling"])
    bpy.context.scene.frame_set(5)


def test_the_current_frame_of_a_simulation(scene, make, tmp_path):
    fall(make)
    expected = played((8,))
    make.new_scene()
    fall(make)
    bpy.context.scene.frame_set(8)  # jumps there, and freezes what is simulated
    file = make.render(tmp_path)
    np.testing.assert_allclose(shown_heights(make, file, 0), expected[0], atol=0.25)


def test_baked_simulations_are_read(scene, make, tmp_path):
    fall(make)
    expected = played(FRAMES)
    caches = [
        scene.rigidbody_world.point_cache,
        bpy.data.objects["cloth"].modifiers["cloth"].point_cache,
    ]
    for cache in caches:
        with bpy.context.temp_override(scene=bpy.context.scene, point_cache=cache):
            bpy.ops.ptcache.bake_from_cache()
    file = make.render(tmp_path, "path:1..11,step=5")
    shown = [shown_heights(make, file, number) for number in range(3)]
    np.testing.assert_allclose(shown, expected, atol=0.25)
    assert all(cache.is_baked for cache in caches)


def test_simulation_nodes_are_as_played(scene, make, tmp_path):
    def drift(group, given, result):
        start = group.nodes.new('GeometryNodeSimulationInput')
        end = group.nodes.new('GeometryNodeSimulationOutput')
        start.pair_with_output(end)
        move = group.nodes.new('GeometryNodeTransform')
        move.inputs["Translation"].default_value = (0.1, 0, 0)
        group.links.new(given.outputs[0], start.inputs[0])
        group.links.new(start.outputs[1], move.inputs[0])
        group.links.new(move.outputs[0], end.inputs["Geometry"])
        group.links.new(end.outputs["Geometry"], result.inputs[0])

    cube = make.add_cube()
    cube.modifiers.new("nodes", 'NODES').node_group = make.node_group(drift)
    scene.frame_set(1)
    expected = []
    for frame in range(1, 12):
        scene.frame_set(frame)
        mesh = cube.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
        expected.append(np.mean([vertex.co.x for vertex in mesh.vertices]))
    assert np.ptp(expected) > 0.5
    cube.data.update()  # resets what was simulated
    scene.frame_set(1)
    file = make.render(tmp_path, "path:1..11,step=5")
    places = [make.middle_of(file, number, "cube")[0] for number in range(3)]
    np.testing.assert_allclose(places, [expected[frame - 1] for frame in FRAMES], atol=0.3)


def test_what_is_simulated_and_hidden_in_the_viewport_is_refused(scene, make, tmp_path):
    fall(make)
    bpy.data.objects["cloth"].hide_viewport = True
    with pytest.raises(SceneError, match="cloth is simulated, but hidden"):
        make.render(tmp_path, "path:1..11,step=5")


def test_values_that_are_not_keyed_stay_although_frames_are_played(scene, make, tmp_path):
    fall(make)
    cube = make.add_cube("moved", (0, 0, 1), 0.5)
    keyed(cube, "location", (1, (0, 0, 1)), (11, (0, 0, 2)))
    keyed(cube, "hide_render", (1, False))
    cube["own"] = 1.0
    keyed(cube, '["own"]', (1, 1.0))
    scene.frame_set(1)
    cube.location.x = -0.5
    cube["own"] = 7.0
    bpy.context.view_layer.update()
    make.render(tmp_path, "path:1..4")
    assert (cube.location.x, cube["own"]) == (-0.5, 7.0)
    np.testing.assert_allclose(cube.matrix_world.translation, (-0.5, 0, 1), atol=1e-6)


def test_a_path_of_the_camera_of_a_simulation_for_single_objects(scene, make):
    from maquette.core.scene.cameras import camera_path

    fall(make)
    expected = [height for height, _ in played(FRAMES)]
    make.new_scene()
    fall(make)
    scene = bpy.context.scene
    scene.camera.parent = bpy.data.objects["falling"]
    scene.camera["own"] = 1.0
    keyed(scene.camera, '["own"]', (1, 1.0))
    scene.camera["own"] = 2.0
    before = make.counts()
    views = camera_path(bpy.context, (1, 11), 5)
    assert make.counts() == before and scene.camera["own"] == 2.0
    heights_seen = [view.camera.to_world[2, 3] for view in views]
    np.testing.assert_allclose(np.diff(heights_seen), np.diff(expected), atol=1e-3)


def stands(file):
    return {
        view.kind.removeprefix("camera "): view.camera.to_world[:3, 3] for view in file.record.views
    }


def reopened(path):
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return bpy.context.scene


@pytest.mark.parametrize("how", ["viewport", "render", "collection", "eye"])
def test_hidden_cameras_stand_where_they_do(scene, make, tmp_path, how):
    make.add_cube()
    carrier = bpy.data.objects.new("carrier", None)
    hidden = bpy.data.collections.new("hidden")
    scene.collection.children.link(hidden)
    hidden.objects.link(carrier)
    keyed(carrier, "location", (1, (0, 0, 0)), (11, (0, 0, 2)))
    camera = make.add_camera("other", (1, -8, 0))
    scene.collection.objects.unlink(camera)
    hidden.objects.link(camera)
    camera.parent = carrier
    camera.hide_viewport = how == "viewport"
    camera.hide_render = how == "render"
    hidden.hide_viewport = how == "collection"
    scene.frame_set(11)
    if how == "eye":
        camera.hide_set(True)
    scene = reopened(tmp_path / "hidden.blend")
    places = stands(make.render(tmp_path / "set"))
    np.testing.assert_allclose(places["other"], (1, -8, 2), atol=1e-6)
    np.testing.assert_allclose(places["Camera"], (0, -10, 0), atol=1e-6)

    from maquette.core.scene.cameras import scene_cameras

    scene = reopened(tmp_path / "again.blend")
    before = make.counts()
    views = {view.drawn["camera"]: view.camera for view in scene_cameras(bpy.context)}
    assert make.counts() == before
    np.testing.assert_allclose(views["other"].to_world[:3, 3], (1, -8, 2), atol=1e-6)


def test_a_camera_in_an_excluded_collection_is_that_of_its_path(scene, make, tmp_path):
    make.add_cube()
    make.add_camera("first", (5, -10, 0))
    hidden = bpy.data.collections.new("hidden")
    scene.collection.children.link(hidden)
    scene.collection.objects.unlink(scene.camera)
    hidden.objects.link(scene.camera)
    bpy.context.view_layer.layer_collection.children["hidden"].exclude = True
    reopened(tmp_path / "excluded.blend")
    file = make.render(tmp_path / "set", "path:1..2")
    for view in file.record.views:
        np.testing.assert_allclose(view.camera.to_world[:3, 3], (0, -10, 0), atol=1e-6)


def test_markers_switch_the_camera_along_a_path_only(scene, make, tmp_path):
    make.add_cube()
    other = make.add_camera("other", (1, -8, 0))
    unused = make.add_camera("unused", (2, -6, 0))
    unused.hide_render = True
    for camera, frame in ((scene.camera, 1), (other, 3), (unused, 4)):
        scene.timeline_markers.new(camera.name, frame=frame).camera = camera
    file = make.render(tmp_path / "path", "path:2..4")
    places = [view.camera.to_world[0, 3] for view in file.record.views]
    np.testing.assert_allclose(places, (0, 1, 1), atol=1e-6)
    scene.frame_set(5)
    file = make.render(tmp_path / "all", "scene free:1")
    kinds = [view.kind for view in file.record.views]
    assert kinds == ["camera Camera", "camera other", "camera unused", "free"]
    for number in range(4):
        # The cube is where the camera of the record sees it.
        np.testing.assert_allclose(make.middle_of(file, number, "cube")[[0, 2]], 0, atol=0.7)
    np.testing.assert_allclose(file.record.views[1].camera.to_world[0, 3], 1, atol=1e-6)


def test_a_linked_camera_of_the_same_name_is_rendered_too(scene, make, tmp_path):
    scene.camera.location.x = 1
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "lib.blend"))
    scene = make.new_scene()
    make.add_cube()
    with bpy.data.libraries.load(str(tmp_path / "lib.blend"), link=True) as (_, target):
        target.objects = ["Camera"]
    scene.collection.objects.link(target.objects[0])
    places = stands(make.render(tmp_path / "set"))
    assert sorted(places) == ["Camera", "Camera [lib.blend]"]
    np.testing.assert_allclose(places["Camera"], (0, -10, 0), atol=1e-6)
    np.testing.assert_allclose(places["Camera [lib.blend]"], (1, -10, 0), atol=1e-6)

    from maquette.core.scene.cameras import scene_cameras

    assert [view.drawn["camera"] for view in scene_cameras(bpy.context)] == sorted(places)


def test_a_camera_that_tracks_an_animated_object(scene, make, tmp_path):
    cube = make.add_cube()
    keyed(cube, "location", (1, (0, 0, 0)), (11, (8, 0, 0)))
    scene.frame_set(1)
    track = scene.camera.constraints.new('TRACK_TO')
    track.target = cube
    file = make.render(tmp_path, "path:1..11,step=10")
    for number in range(2):
        rows, columns = np.nonzero(file.read_view(number).index)
        np.testing.assert_allclose((columns.mean(), rows.mean()), 23.5, atol=2)


def test_a_panoramic_camera_is_refused_where_it_is_used(scene, make, tmp_path):
    make.add_cube()
    make.add_camera("around").data.type = 'PANO'
    make.render(tmp_path / "free", "free:1")
    make.render(tmp_path / "path", "path:1..2")
    with pytest.raises(SceneError, match="around is a pano camera"):
        make.render(tmp_path / "all")


def test_stereo_and_borders_change_nothing(scene, make, tmp_path):
    make.add_cube()
    plain = make.render(tmp_path / "plain").read_view(0)
    scene.render.use_multiview = True
    scene.render.use_border = scene.render.use_crop_to_border = True
    scene.render.border_max_x = 0.4
    view = make.render(tmp_path / "stereo").read_view(0)
    np.testing.assert_array_equal(view.depth, plain.depth)
    np.testing.assert_array_equal(view.colour, plain.colour)


@pytest.fixture
def without_cycles(addon):
    bpy.ops.preferences.addon_disable(module="cycles")
    yield
    bpy.ops.preferences.addon_enable(module="cycles")


def test_without_cycles_nothing_is_left_behind(scene, make, without_cycles, tmp_path):
    make.add_cube()
    before = make.counts()
    with pytest.raises(MaquetteError, match="needs Cycles, which is disabled"):
        make.render(tmp_path / "whole")
    for source in ("SCENE", "WHOLE"):
        folder = str(tmp_path / source)
        with pytest.raises(RuntimeError, match="needs Cycles, which is disabled"):
            bpy.ops.maquette.render_dataset(folder=folder, source=source, cameras="free:1")
    assert make.counts() == before


def test_a_path_and_other_rigs_are_refused_and_the_file_is_as_before(scene, make, tmp_path):
    make.add_cube()
    with pytest.raises(DatasetError, match="Render it twice"):
        make.render(tmp_path, "path:1..2 free:1")


def emit(make):
    """An emitter whose particles are cubes that fall."""
    cube = make.add_cube("piece", (50, 0, 0), 0.6)
    bpy.ops.mesh.primitive_plane_add(size=2, location=(0, 0, 2))
    emitter = bpy.context.object
    emitter.name = "emitter"
    emitter.modifiers.new("particles", 'PARTICLE_SYSTEM')
    settings = emitter.particle_systems[0].settings
    settings.count, settings.frame_start, settings.frame_end = 4, 1, 4
    settings.render_type, settings.instance_object = 'OBJECT', cube
    settings.particle_size = 1
    bpy.context.scene.frame_set(1)


def particle_heights():
    graph = bpy.context.evaluated_depsgraph_get()
    return sorted(
        item.matrix_world.translation.z
        for item in graph.object_instances
        if item.is_instance and item.instance_object.name == "piece"
    )


def test_particles_are_as_played(scene, make, tmp_path):
    emit(make)
    expected = []
    for frame in range(1, 12):
        bpy.context.scene.frame_set(frame)
        expected.append(particle_heights())
    assert expected[10][0] < expected[5][0] - 0.1
    make.new_scene()
    emit(make)
    file = make.render(tmp_path, "path:6..11,step=5")
    for number, frame in enumerate((6, 11)):
        heights_of_pieces = sorted(
            one.to_world[2, 3]
            for one in file.record.instances_in(number)
            if one.name.startswith("emitter/piece")
        )
        np.testing.assert_allclose(heights_of_pieces, expected[frame - 1], atol=1e-3)


def test_linked_and_overridden_things_move_as_played(scene, make, tmp_path):
    toy = bpy.data.collections.new("toy")
    bpy.context.scene.collection.children.link(toy)
    cube = make.add_cube()
    bpy.context.scene.collection.objects.unlink(cube)
    toy.objects.link(cube)
    keyed(cube, "location", (1, (-2, 0, 0)), (11, (-2, 0, 2)))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "lib.blend"))
    scene = make.new_scene()
    with bpy.data.libraries.load(str(tmp_path / "lib.blend"), link=True) as (_, target):
        target.collections = ["toy"]
    linked = target.collections[0]
    empty = bpy.data.objects.new("empty", None)
    empty.instance_type, empty.instance_collection = 'COLLECTION', linked
    empty.location = (4, 0, 0)
    scene.collection.objects.link(empty)
    local = linked.override_hierarchy_create(scene, bpy.context.view_layer)
    assert local.objects["cube"].override_library
    file = make.render(tmp_path / "set", "path:1..11,step=10")
    names = [one.name for one in file.record.instances]
    assert len(names) == 2
    for number, z in ((0, 0), (1, 2)):
        poses = [one.to_world[:3, 3] for one in file.record.instances_in(number)]
        places = sorted(pose.round(4).tolist() for pose in poses)
        np.testing.assert_allclose(places, [[-2, 0, z], [2, 0, z]], atol=1e-3)


def test_the_view_layer_that_is_shown_is_rendered(scene, make, tmp_path):
    for name, x in (("left", -2), ("right", 2)):
        collection = bpy.data.collections.new(name)
        scene.collection.children.link(collection)
        cube = make.add_cube(f"{name} cube", (x, 0, 0))
        scene.collection.objects.unlink(cube)
        collection.objects.link(cube)
    other = scene.view_layers.new("other")
    other.layer_collection.children["left"].exclude = True
    file = make.render(tmp_path / "both")
    assert [one.name for one in file.record.instances] == ["left cube", "right cube"]
    from maquette.core.jobs.task import run_to_end
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.whole_scene import WholeScene, render_whole_scene
    from maquette.core.synthesis.camera_rigs import parse_rigs

    settings = DatasetSettings(size=32, samples=1, points=256, cameras=parse_rigs(["scene"]))
    run_to_end(render_whole_scene(scene, "other", tmp_path / "one", settings, WholeScene()))
    record = next((tmp_path / "one/objects").glob("*.tar"))
    from maquette.core.dataset.object_file import ObjectFile

    assert [one.name for one in ObjectFile(record).record.instances] == ["right cube"]
    assert [layer.name for layer in scene.view_layers] == ["ViewLayer", "other"]


def test_a_run_that_is_stopped_while_frames_are_played_leaves_no_trace(scene, make, tmp_path):
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.whole_scene import WholeScene, render_whole_scene
    from maquette.core.synthesis.camera_rigs import parse_rigs

    fall(make)
    cube = make.add_cube("moved", (0, 0, 1), 0.5)
    keyed(cube, "location", (1, (0, 0, 1)), (11, (0, 0, 2)))
    scene.frame_set(2)
    cube.location.x = -0.5
    bpy.context.view_layer.update()
    before = make.counts()
    settings = DatasetSettings(size=32, points=256, cameras=parse_rigs(["path:1..20"]))
    work = render_whole_scene(scene, "ViewLayer", tmp_path, settings, WholeScene())
    for _ in range(5):
        next(work)
    assert scene.frame_current == 4
    work.close()
    assert make.counts() == before
    assert cube.location.x == -0.5 and cube.matrix_world.translation.x == -0.5
