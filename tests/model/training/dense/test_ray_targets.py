"""Labels along rays are right to a cell of the grid, for shapes whose crossings are known."""

import numpy as np
import pytest
from maquette.core.cameras import look_at, orthographic_camera, perspective_camera
from maquette.core.model.networks.dense_single_view import RAY_EDGES
from maquette.core.model.networks.projection import camera_matrix
from maquette.core.model.training.dense.ray_targets import (
    GRID_GROWN,
    grid_rays,
    march,
    solid_box,
    surface_normals,
)

SIDE = 96
CELL = GRID_GROWN / SIDE


def centers():
    line = ((np.arange(SIDE) + 0.5) / SIDE - 0.5) * GRID_GROWN
    return np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)


def cameras():
    """An orthographic and a pinhole camera before the object, a little above it."""
    pose = look_at(np.array((0.0, -3.0, 0.0)), np.zeros(3))
    tilted = look_at(np.array((0.9, -2.5, 1.2)), np.zeros(3))
    return {
        "orthographic": orthographic_camera(pose, 1.2, 64),
        "pinhole": perspective_camera(tilted, 0.5, 64),
    }


def pixel_grid(side=64):
    line = np.linspace(-1, 1, 2 * side + 1)[1::2]
    x, y = np.meshgrid(line, line)
    return np.stack((x.ravel(), y.ravel()), axis=1)


def rays_in_object_frame(rays):
    """Start and direction of rays as points of the object's frame."""
    return (rays.start - SIDE / 2) * CELL, rays.direction * CELL


@pytest.mark.parametrize("kind", ["orthographic", "pinhole"])
def test_a_sphere_is_met_where_its_equation_says(kind):
    radius = 0.45
    camera = camera_matrix(cameras()[kind])
    grid = np.linalg.norm(centers(), axis=-1) < radius
    rays = grid_rays(camera, pixel_grid(), camera[3], SIDE)
    found = march(grid, rays)

    start, direction = (part.astype(float) for part in rays_in_object_frame(rays))
    a = (direction**2).sum(1)
    b = (start * direction).sum(1)
    c = (start**2).sum(1) - radius**2
    root = np.sqrt(np.maximum(b * b - a * c, 0))
    closest = np.sqrt(np.maximum(c + radius**2 - b * b / a, 0))

    deep = closest < 0.9 * radius  # nearer to the outline a cell sideways is many in depth
    assert (found.intervals[deep] == 1).all()
    assert (found.intervals[closest > radius + CELL] == 0).all()
    assert np.abs(found.first_entry - (-b - root) / a)[deep].mean() < 0.5 * CELL
    assert np.abs(found.first_entry - (-b - root) / a)[deep].max() < 2.5 * CELL
    assert np.abs(found.last_exit - (-b + root) / a)[deep].mean() < 0.5 * CELL
    assert np.isnan(found.second_entry[deep]).all()


@pytest.mark.parametrize("kind", ["orthographic", "pinhole"])
def test_two_boxes_one_behind_the_other_give_two_intervals(kind):
    x, y, z = np.moveaxis(centers(), -1, 0)
    aside = (np.abs(x) < 0.4) & (np.abs(z) < 0.4)
    grid = aside & ((np.abs(y + 0.3) < 0.1) | (np.abs(y - 0.25) < 0.15))
    camera = camera_matrix(cameras()[kind])
    rays = grid_rays(camera, pixel_grid(), camera[3], SIDE)
    found = march(grid, rays)

    # planes of constant y, where the ray is well within the boxes at all of them
    start, direction = rays_in_object_frame(rays)
    faces = np.array((-0.4, -0.2, 0.1, 0.4))
    depth = (faces - start[:, 1, None]) / direction[:, 1, None]
    where = start[:, None] + depth[..., None] * direction[:, None]
    within = (np.abs(where[..., (0, 2)]) < 0.4 - 2 * CELL).all(axis=(1, 2))
    assert within.sum() > 100
    assert (found.intervals[within] == 2).all()
    crossings = (found.first_entry, found.first_exit, found.second_entry, found.last_exit)
    for crossing, expected in zip(crossings, depth.T, strict=True):
        assert np.abs(crossing - expected)[within].max() < CELL


def test_a_box_fills_its_tubes_to_its_back_and_no_further():
    x, y, z = np.moveaxis(centers(), -1, 0)
    grid = (np.abs(x) < 0.4) & (np.abs(y) < 0.25) & (np.abs(z) < 0.4)
    camera = camera_matrix(cameras()["orthographic"])
    found = march(grid, grid_rays(camera, np.zeros((1, 2)), camera[3], SIDE))
    edges = RAY_EDGES.numpy()
    expected = ((0.5 - edges[:-1]) / np.diff(edges)).clip(0, 1)
    assert np.abs(found.ray_occupancy[0] - expected).max() < 1.01 * CELL / np.diff(edges)[-1]
    assert (found.ray_occupancy[0] * np.diff(edges)).sum() == pytest.approx(0.5, abs=CELL)


def test_depths_may_be_in_another_unit_and_from_another_origin():
    grid = np.linalg.norm(centers(), axis=-1) < 0.4
    camera = camera_matrix(cameras()["pinhole"])
    plain = march(grid, grid_rays(camera, pixel_grid(), camera[3], SIDE))
    other = march(grid, grid_rays(camera, pixel_grid(), 2 * camera[3] + (0, 0, 0, 0.5), SIDE))
    met = plain.intervals > 0
    assert np.allclose(other.first_entry[met], 2 * plain.first_entry[met] + 0.5, atol=0.02)


def test_a_ray_beside_everything_meets_nothing():
    grid = np.zeros((SIDE,) * 3, bool)
    camera = camera_matrix(cameras()["pinhole"])
    assert not solid_box(grid).any()
    found = march(grid, grid_rays(camera, pixel_grid(4), camera[3], SIDE))
    assert not found.intervals.any()
    assert np.isnan(found.first_entry).all()
    assert not found.ray_occupancy.any()


def test_normals_of_a_sphere_point_away_from_its_middle():
    grid = np.linalg.norm(centers(), axis=-1) < 0.4
    rng = np.random.default_rng(0)
    expected = rng.normal(size=(200, 3))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    normals, told = surface_normals(grid, expected * 0.4 / CELL + SIDE / 2)
    assert told.all()
    degrees = np.degrees(np.arccos((normals * expected).sum(1).clip(-1, 1)))
    assert degrees.mean() < 8
