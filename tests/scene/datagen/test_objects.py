"""A small set from mesh files: complete, resumable, the same again, and the scene as before."""

import json
import shutil

import bpy
import numpy as np
import pytest
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end
from maquette.core.synthesis import camera_rigs


@pytest.fixture
def meshes(addon, tmp_path):
    folder = tmp_path / "meshes"
    folder.mkdir()
    for name, make in (
        ("ball", bpy.ops.mesh.primitive_uv_sphere_add),
        ("cone", bpy.ops.mesh.primitive_cone_add),
    ):
        make()
        if name == "ball":
            bpy.ops.export_scene.gltf(filepath=str(folder / "ball.glb"), use_selection=True)
        else:
            bpy.ops.wm.obj_export(filepath=str(folder / "cone.obj"), export_selected_objects=True)
        bpy.ops.object.delete()
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.wm.ply_export(filepath=str(folder / "cube.ply"), export_selected_objects=True)
    bpy.ops.wm.stl_export(filepath=str(folder / "cube2.stl"), export_selected_objects=True)
    bpy.data.libraries.write(str(folder / "cube3.blend"), {bpy.context.object})
    bpy.ops.object.delete()
    (folder / "broken.glb").write_bytes(b"not a mesh")
    return folder


def settings(**changes):
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings

    cameras = camera_rigs.parse_rigs(["sides:front,top", "free:1"])
    return DatasetSettings(
        **{"size": 32, "samples": 1, "points": 512, "cameras": cameras, **changes}
    )


def make(meshes, folder, **changes):
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import file_sources

    return run_to_end(render_dataset(file_sources(meshes), folder, settings(**changes)))


def test_every_kind_of_file_becomes_a_whole_object(meshes, tmp_path):
    from maquette.core.dataset.object_file import ObjectFile

    before = {
        name: len(getattr(bpy.data, name))
        for name in ("objects", "meshes", "materials", "scenes", "worlds")
    }
    summary = make(meshes, tmp_path / "set")
    assert (summary.written, summary.found, list(summary.skipped)) == (5, 0, ["broken"])
    assert {name: len(getattr(bpy.data, name)) for name in before} == before
    assert (tmp_path / "set/objects/broken.skipped").read_text() == summary.skipped["broken"]
    ball = ObjectFile(tmp_path / "set/objects/ball.tar")
    shape, record = ball.read_shape(), ball.record
    np.testing.assert_allclose(record.bounds, [[-1, -1, -1], [1, 1, 1]], atol=0.01)
    clear = np.abs(np.linalg.norm(shape.uniform, axis=1) - 1) > 0.03
    assert (shape.uniform_inside == (np.linalg.norm(shape.uniform, axis=1) < 1))[clear].all()
    np.testing.assert_allclose(np.linalg.norm(shape.surface, axis=1), 1, atol=0.03)
    assert ((shape.surface * shape.surface_normals).sum(1) > 0.9).all()
    view = ball.read_view(0)
    assert view.kind == "front"
    rows, columns = np.nonzero(view.depth)
    points = view.camera.unproject(
        np.stack((columns + 0.5, rows + 0.5), 1), view.depth[rows, columns].astype(float)
    )
    assert np.quantile(np.abs(np.linalg.norm(points, axis=1) - 1), 0.7) < 0.05
    assert set(json.loads((tmp_path / "set/splits.json").read_text())) == {
        "ball",
        "cone",
        "cube",
        "cube2",
        "cube3",
    }


def test_copies_share_a_split(meshes, tmp_path):
    make(meshes, tmp_path / "set")
    splits = json.loads((tmp_path / "set/splits.json").read_text())
    assert splits["cube"] == splits["cube2"] == splits["cube3"]


