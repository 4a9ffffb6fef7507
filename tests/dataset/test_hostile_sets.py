"""Sets of strangers: every reader refuses them in words, and none leaves its folder."""

import io
import json
import os
import shutil
import tarfile
import zipfile

import numpy as np
import pytest
from maquette.core.dataset import exporters
from maquette.core.dataset.conversion import copy_compact
from maquette.core.dataset.exporters.selection import select_objects
from maquette.core.dataset.index import build_index, training_locations
from maquette.core.dataset.shards import objects_in_shard, pack_shards
from maquette.core.dataset.summary import summarize_dataset
from maquette.core.dataset.validation import validate_dataset
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end
from PIL import Image

EGG = "objects/egg.tar"


def read_members(path):
    with tarfile.open(path) as archive:
        return [(member.name, archive.extractfile(member).read()) for member in archive]


def write_members(path, members):
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def record(**changes):
    """Return a change of the record of an object."""

    def change(folder):
        (name, data), *others = read_members(folder / EGG)
        changed = json.dumps({**json.loads(data), **changes}).encode()
        write_members(folder / EGG, [(name, changed), *others])

    return change


def member(kind, data):
    """Return a change of one member of an object."""

    def change(folder):
        name = f"egg.{kind}"
        members = [(key, data if key == name else old) for key, old in read_members(folder / EGG)]
        write_members(folder / EGG, members)

    return change


def link(folder):
    (name, _), *others = read_members(folder / EGG)
    info = tarfile.TarInfo(name)
    info.type = tarfile.SYMTYPE
    info.linkname = "/etc/hostname"
    write_members(folder / EGG, [(info, b""), *others])


def text(name, content):
    return lambda folder: (folder / name).write_text(content)


def pipe(folder):
    (folder / EGG).unlink()
    os.mkfifo(folder / EGG)


