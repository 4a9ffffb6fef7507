"""Lines thinner than a pixel."""

import numpy as np
import pytest
from maquette.core.imaging.thin_lines import strengthen_thin_lines

ROWS, COLUMNS = np.mgrid[:40, :40] + 0.5


def line(place, thickness):
    """The coverage of an upright line in columns, exact."""
    edges = np.arange(41)
    covered = np.clip(edges, place - thickness / 2, place + thickness / 2)
    return np.tile(np.diff(covered), (40, 1)).astype(np.float32)


@pytest.mark.parametrize("place", [20.0, 20.2, 20.5, 20.9])
@pytest.mark.parametrize("upright", [True, False])
def test_a_line_is_kept_wherever_it_falls(place, upright):
    mask = line(place, 0.9)
    mask = mask if upright else mask.T
    found = strengthen_thin_lines(mask) > 0.5
    across = found.sum(1 if upright else 0)
    assert (across >= 1).all() and (across <= 2).all()
    assert np.abs(strengthen_thin_lines(mask).max() - 0.9) < 1e-5


def test_a_slanted_line_stays_in_one_piece():
    distance = np.abs((COLUMNS - 20) - 0.4 * (ROWS - 20)) / np.hypot(1, 0.4)
    mask = (1 - distance).clip(0, 1).astype(np.float32) * 0.6  # covers a pixel by 0.6 at most
    assert (mask > 0.5).any(1).mean() < 0.7
    assert (strengthen_thin_lines(mask) > 0.5).any(1).all()


def test_wide_shapes_and_their_soft_rims_stay_as_they_are():
    distance = np.hypot(COLUMNS - 20, ROWS - 20)
    disc = ((12 - distance) / 5 + 0.5).clip(0, 1).astype(np.float32)
    found = strengthen_thin_lines(disc)
    np.testing.assert_array_equal(found > 0.5, disc > 0.5)
    assert np.abs(found - disc).max() < 0.01


def test_what_is_hardly_there_is_not_made_of_nothing():
    assert not (strengthen_thin_lines(line(20.0, 0.4)) > 0.5).any()
    assert not strengthen_thin_lines(np.zeros((5, 5), np.float32)).any()