def test_a_stopped_run_goes_on_and_equals_an_undisturbed_one(meshes, tmp_path):
    from maquette.core.dataset.object_file import ObjectFile
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import file_sources

    work = render_dataset(file_sources(meshes), tmp_path / "stopped", settings())
    while not list((tmp_path / "stopped/objects").glob("*.tar")):
        next(work)
    work.close()
    assert len(bpy.data.scenes) == 1
    kept = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "stopped/objects").glob("*.tar")}
    assert 0 < len(kept) < 5
    assert make(meshes, tmp_path / "stopped").found == len(kept)
    make(meshes, tmp_path / "whole", shard=(0, 2))
    make(meshes, tmp_path / "whole", shard=(1, 2))
    for path in sorted((tmp_path / "whole/objects").glob("*.tar")):
        one, two = ObjectFile(path), ObjectFile(tmp_path / "stopped/objects" / path.name)
        np.testing.assert_array_equal(one.read_shape().near, two.read_shape().near)
        np.testing.assert_array_equal(one.read_shape().near_inside, two.read_shape().near_inside)
        for a, b in zip(one.record.views, two.record.views, strict=True):
            np.testing.assert_array_equal(a.camera.to_world, b.camera.to_world)
        assert np.abs(one.read_view(0).depth - two.read_view(0).depth).max() < 1e-4
    assert (
        kept.items()
        <= {
            p.name: p.stat().st_mtime_ns for p in (tmp_path / "stopped/objects").glob("*.tar")
        }.items()
    )


def test_a_stopped_object_goes_on_after_its_views(meshes, tmp_path, monkeypatch):
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import file_sources
    from maquette.core.scene.rendering.studio import RenderStudio

    work = render_dataset(file_sources(meshes), tmp_path / "set", settings())
    while len(list((tmp_path / "set/objects").glob(".ball.*.views/*.npz"))) < 2:
        next(work)
    killed = shutil.copytree(tmp_path / "set", tmp_path / "killed")
    work.close()
    assert not list((tmp_path / "set/objects").iterdir())  # who stops it may edit the scene
    taken, own = [], RenderStudio.render_view
    monkeypatch.setattr(
        RenderStudio, "render_view", lambda *given: taken.append(given) or own(*given)
    )
    assert make(meshes, killed).written == 5
    assert len(taken) == 5 * 3 - 2
    assert not list((killed / "objects").glob(".*"))


def test_other_settings_in_the_same_folder_are_refused(meshes, tmp_path):
    make(meshes, tmp_path / "set")
    with pytest.raises(DatasetError, match="different settings"):
        make(meshes, tmp_path / "set", size=64)


def test_operator_renders_the_selected_object(addon, tmp_path):
    bpy.ops.mesh.primitive_monkey_add(location=(5, 0, 0))
    done = bpy.ops.maquette.render_dataset(
        folder=str(tmp_path / "set"),
        source='SELECTED',
        size=32,
        samples=1,
        cameras="sides",
        points=512,
    )
    assert done == {'FINISHED'}
    assert [p.stem for p in (tmp_path / "set/objects").glob("*.tar")] == ["Suzanne"]


@pytest.mark.parametrize(
    ("by", "family"),
    [({}, "pets"), ({"classes_from": 'MATERIAL'}, "fur"), ({"class_property": "kind"}, "7")],
)
def test_the_class_is_told_by_collection_material_or_property(addon, tmp_path, by, family):
    from maquette.core.dataset.object_file import read_record

    bpy.ops.mesh.primitive_monkey_add()
    pet = bpy.context.object
    pet["kind"] = 7
    pet.data.materials.append(bpy.data.materials.new("fur"))
    pets = bpy.data.collections.new("pets")
    bpy.context.scene.collection.children.link(pets)
    pets.objects.link(pet)
    for collection in [each for each in pet.users_collection if each != pets]:
        collection.objects.unlink(pet)
    pet.select_set(True)
    how = {"size": 16, "samples": 1, "cameras": "sides:front", "points": 512}
    assert bpy.ops.maquette.render_dataset(
        folder=str(tmp_path), source='SELECTED', **how, **by
    ) == {'FINISHED'}
    assert read_record(tmp_path / "objects/Suzanne.tar").family == family
    stored = json.loads((tmp_path / "dataset.json").read_text())
    assert {
        "classes_from": 'PROPERTY',
        "class_property": "maquette_family",
        **by,
    }.items() <= stored.items()
    with pytest.raises(RuntimeError, match="with different settings"):
        bpy.ops.maquette.render_dataset(
            folder=str(tmp_path), source='SELECTED', **how, classes_from='COLLECTION'
        )
    older = {key: value for key, value in stored.items() if not key.startswith("class")}
    (tmp_path / "dataset.json").write_text(json.dumps(older if not by else stored))
    assert bpy.ops.maquette.render_dataset(
        folder=str(tmp_path), source='SELECTED', **how, **by
    ) == {'FINISHED'}


