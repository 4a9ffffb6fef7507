"""What one picture tells of the solid behind its pixels, and of what is up: a 2D network whose channels are depths.

Voxel tubes (Richter and Roth 2018, arXiv:1804.10975): of the depth, which one picture leaves open, a network has to
see the whole picture rather than the neighbours of a voxel, which is cheap in 2D.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .efficientnet import CHANNELS, Backbone, composite_on_gray
from .layers import Residual, conv_norm_relu, upsample_like
from .projection import project_depth, sample_depth

REACH = 0.6  # depths lie between this much before and behind the origin


class SingleViewNetwork(nn.Module):
    """From a picture to logits at ``depths`` depths behind the pixels of a fourth of its side, and the direction up.

    Args:
        widths: channels at strides 32, 16, 8 and 4.
    """

    def __init__(self, widths: tuple[int, int, int, int], depths: int) -> None:
        super().__init__()
        a, b, c, d = widths
        _, two, three, four, five = CHANNELS
        self.backbone = Backbone(extra=1)
        self.whole = nn.Linear(five, a)
        self.across5 = nn.Conv2d(five + 1, a, 1)
        self.join5 = nn.Sequential(Residual(2, a), Residual(2, a))
        self.join4 = nn.Sequential(conv_norm_relu(2, a + four, b), Residual(2, b))
        self.join3 = nn.Sequential(conv_norm_relu(2, b + three, c), Residual(2, c), Residual(2, c))
        self.join2 = nn.Sequential(conv_norm_relu(2, c + two + 4, d), Residual(2, d))
        self.depths = nn.Conv2d(d, depths, 1)
        self.upright = nn.Sequential(
            nn.Conv2d(five, 64, 1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(1024, 128),
            nn.ReLU(inplace=True),
            nn.Linear(128, 3),
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor, cameras: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, 1, K, H/4, W/4), from near -REACH to REACH, of one picture each, and unit vectors (B, 3), see
        ``network.Features``.

        Args:
            pictures: (B, 4, H, W). cameras: (B, 1, 5, 4).
        """
        _, two, three, four, five = self.backbone(composite_on_gray(pictures))
        posed = (1 - cameras[:, 0, 4, 3])[:, None, None, None].expand(-1, 1, *five.shape[2:])
        x = F.relu(
            self.across5(torch.cat((five, posed), 1))
            + self.whole(five.mean((2, 3)))[:, :, None, None]
        )
        x = self.join5(x)
        x = self.join4(torch.cat((upsample_like(x, four), four), 1))
        x = self.join3(torch.cat((upsample_like(x, three), three), 1))
        cover = F.pixel_unshuffle(F.avg_pool2d(pictures[:, 3:], 2), 2)
        x = self.join2(torch.cat((upsample_like(x, two), two, cover), 1))
        return self.depths(x)[:, None], self._up_vectors(five)

    def estimate_up(self, pictures: Tensor) -> Tensor:
        """Only the vectors (B, 3) of :meth:`forward`."""
        return self._up_vectors(self.backbone(composite_on_gray(pictures))[-1])

    def _up_vectors(self, last: Tensor) -> Tensor:
        return F.normalize(self.upright(last), dim=1)


def sample_depth_logits(tubes: Tensor, cameras: Tensor, points: Tensor) -> Tensor:
    """Logits (B, P) of ``tubes`` (B, 1, K, H, W), seen from ``cameras`` (B, 1, 5, 4), at ``points`` (B, P, 3)."""
    return sample_depth(tubes[:, None], *project_depth(cameras, points), REACH)[:, 0, :, 0]
