"""Packed sets are checked, inspected and exported like those with a file for each object."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from maquette.core.dataset import exporters
from maquette.core.dataset import index as dataset_index
from maquette.core.dataset.exporters.selection import select_objects
from maquette.core.dataset.index import ObjectLocation
from maquette.core.dataset.object_file import ObjectFile, write_object
from maquette.core.dataset.shards import pack_shards
from maquette.core.dataset.summary import format_summary, summarize_dataset
from maquette.core.dataset.validation import validate_dataset
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end

TRAIN = "shards/train-000000.tar"
PACKING = "shards/splits.json"


def size_of_two(folder):
    """Bytes in which two of the objects of ``folder`` fit, but no three."""
    return 5 * max(path.stat().st_size for path in (folder / "objects").glob("*.tar")) // 2


@pytest.fixture(params=["shards alone", "shards and files"])
def packed(set_copy, request):
    """A packed set: egg and lens in one shard, pill and stone in one each."""
    run_to_end(pack_shards(set_copy, size_of_two(set_copy)))
    if request.param == "shards alone":
        shutil.rmtree(set_copy / "objects")
    return set_copy


def problems_of(folder):
    """Problems as {path within the set: text}."""
    return {
        problem.path.relative_to(folder).as_posix(): problem.what
        for problem in run_to_end(validate_dataset(folder))
    }


def change_splits(folder, name, **changes):
    splits = json.loads((folder / name).read_text())
    (folder / name).write_text(
        json.dumps({key: split for key, split in {**splits, **changes}.items() if split})
    )


def test_each_object_is_the_same_wherever_it_lies(ellipsoids, set_copy):
    run_to_end(pack_shards(set_copy, size_of_two(set_copy)))
    found = dataset_index.build_index(set_copy)
    assert (
        list(found.by_name) == list(found.files) == ["egg", "lens", "pill", "stone"]
        and not found.damaged
    )
    for name, (place,) in found.packed.items():
        assert (
            place.name == name
            and place.path == set_copy / "shards" / place.file.name / f"{name}.tar"
        )
        assert found.by_name[name] == ObjectLocation(set_copy / f"objects/{name}.tar")
        assert place.open_object().parts == ObjectFile(ellipsoids / f"objects/{name}.tar").parts
        assert (
            place.read_record().name == name
            and place.read_record().bounds.tolist() == place.open_object().record.bounds.tolist()
        )


def test_a_copy_of_what_another_set_judges_by_is_not_trained_on(set_copy, tmp_path):
    other = shutil.copytree(set_copy, tmp_path / "other")
    change_splits(
        set_copy, "splits.json", egg="train", lens="train", pill="test", stone="validation"
    )
    change_splits(other, "splits.json", egg="validation", lens="train", pill="train", stone="test")

    def names(*folders):
        return [
            (place.file.parent.parent, place.name)
            for place in dataset_index.training_locations(folders)
        ]

    assert names(set_copy) == [(set_copy, "egg"), (set_copy, "lens")]
    assert names(set_copy, other) == [(set_copy, "lens"), (other, "lens")]


@pytest.mark.parametrize("split, other", [("train", "validation"), ("validation", "train")])
def test_a_split_without_objects_gets_a_tenth_of_the_other_one(set_copy, split, other):
    change_splits(set_copy, "splits.json", egg=split, lens=split, pill=split, stone="test")

    def names(wanted):
        return [place.name for place in dataset_index.split_locations([set_copy], wanted)]

    assert names("test") == ["stone"]
    assert len(names("validation")) == 1 and len(names("train")) == 2
    assert sorted(names("train") + names("validation")) == ["egg", "lens", "pill"]
    change_splits(set_copy, "splits.json", egg=other)
    assert names(other) == ["egg"] and names(split) == ["lens", "pill"]


def test_copies_of_one_shape_are_too_few_to_lend_one(set_copy, tmp_path):
    change_splits(set_copy, "splits.json", egg="train", lens="", pill="", stone="")
    twin = shutil.copytree(set_copy, tmp_path / "twin")
    for split in ("train", "validation"):
        with pytest.raises(DatasetError, match="has 1 object to train on"):
            dataset_index.split_locations([set_copy, twin], split)


def test_a_packed_set_is_good_and_counted(ellipsoids, packed):
    assert problems_of(packed) == {}
    plain, found = (
        run_to_end(summarize_dataset(ellipsoids, 2)),
        run_to_end(summarize_dataset(packed, 2)),
    )
    assert (
        format_summary(found).partition("skipped")[0]
        == format_summary(plain).partition("skipped")[0]
    )
    for (label, pictures), (expected, as_before) in zip(found.rows, plain.rows, strict=True):
        assert label == expected and all(
            (a == b).all() for a, b in zip(pictures, as_before, strict=True)
        )


@pytest.mark.parametrize("name", exporters.FORMATS)
def test_exports_are_those_of_the_set_before(ellipsoids, packed, tmp_path, name):
    outs = []
    for folder in (ellipsoids, packed):
        outs.append(tmp_path / folder.name / "out")
        run_to_end(exporters.export_selection(select_objects(folder), outs[-1], name))
    files = [
        {path.relative_to(out): path for path in out.rglob("*") if path.is_file()} for out in outs
    ]
    assert set(files[0]) == set(files[1]) and len(files[0]) > 12
    for path, first in files[0].items():
        one, other = first.read_bytes(), files[1][path].read_bytes()
        assert (
            one == other or one.replace(b"ellipsoids", b"set_copy") == other
        )  # COCO's description


def test_a_damaged_object_of_a_shard_is_named(packed, tmp_path):
    shard = packed / TRAIN
    data = bytearray(shard.read_bytes())
    (place,) = dataset_index.build_index(packed).packed["lens"]
    data[place.start + 512 + data[place.start + 512 :].index(b"IDAT") + 99] ^= 16
    shard.write_bytes(data)
    found = problems_of(packed)
    assert (
        list(found) == [f"{TRAIN}/lens.tar"] and "000.png is damaged" in found[f"{TRAIN}/lens.tar"]
    )
    if not (packed / "objects").exists():
        assert "lens" in run_to_end(summarize_dataset(packed, 0)).problems
        with pytest.raises(DatasetError, match=r"train-000000\.tar/lens\.tar: 000\.png is damaged"):
            run_to_end(
                exporters.export_selection(
                    select_objects(packed, "train"), tmp_path / "out", "coco"
                )
            )


@pytest.mark.parametrize("left", [0, 0.3, 0.5, 0.99])
def test_a_shard_cut_short_is_named(packed, left):
    shard = packed / TRAIN
    shard.write_bytes(shard.read_bytes()[: int(left * shard.stat().st_size)])
    found = problems_of(packed)
    assert "not a complete training set file" in found.pop(
        TRAIN
    ) and "2 objects are in no shard" in found.pop(PACKING)
    assert found == {}
    assert "train-000000.tar" in run_to_end(summarize_dataset(packed, 0)).problems
    if not (packed / "objects").exists():
        with pytest.raises(
            DatasetError,
            match=r"egg is listed in a split "
            r".*train-000000\.tar is not a complete training set file",
        ):
            select_objects(packed)


def test_a_damaged_header_does_not_hide_what_follows(packed):
    (place,) = dataset_index.build_index(packed).packed["lens"]
    data = bytearray((packed / TRAIN).read_bytes())
    data[place.start + 150] ^= 1  # of its checksum
    (packed / TRAIN).write_bytes(data)
    assert "there is damage" in problems_of(packed)[TRAIN]


def test_a_missing_shard_is_reported(packed):
    (packed / TRAIN).unlink()
    assert "2 objects are in no shard that can be read: egg, lens" in problems_of(packed)[PACKING]


def test_what_has_changed_since_it_was_packed_is_reported(set_copy):
    run_to_end(pack_shards(set_copy, size_of_two(set_copy)))
    file = ObjectFile(set_copy / "objects/egg.tar")
    views = [file.read_view(index) for index in range(5)]
    write_object(
        set_copy,
        file.record,
        file.read_shape(),
        [replace(views[0], colour=views[0].colour // 2 * 2), *views[1:]],
    )
    found = problems_of(set_copy)
    assert list(found) == [f"{TRAIN}/egg.tar"] and "differs from" in found[f"{TRAIN}/egg.tar"]
    assert "pack again" in found[f"{TRAIN}/egg.tar"]
    run_to_end(pack_shards(set_copy, size_of_two(set_copy)))
    assert problems_of(set_copy) == {}


def test_other_splits_than_those_packed_are_reported(packed):
    change_splits(packed, "splits.json", egg="test")
    assert problems_of(packed) == {
        PACKING: "the set has changed since it was packed (egg): run maquette dataset pack again"
    }
    change_splits(packed, PACKING, egg="test")
    assert "or in one of another split" in problems_of(packed)[PACKING]


def test_an_unfinished_packing_is_reported(packed):
    (packed / PACKING).write_text("{}")
    assert "not written to the end" in problems_of(packed)[PACKING]


def test_an_object_in_two_shards_is_reported(packed):
    shutil.copy(packed / TRAIN, packed / "shards/train-000001.tar")
    assert "in several shards" in problems_of(packed)[PACKING]


def test_no_wrong_byte_of_a_shard_is_a_surprise(set_copy):
    """Each is reported or harmless: nothing is raised."""
    run_to_end(pack_shards(set_copy, size_of_two(set_copy)))
    shutil.rmtree(set_copy / "objects")
    rng, shard, found = np.random.default_rng(0), set_copy / TRAIN, 0
    whole = shard.read_bytes()
    for place in rng.integers(0, len(whole) - 10_240, 15):
        data = bytearray(whole)
        data[place] = rng.integers(256)
        shard.write_bytes(data)
        found += bool(problems_of(set_copy))
    assert found > 9
