"""What the adversarial lidar learns from: pairs, and a critic of whole patches.

Which echo is lost is drawn by a threshold on its probability (Gumbel-sigmoid, as in DUSty,
Nakashima and Kurazume 2021), with the gradient of the soft draw. Thresholds of neighbours hang
together, since real echoes are lost in groups. The critic compares the real scan with a draw for
the same geometry (relativistic pairing, Jolicoeur-Martineau 2019) and its gradients are kept small
on both (R1 and R2, Huang et al. 2024).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from scenegen.appearance.lidar_models import LidarGan, LidarModel
from scenegen.appearance.lidar_network import LidarCritic

_LENGTH = float(np.sqrt(7 * (1 + 16 + 1)))
"""Length of the weights that thresholds are smoothed by: seven columns alike, three rows 1 4 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LidarLosses:
    """Weights of the parts of the loss.

    Attributes:
        intensity: Weight of the L1 distance of the root of reflectivity.
        adversary: Weight of the critic in the generator's loss.
        gamma: Weight of the squared gradients of the critic.
        lazy: Steps from penalty to penalty; each then counts as often (Karras et al. 2020).
        temperature: Of the soft draw.
        share: Part of the variance of thresholds that neighbours have in common, 0-1; by default
            what was left over in the scans of ika's set hung together as draws with it do.
    """

    intensity: float = 5.0
    adversary: float = 0.05
    gamma: float = 1.0
    lazy: int = 8
    temperature: float = 0.7
    share: float = 0.9

    def __post_init__(self) -> None:
        """Check the ranges."""
        weights = (self.intensity, self.adversary, self.gamma)
        if min(weights) < 0 or self.lazy < 1 or self.temperature <= 0:
            raise ValueError(f"LidarLosses: expected no negative number, got {self}")
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"LidarLosses.share: expected 0 to 1, got {self.share}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LidarBatch:
    """Patches of filled scans of one preset; images have the shape (N, B, A).

    Attributes:
        features: Shape (N, len(CHANNELS), B, A).
        known: Whether a ray meets a thing, 0 or 1.
        returned: Whether its echo came back, 0 or 1.
        root: Root of reflectivity over 255 where it did.
        preset: Place in PRESETS, shape (N,).
        is_round: Whether the last column is beside the first.
    """

    features: torch.Tensor
    known: torch.Tensor
    returned: torch.Tensor
    root: torch.Tensor
    preset: torch.Tensor
    is_round: bool


def thresholds(rng: np.random.Generator, shape: tuple[int, ...], share: float) -> torch.Tensor:
    """Draw thresholds: logistic numbers of which neighbours have a part in common.

    Args:
        rng: Random numbers.
        shape: Shape (..., B, A).
        share: Part of the variance in common, 0-1.
    """
    own = rng.standard_normal(shape, np.float32)
    if share > 0:
        wide = rng.standard_normal(shape, np.float32)
        row = sum((np.roll(wide, k, -1) for k in range(-3, 4)), start=np.zeros_like(wide))
        above = np.concatenate([row[..., -1:, :], row[..., :-1, :]], -2)
        below = np.concatenate([row[..., 1:, :], row[..., :1, :]], -2)
        smooth = (above + 4 * row + below) / np.float32(_LENGTH)
        own = np.float32(np.sqrt(1 - share)) * own + np.float32(np.sqrt(share)) * smooth
    normal = torch.from_numpy(own.astype(np.float32))
    # The logit of the normal distribution function.
    return torch.special.log_ndtr(normal) - torch.special.log_ndtr(-normal)


def lidar_loss(
    model: LidarModel, batch: LidarBatch, losses: LidarLosses, rng: np.random.Generator, step: int
) -> torch.Tensor:
    """Give the loss of generator and critic together; each sees only its own part.

    Args:
        model: A U-Net, with or without critic.
        batch: What to learn from.
        losses: Weights.
        rng: Random numbers of the step.
        step: Number of the step, which tells when penalties are due.
    """
    noise = torch.from_numpy(rng.standard_normal(batch.known[:, None].shape, np.float32))
    lost, root = model(batch.features, noise, batch.preset, batch.is_round)
    apart = functional.binary_cross_entropy_with_logits(lost, 1 - batch.returned, reduction="none")
    loss = _mean(apart, batch.known)
    loss = loss + losses.intensity * _mean((root - batch.root).abs(), batch.returned)
    if not isinstance(model, LidarGan) or model.critic is None:
        return loss
    level = thresholds(rng, tuple(batch.known.shape), losses.share)
    soft = torch.sigmoid((level - lost) / losses.temperature)
    keep = soft + ((soft > 0.5).float() - soft).detach()
    made = _seen(batch, keep * batch.known, root)
    real = _seen(batch, batch.returned, batch.root)
    return loss + _game(model.critic, batch, real, made, losses, step)


def _game(
    critic: LidarCritic,
    batch: LidarBatch,
    real: torch.Tensor,
    made: torch.Tensor,
    losses: LidarLosses,
    step: int,
) -> torch.Tensor:
    """Losses of the game: the generator fools a critic that is held still, the critic judges."""
    held = made.detach()
    due = step % losses.lazy == 0 and torch.is_grad_enabled()
    if due:
        real, held = real.requires_grad_(), held.requires_grad_()
    real_score = critic(real, batch.features, batch.is_round)
    made_score = critic(held, batch.features, batch.is_round)
    with _still(critic):
        lead = critic(made, batch.features, batch.is_round) - real_score.detach()
    loss = losses.adversary * functional.softplus(-lead).mean()
    loss = loss + functional.softplus(made_score - real_score).mean()
    if due:
        steep = _steepness(real, real_score) + _steepness(held, made_score)
        loss = loss + 0.5 * losses.gamma * losses.lazy * steep
    return loss


def _steepness(seen: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
    """Mean squared length of the gradient of the mean score."""
    (slope,) = torch.autograd.grad(score.mean(1).sum(), seen, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def _seen(batch: LidarBatch, keep: torch.Tensor, root: torch.Tensor) -> torch.Tensor:
    """What a critic sees of a scan: echo, range and reflectivity, both where it came back."""
    return torch.stack([keep, batch.features[:, 1] * keep, root * keep], 1)


def _mean(value: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return (value * weight).sum() / weight.sum().clamp(min=1.0)


@contextmanager
def _still(network: nn.Module) -> Iterator[None]:
    """Let gradients pass through a network without reaching its weights."""
    for weight in network.parameters():
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in network.parameters():
            weight.requires_grad_(True)
