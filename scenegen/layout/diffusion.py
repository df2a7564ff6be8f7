"""The diffusion model of scenes: one denoiser that generates, completes and edits.

Known channels carry no noise and the network is told which they are, so that every mask is the
same problem (noise as mask). The estimate is of the clean tokens; beside the weighted squared
error it is judged by where its motion leads and by boxes that overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple

import torch

from scenegen.layout.constraints import constrain
from scenegen.layout.edm import (
    SIGMA_DATA,
    NoiseConfig,
    draw_sigma,
    preconditioning,
    sampling_sigmas,
)
from scenegen.layout.network import Encoded, HasSummary, Modulation, NetworkConfig, SceneNetwork
from scenegen.layout.packed import PackedScenes, can_be_packed
from scenegen.layout.sampler import (
    Denoise,
    Estimate,
    SceneNoise,
    sample_ancestral,
    sample_ddim,
    sample_dpm,
    sample_heun,
)
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_model import SceneModel, finished, scene_seeds
from scenegen.layout.standardize import GROUPS
from scenegen.layout.targets import scene_loss
from scenegen.layout.tokens import CHANNELS, POSE, POSITION_SCALE, PRESENCE

Guide = Callable[[torch.Tensor, float, SceneBatch], torch.Tensor]
"""Shift of the denoised estimate: takes the estimate as tokens (B, A, CHANNELS), the noise level
and the batch, and gives what to add to it, in tokens. Known channels stay whatever it says."""


class Sampler(StrEnum):
    """How samples are drawn."""

    DPM = "dpm"
    """DPM-Solver++(2M): one pass per step."""
    DDIM = "ddim"
    """First order, one pass per step: what distilled students jump with."""
    HEUN = "heun"
    """Second-order reference: two passes per step."""
    ANCESTRAL = "ancestral"
    """Every step a Gaussian: what path weights need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionConfig:
    """Weights of the losses and emphasis on channels.

    Attributes:
        rollout: Weight of where the motion leads.
        overlap: Weight of overlapping boxes.
        overlap_below: Noise level up to which overlaps count: above, the estimate is a mean over
            many scenes, whose boxes may well overlap.
        position: Weight of the two channels of position against one of the others.
        heading: Weight of the two channels of heading.
    """

    rollout: float = 0.2
    overlap: float = 0.05
    overlap_below: float = 0.1
    position: float = 4.0
    heading: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerConfig:
    """How to sample.

    Attributes:
        sampler: Which sampler.
        steps: Number of steps.
        event_scale: Classifier-free guidance towards the event (Ho & Salimans 2022); 1 for none.
        attribute_scale: The same for the other fields of the condition.
        interval: Noise levels between which guidance of the condition acts; a limited interval
            keeps the diversity (Kynkaanniemi et al. 2024).
        guide: Shifts the denoised estimate, None for none.
        clamp: Bound on the shift of a standardised channel, in units of the noise level (CTG, Zhong
            et al. 2023, clamps to 1): far beyond it samples leave the data, and path weights die.
        constrain_below: Noise level up to which estimates are clipped to lanes and boxes apart,
            see `constraints.constrain`; 0 for never. It belongs to the model, not to the guidance:
            path weights count it on both sides.
    """

    sampler: Sampler = Sampler.DPM
    steps: int = 8
    event_scale: float = 1.0
    attribute_scale: float = 1.0
    interval: tuple[float, float] = (0.02, 5.0)
    guide: Guide | None = None
    clamp: float = 1.0
    constrain_below: float = 0.3


class Sampled(NamedTuple):
    """Samples with their weights.

    Attributes:
        tokens: Tokens, shape (B, A, CHANNELS).
        log_weight: Log importance weight of each scene under the sampler without any guidance,
            shape (B,), float64; zero where nothing guides. None for deterministic samplers that
            are guided: their paths have no density.
    """

    tokens: torch.Tensor
    log_weight: torch.Tensor | None


