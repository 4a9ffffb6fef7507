import os

import numpy as np
import pytest
from maquette.core.errors import LibraryError
from maquette.core.library.records import (
    SCENE_OBJECT,
    AssetName,
    EmbeddingInfo,
    FileStamp,
    LibraryFile,
    content_digest,
    read_stamp,
)
from maquette.core.library.update import IndexBuilder, list_files

INFO = EmbeddingInfo("test 1", 8)


@pytest.fixture
def old(make_index, unit_vectors):
    """An index of three files, as the last run left it."""
    return make_index(unit_vectors(3, 12, 8))


@pytest.fixture
def builder(old):
    return IndexBuilder(INFO, "/library", "FOLDER", old)


def keep(builder, path, stamp):
    known = builder.known_file(path, stamp)
    builder.keep_file(known, path, stamp)


def test_unchanged_files_keep_their_vectors(builder, old):
    for path, file in old.files.items():
        keep(builder, path, FileStamp(file.stamp.modified, file.stamp.size))
    index = builder.to_index()
    assert index.entries == old.entries
    assert index.files == old.files
    np.testing.assert_array_equal(index.vectors, old.vectors)
    assert index.thumbnails == old.thumbnails
    assert builder.added_count() == builder.removed_count() == 0


def test_a_deleted_file_disappears(builder, old):
    keep(builder, "b.glb", FileStamp(2, 100))
    index = builder.to_index()
    assert [entry.path for entry in index.entries] == ["b.glb"]
    np.testing.assert_array_equal(index.vectors, old.vectors[1:2])
    assert builder.removed_count() == 2


def test_a_file_of_the_same_content_is_kept_at_another_time(builder):
    assert builder.known_file("a.glb", FileStamp(99, 100)) is None
    known = builder.known_file("a.glb", FileStamp(99, 100, "digest a"))
    builder.keep_file(known, "a.glb", FileStamp(99, 100, "digest a"))
    index = builder.to_index()
    assert index.files["a.glb"].stamp.modified == 99
    assert len(index.entries) == 1


def test_a_changed_file_is_not_kept(builder):
    assert builder.known_file("a.glb", FileStamp(99, 100, "digest x")) is None


def test_a_moved_file_keeps_its_vectors_under_its_new_name(builder, old):
    stamp = FileStamp(99, 100, "digest c")
    known = builder.known_file("sub/chair.glb", stamp)
    builder.keep_file(known, "sub/chair.glb", stamp)
    (entry,) = builder.to_index().entries
    assert (entry.path, entry.asset.name) == ("sub/chair.glb", "chair")
    assert entry.id != old.entries[2].id
    np.testing.assert_array_equal(builder.to_index().vectors[0], old.vectors[2])


def test_nothing_of_another_model_is_kept(old):
    builder = IndexBuilder(EmbeddingInfo("test 2", 8), "/library", "FOLDER", old)
    assert builder.known_file("a.glb", FileStamp(1, 100)) is None


def test_new_assets_are_missing_until_they_are_added(builder, unit_vectors):
    assets = (AssetName("OBJECT", "x"), AssetName("OBJECT", "y"), AssetName("OBJECT", "z"))
    builder.set_file(LibraryFile("new.blend", FileStamp(1, 1, "n"), assets))
    assert builder.missing_assets("new.blend") == list(assets)
    images = np.zeros((12, 128, 128, 4), np.uint8)
    builder.add_asset("new.blend", assets[0], unit_vectors(12, 8), images)
    builder.note_problem("new.blend", assets[1], "It has no face")
    assert builder.missing_assets("new.blend") == [assets[2]]
    assert builder.problems() == {"new.blend OBJECT y": "It has no face"}
    index = builder.to_index()
    assert [entry.asset for entry in index.entries] == [assets[0]]

    # The next run goes on with what is missing, and does not try again what cannot be used.
    next_run = IndexBuilder(INFO, "/library", "FOLDER", index)
    keep(next_run, "new.blend", FileStamp(1, 1))
    assert next_run.missing_assets("new.blend") == [assets[2]]


def test_objects_of_a_scene_are_kept_by_their_digests(unit_vectors):
    first = AssetName(SCENE_OBJECT, "first", ("first",))
    second = AssetName(SCENE_OBJECT, "second", ("second",))
    scene = LibraryFile("", FileStamp(0, 0), (first, second))
    builder = IndexBuilder(INFO, "", "COLLECTION")
    builder.set_scene(scene, {first: "1", second: "2"})
    images = np.zeros((12, 128, 128, 4), np.uint8)
    for asset in (first, second):
        builder.add_asset("", asset, unit_vectors(12, 8), images)
    again = IndexBuilder(INFO, "", "COLLECTION", builder.to_index())
    again.set_scene(scene, {first: "1", second: "changed"})
    assert again.missing_assets("") == [second]


def test_files_are_listed_below_the_folder_but_not_hidden_ones(tmp_path):
    for name in ("b.GLB", "sub/a.blend", ".hidden.glb", ".cache/c.glb", "text.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    names = [
        path.relative_to(tmp_path).as_posix() for path in list_files(tmp_path, {".glb", ".blend"})
    ]
    assert names == ["b.GLB", "sub/a.blend"]


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(LibraryError, match="There is no folder"):
        list_files(tmp_path / "none", {".glb"})


def test_stamps_tell_time_size_and_content(tmp_path):
    path = tmp_path / "a.glb"
    path.write_bytes(b"abc")
    os.utime(path, ns=(5, 7))
    assert read_stamp(path) == FileStamp(7, 3)
    assert content_digest(path).startswith("ba7816bf")  # SHA-256 of abc, from FIPS 180-2