def test_nothing_selected_is_said(addon, tmp_path):
    with pytest.raises(RuntimeError, match="No mesh object"):
        bpy.ops.maquette.render_dataset(folder=str(tmp_path / "set"))


def test_objects_of_too_many_triangles_are_skipped(meshes, tmp_path):
    summary = make(meshes, tmp_path / "set", most_triangles=100)
    assert "ball" in summary.skipped and "the limit is 100" in summary.skipped["ball"]
    assert summary.written == 4


def test_denoised_pictures_are_nearer_to_those_of_many_samples(addon, tmp_path):
    from maquette.core.dataset.object_file import ObjectFile
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import scene_sources

    bpy.ops.mesh.primitive_monkey_add()
    sources = scene_sources([bpy.data.objects["Suzanne"]])
    found = []
    for samples, denoise in ((2, False), (2, True), (128, False)):
        folder = tmp_path / f"{samples}{denoise}"
        run_to_end(
            render_dataset(sources, folder, settings(size=64, samples=samples, denoise=denoise))
        )
        found.append(ObjectFile(folder / "objects/Suzanne.tar").read_view(0))
    noisy, clean, true = found
    inside = true.colour[..., 3] == 255
    off = [
        np.abs(view.colour[inside].astype(float) - true.colour[inside]).mean()
        for view in (noisy, clean)
    ]
    assert off[1] < 0.6 * off[0]
    np.testing.assert_array_equal(clean.colour[..., 3], noisy.colour[..., 3])
    np.testing.assert_array_equal(clean.depth, noisy.depth)
    np.testing.assert_array_equal(clean.normal, noisy.normal)


def test_the_truth_is_of_what_is_rendered(addon, tmp_path):
    """Modifiers at their render settings, without hidden objects, with curves that have faces."""
    from maquette.core.dataset.object_file import ObjectFile
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import scene_sources

    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    smooth = cube.modifiers.new("Subdivision", 'SUBSURF')
    smooth.levels, smooth.render_levels = 0, 3
    bpy.ops.mesh.primitive_uv_sphere_add(radius=3)
    bpy.context.object.hide_render, bpy.context.object.parent = True, cube
    bpy.ops.object.text_add(location=(0, 0, 2))
    bpy.context.object.parent, bpy.context.object.data.extrude = cube, 0.1
    run_to_end(render_dataset(scene_sources([cube]), tmp_path, settings()))
    (low, high) = ObjectFile(tmp_path / "objects/Cube.tar").record.bounds
    assert -0.95 < low[2] < -0.7 and 1.9 < high[2] < 2.2 and high[0] > 0.95 and low[0] > -0.95


def test_the_record_of_a_generated_object_tells_what_was_drawn(addon, tmp_path):
    from maquette.core.dataset.object_file import read_record
    from maquette.core.procedural import make_object as make_thing
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import procedural_sources

    run_to_end(render_dataset(procedural_sources(["barrel"], 1, 4), tmp_path, settings()))
    record = read_record(tmp_path / "objects/procedural__barrel_000004.tar")
    draws = make_thing("barrel", 4).draws
    assert record.more["draws"] == [[draw.address, draw.value] for draw in draws]


def test_an_undo_while_it_renders_is_told_and_the_file_is_whole(addon, tmp_path):
    from maquette.core.errors import SceneError
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import procedural_sources

    bpy.ops.mesh.primitive_cube_add()
    for message in ("first", "second"):
        bpy.ops.ed.undo_push(message=message)
    work = render_dataset(procedural_sources(["book"], 2, 0), tmp_path, settings())
    for _ in range(3):
        next(work)
    bpy.ops.ed.undo()
    with pytest.raises(SceneError, match="deleted or undone"):
        run_to_end(work)
    assert [obj.name for obj in bpy.data.objects] == ["Cube"] and len(bpy.data.scenes) == 1


