"""A whole set passes; each way of damaging one is told of, with the file."""

import io
import json
import tarfile

import numpy as np
import pytest
from maquette.core.dataset.validation import validate_dataset
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end


def told(folder):
    """Problems as {path within the set: text}."""
    problems = run_to_end(validate_dataset(folder))
    result = {problem.path.relative_to(folder).as_posix(): problem.what for problem in problems}
    assert len(result) == len(problems)
    return result


def rewritten(path, change):
    """Write the tar at ``path`` again with ``change(members)`` done to its dict of bytes by kind."""
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


def changed_record(path, change):
    def of(members):
        record = json.loads(members["json"])
        change(record)
        members["json"] = json.dumps(record).encode()

    rewritten(path, of)


def changed_arrays(path, kind, change):
    def of(members):
        with np.load(io.BytesIO(members[kind])) as data:
            arrays = dict(data)
        change(arrays)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        members[kind] = buffer.getvalue()

    rewritten(path, of)


def test_a_whole_set_is_good(ellipsoids):
    assert told(ellipsoids) == {}


def test_no_set(tmp_path):
    with pytest.raises(DatasetError, match="contains no training set"):
        run_to_end(validate_dataset(tmp_path))


@pytest.mark.parametrize("left", [0, 700, 10_000, -512, -1])
def test_a_truncated_tar(own, left):
    path = own / "objects/egg.tar"
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    assert list(told(own)) == ["objects/egg.tar"]


@pytest.mark.parametrize("kind", ["json", "shape.npz", "001.png", "004.npz"])
def test_a_missing_member(own, kind):
    rewritten(own / "objects/egg.tar", lambda members: members.pop(kind))
    found = told(own)
    assert list(found) == ["objects/egg.tar"] and kind in found["objects/egg.tar"]


def test_surroundings_are_there_if_they_were_drawn(own):
    def drawn(record):
        record["views"][1]["drawn"] = {"background": {"kind": "plain", "colour": [1, 2, 3]}}

    path = own / "objects/egg.tar"
    rewritten(path, lambda members: members.update({"001.surroundings.png": members["001.png"]}))
    assert "does not tell of" in told(own)["objects/egg.tar"]
    changed_record(path, drawn)
    assert told(own) == {}
    rewritten(
        path, lambda members: members.update({"001.surroundings.png": members["001.png"][:99]})
    )
    assert "001.surroundings.png is damaged" in told(own)["objects/egg.tar"]
    rewritten(path, lambda members: members.pop("001.surroundings.png"))
    assert "lacks egg.001.surroundings.png" in told(own)["objects/egg.tar"]


def test_a_member_too_many(own):
    rewritten(own / "objects/egg.tar", lambda members: members.update({"005.png": b""}))
    assert "does not tell of" in told(own)["objects/egg.tar"]


@pytest.mark.parametrize("kind", ["shape.npz", "001.png", "004.npz"])
def test_a_member_cut_short(own, kind):
    rewritten(own / "objects/egg.tar", lambda members: members.update({kind: members[kind][:-200]}))
    assert list(told(own)) == ["objects/egg.tar"]


