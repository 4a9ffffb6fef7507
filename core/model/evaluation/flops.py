"""Count the cost of a computation on any machine: operations, and bytes of tensors."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

# Side of the matrices by which the machine's peak is measured: large enough to keep all cores busy.
_MATRIX_SIDE = 1024


class CostCounter:
    """Counts what PyTorch computes on this thread while the context is active."""

    def __init__(self) -> None:
        self._flops = FlopCounterMode(display=False)
        self._bytes = _ByteCounterMode()

    def __enter__(self) -> CostCounter:
        self._flops.__enter__()
        self._bytes.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *exception: Any) -> None:
        self._bytes.__exit__(*exception)  # type: ignore[no-untyped-call]
        self._flops.__exit__(*exception)

    @property
    def flops(self) -> int:
        """Operations of matrix products and convolutions: two for each product that is added."""
        return self._flops.get_total_flops()

    @property
    def bytes(self) -> int:
        """Bytes of the tensors that operators read and write, as if nothing stayed in a cache."""
        return self._bytes.total


class _ByteCounterMode(TorchDispatchMode):
    """Adds up the bytes of the inputs and outputs of every operator that is no view."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        # Views move nothing.
        if not func.is_view:
            for leaf in tree_leaves((args, kwargs, result)):
                if isinstance(leaf, torch.Tensor):
                    self.total += leaf.numel() * leaf.element_size()
        return result


def peak_flops(times: int = 8) -> float:
    """Measure the operations a second of a large float32 matrix product, the best of several."""
    a, b = torch.randn(2, _MATRIX_SIDE, _MATRIX_SIDE)
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - began)
    return 2 * _MATRIX_SIDE**3 / best
