"""Steps of the trainings of generators: two adversarial pairs and a rectified flow.

R3GAN (Huang et al. 2024, arXiv:2501.05441) is a relativistic pair with gradient penalties on real
and on made codes, which converges without further tricks. WGAN-GP (Gulrajani et al. 2017,
arXiv:1704.00028) is its rival.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...networks.shape_generators import NOISE, CodeCritic, CodeFlow, CodeGenerator


@dataclass(frozen=True)
class AdversarialConfig:
    """Weights of the adversarial losses.

    Attributes:
        gamma: of both gradient penalties of R3GAN. penalty: of WGAN-GP.
        critic_steps: of WGAN-GP's critic for one of its generator.
    """

    gamma: float = 2.0
    penalty: float = 10.0
    critic_steps: int = 5


def relativistic_critic_loss(
    critic: CodeCritic, real: Tensor, made: Tensor, label: Tensor, gamma: float
) -> Tensor:
    """Return R3GAN's loss of the critic: a real code should score above a made one.

    Args:
        critic: to train.
        real: (B, N) codes.
        made: (B, N) codes of the generator.
        label: (B,) class indices of both.
        gamma: weight of the squared gradients.
    """
    real = real.detach().requires_grad_()
    made = made.detach().requires_grad_()
    real_score = critic(real, label)
    made_score = critic(made, label)

    # R1 on real codes and R2 on made ones.
    penalty = _squared_gradient(real_score, real) + _squared_gradient(made_score, made)
    return F.softplus(made_score - real_score).mean() + gamma / 2 * penalty.mean()


def relativistic_generator_loss(
    critic: CodeCritic, real: Tensor, made: Tensor, label: Tensor
) -> Tensor:
    """Return R3GAN's loss of the generator, see :func:`relativistic_critic_loss`."""
    return F.softplus(critic(real, label) - critic(made, label)).mean()


def wasserstein_critic_loss(
    critic: CodeCritic, real: Tensor, made: Tensor, label: Tensor, penalty: float
) -> Tensor:
    """Return WGAN-GP's loss of the critic.

    Args:
        critic: to train.
        real: (B, N) codes.
        made: (B, N) codes of the generator.
        label: (B,) class indices of both.
        penalty: weight of the deviation of the gradient's length from 1, between the codes.
    """
    # The critic should rise by 1 a unit of distance, on the way from made codes to real ones.
    made = made.detach()
    share = torch.rand(len(real), 1)
    between = (share * real + (1 - share) * made).requires_grad_()
    squared_length = _squared_gradient(critic(between, label), between)
    length = squared_length.add(1e-12).sqrt()

    distance = critic(made, label).mean() - critic(real, label).mean()
    loss: Tensor = distance + penalty * (length - 1).square().mean()
    return loss


def flow_loss(flow: CodeFlow, code: Tensor, label: Tensor, drop: float = 0.1) -> Tensor:
    """Return the mean squared error of the velocity from noise to codes.

    Times are logit-normal, as in Esser et al. 2024 (arXiv:2403.03206).

    Args:
        flow: to train.
        code: (B, N) standardized codes.
        label: (B,) class indices.
        drop: share of the labels that are replaced by "any".
    """
    # A place on the straight way from noise (time 0) to the code (time 1).
    noise = torch.randn_like(code)
    time = torch.sigmoid(torch.randn(len(code)))

    # Some labels are hidden, so that the flow also learns all classes together.
    is_dropped = torch.rand(len(code)) < drop
    label = torch.where(is_dropped, flow.sizes.classes, label)

    share = time[:, None]
    between = share * code + (1 - share) * noise
    velocity = flow(between, time, label)
    return F.mse_loss(velocity, code - noise)


def make_codes(generator: CodeGenerator, label: Tensor) -> Tensor:
    """Return codes (B, N) of new noise and class indices (B,)."""
    codes: Tensor = generator(torch.randn(len(label), NOISE), label)
    return codes


def _squared_gradient(scores: Tensor, codes: Tensor) -> Tensor:
    """Return the squared length (B,) of the gradient of scores (B,) by codes (B, N)."""
    (gradient,) = torch.autograd.grad(scores.sum(), codes, create_graph=True)
    return gradient.square().sum(1)
