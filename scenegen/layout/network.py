"""The parts networks over scenes are built of: encoder of road and condition, transformer blocks.

Blocks are modulated by the condition as in DiT (AdaLN-Zero; Peebles & Xie 2023), attend from agents
to agents and to the road, and see how the pairs lie to each other (see relations).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import nn

from scenegen.layout.map_tokens import ATTRIBUTES
from scenegen.layout.relations import AGENT_FEATURES, MAP_FEATURES, agent_relations, map_relations
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.tokens import ROLE_SLOTS

RELATION_WIDTH = 16
"""Width of the layer between relations and attention."""
LEAST_ROWS = 8
"""Rows a matrix product has at least where scenes are sampled: fewer are rounded differently, and
a scene would depend on how many others are in its batch."""
VISIBLE = -1e4
"""What is added to the attention to what is not there; small enough for half floats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """Size of a network; the defaults are size S, 2.2 million parameters.

    Attributes:
        width: Channels per token d.
        layers: Blocks L.
        heads: Attention heads.
        expansion: Width of the layer inside a block's perceptron over that of a token.
    """

    width: int = 128
    layers: int = 6
    heads: int = 4
    expansion: int = 4

    def __post_init__(self) -> None:
        """Check that the heads share the width."""
        if min(self.width, self.layers, self.heads, self.expansion) < 1 or self.width % self.heads:
            raise ValueError(f"NetworkConfig: expected a width of whole heads, got {self}")


class Encoded(NamedTuple):
    """A scene as the blocks see it; computed once per scene, whatever the number of passes.

    Attributes:
        keys: Keys of the road for each of L blocks, of shape (B, heads, d/heads, M).
        values: Values for each of L blocks, of shape (B, heads, M, d/heads).
        points: Points of the polylines, shape (B, M, P, 4).
        hidden: Added to the attention to polylines that are not there, shape (B, 1, 1, M).
        summary: The road as one vector, shape (B, d).
    """

    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]
    points: torch.Tensor
    hidden: torch.Tensor
    summary: torch.Tensor


class HasSummary(Protocol):
    """Encoded scenes as far as the modulation looks at them."""

    @property
    def summary(self) -> torch.Tensor:
        """The road as one vector, shape (B, d)."""


