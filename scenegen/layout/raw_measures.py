"""How good samples are before anything is mended: boxes that overlap, vehicles beside the lanes."""

from __future__ import annotations

import torch

from scenegen.layout.lane_gaps import lane_gaps
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_losses import overlap_depth
from scenegen.layout.tokens import KIND, POSE, POSITION_SCALE, PRESENCE
from scenegen.scene import AgentKind


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
    gaps = lane_gaps(tokens[..., POSE][..., :2] * POSITION_SCALE, batch)
    distance = torch.where(gaps.usable, torch.hypot(gaps.side, gaps.beyond), torch.inf)
    heading = tokens[..., POSE][..., None, 2:]
    turn = torch.acos((heading * gaps.ahead).sum(-1).clamp(-1.0, 1.0))
    inside = distance <= 0.5 * gaps.width + 0.05
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


def _share(chosen: torch.Tensor, among: torch.Tensor) -> float:
    return float((chosen & among).sum() / among.sum().clamp(min=1))
