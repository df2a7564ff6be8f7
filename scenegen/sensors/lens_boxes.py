"""2D boxes of a camera with any lens and shutter: every vertex is projected at its own time."""

from __future__ import annotations

import numba as nb
import numpy as np

from scenegen.arrays import Array, FloatArray, IntArray
from scenegen.render import CLASS_OF_KIND
from scenegen.render.lens import Lens
from scenegen.scene import AgentKind, ArraySpec
from scenegen.sensors.boxes2d import box_specs, visible_boxes
from scenegen.sensors.sensor import WorldView
from scenegen.sensors.shutter import Movement, Shutter

_KNOWN = ("visible", "amodal", "track_id", "class", "occlusion", "truncation")
_FAR = 1e5
"""Image coordinates beyond this are those of a point beside the lens [pixels]."""


def lens_box_specs(camera: str) -> tuple[ArraySpec, ...]:
    """Announce the 2D boxes of a camera with a lens."""
    return tuple(spec for spec in box_specs(camera) if spec.name.rpartition("/")[2] in _KNOWN)


def find_lens_boxes(
    camera: str,
    view: WorldView,
    lens: Lens,
    shutter: Shutter,
    movement: Movement,
    instance: IntArray,
) -> dict[str, Array]:
    """Give the 2D boxes of a camera.

    Args:
        camera: Name of the camera.
        view: The world.
        lens: The lens.
        shutter: When rows are exposed.
        movement: How camera and agents move.
        instance: Instance mask of the picture, shape (H, W).
    """
    visible, counts = visible_boxes(instance)
    agents = np.flatnonzero(counts[1:] > 0)
    visible = visible[agents + 1]
    whole = np.zeros((len(agents), 4))
    alone = np.ones(len(agents), np.int64)
    stamp = np.full(instance.shape, -1, np.int32)
    for n, row in enumerate(view.rows(agents)):
        place = project_thing(view, int(row), lens, shutter, movement)
        triangles = view.triangles
        begin, end = triangles.first_face[row], triangles.first_face[row + 1]
        local = triangles.faces[begin:end] - triangles.first_vertex[row]
        alone[n] = _stamp(place, local.astype(np.int64), n, stamp)
        seen = place[np.isfinite(place[:, 0])]
        box = np.concatenate([seen.min(0), seen.max(0)]) if len(seen) else visible[n]
        whole[n] = np.concatenate(
            [np.minimum(box[:2], visible[n, :2]), np.maximum(box[2:], visible[n, 2:])]
        )
    size = np.array([lens.width_px, lens.height_px] * 2, np.float64)
    amodal = np.clip(whole, 0.0, size)
    kinds = [AgentKind(int(kind)) for kind in view.stage.agents.kind[agents]]
    base = f"boxes2d/{camera}"
    shown = counts[agents + 1] / np.maximum(alone, 1)
    return {
        f"{base}/visible": visible.astype(np.float32).reshape(-1, 4),
        f"{base}/amodal": amodal.astype(np.float32),
        f"{base}/track_id": agents.astype(np.uint16),
        f"{base}/class": np.array([CLASS_OF_KIND[kind] for kind in kinds], np.uint8),
        f"{base}/occlusion": np.clip(1 - shown, 0, 1).astype(np.float32),
        f"{base}/truncation": np.clip(1 - _area(amodal) / _area(whole), 0, 1).astype(np.float32),
    }


def project_thing(
    view: WorldView, row: int, lens: Lens, shutter: Shutter, movement: Movement
) -> FloatArray:
    """Project the vertices of a thing, each at the time its row is read.

    Args:
        view: The world.
        row: Which thing among the triangles.
        lens: The lens.
        shutter: When rows are exposed.
        movement: How camera and agents move.

    Returns:
        Image coordinates [pixels], shape (n, 2); NaN for what is not imaged.
    """
    triangles = view.triangles
    span = slice(int(triangles.first_vertex[row]), int(triangles.first_vertex[row + 1]))
    points = triangles.vertices[span].astype(np.float64) + triangles.origin
    number = np.full(len(points), int(triangles.number[row]))
    time: FloatArray = np.zeros(len(points))
    place = lens.project(movement.seen(points, number, time))
    if shutter.readout > 0:
        for _ in range(4):
            rows = np.clip(np.nan_to_num(place[:, 1]), 0, lens.height_px)
            time = shutter.row_time(rows, lens.height_px)
            place = lens.project(movement.seen(points, number, time))
    place[np.abs(place).max(-1) > _FAR] = np.nan
    return place


def _area(box: FloatArray) -> FloatArray:
    return np.maximum((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]), 1e-9)


@nb.njit(cache=True, nogil=True)
def _stamp(place, faces, number, stamp):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Count the pixels whose centre lies within a projected face, each once."""
    height, width = stamp.shape
    count = 0
    for f in range(len(faces)):
        x0, y0 = place[faces[f, 0], 0], place[faces[f, 0], 1]
        x1, y1 = place[faces[f, 1], 0], place[faces[f, 1], 1]
        x2, y2 = place[faces[f, 2], 0], place[faces[f, 2], 1]
        if np.isnan(x0) or np.isnan(x1) or np.isnan(x2):
            continue
        low, high = min(y0, y1, y2), max(y0, y1, y2)
        for row in range(max(0, int(np.ceil(low - 0.5))), min(height, int(np.ceil(high - 0.5)))):
            y = row + 0.5
            begin, end = _cross(x0, y0, x1, y1, y, 1e30, -1e30)
            begin, end = _cross(x1, y1, x2, y2, y, begin, end)
            begin, end = _cross(x2, y2, x0, y0, y, begin, end)
            left = max(0, int(np.ceil(max(begin, 0.0) - 0.5)))
            for column in range(left, int(np.ceil(min(end, float(width)) - 0.5))):
                if stamp[row, column] != number:
                    stamp[row, column] = number
                    count += 1
    return count


@nb.njit(cache=True, nogil=True, forceinline=True)
def _cross(xa, ya, xb, yb, y, begin, end):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Widen a span of columns by the place where an edge crosses a row."""
    if (ya <= y) == (yb <= y):
        return begin, end
    x = xa + (y - ya) * (xb - xa) / (yb - ya)
    return min(begin, x), max(end, x)