class MapEncoder(nn.Module):
    """Two-layer PointNet per polyline (Qi et al. 2017), then one look at all of them."""

    def __init__(self, config: NetworkConfig) -> None:
        """Build for a size of network."""
        super().__init__()
        d = config.width
        self.config = config
        self.point = nn.Sequential(nn.Linear(4 + ATTRIBUTES, d // 2), nn.SiLU())
        self.line = nn.Sequential(nn.Linear(d, d), nn.SiLU(), nn.Linear(d, d))
        self.norm = nn.LayerNorm(d)
        self.to_blocks = nn.Linear(d, 2 * config.layers * d)

    def forward(self, batch: SceneBatch) -> Encoded:
        """Encode the roads of a batch."""
        points, valid = batch.map_points, batch.map_valid
        scenes, lines, count = points.shape[:3]
        rows = batch.map_attributes[:, :, None].expand(-1, -1, count, -1)
        each = self.point(torch.cat([points, rows], -1))
        both = torch.cat([each.amax(2), each.mean(2)], -1)
        tokens = self.norm(self.line(both))  # (B, M, d)
        there = valid[..., None].to(tokens)
        summary = (tokens * there).sum(1) / there.sum(1).clamp(min=1.0)
        heads = self.config.heads
        split = self.to_blocks(tokens).view(scenes, lines, 2, self.config.layers, heads, -1)
        # Taken apart at once: the gradient of one block's part alone would be as large as all.
        keys, values = (part.unbind(0) for part in split.permute(2, 3, 0, 4, 1, 5).unbind(0))
        return Encoded(
            keys=tuple(key.mT for key in keys),
            values=values,
            points=points,
            hidden=torch.where(valid, 0.0, VISIBLE)[:, None, None],
            summary=summary,
        )


class ConditionEncoder(nn.Module):
    """The condition as one vector; each field that is not asked has a vector of its own."""

    def __init__(self, groups: Mapping[str, slice], width: int) -> None:
        """Build for the fields of a condition."""
        super().__init__()
        self.groups = dict(groups)
        self.fields = nn.ModuleDict(
            {n: nn.Linear(where.stop - where.start, width) for n, where in groups.items()}
        )
        self.not_asked = nn.Parameter(0.02 * torch.randn(len(groups), width))
        self.mix = nn.Sequential(nn.SiLU(), nn.Linear(width, width))

    def forward(self, condition: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        """Give a vector per scene, shape (B, d)."""
        total = torch.zeros(len(condition), self.not_asked.shape[1], device=condition.device)
        for k, (name, where) in enumerate(self.groups.items()):
            wanted = asked[:, where].any(-1, keepdim=True)
            total = total + torch.where(
                wanted, self.fields[name](condition[:, where]), self.not_asked[k]
            )
        return self.mix(total)


class Relations(NamedTuple):
    """What attention adds for pairs: to agents (B, A, A, .) and to the road (B, A, M, .).

    Attributes:
        agents: Bias of each of L blocks, of shape (B, heads, A, A).
        agent_values: Features of the pairs, shape (B, A, A, AGENT_FEATURES).
        road: Bias of each of L blocks, of shape (B, heads, A, M).
        road_values: Features of the pairs, shape (B, A, M, MAP_FEATURES).
    """

    agents: tuple[torch.Tensor, ...]
    agent_values: torch.Tensor
    road: tuple[torch.Tensor, ...]
    road_values: torch.Tensor


class Modulation(NamedTuple):
    """How condition and noise level modulate the blocks; for all steps of a sampler at once.

    Attributes:
        blocks: For each of L blocks, shape (B, 9 * d).
        final: For the last layer, shape (B, 2 * d).
    """

    blocks: tuple[torch.Tensor, ...]
    final: torch.Tensor

    def split(self, parts: int) -> list[Modulation]:
        """Split along the scenes into equal parts."""
        each = zip(*(block.chunk(parts) for block in self.blocks), strict=True)
        finals = self.final.chunk(parts)
        return [Modulation(tuple(b), f) for b, f in zip(each, finals, strict=True)]


class RelationEncoder(nn.Module):
    """From how pairs lie to each other to biases of attention; once per pass, for all blocks."""

    def __init__(self, config: NetworkConfig) -> None:
        """Build for a size of network."""
        super().__init__()
        self.config = config
        outputs = config.layers * config.heads
        self.agents = nn.Sequential(
            nn.Linear(AGENT_FEATURES, RELATION_WIDTH), nn.SiLU(), nn.Linear(RELATION_WIDTH, outputs)
        )
        self.road = nn.Sequential(
            nn.Linear(MAP_FEATURES, RELATION_WIDTH), nn.SiLU(), nn.Linear(RELATION_WIDTH, outputs)
        )

    def forward(self, pose: torch.Tensor, possible: torch.Tensor, scene: Encoded) -> Relations:
        """Give the biases; slots known to be empty are out of sight.

        Args:
            pose: Poses of the agents as far as they are known, shape (B, A, 4).
            possible: Which slots may hold an agent, shape (B, A).
            scene: The road.
        """
        # Metres need more digits than half floats have.
        with torch.autocast(pose.device.type, enabled=False):
            between, beside = agent_relations(pose), map_relations(pose, scene.points)
        hidden = torch.where(possible, 0.0, VISIBLE)[:, None, None]
        return Relations(
            agents=self._heads(self.agents(between), hidden),
            agent_values=between,
            road=self._heads(self.road(beside), scene.hidden),
            road_values=beside,
        )

    def _heads(self, bias: torch.Tensor, hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
        split = bias.view(*bias.shape[:3], self.config.layers, self.config.heads)
        return (split.permute(3, 0, 4, 1, 2) + hidden).unbind(0)


class Block(nn.Module):
    """Attention of agents to agents, to the road, and a perceptron; modulated by the condition."""

    def __init__(self, config: NetworkConfig) -> None:
        """Build one block; it begins as the identity."""
        super().__init__()
        d = config.width
        self.heads = config.heads
        self.norm = nn.LayerNorm(d, elementwise_affine=False)
        self.modulation = nn.Linear(d, 9 * d)
        self.qkv = nn.Linear(d, 3 * d)
        self.between = nn.Linear(config.heads * AGENT_FEATURES, d, bias=False)
        self.self_out = nn.Linear(d, d)
        self.query = nn.Linear(d, d)
        self.beside = nn.Linear(config.heads * MAP_FEATURES, d, bias=False)
        self.road_out = nn.Linear(d, d)
        self.perceptron = nn.Sequential(
            nn.Linear(d, config.expansion * d), nn.GELU(approximate="tanh"),
            nn.Linear(config.expansion * d, d),
        )  # fmt: skip
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def modulate(self, given: torch.Tensor) -> torch.Tensor:
        """Give shifts, scales and gates from condition and noise level, shape (B, 9 * d)."""
        shape: torch.Tensor = self.modulation(given)
        return shape

    def forward(
        self, x: torch.Tensor, shape: torch.Tensor, scene: Encoded, relations: Relations, index: int
    ) -> torch.Tensor:
        """Give the tokens after this block.

        Args:
            x: Tokens of the agents, shape (B, A, d).
            shape: What `modulate` makes of condition and noise level, shape (B, 9 * d).
            scene: The road.
            relations: How the pairs lie to each other.
            index: Number of this block.
        """
        m = shape[:, None].chunk(9, -1)
        h = torch.addcmul(m[0], self.norm(x), 1.0 + m[1])
        q, k, v = (self._split(part) for part in self.qkv(h).chunk(3, -1))
        weight = self._weights(q, k.mT, relations.agents[index])
        near = self._paired(weight, relations.agent_values)
        x = torch.addcmul(x, m[2], self.self_out(self._join(weight @ v) + self.between(near)))
        h = torch.addcmul(m[3], self.norm(x), 1.0 + m[4])
        weight = self._weights(self._split(self.query(h)), scene.keys[index], relations.road[index])
        near = self._paired(weight, relations.road_values)
        seen = self._join(weight @ scene.values[index]) + self.beside(near)
        x = torch.addcmul(x, m[5], self.road_out(seen))
        h = torch.addcmul(m[6], self.norm(x), 1.0 + m[7])
        return torch.addcmul(x, m[8], self.perceptron(h))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, heads, A, d/heads)

    @staticmethod
    def _join(x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2).flatten(2)

    @staticmethod
    def _weights(q: torch.Tensor, keys: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return ((q * q.shape[-1] ** -0.5) @ keys + bias).softmax(-1)

    @staticmethod
    def _paired(weight: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Mean of the features of the pairs under the attention, (B, A, heads * F)."""
        return (weight.transpose(1, 2) @ features).flatten(2)


class SceneNetwork(nn.Module):
    """Agent tokens in, agent tokens out; equal treatment of all background slots.

    The ego and the roles are told apart by a vector each; the background shares one, so that
    reordering background slots reorders the output and changes nothing else.
    """

    def __init__(
        self, config: NetworkConfig, groups: Mapping[str, slice], inputs: int, outputs: int
    ) -> None:
        """Build for tokens of `inputs` numbers, to give `outputs` numbers each."""
        super().__init__()
        d = config.width
        self.road = MapEncoder(config)
        self.condition = ConditionEncoder(groups, d)
        self.level = nn.Sequential(nn.Linear(2 * _OCTAVES, d), nn.SiLU(), nn.Linear(d, d))
        self.roles = nn.Parameter(0.02 * torch.randn(2 + ROLE_SLOTS, d))
        self.enter = nn.Sequential(nn.Linear(inputs, d), nn.SiLU(), nn.Linear(d, d))
        self.relations = RelationEncoder(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.final = nn.Linear(d, 2 * d)
        self.norm = nn.LayerNorm(d, elementwise_affine=False)
        self.leave = nn.Linear(d, outputs)
        for layer in (self.final, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def encode(self, batch: SceneBatch) -> Encoded:
        """Encode the roads of a batch, once for any number of passes."""
        return self.road(batch)

    def describe(
        self, scene: HasSummary, condition: torch.Tensor, asked: torch.Tensor
    ) -> torch.Tensor:
        """Give the vector of road and condition that modulates the blocks, shape (B, d)."""
        if torch.is_grad_enabled():
            return self.condition(condition, asked) + scene.summary
        found: torch.Tensor = self.condition(filled_up(condition), filled_up(asked))
        return found[: len(condition)] + scene.summary

    def modulate(self, given: torch.Tensor, level: torch.Tensor) -> Modulation:
        """Say how condition and noise level modulate the blocks.

        Args:
            given: From `describe`, shape (B, d).
            level: Noise level or time of each scene, any monotone number of order 1, shape (B,).
        """
        count = len(given)
        if not torch.is_grad_enabled():
            given, level = filled_up(given), filled_up(level)
        given = nn.functional.silu(given + self.level(_waves(level)))
        shapes = tuple(block.modulate(given)[:count] for block in self._blocks())
        return Modulation(shapes, self.final(given)[:count])

    def forward(
        self,
        tokens: torch.Tensor,
        pose: torch.Tensor,
        possible: torch.Tensor,
        scene: Encoded,
        given: torch.Tensor,
        level: torch.Tensor,
    ) -> torch.Tensor:
        """Pass tokens through the network.

        Args:
            tokens: Numbers per agent, shape (B, A, inputs).
            pose: Poses as in tokens.POSE that attention looks at, shape (B, A, 4).
            possible: Which slots may hold an agent, shape (B, A).
            scene: The encoded road.
            given: From `describe`, shape (B, d).
            level: Noise level or time of each scene, any monotone number of order 1, shape (B,).

        Returns:
            Numbers per agent, shape (B, A, outputs).
        """
        return self.modulated(tokens, pose, possible, scene, self.modulate(given, level))

    def _blocks(self) -> Iterator[Block]:
        yield from (block for block in self.blocks if isinstance(block, Block))

    def modulated(
        self,
        tokens: torch.Tensor,
        pose: torch.Tensor,
        possible: torch.Tensor,
        scene: Encoded,
        modulation: Modulation,
    ) -> torch.Tensor:
        """Pass tokens through the network whose modulation is known; see `forward`."""
        relations = self.relations(pose, possible, scene)
        slot = torch.arange(tokens.shape[1], device=tokens.device).clamp(max=1 + ROLE_SLOTS)
        x = self.enter(tokens) + self.roles[slot]
        for index, block in enumerate(self._blocks()):
            x = block(x, modulation.blocks[index], scene, relations, index)
        shift, scale = modulation.final[:, None].chunk(2, -1)
        return self.leave(torch.addcmul(shift, self.norm(x), 1.0 + scale))


def filled_up(rows: torch.Tensor) -> torch.Tensor:
    """Repeat rows until there are LEAST_ROWS."""
    times = -(-LEAST_ROWS // max(len(rows), 1))
    return rows if times <= 1 else rows.repeat(times, *[1] * (rows.dim() - 1))


_OCTAVES = 8


def _waves(level: torch.Tensor) -> torch.Tensor:
    """Fourier features of a number (Vaswani et al. 2017), shape (B, 2 * _OCTAVES)."""
    rate = 2.0 ** torch.arange(-2.0, _OCTAVES - 2.0, device=level.device)
    angle = level[:, None].float() * rate
    return torch.cat([angle.cos(), angle.sin()], -1)
