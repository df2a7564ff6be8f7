"""The network on a CPU without gradients: only what is there is computed, and in few passes.

Agents and polylines of all scenes of a batch lie end to end, empty slots left out; neighbours in
the batch that are on one road share what is read off it. What is a matrix product over all of them
is one; all else is compiled and done scene by scene. Rows of a product do not depend on the others
as long as there are LEAST_ROWS, so that a scene has the same bits in whatever batch it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import linear

from scenegen.arrays import FloatArray, IntArray
from scenegen.layout.fast_math import gelu_all, silu_all
from scenegen.layout.network import LEAST_ROWS, Block, Modulation, SceneNetwork
from scenegen.layout.packed_attention import (
    attend_agents,
    attend_road,
    deal,
    gate_and_norm,
    mean_rows,
    pool_points,
)
from scenegen.layout.packed_relations import COLUMNS, LANES, headings, relate_agents, relate_road
from scenegen.layout.relations import AGENT_FEATURES, MAP_FEATURES
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.tokens import POSITION_SCALE, ROLE_SLOTS

LEAST_WIDTH = 32
"""Width of the smallest network that is packed."""


class Rows(NamedTuple):
    """Which of B x N places are filled, end to end.

    Attributes:
        places: Place of each row among all, shape (R,).
        first: Row at which each scene begins, shape (B + 1,).
        owner: Scene of each row, those that fill up to LEAST_ROWS included, shape (max(R, ..),).
        most: Most rows of a scene, in whole LANES.
    """

    places: torch.Tensor
    first: IntArray
    owner: IntArray
    most: int

    @classmethod
    def of(cls, there: torch.Tensor) -> Rows:
        """Take the filled places of a table, shape (B, N)."""
        counts = there.sum(1).numpy()
        first = np.concatenate([[0], np.cumsum(counts)])
        owner = np.zeros(max(int(first[-1]), LEAST_ROWS), np.int64)
        owner[: first[-1]] = np.repeat(np.arange(len(counts)), counts)
        most = -(-int(counts.max(initial=1)) // LANES) * LANES
        return cls(there.flatten().nonzero()[:, 0], first, owner, most)

    def take(self, values: torch.Tensor) -> torch.Tensor:
        """Take the rows of a table, shape (B, N, ...), and fill up with zeros."""
        flat = values.flatten(0, 1)
        out = torch.zeros(len(self.owner), *flat.shape[1:], dtype=values.dtype)
        torch.index_select(flat, 0, self.places, out=out[: len(self.places)])
        return out


def can_be_packed(network: SceneNetwork, batch: SceneBatch) -> bool:
    """Whether nobody asks for gradients, on a CPU, and all is of the sizes that are compiled for.

    Products of few columns depend on the place of a row, and a scene without a road looks at what
    is not there: neither is packed.
    """
    weight, config = network.leave.weight, network.road.config
    plain = weight.dtype == batch.agents.dtype == torch.float32 and not torch.is_grad_enabled()
    at_hand = weight.device.type == batch.agents.device.type == "cpu"
    sized = config.width >= LEAST_WIDTH and (config.width // config.heads) % LANES == 0
    return plain and at_hand and sized and bool(batch.map_valid.any(1).all())


class PackedScenes:
    """Scenes whose roads are encoded, ready for any number of passes.

    Attributes:
        summary: As in network.Encoded, shape (B, d).
    """

    def __init__(self, network: SceneNetwork, batch: SceneBatch) -> None:
        """Encode the roads of a batch.

        Args:
            network: The network; its weights are read here, so that later changes do not count.
            batch: Scenes on the CPU.
        """
        self.network, self.config = network, network.road.config
        self.shape = batch.agents.shape[:2]
        self.road = _roads(batch)
        alike = batch[np.flatnonzero(np.diff(self.road, prepend=-1))]
        self.agents, self.lines = Rows.of(batch.possible), Rows.of(alike.map_valid)
        slots = torch.arange(self.shape[1]).clamp(max=1 + ROLE_SLOTS)
        self.roles = network.roles[self.agents.take(slots.repeat(self.shape[0], 1))]
        self._encode_roads(alike)
        self.parts = [_joined(block) for block in network.blocks if isinstance(block, Block)]
        self.relations = (_layers(network.relations.agents), _layers(network.relations.road))

    def _encode_roads(self, batch: SceneBatch) -> None:
        road, scenes, lines = self.network.road, len(batch), self.lines
        points = lines.take(batch.map_points)
        (first,) = linears(road.point)
        weight = first.weight
        added = linear(lines.take(batch.map_attributes), weight[:, 4:].contiguous(), first.bias)
        pooled = np.empty((len(points), 2 * len(weight)), np.float32)
        pool_points(points.numpy(), weight[:, :4].T.contiguous().numpy(), added.numpy(), pooled)
        into, out = linears(road.line)
        hidden = linear(torch.from_numpy(pooled), into.weight, into.bias)
        silu_all(hidden.view(-1).numpy())
        tokens = road.norm(linear(hidden, out.weight, out.bias))
        summary = torch.empty(scenes, tokens.shape[1])
        mean_rows(tokens.numpy(), lines.first, summary.numpy())
        self.summary = summary[self.road]
        layers, heads = self.config.layers, self.config.heads
        each, most = self.config.width // heads, lines.most
        split = linear(tokens, road.to_blocks.weight, road.to_blocks.bias)
        self.keys = np.zeros((scenes, layers, heads, each, most), np.float32)
        self.values = np.zeros((scenes, layers, heads, most, each), np.float32)
        deal(split.view(-1, 2, layers, heads, each).numpy(), lines.first, self.keys, self.values)
        count = batch.map_points.shape[2]
        self.points = np.zeros((scenes, count, 4, most), np.float32)
        scale = torch.tensor([POSITION_SCALE, POSITION_SCALE, 1.0, 1.0])
        for s, (begin, end) in enumerate(zip(lines.first[:-1], lines.first[1:], strict=True)):
            self.points[s, ..., : end - begin] = (points[begin:end] * scale).permute(1, 2, 0)

    def modulated(
        self, tokens: torch.Tensor, pose: torch.Tensor, modulation: Modulation
    ) -> torch.Tensor:
        """Pass tokens through the network, see SceneNetwork.modulated.

        Args:
            tokens: Numbers per agent, shape (B, A, inputs).
            pose: Poses as in tokens.POSE that attention looks at, shape (B, A, 4).
            modulation: How condition and noise level modulate the blocks.

        Returns:
            Numbers per agent, shape (B, A, outputs); zero in slots that are known to be empty.
        """
        network, width, rows = self.network, self.config.width, self.agents
        scenes = self.shape[0]
        into, out = linears(network.enter)
        hidden = linear(rows.take(tokens), into.weight, into.bias)
        silu_all(hidden.view(-1).numpy())
        x = (linear(hidden, out.weight, out.bias) + self.roles).numpy()
        near, beside = self._related(rows.take(pose).numpy())
        shapes = [_parts(m, scenes, 9) for m in modulation.blocks]
        final = _parts(modulation.final, scenes, 2)
        h, nothing = torch.empty(len(x), width), np.zeros((scenes, width), np.float32)
        shift, scale = shapes[0][0], shapes[0][1]
        gate_and_norm(x, nothing, x, shift, scale, rows.owner, h.numpy())
        for layer, (m, part) in enumerate(zip(shapes, self.parts, strict=True)):
            added = self._look_at_agents(h, near, layer, part)
            gate_and_norm(x, m[2], added, m[3], m[4], rows.owner, h.numpy())
            added = self._look_at_road(h, beside, layer, part)
            gate_and_norm(x, m[5], added, m[6], m[7], rows.owner, h.numpy())
            inner = linear(h, part.widen.weight, part.widen.bias)
            gelu_all(inner.view(-1).numpy())
            added = linear(inner, part.narrow.weight, part.narrow.bias).numpy()
            after = shapes[layer + 1] if layer + 1 < len(shapes) else final
            gate_and_norm(x, m[8], added, after[0], after[1], rows.owner, h.numpy())
        found = linear(h, network.leave.weight, network.leave.bias)
        whole = torch.zeros(self.shape[0] * self.shape[1], found.shape[1])
        whole[rows.places] = found[: len(rows.places)]
        return whole.view(*self.shape, -1)

    def _related(self, pose: FloatArray) -> tuple[_Relations, _Relations]:
        """Features and biases of all pairs of agents, and of agents and polylines."""
        count, heads = len(pose), self.config.layers * self.config.heads
        poses = np.empty((count, 4), np.float32)
        headings(pose, poses)
        near = _Relations.empty(count, heads, self.agents.most)
        beside = _Relations.empty(count, heads, self.lines.most)
        first = self.agents.first
        relate_agents(poses, first, near.features, near.bias, self.relations[0])
        lines = np.diff(self.lines.first)
        relate_road(
            poses, first, self.road, self.points, lines,
            beside.features, beside.bias, self.relations[1],
        )  # fmt: skip
        return near, beside

    def _look_at_agents(
        self, h: torch.Tensor, near: _Relations, layer: int, part: _Joined
    ) -> FloatArray:
        heads = self.config.heads
        seen = torch.zeros(len(h), part.agents.shape[1])
        qkv = linear(h, part.qkv.weight, part.qkv.bias).numpy()
        attend_agents(
            qkv,
            self.agents.first,
            near.bias,
            near.features,
            AGENT_FEATURES,
            heads,
            layer,
            seen.numpy(),
        )
        return linear(seen, part.agents, part.agents_bias).numpy()

    def _look_at_road(
        self, h: torch.Tensor, beside: _Relations, layer: int, part: _Joined
    ) -> FloatArray:
        seen = torch.zeros(len(h), part.road.shape[1])
        attend_road(
            linear(h, part.query.weight, part.query.bias).numpy(),
            self.agents.first,
            self.road,
            self.keys,
            self.values,
            np.diff(self.lines.first),
            beside.bias,
            beside.features,
            MAP_FEATURES,
            self.config.heads,
            layer,
            seen.numpy(),
        )
        return linear(seen, part.road, part.road_bias).numpy()


def _roads(batch: SceneBatch) -> IntArray:
    """Number the roads of a batch, shape (B,): a scene shares that of the one before it, or not."""
    tables = (batch.map_points, batch.map_attributes, batch.map_valid)
    pairs = zip(range(1, len(batch)), range(len(batch) - 1), strict=True)
    other = [not all(torch.equal(t[one], t[before]) for t in tables) for one, before in pairs]
    return np.cumsum([False, *other])


class _Relations(NamedTuple):
    """Of pairs: features, shape (R, K, COLUMNS), and biases of heads, shape (R, L * heads, K)."""

    features: FloatArray
    bias: FloatArray

    @classmethod
    def empty(cls, rows: int, heads: int, most: int) -> _Relations:
        return cls(
            np.zeros((rows, most, COLUMNS), np.float32), np.empty((rows, heads, most), np.float32)
        )


class _Joined(NamedTuple):
    """Weights of a block; means of values and of features go through one matrix."""

    qkv: nn.Linear
    agents: torch.Tensor
    agents_bias: torch.Tensor
    query: nn.Linear
    road: torch.Tensor
    road_bias: torch.Tensor
    widen: nn.Linear
    narrow: nn.Linear


def _joined(block: Block) -> _Joined:
    widen, narrow = linears(block.perceptron)
    return _Joined(
        block.qkv,
        _through(block.self_out, block.between),
        block.self_out.bias,
        block.query,
        _through(block.road_out, block.beside),
        block.road_out.bias,
        widen,
        narrow,
    )


def _through(out: nn.Linear, paired: nn.Linear) -> torch.Tensor:
    """One matrix for means of values, which go through `out`, and those of pairs, through both."""
    return torch.cat([out.weight, out.weight @ paired.weight], 1)


def _layers(pair: nn.Sequential) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Weights and biases of the two layers of an encoder of relations."""
    into, out = linears(pair)
    return (
        into.weight.detach().numpy(),
        into.bias.detach().numpy(),
        out.weight.detach().numpy(),
        out.bias.detach().numpy(),
    )


def linears(parts: nn.Sequential) -> list[nn.Linear]:
    """Give the linear layers of a sequence."""
    return [part for part in parts if isinstance(part, nn.Linear)]


def _parts(values: torch.Tensor, scenes: int, count: int) -> FloatArray:
    """Take (B, count * d) apart, shape (count, B, d)."""
    return values.view(scenes, count, -1).transpose(0, 1).contiguous().numpy()
