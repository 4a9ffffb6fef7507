"""Several processes that train one network: each takes its part of every batch (``torchrun``, DDP).

What they learn equals what one process learns from the whole batch: gradients and losses are averaged by the number
of samples, and batch normalisation is over the samples of all (Ioffe and Szegedy 2015, arXiv:1502.03167; PyTorch's own
SyncBatchNorm does this on GPUs alone).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from ...errors import DatasetError

T = TypeVar("T")
_CPU = torch.device("cpu")
_PATIENCE = timedelta(hours=2)  # the others wait while the first one validates


@dataclass(frozen=True)
class DistributedContext:
    """This process's place, and the device that it trains on."""

    rank: int = 0
    count: int = 1
    device: torch.device = _CPU

    @property
    def is_main(self) -> bool:
        """Whether this process writes and validates."""
        return self.rank == 0

    def shard_batch(self, batch: T) -> tuple[T, float]:
        """This process's samples of ``batch``, a dataclass of tensors (B, ...), on its device; and their weight.

        The mean over all processes of a mean over own samples times the weight is the mean over the batch.

        Raises:
            DatasetError: there are more processes than samples.
        """
        tensors = {field.name: getattr(batch, field.name) for field in fields(batch)}  # type: ignore[arg-type]
        whole = len(next(iter(tensors.values())))
        if whole < self.count:
            raise DatasetError(
                f"A batch of {whole} samples cannot be split among {self.count} processes. Start "
                "fewer"
            )
        mine = {
            name: value[self.rank :: self.count].to(self.device) for name, value in tensors.items()
        }
        own = len(next(iter(mine.values())))
        return replace(batch, **mine), own * self.count / whole  # type: ignore[type-var]

    def all_reduce_mean(self, values: Sequence[Tensor]) -> list[float]:
        """The means over all processes of scalars."""
        together = torch.stack([value.detach() for value in values])
        if self.count > 1:
            distributed.all_reduce(together)
        return (together / self.count).tolist()

    def any_rank(self, flag: bool) -> bool:
        """Whether ``flag`` holds in any process."""
        if self.count == 1:
            return flag
        said = torch.tensor(float(flag), device=self.device)
        distributed.all_reduce(said, distributed.ReduceOp.MAX)
        return bool(said)

    def wrap_module(self, module: nn.Module) -> nn.Module:
        """``module`` with its gradients averaged over the processes and batch normalisation over all samples."""
        module.to(self.device)
        if self.count == 1:
            return module
        for child in module.modules():
            if type(child) is nn.BatchNorm2d:
                child.__class__ = CpuSyncBatchNorm
        return DistributedDataParallel(module, find_unused_parameters=True)


SINGLE_PROCESS = DistributedContext()


@contextmanager
def distributed_context() -> Iterator[DistributedContext]:
    """This process's place among those that ``torchrun`` started, on a GPU of its own if there is one."""
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if gpu else _CPU
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count == 1:
        yield DistributedContext(device=device)
        return
    if gpu:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if gpu else "gloo", timeout=_PATIENCE)
    try:
        yield DistributedContext(distributed.get_rank(), count, device)
    finally:
        distributed.destroy_process_group()


class CpuSyncBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the samples (B, C, H, W) of all processes."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        own = x.float()
        sums = _Sum.apply(
            torch.cat((own.sum((0, 2, 3)), own.new_tensor([own.numel() / own.shape[1]])))
        )
        size = sums[-1].detach()
        mean = sums[:-1] / size
        away = own - mean[:, None, None]
        variance = _Sum.apply((away * away).sum((0, 2, 3))) / size
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * size / (size - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (away * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


class _Sum(torch.autograd.Function):
    """The sum over all processes of a tensor, which gradients pass."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        values = values.clone()
        distributed.all_reduce(values)
        return values

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        distributed.all_reduce(gradient)
        return gradient
