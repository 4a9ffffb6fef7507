import numpy as np
from maquette.core.cameras import Camera, look_at
from maquette.core.photogrammetry.ambiguity import (
    PairInliers,
    is_folded,
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


def ring(angles, elevation=20.0):
    """Cameras at degrees around the origin."""
    cameras = []
    for angle in np.radians(angles):
        level = np.cos(np.radians(elevation)) * np.array((np.sin(angle), -np.cos(angle)))
        eye = 3 * np.array((*level, np.sin(np.radians(elevation))))
        intrinsics = np.array(((100.0, 0, 50), (0, 100.0, 40), (0, 0, 1.0)))
        cameras.append(Camera(look_at(eye, np.zeros(3)), intrinsics, 100, 80))
    return cameras


def test_a_ring_that_closes_after_half_the_photographs_is_folded():
    angles = 18.0 * np.arange(20)
    assert not is_folded(ring(angles), list(range(20)), 20)
    assert is_folded(ring(2 * angles), list(range(20)), 20), "every place twice"
    assert is_folded(ring(angles % 180), list(range(20)), 20), "the second half upon the first"


def test_two_rings_one_above_the_other_are_not_folded():
    cameras = ring(22.5 * np.arange(16)) + ring(45.0 * np.arange(8), elevation=45.0)
    assert not is_folded(cameras, list(range(24)), 24)


def test_photographs_that_were_taken_twice_are_not_folded():
    angles = np.repeat(30.0 * np.arange(12), 2) + np.tile((0.0, 1.0), 12)
    assert not is_folded(ring(angles), list(range(24)), 24)
    assert not is_folded(ring(angles[:4]), [0, 1, 2, 3], 24)
