"""The moving average of a network's weights, which does better than the weights of its last step."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def update_ema(average: nn.Module, network: nn.Module, most: float, steps: int) -> None:
    """Move the weights and buffers of ``average`` towards those of ``network``, of the same kind.

    Args:
        most: share of itself that the average keeps in the long run. steps: so far; fewer of them keep less.
    """
    kept = min(most, steps / (steps + 10))
    for mean, value in zip(
        average.state_dict().values(), network.state_dict().values(), strict=True
    ):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - kept)
        else:
            mean.copy_(value)
