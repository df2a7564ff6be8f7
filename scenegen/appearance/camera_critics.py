"""The adversaries of a training: one that knows the pairs, and one for real pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from scenegen.appearance.camera_batches import Batch
from scenegen.appearance.camera_discriminator import Discriminator
from scenegen.appearance.camera_losses import gradient_penalty, relativistic
from scenegen.appearance.camera_recipes import Adversary, seeded

PENALTY, PENALTY_EVERY = 0.01, 8
"""Weight of R1 + R2, and every how many steps they are taken (so many times as strong)."""
RATE = 1e-3
"""Learning rate of discriminators."""
AUGMENTED = 0.5
"""Share of the crops that are altered before a discriminator of real pictures sees them."""


class Critics(nn.Module):
    """Discriminators of a training."""

    def __init__(self, adversary: Adversary, *, with_real: bool, seed: int) -> None:
        """Make them with fresh weights from a seed."""
        super().__init__()
        self.adversary = adversary
        self.paired = seeded(lambda: Discriminator(paired=True), seed + 1)
        self.real = seeded(lambda: Discriminator(paired=False), seed + 2) if with_real else None

    def own_loss(
        self, batch: Batch, drawn: torch.Tensor, step: int, rng: np.random.Generator
    ) -> torch.Tensor:
        """What the discriminators are trained on.

        Args:
            batch: Crops.
            drawn: What the model makes of them, detached, shape (B, 3, h, w).
            step: Number of the step; every PENALTY_EVERY-th one holds the penalties.
            rng: Random numbers of the step.
        """
        true, _ = self.paired(batch.target, batch.stack)
        false, _ = self.paired(drawn, batch.stack)
        loss = _critic_loss(self.adversary, true, false)
        if step % PENALTY_EVERY == 0:
            for picture in (batch.target, drawn):
                penalty = gradient_penalty(lambda x: self.paired(x, batch.stack)[0], picture)
                loss = loss + 0.5 * PENALTY * PENALTY_EVERY * penalty
        if self.real is not None and batch.real is not None:
            seen, made = altered(batch.real, rng), altered(drawn, rng)
            critic = self.real
            loss = loss + _critic_loss(Adversary.RELATIVISTIC, critic(seen)[0], critic(made)[0])
            if step % PENALTY_EVERY == 0:
                for picture in (seen, made):
                    penalty = gradient_penalty(lambda x: critic(x)[0], picture)
                    loss = loss + 0.5 * PENALTY * PENALTY_EVERY * penalty
        return loss

    def model_loss(
        self, batch: Batch, drawn: torch.Tensor, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What the model is trained on: to pass as true, and to have the features of the true.

        Returns:
            Loss of the scores, and mean absolute difference of the paired discriminator's features.
        """
        with torch.no_grad():
            true, wanted = self.paired(batch.target, batch.stack)
        false, features = self.paired(drawn, batch.stack)
        loss = _drawer_loss(self.adversary, true, false)
        pairs = zip(features, wanted, strict=True)
        matching = torch.stack([(a - b).abs().mean() for a, b in pairs]).mean()
        if self.real is not None and batch.real is not None:
            with torch.no_grad():
                seen = self.real(altered(batch.real, rng))[0]
            made = self.real(altered(drawn, rng))[0]
            loss = loss + _drawer_loss(Adversary.RELATIVISTIC, seen, made)
        return loss, matching


def altered(picture: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Alter some crops: brightness, contrast, and a grey square (DiffAugment, Zhao et al. 2020).

    A few hundred real pictures are soon known by heart; altered on both sides, they are not, and
    the alterations do not leak into what is drawn.
    """
    crops = [_altered_crop(c, rng) if rng.random() < AUGMENTED else c for c in picture]
    return torch.stack(crops)


def _altered_crop(crop: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    shift, gain = float(rng.uniform(-0.15, 0.15)), float(rng.uniform(0.75, 1.25))
    mean = crop.mean()
    height, width = crop.shape[-2:]
    top, left = int(rng.integers(height)), int(rng.integers(width))
    keep = torch.ones(1, height, width, device=crop.device)
    keep[:, top : top + height // 3, left : left + width // 3] = 0.0
    return ((crop - mean) * gain + mean + shift) * keep + 0.5 * (1.0 - keep)


def _critic_loss(
    adversary: Adversary, true: list[torch.Tensor], false: list[torch.Tensor]
) -> torch.Tensor:
    parts = []
    for better, worse in zip(true, false, strict=True):
        if adversary is Adversary.RELATIVISTIC:
            parts.append(relativistic(better, worse))
        elif adversary is Adversary.CROSS_ENTROPY:
            parts.append(functional.softplus(-better).mean() + functional.softplus(worse).mean())
        else:
            parts.append(functional.relu(1 - better).mean() + functional.relu(1 + worse).mean())
    return torch.stack(parts).mean()


def _drawer_loss(
    adversary: Adversary, true: list[torch.Tensor], false: list[torch.Tensor]
) -> torch.Tensor:
    parts = []
    for better, worse in zip(true, false, strict=True):
        if adversary is Adversary.RELATIVISTIC:
            parts.append(relativistic(worse, better))
        elif adversary is Adversary.CROSS_ENTROPY:
            parts.append(functional.softplus(-worse).mean())
        else:
            parts.append(-worse.mean())
    return torch.stack(parts).mean()
