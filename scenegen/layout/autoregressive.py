"""Agents one after the other, each attribute given all before it, with exact likelihoods.

As in SceneGen (Tan et al. 2021) and TrafficGen (Feng et al. 2023), agents are ordered by distance
and drawn from mixtures of ten components: kind, place, heading, then speed and box, then the motion
code. A causal transformer reads the agents so far twice: before the place is known, and around it.
Agents whose place is known come first, and what is known of an agent is taken in place of a draw;
its likelihood is that of the rest. What is known of agents that come later is not looked at.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, NamedTuple, cast

import torch
from torch import nn
from torch.nn import functional

from scenegen.layout.mixtures import (
    CIRCLE_OUTPUTS,
    PLANE_OUTPUTS,
    CircleMixture,
    LineMixture,
    PlaneMixture,
    choose,
    line_outputs,
)
from scenegen.layout.network import (
    VISIBLE,
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

STATE = [*range(DYNAMICS.start, DYNAMICS.stop), *range(BOX.start, BOX.stop)]
"""Channels drawn together after the heading."""
_PLACE, _HEADING = slice(POSE.start, POSE.start + 2), slice(POSE.start + 2, POSE.stop)
_KINDS, _CODE = len(AgentKind), MOTION.stop - MOTION.start
_UNIFORMS = 6
_NORMALS = 3 + len(STATE) + _CODE


class _Scene(NamedTuple):
    """What all agents of a batch share, slots already in the order of drawing.

    Attributes:
        road: The encoded road.
        given: Road and condition, shape (B, d).
        slot: Slot that each place in the order holds, shape (B, A).
    """

    road: Encoded
    given: torch.Tensor
    slot: torch.Tensor


class AutoregressiveModel(SceneModel):
    """Causal transformer with mixture heads over agents."""

    name: ClassVar[str] = "autoregressive"

    def __init__(self, events: tuple[str, ...], network: NetworkConfig | None = None) -> None:
        """Build with fresh weights.

        Args:
            events: Event families of the condition.
            network: Size of the network; half of the layers read before the place is known.
        """
        super().__init__(events)
        self.network_config = network if network is not None else NetworkConfig()
        config = replace(self.network_config, layers=max(2, self.network_config.layers))
        d, self.first = config.width, config.layers // 2
        self.road = MapEncoder(config)
        self.condition = ConditionEncoder(self.groups, d)
        self.roles = nn.Parameter(0.02 * torch.randn(2 + ROLE_SLOTS, d))
        self.enter = _perceptron(4 * CHANNELS, d, d)
        self.before = RelationEncoder(replace(config, layers=self.first))
        self.around = RelationEncoder(replace(config, layers=config.layers - self.first))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(d)
        self.found = nn.Linear(_KINDS + 2, d)
        self.who = nn.Linear(d, 1 + _KINDS)
        self.place = _perceptron(d + _KINDS, d, PLANE_OUTPUTS)
        self.heading = _perceptron(d, d, CIRCLE_OUTPUTS)
        self.state = _perceptron(d + 2, d, line_outputs(len(STATE)))
        self.motion = _perceptron(d + 2 + len(STATE), d, line_outputs(_CODE))

    def loss(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Negative log-likelihood per unknown channel [nats]; see SceneModel."""
        return -self.log_likelihood(batch).sum() / counted(batch).sum().clamp(min=1)

    def log_likelihood(self, batch: SceneBatch) -> torch.Tensor:
        """Give the log-likelihood of what is not known of each agent [nats].

        Numbers count as densities of standardised channels, angles per radian, presence and kind
        as probabilities. The sum over a scene is that of the scene.

        Returns:
            Shape (B, A), by slot.
        """
        scene, ordered = self._ordered(batch)
        clean = clean_tokens(self.scale, ordered)
        ahead = self._read_before(ordered, clean, scene)
        seen = self._read_around(ordered, clean, ahead, scene)
        with torch.autocast(clean.device.type, enabled=False):
            each = self._scored(ordered, clean, ahead.float(), seen.float())
        return torch.zeros_like(each).scatter(1, scene.slot, each)

    @torch.no_grad()
    def sample(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Draw agents one after the other; see SceneModel."""
        seeds = scene_seeds(generator, len(batch))
        scene, ordered = self._ordered(batch.given())
        clean = clean_tokens(self.scale, ordered)
        noise = SceneNoise(seeds).draw((clean.shape[1], _UNIFORMS + _NORMALS)).to(clean)
        for i in range(int(ordered.possible.sum(1).max())):
            if bool(ordered.known[:, i].all()):
                continue
            prefix, drawn = _upto(ordered, i + 1), clean[:, : i + 1]
            ahead = self._read_before(prefix, drawn, scene)
            drawn = self._placed(prefix, drawn, ahead, noise[:, i])
            shown = replace(prefix, agents=self._tokens(drawn))
            seen = self._read_around(shown, drawn, ahead, scene)
            clean[:, : i + 1] = self._described(prefix, drawn, seen, noise[:, i])
            ordered.agents[:, i] = self._tokens(clean[:, i])
        back = scene.slot[..., None].expand(clean.shape)
        tokens = torch.zeros_like(clean).scatter(1, back, self._tokens(clean))
        return finished(batch, tokens)

    def _ordered(self, batch: SceneBatch) -> tuple[_Scene, SceneBatch]:
        """Encode the road, and bring slots into their order: placed ones first, empty ones last."""
        placed = batch.known[..., _PLACE].all(-1)
        rank = torch.where(batch.possible, (~placed).long(), 2)
        slot = rank.argsort(dim=1, stable=True)
        index = slot[..., None].expand(batch.agents.shape)
        ordered = replace(
            batch, agents=batch.agents.gather(1, index), known=batch.known.gather(1, index)
        )
        road = self.road(batch)
        given = functional.silu(self.condition(batch.condition, batch.asked) + road.summary)
        return _Scene(road, given, slot), ordered

    def _tokens(self, clean: torch.Tensor) -> torch.Tensor:
        return self.scale.inverse(clean)

    def _read_before(self, batch: SceneBatch, clean: torch.Tensor, scene: _Scene) -> torch.Tensor:
        """Read agents up to the one before each, shape (B, A, d)."""
        known = torch.where(batch.known, clean, 0.0)
        last = functional.pad(clean, (0, 0, 1, 0))[:, :-1]
        said = functional.pad(batch.known.to(clean), (0, 0, 1, 0))[:, :-1]
        x = self.enter(torch.cat([last, said, known, batch.known.to(clean)], -1))
        slot = scene.slot[:, : x.shape[1]].clamp(max=1 + ROLE_SLOTS)
        x = x + self.roles[slot]
        pose = functional.pad(self._tokens(clean)[..., POSE], (0, 0, 1, 0))[:, :-1]
        there = functional.pad(clean[..., PRESENCE] > 0.0, (1, 0), value=True)[:, :-1]
        return self.norm(self._attend(x, pose, there, scene, self.before, 0))

    def _read_around(
        self, batch: SceneBatch, clean: torch.Tensor, ahead: torch.Tensor, scene: _Scene
    ) -> torch.Tensor:
        """Read the same agents again once kind and place are known, shape (B, A, d)."""
        place = clean[..., _PLACE]
        bits = batch.agents[..., KIND] / BIT
        there = clean[..., PRESENCE] > 0.0
        # Headings stay out of the relations: that of the agent itself is still to be drawn.
        flat = torch.zeros_like(clean)
        flat[..., _PLACE] = place
        pose = self._tokens(flat)[..., POSE].clone()
        pose[..., 2], pose[..., 3] = 1.0, 0.0
        x = ahead + self.found(torch.cat([bits, place], -1))
        return self.norm(self._attend(x, pose, there, scene, self.around, self.first))

    def _attend(
        self,
        x: torch.Tensor,
        pose: torch.Tensor,
        there: torch.Tensor,
        scene: _Scene,
        encoder: RelationEncoder,
        begin: int,
    ) -> torch.Tensor:
        relations = encoder(pose, there, scene.road)
        count = x.shape[1]
        later = torch.ones(count, count, dtype=torch.bool, device=x.device).triu(1)
        causal = torch.where(later, VISIBLE, 0.0)
        relations = relations._replace(agents=tuple(bias + causal for bias in relations.agents))
        road = scene.road._replace(keys=scene.road.keys[begin:], values=scene.road.values[begin:])
        for index in range(encoder.config.layers):
            block = cast("Block", self.blocks[begin + index])
            x = block(x, block.modulate(scene.given), road, relations, index)
        return x

    def _scored(
        self, batch: SceneBatch, clean: torch.Tensor, ahead: torch.Tensor, seen: torch.Tensor
    ) -> torch.Tensor:
        """Log-likelihood of what is not known, in the order of drawing, shape (B, A)."""
        free, there = ~batch.known, batch.present
        who = self.who(ahead)
        sign = torch.where(there, 1.0, -1.0)
        presence = functional.logsigmoid(sign * who[..., 0])
        kind = batch.agents[..., KIND].argmax(-1)
        kinds = who[..., 1:].log_softmax(-1).gather(-1, kind[..., None])[..., 0]
        bits = functional.one_hot(kind, _KINDS).to(ahead)
        places = PlaneMixture(self.place(torch.cat([ahead, bits], -1)))
        angle = torch.atan2(*batch.agents[..., _HEADING].flip(-1).unbind(-1))
        turned = torch.cat([seen, torch.stack([angle.cos(), angle.sin()], -1)], -1)
        states = LineMixture(self.state(turned), len(STATE))
        motions = LineMixture(self.motion(torch.cat([turned, clean[..., STATE]], -1)), _CODE)
        parts = torch.stack(
            [
                torch.where(free[..., KIND].any(-1), kinds, 0.0),
                torch.where(free[..., _PLACE].any(-1), places.log_density(clean[..., _PLACE]), 0.0),
                torch.where(
                    free[..., _HEADING].any(-1),
                    CircleMixture(self.heading(seen)).log_density(angle),
                    0.0,
                ),
                states.log_density(clean[..., STATE], free[..., STATE]),
                motions.log_density(clean[..., MOTION], free[..., MOTION]),
            ]
        )
        open_slot = free[..., PRESENCE]
        return torch.where(open_slot, presence, 0.0) + torch.where(there, parts.sum(0), 0.0)

    def _placed(
        self, batch: SceneBatch, clean: torch.Tensor, ahead: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """Draw presence, kind and place of the last agent; standardised tokens of all."""
        uniform, normal = torch.special.ndtr(noise[:, :_UNIFORMS]), noise[:, _UNIFORMS:]
        now = clean[:, -1].clone()
        who = self.who(ahead[:, -1]).float()
        now[:, PRESENCE] = torch.where(uniform[:, 0] < who[:, 0].sigmoid(), 1.0, -1.0)
        kind = functional.one_hot(choose(who[:, 1:], uniform[:, 1]), _KINDS)
        tokens = torch.zeros_like(now)
        tokens[:, KIND] = BIT * (2.0 * kind - 1.0)
        now[:, KIND] = self.scale(tokens)[:, KIND]
        now = torch.where(batch.known[:, -1], clean[:, -1], now)
        # The kind that counts is the known one where there is one.
        kind = functional.one_hot(self._tokens(now)[:, KIND].argmax(-1), _KINDS).to(ahead)
        places = PlaneMixture(self.place(torch.cat([ahead[:, -1], kind], -1)))
        now[:, _PLACE] = places.draw(uniform[:, 2], normal[:, :2])
        return self._with_last(batch, clean, now)

    def _described(
        self, batch: SceneBatch, clean: torch.Tensor, seen: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """Draw heading, state and motion of the last agent; standardised tokens of all."""
        uniform, normal = torch.special.ndtr(noise[:, :_UNIFORMS]), noise[:, _UNIFORMS:]
        now, last = clean[:, -1].clone(), seen[:, -1]
        angle = CircleMixture(self.heading(last)).draw(uniform[:, 3], normal[:, 2])
        tokens = self._tokens(now)
        tokens[:, _HEADING] = torch.stack([angle.cos(), angle.sin()], -1).to(tokens)
        now[:, _HEADING] = self.scale(tokens)[:, _HEADING]
        now = torch.where(batch.known[:, -1], clean[:, -1], now)
        # A unit vector along the heading that counts, as it was in training.
        heading = functional.normalize(self._tokens(now)[:, _HEADING], dim=-1)
        turned = torch.cat([last, heading], -1)
        end = 3 + len(STATE)
        states = LineMixture(self.state(turned), len(STATE))
        now[:, STATE] = states.draw(uniform[:, 4], normal[:, 3:end])
        now = torch.where(batch.known[:, -1], clean[:, -1], now)
        motions = LineMixture(self.motion(torch.cat([turned, now[:, STATE]], -1)), _CODE)
        now[:, MOTION] = motions.draw(uniform[:, 5], normal[:, end:])
        return self._with_last(batch, clean, now)

    @staticmethod
    def _with_last(batch: SceneBatch, clean: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
        """Put the last agent in: known channels as they are, nothing if nobody is there."""
        now = torch.where(batch.known[:, -1], clean[:, -1], now)
        absent = torch.zeros_like(now)
        absent[:, PRESENCE] = -1.0
        now = torch.where(now[:, PRESENCE:] > 0.0, now, absent)
        return torch.cat([clean[:, :-1], now[:, None]], 1)


def _upto(batch: SceneBatch, count: int) -> SceneBatch:
    return replace(batch, agents=batch.agents[:, :count], known=batch.known[:, :count])


def _perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, outputs))
