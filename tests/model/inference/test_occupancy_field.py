import numpy as np
import pytest
import torch
from maquette.core.cameras import side_camera
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference.occupancy_field import (
    HullConstrainedField,
    Outlines,
    expected_iou_threshold,
)
from maquette.core.model.inference.preprocessing import assumed_camera, rotate_upright
from maquette.core.model.inference.ray_evidence import most_likely_hits
from maquette.core.model.networks.projection import camera_matrix


class Unsure:
    """A network whose most likely place is a plane at y = 0.2, but below the threshold.

    Or, as a slab, one to which everything is inside.
    """

    def __init__(self, slab=False):
        self.slab, self.threshold_shift = slab, 0.0 if slab else 3.0

    def predict_occupancy(self, _, points):
        return (
            torch.full_like(points[..., 0], 2.0)
            if self.slab
            else -1 - 5 * (points[..., 1] - 0.2).abs()
        )


def field(network, masks, cameras=("front",)):
    found = [
        side_camera(camera, 1.1, 64) if isinstance(camera, str) else camera for camera in cameras
    ]
    matrices = torch.from_numpy(np.stack([camera_matrix(camera) for camera in found]))[None]
    stack = torch.from_numpy(np.stack(masks))[None, :, None]
    return HullConstrainedField(network, None, Outlines(stack, matrices), 128)


def bar(left, width):
    """A mask of 256 pixels across 1.1 units with an upright bar in it."""
    mask = np.zeros((256, 256), np.float32)
    mask[40:216, left : left + width] = 1
    return mask


@pytest.fixture
def thin():
    return bar(128, 2)


@pytest.mark.parametrize(("left", "width"), [(128, 2), (129, 2), (128, 3), (129, 4), (61, 8)])
def test_every_pixel_of_a_mask_is_filled_at_its_most_likely_depth(left, width):
    """Also at the corners of a grid, which are between the pixels."""
    constrained = field(Unsure(), [bar(left, width)])
    line = np.linspace(-0.55, 0.55, 129)
    middle = (left + width / 2) / 256 * 1.1 - 0.55
    x = line[np.abs(line - middle).argmin()]
    points = np.stack((np.full(129, x), line, np.full(129, line[70])), axis=1)
    assert (constrained(points) < 0).all()
    run_to_end(constrained.prepare())
    inside = line[constrained(points) > 0]
    assert len(inside) and abs(inside.mean() - 0.2) < 0.02 and np.ptp(inside) < 0.2


@pytest.mark.parametrize("half", (0.18, 0.185, 0.19, 0.195, 0.2))
def test_all_sides_of_a_mask_are_filled_alike(half):
    """The network's solid is smaller than the mask."""

    class Narrow(Unsure):
        def predict_occupancy(self, features, points):
            within = (points[..., [0, 2]].abs() < half).all(-1)
            return torch.where(
                within, torch.tensor(4.0), super().predict_occupancy(features, points)
            )

    mask = np.zeros((256, 256), np.float32)
    mask[80:176, 80:176] = 1  # 0.206 to every side
    network = Narrow()
    network.threshold_shift = 0.0
    constrained = field(network, [mask])
    run_to_end(constrained.prepare())
    line = (np.arange(96) + 0.5) / 96 * 0.4 - 0.2
    points = np.stack(np.meshgrid(line, np.linspace(0.1, 0.3, 9), line, indexing="ij"), axis=-1)
    shown = (constrained(points.reshape(-1, 3)) > 0).reshape(points.shape[:3]).any(1)
    assert shown.mean() > 0.85  # half a ray may stay empty between solid and boost
    assert (shown != np.rot90(shown, 2)).mean() < 0.01


