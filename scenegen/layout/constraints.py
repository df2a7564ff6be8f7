"""Hard constraints on estimates while sampling: vehicles on lanes, boxes apart.

As in SceneDiffuser (Jiang et al. 2024, generalised hard constraints) the denoised estimate is
clipped between the passes of the network, so that what follows is sampled around a scene that
keeps them. An agent moves as a whole, and what is known never moves.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from scenegen.layout.lane_gaps import lane_gaps
from scenegen.layout.relations import HALF_PIECE
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_losses import sizes_of
from scenegen.layout.tokens import KIND, POSE, POSITION_SCALE, PRESENCE
from scenegen.scene import AgentKind

EDGE = 0.1
"""Room left between a box and the edge of its lane [m]."""
SLANT = 6.0
"""What a lane of the opposite direction counts as: so much farther away [m]."""
ROUNDS = 4
"""How often boxes are pushed apart: each round may push one into the next."""
APART = 0.5
"""Room left between boxes that were pushed apart [m]."""
ASIDE = 0.5
"""Boxes that overlap less than this sideways are moved sideways [m]."""


class Home(NamedTuple):
    """The lane that suits each agent best; shapes (B, A).

    Attributes:
        side: Distance to the left of its middle [m]; inf where there is no lane.
        beyond: Distance from the piece of it that is known [m].
        width: Width [m].
        normal: Its left normal, shape (B, A, 2).
    """

    side: torch.Tensor
    beyond: torch.Tensor
    width: torch.Tensor
    normal: torch.Tensor


def constrain(tokens: torch.Tensor, batch: SceneBatch) -> torch.Tensor:
    """Put vehicles onto lanes and boxes apart.

    Args:
        tokens: Estimate, shape (B, A, CHANNELS).
        batch: The roads, and which channels are known.

    Returns:
        Tokens of the same shape; only positions of agents that are there and not known differ.
    """
    free = ~batch.known[..., POSE][..., :2].any(-1) & (tokens[..., PRESENCE] > 0.0)
    place = tokens[..., POSE][..., :2] * POSITION_SCALE
    place = _apart(_on_lanes(place, tokens, batch, free), tokens, free)
    out = tokens.clone()
    out[..., POSE.start : POSE.start + 2] = torch.where(
        free[..., None], place / POSITION_SCALE, tokens[..., POSE][..., :2]
    )
    return out


def _on_lanes(
    place: torch.Tensor, tokens: torch.Tensor, batch: SceneBatch, free: torch.Tensor
) -> torch.Tensor:
    """Move motor vehicles sideways until their box is inside their lane; (B, A, 2) [m]."""
    home = home_lane(place, tokens, batch)
    room = (0.5 * (home.width - sizes_of(tokens)[..., 1]) - EDGE).clamp(min=0.0)
    shift = torch.minimum(torch.maximum(home.side, -room), room) - home.side
    moves = free & (tokens[..., KIND].argmax(-1) <= AgentKind.MOTORCYCLE)
    moves = moves & torch.isfinite(home.side) & (home.beyond < HALF_PIECE)
    return place + torch.where(moves, shift, 0.0)[..., None] * home.normal


def home_lane(place: torch.Tensor, tokens: torch.Tensor, batch: SceneBatch) -> Home:
    """Find the drivable lane nearest to each agent in place and direction."""
    gaps = lane_gaps(place, batch)
    heading = tokens[..., POSE][..., 2:]
    heading = heading / heading.norm(dim=-1, keepdim=True).clamp(min=1e-3)
    across = 0.5 * SLANT * (1.0 - (heading[..., None, :] * gaps.ahead).sum(-1))
    cost = torch.where(gaps.usable, torch.hypot(gaps.side, gaps.beyond) + across, torch.inf)
    best = cost.argmin(-1, keepdim=True)
    direction = gaps.ahead.gather(2, best[..., None].expand(*best.shape, 2))[..., 0, :]
    found = torch.isfinite(cost.gather(-1, best)[..., 0])
    return Home(
        side=torch.where(found, gaps.side.gather(-1, best)[..., 0], torch.inf),
        beyond=gaps.beyond.gather(-1, best)[..., 0],
        width=gaps.width.gather(-1, best)[..., 0],
        normal=torch.stack([-direction[..., 1], direction[..., 0]], -1),
    )


def _apart(place: torch.Tensor, tokens: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
    """Move boxes along or across their own heading until they are apart; (B, A, 2) [m].

    Of a pair the one of the later slot gives way, which is the farther one of the background,
    unless its place is known.
    """
    there = tokens[..., PRESENCE] > 0.0
    heading = tokens[..., POSE][..., 2:]
    heading = heading / heading.norm(dim=-1, keepdim=True).clamp(min=1e-3)
    left = torch.stack([-heading[..., 1], heading[..., 0]], -1)
    half = 0.5 * sizes_of(tokens)
    along, across = _reach(heading, half)
    slots = torch.arange(place.shape[1], device=place.device)
    later = (slots[:, None] > slots[None, :]) | ~free[:, None, :]
    pairs = there[:, :, None] & there[:, None, :] & free[:, :, None] & later
    pairs = pairs & (slots[:, None] != slots[None, :])
    for _ in range(ROUNDS):
        gap = place[:, :, None] - place[:, None, :]  # From j to i, (B, i, j, 2)
        x = (gap * heading[:, :, None]).sum(-1)
        y = (gap * left[:, :, None]).sum(-1)
        deep, wide = along - x.abs(), across - y.abs()
        depth = torch.minimum(deep, wide)
        depth = torch.where(pairs, torch.minimum(depth, depth.mT), -1.0)
        worst, other = depth.max(-1)
        hit = worst > 0.0
        if not bool(hit.any()):
            break

        def at(values: torch.Tensor, other: torch.Tensor = other) -> torch.Tensor:
            return values.gather(-1, other[..., None])[..., 0]

        sideways = at(wide) < ASIDE
        step_x = torch.where(at(x) < 0.0, -1.0, 1.0) * (at(deep) + APART)
        step_y = torch.where(at(y) < 0.0, -1.0, 1.0) * (at(wide) + EDGE)
        step_x = torch.where(hit & ~sideways, step_x, 0.0)
        step_y = torch.where(hit & sideways, step_y, 0.0)
        place = place + step_x[..., None] * heading + step_y[..., None] * left
    return place


def _reach(heading: torch.Tensor, half: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances along and across the heading of i below which boxes i and j overlap; (B, A, A)."""
    cos = (heading[:, :, None] * heading[:, None, :]).sum(-1).abs()
    sin = (
        heading[:, :, None, 0] * heading[:, None, :, 1]
        - heading[:, :, None, 1] * heading[:, None, :, 0]
    ).abs()
    length, width = half[:, None, :, 0], half[:, None, :, 1]
    along = half[:, :, None, 0] + length * cos + width * sin
    across = half[:, :, None, 1] + length * sin + width * cos
    return along, across
