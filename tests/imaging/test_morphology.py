import numpy as np
import pytest
from maquette.core.imaging.morphology import (
    connected_components,
    dilate,
    erode,
    filter3x3,
    flood_fill,
    label_regions,
)


@pytest.mark.parametrize("which", (np.minimum, np.maximum, np.logical_and))
@pytest.mark.parametrize("shape", ((7, 5), (1, 4), (3, 1)))
def test_the_nine_values_around_each_pixel_are_reduced(which, shape):
    values = np.random.default_rng(0).normal(size=shape)
    values = values > -0.5 if which is np.logical_and else values
    result = filter3x3(values, which)
    for i in range(shape[0]):
        for j in range(shape[1]):
            near = values[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
            assert result[i, j] == which.reduce(near, axis=None)


def test_dilation_and_erosion_reach_the_given_number_of_steps():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert dilate(mask, 2).sum() == 25 and dilate(mask, 2)[2:7, 2:7].all()
    np.testing.assert_array_equal(erode(dilate(mask, 2), 2), mask)
    assert dilate(mask, 0) is mask


def test_a_volume_is_dilated_along_three_axes():
    cells = np.zeros((5, 5, 5), bool)
    cells[2, 2, 0] = True
    assert dilate(cells).sum() == 18


@pytest.mark.parametrize("seed", range(5))
def test_components_are_those_of_a_search(seed):
    rng = np.random.default_rng(seed)
    edges = rng.integers(0, 60, (40, 2))
    expected = np.arange(60)
    for _ in range(60):
        for start, end in edges:
            expected[[start, end]] = min(expected[start], expected[end])
    _, numbers = np.unique(expected, return_inverse=True)
    np.testing.assert_array_equal(connected_components(edges, 60), numbers)


def test_nodes_without_edges_are_components():
    assert connected_components(np.empty((0, 2), int), 3).tolist() == [0, 1, 2]


def test_regions_touch_at_edges_and_not_at_corners():
    mask = np.array(((1, 1, 0, 1, 0), (0, 1, 0, 1, 1), (1, 0, 1, 0, 0)), bool)
    labels = label_regions(mask)
    assert (labels > 0).tolist() == mask.tolist()
    assert len(np.unique(labels[mask])) == 4
    assert labels[0, 0] == labels[1, 1] and labels[0, 3] == labels[1, 4]


def test_the_highest_value_of_a_region_spreads_over_it():
    mask = np.array(((1, 1, 0, 1), (0, 1, 0, 1)), bool)
    values = np.array(((1, 2, 9, 0), (9, 5, 9, 3)))
    assert flood_fill(mask, values).tolist() == [[5, 5, 0, 3], [0, 5, 0, 3]]
