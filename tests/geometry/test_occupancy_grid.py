"""The grid of cells inside a solid: against known volumes, and points of the same solid."""

import tracemalloc

import numpy as np
import pytest
from maquette.core.geometry.occupancy_grid import (
    GROWN,
    SIDE,
    cell_centers,
    coordinates,
    inside_grid,
)
from maquette.core.geometry.winding_number import OrientedSolid, orient_and_thicken

from .test_winding_number import ball, joined

BOX = np.array(
    [
        (0, 2, 3),
        (0, 3, 1),
        (4, 5, 7),
        (4, 7, 6),
        (0, 1, 5),
        (0, 5, 4),
        (2, 6, 7),
        (2, 7, 3),
        (0, 4, 6),
        (0, 6, 2),
        (1, 3, 7),
        (1, 7, 5),
    ]
)


def box(low, high):
    corners = np.array([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)], float)
    return np.asarray(low) + corners * (np.asarray(high, float) - low), BOX


def bounds_of(vertices):
    return np.stack((vertices.min(0), vertices.max(0)))


def test_volume_of_a_ball():
    vertices, faces = ball(rings=96, center=(3.0, -1.0, 0.2))
    bounds = bounds_of(vertices)
    grid = inside_grid(orient_and_thicken(vertices, faces), bounds)
    cell = GROWN * np.ptp(bounds, axis=0).max() / SIDE
    assert grid.shape == (SIDE, SIDE, SIDE) and grid.dtype == bool
    assert grid.sum() * cell**3 == pytest.approx(4 / 3 * np.pi * 0.4**3, rel=0.01)


def test_cells_of_a_box_that_is_not_centered_and_of_three_lengths():
    low, high = np.array((2.0, -5.0, 0.5)), np.array((3.1, -4.6, 2.6))
    grid = inside_grid(orient_and_thicken(*box(low, high)), np.stack((low, high)))
    centers = cell_centers(np.stack((low, high)))
    within = ((centers > low) & (centers < high)).all(-1)
    off = np.abs(np.concatenate((centers - low, centers - high), axis=-1)).min(-1)
    clear = off > 0.02 * GROWN * 2.1 / SIDE  # the lines pass a little beside the centers
    assert (grid == within)[clear].all() and clear.mean() > 0.9
    assert (
        grid[:, SIDE // 2, SIDE // 2].sum() < grid[SIDE // 2, SIDE // 2].sum()
    )  # z is longest, and last


def test_centers_and_coordinates_belong_together():
    bounds = np.array(((1.0, 2.0, 3.0), (2.0, 6.0, 5.0)))
    centers = cell_centers(bounds)
    places = coordinates(centers[3, 50, 95][None], bounds)
    np.testing.assert_allclose(places, [[3.5, 50.5, 95.5]], atol=1e-9)


def opened(mesh, share):
    vertices, faces = mesh
    return vertices, faces[np.random.default_rng(0).random(len(faces)) > share]


MESSY = {
    "with holes": opened(ball(), 0.03),
    "overlapping": joined(
        ball(), ball(0.3, center=(0.3, 0.1, 0.0)), box((-0.5, -0.1, -0.1), (0.2, 0.1, 0.1))
    ),
    "without a bottom": (box((-0.4, -0.3, -0.3), (0.4, 0.3, 0.4))[0], BOX[2:]),
    "hollow": joined(ball(0.5), ball(0.4)),
    "a sheet": (
        np.array([(-0.5, -0.5, 0), (0.5, -0.5, 0.1), (0.5, 0.5, 0), (-0.5, 0.5, 0.1)]),
        np.array([(0, 1, 2), (0, 2, 3)]),
    ),
}


@pytest.mark.parametrize("name", MESSY)
def test_agrees_with_points_of_the_same_solid(name):
    vertices, faces = MESSY[name]
    solid, bounds = orient_and_thicken(vertices, faces), bounds_of(vertices)
    grid = inside_grid(solid, bounds)
    points = bounds.mean(0) + np.ptp(bounds, axis=0).max() * np.random.default_rng(2).uniform(
        -0.5, 0.5, (4000, 3)
    )
    inside, few = (
        solid.contains(points, rays) for rays in (60, 7)
    )  # 7: of the truth of training sets
    cells = np.floor(coordinates(points, bounds)).astype(int).clip(1, SIDE - 2)
    around = [
        grid[tuple((cells + step).T)]
        for step in np.vstack((np.eye(3, dtype=int), -np.eye(3, dtype=int)))
    ]
    clear = (np.array(around) == grid[tuple(cells.T)]).all(0)
    assert clear.mean() > 0.6
    agree = (grid[tuple(cells.T)] == inside)[clear].mean()
    assert agree >= 0.97 or (
        name == "without a bottom" and agree >= (few == inside)[clear].mean() - 0.02
    )
    if name != "a sheet":
        assert 0.05 < inside[clear].mean() < 0.95


def test_turned_about_any_axis_it_is_the_same():
    """Lines along x, y and z count alike: a mirrored count would turn inside out."""
    vertices, faces = joined(box((0, 0, 0), (1, 0.5, 0.3)), box((0.8, 0.1, 0.1), (1.2, 0.2, 0.9)))
    kept = faces[:-3]  # open, so that diagonals are evaluated too
    grid = inside_grid(orient_and_thicken(vertices, kept), bounds_of(vertices))
    turned = vertices[:, [1, 2, 0]]
    other = inside_grid(orient_and_thicken(turned, kept), bounds_of(turned))
    assert (other.transpose(2, 0, 1) == grid).mean() > 0.99 and grid.mean() > 0.02


def test_long_slanted_slivers_take_little_memory():
    """Bars along the diagonal: the rectangles about their triangles hold most of the lattice."""
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(np.column_stack(((1.0, 1.0, 1.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))))
    bars = []
    for _ in range(200):
        vertices, faces = box((-0.8, 0, 0), (0.8, 0.02, 0.02))
        bars.append((vertices @ turn.T + rng.uniform(-0.05, 0.05, 3), faces))
    vertices, faces = joined(*bars)
    tracemalloc.start()
    grid = inside_grid(OrientedSolid(vertices, faces, 0.0), bounds_of(vertices))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400e6 and 0.001 < grid.mean() < 0.2
