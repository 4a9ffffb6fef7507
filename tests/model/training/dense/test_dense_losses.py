"""Losses of the dense network: zero where it is right, and safe where it is far from that."""

import math
from dataclasses import replace

import pytest
import torch
from maquette.core.model.networks.dense_single_view import (
    MIN_SCALE,
    RAY_BINS,
    DenseOutput,
)
from maquette.core.model.training.dense.losses import (
    FamilyPrototypes,
    LossConfig,
    dense_losses,
    depth_alignment,
    gradient_loss,
    masked_mean,
    mixture_nll,
)
from maquette.core.model.training.dense.speed import random_batch

B, H = 4, 16


def output_for(batch, depth):
    """An output that is as right as can be of ``batch``, whose first depth is ``depth``."""
    truth = batch.ray_occupancy.float() / 255
    counts = torch.nn.functional.one_hot(batch.intervals.long(), 4).permute(0, 3, 1, 2)
    unit = torch.tensor((0.0, 0, 1)).expand(B, 3)
    return DenseOutput(
        first_depth=torch.stack((depth, depth + 1), dim=1),
        first_scale=torch.full((B, 2, H, H), 2 * MIN_SCALE),
        first_log_weight=torch.tensor((0.99, 0.01)).log()[:, None, None].expand(B, 2, H, H),
        ray_occupancy=(truth * 2 - 1) * 20,
        layers=batch.layers,
        layer_scale=torch.full((B, 3, H, H), 0.5),
        interval_logits=counts.float() * 20,
        front_normal=batch.front_normal,
        back_normal=batch.back_normal,
        part_logits=torch.zeros(B, 0, H, H),
        up=unit,
        field_of_view=batch.field_of_view,
        depth_extent=batch.depth_extent,
        shift=torch.zeros(B),
        scale=torch.zeros(B),
        embedding=torch.nn.functional.normalize(torch.ones(B, 8), dim=1),
        mirror_plane=torch.zeros(B, 4),
        mirror_logit=torch.full((B,), -20.0),
    )


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return random_batch(B, 2 * H)


def losses_of(output, batch):
    losses = dense_losses(output, batch, FamilyPrototypes(8), LossConfig())
    return {name: loss.detach() for name, loss in losses.items()}


def test_what_is_right_costs_nothing(batch):
    losses = losses_of(output_for(batch, batch.first_depth), batch)
    for name in (
        "gradient",
        "ray_occupancy",
        "intervals",
        "normals",
        "up",
        "view",
        "extent",
        "shift",
    ):
        assert float(losses[name]) == pytest.approx(0, abs=1e-4), name
    best = math.log(2 * 2 * MIN_SCALE) - math.log(0.99)
    assert float(losses["first_depth"]) == pytest.approx(best, abs=1e-3)


def test_the_sum_is_weighted_as_the_configuration_says(batch):
    losses = losses_of(output_for(batch, batch.first_depth + 0.1), batch)
    config = LossConfig()
    expected = sum(getattr(config, name) * loss for name, loss in losses.items() if name != "all")
    assert float(losses["all"]) == pytest.approx(float(expected))


def test_an_offset_of_a_free_image_costs_the_shift_alone(batch):
    right = losses_of(output_for(batch, batch.first_depth), batch)
    free = replace(batch, free=torch.ones(B, dtype=torch.bool))
    moved = losses_of(output_for(free, free.first_depth - 0.3), free)
    assert float(moved["first_depth"]) == pytest.approx(float(right["first_depth"]), abs=1e-3)
    assert float(moved["shift"]) == pytest.approx(0.3, abs=1e-3)
    posed = replace(batch, free=torch.zeros(B, dtype=torch.bool))
    assert float(losses_of(output_for(posed, posed.first_depth - 0.3), posed)["first_depth"]) > 10


