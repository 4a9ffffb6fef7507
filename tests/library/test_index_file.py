import io

import numpy as np
import pytest
from maquette.core.errors import LibraryError
from maquette.core.library import index_file
from maquette.core.library.index_file import (
    is_index,
    read_index,
    read_index_once,
    read_thumbnails,
    write_index,
)


@pytest.fixture
def stored(make_index, unit_vectors, tmp_path):
    """An index of three assets, and its file."""
    index = make_index(unit_vectors(3, 4, 8))
    path = tmp_path / "index.npz"
    write_index(path, index)
    return index, path


def test_an_index_is_read_as_it_was_written(stored):
    index, path = stored
    read = read_index(path, with_thumbnails=True)
    assert read.entries == index.entries
    assert read.files == index.files
    assert read.thumbnails == index.thumbnails
    assert (read.embedding, read.root, read.source) == ("test 1", "/library", "FOLDER")
    np.testing.assert_array_equal(read.vectors, index.vectors)
    np.testing.assert_array_equal(read.directions, index.directions)


def test_an_index_without_assets_is_read_as_well(make_index, tmp_path):
    write_index(tmp_path / "empty.npz", make_index(np.zeros((0, 4, 8))))
    read = read_index(tmp_path / "empty.npz", with_thumbnails=True)
    assert read.entries == () and read.vectors.shape == (0, 4, 8)


def test_names_that_are_not_utf8_are_kept(make_index, unit_vectors, tmp_path):
    from dataclasses import replace

    from maquette.core.library.records import AssetEntry, asset_id

    index = make_index(unit_vectors(1, 4, 8))
    (file,) = index.files.values()
    path = b"\xe9t\xe9.glb".decode("utf-8", "surrogateescape")
    entry = AssetEntry(asset_id(path, file.assets[0]), path, file.assets[0])
    index = replace(index, files={path: replace(file, path=path)}, entries=(entry,))
    write_index(tmp_path / "index.npz", index)
    assert read_index(tmp_path / "index.npz").entries == (entry,)


def test_single_thumbnails_are_read_from_their_place(stored):
    _, path = stored
    first, third = read_thumbnails(path, [0, 2])
    assert (first == 0).all() and (third == 2).all()


def test_a_damaged_thumbnail_is_transparent(stored):
    _, path = stored
    data = bytearray(path.read_bytes())
    place = data.rindex(b"\x78\x9c", 0, data.rindex(b"PK\x01\x02"))  # where the last one begins
    data[place + 2 : place + 12] = b"\xff" * 10
    path.write_bytes(data)
    first, third = read_thumbnails(path, [1, 2])
    assert (first == 1).all() and (third == 0).all()


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.999])
def test_a_truncated_index_is_damaged_but_known(stored, kept):
    _, path = stored
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    assert is_index(path)
    with pytest.raises(LibraryError, match=r"damaged.*Index the library again"):
        read_index(path)


def test_a_changed_byte_is_noticed(stored):
    _, path = stored
    data = bytearray(path.read_bytes())
    data[data.index(b"vectors.npy") + 200] ^= 1
    path.write_bytes(data)
    with pytest.raises(LibraryError, match="damaged"):
        read_index(path)


def test_files_of_others_are_not_taken_for_an_index(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, vectors=np.zeros(3))
    assert not is_index(path)
    with pytest.raises(LibraryError, match="is not an index"):
        read_index(path)


def test_a_missing_index_says_what_to_do(tmp_path):
    with pytest.raises(LibraryError, match="Index the library first"):
        read_index(tmp_path / "none.npz")
    with pytest.raises(LibraryError, match="Index the library first"):
        read_index_once(tmp_path / "none.npz")


def changed(path, **arrays):
    """Write an index again with other arrays; None drops one."""
    with np.load(path) as stored:
        values = {name: stored[name] for name in stored.files}
    values.update(arrays)
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value for name, value in values.items() if value is not None})
    path.write_bytes(buffer.getvalue())


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"maquette_library": np.array((9, 4, 8), np.int32)}, "version 9"),
        ({"maquette_library": np.array((1, 4, 16), np.int32)}, "vectors of the shape"),
        ({"vectors": np.full((3, 4, 8), np.nan, np.float16)}, "not finite"),
        ({"vectors": None}, "vectors"),
        ({"assets": np.array(((0, 0), (1, 0), (7, 0)), np.int32)}, "range"),
        ({"assets": np.array(((0, 0), (1, 0), (-1, 0)), np.int32)}, "no file"),
        ({"texts": np.frombuffer(b"{}", np.uint8)}, "files"),
        ({"texts": np.frombuffer(b"[", np.uint8)}, "damaged"),
        ({"directions": np.zeros((2, 3), np.float32)}, "directions"),
    ],
)
def test_contradictions_are_refused(stored, arrays, reason):
    _, path = stored
    changed(path, **arrays)
    with pytest.raises(LibraryError, match=reason):
        read_index(path)


def test_thumbnails_that_do_not_fit_are_refused(stored):
    _, path = stored
    changed(path, thumbnail_ends=np.array((1, 2, 10**9)))
    with pytest.raises(LibraryError, match="thumbnails do not fit"):
        read_index(path, with_thumbnails=True)


def test_more_assets_than_supported_are_not_written(
    make_index, unit_vectors, tmp_path, monkeypatch
):
    monkeypatch.setattr(index_file, "MOST_ASSETS", 2)
    with pytest.raises(LibraryError, match="3 assets, but an index can hold 2"):
        write_index(tmp_path / "index.npz", make_index(unit_vectors(3, 4, 8)))
    assert not list(tmp_path.iterdir())


def test_an_index_is_read_again_only_when_it_changes(stored, make_index, unit_vectors):
    _, path = stored
    first = read_index_once(path)
    assert read_index_once(path) is first
    write_index(path, make_index(unit_vectors(2, 4, 8)))
    assert len(read_index_once(path).entries) == 2
