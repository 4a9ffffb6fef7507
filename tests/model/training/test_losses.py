"""Losses have the values that follow from their definitions."""

from dataclasses import make_dataclass

import pytest
import torch
from maquette.core.model.training.losses import (
    LossConfig,
    Losses,
    depth_loss,
    occupancy_loss,
    soft_iou,
    up_error,
)

Labels = make_dataclass("Labels", [("images", torch.Tensor), ("occupancy", torch.Tensor)])


def test_up_is_an_error_of_unposed_views_alone():
    predicted = torch.eye(3)
    true = torch.tensor(((1.0, 0, 0), (1, 0, 0), (0, 0, 0)))
    assert up_error(predicted, true) == pytest.approx(1 / 3)


def test_a_common_offset_of_depths_counts_less_than_relief():
    true = torch.zeros(1, 1, 4, 1)
    relief = torch.tensor((0.1, -0.1, 0.1, -0.1)).reshape(1, 1, 4, 1)
    offset = torch.full((1, 1, 4, 1), 0.1)
    assert depth_loss(offset, true, 0.3) == pytest.approx(0.03)
    assert depth_loss(relief, true, 0.3) > 0.1


def test_soft_iou_of_certain_logits_is_the_iou():
    logits = torch.tensor(((50.0, 50, -50, -50),)).repeat(1, 1000)
    inside = torch.tensor(((1.0, 0, 1, 0),)).repeat(1, 1000)
    assert soft_iou(logits, inside) == pytest.approx(1 / 3, abs=1e-3)


@pytest.mark.parametrize(("views", "has_iou"), [(1, True), (2, True), (3, False)])
def test_few_views_have_a_soft_iou(views, has_iou):
    labels = Labels(torch.zeros(1, views, 4, 2, 2), torch.ones(1, 8))
    logits = torch.zeros(1, 8)
    plain = occupancy_loss(logits, labels, LossConfig(soft_iou=0.0))
    assert (occupancy_loss(logits, labels, LossConfig()) > plain) == has_iou


def test_the_total_is_weighted():
    losses = Losses(*torch.tensor((1.0, 2, 3, 4)))
    assert losses.total(LossConfig(color=10, depth=100, up_direction=1000)) == 4321
