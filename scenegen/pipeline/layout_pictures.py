"""Pictures of scenes as a layout model sees them: tokens from above, many to a sheet."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from scenegen.arrays import FloatArray
from scenegen.geometry.boxes import box_corners
from scenegen.layout.map_tokens import ATTRIBUTES
from scenegen.layout.motion import integrate
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.tokens import POSITION_SCALE, ROLE_SLOTS, agents_of, knots_of, start_of
from scenegen.scene import EGO, AgentKind, LaneKind

REACH = 90.0
"""Half the length and width of a picture [m]."""
SHIFT = 4
"""Bits of a fraction of a pixel in opencv's coordinates."""
PAPER, ROAD, WALK, TRAIL = (250, 250, 250), (205, 205, 205), (225, 235, 225), (170, 190, 235)
EGO_COLOR, ROLE_COLOR = (30, 120, 220), (220, 60, 50)
KIND_COLOR = {
    AgentKind.CAR: (90, 90, 100),
    AgentKind.TRUCK: (150, 110, 60),
    AgentKind.BUS: (190, 140, 40),
    AgentKind.MOTORCYCLE: (130, 80, 150),
    AgentKind.CYCLIST: (60, 150, 90),
    AgentKind.PEDESTRIAN: (210, 90, 160),
    AgentKind.ANIMAL: (120, 160, 40),
    AgentKind.STATIC: (40, 40, 40),
}


def token_sheet(
    batch: SceneBatch, tokens: torch.Tensor, columns: int = 4, size_px: int = 320
) -> np.ndarray:
    """Draw scenes from above, the ego in the middle heading up, with the motion of 8 s.

    Args:
        batch: The roads.
        tokens: Agent tokens to draw, shape (B, A, CHANNELS).
        columns: Pictures per row.
        size_px: Rows and columns of one picture.

    Returns:
        RGB image, uint8.
    """
    pictures = [_picture(batch, tokens, scene, size_px) for scene in range(len(batch))]
    blank = np.full_like(pictures[0], 255)
    pictures += [blank] * (-len(pictures) % columns)
    rows = [np.hstack(pictures[k : k + columns]) for k in range(0, len(pictures), columns)]
    return np.vstack(rows)


def _picture(batch: SceneBatch, tokens: torch.Tensor, scene: int, size_px: int) -> np.ndarray:
    image = np.full((size_px, size_px, 3), PAPER, np.uint8)
    scale = size_px / (2.0 * REACH)

    def at(points: FloatArray) -> np.ndarray:
        """Ego frame to pixels, x up and y to the left, in opencv's fixed point."""
        place = np.stack([REACH - points[..., 1], REACH - points[..., 0]], -1) * scale
        return np.round(np.clip(place, -1e4, 1e4) * (1 << SHIFT)).astype(np.int32)

    _draw_road(image, batch, scene, at(_road_points(batch, scene)), scale)
    states, _, slots = agents_of(tokens[scene].double().numpy(), np.zeros(3))
    chosen = tokens[scene][torch.from_numpy(slots)].double()
    motion = integrate(start_of(chosen), knots_of(chosen))[..., ::4, :2].numpy()
    cv2.polylines(image, list(at(motion)), False, TRAIL, 1, cv2.LINE_AA, SHIFT)
    corners = at(box_corners(states.position, states.yaw, states.size))
    for k, slot in enumerate(slots.tolist()):
        color = KIND_COLOR[AgentKind(int(states.kind[k]))]
        if slot <= ROLE_SLOTS:
            color = EGO_COLOR if slot == EGO else ROLE_COLOR
        cv2.fillPoly(image, [corners[k]], color, cv2.LINE_AA, SHIFT)
        nose = [corners[k][0], corners[k][3]]
        cv2.polylines(image, [np.array(nose)], False, (0, 0, 0), 1, cv2.LINE_AA, SHIFT)
    return np.pad(image[1:-1, 1:-1], ((1, 1), (1, 1), (0, 0)), constant_values=120)


def _road_points(batch: SceneBatch, scene: int) -> FloatArray:
    return batch.map_points[scene, :, :, :2].double().numpy() * POSITION_SCALE


def _draw_road(
    image: np.ndarray, batch: SceneBatch, scene: int, points: np.ndarray, scale: float
) -> None:
    """Lanes as wide lines with a thin middle, by kind."""
    attributes = batch.map_attributes[scene].numpy().reshape(-1, ATTRIBUTES)
    kinds = attributes[:, : len(LaneKind)].argmax(-1)
    lines = [k for k in range(len(points)) if bool(batch.map_valid[scene, k])]
    for k in lines:
        kind = LaneKind(int(kinds[k]))
        color = ROAD if kind.is_drivable else WALK
        width = max(1, round((3.5 if kind.is_drivable else 2.0) * scale))
        cv2.polylines(image, [points[k]], False, color, width, cv2.LINE_AA, SHIFT)
    for k in lines:
        cv2.polylines(image, [points[k]], False, (240, 240, 240), 1, cv2.LINE_AA, SHIFT)
