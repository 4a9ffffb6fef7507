"""Which objects a set is made of, and their names."""

from collections import Counter

import bpy
import pytest


@pytest.fixture
def meshes(tmp_path):
    """A folder of mesh files, of which only the names are read."""
    folder = tmp_path / "meshes"
    (folder / "toys").mkdir(parents=True)
    for name in ("ball.stl", "cone.obj", "cube.glb", "toys/top.ply", "toys/yoyo.blend"):
        (folder / name).touch()
    return folder


def test_fewer_are_among_those_that_more_are(meshes):
    from maquette.core.scene.datagen.sources import file_sources, subset

    sources = file_sources(meshes)
    two, four = (
        {source.name for source in subset(sources[::step], count)}
        for step, count in ((1, 2), (-1, 4))
    )
    assert len(two) == 2 and len(four) == 4 and two < four
    assert len(subset(sources, None)) == len(sources)


def test_fewer_are_of_every_split():
    """Chosen by the number that splits are chosen by, they would all be of one split."""
    from maquette.core.dataset.splits import assign_splits
    from maquette.core.scene.datagen.sources import ObjectSource, subset

    sources = [ObjectSource(f"thing_{i}", "", "thing", list) for i in range(1000)]
    few = {one.name: [float(i)] * 10 for i, one in enumerate(subset(sources, 100))}
    found = Counter(assign_splits(few, dict.fromkeys(few, "thing")).values())
    assert 60 < found["train"] < 95 and found["validation"] and found["test"]


def test_names_that_would_be_the_same_become_distinct(meshes, addon):
    from maquette.core.scene.datagen.sources import file_sources, scene_sources

    before = {source.name for source in file_sources(meshes)}
    (meshes / "ball.obj").write_bytes((meshes / "cone.obj").read_bytes())
    after = {source.name for source in file_sources(meshes)}
    assert len(after) == len(before) + 1 and before - after == {"ball"}
    for name in ("Cube.001", "Cube_001", "Other"):
        bpy.context.collection.objects.link(bpy.data.objects.new(name, bpy.data.meshes.new(name)))
    names = {source.name for source in scene_sources(bpy.context.scene.objects)}
    assert (
        len(names) == 3
        and "Other" in names
        and all(name.startswith(("Cube_001_", "Other")) for name in names)
    )


def test_the_category_of_a_file_is_its_folder(meshes):
    from maquette.core.scene.datagen.sources import file_sources

    families = {source.name: source.family for source in file_sources(meshes)}
    assert families["toys__top"] == "toys" and families["cone"] == "meshes"


def test_files_of_other_kinds_are_counted_and_folders_are_no_files(meshes):
    from maquette.core.scene.datagen.sources import file_sources, left_out_text

    assert left_out_text(meshes) == ""
    names = {source.name for source in file_sources(meshes)}
    for name in ("a.fbx", "toys/b.FBX", "c.usd", "picture.png"):
        (meshes / name).touch()
    (meshes / "folder.glb").mkdir()
    (meshes / "folder.glb/inner.obj").touch()
    assert {source.name for source in file_sources(meshes)} == {*names, "folder_glb__inner"}
    text = "3 files of other kinds are left out: .fbx (2), .usd (1)"
    assert left_out_text(meshes) == text


def test_procedural_objects_take_the_families_in_turn():
    from maquette.core.scene.datagen.sources import procedural_sources

    origins = [source.origin for source in procedural_sources(["mug", "chair"], 4, 7)]
    assert origins == [
        "procedural:mug:7",
        "procedural:chair:7",
        "procedural:mug:8",
        "procedural:chair:8",
    ]
