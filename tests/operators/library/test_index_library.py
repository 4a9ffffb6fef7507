"""The index of a library: what is rendered, what is kept, and how it ends."""

import os
import shutil

import bpy
import pytest
from maquette.core.folder_lock import lock_folder
from maquette.core.jobs.task import run_to_end
from maquette.core.library.index_file import read_index

ALL = ["ball", "box", "plate", "post"]


def index(folder, index_file, **options):
    return bpy.ops.maquette.index_library(
        source='FOLDER', folder=str(folder), index_file=str(index_file), **options
    )


def names(index_file):
    return sorted(entry.asset.name for entry in read_index(index_file).entries)


def test_a_folder_is_indexed_once(library, index_file, rendering_here):
    assert index(library, index_file) == {'FINISHED'}
    assert names(index_file) == ALL
    assert len(rendering_here) == 4
    rendering_here.clear()
    index(library, index_file)
    assert names(index_file) == ALL and not rendering_here


def test_a_changed_file_alone_is_rendered_again(library, index_file, rendering_here, sample_assets):
    index(library, index_file)
    before = read_index(index_file)
    rendering_here.clear()
    sample_assets.new_file()
    obj = sample_assets.add_shape("plate")
    obj.name = "ball"
    obj.asset_mark()
    sample_assets.save(library / "ball.blend")
    index(library, index_file)
    assert rendering_here == [("ball.blend", ["ball"])]
    after = read_index(index_file)
    vectors = [
        {entry.asset.name: index.vectors[row] for row, entry in enumerate(index.entries)}
        for index in (before, after)
    ]
    for name in ALL:
        is_same = (vectors[0][name] == vectors[1][name]).all()
        assert is_same == (name != "ball")


def test_a_touched_or_moved_file_is_not_rendered_again(library, index_file, rendering_here):
    index(library, index_file)
    rendering_here.clear()
    os.utime(library / "box.blend", ns=(1, 1))
    (library / "ball.blend").rename(library / "sub/globe.blend")
    index(library, index_file)
    assert not rendering_here
    assert names(index_file) == ALL


def test_a_deleted_file_disappears(library, index_file):
    index(library, index_file)
    (library / "box.blend").unlink()
    index(library, index_file)
    assert names(index_file) == ["ball", "plate", "post"]


def test_a_run_that_is_stopped_is_continued(library, index_file, rendering_here):
    """Esc closes the task: after two assets, here."""
    from maquette.operators import _compute
    from maquette.operators.library._indexing import LibrarySource, index_libraries
    from maquette.operators.library._rendering import AssetRenderer

    source = LibrarySource('FOLDER', library, index_file)
    target = _compute.compute_target()
    task = index_libraries([source], target, AssetRenderer())
    while len(rendering_here) < 3:
        next(task)
    task.close()
    done = names(index_file)
    assert len(done) == 2

    rendering_here.clear()
    task = index_libraries([source], target, AssetRenderer())
    (report,) = run_to_end(task)
    assert names(index_file) == ALL
    rendered = [name for _, assets in rendering_here for name in assets]
    assert sorted(rendered + done) == ALL
    assert (report.count, report.added, report.removed) == (4, 2, 0)


def test_files_that_cannot_be_used_are_left_out_and_not_tried_again(
    library, index_file, rendering_here
):
    (library / "broken.blend").write_bytes(b"no blend file")
    (library / "broken.obj").write_text("v 0 0 0\n")
    index(library, index_file)
    assert names(index_file) == ALL
    problems = {path: file.problems for path, file in read_index(index_file).files.items()}
    assert "not a readable" in problems["broken.blend"][""]
    assert problems["broken.obj"]
    rendering_here.clear()
    index(library, index_file)
    assert not rendering_here


def test_an_asset_library_has_its_marked_assets_alone(asset_library, index_file, rendering_here):
    result = bpy.ops.maquette.index_library(
        source='ASSETS', library="Test Library", index_file=str(index_file)
    )
    assert result == {'FINISHED'}
    assert names(index_file) == ["ball", "box", "post"]


def test_the_index_goes_into_the_users_folder(asset_library, tmp_path, monkeypatch):
    from maquette.operators.library import _sources

    monkeypatch.setattr(_sources, "_indexes_folder", lambda: tmp_path / "indexes")
    bpy.ops.maquette.index_library(source='ASSETS')
    (path,) = (tmp_path / "indexes").glob("*.npz")
    assert path.name.startswith("Test_Library-") and names(path) == ["ball", "box", "post"]


