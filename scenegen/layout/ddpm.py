"""Denoising diffusion as published models of traffic do it: noise predicted in position space.

In place of the motion code, tokens hold where the agent is and where it heads at the times of the
knots; a code is fitted to what is sampled. The process is that of Ho et al. (2020) with the cosine
schedule of Nichol & Dhariwal (2021) and one ancestral step per noise level. The model knows no
masks: in sampling, known channels are replaced at every step by noisy copies of themselves, as in
RePaint (Lugmayr et al. 2022). What the motion of an agent says about its positions is known where
its start and all knots up to that time are; other knots are put in after the fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from scenegen.layout.network import Encoded, NetworkConfig, SceneNetwork
from scenegen.layout.positions import (
    PLACE_POSE,
    PLACE_PRESENCE,
    PLACES,
    PlaceScale,
    known_places,
    places_of,
    tokens_of_places,
)
from scenegen.layout.sampler import SceneNoise
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_model import SceneModel, finished, scene_seeds
from scenegen.layout.tokens import PRESENCE

OFFSET = 0.008
"""Offset of the cosine schedule (Nichol & Dhariwal 2021, eq. 17)."""
LARGEST_BETA = 0.999
"""Bound on the variance added in one step (Nichol & Dhariwal 2021)."""
LEAST_SIGNAL = 0.05
"""Share of the data below which poses are not scaled up further for attention: all noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DdpmConfig:
    """The process.

    Attributes:
        steps: Noise levels in training and steps of the sampler.
        resample: How often each step is taken; above 1 known and new channels have more time to
            fit each other (Lugmayr et al. 2022), at that many times the cost.
        clip: Bound on estimates of the clean data, in standardised units.
    """

    steps: int = 100
    resample: int = 1
    clip: float = 8.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if min(self.steps, self.resample) < 1 or self.clip <= 0.0:
            raise ValueError(f"DdpmConfig: expected positive numbers, got {self}")


def cosine_schedule(steps: int) -> torch.Tensor:
    """Give the share of the data's variance after k steps of noise, k = 0, 1, ..., steps.

    Args:
        steps: Number of noise levels T.

    Returns:
        alpha-bar of Nichol & Dhariwal (2021), eq. 17, shape (steps + 1,), float64; the first is 1.
    """
    place = torch.arange(steps + 1, dtype=torch.float64) / steps
    aim = torch.cos((place + OFFSET) / (1.0 + OFFSET) * math.pi / 2.0).square()
    beta = (1.0 - aim[1:] / aim[:-1]).clamp(max=LARGEST_BETA)
    return torch.cat([torch.ones(1, dtype=torch.float64), (1.0 - beta).cumprod(0)])