@pytest.mark.parametrize("kind", ["shape.npz", "001.png", "004.npz"])
def test_a_flipped_bit(own, kind):
    def flip(members):
        data = bytearray(members[kind])
        data[len(data) // 2] ^= 16
        members[kind] = bytes(data)

    rewritten(own / "objects/egg.tar", flip)
    assert list(told(own)) == ["objects/egg.tar"]


def test_no_wrong_byte_is_a_surprise(own):
    """Each is told of or, in a time stamp or in what only fills up, harmless: nothing else is raised."""
    from maquette.core.dataset.index import ObjectLocation
    from maquette.core.dataset.validation import check_object

    path, rng, found = own / "objects/egg.tar", np.random.default_rng(0), 0
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


def test_a_rotation_that_is_none(own):
    def stretch(record):
        record["views"][3]["camera_to_world_opengl"][0][0] *= 1.01

    changed_record(own / "objects/egg.tar", stretch)
    assert told(own) == {"objects/egg.tar": "view 3: its rotation is not orthonormal"}


def test_extrinsics_of_two_cameras(own):
    def swap(record):
        record["views"][2]["world_to_camera_opencv"] = record["views"][3]["world_to_camera_opencv"]

    changed_record(own / "objects/egg.tar", swap)
    assert told(own) == {"objects/egg.tar": "view 2: its two extrinsics are not of one camera"}


def test_a_picture_of_another_size(own):
    changed_record(own / "objects/egg.tar", lambda record: record["views"][0].update(width=65))
    assert told(own) == {
        "objects/egg.tar": "view 0, colour: its shape is (64, 64, 4), not (64, 65, 4)"
    }


def test_depth_of_another_kind(own):
    changed_arrays(own / "objects/egg.tar", "000.npz", lambda arrays: None)
    assert told(own) == {}
    double = lambda arrays: arrays.update(depth=arrays["depth"].astype(float))
    changed_arrays(own / "objects/egg.tar", "000.npz", double)
    assert told(own) == {"objects/egg.tar": "view 0, depth: it is float64, not float32"}


def test_depth_that_leads_outside_the_bounds(own):
    changed_arrays(
        own / "objects/egg.tar",
        "002.npz",
        lambda arrays: arrays.update(depth=arrays["depth"] * 0.9),
    )
    assert "view 2, depth: points lie" in told(own)["objects/egg.tar"]


def test_an_array_too_few(own):
    changed_arrays(own / "objects/egg.tar", "shape.npz", lambda arrays: arrays.pop("near_inside"))
    assert told(own)["objects/egg.tar"].startswith("shape.npz: it holds near, surface, ")
    changed_arrays(own / "objects/lens.tar", "001.npz", lambda arrays: arrays.pop("depth"))
    assert "001.npz is damaged" in told(own)["objects/lens.tar"]


@pytest.mark.parametrize(
    "record", [[], 3, {"version": 1}, {"version": 2}, {"version": 1, "views": 3}]
)
def test_a_record_of_another_form(own, record):
    rewritten(
        own / "objects/egg.tar", lambda members: members.update(json=json.dumps(record).encode())
    )
    assert list(told(own)) == ["objects/egg.tar"]


def test_normals_that_are_too_long(own):
    twice = lambda arrays: arrays.update(normal=arrays["normal"] * 2)
    changed_arrays(own / "objects/egg.tar", "002.npz", twice)
    assert told(own) == {"objects/egg.tar": "view 2, normal: not all are of unit length"}


def test_an_object_under_a_wrong_name(own):
    changed_record(own / "objects/egg.tar", lambda record: record.update(name="lens"))
    assert told(own) == {"objects/egg.tar": "its record is that of lens"}


class TestSplits:
    def write(self, folder, **changes):
        path = folder / "splits.json"
        assigned = {**json.loads(path.read_text()), **changes}
        path.write_text(json.dumps({name: split for name, split in assigned.items() if split}))

    def test_a_leak(self, own):
        path = own / "objects/twin.tar"
        (own / "objects/egg.tar").rename(path)
        with tarfile.open(path) as archive:
            members = {m.name.partition(".")[2]: archive.extractfile(m).read() for m in archive}
        for name in ("egg", "twin"):
            record = {**json.loads(members["json"]), "name": name}
            with tarfile.open(own / f"objects/{name}.tar", "w") as archive:
                for kind, data in {**members, "json": json.dumps(record).encode()}.items():
                    info = tarfile.TarInfo(f"{name}.{kind}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
        self.write(own, twin="test")
        found = told(own)
        assert list(found) == ["splits.json"] and found["splits.json"].startswith(
            "egg (train) and twin (test)"
        )
        self.write(own, twin="train")
        assert told(own) == {}

    def test_an_object_in_no_split(self, own):
        self.write(own, lens=None)
        assert told(own) == {"splits.json": "lens is in none of train, validation, test"}

    def test_a_split_of_nothing(self, own):
        self.write(own, ghost="train")
        assert "ghost" in told(own)["splits.json"]

    def test_of_a_damaged_object_only_the_file_is_told(self, own):
        (own / "objects/egg.tar").write_bytes(b"")
        assert list(told(own)) == ["objects/egg.tar"]

    @pytest.mark.parametrize("name", ["splits.json", "dataset.json"])
    def test_missing_or_cut_short(self, own, name):
        (own / name).write_text("{")
        assert list(told(own)) == [name]
        (own / name).unlink()
        assert list(told(own)) == [name]
