from dataclasses import replace

import numpy as np
import pytest
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.photogrammetry.dense.phantom_parts import remove_phantom_parts

SPACING = 1 / 40


def solid(ball, extra):
    """The mesh of the ball and of a smaller one (x, y, z, radius)."""
    steps = np.arange(-24, 64) * SPACING
    x, y, z = np.meshgrid(steps - 0.4, steps - 0.4, steps, indexing="ij")
    field = ball.RADIUS - np.sqrt(x**2 + y**2 + (z - 0.5) ** 2)
    small = extra[3] - np.sqrt((x - extra[0]) ** 2 + (y - extra[1]) ** 2 + (z - extra[2]) ** 2)
    values = np.maximum(field, small).astype(np.float32)
    origin = (steps[0] - 0.4, steps[0] - 0.4, steps[0])
    return surface_nets(values, origin=origin, spacing=SPACING)


@pytest.fixture(scope="module")
def front(ball):
    """Two views from nearly the same side, so that much in front of the ball is in its hull."""
    return ball.make_views(ball.make_cameras(24, 64, elevation=0.0)[:2])


def measured(mesh, value=False):
    return np.full(len(mesh.vertices), value)


def test_a_part_that_no_mask_needs_is_removed(ball, front):
    mesh = solid(ball, (0.0, -0.75, 0.5, 0.12))
    left = remove_phantom_parts(mesh, front, measured(mesh))
    distance = np.linalg.norm(left.vertices - ball.CENTER, axis=1)
    assert len(left.vertices) < len(mesh.vertices)
    assert distance.max() < ball.RADIUS + SPACING


def test_a_part_that_a_mask_needs_is_kept(ball, front):
    mesh = solid(ball, (0.75, 0.0, 0.5, 0.12))
    shown = [replace(view, mask=np.ones_like(view.mask)) for view in front]
    assert remove_phantom_parts(mesh, shown, measured(mesh)) is mesh


def test_a_part_with_depth_is_kept(ball, front):
    mesh = solid(ball, (0.0, -0.75, 0.5, 0.12))
    assert remove_phantom_parts(mesh, front, measured(mesh, True)) is mesh
