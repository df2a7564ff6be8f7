"""How agents lie to each other and to the road: features that do not depend on the place.

Attention over tokens in one frame would have to learn from coordinates alone that an agent 2 m
beside a lane is off it, wherever the lane is. Given these features, it reads it off.
"""

from __future__ import annotations

import torch

from scenegen.layout.tokens import POSITION_SCALE

AGENT_FEATURES, MAP_FEATURES = 10, 11
"""Numbers per pair of agents, and per agent and polyline."""
NEAR, FAR = 4.0, 25.0
"""Distances at which features of agents saturate [m]: a car's length, a braking distance."""
BESIDE, REACH = 2.0, 12.0
"""Distances at which features of lanes saturate [m]: half a lane and three."""
HALF_PIECE = 5.0
"""A polyline's points are at most twice this apart [m]."""


def agent_relations(pose: torch.Tensor) -> torch.Tensor:
    """Give the place and heading of each agent j in the frame of each agent i.

    Args:
        pose: x, y in units of POSITION_SCALE, cos and sin of the heading, shape (B, A, 4); the
            headings may be noisy, of any length.

    Returns:
        Features, shape (B, A, A, AGENT_FEATURES).
    """
    place = pose[..., :2] * POSITION_SCALE
    ahead = _unit(pose[..., 2:])
    apart = place[:, None] - place[:, :, None]  # (B, i, j, 2)
    cos, sin = ahead[:, :, None, 0], ahead[:, :, None, 1]
    x = cos * apart[..., 0] + sin * apart[..., 1]
    y = cos * apart[..., 1] - sin * apart[..., 0]
    turn_cos = cos * ahead[:, None, :, 0] + sin * ahead[:, None, :, 1]
    turn_sin = cos * ahead[:, None, :, 1] - sin * ahead[:, None, :, 0]
    distance = apart.norm(dim=-1)
    return torch.stack(
        [
            torch.tanh(x / NEAR),
            torch.tanh(y / NEAR),
            torch.tanh(x / FAR),
            torch.tanh(y / FAR),
            torch.tanh(apart[..., 0] / FAR),
            torch.tanh(apart[..., 1] / FAR),
            turn_cos,
            turn_sin,
            torch.exp(-distance / NEAR),
            torch.exp(-distance / FAR),
        ],
        -1,
    )


def map_relations(pose: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Give where each polyline passes each agent: way to its nearest place, offset, heading.

    The nearest place is taken on the tangent through the nearest point, which errs by 0.1 m on a
    curve of 100 m radius.

    Args:
        pose: As for `agent_relations`, shape (B, A, 4).
        points: Points and directions in the same units, shape (B, M, P, 4).

    Returns:
        Features, shape (B, A, M, MAP_FEATURES).
    """
    scenes, agents = pose.shape[:2]
    lines, count = points.shape[1:3]
    place = pose[..., :2]
    flat = points.reshape(scenes, lines * count, 4)
    # Squared distances by one matrix product, up to a term that is the same for all points.
    square = flat[..., :2].square().sum(-1)[:, None] - 2.0 * place @ flat[..., :2].mT
    nearest = square.view(scenes, agents, lines, count).argmin(-1)  # (B, A, M)
    index = nearest + torch.arange(lines, device=pose.device) * count
    found = torch.gather(flat, 1, index.view(scenes, agents * lines, 1).expand(-1, -1, 4)).view(
        scenes, agents, lines, 4
    )
    gap = (found[..., :2] - place[:, :, None]) * POSITION_SCALE
    ux, uy = found[..., 2], found[..., 3]
    along = -(gap[..., 0] * ux + gap[..., 1] * uy)
    held = along.clamp(-HALF_PIECE, HALF_PIECE)
    to_x, to_y = gap[..., 0] + held * ux, gap[..., 1] + held * uy
    side = ux * -to_y + uy * to_x
    distance = torch.sqrt(to_x.square() + to_y.square() + 1e-6)
    ahead = _unit(pose[..., 2:])
    cos, sin = ahead[:, :, None, 0], ahead[:, :, None, 1]
    return torch.stack(
        [
            torch.tanh(to_x / BESIDE),
            torch.tanh(to_y / BESIDE),
            torch.tanh(to_x / REACH),
            torch.tanh(to_y / REACH),
            torch.tanh(side / BESIDE),
            torch.tanh((along - held) / REACH),
            cos * ux + sin * uy,
            sin * ux - cos * uy,
            torch.exp(-distance / BESIDE),
            torch.exp(-distance / REACH),
            torch.exp(-distance / (4.0 * REACH)),
        ],
        -1,
    )


def _unit(vector: torch.Tensor) -> torch.Tensor:
    return vector / vector.norm(dim=-1, keepdim=True).clamp(min=0.1)
