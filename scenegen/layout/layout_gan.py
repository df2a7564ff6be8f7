"""An adversarial generator of scenes with the R3GAN loss.

The critic compares pairs of true and made scenes on the same road (relativistic pairing,
Jolicoeur-Martineau 2019), and its gradients on both are kept small (R1 and R2), with which the
game converges locally (Huang et al. 2024). Generator and critic descend at the same time, each on
its own loss: their gradients are of one sum, of which each sees only its own part, so that one
optimizer holds both and a training resumes to the bit. It has no momentum, with which the two
would circle each other (Gidel et al. 2019).

Squared gradients are measured along random directions by a finite difference (Lin et al. 2025):
exact ones need second derivatives, which are infinite where two agents stand on the same place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional

from scenegen.layout.network import NetworkConfig, SceneNetwork
from scenegen.layout.sampler import SceneNoise
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_model import SceneModel, finished, scene_seeds
from scenegen.layout.targets import clean_tokens, counted
from scenegen.layout.tokens import BIT, CHANNELS, KIND, POSE, PRESENCE

_HEADING = slice(POSE.start + 2, POSE.stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class GanConfig:
    """Noise of the generator and penalties of the critic.

    Attributes:
        noise: Random numbers per agent.
        gamma: Weight of the squared gradients; R3GAN's half is taken in the loss.
        lazy: Steps per penalty on average; each then counts as often (Karras et al. 2020).
        reach: Length per channel of the step that measures gradients, in standardised units.
    """

    noise: int = 16
    gamma: float = 1.0
    lazy: int = 4
    reach: float = 0.05

    def __post_init__(self) -> None:
        """Check the ranges."""
        if min(self.noise, self.lazy) < 1 or self.gamma < 0.0 or self.reach <= 0.0:
            raise ValueError(f"GanConfig: expected noise, lazy and reach above zero, got {self}")


class GanModel(SceneModel):
    """Generator and critic over sets of agent tokens."""

    name: ClassVar[str] = "gan"
    parts: ClassVar[Mapping[str, type[Any]]] = {"game": GanConfig}
    betas: ClassVar[tuple[float, float]] = (0.0, 0.99)

    def __init__(
        self,
        events: tuple[str, ...],
        network: NetworkConfig | None = None,
        game: GanConfig | None = None,
    ) -> None:
        """Build with fresh weights.

        Args:
            events: Event families of the condition.
            network: Size of both networks together: each has half of the layers.
            game: Noise and penalties.
        """
        super().__init__(events)
        self.network_config = network if network is not None else NetworkConfig()
        self.game = game if game is not None else GanConfig()
        half = replace(self.network_config, layers=max(1, self.network_config.layers // 2))
        size = self.game.noise
        self.generator = SceneNetwork(
            half, self.groups, inputs=2 * CHANNELS + size, outputs=CHANNELS
        )
        self.anchor = nn.Linear(size, POSE.stop - POSE.start)
        self.critic = SceneNetwork(half, self.groups, inputs=2 * CHANNELS, outputs=1)

    def loss(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Sum of the losses of generator and critic; see SceneModel.

        Its value says little about samples: where both are equally good it is 2 log 2.
        """
        size = (*batch.present.shape, self.game.noise)
        noise = torch.randn(size, generator=generator).to(batch.agents)
        true = torch.where(_scored(batch), self._clean(batch), 0.0)
        made = self._made(batch, noise)
        held = made.detach()
        true_score, made_score = self._score(batch, true), self._score(batch, held)
        with _frozen(self.critic):
            lead = self._score(batch, made) - true_score.detach()
        fooling = functional.softplus(-lead).mean()
        judging = functional.softplus(made_score - true_score).mean()
        loss = fooling + judging
        directions = torch.randn((2, *true.shape), generator=generator).to(true)
        due = float(torch.rand((), generator=generator)) < 1.0 / self.game.lazy
        if due and torch.is_grad_enabled():
            r1 = self._steepness(batch, true, true_score, directions[0])
            r2 = self._steepness(batch, held, made_score, directions[1])
            loss = loss + 0.5 * self.game.gamma * self.game.lazy * (r1 + r2)
        return loss

    @torch.no_grad()
    def sample(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Pass noise through the generator once; see SceneModel."""
        seeds, batch = scene_seeds(generator, len(batch)), batch.given()
        noise = SceneNoise(seeds).draw((batch.present.shape[1], self.game.noise))
        made = self._made(batch, noise.to(batch.agents), scored_only=False)
        return finished(batch, self._tokens(made))

    def _clean(self, batch: SceneBatch) -> torch.Tensor:
        """Tokens as both networks see them; what lies in empty slots is zero.

        All but kinds are standardised. Kinds are in units of their bits: between the corners, where
        made ones lie, a rare kind would be many deviations off.
        """
        clean = clean_tokens(self.scale, batch)
        bits = torch.where(batch.present[..., None], batch.agents[..., KIND] / BIT, 0.0)
        return torch.cat([clean[..., : KIND.start], bits, clean[..., KIND.stop :]], -1)

    def _tokens(self, clean: torch.Tensor) -> torch.Tensor:
        """Tokens from what the networks see."""
        tokens = self.scale.inverse(clean)
        tokens[..., KIND] = BIT * clean[..., KIND]
        return tokens

    def _made(
        self, batch: SceneBatch, noise: torch.Tensor, *, scored_only: bool = True
    ) -> torch.Tensor:
        """Tokens from noise, as `_clean` gives true ones and in their range.

        Of true scenes only `_scored` channels mean anything, and of made ones only those are kept
        for the critic.
        """
        clean = self._clean(batch)
        known = torch.where(batch.known, clean, 0.0)
        base = torch.zeros_like(known)
        base[..., POSE] = self.anchor(noise).to(known)
        pose = self.scale.inverse(torch.where(batch.known, known, base))[..., POSE]
        inputs = torch.cat([known, batch.known.to(known), noise], -1)
        raw = base + self._pass(self.generator, batch, inputs, pose)
        made = torch.where(batch.known, clean, self._squashed(raw))
        return torch.where(_scored(batch), made, 0.0) if scored_only else made

    def _squashed(self, raw: torch.Tensor) -> torch.Tensor:
        """Bring outputs to where true tokens are; differentiable."""
        heading = self.scale.inverse(raw)[..., _HEADING]
        length = (heading.square().sum(-1, keepdim=True) + 1e-6).sqrt()
        turned = heading / length / self.scale.spread[_HEADING]
        kind = 2.0 * raw[..., KIND].softmax(-1) - 1.0
        parts = [raw[..., : _HEADING.start], turned, raw[..., _HEADING.stop : KIND.start]]
        return torch.cat([*parts, kind, raw[..., PRESENCE:].tanh()], -1)

    def _score(self, batch: SceneBatch, tokens: torch.Tensor) -> torch.Tensor:
        """What the critic makes of tokens as `_clean` gives them, shape (B,)."""
        pose = self.scale.inverse(tokens)[..., POSE]
        inputs = torch.cat([tokens, batch.known.to(tokens)], -1)
        each = self._pass(self.critic, batch, inputs, pose)[..., 0]
        there = batch.possible.to(each)
        return (each * there).sum(-1) / there.sum(-1).clamp(min=1.0)

    def _steepness(
        self, batch: SceneBatch, tokens: torch.Tensor, score: torch.Tensor, direction: torch.Tensor
    ) -> torch.Tensor:
        """Mean squared gradient of the critic by a random finite difference, a scalar.

        For a standard normal direction u, (u . g)^2 has the mean |g|^2.
        """
        step = self.game.reach * torch.where(counted(batch), direction, 0.0)
        slope = (self._score(batch, tokens + step) - score) / self.game.reach
        return slope.square().mean()

    @staticmethod
    def _pass(
        network: SceneNetwork, batch: SceneBatch, inputs: torch.Tensor, pose: torch.Tensor
    ) -> torch.Tensor:
        scene = network.encode(batch)
        given = network.describe(scene, batch.condition, batch.asked)
        level = torch.zeros(len(batch), device=inputs.device)
        return network(inputs, pose, batch.possible, scene, given, level).to(pose)


def _scored(batch: SceneBatch) -> torch.Tensor:
    """Channels the critic sees: those of agents that are there, and presence.

    Where it is open who is there, a made scene is seen as far as the true one is filled; who is
    there is judged by presence alone.
    """
    seen = batch.present[..., None].expand(batch.known.shape).clone()
    seen[..., PRESENCE] = True
    return seen


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Let gradients pass through a network without reaching its weights."""
    for weight in network.parameters():
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in network.parameters():
            weight.requires_grad_(True)
