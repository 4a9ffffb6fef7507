"""Parts of rendered objects are where their generator, materials or vertex groups have them."""

import json

import bpy
import numpy as np
import pytest
from maquette.core.dataset.conversion import copy_compact
from maquette.core.dataset.object_file import ObjectFile
from maquette.core.dataset.validation import validate_dataset
from maquette.core.jobs.task import run_to_end
from maquette.core.procedural import make_object
from maquette.core.synthesis import camera_rigs
from maquette.core.synthesis.randomization import Randomization

SIZE = 48


def render(sources, folder, **changes):
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.objects import render_dataset

    settings = DatasetSettings(
        size=SIZE,
        samples=2,
        points=2048,
        cameras=camera_rigs.parse_rigs(["sides:front,top", "free:2"]),
        **changes,
    )
    assert run_to_end(render_dataset(sources, folder, settings)).written == len(sources)
    assert run_to_end(validate_dataset(folder)) == []
    return [ObjectFile(path) for path in sorted((folder / "objects").glob("*.tar"))]


def rendered_object(folder, kind="material", **changes):
    from maquette.core.scene.datagen.sources import scene_sources

    sources = scene_sources(bpy.context.selected_objects)
    (file,) = render(sources, folder, parts=kind, **changes)
    return file


def agreement(file):
    """How often a visible point of the surface has the part of its pixel, and how many there are.

    Points near another part are left out: a sample is up to a pixel beside its pixel's center.
    """
    shape = file.read_shape()
    right = []
    for index, record in enumerate(file.record.views):
        view = file.read_view(index)
        pixels, depth = record.camera.project(shape.surface.astype(float))
        column, row = np.floor(pixels).astype(int).T.clip(1, SIZE - 2)
        window = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
        around = view.parts[row[:, None] + window[:, 0], column[:, None] + window[:, 1]]
        visible = np.abs(view.depth[row, column] - depth) < 0.01 * np.ptp(file.record.bounds)
        inner = (around == around[:, :1]).all(1) & visible
        right.append(around[inner, 4] == shape.surface_part[inner])

        # Every pixel that is covered to half has a part, and none that is clear.
        alpha = view.colour[..., 3]
        assert (view.parts[(alpha > 127) | (view.depth > 0)] > 0).all()
        assert not view.parts[alpha == 0].any()
    right = np.concatenate(right)
    return right.mean(), len(right)


def test_the_parts_of_procedural_objects_are_their_solids(addon, tmp_path):
    from maquette.core.scene.datagen.sources import procedural_sources

    sources = procedural_sources(["chair", "table"], 2, 0)
    for file in render(sources, tmp_path / "set", parts="material"):
        made = make_object(file.record.family, 0)
        labels = tuple(dict.fromkeys(part.label for part in made.parts))
        assert (file.record.parts, file.record.parts_from) == (labels, "procedural")
        share, count = agreement(file)
        assert share > 0.99 and count > 100

        # Points of each part are within the boxes of its solids, from where nothing moved them.
        shape = file.read_shape()
        assert set(np.unique(shape.surface_part)) == set(range(1, len(labels) + 1))
        for number, label in enumerate(labels, 1):
            points = shape.surface[shape.surface_part == number]
            boxes = [part.mesh.vertices for part in made.parts if part.label == label]
            inside = [
                ((points > box.min(0) - 1e-3) & (points < box.max(0) + 1e-3)).all(1)
                for box in boxes
            ]
            assert np.any(inside, axis=0).all()


def test_a_set_without_parts_is_the_same_but_for_them(addon, tmp_path):
    from maquette.core.scene.datagen.sources import procedural_sources

    sources = procedural_sources(["mug"], 1, 0)
    (plain,) = render(sources, tmp_path / "plain")
    (parted,) = render(sources, tmp_path / "parts", parts="material")
    (small,) = render(sources, tmp_path / "small", parts="material", compact=True)
    added = {"parts.npz", *(f"00{view}.parts.png" for view in range(4))}
    assert parted.parts.keys() - plain.parts.keys() == added
    for kind in plain.parts.keys() - {"json"}:
        assert parted.parts[kind] == plain.parts[kind], kind
    stored = json.loads((tmp_path / "plain/dataset.json").read_text())
    assert "parts" not in stored and "parts" not in json.loads(plain.parts["json"])
    with_parts = json.loads((tmp_path / "parts/dataset.json").read_text())
    assert with_parts == {**stored, "parts": "material"}
    run_to_end(copy_compact(tmp_path / "parts", tmp_path / "copied"))
    copied = ObjectFile(tmp_path / "copied/objects" / small.path.name)
    assert copied.parts == small.parts


@pytest.fixture
def two_materials(addon):
    """A cube of 2 m: its upper faces are red, those at the bottom blue, one side has no name."""
    bpy.ops.mesh.primitive_cube_add()
    obj = bpy.context.object
    for name in ("red", "blue"):
        material = bpy.data.materials.new(name)
        material.pass_index = 77
        obj.data.materials.append(material)
    obj.data.materials.append(None)
    for face in obj.data.polygons:
        face.material_index = 1 if face.normal.z < -0.5 else 2 if face.normal.x > 0.5 else 0
    return obj


