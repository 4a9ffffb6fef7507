from types import SimpleNamespace

import numpy as np
import pytest
import torch
from maquette.core.cameras import side
from maquette.core.model.projection import camera_matrix
from maquette.core.model.silhouettes import SilhouetteField
from maquette.core.work import run_to_end


class Unsure:
    """A network that finds a plane at y = 0.2 likeliest, yet nothing likely enough, or a slab through everything."""

    def __init__(self, slab=False):
        self.slab = slab

    def occupancy(self, _, points):
        return torch.full_like(points[..., 0], 2.0) if self.slab else -1 - 5 * (points[..., 1] - 0.2).abs()


def field(network, masks, sides=("front",)):
    cameras = torch.from_numpy(np.stack([camera_matrix(side(name, 1.1, 64)) for name in sides]))[None]
    stack = torch.from_numpy(np.stack(masks))[None, :, None]
    return SilhouetteField(network, SimpleNamespace(cameras=cameras), stack)


@pytest.fixture
def thin():
    """A bar two pixels wide in a picture of 256 across 1.1 units, from x = 0 to 2 pixels."""
    mask = np.zeros((256, 256), np.float32)
    mask[40:216, 128:130] = 1
    return mask


def test_every_pixel_of_a_mask_gets_something_at_its_likeliest_depth(thin):
    found = field(Unsure(), [thin])
    x, z = 1.1 / 256, 0.1
    depths = np.linspace(-0.5, 0.5, 101)
    points = np.stack((np.full(101, x), depths, np.full(101, z)), axis=1)
    assert (found(points) < 0).all()
    run_to_end(found.survey())
    inside = depths[found(points) > 0]
    assert len(inside) and abs(inside.mean() - 0.2) < 0.02 and np.ptp(inside) < 0.2


def test_nothing_is_outside_of_a_mask(thin):
    found = field(Unsure(slab=True), [thin])
    run_to_end(found.survey())
    points = np.random.default_rng(0).uniform(-0.55, 0.55, (2000, 3))
    beside = (np.abs(points[:, 0] - 1.1 / 256) > 0.02) | (np.abs(points[:, 2]) > 0.42)
    assert (found(points[beside]) < 0).all()


def test_two_masks_hold_together(thin):
    """What one view asks for is not put where the other shows nothing."""
    upper = np.zeros((256, 256), np.float32)
    upper[40:128] = 1
    found = field(Unsure(), [thin, upper], ("front", "right"))
    run_to_end(found.survey())
    low = np.stack((np.full(50, 1.1 / 256), np.linspace(-0.5, 0.5, 50), np.full(50, -0.1)), axis=1)
    assert (found(low) < 0).all()


@pytest.mark.parametrize(("slab", "share"), [(True, 1.0), (False, 0.0)])
def test_tells_how_much_is_cut_off(slab, share):
    mask = np.zeros((256, 256), np.float32)
    mask[64:192, 64:192] = 1
    assert run_to_end(field(Unsure(slab), [mask]).survey()) == share
