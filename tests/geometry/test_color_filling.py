"""Colors spread through space from where they are known."""

import numpy as np
import pytest
from maquette.core.geometry.color_filling import spread_colors

RED, BLUE, GREEN = np.eye(3)[[0, 2, 1]]


def ring(count=400):
    """Points of a cylinder's outline, red above and blue below."""
    turn = np.linspace(0, 2 * np.pi, count)
    height = np.linspace(-0.5, 0.5, count)
    positions = np.stack((0.2 * np.sign(np.sin(40 * turn)), 0 * turn, height), axis=1)
    return positions, np.where(height[:, None] > 0, RED, BLUE)


def test_known_colors_stay():
    positions, colors = ring()
    spread = spread_colors(positions, colors, np.full(len(positions), 10.0), positions)
    far_from_the_border = abs(positions[:, 2]) > 0.1
    np.testing.assert_allclose(spread[far_from_the_border], colors[far_from_the_border], atol=0.02)


def test_unknown_colors_are_those_of_their_height():
    positions, colors = ring()
    back = np.array([(0, 0.2, 0.4), (0.1, 0.2, 0.25), (0, 0.2, -0.25), (0, 0.2, -0.4)])
    spread = spread_colors(positions, colors, np.ones(len(positions)), back)
    np.testing.assert_allclose(spread, [RED, RED, BLUE, BLUE], atol=0.1)


def test_what_has_no_weight_does_not_count():
    positions, colors = ring()
    face = np.array([(0, -0.2, 0.3)] * 50)
    weights = np.concatenate((np.ones(len(positions)), np.zeros(50)))
    everything = np.concatenate((positions, face))
    all_colors = np.concatenate((colors, np.tile(GREEN, (50, 1))))
    spread = spread_colors(everything, all_colors, weights, np.array([(0, 0.2, 0.3)]))
    assert spread[0, 1] == pytest.approx(0, abs=1e-6)
    assert spread_colors(everything, all_colors, np.zeros(len(weights)), face) is None


def test_one_point_colors_everything():
    spread = spread_colors(np.zeros((1, 3)), GREEN[None], np.ones(1), np.random.rand(20, 3))
    np.testing.assert_allclose(spread, np.tile(GREEN, (20, 1)), atol=1e-6)
