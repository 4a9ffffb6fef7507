"""The tree against every triangle one by one."""

import numpy as np
import pytest
from maquette.core.geometry.signed_distance import closest_on_triangles
from maquette.core.scene.bvh import nearest_triangle_finder


@pytest.mark.parametrize("count", [1, 3, 4, 5, 700])
def test_no_triangle_is_nearer(count):
    rng = np.random.default_rng(count)
    corners = rng.normal(size=(count, 1, 3)) + rng.normal(size=(count, 3, 3)) * 0.2
    points = rng.normal(size=(100, 3)) * 1.5
    found = nearest_triangle_finder(corners)(points)
    every = np.stack(
        [closest_on_triangles(np.repeat(p[None], count, 0), corners)[0] for p in points]
    )
    np.testing.assert_allclose(
        np.sqrt(every[np.arange(100), found]), np.sqrt(every.min(1)), atol=1e-6
    )
    np.testing.assert_array_equal(nearest_triangle_finder(corners + 4000)(points + 4000), found)


def test_places_on_one_triangle():
    corners = np.array(((0, 0, 0), (1, 0, 0), (0, 1, 0)), float)
    points = np.array(((0.2, 0.3, -2), (-1, -1, 0), (0.5, -1, 1), (2, 2, 0), (3, 0, 0)), float)
    squared, place = closest_on_triangles(points, np.repeat(corners[None], len(points), 0))
    np.testing.assert_allclose(
        place, ((0.2, 0.3, 0), (0, 0, 0), (0.5, 0, 0), (0.5, 0.5, 0), (1, 0, 0)), atol=1e-12
    )
    np.testing.assert_allclose(squared, (4, 2, 2, 4.5, 4))


def test_a_triangle_without_area_is_its_longest_side():
    corners = np.array(
        (((0, 0, 0), (1, 0, 0), (2, 0, 0)), ((0, 0, 0), (0, 0, 0), (0, 0, 0))), float
    )
    squared, _ = closest_on_triangles(np.array(((1.5, 1, 0), (3, 4, 0))), corners)
    np.testing.assert_allclose(squared, (1, 25))


def test_points_beyond_the_corner_of_a_flat_box():
    """Where the gap to a triangle's box is the distance itself, and rounding must not drop it."""
    corners = np.array(
        (((0, 0, 0), (1, 0, 0), (0, 1, 0)), ((3, 3, 3), (3, 4, 3), (3, 3, 4))), float
    )
    points = np.random.default_rng(0).uniform(-1, 0, (400, 3))
    squared, _ = closest_on_triangles(points, corners[nearest_triangle_finder(corners)(points)])
    np.testing.assert_allclose(np.sqrt(squared), np.linalg.norm(points, axis=1))
