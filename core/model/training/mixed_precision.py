"""Mixed precision: the network's blocks in bfloat16, geometry and losses in float32 (arXiv:1710.03740).

Where points fall in pictures must be right to a part of a pixel, which bfloat16's 8 bits are not. On CPUs the backbone
stays in float32: its convolutions of single channels take longer in bfloat16 than the rest gains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import DatasetError
from ..networks.efficientnet import Backbone
from ..networks.layers import Residual
from ..networks.reconstruction import VolumeUNet

PRECISIONS = ("automatic", "float32", "bfloat16")
_BLOCKS = (Backbone, VolumeUNet, Residual, nn.Sequential)


def has_native_bfloat16(device: torch.device) -> bool:
    """Whether ``device`` computes in bfloat16 itself. A CPU that does not emulates it, some fifty times slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def enable_mixed_precision(network: nn.Module, precision: str, device: torch.device) -> bool:
    """Let the blocks of ``network`` compute in bfloat16, if ``precision`` says so or leaves it to what is faster.

    Weights, gradients and what blocks give stay float32. Whether it was done.

    Raises:
        DatasetError: there is no such precision.
    """
    if precision not in PRECISIONS:
        raise DatasetError(
            f"Unknown precision {precision!r}. Choose one of {', '.join(PRECISIONS)}"
        )
    mixed = precision == "bfloat16" or (precision == "automatic" and has_native_bfloat16(device))
    for block in _outermost_blocks(network) if mixed else ():
        if device.type == "cpu" and isinstance(block, Backbone):
            continue
        block.forward = _mixed_forward(block.forward, device.type)  # type: ignore[method-assign]
    return mixed


def _outermost_blocks(network: nn.Module) -> Iterator[nn.Module]:
    for child in network.children():
        if isinstance(child, _BLOCKS):
            yield child
        else:
            yield from _outermost_blocks(child)


def _mixed_forward(forward: Callable[..., Any], kind: str) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        with torch.autocast(kind, torch.bfloat16):
            result = forward(*arguments)
        return (
            result.float()
            if isinstance(result, Tensor)
            else type(result)(part.float() for part in result)
        )

    return run
