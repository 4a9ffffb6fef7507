"""A whole set passes; each way of damaging one is reported, with the file."""

import io
import json
import tarfile

import numpy as np
import pytest
from maquette.core.dataset.validation import validate_dataset
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end


def problems_of(folder):
    """Problems as {path within the set: text}."""
    problems = run_to_end(validate_dataset(folder))
    result = {problem.path.relative_to(folder).as_posix(): problem.what for problem in problems}
    assert len(result) == len(problems)
    return result


def rewrite_members(path, change):
    """Rewrite the tar at ``path`` after ``change(members)`` of its dict of bytes by kind."""
    with tarfile.open(path) as archive:
        members = {
            m.name.removeprefix(f"{path.stem}."): archive.extractfile(m).read() for m in archive
        }
    change(members)
    with tarfile.open(path, "w") as archive:
        for kind, data in members.items():
            info = tarfile.TarInfo(f"{path.stem}.{kind}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def change_record(path, change):
    def change_members(members):
        record = json.loads(members["json"])
        change(record)
        members["json"] = json.dumps(record).encode()

    rewrite_members(path, change_members)


def change_arrays(path, kind, change):
    def change_members(members):
        with np.load(io.BytesIO(members[kind])) as data:
            arrays = dict(data)
        change(arrays)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        members[kind] = buffer.getvalue()

    rewrite_members(path, change_members)


def test_a_whole_set_is_good(ellipsoids):
    assert problems_of(ellipsoids) == {}


def test_no_set(tmp_path):
    with pytest.raises(DatasetError, match="contains no training set"):
        run_to_end(validate_dataset(tmp_path))


@pytest.mark.parametrize("left", [0, 700, 10_000, -512, -1])
def test_a_truncated_tar(set_copy, left):
    path = set_copy / "objects/egg.tar"
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    assert list(problems_of(set_copy)) == ["objects/egg.tar"]


@pytest.mark.parametrize("kind", ["json", "shape.npz", "001.png", "004.npz"])
def test_a_missing_member(set_copy, kind):
    rewrite_members(set_copy / "objects/egg.tar", lambda members: members.pop(kind))
    found = problems_of(set_copy)
    assert list(found) == ["objects/egg.tar"] and kind in found["objects/egg.tar"]


def test_surroundings_are_there_if_they_were_drawn(set_copy):
    def drawn(record):
        record["views"][1]["drawn"] = {"background": {"kind": "plain", "colour": [1, 2, 3]}}

    path = set_copy / "objects/egg.tar"
    rewrite_members(
        path, lambda members: members.update({"001.surroundings.png": members["001.png"]})
    )
    assert "does not list" in problems_of(set_copy)["objects/egg.tar"]
    change_record(path, drawn)
    assert problems_of(set_copy) == {}
    rewrite_members(
        path, lambda members: members.update({"001.surroundings.png": members["001.png"][:99]})
    )
    assert "001.surroundings.png is damaged" in problems_of(set_copy)["objects/egg.tar"]
    rewrite_members(path, lambda members: members.pop("001.surroundings.png"))
    assert "lacks egg.001.surroundings.png" in problems_of(set_copy)["objects/egg.tar"]


def test_a_member_too_many(set_copy):
    rewrite_members(set_copy / "objects/egg.tar", lambda members: members.update({"005.png": b""}))
    assert "does not list" in problems_of(set_copy)["objects/egg.tar"]


@pytest.mark.parametrize("kind", ["shape.npz", "001.png", "004.npz"])
def test_a_member_cut_short(set_copy, kind):
    rewrite_members(
        set_copy / "objects/egg.tar", lambda members: members.update({kind: members[kind][:-200]})
    )
    assert list(problems_of(set_copy)) == ["objects/egg.tar"]


@pytest.mark.parametrize("kind", ["shape.npz", "001.png", "004.npz"])
def test_a_flipped_bit(set_copy, kind):
    def flip(members):
        data = bytearray(members[kind])
        data[len(data) // 2] ^= 16
        members[kind] = bytes(data)

    rewrite_members(set_copy / "objects/egg.tar", flip)
    assert list(problems_of(set_copy)) == ["objects/egg.tar"]


def test_no_wrong_byte_is_a_surprise(set_copy):
    """Each is reported, or is harmless, in a time stamp or in padding; nothing else is raised."""
    from maquette.core.dataset.index import ObjectLocation
    from maquette.core.dataset.validation import check_object

    path, rng, found = set_copy / "objects/egg.tar", np.random.default_rng(0), 0
    whole = path.read_bytes()
    for place in rng.integers(0, len(whole) - 10_240, 150):
        data = bytearray(whole)
        data[place] = rng.integers(256)
        path.write_bytes(data)
        try:
            check_object(ObjectLocation(path))
        except (DatasetError, ValueError, KeyError, TypeError):
            found += 1
    assert found > 110


def test_a_rotation_that_is_none(set_copy):
    def stretch(record):
        record["views"][3]["camera_to_world_opengl"][0][0] *= 1.01

    change_record(set_copy / "objects/egg.tar", stretch)
    assert problems_of(set_copy) == {"objects/egg.tar": "view 3: the rotation is not orthonormal"}


def test_extrinsics_of_two_cameras(set_copy):
    def swap(record):
        record["views"][2]["world_to_camera_opencv"] = record["views"][3]["world_to_camera_opencv"]

    change_record(set_copy / "objects/egg.tar", swap)
    assert problems_of(set_copy) == {
        "objects/egg.tar": "view 2: the two extrinsics are not of one camera"
    }


def test_a_image_of_another_size(set_copy):
    change_record(set_copy / "objects/egg.tar", lambda record: record["views"][0].update(width=65))
    assert problems_of(set_copy) == {
        "objects/egg.tar": "view 0, colour: the shape is (64, 64, 4), not (64, 65, 4)"
    }


def test_depth_of_another_kind(set_copy):
    change_arrays(set_copy / "objects/egg.tar", "000.npz", lambda arrays: None)
    assert problems_of(set_copy) == {}

    def double(arrays):
        arrays.update(depth=arrays["depth"].astype(float))

    change_arrays(set_copy / "objects/egg.tar", "000.npz", double)
    assert problems_of(set_copy) == {
        "objects/egg.tar": "view 0, depth: the type is float64, not float32"
    }


def test_depth_that_leads_outside_the_bounds(set_copy):
    change_arrays(
        set_copy / "objects/egg.tar",
        "002.npz",
        lambda arrays: arrays.update(depth=arrays["depth"] * 0.9),
    )
    assert "view 2, depth: points are" in problems_of(set_copy)["objects/egg.tar"]


def test_an_array_too_few(set_copy):
    change_arrays(
        set_copy / "objects/egg.tar", "shape.npz", lambda arrays: arrays.pop("near_inside")
    )
    assert problems_of(set_copy)["objects/egg.tar"].startswith(
        "shape.npz: the arrays are near, surface, "
    )
    change_arrays(set_copy / "objects/lens.tar", "001.npz", lambda arrays: arrays.pop("depth"))
    assert "001.npz is damaged" in problems_of(set_copy)["objects/lens.tar"]


@pytest.mark.parametrize(
    "record", [[], 3, {"version": 1}, {"version": 2}, {"version": 1, "views": 3}]
)
def test_a_record_of_another_form(set_copy, record):
    rewrite_members(
        set_copy / "objects/egg.tar",
        lambda members: members.update(json=json.dumps(record).encode()),
    )
    assert list(problems_of(set_copy)) == ["objects/egg.tar"]


def test_normals_that_are_too_long(set_copy):
    def twice(arrays):
        arrays.update(normal=arrays["normal"] * 2)

    change_arrays(set_copy / "objects/egg.tar", "002.npz", twice)
    assert problems_of(set_copy) == {
        "objects/egg.tar": "view 2, normal: not all are of unit length"
    }


def test_an_object_under_a_wrong_name(set_copy):
    change_record(set_copy / "objects/egg.tar", lambda record: record.update(name="lens"))
    assert problems_of(set_copy) == {"objects/egg.tar": "the record is that of lens"}


class TestSplits:
    def write(self, folder, **changes):
        path = folder / "splits.json"
        assigned = {**json.loads(path.read_text()), **changes}
        path.write_text(json.dumps({name: split for name, split in assigned.items() if split}))

    def test_a_leak(self, set_copy):
        path = set_copy / "objects/twin.tar"
        (set_copy / "objects/egg.tar").rename(path)
        with tarfile.open(path) as archive:
            members = {m.name.partition(".")[2]: archive.extractfile(m).read() for m in archive}
        for name in ("egg", "twin"):
            record = {**json.loads(members["json"]), "name": name}
            with tarfile.open(set_copy / f"objects/{name}.tar", "w") as archive:
                for kind, data in {**members, "json": json.dumps(record).encode()}.items():
                    info = tarfile.TarInfo(f"{name}.{kind}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
        self.write(set_copy, twin="test")
        found = problems_of(set_copy)
        assert list(found) == ["splits.json"] and found["splits.json"].startswith(
            "egg (train) and twin (test)"
        )
        self.write(set_copy, twin="train")
        assert problems_of(set_copy) == {}

    def test_an_object_in_no_split(self, set_copy):
        self.write(set_copy, lens=None)
        assert problems_of(set_copy) == {
            "splits.json": "lens is in none of train, validation, test"
        }

    def test_a_split_of_nothing(self, set_copy):
        self.write(set_copy, ghost="train")
        assert "ghost" in problems_of(set_copy)["splits.json"]

    def test_of_a_damaged_object_only_the_file_is_reported(self, set_copy):
        (set_copy / "objects/egg.tar").write_bytes(b"")
        assert list(problems_of(set_copy)) == ["objects/egg.tar"]

    @pytest.mark.parametrize("name", ["splits.json", "dataset.json"])
    def test_missing_or_cut_short(self, set_copy, name):
        (set_copy / name).write_text("{")
        assert list(problems_of(set_copy)) == [name]
        (set_copy / name).unlink()
        assert list(problems_of(set_copy)) == [name]
