"""What training has in memory: equal from shards, and from the compact form but for rounding."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from maquette.core.dataset.conversion import copy_compact
from maquette.core.dataset.index import build_index
from maquette.core.dataset.object_file import write_object
from maquette.core.dataset.shards import pack_shards
from maquette.core.errors import DatasetError
from maquette.core.geometry.occupancy_grid import cell_centers
from maquette.core.jobs.task import run_to_end
from maquette.core.model.evaluation.evaluate import sample_objects
from maquette.core.model.inference.preprocessing import median_filter
from maquette.core.model.training.objects import load_split
from maquette.core.model.training.sampling.batches import sample_batch
from maquette.core.model.training.sampling.placement import ViewQuery, frame_object
from maquette.core.model.training.streaming_dataset import TrainingStream
from PIL import Image, ImageFilter


@pytest.fixture(scope="module")
def packed(dataset, tmp_path_factory):
    folder = shutil.copytree(dataset, tmp_path_factory.mktemp("packed") / "set")
    assert len(run_to_end(pack_shards(folder, 1_000_000))) > 5
    shutil.rmtree(folder / "objects")
    return folder


@pytest.fixture(scope="module")
def small(dataset, tmp_path_factory):
    folder = shutil.copytree(dataset, tmp_path_factory.mktemp("native") / "set")
    (folder / "dataset.json").write_text('{"version": 1}')
    target = folder.with_name("small")
    run_to_end(copy_compact(folder, target))
    run_to_end(pack_shards(target, 2**26))
    shutil.rmtree(target / "objects")
    return target


def test_objects_hold_what_their_files_do(dataset):
    thing = load_split([dataset], "train")[3]
    file = build_index(dataset).by_name["e03"].open_object()
    size, center = np.ptp(file.record.bounds, axis=0).max(), file.record.bounds.mean(0)
    assert len(thing.color) == len(file.record.views) == 7
    for index in range(7):
        np.testing.assert_array_equal(thing.color[index], median_filter(file.read_color(index)))
    np.testing.assert_array_equal(
        thing.near_points, ((file.read_shape().near - center) / size).astype(np.float32)
    )


def test_packed_sets_train_to_the_bit_as_others(dataset, packed):
    sets = [load_split([folder], "train") for folder in (dataset, packed)]
    for step in range(6):
        one, other = (sample_batch(objects, 0, step) for objects in sets)
        for name, value in vars(one).items():
            assert torch.equal(value, getattr(other, name)), name


def test_packed_sets_are_judged_by_the_same_objects(dataset, packed):
    names = [
        [place.name for place in sample_objects([folder], "train", 5)]
        for folder in (dataset, packed)
    ]
    assert names[0] == names[1] and len(names[0]) == 5


def test_compact_sets_give_the_same_but_for_rounding(dataset, small):
    for thing, less in zip(
        load_split([dataset], "train"), load_split([small], "train"), strict=True
    ):
        np.testing.assert_array_equal(thing.near_inside, less.near_inside)
        assert (
            np.abs(thing.near_points - less.near_points[:]).max()
            < 3e-5
            > np.abs(thing.uniform - less.uniform[:]).max()
        )
        assert np.abs(thing.visible_points - less.visible_points[:]).max() < 1e-4
        assert np.abs(thing.seen_color.astype(int) - less.seen_color).mean() < 2
        np.testing.assert_array_equal(thing.view_frames, less.view_frames)
        one, other = (
            frame_object(each, ViewQuery(4, unposed=False), np.random.default_rng(0))
            for each in (thing, less)
        )
        np.testing.assert_array_equal(one.images[:, 3], other.images[:, 3])
        np.testing.assert_array_equal(one.cameras, other.cameras)
        assert less.near_points.steps.nbytes == thing.near_points.nbytes // 2


def test_objects_that_are_in_no_shard_are_named(packed, tmp_path):
    folder = shutil.copytree(packed, tmp_path / "set")
    next((folder / "shards").glob("train-*.tar")).unlink()
    with pytest.raises(DatasetError, match="in no shard"):
        load_split([folder], "train")


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (40, 31)])
def test_despeckling_is_the_median_that_pillow_takes_within_the_object(size):
    color = np.random.default_rng(0).integers(0, 256, (*size, 4)).astype(np.uint8)
    median = np.asarray(Image.fromarray(color[..., :3].copy()).filter(ImageFilter.MedianFilter(3)))
    inside = color[..., 3:] > 250
    np.testing.assert_array_equal(
        median_filter(color)[..., :3], np.where(inside, median, color[..., :3])
    )
    np.testing.assert_array_equal(median_filter(color)[..., 3], color[..., 3])


@pytest.fixture(scope="module")
def relightable(dataset, tmp_path_factory):
    """The set with an albedo, an occlusion and a grid, in the full and in the compact form."""
    whole = shutil.copytree(dataset, tmp_path_factory.mktemp("relightable") / "whole")
    (whole / "dataset.json").write_text('{"version": 1}')
    for found in build_index(dataset).by_name.values():
        file = found.open_object()
        views = [file.read_view(index) for index in range(len(file.record.views))]
        views = [
            replace(view, albedo=view.colour[..., :3], occlusion=view.colour[..., 3] // 2)
            for view in views
        ]
        low, high = file.record.bounds
        grid = (np.abs(cell_centers(file.record.bounds) - low) < (high - low) / 2).all(
            -1
        )  # an octant of the box
        write_object(whole, file.record, replace(file.read_shape(), grid=grid), views)
    run_to_end(copy_compact(whole, whole.with_name("compact")))
    return whole, whole.with_name("compact")


def test_surfaces_and_the_grid_are_read_when_they_are_asked_for(dataset, relightable):
    plain, whole, compact = (load_split([folder], "train")[3] for folder in (dataset, *relightable))
    assert plain.surfaces is None and plain.grid() is None
    file = build_index(relightable[0]).by_name["e03"].open_object()
    assert len(whole.surfaces) == len(compact.surfaces) == 7
    for index in (0, 6):
        view, one, other = file.read_view(index), whole.surfaces[index], compact.surfaces[index]
        for name in ("albedo", "occlusion", "normal"):
            np.testing.assert_array_equal(getattr(one, name), getattr(view, name))
        np.testing.assert_array_equal(other.occlusion, view.occlusion)
        on = view.depth > 0
        assert (other.normal[on].astype(float) * view.normal[on]).sum(1).min() > 0.999
        assert np.abs(other.albedo[on].astype(int) - view.albedo[on]).mean() < 5
    np.testing.assert_array_equal(whole.grid(), file.read_shape().grid)
    np.testing.assert_array_equal(compact.grid(), whole.grid())
    inside = (np.indices((96, 96, 96)) + 0.5) / 96 * 1.02 - 0.51  # the object's own frame
    low = -whole.half_extent[:, None, None, None]
    np.testing.assert_array_equal(whole.grid(), (np.abs(inside - low) < -low).all(0))


def test_the_stream_has_them_as_tensors(dataset, relightable):
    (plain, *_), (item, *_) = (
        list(TrainingStream(folder, shuffle=False)) for folder in (dataset, relightable[1])
    )
    assert not plain.keys() & {"albedo", "occlusion", "grid"}
    assert (
        item["albedo"].shape == item["colour"][:, :3].shape
        and item["occlusion"].shape == item["depth"].shape
    )
    assert item["grid"].shape == (96, 96, 96) and item["grid"].dtype == torch.bool
