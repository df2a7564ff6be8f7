"""The distilled student: what the diffusion model samples in many steps, in 1, 2 or 4.

A multistep consistency model (Heek, Hoogeboom & Salimans 2024; for one step that of Song et al.
2023). The way from noise to data is cut into as many segments as there are steps; from anywhere in
a segment the student jumps along the ordinary differential equation of the diffusion to the end of
it. It learns to agree with itself across one short step of its teacher, solved by Heun's method,
and, at the end of a segment, with the teacher alone. Classifier-free guidance of the teacher is
baked in. Without a teacher the short step is taken towards the data (consistency training), which
is how a student goes on learning from scenes of one's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import torch
from torch import nn

from scenegen.errors import CheckpointError
from scenegen.layout.diffusion import DiffusionConfig, DiffusionModel, Sampler, SamplerConfig
from scenegen.layout.edm import NoiseConfig, preconditioning, schedule
from scenegen.layout.network import Encoded, HasSummary, NetworkConfig
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_model import SceneModel
from scenegen.layout.targets import counted

STEPS = (1, 2, 4)
"""Numbers of steps a student can sample in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillConfig:
    """How a student learns and samples.

    Attributes:
        fine: Short steps from the first noise level to the data, a multiple of the most STEPS.
        event_scale: Guidance of the teacher towards the event that is baked in; 1 for none.
        attribute_scale: The same for the other fields of the condition.
        steps: Number of steps of a sample unless another one is asked for.
    """

    fine: int = 16
    event_scale: float = 1.0
    attribute_scale: float = 1.0
    steps: int = 4

    def __post_init__(self) -> None:
        """Check the numbers of steps."""
        if self.steps not in STEPS or self.fine < 1 or self.fine % STEPS[-1]:
            raise ValueError(
                f"DistillConfig: expected steps of {STEPS} and fine steps in multiples of"
                f" {STEPS[-1]}, got {self.steps} and {self.fine}"
            )


class _Jump(NamedTuple):
    """What one scene of a training step is about.

    Attributes:
        steps: Index into STEPS, shape (B,).
        now: Noise level of the input, shape (B,).
        after: One short step below it.
        end: Level at which the segment ends.
    """

    steps: torch.Tensor
    now: torch.Tensor
    after: torch.Tensor
    end: torch.Tensor


