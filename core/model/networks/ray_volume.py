"""The dense network in place of the single-view network: its rays as occupancy at fixed depths.

The dense network says where a ray first meets the object, as two Laplace distributions, and what
lies behind that surface, in bins that begin there. The occupancy at a depth is the expectation over
both: with p the distribution of the first surface and o the occupancy behind it,

    occupancy(depth) = sum over both modes m of  weight_m * P_m(first < depth) * o(depth - first_m)

so that an unsure front is soft, which the threshold of reconstruction and its surface need.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .dense_single_view import RAY_BINS, RAY_EDGES, DenseOutput, DenseSingleViewNetwork
from .efficientnet import composite_on_gray
from .single_view import DEPTH_LIMIT

DEPTHS = 96  # behind each pixel: 0.0125 apart
_MIN_PROBABILITY = 1e-4  # logits stay finite
_ONE_IMAGE = 1 / 6  # what the network is told of the number of images


class RaySingleViewNetwork(nn.Module):
    """The interface of :class:`~.single_view.SingleViewNetwork`, answered by the dense network.

    Args:
        network: Of which this is made.
    """

    def __init__(self, network: DenseSingleViewNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, cameras: Tensor) -> tuple[Tensor, Tensor]:
        """Return depth logits (B, 1, DEPTHS, H/2, W/2) and unit up vectors (B, 3).

        Args:
            images: (B, 4, H, W), sRGB and mask in 0..1.
            cameras: (B, 1, 5, 4), see ``projection``.
        """
        is_orthographic = 1 - cameras[:, 0, 4, 3]
        inputs, conditions = dense_inputs(images, is_orthographic, self.network.config.depth_reach)
        output = self.network(inputs, conditions)
        shift = output.shift * (1 - is_orthographic)
        return ray_volume(output, shift)[:, None], output.up

    def forward_with_mirror(self, images: Tensor, cameras: Tensor) -> tuple[Tensor, Tensor]:
        """Return :meth:`forward` with depth logits averaged over the image and its mirror image."""
        mirrored_pair = torch.cat((images, images.flip(-1)))
        depth_logits, up = self(mirrored_pair, cameras.repeat(2, 1, 1, 1))
        direct, mirrored = depth_logits.chunk(2)
        return (direct + mirrored.flip(-1)) / 2, up[: len(images)]

    def estimate_up(self, images: Tensor) -> Tensor:
        """Return only the up vectors (B, 3), of images of unknown cameras."""
        is_orthographic = images.new_zeros(len(images))
        inputs, conditions = dense_inputs(images, is_orthographic, self.network.config.depth_reach)
        up: Tensor = self.network(inputs, conditions).up
        return up


def dense_inputs(images: Tensor, is_orthographic: Tensor, reach: float) -> tuple[Tensor, Tensor]:
    """Return images (B, 8, H, W) and conditions (B, 4) as ``DenseSingleViewNetwork`` takes them.

    Args:
        images: (B, 4, H, W), sRGB and mask in 0..1.
        is_orthographic: (B,), 1 where the camera is known to see a side straight on, else 0.
        reach: Depth to either side of the origin within which the object is.
    """
    batch, _, height, width = images.shape
    on_gray = composite_on_gray(images)
    hull = images.new_tensor((-reach, reach))[:, None, None].expand(batch, 2, height, width)
    x = torch.linspace(-1, 1, 2 * width + 1, device=images.device)[1::2]
    y = torch.linspace(-1, 1, 2 * height + 1, device=images.device)[1::2]
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    place = torch.stack((grid_x, grid_y)).expand(batch, 2, height, width)

    # Nothing is known of the lens of a free image; that of a side is known to be orthographic.
    nothing = torch.zeros_like(is_orthographic)
    count = torch.full_like(is_orthographic, _ONE_IMAGE)
    conditions = torch.stack((is_orthographic, nothing, is_orthographic, count), dim=1)
    return torch.cat((on_gray, hull, place), dim=1), conditions


def ray_volume(output: DenseOutput, shift: Tensor, depths: int = DEPTHS) -> Tensor:
    """Return occupancy logits (B, depths, h, w) at even depths of -DEPTH_LIMIT..DEPTH_LIMIT.

    Args:
        output: Of the network, B images.
        shift: (B,), to add to the first depths.
        depths: Number of depths; they are the middles of as many cells.
    """
    cells = torch.linspace(-1, 1, 2 * depths + 1, device=shift.device)[1::2]
    depth = (cells * DEPTH_LIMIT)[:, None, None]
    occupancy_behind = output.ray_occupancy.sigmoid()
    weights = output.first_log_weight.exp()

    total = torch.zeros_like(depth)
    for mode in range(weights.shape[1]):
        first = output.first_depth[:, mode : mode + 1] + shift[:, None, None, None]
        behind = depth - first
        has_begun = _laplace_cdf(behind / output.first_scale[:, mode : mode + 1])
        solid = _at_bins(occupancy_behind, behind)
        total = total + weights[:, mode : mode + 1] * has_begun * solid
    return total.clamp(_MIN_PROBABILITY, 1 - _MIN_PROBABILITY).logit()


def _laplace_cdf(values: Tensor) -> Tensor:
    """Return the share of a Laplace distribution of scale 1 that is below each of ``values``."""
    tail = 0.5 * torch.exp(-values.abs())
    return torch.where(values < 0, tail, 1 - tail)


def _at_bins(occupancy: Tensor, behind: Tensor) -> Tensor:
    """Return the occupancy (B, K, h, w) at depths behind the first surface, linear between bins.

    Before the middle of the first bin and behind that of the last it stays as it is there.

    Args:
        occupancy: (B, RAY_BINS, h, w) in 0..1.
        behind: (B, K, h, w).
    """
    edges = RAY_EDGES.to(behind.device)
    middles = (edges[1:] + edges[:-1]) / 2
    upper = torch.bucketize(behind, middles).clamp(1, RAY_BINS - 1)
    below = middles[upper - 1]
    fraction = ((behind - below) / (middles[upper] - below)).clamp(0, 1)
    return torch.lerp(occupancy.gather(1, upper - 1), occupancy.gather(1, upper), fraction)
