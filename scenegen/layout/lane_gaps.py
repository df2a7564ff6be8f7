"""Where agents lie relative to the drivable pieces of road they are told of."""

from __future__ import annotations

from typing import NamedTuple

import torch

from scenegen.layout.map_tokens import WIDTH_MEAN, WIDTH_SCALE
from scenegen.layout.relations import HALF_PIECE
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.tokens import POSITION_SCALE
from scenegen.scene import LaneKind

DRIVABLE = [kind for kind in LaneKind if kind.is_drivable]
WIDTH_COLUMN = len(LaneKind) + 4
"""Where map_tokens keeps the width of a lane."""


class LaneGaps(NamedTuple):
    """Agents against polylines; shapes (B, A, M) unless said otherwise.

    Attributes:
        side: Distance to the left of the middle [m].
        beyond: Distance from the nearest known piece along its direction [m].
        ahead: Direction at the nearest point, of unit length, shape (B, A, M, 2).
        usable: Which polylines are drivable lanes, shape (B, 1, M).
        width: Widths [m].
    """

    side: torch.Tensor
    beyond: torch.Tensor
    ahead: torch.Tensor
    usable: torch.Tensor
    width: torch.Tensor


def lane_gaps(place: torch.Tensor, batch: SceneBatch) -> LaneGaps:
    """Measure how places lie to every polyline of their scene.

    Args:
        place: Positions in the frame of the ego [m], shape (B, A, 2).
        batch: The roads.
    """
    points = batch.map_points[:, None]  # (B, 1, M, P, 4)
    gap = place[..., None, None, :] - points[..., :2] * POSITION_SCALE
    nearest = gap.square().sum(-1).argmin(-1, keepdim=True)
    index = nearest[..., None].expand(*nearest.shape, 2)
    gap = gap.gather(3, index)[..., 0, :]
    ahead = points[..., 2:].expand(-1, place.shape[1], -1, -1, -1).gather(3, index)[..., 0, :]
    side = gap[..., 1] * ahead[..., 0] - gap[..., 0] * ahead[..., 1]
    width = batch.map_attributes[..., WIDTH_COLUMN] * WIDTH_SCALE + WIDTH_MEAN
    drivable = batch.map_attributes[..., DRIVABLE].sum(-1) > 0.5
    return LaneGaps(
        side=side,
        beyond=((gap * ahead).sum(-1).abs() - HALF_PIECE).clamp(min=0.0),
        ahead=ahead,
        usable=(drivable & batch.map_valid)[:, None],
        width=width[:, None].expand(side.shape),
    )