def test_a_collection_is_indexed_and_what_changed_again(
    library, index_file, rendering_here, sample_assets
):
    collection = bpy.data.collections.new("things")
    bpy.context.scene.collection.children.link(collection)
    for name in ("box", "ball"):
        collection.objects.link(sample_assets.add_shape(name))
    options = {"source": 'COLLECTION', "collection": "things", "index_file": str(index_file)}
    assert bpy.ops.maquette.index_library(**options) == {'FINISHED'}
    assert names(index_file) == ["ball", "box"]

    rendering_here.clear()
    bpy.data.objects["ball"].data.vertices[0].co.z += 1
    bpy.context.view_layer.update()
    bpy.ops.maquette.index_library(**options)
    assert rendering_here == [("objects.blend", ["ball"])]


def test_another_model_renders_all_again(library, index_file, rendering_here, monkeypatch):
    from dataclasses import replace

    from maquette.core.library.records import EmbeddingInfo
    from maquette.core.model.inference.meaning import embedding

    index(library, index_file)
    rendering_here.clear()
    other = replace(embedding.load_embedder(""), info=EmbeddingInfo("other 2", 256))
    monkeypatch.setattr(embedding, "load_embedder", lambda part: other)
    index(library, index_file)
    assert len(rendering_here) == 4
    assert read_index(index_file).embedding == "other 2, appearance 1"


def test_other_assets_of_the_same_folder_are_not_mixed_with_the_old_ones(
    asset_library, library, index_file, sample_assets
):
    """As a folder, a .blend file without marked assets is one; as an asset library it is none."""
    sample_assets.new_file()
    sample_assets.add_shape("box")
    sample_assets.save(library / "plain.blend")
    index(library, index_file)
    assert "plain" in names(index_file)
    options = {"source": 'ASSETS', "library": "Test Library", "index_file": str(index_file)}
    bpy.ops.maquette.index_library(**options)
    assert names(index_file) == ["ball", "box", "post"]


@pytest.mark.parametrize("options", [{}, {"rebuild": True}])
def test_a_damaged_index_is_made_anew(library, index_file, rendering_here, options):
    index(library, index_file)
    rendering_here.clear()
    data = index_file.read_bytes()
    index_file.write_bytes(data[: len(data) // 2])
    assert index(library, index_file, **options) == {'FINISHED'}
    assert names(index_file) == ALL and len(rendering_here) == 4


def test_a_file_of_somebody_else_is_not_overwritten(library, index_file):
    index_file.write_text("my notes")
    with pytest.raises(RuntimeError, match="is not an index"):
        index(library, index_file, rebuild=True)
    assert index_file.read_text() == "my notes"


def test_two_runs_do_not_write_one_index(library, index_file):
    with (
        lock_folder(index_file.parent, index_file.name),
        pytest.raises(RuntimeError, match="Another process"),
    ):
        index(library, index_file)


def test_what_is_not_there_is_an_error(addon, tmp_path, index_file):
    with pytest.raises(RuntimeError, match="There is no folder"):
        index(tmp_path / "none", index_file)
    with pytest.raises(RuntimeError, match="Choose a folder"):
        bpy.ops.maquette.index_library(source='FOLDER')
    with pytest.raises(RuntimeError, match="Choose a collection"):
        bpy.ops.maquette.index_library(source='COLLECTION')
    with pytest.raises(RuntimeError, match="no asset library 'none'"):
        bpy.ops.maquette.index_library(source='ASSETS', library="none")


@pytest.mark.slow
def test_a_second_blender_renders_and_survives_a_file_that_ends_it(
    addon, sample_assets, tmp_path, index_file
):
    """With real processes: a mesh file that crashes importers does not end the run."""
    folder = tmp_path / "real"
    folder.mkdir()
    sample_assets.write_box(folder / "box.blend")
    properties = "".join(f"property float {axis}\n" for axis in "xyz")
    (folder / "crash.ply").write_bytes(
        f"ply\nformat binary_little_endian 1.0\nelement vertex 2000000000\n{properties}"
        "element face 1\nproperty list uchar int vertex_indices\nend_header\n".encode()
        + b"x" * 100
    )
    assert index(folder, index_file) == {'FINISHED'}
    stored = read_index(index_file)
    assert [entry.asset.name for entry in stored.entries] == ["box"]
    assert stored.files["crash.ply"].problems
    shutil.rmtree(folder)
