"""Networks that make codes of the shape space: a generator and its critic, and a flow.

A code is a latent and the logarithms of the box's sides, 1,027 numbers. There are only thousands of
shapes to learn from, so the networks work on the coefficients of the principal components of codes:
residual layers on about two hundred numbers, which train in minutes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NOISE = 128  # numbers that the generator is given
BOX_NUMBERS = 3
_TIMES = 64  # features of the time of a flow


@dataclass(frozen=True)
class GeneratorSizes:
    """Sizes of the networks.

    Attributes:
        numbers: coefficients of a code. classes: number of classes; one more stands for any.
        width: of the layers. blocks: number of residual layers.
    """

    numbers: int = 192
    classes: int = 12
    width: int = 384
    blocks: int = 4


class _ConditionedLayer(nn.Module):
    """A residual layer whose input is shifted and scaled by a condition (arXiv:2212.09748)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(width, 2 * width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        nn.init.normal_(self.modulation.weight, std=0.02)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return features (B, width)."""
        # The condition decides how the features are read.
        shift, scale = self.modulation(F.silu(condition)).chunk(2, dim=-1)
        normal = F.layer_norm(x, x.shape[-1:])
        modulated = normal * (1 + scale) + shift
        hidden = F.silu(self.first(modulated))
        change: Tensor = self.second(hidden)
        return x + change


class CodeGenerator(nn.Module):
    """Noise and a class to a code, as the generator of an adversarial pair."""

    def __init__(self, sizes: GeneratorSizes) -> None:
        super().__init__()
        self.classes = nn.Embedding(sizes.classes + 1, sizes.width)
        self.start = nn.Linear(NOISE, sizes.width)
        self.layers = nn.ModuleList(_ConditionedLayer(sizes.width) for _ in range(sizes.blocks))
        self.end = nn.Linear(sizes.width, sizes.numbers)

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        """Return codes (B, N) of ``noise`` (B, 128) and class indices ``label`` (B,)."""
        x = self.start(noise)
        condition = x + self.classes(label)
        for layer in self.layers:
            x = layer(x, condition)
        result: Tensor = self.end(x)
        return result


class CodeCritic(nn.Module):
    """A code and its class to a number: higher for codes of real shapes.

    Layers without normalization, and the inner product with the class (projection discriminator,
    Miyato and Koyama 2018, arXiv:1802.05637).
    """

    def __init__(self, sizes: GeneratorSizes) -> None:
        super().__init__()
        width = sizes.width
        self.start = nn.Linear(sizes.numbers, width)
        self.layers = nn.ModuleList()
        for _ in range(sizes.blocks - 1):
            layer = nn.Sequential(
                nn.LeakyReLU(0.2),
                nn.Linear(width, width),
                nn.LeakyReLU(0.2),
                nn.Linear(width, width),
            )
            self.layers.append(layer)
        self.score = nn.Linear(width, 1)
        self.classes = nn.Embedding(sizes.classes + 1, width)

    def forward(self, code: Tensor, label: Tensor) -> Tensor:
        """Return scores (B,) of codes (B, N) and class indices (B,)."""
        x = self.start(code)
        for layer in self.layers:
            x = x + 0.5 * layer(x)
        features = F.leaky_relu(x, 0.2)
        scores: Tensor = self.score(features)[:, 0]
        product: Tensor = features * self.classes(label)
        return scores + product.mean(1)


class CodeFlow(nn.Module):
    """The velocity from noise to codes of a rectified flow (Liu et al. 2023, arXiv:2209.03003)."""

    def __init__(self, sizes: GeneratorSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.classes = nn.Embedding(sizes.classes + 1, sizes.width)
        self.time = nn.Sequential(
            nn.Linear(_TIMES, sizes.width), nn.SiLU(), nn.Linear(sizes.width, sizes.width)
        )
        self.start = nn.Linear(sizes.numbers, sizes.width)
        self.layers = nn.ModuleList(_ConditionedLayer(sizes.width) for _ in range(sizes.blocks))
        self.end = nn.Linear(sizes.width, sizes.numbers)

    def forward(self, code: Tensor, time: Tensor, label: Tensor) -> Tensor:
        """Return velocities (B, N).

        Args:
            code: (B, N) between noise, at time 0, and a code, at 1.
            time: (B,) in 0..1.
            label: (B,) class indices.
        """
        time_condition = self.time(_time_features(time))
        condition = time_condition + self.classes(label)
        x = self.start(code)
        for layer in self.layers:
            x = layer(x, condition)
        result: Tensor = self.end(x)
        return result

    @torch.no_grad()
    def sample(self, noise: Tensor, label: Tensor, steps: int = 40) -> Tensor:
        """Return codes (B, N) by Euler's method from ``noise`` (B, N).

        Args:
            noise: standard normal numbers.
            label: (B,) class indices.
            steps: of the method.
        """
        code = noise
        for step in range(steps):
            # The velocity at the present time, for one step.
            time = torch.full((len(code),), step / steps)
            code = code + self(code, time, label) / steps
        return code


class FactorMixture(nn.Module):
    """Normal distributions with low-rank covariances, weighted by class.

    One for each class is a Gaussian per class, some dozens are a mixture, one for each training
    code without factors is a kernel density.

    Args:
        count: M, of distributions. rank: K, of their covariances. numbers: N, of a code.
        classes: C; one more stands for any.
    """

    means: Tensor
    factors: Tensor
    deviation: Tensor
    weights: Tensor

    def __init__(self, count: int, rank: int, numbers: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(count, numbers))
        self.register_buffer("factors", torch.zeros(count, rank, numbers))
        self.register_buffer("deviation", torch.zeros(numbers))
        self.register_buffer("weights", torch.ones(classes + 1, count))

    @torch.no_grad()
    def sample(self, label: Tensor, generator: torch.Generator) -> Tensor:
        """Return codes (B, N) of class indices ``label`` (B,)."""
        means = self.means
        factors = self.factors

        # A distribution by the weights of the class, then a point of it.
        chosen = torch.multinomial(self.weights[label], 1, generator=generator)[:, 0]
        coefficients = torch.randn(len(label), factors.shape[1], generator=generator)
        spread = torch.einsum("bk,bkn->bn", coefficients, factors[chosen])
        noise = torch.randn(len(label), means.shape[1], generator=generator)

        return means[chosen] + spread + self.deviation * noise


def _time_features(time: Tensor) -> Tensor:
    """Return sines and cosines (B, 64) of times (B,)."""
    frequencies = torch.exp(torch.linspace(0, math.log(1000), 32))
    angles = time[:, None] * frequencies
    return torch.cat((angles.sin(), angles.cos()), dim=1)
