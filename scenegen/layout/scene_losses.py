"""Losses on decoded scenes: where the motion leads, and boxes that overlap."""

from __future__ import annotations

import numpy as np
import torch

from scenegen.layout.motion import integrate
from scenegen.layout.tokens import BOX, BOX_SCALE, KIND, POSE, POSITION_SCALE, knots_of, start_of
from scenegen.scene import AgentKind
from scenegen.scene.agents import SIZE
from scenegen.scene.scenario import STEP

STEPS, EVERY = 80, 5
"""Length of a rollout, and how often it is compared [steps of 0.1 s]."""

_TYPICAL = torch.tensor(np.log([SIZE[kind][:2] for kind in AgentKind]), dtype=torch.float32)
_SPREAD = torch.tensor([BOX_SCALE[kind] for kind in AgentKind])


def rollout_error(found: torch.Tensor, true: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Huber loss of the distance between the places two tokens lead to, nearer times first.

    Instants count with weight 1 / (1 + t) (VBD, Huang et al. 2024).

    Args:
        found: Tokens, shape (..., CHANNELS).
        true: What they should be, of the same shape.
        scale: Distance at which the loss turns from quadratic to linear, and its unit [m],
            shape (...).

    Returns:
        The loss, shape (...).
    """
    with torch.no_grad():
        aim = integrate(start_of(true), knots_of(true), STEPS)[..., ::EVERY, :2]
    place = integrate(start_of(found), knots_of(found), STEPS)[..., ::EVERY, :2]
    distance = ((place - aim).square().sum(-1) + 1e-6).sqrt() / scale[..., None]
    huber = torch.where(distance < 1.0, 0.5 * distance.square(), distance - 0.5)
    weight = 1.0 / (1.0 + STEP * EVERY * torch.arange(huber.shape[-1], device=huber.device))
    return (huber * weight).sum(-1) / weight.sum()


def sizes_of(tokens: torch.Tensor) -> torch.Tensor:
    """Give length and width [m] from tokens (..., CHANNELS); shape (..., 2)."""
    kind = tokens[..., KIND].argmax(-1)
    log = (
        _TYPICAL.to(tokens)[kind] + tokens[..., BOX][..., :2] * _SPREAD.to(tokens)[kind][..., None]
    )
    return log.clamp(-3.0, 4.0).exp()


def overlap_depth(tokens: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """How deep boxes of one scene lie in each other, by the separating axis theorem.

    The depth of a pair is the least overlap over the four axes of its boxes (Gottschalk 1996);
    zero for boxes that are apart. Gradients push them apart along that axis.

    Args:
        tokens: Tokens, shape (B, A, CHANNELS).
        there: Which slots hold an agent, shape (B, A).

    Returns:
        Depth [m] of every pair of different agents, shape (B, A, A), symmetric.
    """
    place = tokens[..., POSE][..., :2] * POSITION_SCALE
    ahead = tokens[..., POSE][..., 2:]
    ahead = ahead / ahead.norm(dim=-1, keepdim=True).clamp(min=1e-3)
    half = 0.5 * sizes_of(tokens)
    apart = place[:, None] - place[:, :, None]  # (B, i, j, 2)
    cos, sin = ahead[:, :, None, 0], ahead[:, :, None, 1]
    turn_cos = (cos * ahead[:, None, :, 0] + sin * ahead[:, None, :, 1]).abs()
    turn_sin = (cos * ahead[:, None, :, 1] - sin * ahead[:, None, :, 0]).abs()
    length, width = half[:, None, :, 0], half[:, None, :, 1]
    reach = half[:, :, None, 0] + length * turn_cos + width * turn_sin
    side = half[:, :, None, 1] + length * turn_sin + width * turn_cos
    x = (cos * apart[..., 0] + sin * apart[..., 1]).abs()
    y = (cos * apart[..., 1] - sin * apart[..., 0]).abs()
    depth = torch.minimum(reach - x, side - y)
    depth = torch.minimum(depth, depth.mT)
    pairs = there[:, None] & there[:, :, None]
    pairs = pairs & ~torch.eye(pairs.shape[1], dtype=torch.bool, device=pairs.device)
    return torch.where(pairs, depth, -1.0).clamp(min=0.0)
