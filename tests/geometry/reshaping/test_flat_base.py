"""A table whose legs have different lengths, and what does not stand."""

import numpy as np
import pytest
from maquette.core.geometry.reshaping.flat_base import flatten_base, has_flat_base
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.geometry.winding_number import area_normals

LIFTS = (0.0, 0.012, 0.02, 0.03)  # of the legs of the table


def solid(values_at, cells=64):
    line = np.linspace(-0.6, 0.6, cells + 1)
    grid = np.meshgrid(line, line, line, indexing="ij")
    return surface_nets(values_at(*grid), 0.0, np.full(3, -0.6), 1.2 / cells)


def box(x, y, z, low, high):
    distances = [
        np.minimum(axis - a, b - axis) for axis, a, b in zip((x, y, z), low, high, strict=True)
    ]
    return np.minimum.reduce(distances)


def table(lifts=LIFTS):
    def values_at(x, y, z):
        value = box(x, y, z, (-0.5, -0.5, 0.4), (0.5, 0.5, 0.5))
        corners = [(a, b) for a in (-0.45, 0.3) for b in (-0.45, 0.3)]
        for (a, b), lift in zip(corners, lifts, strict=True):
            leg = box(x, y, z, (a, b, -0.5 + lift), (a + 0.15, b + 0.15, 0.45))
            value = np.maximum(value, leg)
        return value

    return solid(values_at)


def ball():
    return solid(lambda x, y, z: 0.5 - np.sqrt(x**2 + y**2 + z**2))


def foot_heights(mesh):
    """Return the lowest z of each of the four legs."""
    heights = []
    for a in (-0.45, 0.3):
        for b in (-0.45, 0.3):
            x, y, z = mesh.vertices.T
            is_leg = (np.abs(x - a - 0.075) < 0.1) & (np.abs(y - b - 0.075) < 0.1) & (z < 0.3)
            heights.append(float(z[is_leg].min()))
    return np.array(heights)


def test_legs_of_different_lengths_reach_one_floor():
    mesh = table()
    assert np.ptp(foot_heights(mesh)) > 0.025
    flat = flatten_base(mesh)
    assert np.ptp(foot_heights(flat)) < 0.0005
    assert flat.vertices[:, 2].min() == pytest.approx(mesh.vertices[:, 2].min(), abs=1e-6)
    assert has_flat_base(flat) and not has_flat_base(mesh)


def test_nothing_is_folded_and_only_the_lowest_part_is_touched():
    mesh = table()
    flat = flatten_base(mesh)
    assert np.array_equal(flat.faces, mesh.faces)
    is_moved = flat.vertices[:, 2] != mesh.vertices[:, 2]
    height = np.ptp(mesh.vertices[:, 2])
    assert is_moved.any()
    assert mesh.vertices[is_moved, 2].max() < mesh.vertices[:, 2].min() + 0.18 * height
    assert np.array_equal(flat.vertices[:, :2], mesh.vertices[:, :2])
    assert np.abs(flat.vertices - mesh.vertices).max() < 0.075 * height

    # Faces that look down still do, and none has lost its area.
    normals = [area_normals(m.vertices.astype(float), m.to_triangles()) for m in (mesh, flat)]
    steepness = np.abs(normals[0][:, 2]) / np.linalg.norm(normals[0], axis=1)
    signs = [np.sign(normal[steepness > 0.3, 2]) for normal in normals]
    assert np.array_equal(*signs)
    assert np.linalg.norm(normals[1], axis=1).min() > 0


def test_legs_that_are_too_short_are_left():
    mesh = table((0.0, 0.0, 0.0, 0.1))
    assert np.ptp(foot_heights(flatten_base(mesh))) > 0.09


def test_a_ball_has_a_flat_base_only_on_demand():
    mesh = ball()
    assert flatten_base(mesh) is mesh
    flat = flatten_base(mesh, True)
    lowest = flat.vertices[:, 2].min()
    is_floor = flat.vertices[:, 2] < lowest + 0.0005
    assert np.ptp(flat.vertices[is_floor, 0]) > 0.15


def test_what_would_tip_over_does_not_stand():
    def values_at(x, y, z):
        foot = box(x, y, z, (-0.5, -0.2, -0.5), (-0.2, 0.2, 0.5))
        return np.maximum(foot, box(x, y, z, (-0.5, -0.2, 0.2), (0.5, 0.2, 0.5)))

    mesh = solid(values_at)
    upright = table()
    assert flatten_base(mesh) is mesh
    assert flatten_base(upright) is not upright


def test_it_can_be_switched_off():
    mesh = table()
    assert flatten_base(mesh, False) is mesh
