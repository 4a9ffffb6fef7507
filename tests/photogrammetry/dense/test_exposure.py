import io

import numpy as np
import pytest
from maquette.core.arrays import SourceView, View
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.imaging.image_files import encode_png
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.dense.exposure import (
    apply_factor,
    apply_to_photograph,
    even_exposures,
    exposure_factors,
)
from PIL import Image

GAINS = np.array(((1.0, 1.0, 1.0), (0.8, 0.8, 0.8), (0.9, 1.0, 0.8), (0.7, 0.8, 0.9)))


@pytest.fixture(scope="module")
def ball_mesh(ball):
    steps = np.arange(-2, 43) / 40
    x, y, z = np.meshgrid(steps - 0.5, steps - 0.5, steps, indexing="ij")
    field = ball.RADIUS - np.sqrt(x**2 + y**2 + (z - 0.5) ** 2)
    return surface_nets(field.astype(np.float32), origin=(-0.55, -0.55, -0.05), spacing=1 / 40)


def photographs(ball, gains):
    """Four views, 30 degrees apart, each as bright as its gain says."""
    views = []
    for view, gain in zip(ball.make_views(ball.make_cameras(12, 64)[:4]), gains, strict=True):
        color = (0.2 + 0.7 * view.color) * gain
        image = np.concatenate((color, view.mask[..., None]), 2).astype(np.float32)
        views.append(View(image, view.camera))
    return views


def test_exposure_and_white_balance_are_found(ball, ball_mesh):
    views = photographs(ball, GAINS)
    factors = run_to_end(even_exposures(ball_mesh, views, 1 / 40))
    corrected = factors * GAINS
    assert np.abs(corrected / corrected.mean(0) - 1).max() < 0.04


def test_equal_photographs_are_left_as_they_are(ball, ball_mesh):
    views = photographs(ball, np.ones((4, 3)))
    assert run_to_end(even_exposures(ball_mesh, views, 1 / 40)) is None


def test_a_view_that_shares_little_keeps_its_colors():
    generator = np.random.default_rng(0)
    true = generator.uniform(0.3, 0.6, (200, 3))
    colors = np.stack((true, 0.8 * true, 0.5 * true))
    usable = np.ones((3, 200), bool)
    usable[2, 10:] = False
    factors = exposure_factors(colors, usable)
    assert factors[1] / factors[0] == pytest.approx(np.full(3, 1.25), rel=1e-3)
    assert factors[2] == pytest.approx(np.ones(3), abs=0.15)


def test_factors_change_colors_and_not_the_mask(ball):
    view = photographs(ball, np.ones((4, 3)))[0]
    factor = np.array((0.5, 1.0, 2.0))
    changed = apply_factor(view, factor)
    assert (changed.image[..., 3] == view.image[..., 3]).all()
    assert changed.image[..., 0] == pytest.approx(view.image[..., 0] / 2)
    assert changed.image.max() <= 1
    source = SourceView(encode_png(view.image), view.camera)
    encoded = apply_to_photograph(source, factor)
    pixels = np.asarray(Image.open(io.BytesIO(encoded.png.tobytes())), np.float32) / 255
    assert np.abs(pixels - changed.image).max() < 0.01