class DdpmModel(SceneModel):
    """DDPM over agents as positions at the times of the knots."""

    name: ClassVar[str] = "ddpm"
    parts: ClassVar[Mapping[str, type[Any]]] = {"process": DdpmConfig}
    scale: PlaceScale

    def __init__(
        self,
        events: tuple[str, ...],
        network: NetworkConfig | None = None,
        process: DdpmConfig | None = None,
    ) -> None:
        """Build with fresh weights.

        Args:
            events: Event families of the condition.
            network: Size of the network.
            process: Noise levels.
        """
        super().__init__(events)
        self.network_config = network if network is not None else NetworkConfig()
        self.process = process if process is not None else DdpmConfig()
        self.scale = PlaceScale()
        self.network = SceneNetwork(
            self.network_config, self.groups, inputs=PLACES + 1, outputs=PLACES
        )
        self.alpha_bar = cosine_schedule(self.process.steps)

    def loss(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Squared error of the predicted noise (Ho et al. 2020, eq. 14); see SceneModel.

        All channels of agents that are there count, known or not.
        """
        levels = self.process.steps
        shift = torch.rand((), generator=generator)
        place = (torch.arange(len(batch)) + shift) / len(batch)
        step = 1 + (place[torch.randperm(len(batch), generator=generator)] * levels).long()
        step = step.clamp(max=levels)
        noise = torch.randn((*batch.present.shape, PLACES), generator=generator).to(batch.agents)
        clean = self._clean(batch)
        share = self.alpha_bar[step].to(clean)[:, None, None]
        noisy = share.sqrt() * clean + (1.0 - share).sqrt() * noise
        scene = self.network.encode(batch)
        given = self.network.describe(scene, batch.condition, batch.asked)
        settled = batch.known[..., PRESENCE]
        found = self._noise(batch, settled_places(noisy, clean, settled), step, scene, given)
        weight = batch.present[..., None].expand(noise.shape).clone()
        weight[..., PLACE_PRESENCE] = ~settled
        return torch.where(weight, (found - noise).square(), 0.0).sum() / weight.sum().clamp(min=1)

    @torch.no_grad()
    def sample(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Take ancestral steps, replacing what is known, and fit motion codes; see SceneModel."""
        noise, batch = SceneNoise(scene_seeds(generator, len(batch))), batch.given()
        clean, known = self._clean(batch), known_places(batch)
        shape = clean.shape[1:]
        scene = self.network.encode(batch)
        given = self.network.describe(scene, batch.condition, batch.asked)
        x = noise.draw(shape).to(clean)
        for k in range(self.process.steps, 0, -1):
            here, after = float(self.alpha_bar[k]), float(self.alpha_bar[k - 1])
            for again in range(self.process.resample if k > 1 else 1):
                if again:  # One step back up, eq. 2 of Ho et al. (2020).
                    kept = here / after
                    x = kept**0.5 * x + (1.0 - kept) ** 0.5 * noise.draw(shape).to(clean)
                x = self._stepped(batch, x, k, scene, given, noise)
                copy = after**0.5 * clean + (1.0 - after) ** 0.5 * noise.draw(shape).to(clean)
                x = torch.where(known, copy if k > 1 else clean, x)
        return finished(batch, tokens_of_places(self.scale.inverse_places(x), batch))

    def _stepped(
        self,
        batch: SceneBatch,
        x: torch.Tensor,
        k: int,
        scene: Encoded,
        given: torch.Tensor,
        noise: SceneNoise,
    ) -> torch.Tensor:
        """Draw from the posterior one level down (Ho et al. 2020, eqs. 6 and 7)."""
        here, after = float(self.alpha_bar[k]), float(self.alpha_bar[k - 1])
        step = torch.full((len(batch),), k, device=x.device)
        settled = batch.known[..., PRESENCE]
        x = settled_places(x, self._clean(batch), settled)
        found = self._noise(batch, x, step, scene, given)
        estimate = (x - (1.0 - here) ** 0.5 * found) / here**0.5
        estimate = estimate.clamp(-self.process.clip, self.process.clip)
        alpha = here / after
        mean = (
            after**0.5 * (1.0 - alpha) / (1.0 - here) * estimate
            + alpha**0.5 * (1.0 - after) / (1.0 - here) * x
        )
        if k == 1:
            return mean
        variance = (1.0 - after) / (1.0 - here) * (1.0 - alpha)
        return mean + variance**0.5 * noise.draw(x.shape[1:]).to(x)

    def _clean(self, batch: SceneBatch) -> torch.Tensor:
        """Standardised places (B, A, PLACES); what lies in empty slots is zero."""
        clean = torch.where(
            batch.present[..., None], self.scale.places(places_of(batch.agents)), 0.0
        )
        clean[..., PLACE_PRESENCE] = batch.agents[..., PRESENCE]
        return clean

    def _noise(
        self,
        batch: SceneBatch,
        noisy: torch.Tensor,
        step: torch.Tensor,
        scene: Encoded,
        given: torch.Tensor,
    ) -> torch.Tensor:
        """Predicted noise, standardised, shape (B, A, PLACES)."""
        share = self.alpha_bar.to(step.device)[step].to(noisy)
        # Attention sees poses in their own units: the data plus noise, as in the diffusion model.
        seen = noisy / share.sqrt().clamp(min=LEAST_SIGNAL)[:, None, None]
        pose = self.scale.inverse_places(seen)[..., PLACE_POSE]
        settled = batch.known[..., PRESENCE:].to(noisy)
        ratio = ((1.0 - share) / share.clamp(min=1e-6)).clamp(min=1e-6)
        inputs = torch.cat([noisy, settled], -1)
        return self.network(inputs, pose, batch.possible, scene, given, 0.125 * ratio.log()).to(
            noisy
        )


def settled_places(noisy: torch.Tensor, clean: torch.Tensor, settled: torch.Tensor) -> torch.Tensor:
    """Say without noise who is there, where that is known.

    Args:
        noisy: Standardised places with noise, shape (B, A, PLACES).
        clean: The same without.
        settled: Whether it is known if somebody is in a slot, shape (B, A).
    """
    out = noisy.clone()
    out[..., PLACE_PRESENCE] = torch.where(
        settled, clean[..., PLACE_PRESENCE], noisy[..., PLACE_PRESENCE]
    )
    return out