class StudentModel(DiffusionModel):
    """Few-step sampler distilled from a diffusion model.

    Attributes:
        distill: How it learns and samples.
        teacher: The model it learns from, if any; it is no part of the student's weights.
    """

    name: ClassVar[str] = "student"
    parts: ClassVar[Mapping[str, type[Any]]] = {
        "noise": NoiseConfig,
        "losses": DiffusionConfig,
        "distill": DistillConfig,
    }

    def __init__(
        self,
        events: tuple[str, ...],
        network: NetworkConfig | None = None,
        noise: NoiseConfig | None = None,
        losses: DiffusionConfig | None = None,
        distill: DistillConfig | None = None,
    ) -> None:
        """Build with fresh weights.

        Args:
            events: Event families of the condition.
            network: Size of the network.
            noise: Noise levels.
            losses: Emphasis on channels, as of the teacher.
            distill: How it learns and samples.
        """
        super().__init__(events, network, noise, losses)
        self.distill = distill if distill is not None else DistillConfig()
        self.sampling = SamplerConfig(sampler=Sampler.DDIM, steps=self.distill.steps)
        # Zero at first: a student begins as its teacher.
        self.jumps = nn.Parameter(torch.zeros(len(STEPS), self.network_config.width))
        self.teacher: tuple[DiffusionModel, ...] = ()

    def begin_from(self, source: SceneModel) -> None:
        """Take a teacher, and begin as it; or go on from another student.

        Raises:
            CheckpointError: The source is neither.
        """
        if isinstance(source, StudentModel):
            super().begin_from(source)
            return
        if not isinstance(source, DiffusionModel):
            raise CheckpointError(
                f"student: expected the weights of 'diffusion' or 'student', got {source.name!r}"
            )
        weights = {**source.state_dict(), "jumps": self.jumps.detach()}
        self.load_weights(weights, source.name)
        self.teacher = (source.eval().requires_grad_(requires_grad=False),)

    def adapted(self, how: SamplerConfig) -> SamplerConfig:
        """Sample in one of STEPS, the most that is not above what was asked for.

        Raises:
            CheckpointError: A path weight is asked for, and the jumps are no random steps.
        """
        if how.sampler is Sampler.ANCESTRAL:
            raise CheckpointError(
                "student: expected a sampler without path weights; take the diffusion model, whose"
                " steps are random, to weigh guided scenes"
            )
        steps = max(s for s in STEPS if s <= max(how.steps, STEPS[0]))
        return replace(how, sampler=Sampler.DDIM, steps=steps, event_scale=1.0, attribute_scale=1.0)

    def sigmas(self, how: SamplerConfig) -> torch.Tensor:
        """Give the levels at which segments begin and end; see DiffusionModel.sigmas."""
        return schedule(self.noise, torch.arange(how.steps + 1) / how.steps)

    def describe(
        self, batch: SceneBatch, scene: HasSummary, asked: torch.Tensor, steps: int
    ) -> torch.Tensor:
        """Give the vector of road, condition and number of steps, shape (B, d)."""
        return super().describe(batch, scene, asked, steps) + self.jumps[STEPS.index(steps)]

    def loss(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Distance of jumps from where a short step further on leads; see SceneModel."""
        jump = self._draw(len(batch), generator, batch.agents.device)
        noise = torch.randn(batch.agents.shape, generator=generator).to(batch.agents)
        clean = self._clean(batch)
        noisy = torch.where(batch.known, clean, clean + _wide(jump.now) * noise)
        scene = self.network.encode(batch)
        given = self.network.describe(scene, batch.condition, batch.asked) + self.jumps[jump.steps]
        found = self._estimate(batch, clean, noisy, jump.now, scene, given)
        with torch.no_grad():
            target = self._target(batch, clean, noisy, jump, scene, given)
        out = _wide(preconditioning(jump.now)[1])
        weight = counted(batch) * self.emphasis
        error = ((found - target) / out).square() * weight
        return error.sum() / weight.sum().clamp(min=1.0)

    def _target(
        self,
        batch: SceneBatch,
        clean: torch.Tensor,
        noisy: torch.Tensor,
        jump: _Jump,
        scene: Encoded,
        given: torch.Tensor,
    ) -> torch.Tensor:
        """The estimate whose jump ends where a short step and a jump from there end."""
        now, after, end = (_wide(level) for level in jump[1:])
        near = self._short_step(batch, clean, noisy, jump)
        onward = self._estimate(batch, clean, near, jump.after.clamp(min=1e-4), scene, given)
        share = end / after.clamp(min=1e-6)
        there = torch.where(after > end, share * near + (1.0 - share) * onward, near)
        left = end / now
        return torch.where(batch.known, clean, (there - left * noisy) / (1.0 - left))

    def _short_step(
        self, batch: SceneBatch, clean: torch.Tensor, noisy: torch.Tensor, jump: _Jump
    ) -> torch.Tensor:
        """One step of Heun's method by the teacher, or along the line to the data."""
        now, after = _wide(jump.now), _wide(jump.after)
        if not self.teacher:
            return torch.where(batch.known, clean, clean + after / now * (noisy - clean))
        slope = (noisy - self._taught(batch, clean, noisy, jump.now)) / now
        moved = noisy + (after - now) * slope
        last = jump.after <= 0.0
        level = torch.where(last, jump.now, jump.after)  # Any level: it is not used at the last.
        again = (moved - self._taught(batch, clean, moved, level)) / _wide(level)
        heun = noisy + (after - now) * 0.5 * (slope + again)
        return torch.where(batch.known, clean, torch.where(_wide(last), moved, heun))

    def _taught(
        self, batch: SceneBatch, clean: torch.Tensor, noisy: torch.Tensor, sigma: torch.Tensor
    ) -> torch.Tensor:
        """Estimate of the teacher with its guidance."""
        (teacher,) = self.teacher
        scene = teacher.network.encode(batch)
        base = teacher.estimate(batch, clean, noisy, sigma, scene, batch.asked)
        inside = (sigma >= self.sampling.interval[0]) & (sigma <= self.sampling.interval[1])
        steered = base
        for scale, names in self.dropped_fields(
            self.distill.event_scale, self.distill.attribute_scale
        ):
            asked = self.without(batch, names)
            plain = teacher.estimate(batch, clean, noisy, sigma, scene, asked)
            steered = steered + torch.where(_wide(inside), (scale - 1.0) * (base - plain), 0.0)
        return steered

    def _draw(self, scenes: int, generator: torch.Generator, device: torch.device) -> _Jump:
        """Draw numbers of steps, segments and places in them, alike for all short steps."""
        fine = self.distill.fine
        levels = schedule(self.noise, torch.arange(fine + 1) / fine).float()
        which = torch.randint(len(STEPS), (scenes,), generator=generator)
        # Stratified: every batch covers the way from noise to data.
        place = (torch.arange(scenes) + torch.rand((), generator=generator)) / scenes
        at = (place[torch.randperm(scenes, generator=generator)] * fine).long().clamp(max=fine - 1)
        per = fine // torch.tensor(STEPS)[which]
        ends = (at // per + 1) * per
        parts = (which, levels[at], levels[at + 1], levels[ends])
        return _Jump(*(part.to(device) for part in parts))


def _wide(level: torch.Tensor) -> torch.Tensor:
    return level[:, None, None]
