"""Discs whose solid ends inside of the mask."""

import numpy as np
import pytest
import torch
from maquette.core.model.inference.mask_outline import outline_points, widen_ramps
from maquette.core.model.inference.outline_warp import outline_shift, shifted_volume
from maquette.core.model.inference.ray_evidence import DEPTHS

SIZE = 64
SOLID = -0.3
ROW, COLUMN = np.indices((SIZE, SIZE)) + 0.5
DISTANCE = np.hypot(COLUMN - 32, ROW - 32)


def disc(gap, radius=20.0, slope=0.0):
    """Return coverage, and logits of a plate 0.2 thick that ends ``gap`` before the mask does.

    There they reach ``SOLID``, from which on it is stretched.
    """
    coverage = (radius - DISTANCE + 0.5).clip(0, 1)
    middle = slope * (COLUMN - 32) * 1.1 / SIZE
    within = 0.1 - np.abs(DEPTHS[:, None, None] - middle)
    volume = np.minimum(within * 20, 0.5 * (radius - gap - DISTANCE)) + SOLID
    volume = np.where(coverage > 0, volume, -np.inf).astype(np.float32)
    return coverage, volume


def shift_of(coverage, volume):
    return outline_shift(coverage, volume, coverage > 0)


@pytest.mark.parametrize("gap", (0.75, 1.5))
def test_the_solid_is_stretched_up_to_the_outline(gap):
    coverage, volume = disc(gap)
    shift = shift_of(coverage, volume)
    stretched = shifted_volume(volume, shift)
    before, after = ((v.max(0) > SOLID)[32].sum() for v in (volume, stretched))
    assert before == pytest.approx(2 * (20 - gap), abs=1)
    assert after == pytest.approx(2 * 20, abs=1)

    # Towards the middle, and only near the outline.
    assert shift[0, 32, 12] == pytest.approx(gap, abs=0.4)
    assert abs(shift[1, 32, 12]) < 0.1
    assert not shift[:, 19 - 1.5 * gap > DISTANCE].any()


def test_a_part_that_the_network_misses_is_not_stretched():
    coverage, volume = disc(gap=4.0)
    assert not shift_of(coverage, volume).any()


def test_without_a_gap_nothing_moves():
    coverage, volume = disc(gap=-1.0)
    assert np.abs(shift_of(coverage, volume)).max() < 0.3


def test_a_plate_that_is_askew_is_continued_in_its_plane():
    slope = 1.5
    coverage, volume = disc(gap=1.5, slope=slope)
    shift = shift_of(coverage, volume)
    stretched = shifted_volume(volume, shift)
    column = 51  # just inside of the mask, off the solid
    assert volume[:, 32, column].max() < SOLID < stretched[:, 32, column].max()
    middle = DEPTHS[stretched[:, 32, column] > SOLID].mean()
    expected = slope * (column + 0.5 - 32) * 1.1 / SIZE
    assert abs(middle - expected) < 0.02
    assert shift[2, 32, column] == pytest.approx(
        shift[0, 32, column] * slope * 1.1 / SIZE, abs=0.015
    )


def test_an_empty_mask_has_no_shift():
    volume = np.full((len(DEPTHS), SIZE, SIZE), -np.inf, np.float32)
    shift = outline_shift(np.zeros((SIZE, SIZE)), volume, np.zeros((SIZE, SIZE), bool))
    assert shift.shape == (3, SIZE, SIZE) and not shift.any()


def test_outline_points_are_finer_than_pixels():
    mask = np.zeros((8, 8), np.float32)
    mask[:, 5:] = 1
    mask[:, 4] = 0.25
    x = outline_points(mask)[:, 0]
    assert len(x) == 8 and np.allclose(x, 4.5 + 1 / 3)


def test_a_wide_ramp_keeps_the_outline_and_is_linear_across_it():
    mask = torch.zeros(1, 1, 1, 32, 32)
    mask[..., 16:] = 1
    ramp = widen_ramps(mask)[0, 0, 0, 16].numpy()
    assert np.array_equal(ramp > 0.5, np.arange(32) >= 16)
    steps = np.diff(ramp[14:18])
    assert np.allclose(steps, steps.mean(), atol=0.01) and ramp[13] == 0 and ramp[18] == 1
