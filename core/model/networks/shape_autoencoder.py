"""The shape space: surface points in, a small grid of numbers, a signed distance out.

A shape fills a cube: each of its three sides is stretched to the same length, and the lengths are
kept apart (``core.geometry.shape_cube``). The encoder sees points that are sorted into 32^3 cells.
Its latent is a grid of 4^3 cells of 16 numbers, each of which stands for a region of the shape, so
that parts of a latent may be edited or held. The decoder returns a truncated signed distance at
64^3 points. Its last layer computes the 4^3 distances within a cell of 16^3 at once (sub-pixel
convolution, Shi et al. 2016, arXiv:1609.05158): convolutions at 64^3 would cost forty times as
much.

    points 32^3 x 8 -> 16^3 x 48 -> 8^3 x 96 -> 4^3 x 128 -> latent 4^3 x 16
    distance 64^3   <- 16^3 x 48 <- 8^3 x 96 <- 4^3 x 128 <-'
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...geometry.shape_cube.box import FIELD_SIDE
from ...geometry.shape_cube.splatting import POINT_CHANNELS, SPLAT_SIDE
from .layers import Residual, conv_norm_relu

LATENT_SIDE = 4
_PATCH = 2  # input cells along each side that become the channels of one
_SUBCELLS = 4  # output points along each side of a cell of the last features
# Of a new network: with standard deviations of 1 the decoder would see noise alone at first.
_FIRST_LOG_VARIANCE = -5.0
_LOG_VARIANCE_RANGE = (-12.0, 4.0)  # so that no exponential overflows


@dataclass(frozen=True)
class ShapeSpaceConfig:
    """Sizes of the autoencoder.

    Attributes:
        widths: channels at 16^3, 8^3 and 4^3. latent: channels of the latent at 4^3.
        blocks: residual blocks of the decoder at each of the three sizes. The encoder has one at
            8^3 and 4^3.
    """

    widths: tuple[int, int, int] = (48, 96, 128)
    latent: int = 16
    blocks: tuple[int, int, int] = (1, 1, 2)


@dataclass(frozen=True)
class LatentDistribution:
    """Independent normal distributions: (B, latent, 4, 4, 4) each."""

    mean: Tensor
    log_variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Return mean + noise * standard deviation, for ``noise`` of the same shape."""
        return self.mean + noise * torch.exp(0.5 * self.log_variance)

    def divergence(self) -> Tensor:
        """Return the divergence from the standard normal distribution, of the same shape."""
        variance = torch.exp(self.log_variance)
        return 0.5 * (self.mean.square() + variance - 1 - self.log_variance)


class _Upsample(nn.Module):
    """Each cell becomes 2^3 cells: a linear layer, and its outputs as neighbors."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.expand = nn.Conv3d(inputs, 8 * outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, 2 D, 2 D, 2 D) of ``x`` (B, inputs, D, D, D)."""
        return channels_to_cells(self.expand(x), 2)


class ShapeEncoder(nn.Module):
    """Points in cells to the distribution of the latent."""

    def __init__(self, config: ShapeSpaceConfig) -> None:
        super().__init__()
        fine, middle, coarse = config.widths
        self.stem = conv_norm_relu(3, POINT_CHANNELS * _PATCH**3, fine)
        self.down_middle = conv_norm_relu(3, fine, middle, 3, 2)
        self.middle = Residual(3, middle)
        self.down_coarse = conv_norm_relu(3, middle, coarse, 3, 2)
        self.coarse = Residual(3, coarse)
        self.head = nn.Conv3d(coarse, 2 * config.latent, 1)
        with torch.no_grad():
            self.head.bias[config.latent :] = _FIRST_LOG_VARIANCE  # type: ignore[index]

    def forward(self, points: Tensor) -> LatentDistribution:
        """Return the distribution of the latent for ``points`` (B, 8, 32, 32, 32)."""
        x = self.stem(cells_to_channels(points, _PATCH))
        x = self.middle(self.down_middle(x))
        x = self.coarse(self.down_coarse(x))

        # Statistics in float32, also where the layers compute in bfloat16.
        mean, log_variance = self.head(x).float().chunk(2, dim=1)
        return LatentDistribution(mean, log_variance.clamp(*_LOG_VARIANCE_RANGE))