def test_the_offset_is_a_median_that_a_few_wrong_pixels_do_not_move(batch):
    free = replace(batch, free=torch.ones(B, dtype=torch.bool))
    depth = free.first_depth - 0.2
    depth[:, :2] += 0.9
    known = free.shown
    offset, _ = depth_alignment(output_for(free, depth), free, known)
    assert torch.allclose(offset, torch.full((B,), 0.2), atol=0.02)


def test_two_surfaces_at_an_edge_are_both_likely_and_their_mean_is_not(batch):
    near = torch.full((B, H, H), -0.2)
    output = output_for(batch, near)
    even = torch.full((B, 2, H, H), math.log(0.5))
    output = replace(
        output, first_depth=torch.stack((near, near + 0.4), dim=1), first_log_weight=even
    )
    on_either = [mixture_nll(output, near + step).mean() for step in (0.0, 0.4)]
    assert float(on_either[0]) == pytest.approx(float(on_either[1]), abs=1e-4)
    assert float(mixture_nll(output, near + 0.2).mean()) > float(on_either[0]) + 10


def test_the_likelihood_is_finite_however_wrong_it_is(batch):
    depth = torch.full((B, H, H), 0.9, requires_grad=True)
    output = output_for(batch, depth)
    output = replace(output, first_scale=torch.full((B, 2, H, H), MIN_SCALE))
    loss = mixture_nll(output, torch.full((B, H, H), -0.9)).mean()
    loss.backward()
    assert loss.isfinite()
    assert depth.grad.isfinite().all()


def test_slopes_count_and_offsets_do_not():
    known = torch.ones(1, H, H, dtype=torch.bool)
    assert gradient_loss(torch.full((1, H, H), 0.4), known) == 0
    tilted = torch.linspace(0, 0.15, H).expand(1, H, H)
    assert float(gradient_loss(tilted, known)) == pytest.approx(0.01 + 0.02 + 0.04 + 0.08, rel=1e-3)


def test_a_batch_that_shows_nothing_costs_nothing_that_is_not_a_number(batch):
    empty = replace(
        batch,
        shown=torch.zeros_like(batch.shown),
        intervals=torch.zeros_like(batch.intervals),
        first_depth=torch.full_like(batch.first_depth, torch.nan),
        layers=torch.full_like(batch.layers, torch.nan),
        front_normal=torch.zeros_like(batch.front_normal),
    )
    losses = losses_of(output_for(batch, batch.first_depth), empty)
    assert losses["all"].isfinite()
    assert masked_mean(torch.ones(3), torch.zeros(3, dtype=torch.bool)) == 0


def test_ray_occupancy_is_weighted_by_the_width_of_its_bins(batch):
    solid = replace(batch, shown=torch.ones_like(batch.shown))
    solid = replace(solid, intervals=torch.ones_like(batch.intervals))
    wrong = []
    for place in (0, RAY_BINS - 1):
        output = output_for(solid, solid.first_depth)
        ray_occupancy = output.ray_occupancy.clone()
        ray_occupancy[:, place] *= -1
        wrong.append(
            float(losses_of(replace(output, ray_occupancy=ray_occupancy), solid)["ray_occupancy"])
        )
    assert wrong[1] / wrong[0] == pytest.approx((1.0 / 41) / 0.01, rel=1e-3)


def test_parts_are_learned_where_they_are_known_if_the_network_tells_them_apart(batch):
    groups = torch.randint(0, 3, (B, H, H))
    parts = torch.where(batch.shown, groups, -1)
    batch = replace(batch, parts=parts)
    right = 20 * torch.nn.functional.one_hot(groups, 3).permute(0, 3, 1, 2).float()
    output = output_for(batch, batch.first_depth)
    assert losses_of(output, batch)["parts"] == 0
    told_apart = replace(output, part_logits=right)
    assert losses_of(told_apart, batch)["parts"] == pytest.approx(0, abs=1e-3)
    wrong = replace(output, part_logits=right.roll(1, 1))
    assert losses_of(wrong, batch)["parts"] > 10
    unknown = replace(batch, parts=torch.full_like(parts, -1))
    assert losses_of(wrong, unknown)["parts"] == 0
