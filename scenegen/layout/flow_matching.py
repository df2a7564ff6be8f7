"""Flow matching over scenes: a straight way from noise to data, followed in a few steps.

Rectified flow (Liu et al. 2023; conditional flow matching, Lipman et al. 2023) with times from a
logit-normal distribution (Esser et al. 2024). Network, masks and losses are those of the diffusion
model, so that the two differ in the process alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar, Self

import torch

from scenegen.layout.network import Encoded, NetworkConfig, SceneNetwork
from scenegen.layout.sampler import SceneNoise
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_model import SceneModel, finished, scene_seeds
from scenegen.layout.targets import clean_tokens, counted, emphasis, scene_loss
from scenegen.layout.tokens import CHANNELS, POSE, POSITION_SCALE
from scenegen.seeding import Jsonable

EARLIEST = 0.2
"""Time before which poses are not scaled up further for attention: they are all noise."""
LEVELS = (1e-3, 1e3)
"""Range of the ratio of noise to data that the network is told."""


class Method(StrEnum):
    """How a step along the flow is taken."""

    EULER = "euler"
    """One pass; in 8 steps the deviation of Gaussian data comes out 15 % too small."""
    ADAMS = "adams"
    """Adams-Bashforth of second order: one pass and the slope before it; 1 % too small."""
    HEUN = "heun"
    """Two passes; within 0.2 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowMatchingConfig:
    """Times, steps and weights.

    Attributes:
        mean: Mean of the logit of the time in training.
        deviation: Its deviation.
        steps: Steps of the sampler.
        method: How a step is taken.
        rollout: Weight of where the motion leads.
        overlap: Weight of overlapping boxes.
        overlap_below: Ratio of noise to data up to which overlaps count.
    """

    mean: float = 0.0
    deviation: float = 1.0
    steps: int = 8
    method: Method = Method.ADAMS
    rollout: float = 0.2
    overlap: float = 0.05
    overlap_below: float = 0.1

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.steps < 1 or self.deviation <= 0.0:
            raise ValueError(f"FlowMatchingConfig: expected steps and a spread, got {self}")


