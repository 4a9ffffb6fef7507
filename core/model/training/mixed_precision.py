"""Mixed precision: blocks in bfloat16, geometry and losses in float32 (arXiv:1710.03740).

Where points project into images must be right to a fraction of a pixel, which bfloat16's 8 bits are
not. On CPUs the backbone stays in float32: its depthwise convolutions take longer in bfloat16 than
the other layers gain.
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
    """Return whether a device has native bfloat16: a CPU emulates it some fifty times slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def uses_bfloat16(precision: str, device: torch.device) -> bool:
    """Return whether a precision means bfloat16 on a device.

    Args:
        precision: one of ``PRECISIONS``; "automatic" is bfloat16 where the device has it natively.
        device: that the network will run on.

    Raises:
        DatasetError: there is no such precision.
    """
    if precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise DatasetError(f"Unknown precision {precision!r}. Choose one of {known}")
    return precision == "bfloat16" or (precision == "automatic" and has_native_bfloat16(device))


def enable_mixed_precision(network: nn.Module, precision: str, device: torch.device) -> bool:
    """Make blocks of a network compute in bfloat16; their weights and outputs stay float32.

    Args:
        network: whose blocks' ``forward`` is replaced.
        precision: one of ``PRECISIONS``; "automatic" is bfloat16 where the device has it natively.
        device: that the network will run on.

    Returns:
        Whether the blocks compute in bfloat16.

    Raises:
        DatasetError: there is no such precision.
    """
    if not uses_bfloat16(precision, device):
        return False

    for block in _outermost_blocks(network):
        if device.type == "cpu" and isinstance(block, Backbone):
            continue
        # On the instance, not by a wrapping module: that would change the names of the weights.
        block.forward = _mixed_forward(block.forward, device.type)

    return True


def _outermost_blocks(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the blocks that are in no other block."""
    for child in network.children():
        if isinstance(child, _BLOCKS):
            yield child
        else:
            yield from _outermost_blocks(child)


def _mixed_forward(forward: Callable[..., Any], device_type: str) -> Callable[..., Any]:
    """Return ``forward`` in bfloat16, with float32 outputs."""

    def run(*arguments: Any) -> Any:
        with torch.autocast(device_type, torch.bfloat16):
            result = forward(*arguments)
        if isinstance(result, Tensor):
            return result.float()
        return type(result)(part.float() for part in result)

    return run