def test_what_is_deleted_before_its_turn_is_told_and_what_comes_meanwhile_stays(addon, tmp_path):
    from maquette.core.errors import SceneError
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import procedural_sources, scene_sources

    for x in (0, 3):
        bpy.ops.mesh.primitive_cube_add(location=(x, 0, 0))
    work = render_dataset(scene_sources(bpy.context.scene.objects), tmp_path / "a", settings())
    next(work)
    bpy.data.objects.remove(bpy.data.objects["Cube.001"])
    with pytest.raises(SceneError, match="deleted or undone"):
        run_to_end(work)
    work = render_dataset(procedural_sources(["book"], 1, 0), tmp_path / "b", settings())
    next(work), next(work)
    bpy.ops.mesh.primitive_cone_add()
    run_to_end(work)
    assert (
        sorted(obj.name for obj in bpy.data.objects) == ["Cone", "Cube"]
        and len(bpy.data.scenes) == 1
    )


def test_light_domes_of_either_kind_or_none(meshes, tmp_path):
    from maquette.core.scene.rendering.hdri import hdri_files

    with pytest.raises(DatasetError, match=r"contains no HDRI \(.exr, .hdr\)"):
        make(meshes, tmp_path / "set", hdri=tmp_path)
    assert not (tmp_path / "set").exists()
    for name in ("b.hdr", "a.EXR", "c.png"):
        (tmp_path / name).touch()
    assert [path.name for path in hdri_files(tmp_path)] == ["a.EXR", "b.hdr"]


def test_compact_is_what_copying_the_whole_set_gives(meshes, tmp_path):
    from maquette.core.dataset.conversion import copy_compact
    from maquette.core.dataset.index import build_index

    made = make(meshes, tmp_path / "small", compact=True)
    make(meshes, tmp_path / "whole")
    run_to_end(copy_compact(tmp_path / "whole", tmp_path / "copied"))
    one, other = (build_index(tmp_path / folder).by_name for folder in ("small", "copied"))
    assert made.written == 5 and list(one) == list(other)
    for name, place in one.items():
        assert place.open_object().parts == other[name].open_object().parts


def test_relightable_is_the_same_set_with_more_in_it(meshes, tmp_path):
    from maquette.core.dataset.conversion import copy_compact
    from maquette.core.dataset.index import build_index
    from maquette.core.dataset.validation import validate_dataset

    more = {"relightable": True, "grid": True}
    make(meshes, tmp_path / "plain")
    make(meshes, tmp_path / "whole", **more)
    make(meshes, tmp_path / "small", compact=True, **more)
    run_to_end(copy_compact(tmp_path / "whole", tmp_path / "copied"))
    plain, whole, small, copied = (
        build_index(tmp_path / folder).by_name for folder in ("plain", "whole", "small", "copied")
    )
    assert len(whole) == 5
    for name, place in whole.items():
        parts, less = place.open_object().parts, plain[name].open_object().parts
        added = {"grid.npz"} | {
            f"00{view}.{kind}.png" for view in range(3) for kind in ("albedo", "occlusion")
        }
        assert parts.keys() - less.keys() == added
        assert all(
            parts[kind] == less[kind] for kind in less if not kind.endswith((".png", "surface.npz"))
        )
        assert small[name].open_object().parts == copied[name].open_object().parts
    stored = json.loads((tmp_path / "plain/dataset.json").read_text())
    assert "relightable" not in stored and "grid" not in stored
    assert json.loads((tmp_path / "whole/dataset.json").read_text()) == {**stored, **more}
    with pytest.raises(DatasetError, match="different settings"):
        make(meshes, tmp_path / "plain", **more)
    for folder in ("whole", "small"):
        assert run_to_end(validate_dataset(tmp_path / folder)) == []
    ball = whole["ball"].open_object().read_shape()
    assert ball.grid.mean() == pytest.approx(
        np.pi / 6 / 1.02**3, rel=0.03
    )  # its facets lie within the sphere