def test_no_boost_is_outside_of_the_volume():
    """A ray that is askew leaves the volume, where the network's logits mean nothing."""

    class Wild(Unsure):
        def predict_occupancy(self, features, points):
            within = (points.abs() <= 0.55).all(-1)
            return torch.where(
                within, super().predict_occupancy(features, points), torch.tensor(9.0)
            )

    camera = rotate_upright(assumed_camera(bar(120, 16)), np.array((0, -0.5, 0.87)))
    constrained = field(Wild(), [bar(120, 16)], [camera])
    run_to_end(constrained.prepare())
    line = np.linspace(-0.55, 0.55, 129)
    sheet = np.stack(np.meshgrid([0.0], line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = sheet[(constrained(sheet) > 0) & (np.abs(sheet[:, 2]) < 0.15)]
    assert len(inside) and np.abs(inside[:, 1] - 0.2).max() < 0.2


def test_the_field_is_empty_outside_of_a_mask(thin):
    constrained = field(Unsure(slab=True), [thin])
    run_to_end(constrained.prepare())
    points = np.random.default_rng(0).uniform(-0.55, 0.55, (2000, 3))
    beside = (np.abs(points[:, 0] - 1.1 / 256) > 0.02) | (np.abs(points[:, 2]) > 0.42)
    assert (constrained(points[beside]) < 0).all()


def test_boosts_of_one_view_are_within_the_mask_of_the_other(thin):
    upper = np.zeros((256, 256), np.float32)
    upper[40:128] = 1
    constrained = field(Unsure(), [thin, upper], ("front", "right"))
    run_to_end(constrained.prepare())
    for height, is_filled in ((-0.1, False), (0.1, True)):
        depths = np.linspace(-0.5, 0.5, 50)
        points = np.stack((np.full(50, 1.1 / 256), depths, np.full(50, height)), axis=1)
        assert (constrained(points) > 0).any() == is_filled


def test_two_legs_behind_each_other_are_both_filled():
    """One would fill each mask, but they are equally likely."""

    class Doubtful(Unsure):
        def predict_occupancy(self, _, points):
            return torch.where(
                points[..., 2] > 0.37, 4.0, -2 + 0.3 * points[..., 1]
            )  # a top, and little below

    legs = bar(60, 2) + bar(190, 2)
    legs[24:40, 60:192] = 1
    constrained = field(Doubtful(), [legs, legs], ("front", "right"))
    run_to_end(constrained.prepare())
    low, high = (left / 256 * 1.1 - 0.55 for left in (61, 191))
    heights = np.linspace(-0.35, 0.35, 30)
    for x, y in ((low, low), (low, high), (high, low), (high, high)):
        points = np.stack((np.full(30, x), np.full(30, y), heights), axis=1)
        assert (constrained(points) > 0).all(), (x, y)
        near = np.abs(constrained.seeds[:, None] - points[None]).max(2) < constrained.reach + 1e-6
        assert near.any()


def test_a_ray_is_boosted_at_the_most_likely_depth_of_each_stretch():
    """Of 48 depths from -0.65 to 0.65; no unlikely second stretch, and no ray that is solid."""
    within = np.zeros((48, 3), bool)
    within[5:12], within[30:40] = True, True
    logits = np.full((48, 3), -9, np.float32)
    logits[8], logits[35] = (-2.5, -4, 1), (-2, -1, -2)
    logits[20] = 5  # outside of the hull
    most, depth = most_likely_hits(logits, within)
    first, second = np.linspace(-0.65, 0.65, 48)[[8, 35]]
    np.testing.assert_allclose(most, [(2.8, 1.3, 0), (2.3, 1.3, 0)], atol=1e-5)
    np.testing.assert_allclose(depth[:, :2], [(first, second), (second, second)], atol=1e-5)


@pytest.mark.parametrize(("slab", "share"), [(True, 1.0), (False, 0.0)])
def test_the_share_of_rays_that_are_cut_off(slab, share):
    mask = np.zeros((256, 256), np.float32)
    mask[64:192, 64:192] = 1
    assert run_to_end(field(Unsure(slab), [mask]).prepare()) == share


def test_the_threshold_has_the_highest_expected_iou():
    """Many worlds are drawn from the probabilities, and the IoU with each is averaged."""
    rng = np.random.default_rng(0)
    for middle in (-2.0, 0.0, 2.0):
        logits = rng.normal(middle, 1.5, 300)
        worlds = rng.random((200, 300)) < 1 / (1 + np.exp(-logits))

        def mean_iou(level, logits=logits, worlds=worlds):
            inside = logits > level
            return np.mean((worlds & inside).sum(1) / (worlds | inside).sum(1))

        found = mean_iou(expected_iou_threshold(logits))
        assert found > max(mean_iou(level) for level in np.linspace(-5, 5, 41)) - 0.005
        assert found > mean_iou(0.0) or middle > 0


def test_points_of_equal_probability_are_all_inside():
    assert expected_iou_threshold(np.full(10, -0.5)) < -0.5
    assert expected_iou_threshold(np.zeros(0)) == 0


def test_the_threshold_depends_on_the_object_and_is_shifted_for_a_single_view(thin):
    """Low logits are inside, but with a single view this network's shift removes them."""
    points = np.stack((np.full(50, 1.1 / 256), np.linspace(0.15, 0.25, 50), np.zeros(50)), axis=1)
    for cameras, is_filled in ((("front",), False), (("front", "front"), True)):
        constrained = field(Unsure(), [thin] * len(cameras), cameras)
        run_to_end(constrained.prepare())
        constrained._boost_maps[:] = 0
        assert (constrained(points) > 0).any() == is_filled


class Ball(Unsure):
    """A network that sees a ball, of which it is sure only well inside."""

    def __init__(self, radius):
        self.radius, self.threshold_shift = radius, 0.0

    def predict_occupancy(self, _, points):
        return 10 * (self.radius - points.norm(dim=-1))


def test_a_solid_that_ends_before_its_mask_gets_no_rim():
    """Its thickness falls smoothly up to the outline, as that of a larger ball does."""
    row, column = (np.indices((256, 256)) + 0.5) / 256 * 1.1 - 0.55
    mask = (np.hypot(row, column) < 0.45).astype(np.float32)
    constrained = field(Ball(0.42), [mask])
    constrained._threshold = 0.0
    run_to_end(constrained.prepare())
    line = np.linspace(-0.55, 0.55, 221)
    thickness = []
    for x in (0.36, 0.39, 0.42, 0.435):
        points = np.stack((np.full(221, x), line, np.full(221, 0.0)), axis=1)
        thickness.append((constrained(points) > 0).mean() * 1.1)
    assert (np.diff(thickness) < 0).all()
    assert thickness[-1] > 0.12  # of a ball with the mask's radius it is 0.23


def test_a_slanted_outline_is_no_staircase():
    """Between the corners of a grid its place is exact to a fifth of a cell."""
    row, column = np.indices((256, 256)) + 0.5
    mask = (column > 100 + 0.3 * (row - 128)).astype(np.float32)
    mask[:40] = mask[216:] = mask[:, 216:] = 0
    constrained = field(Unsure(slab=True), [mask])
    run_to_end(constrained.prepare())
    line = np.linspace(-0.55, 0.55, 129)
    errors = []
    for z in line[30:99]:
        values = constrained(np.stack((line, 0 * line, np.full(129, z)), axis=1))[:100]
        first = np.flatnonzero(values > 0)[0]
        share = values[first] / (values[first] - values[first - 1])
        found = (first - share) * 2  # pixels of the mask
        errors.append(found - (100 + 0.3 * (-z / 1.1 * 256)))
    assert np.ptp(errors) / 2 < 0.4