def by_place(points):
    """The part of points (P, 3) of the cube."""
    below = points[:, 2] < -0.999
    return np.where(below, 2, np.where(points[:, 0] > 0.999, 3, 1))


def near_edge(points):
    return (np.abs(points) > 0.99).sum(1) > 1


def test_materials_are_parts_and_the_scene_stays_as_it_was(two_materials, tmp_path):
    before = {kind: len(getattr(bpy.data, kind)) for kind in ("materials", "meshes", "objects")}
    file = rendered_object(tmp_path / "set")
    assert (file.record.parts, file.record.parts_from) == (("red", "blue", ""), "material")
    shape = file.read_shape()
    inner = ~near_edge(shape.surface)
    np.testing.assert_array_equal(shape.surface_part[inner], by_place(shape.surface)[inner])
    assert agreement(file)[0] == 1
    assert file.read_parts(0)[24, 24] == 1  # the front
    assert {material.pass_index for material in two_materials.data.materials if material} == {77}
    assert before == {kind: len(getattr(bpy.data, kind)) for kind in before}
    assert [face.material_index for face in two_materials.data.polygons].count(2) == 1


def test_a_run_that_is_stopped_leaves_materials_as_they_were(two_materials, tmp_path):
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import scene_sources

    settings = DatasetSettings(size=SIZE, samples=1, points=512, parts="material")
    work = render_dataset(scene_sources([two_materials]), tmp_path / "set", settings)
    next(work), next(work)
    used = [material for material in two_materials.data.materials if material]
    assert [material.pass_index for material in used] == [1, 2]
    work.close()
    assert [material.pass_index for material in used] == [77, 77]


def test_materials_name_parts_also_where_others_replace_them(two_materials, tmp_path):
    file = rendered_object(
        tmp_path / "set", random=Randomization(materials=1.0, turn="any", occluders=2)
    )
    assert file.record.parts == ("red", "blue", "") and file.record.more["drawn"]["materials"]
    matrix = np.array(file.record.more["drawn"]["pose"]["matrix"])
    shape = file.read_shape()
    points = (shape.surface - matrix[:3, 3]) @ np.linalg.inv(matrix[:3, :3]).T
    inner = ~near_edge(points)
    assert inner.sum() > 200
    np.testing.assert_array_equal(shape.surface_part[inner], by_place(points)[inner])
    assert agreement(file)[0] == 1


def test_vertex_groups_are_parts_also_behind_modifiers(addon, tmp_path):
    bpy.ops.mesh.primitive_cylinder_add(vertices=16, radius=0.4, depth=2)
    obj = bpy.context.object
    high = [vertex.index for vertex in obj.data.vertices if vertex.co.z > 0]
    low = [vertex.index for vertex in obj.data.vertices if vertex.co.z < 0]
    obj.vertex_groups.new(name="lid").add(high, 1, 'REPLACE')
    obj.vertex_groups.new(name="body").add(low, 0.9, 'REPLACE')
    obj.modifiers.new("cuts", 'SUBSURF').subdivision_type = 'SIMPLE'
    obj.modifiers["cuts"].render_levels = obj.modifiers["cuts"].levels = 2
    file = rendered_object(tmp_path / "set", "vertex group")
    assert (file.record.parts, file.record.parts_from) == (("lid", "body"), "vertex group")
    shape = file.read_shape()

    # Weights are interpolated, so the seam is in the middle, at an edge of the cut faces.
    clear = np.abs(shape.surface[:, 2]) > 0.02
    expected = np.where(shape.surface[:, 2] > 0, 1, 2)
    np.testing.assert_array_equal(shape.surface_part[clear], expected[clear])
    share, count = agreement(file)
    assert share == 1 and count > 100
    assert len(obj.data.polygons) == 18 and not obj.data.materials


def test_without_vertex_groups_materials_name_the_parts(two_materials, tmp_path):
    file = rendered_object(tmp_path / "set", "vertex group")
    assert (file.record.parts, file.record.parts_from) == (("red", "blue", ""), "material")


def test_instanced_objects_have_the_parts_of_their_materials(two_materials, tmp_path):
    collection = bpy.data.collections.new("kit")
    bpy.context.scene.collection.objects.unlink(two_materials)
    collection.objects.link(two_materials)
    bpy.ops.mesh.primitive_cone_add(location=(0, 0, 3))
    cone = bpy.context.object
    cone.data.materials.append(bpy.data.materials.new("green"))
    empty = bpy.data.objects.new("instance", None)
    empty.instance_type = 'COLLECTION'
    empty.instance_collection = collection
    empty.parent = cone
    empty.matrix_parent_inverse = cone.matrix_basis.inverted()
    bpy.context.scene.collection.objects.link(empty)
    bpy.context.view_layer.update()
    file = rendered_object(tmp_path / "set")
    assert file.record.parts == ("green", "red", "blue", "")
    shape = file.read_shape()
    of_cone = shape.surface[:, 2] > 1.5
    assert (shape.surface_part[of_cone] == 1).all() and (shape.surface_part[~of_cone] > 1).all()
    inner = ~of_cone & ~near_edge(shape.surface)
    expected = by_place(shape.surface)[inner] + 1
    np.testing.assert_array_equal(shape.surface_part[inner], expected)
