"""A conditional variational autoencoder of scenes, with one latent vector per agent.

The posterior sees the whole scene, the prior what is known of it, and the decoder turns latents
into tokens (Kingma & Welling 2014; the learned conditional prior is that of Sohn et al. 2015). A
weight of the divergence below one lets latents carry more than an exact bound would (Higgins et al.
2017 with beta below 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import nn

from scenegen.layout.network import NetworkConfig, SceneNetwork
from scenegen.layout.sampler import SceneNoise
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_model import SceneModel, finished, scene_seeds
from scenegen.layout.targets import clean_tokens, counted, emphasis
from scenegen.layout.tokens import CHANNELS, POSE

SPREADS = (-6.0, 3.0)
"""Range of the logarithm of a latent's deviation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeConfig:
    """Latents and their price.

    Attributes:
        latents: Latent numbers per agent.
        beta: Weight of the divergence between posterior and prior.
    """

    latents: int = 16
    beta: float = 0.01

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.latents < 1 or self.beta < 0.0:
            raise ValueError(f"VaeConfig: expected latents and a weight, got {self}")


class VaeModel(SceneModel):
    """Conditional VAE over agent tokens."""

    name: ClassVar[str] = "vae"
    parts: ClassVar[Mapping[str, type[Any]]] = {"latent": VaeConfig}

    def __init__(
        self,
        events: tuple[str, ...],
        network: NetworkConfig | None = None,
        latent: VaeConfig | None = None,
    ) -> None:
        """Build with fresh weights.

        Args:
            events: Event families of the condition.
            network: Size of the network; its layers are shared out to posterior, prior and
                decoder.
            latent: Latents.
        """
        super().__init__(events)
        self.network_config = network if network is not None else NetworkConfig()
        self.latent = latent if latent is not None else VaeConfig()
        third = max(1, self.network_config.layers // 3)
        side = replace(self.network_config, layers=third)
        rest = replace(self.network_config, layers=max(1, self.network_config.layers - 2 * third))
        size, groups = self.latent.latents, self.groups
        self.posterior = SceneNetwork(side, groups, inputs=2 * CHANNELS, outputs=2 * size)
        self.prior = SceneNetwork(side, groups, inputs=2 * CHANNELS, outputs=2 * size)
        self.decoder = SceneNetwork(rest, groups, inputs=2 * CHANNELS + size, outputs=CHANNELS)
        self.anchor = nn.Linear(size, POSE.stop - POSE.start)
        self.register_buffer("emphasis", emphasis(), persistent=False)
        self.emphasis: torch.Tensor

    def loss(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Negative evidence bound per channel, the divergence weighted; see SceneModel."""
        clean = clean_tokens(self.scale, batch)
        known = torch.where(batch.known, clean, 0.0)
        mean, log_spread = self._latent(self.posterior, batch, clean)
        prior_mean, prior_log_spread = self._latent(self.prior, batch, known)
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        estimate = self._decode(batch, known, mean + noise * log_spread.exp())
        weight = counted(batch) * self.emphasis
        error = ((estimate - clean).square() * weight).sum()
        free = batch.possible & (~batch.known).any(-1)
        apart = gaussian_divergence(mean, log_spread, prior_mean, prior_log_spread).sum(-1)
        bound = 0.5 * error + self.latent.beta * torch.where(free, apart, 0.0).sum()
        return bound / weight.sum().clamp(min=1.0)

    @torch.no_grad()
    def sample(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Decode latents of the prior; see SceneModel."""
        seeds, batch = scene_seeds(generator, len(batch)), batch.given()
        known = torch.where(batch.known, clean_tokens(self.scale, batch), 0.0)
        mean, log_spread = self._latent(self.prior, batch, known)
        noise = SceneNoise(seeds).draw(mean.shape[1:]).to(mean)
        estimate = self._decode(batch, known, mean + noise * log_spread.exp())
        return finished(batch, self.scale.inverse(estimate))

    def _latent(
        self, network: SceneNetwork, batch: SceneBatch, seen: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log deviation of the latents, each of shape (B, A, latents)."""
        pose = self.scale.inverse(seen)[..., POSE]
        found = self._pass(network, batch, torch.cat([seen, batch.known.to(seen)], -1), pose)
        mean, log_spread = found.chunk(2, -1)
        return mean, log_spread.clamp(*SPREADS)

    def _decode(self, batch: SceneBatch, known: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        """Standardised tokens; the decoder corrects a pose read off the latents alone."""
        base = torch.zeros_like(known)
        base[..., POSE] = self.anchor(latent).to(known)
        pose = self.scale.inverse(torch.where(batch.known, known, base))[..., POSE]
        inputs = torch.cat([known, batch.known.to(known), latent], -1)
        moved = base + self._pass(self.decoder, batch, inputs, pose)
        return torch.where(batch.known, known, moved)

    @staticmethod
    def _pass(
        network: SceneNetwork, batch: SceneBatch, inputs: torch.Tensor, pose: torch.Tensor
    ) -> torch.Tensor:
        scene = network.encode(batch)
        given = network.describe(scene, batch.condition, batch.asked)
        level = torch.zeros(len(batch), device=inputs.device)
        return network(inputs, pose, batch.possible, scene, given, level).to(pose)


def gaussian_divergence(
    mean: torch.Tensor,
    log_spread: torch.Tensor,
    other: torch.Tensor,
    other_log_spread: torch.Tensor,
) -> torch.Tensor:
    """Give KL(N(mean, spread^2) || N(other, other_spread^2)) per number, in closed form [nats]."""
    ratio = (2.0 * (log_spread - other_log_spread)).exp()
    shift = (mean - other) * (-other_log_spread).exp()
    return 0.5 * (ratio + shift.square() - 1.0) - (log_spread - other_log_spread)