class DiffusionModel(SceneModel):
    """Diffusion over agent tokens with EDM preconditioning."""

    name: ClassVar[str] = "diffusion"
    parts: ClassVar[Mapping[str, type[Any]]] = {"noise": NoiseConfig, "losses": DiffusionConfig}

    def __init__(
        self,
        events: tuple[str, ...],
        network: NetworkConfig | None = None,
        noise: NoiseConfig | None = None,
        losses: DiffusionConfig | None = None,
    ) -> None:
        """Build with fresh weights.

        Args:
            events: Event families of the condition.
            network: Size of the network.
            noise: Noise levels.
            losses: Weights of the losses.
        """
        super().__init__(events)
        self.network_config = network if network is not None else NetworkConfig()
        self.noise = noise if noise is not None else NoiseConfig()
        self.losses = losses if losses is not None else DiffusionConfig()
        self.sampling = SamplerConfig()
        self.network = SceneNetwork(
            self.network_config, self.groups, inputs=2 * CHANNELS, outputs=CHANNELS
        )
        emphasis = torch.ones(CHANNELS)
        emphasis[GROUPS["position"]] = self.losses.position
        emphasis[GROUPS["heading"]] = self.losses.heading
        self.register_buffer("emphasis", emphasis, persistent=False)
        self.emphasis: torch.Tensor

    def loss(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Weighted squared error of the estimate, plus rollout and overlap; see SceneModel."""
        sigma = draw_sigma(self.noise, len(batch), generator).to(batch.agents)
        noise = torch.randn(batch.agents.shape, generator=generator).to(batch.agents)
        clean = self._clean(batch)
        noisy = torch.where(batch.known, clean, clean + sigma[:, None, None] * noise)
        scene = self.network.encode(batch)
        given = self.network.describe(scene, batch.condition, batch.asked)
        estimate = self._estimate(batch, clean, noisy, sigma, scene, given)
        out = preconditioning(sigma)[1][:, None, None]
        counts = ~batch.known & batch.present[..., None]
        counts[..., PRESENCE] = ~batch.known[..., PRESENCE]
        weight = counts * self.emphasis
        error = ((estimate - clean) / out).square() * weight
        denoising = error.sum() / weight.sum().clamp(min=1.0)
        with torch.autocast(sigma.device.type, enabled=False):
            return denoising + self._scene_loss(batch, estimate, sigma)

    def sample(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Fill in what is not known, as `sampling` says; see SceneModel."""
        return self.draw(batch, scene_seeds(generator, len(batch)), self.sampling).tokens

    @torch.no_grad()
    def draw(
        self,
        batch: SceneBatch,
        seeds: list[int],
        how: SamplerConfig,
        follows: torch.Tensor | None = None,
    ) -> Sampled:
        """Sample with one seed per scene.

        Args:
            batch: What is known and asked.
            seeds: Seed of each scene, B of them.
            how: Sampler and guidance.
            follows: Of the ancestral sampler, which scenes follow the guidance, shape (B,); the
                others are drawn without it, and weighed as it would have. All if left out.
        """
        how, whole = self.adapted(how), batch.given()
        noise, batch = SceneNoise(seeds, whole.agents.shape[1]), whole.trimmed()
        sigmas = self.sigmas(how)
        clean = self._clean(batch)
        # At the first level noisy data still have their own deviation beside that of the noise.
        first = (float(sigmas[0]) ** 2 + SIGMA_DATA**2) ** 0.5
        begin = first * noise.draw(batch.agents.shape[1:]).to(clean)
        begin = torch.where(batch.known, clean, begin)
        denoise = self.denoiser(batch, how)
        log_weight: torch.Tensor | None = None
        if how.sampler is Sampler.ANCESTRAL:
            found, log_weight = sample_ancestral(denoise, begin, sigmas, noise, follows)
        elif how.sampler is Sampler.HEUN:
            found = sample_heun(denoise, begin, sigmas)
        elif how.sampler is Sampler.DDIM:
            found = sample_ddim(denoise, begin, sigmas)
        else:
            found = sample_dpm(denoise, begin, sigmas)
        tokens = whole.agents.clone()
        tokens[:, : found.shape[1]] = finished(batch, self.scale.inverse(found))
        return Sampled(tokens, log_weight)

    def adapted(self, how: SamplerConfig) -> SamplerConfig:
        """Give what this model makes of settings; a distilled one has few steps of its own."""
        return how

    def sigmas(self, how: SamplerConfig) -> torch.Tensor:
        """Give the noise levels of a sampler, shape (steps + 1,), float64; the last is zero."""
        return sampling_sigmas(self.noise, how.steps)

    def describe(
        self, batch: SceneBatch, scene: HasSummary, asked: torch.Tensor, steps: int
    ) -> torch.Tensor:
        """Give the vector of road and condition that modulates the network, shape (B, d).

        Args:
            batch: The condition.
            scene: The encoded road.
            asked: Which values of the condition are asked, shape (B, C).
            steps: Number of steps of the sampler, for models that are told.
        """
        return self.network.describe(scene, batch.condition, asked)

    def estimate(
        self,
        batch: SceneBatch,
        clean: torch.Tensor,
        noisy: torch.Tensor,
        sigma: torch.Tensor,
        scene: Encoded,
        asked: torch.Tensor,
    ) -> torch.Tensor:
        """Estimate clean tokens at a noise level of each scene, all standardised.

        Args:
            batch: What is known.
            clean: Standardised tokens, where known, shape (B, A, CHANNELS).
            noisy: The same with noise, shape (B, A, CHANNELS).
            sigma: Noise level of each scene, shape (B,).
            scene: The encoded road.
            asked: Which values of the condition are asked, shape (B, C).
        """
        given = self.network.describe(scene, batch.condition, asked)
        return self._estimate(batch, clean, noisy, sigma, scene, given)

    def dropped_fields(
        self, event_scale: float, attribute_scale: float
    ) -> list[tuple[float, list[str]]]:
        """Scales of classifier-free guidance other than 1, and the fields each leaves out."""
        attributes = [name for name in self.groups if name != "event"]
        both = ((event_scale, ["event"]), (attribute_scale, attributes))
        return [(scale, names) for scale, names in both if scale != 1.0]

    def denoiser(self, batch: SceneBatch, how: SamplerConfig) -> Denoise:
        """Give the denoiser of a batch, in standardised units; the road is encoded once.

        Args:
            batch: What is known and asked; other values are zero.
            how: Guidance.
        """
        scene, clean = self._scenes(batch), self._clean(batch)
        given = self._modulations(batch, scene, batch.asked, how)
        without = [
            (scale - 1.0, self._modulations(batch, scene, self.without(batch, names), how))
            for scale, names in self.dropped_fields(how.event_scale, how.attribute_scale)
        ]

        def denoise(x: torch.Tensor, sigma: float) -> Estimate:
            level = torch.full((len(batch),), sigma, device=x.device)
            noisy = torch.where(batch.known, clean, x)
            base = self._denoise(batch, clean, noisy, level, scene, given(sigma))
            steered = base
            if how.interval[0] <= sigma <= how.interval[1]:
                for more, other in without:
                    plain = self._denoise(batch, clean, noisy, level, scene, other(sigma))
                    steered = steered + more * (base - plain)
            if how.guide is not None:
                shift = how.guide(self.scale.inverse(steered), sigma, batch) / self.scale.spread
                shift = shift.clamp(-how.clamp * sigma, how.clamp * sigma)
                steered = torch.where(batch.known, steered, steered + shift)
            if sigma > how.constrain_below:
                return Estimate(base, steered)
            held = self._constrained(batch, base)
            return Estimate(held, held if steered is base else self._constrained(batch, steered))

        return denoise

    def _scenes(self, batch: SceneBatch) -> Encoded | PackedScenes:
        """Encode the roads of a batch, for compiled passes where nothing is to be learned."""
        packed = can_be_packed(self.network, batch)
        return PackedScenes(self.network, batch) if packed else self.network.encode(batch)

    def _constrained(self, batch: SceneBatch, estimate: torch.Tensor) -> torch.Tensor:
        """Clip a standardised estimate; what is known stays."""
        return self.scale(constrain(self.scale.inverse(estimate), batch))

    def _modulations(
        self, batch: SceneBatch, scene: HasSummary, asked: torch.Tensor, how: SamplerConfig
    ) -> Callable[[float], Modulation]:
        """Work out the modulation of all noise levels at once; others when they come up."""
        given = self.describe(batch, scene, asked, how.steps)
        sigmas: list[float] = self.sigmas(how)[:-1].tolist()

        def at(levels: Sequence[float]) -> Modulation:
            sigma = torch.tensor(levels, device=given.device).repeat_interleave(len(given))
            rows = given.repeat(len(levels), 1)
            return self.network.modulate(rows, preconditioning(sigma)[3])

        ready = dict(zip(sigmas, at(sigmas).split(len(sigmas)), strict=True))
        return lambda sigma: ready[sigma] if sigma in ready else at([sigma])

    def _clean(self, batch: SceneBatch) -> torch.Tensor:
        """Standardised tokens; what lies in empty slots is zero."""
        there = batch.present[..., None]
        clean = torch.where(there, self.scale(batch.agents), 0.0)
        clean[..., PRESENCE] = batch.agents[..., PRESENCE]
        return clean

    def _estimate(
        self,
        batch: SceneBatch,
        clean: torch.Tensor,
        noisy: torch.Tensor,
        sigma: torch.Tensor,
        scene: Encoded,
        given: torch.Tensor,
    ) -> torch.Tensor:
        """Estimate given the vector of road and condition."""
        modulation = self.network.modulate(given, preconditioning(sigma)[3])
        return self._denoise(batch, clean, noisy, sigma, scene, modulation)

    def _denoise(
        self,
        batch: SceneBatch,
        clean: torch.Tensor,
        noisy: torch.Tensor,
        sigma: torch.Tensor,
        scene: Encoded | PackedScenes,
        modulation: Modulation,
    ) -> torch.Tensor:
        """Estimate of the clean tokens, standardised; known channels as they are."""
        skip, out, into, _ = preconditioning(sigma)
        skip, out, into = (c[:, None, None] for c in (skip, out, into))
        known = batch.known
        inputs = torch.cat([torch.where(known, clean, into * noisy), known.to(noisy)], -1)
        pose = self.scale.inverse(noisy)[..., POSE]
        if isinstance(scene, PackedScenes):
            moved = scene.modulated(inputs, pose, modulation)
        else:
            moved = self.network.modulated(inputs, pose, batch.possible, scene, modulation)
        return torch.where(known, clean, skip * noisy + out * moved.to(noisy))

    def without(self, batch: SceneBatch, names: list[str]) -> torch.Tensor:
        """Give what is asked, some fields left out, shape (B, C)."""
        asked = batch.asked.clone()
        for name in names:
            asked[:, self.groups[name]] = False
        return asked

    def _scene_loss(
        self, batch: SceneBatch, estimate: torch.Tensor, sigma: torch.Tensor
    ) -> torch.Tensor:
        """Weighted losses of the decoded estimate, a scalar."""
        tokens = self.scale.inverse(estimate)
        out = preconditioning(sigma)[1]
        unit = self.scale.spread[POSE.start] * POSITION_SCALE
        # The scale at which errors turn linear grows with what can be known at a noise level.
        fine = sigma < self.losses.overlap_below
        rollout, deep = scene_loss(batch, tokens, 1.0 + unit * out, fine)
        return self.losses.rollout * rollout + self.losses.overlap * deep
