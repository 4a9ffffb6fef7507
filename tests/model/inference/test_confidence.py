import numpy as np
import pytest
import torch
from maquette.core.arrays import MeshArrays
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.jobs.task import run_to_end
from maquette.core.model.evaluation.confidence import calibration_metrics
from maquette.core.model.inference.confidence import (
    apply_calibration,
    fit_calibration,
    occupancy_contrast,
)


class Ball:
    """A field whose surface is sharp for x > 0 and vague for x < 0."""

    def inside_probability(self, points):
        width = np.where(points[:, 0] > 0, 0.002, 0.2)
        return (1 / (1 + np.exp((np.linalg.norm(points, axis=1) - 0.4) / width))).astype(np.float32)


@pytest.fixture(scope="module")
def ball():
    line = np.linspace(-0.55, 0.55, 49)
    grid = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)
    field = 0.4 - np.linalg.norm(grid, axis=-1)
    return surface_nets(field.astype(np.float32), 0.0, np.full(3, -0.55), line[1] - line[0])


def test_contrast_is_high_where_the_field_is_steep(ball: MeshArrays):
    contrast = run_to_end(occupancy_contrast(Ball(), ball))
    assert contrast.shape == (len(ball.vertices),)
    assert contrast[ball.vertices[:, 0] > 0.05].min() > 0.6
    assert contrast[ball.vertices[:, 0] < -0.05].max() < 0.1


def test_a_calibration_reproduces_the_share_of_near_points():
    rng = np.random.default_rng(0)
    contrast = rng.uniform(0, 1, 20_000).astype(np.float32)
    near = rng.random(20_000) < 1 / (1 + np.exp(-(4 * contrast - 1)))
    curve = fit_calibration(contrast, near)
    assert curve.tolist() == pytest.approx((4, -1), abs=0.2)
    sure = apply_calibration(contrast, curve)
    for low in (0, 0.5):
        part = (contrast >= low) & (contrast < low + 0.5)
        assert sure[part].mean() == pytest.approx(near[part].mean(), abs=0.02)


def test_metrics_of_a_perfect_a_vague_and_a_wrong_confidence():
    near = np.array((True,) * 60 + (False,) * 40)
    perfect = calibration_metrics(near.astype(float), near)
    assert (perfect.ece, perfect.auroc, perfect.accuracy) == pytest.approx((0, 1, 0.6))
    vague = calibration_metrics(np.full(100, 0.6), near)
    assert (vague.ece, vague.auroc) == pytest.approx((0, 0.5))
    wrong = calibration_metrics(1 - near.astype(float), near)
    assert (wrong.ece, wrong.auroc) == pytest.approx((1, 0))


def test_the_calibration_depends_on_number_and_kind_of_views(tiny):
    from maquette.core.cameras import look_at, perspective_camera, side_camera
    from maquette.core.model.networks.projection import camera_matrix
    from maquette.core.model.networks.reconstruction import ReconstructionNetwork

    network = ReconstructionNetwork(tiny).eval()
    network.calibration_curves[:, 0] = torch.arange(5.0)
    sides = [
        camera_matrix(side_camera(name, 1.1, tiny.picture))
        for name in ("front", "right", "back", "left", "top")
    ]
    free = camera_matrix(
        perspective_camera(look_at(np.array((0, -2.0, 0)), np.zeros(3)), 0.5, tiny.picture)
    )
    for cameras, slope in (
        ([free], 0),
        (sides[:1], 1),
        (sides[:2], 2),
        (sides[:4], 4),
        (sides, 4),
        ([free, free], 2),
    ):
        pictures = torch.ones(1, len(cameras), 4, tiny.picture, tiny.picture)
        with torch.inference_mode():
            features = network.encode_views(pictures, torch.from_numpy(np.stack(cameras))[None])
        assert network.calibration_for(features)[0] == slope