class FlowMatchingModel(SceneModel):
    """Rectified flow over agent tokens."""

    name: ClassVar[str] = "flow_matching"

    def __init__(
        self,
        events: tuple[str, ...],
        network: NetworkConfig | None = None,
        process: FlowMatchingConfig | None = None,
    ) -> None:
        """Build with fresh weights.

        Args:
            events: Event families of the condition.
            network: Size of the network.
            process: Times, steps and weights.
        """
        super().__init__(events)
        self.network_config = network if network is not None else NetworkConfig()
        self.process = process if process is not None else FlowMatchingConfig()
        self.network = SceneNetwork(
            self.network_config, self.groups, inputs=2 * CHANNELS, outputs=CHANNELS
        )
        self.register_buffer("emphasis", emphasis(), persistent=False)
        self.emphasis: torch.Tensor

    def config(self) -> dict[str, Jsonable]:
        """Give the settings; see SceneModel."""
        return {
            "events": list(self.events),
            "network": asdict(self.network_config),
            "process": {**asdict(self.process), "method": str(self.process.method)},
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Jsonable]) -> Self:
        """Build from settings; see SceneModel."""
        parts: dict[str, Any] = dict(config)
        process = FlowMatchingConfig(**parts.get("process", {}))
        return cls(
            tuple(parts["events"]),
            NetworkConfig(**parts.get("network", {})),
            replace(process, method=Method(process.method)),
        )

    def loss(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Weighted squared error of the velocity, plus rollout and overlap; see SceneModel."""
        time = self._times(len(batch), generator).to(batch.agents)
        noise = torch.randn(batch.agents.shape, generator=generator).to(batch.agents)
        clean = clean_tokens(self.scale, batch)
        share = time[:, None, None]
        mixed = torch.where(batch.known, clean, (1.0 - share) * noise + share * clean)
        scene = self.network.encode(batch)
        given = self.network.describe(scene, batch.condition, batch.asked)
        velocity = self._velocity(batch, mixed, time, scene, given)
        weight = counted(batch) * self.emphasis
        error = (velocity - (clean - noise)).square() * weight
        matching = error.sum() / weight.sum().clamp(min=1.0)
        with torch.autocast(time.device.type, enabled=False):
            estimate = torch.where(batch.known, clean, mixed + (1.0 - share) * velocity)
            return matching + self._scene_loss(batch, estimate, time)

    @torch.no_grad()
    def sample(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Follow the flow from noise; see SceneModel."""
        seeds, batch = scene_seeds(generator, len(batch)), batch.given()
        clean = clean_tokens(self.scale, batch)
        x = torch.where(
            batch.known, clean, SceneNoise(seeds).draw(batch.agents.shape[1:]).to(clean)
        )
        scene = self.network.encode(batch)
        given = self.network.describe(scene, batch.condition, batch.asked)

        def slope_at(x: torch.Tensor, time: float) -> torch.Tensor:
            times = torch.full((len(batch),), time, device=x.device)
            return self._velocity(batch, x, times, scene, given)

        last: torch.Tensor | None = None
        steps, method = self.process.steps, self.process.method
        for k in range(steps):
            slope = slope_at(x, k / steps)
            way = slope
            if method is Method.HEUN:
                ahead = torch.where(batch.known, clean, x + slope / steps)
                way = 0.5 * (slope + slope_at(ahead, (k + 1) / steps))
            elif method is Method.ADAMS and last is not None:
                way = 1.5 * slope - 0.5 * last
            x, last = torch.where(batch.known, clean, x + way / steps), slope
        return finished(batch, self.scale.inverse(x))

    def _times(self, scenes: int, generator: torch.Generator) -> torch.Tensor:
        """Draw logit-normal times, stratified over the batch (see edm.draw_sigma), shape (B,)."""
        shift = torch.rand((), generator=generator)
        place = (torch.arange(scenes) + shift) / scenes
        place = place[torch.randperm(scenes, generator=generator)].clamp(1e-4, 1.0 - 1e-4)
        return (self.process.mean + self.process.deviation * torch.special.ndtri(place)).sigmoid()

    def _velocity(
        self,
        batch: SceneBatch,
        mixed: torch.Tensor,
        time: torch.Tensor,
        scene: Encoded,
        given: torch.Tensor,
    ) -> torch.Tensor:
        """Velocity of the flow, standardised, shape (B, A, CHANNELS)."""
        share = time[:, None, None]
        # Attention sees poses in their own units: the data plus noise, as in the diffusion model.
        place = torch.where(batch.known, mixed, mixed / share.clamp(min=EARLIEST))
        pose = self.scale.inverse(place)[..., POSE]
        inputs = torch.cat([mixed, batch.known.to(mixed)], -1)
        level = 0.25 * _ratio(time).log()
        return self.network(inputs, pose, batch.possible, scene, given, level).to(mixed)

    def _scene_loss(
        self, batch: SceneBatch, estimate: torch.Tensor, time: torch.Tensor
    ) -> torch.Tensor:
        """Weighted losses of the decoded estimate; its error grows with the noise."""
        ratio = _ratio(time)
        unit = self.scale.spread[POSE.start] * POSITION_SCALE
        scale = 1.0 + unit * ratio * (1.0 + ratio.square()).rsqrt()
        tokens = self.scale.inverse(estimate)
        rollout, deep = scene_loss(batch, tokens, scale, ratio < self.process.overlap_below)
        return self.process.rollout * rollout + self.process.overlap * deep


def _ratio(time: torch.Tensor) -> torch.Tensor:
    """Deviation of the noise over that of the data, what EDM calls sigma."""
    return ((1.0 - time) / time.clamp(min=1.0 / LEVELS[1])).clamp(*LEVELS)
