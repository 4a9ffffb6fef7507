"""Samples and batches: labels agree with images and cameras, and depend on seed and step alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from maquette.core.errors import DatasetError
from maquette.core.model.training.objects import load_split
from maquette.core.model.training.sampling.augmentation import AugmentationConfig
from maquette.core.model.training.sampling.batches import (
    SamplingConfig,
    sample_batch,
    sample_object,
)
from maquette.core.model.training.sampling.placement import ViewQuery, frame_object

from ...conftest import write_set


def inside_by_images(images, cameras, points):
    """Return whether each point projects onto the mask of every view, as points inside must."""
    homogeneous = np.c_[points, np.ones(len(points))]
    result = np.ones(len(points), bool)
    for image, camera in zip(images, cameras, strict=True):
        projected = homogeneous @ camera[:3].T
        i, j = ((projected[:, :2] / projected[:, 2:] + 1) * 64).astype(int).clip(0, 127).T
        result &= image[3, j, i] > 0.5
    return result


@pytest.mark.parametrize(("count", "unposed"), [(1, False), (4, False), (1, True), (2, True)])
@pytest.mark.parametrize("augmentation", [None, AugmentationConfig()], ids=["plain", "augmented"])
def test_samples_agree_with_their_images(dataset, count, unposed, augmentation):
    """Points project onto masks, also after mirroring, rotation and stretching."""
    objects = load_split([dataset], "train")
    for seed, training_object in enumerate(objects):
        sample = sample_object(
            training_object,
            ViewQuery(count, unposed),
            np.random.default_rng(seed),
            augmentation=augmentation,
        )
        images, cameras, points, inside, _, _, visible, up_direction = sample
        for view, view_points in enumerate(visible):
            one_view = slice(view, view + 1)
            on_mask = inside_by_images(images[one_view], cameras[one_view], view_points)
            assert on_mask.mean() > 0.8  # the cameras vary by a pixel
        on_mask = inside_by_images(images, cameras, points)
        assert on_mask.mean() > 0.85 and on_mask[inside > 0].mean() > 0.88
        assert (np.abs(points) <= 0.55).all() and inside.mean() > 0.05
        assert np.linalg.norm(up_direction) == pytest.approx(float(unposed), abs=1e-5)


def test_up_of_a_view_from_above_leans_towards_the_viewer(dataset):
    training_object = load_split([dataset], "train")[0]
    query = ViewQuery(1, unposed=True)
    sample = sample_object(training_object, query, np.random.default_rng(0), augmentation=None)
    elevation = np.arctan(0.4)
    expected = (0, -np.sin(elevation), np.cos(elevation))
    np.testing.assert_allclose(sample.up_direction, expected, atol=1e-5)


def test_batches_depend_on_seed_and_step_alone(dataset):
    objects = load_split([dataset], "train")
    first, again, next_step = (sample_batch(objects, 0, step) for step in (5, 5, 6))
    torch.testing.assert_close(first.points, again.points, rtol=0, atol=0)
    assert first.points.shape != next_step.points.shape or not torch.equal(
        first.points, next_step.points
    )


def test_the_augmentation_of_the_configuration_is_used(dataset):
    """Without any odds and errors but shift and scale, images stay as they are."""
    objects = load_split([dataset], "train")
    values = dict.fromkeys(vars(AugmentationConfig()), 0.0)
    still = replace(AugmentationConfig(**values), smallest_frame_scale=1.0)
    plain = sample_batch(objects, 0, 0, augmentation=None)
    unchanged = sample_batch(objects, 0, 0, augmentation=still)
    varied = sample_batch(objects, 0, 0)
    assert plain.images.shape == unchanged.images.shape == varied.images.shape
    assert (varied.images - plain.images).abs().mean() > 0.01
    # The first image: later objects are drawn after another number of random numbers.
    torch.testing.assert_close(unchanged.images[0], plain.images[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"view_counts": (1,)}, "differ in length"),
        ({"view_count_shares": (0.5, 0.1, 0.1, 0.1)}, "add up to 1"),
        ({"points": 0}, "must be 1 or more"),
    ],
)
def test_impossible_sampling_is_refused(values, message):
    with pytest.raises(DatasetError, match=message):
        SamplingConfig(**values)


@pytest.mark.parametrize(("count", "unposed"), [(1, False), (4, False), (1, True), (2, True)])
def test_images_of_another_size_are_seen_as_use_shows_them(dataset, tmp_path, count, unposed):
    """Samples of the same objects at twice the size are nearly equal, and fit into one batch."""
    large = load_split([write_set(tmp_path / "large", size=256)], "train")
    small = load_split([dataset], "train")
    query = ViewQuery(count, unposed)
    for small_object, large_object in zip(small, large, strict=True):
        framed, again = (
            frame_object(training_object, query, np.random.default_rng(0))
            for training_object in (small_object, large_object)
        )
        assert again.images.shape == framed.images.shape == (count, 4, 128, 128)
        assert np.abs(again.images - framed.images).mean() < 0.02
        np.testing.assert_allclose(again.cameras, framed.cameras, atol=0.1)
    steps = range(4)
    assert {sample_batch(small + large, 0, step).images.shape[-1] for step in steps} == {128}


def test_posed_and_unposed_images_share_a_batch(dataset):
    """What is normalized over a batch is so over both kinds, as it will be in use."""
    batch = sample_batch(
        load_split([dataset], "train"),
        0,
        0,
        SamplingConfig(points=64, color_points=1, batch_size=32),
    )
    perspective, tilted = batch.cameras[:, 0, 4, 3], batch.up_direction.norm(dim=1)
    torch.testing.assert_close(perspective, tilted, atol=1e-5, rtol=0)
    assert 0.2 < perspective.mean() < 0.9
