import numpy as np
from maquette.core.photogrammetry.ambiguity import (
    PairInliers,
    pairs_out_of_order,
    pairs_without_background,
    ring_distance,
    sample_mask,
)

MASK = np.zeros((40, 40), bool)
MASK[10:30, 10:30] = True


def make_pair(first, second, inside, outside):
    pixels = np.concatenate((np.full((inside, 2), 20.0), np.full((outside, 2), 3.0)))
    return PairInliers(first, second, pixels, pixels)


def test_pairs_that_match_on_the_object_alone_are_dropped():
    pairs = [make_pair(0, 1, 40, 30), make_pair(0, 4, 90, 2), make_pair(1, 5, 200, 12)]
    assert pairs_without_background(pairs, [MASK] * 6) == [(0, 4), (1, 5)]


def test_a_plain_background_is_nothing_to_judge_by():
    pairs = [make_pair(0, 1, 60, 1), make_pair(0, 4, 90, 0)]
    assert pairs_without_background(pairs, [MASK] * 5) is None
    assert pairs_without_background(pairs, [None] * 5) is None


def test_pairs_far_apart_in_a_closed_ring_are_dropped():
    pairs = [make_pair(0, 3, 20, 0), make_pair(0, 4, 20, 0), make_pair(0, 15, 20, 0)]
    assert pairs_out_of_order(pairs, 16) == [(0, 4)]
    assert ring_distance(1, 15, 16) == 2


def test_pixels_beyond_a_mask_take_its_border():
    assert sample_mask(MASK, np.array(((15.2, 29.9), (-4, 20), (99, 99)))).tolist() == [
        True,
        False,
        False,
    ]
