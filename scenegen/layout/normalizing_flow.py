"""A normalising flow over all agents of a scene, with exact likelihoods.

Couplings move some numbers of every agent by rational-quadratic splines whose knots a transformer
block reads off the others, those of other agents and the road included (Durkan et al. 2019). From
data to noise, motion codes go first, then heading and state, then positions in turn, so that from
noise to data each is drawn around what it depends on. Known channels move no more than empty slots
do, and every block sees them. Who is there and of what kind is drawn before, agent by agent, as
presence and kind have no density. Headings are angles, their splines circles (Rezende et al. 2020).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import nn
from torch.nn import functional

from scenegen.layout.mixtures import choose
from scenegen.layout.network import (
    Block,
    ConditionEncoder,
    Encoded,
    MapEncoder,
    NetworkConfig,
    RelationEncoder,
)
from scenegen.layout.sampler import SceneNoise
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_model import SceneModel, finished, scene_seeds
from scenegen.layout.splines import (
    Spline,
    spline_forward,
    spline_inverse,
    spline_of,
    spline_outputs,
)
from scenegen.layout.targets import clean_tokens, counted
from scenegen.layout.tokens import (
    BIT,
    BOX,
    CHANNELS,
    DYNAMICS,
    KIND,
    MOTION,
    POSE,
    PRESENCE,
    ROLE_SLOTS,
)
from scenegen.scene import AgentKind

PLAIN = [
    *range(POSE.start, POSE.start + 2),
    *range(DYNAMICS.start, DYNAMICS.stop),
    *range(BOX.start, BOX.stop),
    *range(MOTION.start, MOTION.stop),
]
"""Channels that are numbers on a line, in the order of the flow's numbers."""
NUMBERS = len(PLAIN) + 1
"""Numbers per agent: those of PLAIN, and the angle of the heading over pi as the last one."""
ANGLE = NUMBERS - 1
BOUND = 5.0
"""Splines act within this many deviations."""
_HEADING = slice(POSE.start + 2, POSE.stop)
_STATE, _CODE = list(range(2, 7)), list(range(7, 27))
_KINDS = len(AgentKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowConfig:
    """Splines and dequantisation.

    Attributes:
        bins: Bins of a spline.
        blur: Deviation of the noise on numbers in training, in standardised units: values that
            recur exactly have no density (Theis et al. 2016).
        fine_blur: The same for positions and angles.
    """

    bins: int = 8
    blur: float = 0.01
    fine_blur: float = 0.001

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.bins < 2 or min(self.blur, self.fine_blur) < 0.0:
            raise ValueError(f"FlowConfig: expected bins and noise of 0 or more, got {self}")


class Context(NamedTuple):
    """What all couplings of a pass see.

    Attributes:
        road: The encoded road.
        given: Road and condition, shape (B, d).
        free: Numbers that the flow moves, shape (B, A, NUMBERS).
        there: Who is there, shape (B, A).
        kind: One-hot kinds, shape (B, A, kinds).
    """

    road: Encoded
    given: torch.Tensor
    free: torch.Tensor
    there: torch.Tensor
    kind: torch.Tensor


class Coupling(nn.Module):
    """Moves some numbers of all agents, given the others."""

    def __init__(self, config: NetworkConfig, moved: Sequence[int], bins: int, index: int) -> None:
        """Build one coupling; it begins as the identity.

        Args:
            config: Size of a block.
            moved: Numbers it moves, ANGLE last.
            bins: Bins of its splines.
            index: Its number, that of its part of the encoded road.
        """
        super().__init__()
        d = config.width
        self.index, self.bins = index, bins
        self.moved = list(moved)
        self.enter = nn.Sequential(nn.Linear(2 * NUMBERS + _KINDS, d), nn.SiLU(), nn.Linear(d, d))
        self.roles = nn.Parameter(0.02 * torch.randn(2 + ROLE_SLOTS, d))
        self.relations = RelationEncoder(replace(config, layers=1))
        self.block = Block(config)
        self.norm = nn.LayerNorm(d)
        self.leave = nn.Linear(d, len(self.moved) * spline_outputs(bins))
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self, numbers: torch.Tensor, context: Context, to_pose: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Move numbers towards noise.

        Args:
            numbers: Shape (B, A, NUMBERS).
            context: The scene.
            to_pose: Deviation of positions, in their units.

        Returns:
            Moved numbers, and the logarithm of the slope, per agent (B, A).
        """
        free = context.free[..., self.moved]
        before = numbers[..., self.moved]
        pairs = [
            spline_forward(spline, before[..., where])
            for where, spline in self._splines(numbers, context, to_pose)
        ]
        moved, log_slope = (torch.cat(parts, -1) for parts in zip(*pairs, strict=True))
        out = numbers.clone()
        out[..., self.moved] = torch.where(free, moved, before)
        return out, torch.where(free, log_slope, 0.0).sum(-1)

    def inverse(
        self, numbers: torch.Tensor, context: Context, to_pose: torch.Tensor
    ) -> torch.Tensor:
        """Move numbers back towards data."""
        free = context.free[..., self.moved]
        after = numbers[..., self.moved]
        parts = self._splines(numbers, context, to_pose)
        found = torch.cat([spline_inverse(spline, after[..., at]) for at, spline in parts], -1)
        out = numbers.clone()
        out[..., self.moved] = torch.where(free, found, after)
        return out

    def _splines(
        self, numbers: torch.Tensor, context: Context, to_pose: torch.Tensor
    ) -> list[tuple[slice, Spline]]:
        """Splines of runs of the moved numbers, read off all others and those that are known."""
        hidden = torch.zeros_like(context.free)
        hidden[..., self.moved] = context.free[..., self.moved]
        seen = torch.where(hidden, 0.0, numbers)
        x = self.enter(torch.cat([seen, hidden.to(seen), context.kind.to(seen)], -1))
        slot = torch.arange(x.shape[1], device=x.device).clamp(max=1 + ROLE_SLOTS)
        # Poses as far as they are data or noise that looks like it, which attention can tell.
        angle = torch.where(hidden[..., ANGLE], 0.0, seen[..., ANGLE]) * math.pi
        place = seen[..., :2] * to_pose
        pose = torch.cat([place, torch.stack([angle.cos(), angle.sin()], -1)], -1)
        road = context.road._replace(
            keys=context.road.keys[self.index :], values=context.road.values[self.index :]
        )
        relations = self.relations(pose, context.there, road)
        shape = self.block.modulate(context.given)
        x = self.block(x + self.roles[slot], shape, road, relations, 0)
        raw = self.leave(self.norm(x)).to(numbers)
        raw = raw.view(*raw.shape[:-1], len(self.moved), spline_outputs(self.bins))
        line = slice(0, len(self.moved) - (ANGLE in self.moved))
        parts = [(line, spline_of(raw[..., line, :], BOUND, circular=False))]
        if ANGLE in self.moved:
            circle = slice(line.stop, len(self.moved))
            parts.append((circle, spline_of(raw[..., circle, :], 1.0, circular=True)))
        return parts


class FlowModel(SceneModel):
    """Coupling flow over agents, after a classifier of presence and kind."""

    name: ClassVar[str] = "flow"
    parts: ClassVar[Mapping[str, type[Any]]] = {"splines": FlowConfig}

    def __init__(
        self,
        events: tuple[str, ...],
        network: NetworkConfig | None = None,
        splines: FlowConfig | None = None,
    ) -> None:
        """Build with fresh weights.

        Args:
            events: Event families of the condition.
            network: Size of the blocks; each coupling has one, and there are at least 5.
            splines: Splines and dequantisation.
        """
        super().__init__(events)
        self.network_config = network if network is not None else NetworkConfig()
        self.splines = splines if splines is not None else FlowConfig()
        d, total = self.network_config.width, max(5, self.network_config.layers)
        config = replace(self.network_config, layers=total)
        self.road = MapEncoder(config)
        self.condition = ConditionEncoder(self.groups, d)
        self.who = nn.Sequential(
            nn.Linear(2 * CHANNELS + d + 2 + ROLE_SLOTS, d), nn.SiLU(),
            nn.Linear(d, d), nn.SiLU(), nn.Linear(d, 1 + _KINDS),
        )  # fmt: skip
        moved = [_CODE[::2], _CODE[1::2], [*_STATE, ANGLE]]
        moved += [[1] if k % 2 == 0 else [0] for k in range(total - 3)]
        self.couplings = nn.ModuleList(
            Coupling(config, part, self.splines.bins, k) for k, part in enumerate(moved)
        )
        blur = torch.full((NUMBERS,), self.splines.blur)
        blur[[0, 1, ANGLE]] = self.splines.fine_blur
        self.register_buffer("blur", blur, persistent=False)
        self.blur: torch.Tensor

    def loss(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Negative log-likelihood of blurred numbers per unknown channel; see SceneModel."""
        size = (*batch.present.shape, NUMBERS)
        blur = self.blur * torch.randn(size, generator=generator).to(batch.agents)
        total = self._log_likelihood(batch, blur).sum()
        return -total / counted(batch).sum().clamp(min=1)

    def log_likelihood(self, batch: SceneBatch) -> torch.Tensor:
        """Give each agent's part of the log-likelihood of what is not known [nats].

        Numbers count as densities of standardised channels, headings of their angle over pi,
        presence and kind as probabilities. Only the sum over a scene is a likelihood.

        Returns:
            Shape (B, A).
        """
        return self._log_likelihood(batch, None)

    def context(self, batch: SceneBatch) -> Context:
        """Encode a batch whose presence and kinds are settled."""
        road = self.road(batch)
        given = functional.silu(self.condition(batch.condition, batch.asked) + road.summary)
        known = torch.cat(
            [batch.known[..., PLAIN], batch.known[..., _HEADING].all(-1, keepdim=True)], -1
        )
        there = batch.present
        kind = functional.one_hot(batch.agents[..., KIND].argmax(-1), _KINDS)
        return Context(road, given, ~known & there[..., None], there, kind)

    def numbers(self, batch: SceneBatch) -> torch.Tensor:
        """Give what the flow moves, shape (B, A, NUMBERS); zero in empty slots."""
        cos, sin = batch.agents[..., _HEADING].unbind(-1)
        angle = torch.where(batch.present, torch.atan2(sin, cos), 0.0) / math.pi
        return torch.cat([clean_tokens(self.scale, batch)[..., PLAIN], angle[..., None]], -1)

    def to_noise(
        self, numbers: torch.Tensor, context: Context
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Turn data into noise.

        Returns:
            Noise, shape (B, A, NUMBERS), and the log-determinant, by agent (B, A).
        """
        spread = self.scale.spread[POSE.start]
        total = torch.zeros_like(numbers[..., 0])
        for coupling in self.couplings:
            numbers, log_slope = coupling(numbers, context, spread)
            total = total + log_slope
        return numbers, total

    def to_data(self, noise: torch.Tensor, context: Context) -> torch.Tensor:
        """Turn noise into data: the inverse of `to_noise`; numbers that are not free are data."""
        spread = self.scale.spread[POSE.start]
        for coupling in reversed(self.couplings):
            noise = cast("Coupling", coupling).inverse(noise, context, spread)
        return noise

    @torch.no_grad()
    def sample(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Draw presence and kinds, then pass noise through the flow; see SceneModel."""
        seeds, batch = scene_seeds(generator, len(batch)), batch.given()
        drawn = SceneNoise(seeds).draw((batch.agents.shape[1], NUMBERS + 2)).to(batch.agents)
        who = self._who(batch)
        uniform = torch.special.ndtr(drawn[..., NUMBERS:])
        tokens = batch.agents.clone()
        tokens[..., PRESENCE] = torch.where(uniform[..., 0] < who[..., 0].sigmoid(), 1.0, -1.0)
        kind = functional.one_hot(choose(who[..., 1:], uniform[..., 1]), _KINDS)
        tokens[..., KIND] = BIT * (2.0 * kind - 1.0)
        tokens = torch.where(batch.known, batch.agents, tokens)
        settled = replace(batch, agents=tokens)
        context, known = self.context(settled), self.numbers(settled)
        noise = drawn[..., :NUMBERS].clone()
        noise[..., ANGLE] = 2.0 * torch.special.ndtr(noise[..., ANGLE]) - 1.0
        noise = torch.where(context.free, noise, known)
        found = self.to_data(noise, context)
        clean = self.scale(tokens)
        clean[..., PLAIN] = found[..., : len(PLAIN)]
        out = self.scale.inverse(clean)
        angle = found[..., ANGLE] * math.pi
        out[..., _HEADING] = torch.stack([angle.cos(), angle.sin()], -1)
        return finished(batch, out)

    def _who(self, batch: SceneBatch) -> torch.Tensor:
        """Logits of presence and of each kind, shape (B, A, 1 + kinds)."""
        known = torch.where(batch.known, clean_tokens(self.scale, batch), 0.0)
        scenes, slots = batch.present.shape
        given = self.condition(batch.condition, batch.asked) + self.road(batch).summary
        slot = torch.arange(slots, device=known.device).clamp(max=1 + ROLE_SLOTS)
        role = functional.one_hot(slot, 2 + ROLE_SLOTS).expand(scenes, -1, -1).to(known)
        wide = given[:, None].expand(-1, slots, -1).to(known)
        return self.who(torch.cat([known, batch.known.to(known), wide, role], -1))

    def _log_likelihood(self, batch: SceneBatch, blur: torch.Tensor | None) -> torch.Tensor:
        context, numbers = self.context(batch), self.numbers(batch)
        if blur is not None:
            numbers = torch.where(context.free, numbers + blur, numbers)
            numbers[..., ANGLE] = torch.remainder(numbers[..., ANGLE] + 1.0, 2.0) - 1.0
        noise, total = self.to_noise(numbers, context)
        base = -0.5 * noise.square() - 0.5 * math.log(2.0 * math.pi)
        base[..., ANGLE] = -math.log(2.0)
        total = total + torch.where(context.free, base, 0.0).sum(-1)
        who, free = self._who(batch), ~batch.known
        sign = torch.where(batch.present, 1.0, -1.0)
        presence = functional.logsigmoid(sign * who[..., 0])
        kind = (who[..., 1:].log_softmax(-1) * context.kind).sum(-1)
        total = total + torch.where(free[..., PRESENCE], presence, 0.0)
        return total + torch.where(free[..., KIND].any(-1) & batch.present, kind, 0.0)
