"""The exponential moving average of weights, which generalizes better than the last weights."""

from __future__ import annotations

import torch
from torch import nn

# Over the first steps the average keeps less of itself: after n steps at most n / (n + 10).
_WARMUP = 10


@torch.no_grad()
def update_ema(average: nn.Module, network: nn.Module, decay: float, steps: int) -> None:
    """Move the weights and buffers of an average towards those of a network of the same kind.

    Args:
        average: network whose weights are changed.
        network: network that is trained.
        decay: share of itself that the average keeps in the long run.
        steps: number of steps so far; after few of them it keeps less.
    """
    # Early weights are far from the final ones: an average of few steps forgets them sooner.
    kept_share = min(decay, steps / (steps + _WARMUP))
    means = average.state_dict().values()
    values = network.state_dict().values()

    for mean, value in zip(means, values, strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - kept_share)
        else:  # a counter
            mean.copy_(value)
