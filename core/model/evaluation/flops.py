"""What a computation costs, whatever the machine: floating point operations, and bytes of tensors."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

_GEMM = 1024


class CostCounter:
    """As a context: counts what PyTorch does meanwhile on this thread.

    flops: of matrix products and convolutions, two for each product that is added. bytes: of the tensors that the
    operators read and write, as if nothing stayed in a cache.
    """

    def __init__(self) -> None:
        self._flops = FlopCounterMode(display=False)
        self._bytes = _Bytes()

    def __enter__(self) -> CostCounter:
        self._flops.__enter__()
        self._bytes.__enter__()
        return self

    def __exit__(self, *how: Any) -> None:
        self._bytes.__exit__(*how)
        self._flops.__exit__(*how)

    @property
    def flops(self) -> int:
        return self._flops.get_total_flops()

    @property
    def bytes(self) -> int:
        return self._bytes.total


class _Bytes(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), named: Any = None
    ) -> Any:
        result = function(*arguments, **(named or {}))
        if not function.is_view:
            tensors = tree_leaves((arguments, named, result))
            self.total += sum(
                t.numel() * t.element_size() for t in tensors if isinstance(t, torch.Tensor)
            )
        return result


def peak_flops(times: int = 8) -> float:
    """Operations a second of this machine's best matrix product (1024 x 1024, float32), measured."""
    a, b = torch.randn(2, _GEMM, _GEMM)
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - began)
    return 2 * _GEMM**3 / best