def arrays(**shapes):
    """Return an .npz file whose arrays claim ``shapes``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, shape in shapes.items():
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                header, {"descr": "<f4", "fortran_order": False, "shape": shape}
            )
            archive.writestr(f"{name}.npy", header.getvalue())
    return buffer.getvalue()


def image(size, mode="RGBA"):
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    return buffer.getvalue()


def zeros(**shapes):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: np.zeros(shape) for name, shape in shapes.items()})
    return buffer.getvalue()


# What is wrong with the set, and what every reader says that needs it; those that do not need it
# may read the set.
BAD = {
    "a name that leads up": (record(name="../escaped"), "name is damaged"),
    "an absolute name": (record(name="/tmp/escaped"), "name is damaged"),
    "a name with NUL": (record(name="a\0b"), "name is damaged"),
    "a number as name": (record(name=5), "name is damaged: the name is of the type int"),
    "another object's name": (record(name="lens"), "the record is that of lens"),
    "empty bounds": (record(bounds=[]), "bounds is not 2 x 3 finite numbers"),
    "a family that is no text": (record(family={"a": 1}), "family is a dict"),
    "a link": (link, "is a link, a folder, a device or a sparse file"),
    "a pipe": (pipe, "not a regular file"),
    "an image of another size": (member("004.png", image((1, 1))), r"colour: the shape is \(1, 1"),
    "an image of many pixels": (member("004.png", image((9000, 9000), "1")), "9000 x 9000"),
    "an image of another mode": (member("004.png", image((64, 64), "L")), r"L, not RGBA"),
    "depth of 4 TB": (member("004.npz", arrays(depth=(10**6, 10**6))), "declares the shape"),
    "much depth": (member("004.npz", zeros(depth=2**20)), "8388736 bytes, more than"),
    "points of 4 TB": (member("shape.npz", arrays(uniform=(10**6, 10**6))), "declares the shape"),
    "splits that are a list": (text("splits.json", "[1]"), "no dictionary"),
    "splits within splits": (text("splits.json", '{"a": {"b": 1}}'), "a is in none of"),
    "a split that leads up": (text("splits.json", '{"egg": "../x"}'), "egg is in none of"),
    "an object that leads up": (text("splits.json", '{"../egg": "train"}'), "'../egg' is not"),
}
OF_SPLITS = [
    expected for case, (_, expected) in BAD.items() if "split" in case or "object that" in case
]


def export(name):
    def run(folder, out):
        selection = select_objects(folder)
        run_to_end(exporters.export_selection(selection, out / name, name))

    return run


def read_all(folder, _):
    for location in training_locations([folder]):
        file = location.open_object()
        file.read_shape()
        for index in range(len(file.record.views)):
            file.read_view(index)
            file.read_depth(index)


READERS = {
    **{name: export(name) for name in exporters.FORMATS},
    "compact": lambda folder, out: run_to_end(copy_compact(folder, out / "compact")),
    "pack": lambda folder, _: run_to_end(pack_shards(folder, 2**20)),
    "train": read_all,
}
# Those that do not read images, or points, and can do without
NOT_READ = {
    "pack": {"image", "depth", "points"},
    "coco": {"points"},
    "nerf": {"points"},
}


@pytest.mark.parametrize("case", BAD)
def test_every_reader_refuses_in_words(set_copy, tmp_path, case):
    change, expected = BAD[case]
    change(set_copy)
    for name, read in READERS.items():
        needs = not any(word in case for word in NOT_READ.get(name, ()))
        if needs:
            with pytest.raises(DatasetError, match=expected) as raised:
                read(set_copy, tmp_path / "out")
            assert "\n" not in str(raised.value)
        else:
            read(set_copy, tmp_path / "out")
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
    names = {path.name for path in tmp_path.iterdir()}
    assert names <= {"set_copy", "set"}, names


@pytest.mark.parametrize("case", BAD)
def test_check_and_inspect_report_it_and_go_on(set_copy, case):
    change, expected = BAD[case]
    change(set_copy)
    is_of_splits = expected in OF_SPLITS
    (problem,) = run_to_end(validate_dataset(set_copy))
    assert problem.path == set_copy / ("splits.json" if is_of_splits else EGG)

    # The others are counted and shown.
    summary = run_to_end(summarize_dataset(set_copy, 4))
    labels = {label.split()[0] for label, _ in summary.rows}
    assert labels >= {"lens", "pill", "stone"} and len(summary.longest) >= 3
    assert set(summary.problems) == {"splits.json" if is_of_splits else "egg"}


def test_settings_that_are_cut_are_named(set_copy, tmp_path):
    (set_copy / "dataset.json").write_text('{"a":')
    with pytest.raises(DatasetError, match=r"dataset\.json is damaged"):
        run_to_end(copy_compact(set_copy, tmp_path / "out"))
    (problem,) = run_to_end(validate_dataset(set_copy))
    assert problem.path == set_copy / "dataset.json"


def test_a_file_of_an_object_with_an_unsafe_name_is_reported(set_copy):
    shutil.copy(set_copy / EGG, set_copy / "objects/con.tar")
    index = build_index(set_copy)
    assert list(index.damaged) == [set_copy / "objects/con.tar"] and len(index.files) == 4
    (problem,) = run_to_end(validate_dataset(set_copy))
    assert problem.path.name == "con.tar"


def test_members_of_another_object_are_not_packed(set_copy):
    members = read_members(set_copy / EGG)
    write_members(set_copy / EGG, [*members, ("lens.json", b"{}")])
    with pytest.raises(DatasetError, match=r"contains lens\.json, which is of another object"):
        run_to_end(pack_shards(set_copy, 2**20))


def test_shards_behind_a_link_are_left_alone(set_copy, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.tar").write_bytes(b"mine")
    (set_copy / "shards").symlink_to(other)
    with pytest.raises(DatasetError, match="is a link to another folder"):
        run_to_end(pack_shards(set_copy, 2**20))
    assert [path.name for path in other.iterdir()] == ["mine.tar"]


def test_a_packed_set_without_files_is_not_packed_again(set_copy):
    run_to_end(pack_shards(set_copy, 2**20))
    shutil.rmtree(set_copy / "objects")
    with pytest.raises(DatasetError, match=r"egg\.tar|lens\.tar|pill\.tar|stone\.tar"):
        run_to_end(pack_shards(set_copy, 2**20))


@pytest.mark.parametrize("name", ["../egg.json", "nul.json", "lens.000.png\0"])
def test_a_shard_with_an_unsafe_name_is_refused(set_copy, name):
    run_to_end(pack_shards(set_copy, 2**24))
    shutil.rmtree(set_copy / "objects")
    shard = set_copy / "shards/train-000000.tar"
    members = read_members(shard)
    write_members(shard, [*members, (name.rstrip("\0"), b"{}")])
    if name.endswith("\0"):  # a member twice is damage, but of the object alone
        assert run_to_end(validate_dataset(set_copy))
        return
    for read in (lambda: list(objects_in_shard(shard)), lambda: training_locations([set_copy])):
        with pytest.raises(DatasetError, match=r"is not a complete training set file: the name"):
            read()
    assert shard in build_index(set_copy).damaged


def test_a_shard_of_zeros_that_is_compressed_is_refused(set_copy):
    import gzip

    run_to_end(pack_shards(set_copy, 2**24))
    shard = set_copy / "shards/train-000000.tar"
    shard.write_bytes(gzip.compress(bytes(2**22)))
    with pytest.raises(DatasetError, match="is not a complete training set file"):
        list(objects_in_shard(shard))
    assert shard in build_index(set_copy).damaged
    with pytest.raises(DatasetError, match=r"train-000000\.tar cannot be copied"):
        run_to_end(copy_compact(set_copy, set_copy / "compact"))
