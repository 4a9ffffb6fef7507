"""Smoothing and the base together, and what they leave."""

from dataclasses import replace

import numpy as np
import pytest
from maquette.core.arrays import SourceView
from maquette.core.cameras import side_camera
from maquette.core.geometry.reshaping.flat_base import has_flat_base
from maquette.core.geometry.reshaping.options import SurfaceOptions, apply_surface_options
from maquette.core.geometry.surface_nets import surface_nets


@pytest.fixture
def stool():
    """A cylinder whose lower face is askew by 3 % of its height, of longest side about 1."""
    line = np.linspace(-0.6, 0.6, 49)
    x, y, z = np.meshgrid(line, line, line, indexing="ij")
    floor = -0.5 + 0.03 * (x + 0.3) / 0.6
    values = np.minimum(0.3 - np.hypot(x, y), np.minimum(z - floor, 0.5 - z))
    return surface_nets(values, 0.0, np.full(3, -0.6), 1.2 / 48)


def with_views(mesh, *sides):
    png = np.zeros(1, np.uint8)
    views = tuple(SourceView(png, side_camera(side, 1.1, 64)) for side in sides)
    return replace(mesh, views=views)


def test_the_longest_side_stays(stool):
    mesh = with_views(stool, "front")
    changed = apply_surface_options(mesh, SurfaceOptions(1.0, True))
    lengths = [np.ptp(m.vertices, axis=0).max() for m in (mesh, changed)]
    assert lengths[1] == pytest.approx(lengths[0], rel=1e-5)
    assert has_flat_base(changed)


def test_by_itself_only_a_single_image_gives_a_flat_base(stool):
    options = SurfaceOptions(smooth=0.0)
    assert has_flat_base(apply_surface_options(with_views(stool, "front"), options))
    sides = with_views(stool, "front", "right")
    assert apply_surface_options(sides, options) is sides
    assert has_flat_base(apply_surface_options(sides, SurfaceOptions(0.0, True)))


def test_without_any_option_the_mesh_is_the_same(stool):
    mesh = with_views(stool, "front")
    assert apply_surface_options(mesh, SurfaceOptions(0.0, False)) is mesh
