"""How good samples are before anything is mended: boxes that overlap, vehicles beside the lanes."""

from __future__ import annotations

import torch

from scenegen.layout.map_tokens import WIDTH_MEAN, WIDTH_SCALE
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_losses import overlap_depth
from scenegen.layout.tokens import KIND, POSE, POSITION_SCALE, PRESENCE
from scenegen.scene import AgentKind, LaneKind

DRIVABLE = [kind for kind in LaneKind if kind.is_drivable]
WIDTH_COLUMN = len(LaneKind) + 4
"""Where map_tokens keeps the width of a lane."""
HALF_PIECE = 5.0
"""Points of a polyline are at most twice this apart [m]."""


def raw_measures(batch: SceneBatch, tokens: torch.Tensor) -> dict[str, float]:
    """Measure sampled tokens.

    Args:
        batch: The roads.
        tokens: Samples, shape (B, A, CHANNELS).

    Returns:
        "overlapping", the share of agents whose box overlaps another's; "beside_lanes", the share
        of motor vehicles whose centre is farther than half a width from every drivable lane among
        the nearest ones; "lateral" [m] and "heading" [rad], the median deviation of the others
        from the nearest lane that has their direction.
    """
    there = tokens[..., PRESENCE] > 0.0
    hit = (overlap_depth(tokens, there) > 0.0).any(-1)
    motor = there & (tokens[..., KIND].argmax(-1) <= AgentKind.MOTORCYCLE)
    distance, turn, width = _lanes(batch, tokens)
    inside = distance <= 0.5 * width + 0.05
    # Of the lanes it is in, the one whose direction fits best counts.
    best = torch.where(inside, turn, torch.inf).argmin(-1, keepdim=True)
    at_home = motor & inside.any(-1)
    lateral = distance.gather(-1, best)[..., 0][at_home]
    heading = turn.gather(-1, best)[..., 0][at_home]
    return {
        "overlapping": _share(hit, there),
        "beside_lanes": _share(~inside.any(-1), motor),
        "lateral": float(lateral.median()) if len(lateral) else 0.0,
        "heading": float(heading.median()) if len(heading) else 0.0,
    }


def _lanes(
    batch: SceneBatch, tokens: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Distance of each agent from each drivable polyline [m], the angle between, and the width."""
    place = tokens[..., None, None, :2] * POSITION_SCALE
    points = batch.map_points[:, None]
    gap = place - points[..., :2] * POSITION_SCALE  # (B, A, M, P, 2)
    nearest = gap.square().sum(-1).argmin(-1, keepdim=True)
    gap = gap.gather(3, nearest[..., None].expand(*nearest.shape, 2))[..., 0, :]
    ahead = points[..., 2:].expand(-1, tokens.shape[1], -1, -1, -1)
    ahead = ahead.gather(3, nearest[..., None].expand(*nearest.shape, 2))[..., 0, :]
    along = (gap * ahead).sum(-1)
    beyond = (along.abs() - HALF_PIECE).clamp(min=0.0)
    side = gap[..., 1] * ahead[..., 0] - gap[..., 0] * ahead[..., 1]
    distance = torch.hypot(side, beyond)
    drivable = batch.map_attributes[..., DRIVABLE].sum(-1) > 0.5
    usable = (drivable & batch.map_valid)[:, None]
    heading = tokens[..., POSE][..., None, 2:]
    turn = torch.acos((heading * ahead).sum(-1).clamp(-1.0, 1.0))
    width = batch.map_attributes[..., WIDTH_COLUMN] * WIDTH_SCALE + WIDTH_MEAN
    return torch.where(usable, distance, torch.inf), turn, width[:, None].expand(turn.shape)


def _share(chosen: torch.Tensor, among: torch.Tensor) -> float:
    return float((chosen & among).sum() / among.sum().clamp(min=1))
