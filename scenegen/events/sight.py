"""Line of sight: how much of a road user the ego sees past the others."""

from __future__ import annotations

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray
from scenegen.geometry.transforms import to_local, to_map

EYE_HEIGHT = 1.4
"""Height of the ego's forward camera above the ground [m]; behind the windscreen of a car."""
EYE_AHEAD = 0.2
"""Where the eye is along the ego's length, from its middle, in lengths."""
ACROSS, UP = 9, 5
"""Sample points on a silhouette: sideways, and over its height."""


def visible_fraction(
    eye: FloatArray,
    target: FloatArray,
    target_height: FloatArray,
    boxes: FloatArray,
    present: BoolArray,
) -> FloatArray:
    """Share of a silhouette that is seen from an eye past opaque boxes, over time.

    The silhouette is a grid of ACROSS x UP points on the upright plane through the target's
    centre that faces the eye. A point is hidden if its ray passes through a box below the box's
    top.

    Args:
        eye: Eye position [m], shape (T, 2); its height is EYE_HEIGHT.
        target: Box of the target: x, y, yaw, length, width, shape (T, 5).
        target_height: Height of the target [m], shape (T,).
        boxes: Occluders: x, y, yaw, length, width, height, shape (T, K, 6).
        present: Whether an occluder is there, shape (T, K).

    Returns:
        Fractions, shape (T,), 0 hidden - 1 in full view.
    """
    bearing = target[:, :2] - eye
    angle = np.arctan2(bearing[:, 1], bearing[:, 0])
    turn = angle - target[:, 2]
    half = 0.5 * (np.abs(np.sin(turn)) * target[:, 3] + np.abs(np.cos(turn)) * target[:, 4])
    side = np.linspace(-0.95, 0.95, ACROSS)
    local = np.stack([np.zeros((len(half), ACROSS)), half[:, None] * side], -1)
    points = to_map(local, target[:, None, :2], angle[:, None])  # (T, ACROSS, 2)
    heights = target_height[:, None] * np.linspace(0.15, 0.95, UP)
    begin = to_local(eye[:, None], boxes[..., :2], boxes[..., 2])  # (T, K, 2)
    hidden = np.zeros((len(half), ACROSS, UP), np.int64)
    for k in range(boxes.shape[1]):
        end = to_local(points, boxes[:, k, None, :2], boxes[:, k, None, 2])  # (T, ACROSS, 2)
        _mark(begin[:, k], end, heights, boxes[:, k], present[:, k], hidden)
    return 1.0 - hidden.mean((1, 2))


@nb.njit(cache=True)
def _mark(begin, end, heights, box, present, hidden):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Mark the sample points whose ray passes through a box, in the box's frame."""
    for t in range(len(begin)):
        if not present[t]:
            continue
        half_x, half_y, top = box[t, 3] / 2, box[t, 4] / 2, box[t, 5]
        for a in range(end.shape[1]):
            low, high = _span(begin[t], end[t, a], half_x, half_y)
            if low >= high:
                continue
            for u in range(heights.shape[1]):
                rise = heights[t, u] - EYE_HEIGHT
                if min(EYE_HEIGHT + low * rise, EYE_HEIGHT + high * rise) < top:
                    hidden[t, a, u] = 1


@nb.njit(cache=True)
def _span(begin, end, half_x, half_y):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Part of a segment inside a centred box, as ratios of its length (slab method)."""
    low, high = 0.0, 1.0
    for axis in range(2):
        half = half_x if axis == 0 else half_y
        step = end[axis] - begin[axis]
        if abs(step) < 1e-12:
            if abs(begin[axis]) > half:
                return 1.0, 0.0
            continue
        near, far = (-half - begin[axis]) / step, (half - begin[axis]) / step
        low, high = max(low, min(near, far)), min(high, max(near, far))
    return low, high
