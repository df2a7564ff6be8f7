"""Several processes that train one model: each takes a part of every batch, gradients are averaged.

Started by ``torchrun --nproc-per-node N``. All processes begin with the same weights and make the
same steps, so that none of them is told apart but by what it learns from; the first one writes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.distributed as dist

from scenegen.errors import CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """The processes of a training; one unless torchrun started more.

    Attributes:
        rank: Number of this process, from 0.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        """Check that this process is one of them."""
        if not 0 <= self.rank < self.count:
            raise ValueError(f"Processes: expected a rank below {self.count}, got {self.rank}")

    @classmethod
    def join(cls, device: str = "cpu", environment: Mapping[str, str] | None = None) -> Processes:
        """Meet the other processes that torchrun started; alone where there are none.

        Args:
            device: Where gradients are; NCCL carries them between GPUs, Gloo between CPUs.
            environment: What torchrun set: RANK and WORLD_SIZE; that of the process if left out.
        """
        given = os.environ if environment is None else environment
        count = int(given.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        return cls(rank=int(given["RANK"]), count=count)

    @property
    def leads(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """Give the part of a batch that each process takes.

        Raises:
            ValueError: The batch cannot be dealt out evenly.
        """
        if batch % self.count:
            raise ValueError(
                f"batch: expected a multiple of the {self.count} processes, got {batch}"
            )
        return batch // self.count

    def average(self, model: torch.nn.Module) -> None:
        """Replace the gradients of a model by their mean over all processes.

        A parameter without a gradient counts as one with zeros, so that all sum the same numbers.
        """
        if self.count == 1:
            return
        learned = [p for p in model.parameters() if p.requires_grad]
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in learned]
        flat = torch.cat([g.reshape(-1) for g in grads])
        dist.all_reduce(flat)
        flat /= self.count
        for p, part in zip(learned, torch.split(flat, [g.numel() for g in grads]), strict=True):
            p.grad = part.view_as(p)

    def follow(self, decision: bool, device: str = "cpu") -> bool:
        """Give the decision of the first process to all, so that they stop together."""
        if self.count == 1:
            return decision
        told = torch.tensor([float(decision)], device=device)
        dist.broadcast(told, 0)
        return bool(told[0] > 0.0)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            dist.barrier()

    def agree(self, model: torch.nn.Module) -> None:
        """Check that all processes have the same weights.

        Raises:
            CheckpointError: They differ: what was stored is not what all go on from.
        """
        if self.count == 1:
            return
        total = torch.stack([p.detach().double().sum() for p in model.parameters()])
        least, most = total.clone(), total.clone()
        dist.all_reduce(least, dist.ReduceOp.MIN)
        dist.all_reduce(most, dist.ReduceOp.MAX)
        if not torch.equal(least, most):
            raise CheckpointError(
                "training: expected the same weights in all processes, got different ones; begin"
                " again in an empty folder"
            )


ALONE = Processes()
"""A training in one process."""
