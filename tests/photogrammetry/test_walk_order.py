import numpy as np
from maquette.core.photogrammetry.ambiguity import PairInliers
from maquette.core.photogrammetry.walk_order import describe_gaps, find_gaps, is_walk


def pair(first, second, count=100):
    return PairInliers(first, second, np.zeros((count, 2)), np.zeros((count, 2)))


def test_a_walk_is_known_by_the_matches_of_neighbors():
    walk = [pair(index, index + 1) for index in range(9)] + [pair(0, 9)]
    assert is_walk(walk, 10)
    assert is_walk([*walk, pair(0, 5, 20)], 10)
    assert not is_walk([*walk, pair(0, 5), pair(1, 6)], 10)
    assert not is_walk([], 10)


def test_gaps_are_where_neighbors_share_nothing():
    walk = [pair(index, index + 1) for index in range(9) if index not in (3, 6)]
    assert find_gaps([*walk, pair(3, 4, 14)], 10) == [3, 6]
    assert find_gaps([*walk, pair(0, 5), pair(1, 6)], 10) == []


def test_gaps_are_named_by_their_photographs():
    names = [f"{number}.jpg" for number in range(1, 11)]
    assert describe_gaps([], names) == ""
    text = "Take one or two photographs between 7.jpg and 8.jpg"
    assert describe_gaps([6], names) == text
    assert describe_gaps([6, 0, 1, 2, 3], names).endswith("2.jpg and 3.jpg and in 2 other gaps")
