"""What training has in memory: the same from shards, to the bit, and from the compact form but for its rounding."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from maquette.core.dataset.conversion import copy_compact
from maquette.core.dataset.index import find
from maquette.core.dataset.records import write_object
from maquette.core.dataset.shards import pack
from maquette.core.errors import DatasetError
from maquette.core.geometry.occupancy_grid import cell_centers
from maquette.core.jobs.task import run_to_end
from maquette.core.model.evaluation.evaluate import some_places
from maquette.core.model.inference.preprocessing import despeckled
from maquette.core.model.training.batches import draw_batch, place
from maquette.core.model.training.objects import load_split
from maquette.core.model.training.streaming_dataset import TrainingStream
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


@pytest.fixture(scope="module")
def relightable(dataset, tmp_path_factory):
    """The set with an albedo, an occlusion and a grid, in the full and in the compact form."""
    whole = shutil.copytree(dataset, tmp_path_factory.mktemp("relightable") / "whole")
    (whole / "dataset.json").write_text('{"version": 1}')
    for found in find(dataset).all.values():
        file = found.open()
        views = [file.view(index) for index in range(len(file.record.views))]
        views = [replace(view, albedo=view.colour[..., :3], occlusion=view.colour[..., 3] // 2) for view in views]
        low, high = file.record.bounds
        grid = (np.abs(cell_centers(file.record.bounds) - low) < (high - low) / 2).all(-1)  # an octant of the box
        write_object(whole, file.record, replace(file.shape(), grid=grid), views)
    run_to_end(copy_compact(whole, whole.with_name("compact")))
    return whole, whole.with_name("compact")


def test_surfaces_and_the_grid_are_read_when_they_are_asked_for(dataset, relightable):
    plain, whole, compact = (load_split([folder], "train")[3] for folder in (dataset, *relightable))
    assert plain.surfaces is None and plain.grid() is None
    file = find(relightable[0]).all["e03"].open()
    assert len(whole.surfaces) == len(compact.surfaces) == 7
    for index in (0, 6):
        view, one, other = file.view(index), whole.surfaces[index], compact.surfaces[index]
        for name in ("albedo", "occlusion", "normal"):
            np.testing.assert_array_equal(getattr(one, name), getattr(view, name))
        np.testing.assert_array_equal(other.occlusion, view.occlusion)
        on = view.depth > 0
        assert (other.normal[on].astype(float) * view.normal[on]).sum(1).min() > 0.999
        assert np.abs(other.albedo[on].astype(int) - view.albedo[on]).mean() < 5
    np.testing.assert_array_equal(whole.grid(), file.shape().grid)
    np.testing.assert_array_equal(compact.grid(), whole.grid())
    inside = (np.indices((96, 96, 96)) + 0.5) / 96 * 1.02 - 0.51  # the object's own frame
    low = -whole.half[:, None, None, None]
    np.testing.assert_array_equal(whole.grid(), (np.abs(inside - low) < -low).all(0))


def test_the_stream_has_them_as_tensors(dataset, relightable):
    (plain, *_), (item, *_) = (list(TrainingStream(folder, shuffle=False)) for folder in (dataset, relightable[1]))
    assert not plain.keys() & {"albedo", "occlusion", "grid"}
    assert item["albedo"].shape == item["colour"][:, :3].shape and item["occlusion"].shape == item["depth"].shape
    assert item["grid"].shape == (96, 96, 96) and item["grid"].dtype == torch.bool
