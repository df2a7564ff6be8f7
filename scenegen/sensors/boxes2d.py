"""2D boxes of a camera, read off its instance mask and its geometry."""

from __future__ import annotations

import numba as nb
import numpy as np

from scenegen.arrays import Array, FloatArray, IntArray
from scenegen.render import CLASS_NAMES, CLASS_OF_KIND, View
from scenegen.render.silhouettes import trace
from scenegen.scene import AgentKind, ArraySpec
from scenegen.sensors.sensor import WorldView


def box_specs(camera: str) -> tuple[ArraySpec, ...]:
    """Announce the 2D boxes of a camera: one row per agent with at least one visible pixel."""
    base = f"boxes2d/{camera}"

    def edges(name: str, what: str) -> ArraySpec:
        return ArraySpec(
            name=f"{base}/{name}",
            dims=("box2d", "edge"),
            shape=(None, 4),
            dtype="float32",
            units="pixel",
            long_name=f"first column, first row, last column, last row of {what}",
            codec="points",
        )

    def number(name: str, dtype: str, what: str, classes: tuple[str, ...] = ()) -> ArraySpec:
        return ArraySpec(
            name=f"{base}/{name}",
            dims=("box2d",),
            shape=(None,),
            dtype=dtype,
            units="1" if dtype == "float32" else "",
            long_name=what,
            codec="points",
            classes=classes,
        )

    return (
        edges("visible", "the visible pixels"),
        edges("amodal", "the whole agent within the picture, hidden parts included"),
        number("track_id", "uint16", "agent index"),
        number("class", "uint8", "class of the agent", CLASS_NAMES),
        number("occlusion", "float32", "share of the agent's pixels hidden by other things"),
        number("truncation", "float32", "share of the amodal box outside the picture"),
    )


def find_boxes(camera: str, view: WorldView, sight: View, instance: IntArray) -> dict[str, Array]:
    """Give the 2D boxes of a camera.

    Args:
        camera: Name of the camera.
        view: The world.
        sight: The camera's view of it.
        instance: Its instance mask, shape (H, W).
    """
    visible, counts = visible_boxes(instance)
    agents = np.flatnonzero(counts[1:] > 0)
    visible = visible[agents + 1]
    outline = trace(view.triangles, sight, view.rows(agents))
    size = np.array([sight.camera.width_px, sight.camera.height_px] * 2, np.float64)
    amodal = np.clip(outline.box, 0.0, size)
    # The rasteriser samples pixel centres: the pixel squares may stick out of the true outline.
    amodal[:, :2] = np.minimum(amodal[:, :2], visible[:, :2])
    amodal[:, 2:] = np.maximum(amodal[:, 2:], visible[:, 2:])
    whole = _area(
        np.concatenate(
            [np.minimum(outline.box, amodal)[:, :2], np.maximum(outline.box, amodal)[:, 2:]], 1
        )
    )
    shown = counts[agents + 1] / np.maximum(outline.pixels, 1)
    kinds = [AgentKind(int(kind)) for kind in view.stage.agents.kind[agents]]
    base = f"boxes2d/{camera}"
    return {
        f"{base}/visible": visible.astype(np.float32),
        f"{base}/amodal": amodal.astype(np.float32),
        f"{base}/track_id": agents.astype(np.uint16),
        f"{base}/class": np.array([CLASS_OF_KIND[kind] for kind in kinds], np.uint8),
        f"{base}/occlusion": np.clip(1 - shown, 0, 1).astype(np.float32),
        f"{base}/truncation": np.clip(1 - _area(amodal) / whole, 0, 1).astype(np.float32),
    }


def visible_boxes(instance: IntArray) -> tuple[FloatArray, IntArray]:
    """Box and pixel count of every instance number.

    Args:
        instance: Mask, shape (H, W).

    Returns:
        First column, first row, last column, last row [pixels], shape (I, 4), and the number of
        pixels, shape (I,); I is one more than the largest number.
    """
    count = int(instance.max(initial=0)) + 1
    box, pixels = np.empty((count, 4)), np.zeros(count, np.int64)
    box[:, :2], box[:, 2:] = np.inf, -np.inf
    _grow(np.ascontiguousarray(instance), box, pixels)
    return box, pixels


@nb.njit(cache=True, nogil=True)
def _grow(instance, box, pixels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for row in range(instance.shape[0]):
        for column in range(instance.shape[1]):
            k = instance[row, column]
            if k > 0:
                box[k, 0], box[k, 1] = min(box[k, 0], column), min(box[k, 1], row)
                box[k, 2], box[k, 3] = max(box[k, 2], column + 1), max(box[k, 3], row + 1)
                pixels[k] += 1


def _area(box: FloatArray) -> FloatArray:
    return np.maximum((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]), 1e-9)