class ShapeDecoder(nn.Module):
    """A latent to the signed distance."""

    def __init__(self, config: ShapeSpaceConfig) -> None:
        super().__init__()
        fine, middle, coarse = config.widths
        fine_blocks, middle_blocks, coarse_blocks = config.blocks

        # From 4^3 to 8^3 and to 16^3, in the order of the random numbers of a new network.
        self.stem = nn.Conv3d(config.latent, coarse, 1)
        self.coarse = _residual_blocks(coarse, coarse_blocks)
        self.up_middle = _Upsample(coarse, middle)
        self.middle = _residual_blocks(middle, middle_blocks)
        self.up_fine = _Upsample(middle, fine)
        self.fine = _residual_blocks(fine, fine_blocks)
        self.head = nn.Conv3d(fine, _SUBCELLS**3, 3, padding=1)

    def forward(self, latent: Tensor) -> Tensor:
        """Return values (B, 64, 64, 64) whose tanh is the truncated distance, positive inside.

        Args:
            latent: (B, latent, 4, 4, 4).
        """
        x = self.coarse(self.stem(latent))
        x = self.middle(self.up_middle(x))
        x = self.fine(self.up_fine(x))
        return channels_to_cells(self.head(x), _SUBCELLS)[:, 0].float()


class ShapeAutoencoder(nn.Module):
    """Encoder and decoder.

    Args:
        config: their sizes.
    """

    def __init__(self, config: ShapeSpaceConfig | None = None) -> None:
        super().__init__()
        self.config = config or ShapeSpaceConfig()
        self.encoder = ShapeEncoder(self.config)
        self.decoder = ShapeDecoder(self.config)

    def forward(self, points: Tensor, noise: Tensor) -> tuple[Tensor, LatentDistribution]:
        """Return the decoder's values (B, 64, 64, 64) and the distribution of the latent.

        Args:
            points: (B, 8, 32, 32, 32), see ``splat_points``.
            noise: (B, latent, 4, 4, 4) standard normal numbers; 0 for the mean.
        """
        distribution = self.encoder(points)
        return self.decoder(distribution.sample(noise)), distribution

    def latent_shape(self, batch: int) -> tuple[int, ...]:
        """Return the shape of the latents of ``batch`` shapes."""
        return (batch, self.config.latent, LATENT_SIDE, LATENT_SIDE, LATENT_SIDE)


def _residual_blocks(width: int, count: int) -> nn.Sequential:
    """Return ``count`` residual blocks of ``width`` channels, one after the other."""
    blocks = [Residual(3, width) for _ in range(count)]
    return nn.Sequential(*blocks)


def cells_to_channels(x: Tensor, size: int) -> Tensor:
    """Return (B, C * size^3, D, H, W) of ``x`` (B, C, D * size, H * size, W * size)."""
    batch, channels, fine_depth, fine_height, fine_width = x.shape
    depth = fine_depth // size
    height = fine_height // size
    width = fine_width // size

    # Places within a block go to the front, beside the channels.
    split = x.reshape(batch, channels, depth, size, height, size, width, size)
    moved = split.permute(0, 1, 3, 5, 7, 2, 4, 6)
    return moved.reshape(batch, -1, depth, height, width)


def channels_to_cells(x: Tensor, size: int) -> Tensor:
    """Return (B, C, D * size, H * size, W * size) of ``x`` (B, C * size^3, D, H, W)."""
    batch, channels, depth, height, width = x.shape
    outputs = channels // size**3

    # Each place within a block goes behind the place of its block.
    split = x.reshape(batch, outputs, size, size, size, depth, height, width)
    moved = split.permute(0, 1, 5, 2, 6, 3, 7, 4)
    return moved.reshape(batch, -1, depth * size, height * size, width * size)


assert SPLAT_SIDE == LATENT_SIDE * 4 * _PATCH, "the encoder halves the cells three times"
assert FIELD_SIDE == LATENT_SIDE * 4 * _SUBCELLS, "the decoder doubles them four times"
