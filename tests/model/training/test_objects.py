"""What training has in memory: the same from shards, to the bit, and from the compact form but for its rounding."""

import shutil

import numpy as np
import pytest
import torch
from maquette.core.dataset.conversion import copy_compact
from maquette.core.dataset.index import find
from maquette.core.dataset.shards import pack
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end
from maquette.core.model.evaluation.evaluate import some_places
from maquette.core.model.inference.preprocessing import despeckled
from maquette.core.model.training.batches import draw_batch, place
from maquette.core.model.training.objects import load_split
from PIL import Image, ImageFilter


@pytest.fixture(scope="module")
def packed(dataset, tmp_path_factory):
    folder = shutil.copytree(dataset, tmp_path_factory.mktemp("packed") / "set")
    assert len(run_to_end(pack(folder, 1_000_000))) > 5
    shutil.rmtree(folder / "objects")
    return folder


@pytest.fixture(scope="module")
def small(dataset, tmp_path_factory):
    folder = shutil.copytree(dataset, tmp_path_factory.mktemp("native") / "set")
    (folder / "dataset.json").write_text('{"version": 1}')
    target = folder.with_name("small")
    run_to_end(copy_compact(folder, target))
    run_to_end(pack(target, 2**26))
    shutil.rmtree(target / "objects")
    return target


def test_objects_hold_what_their_files_do(dataset):
    thing = load_split([dataset], "train")[3]
    file = find(dataset).all["e03"].open()
    size, centre = np.ptp(file.record.bounds, axis=0).max(), file.record.bounds.mean(0)
    assert len(thing.colour) == len(file.record.views) == 7
    for index in range(7):
        np.testing.assert_array_equal(thing.colour[index], despeckled(file.colour(index)))
    np.testing.assert_array_equal(thing.near, ((file.shape().near - centre) / size).astype(np.float32))


def test_packed_sets_train_to_the_bit_as_others(dataset, packed):
    sets = [load_split([folder], "train") for folder in (dataset, packed)]
    for step in range(6):
        one, other = (draw_batch(objects, 0, step) for objects in sets)
        for name, value in vars(one).items():
            assert torch.equal(value, getattr(other, name)), name


def test_packed_sets_are_judged_by_the_same_objects(dataset, packed):
    names = [[place.name for place in some_places([folder], "train", 5)] for folder in (dataset, packed)]
    assert names[0] == names[1] and len(names[0]) == 5


def test_compact_sets_give_the_same_but_for_rounding(dataset, small):
    for thing, less in zip(load_split([dataset], "train"), load_split([small], "train"), strict=True):
        np.testing.assert_array_equal(thing.near_inside, less.near_inside)
        assert np.abs(thing.near - less.near[:]).max() < 3e-5 > np.abs(thing.uniform - less.uniform[:]).max()
        assert np.abs(thing.seen - less.seen[:]).max() < 1e-4
        assert np.abs(thing.seen_colour.astype(int) - less.seen_colour).mean() < 2
        np.testing.assert_array_equal(thing.frames, less.frames)
        one, other = (place(each, 4, False, np.random.default_rng(0), vary=False) for each in (thing, less))
        np.testing.assert_array_equal(one.pictures[:, 3], other.pictures[:, 3])
        np.testing.assert_array_equal(one.cameras, other.cameras)
        assert less.near.steps.nbytes == thing.near.nbytes // 2


def test_objects_that_are_in_no_shard_are_named(packed, tmp_path):
    folder = shutil.copytree(packed, tmp_path / "set")
    next((folder / "shards").glob("train-*.tar")).unlink()
    with pytest.raises(DatasetError, match="in no shard"):
        load_split([folder], "train")


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (40, 31)])
def test_despeckling_is_the_median_that_pillow_takes_within_the_object(size):
    colour = np.random.default_rng(0).integers(0, 256, (*size, 4)).astype(np.uint8)
    median = np.asarray(Image.fromarray(colour[..., :3].copy()).filter(ImageFilter.MedianFilter(3)))
    inside = colour[..., 3:] > 250
    np.testing.assert_array_equal(despeckled(colour)[..., :3], np.where(inside, median, colour[..., :3]))
    np.testing.assert_array_equal(despeckled(colour)[..., 3], colour[..., 3])
