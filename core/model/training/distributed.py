"""Train one network in several processes, each with its part of every batch (``torchrun``, DDP).

What they learn equals what one process learns from the complete batch: gradients and losses are
averaged by the number of samples, and batch normalization is over the samples of all processes
(Ioffe and Szegedy 2015, arXiv:1502.03167; PyTorch's SyncBatchNorm does this on GPUs only).
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
from ...jobs import lifeline

T = TypeVar("T")
_CPU = torch.device("cpu")
_LAUNCHER_VARIABLE = "TORCHELASTIC_RUN_ID"  # set by torchrun, which stays until all have ended
# The other processes wait while the first one validates.
_TIMEOUT = timedelta(hours=2)


@dataclass(frozen=True)
class DistributedContext:
    """This process among those that train together.

    Attributes:
        rank: number of this process.
        count: number of processes.
        device: that this process trains on.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = _CPU

    @property
    def is_main(self) -> bool:
        """Whether this process writes and validates."""
        return self.rank == 0

    def shard_batch(self, batch: T) -> tuple[T, float]:
        """Return this process's samples of a batch, on its device, and their weight.

        The mean over all processes of (mean over a process's samples, times the weight) is the mean
        over the batch.

        Args:
            batch: a dataclass of tensors (B, ...).

        Raises:
            DatasetError: there are more processes than samples.
        """
        tensors = {field.name: getattr(batch, field.name) for field in fields(batch)}  # type: ignore[arg-type]
        batch_size = len(next(iter(tensors.values())))
        if batch_size < self.count:
            raise DatasetError(
                f"A batch of {batch_size} samples cannot be split among {self.count} processes. "
                "Start fewer"
            )

        # Every n-th sample, so that parts differ by one sample at most.
        shard = {}
        for name, values in tensors.items():
            shard[name] = values[self.rank :: self.count].to(self.device)
        shard_size = len(next(iter(shard.values())))
        weight = shard_size * self.count / batch_size

        return replace(batch, **shard), weight  # type: ignore[type-var]

    def all_reduce_mean(self, values: Sequence[Tensor]) -> list[float]:
        """Return the means over all processes of scalars."""
        stacked = torch.stack([value.detach() for value in values])
        if self.count > 1:
            distributed.all_reduce(stacked)
        means: list[float] = (stacked / self.count).tolist()
        return means

    def any_rank(self, flag: bool) -> bool:
        """Return whether ``flag`` is set in any process."""
        if self.count == 1:
            return flag
        largest = torch.tensor(float(flag), device=self.device)
        distributed.all_reduce(largest, distributed.ReduceOp.MAX)
        return bool(largest)

    def wrap_module(self, module: nn.Module) -> nn.Module:
        """Return a module with averaged gradients, and batch normalization over all samples."""
        module.to(self.device)
        if self.count == 1:
            return module
        for child in module.modules():
            if type(child) is nn.BatchNorm2d:
                # The same parameters and buffers with another forward; a new module would have to
                # copy them, as SyncBatchNorm.convert_sync_batchnorm does.
                child.__class__ = CpuSyncBatchNorm

        return DistributedDataParallel(module, find_unused_parameters=True)


SINGLE_PROCESS = DistributedContext()


@contextmanager
def distributed_context() -> Iterator[DistributedContext]:
    """Join the processes that ``torchrun`` started, with a GPU each if any; leave them on exit."""
    has_gpu = torch.cuda.is_available()
    device = _CPU
    if has_gpu:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count == 1:
        yield DistributedContext(device=device)
        return

    if _LAUNCHER_VARIABLE in os.environ:
        lifeline.watch_parent(lambda: 0.0)  # there is no run without the others
    if has_gpu:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if has_gpu else "gloo", timeout=_TIMEOUT)

    try:
        yield DistributedContext(distributed.get_rank(), count, device)
    finally:
        distributed.destroy_process_group()


class CpuSyncBatchNorm(nn.BatchNorm2d):
    """Batch normalization over the samples (B, C, H, W) of all processes."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``x``; update the running statistics while training."""
        if not self.training:
            return super().forward(x)
        assert self.momentum is not None and self.running_mean is not None
        assert self.running_var is not None and self.num_batches_tracked is not None

        # Sums over this process's samples and pixels, then over all processes.
        values = x.float()
        count = values.new_tensor([values.numel() / values.shape[1]])
        sums = _sum_over_processes(torch.cat((values.sum((0, 2, 3)), count)))
        total_count = sums[-1].detach()
        mean = sums[:-1] / total_count
        deviation = values - mean[:, None, None]
        squares = (deviation * deviation).sum((0, 2, 3))
        variance = _sum_over_processes(squares) / total_count

        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            unbiased_variance = variance * total_count / (total_count - 1)
            self.running_var.lerp_(unbiased_variance, self.momentum)

        scale = self.weight * torch.rsqrt(variance + self.eps)
        normalized = deviation * scale[:, None, None] + self.bias[:, None, None]
        result: Tensor = normalized.to(x.dtype)
        return result


def _sum_over_processes(values: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes, through which gradients pass."""
    total: Tensor = _AllReduceSum.apply(values)  # type: ignore[no-untyped-call]
    return total


class _AllReduceSum(torch.autograd.Function):
    """The sum of a tensor over all processes, through which gradients pass."""

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
