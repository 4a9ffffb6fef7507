"""Batches of the dense network depend on seed and step alone, and on nothing that draws ahead."""

from dataclasses import fields, replace
from itertools import islice

import numpy as np
import pytest
import torch
from maquette.core.model.training.dense.batches import (
    BatchSource,
    SamplingConfig,
    batches_from,
    draw_view_choice,
)
from maquette.core.model.training.dense.images import AugmentationConfig

CPU = torch.device("cpu")


@pytest.fixture
def source(ellipsoids):
    return BatchSource(
        ellipsoids,
        ["kind0", "kind1"],
        sampling=SamplingConfig(objects=2, views=2, side=64),
        augmentation=AugmentationConfig(clean_steps=2),
    )


def same(one, two):
    return all(
        torch.equal(getattr(one, part.name).nan_to_num(9), getattr(two, part.name).nan_to_num(9))
        for part in fields(one)
    )


def test_a_batch_is_the_same_whenever_it_is_drawn(source):
    assert same(source.batch(3), source.batch(3))
    assert not same(source.batch(3), source.batch(4))
    assert not same(source.batch(3), replace(source, seed=1).batch(3))


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_drawn_ahead_is_what_is_drawn_at_its_step(source, workers):
    sampling = replace(source.sampling, workers=workers)
    ahead = batches_from(replace(source, sampling=sampling), 1, CPU)
    for step, batch in zip((1, 2, 3), islice(ahead, 3), strict=True):
        assert same(batch, source.batch(step))
    ahead.close()


def test_the_first_steps_are_clean(source):
    images = source.batch(0).image
    gray = (images[:, :3].std(1) < 1e-3).flatten(1).float().mean(1)
    masked = (images[:, 3] > 0.99).flatten(1).float().mean(1)
    assert (gray + masked < 1.05).all()  # neither clay nor drawn: what is shown has its color
    varied = torch.cat([source.batch(step).image for step in range(2, 8)])
    assert len(varied) == 24


def test_views_are_drawn_in_the_shares_that_are_set(ellipsoids):
    rng = np.random.default_rng(0)
    item = ellipsoids[0]
    choices = [draw_view_choice(item, rng, SamplingConfig()) for _ in range(2000)]
    posed = np.array([item.kinds[choice.view] != "free" for choice in choices])
    several = np.array([bool(choice.others) for choice in choices])
    front = np.array([item.kinds[choice.view] == "front" for choice in choices])
    assert posed.mean() == pytest.approx(0.5, abs=0.05)
    assert several.mean() == pytest.approx(0.45, abs=0.05)
    assert front[posed & ~several].mean() == pytest.approx(0.7 + 0.3 / 4, abs=0.06)
    for choice in choices:
        kinds = {item.kinds[index] == "free" for index in (choice.view, *choice.others)}
        assert len(kinds) == 1
        assert choice.view not in choice.others


def test_a_batch_moves_to_a_device_whole(source):
    batch = source.batch(0)
    assert same(batch.to(CPU), batch)
    assert batch.family.tolist() == [index for index in batch.family.tolist() if index in (0, 1)]
