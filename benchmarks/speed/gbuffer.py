"""What the labels of one camera picture cost, from triangles to depth, classes and normals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.harness import Report, interleave
from benchmarks.speed.crowds import ABSENT, crowded, has_embree, street, trace
from scenegen.render import PinholeCamera, Triangles, View
from scenegen.render.gbuffer import Samples, resolve
from scenegen.render.rasterizer import rasterize
from scenegen.sensors import camera_pose

SIZES = (12_000, 100_000)
"""Triangles in view that are asked for."""


def run(*, smoke: bool) -> Report:
    """Rasterise and resolve 256 x 512 pixels, with few and with many triangles in view."""
    camera = PinholeCamera(width_px=64, height_px=32) if smoke else PinholeCamera()
    rows = [_measure(wanted, camera, smoke=smoke) for wanted in (SIZES[:1] if smoke else SIZES)]
    sentence = " and ".join(f"{row['ours [CPU ms]']} ms at {row['triangles']}" for row in rows)
    return Report(
        name="speed.gbuffer",
        headline=f"labels of {camera.height_px}x{camera.width_px} pixels cost {sentence} triangles",
        rows=rows,
        notes=[
            "triangles: those of all things whose bounding sphere meets the view",
            "ours: visibility, depth, class, instance, normal, textured albedo, gloss, emission",
            "embree: the face along each ray alone, by one call of embreex"
            if has_embree()
            else ABSENT,
        ],
        smoke=smoke,
    )


def _measure(wanted: int, camera: PinholeCamera, *, smoke: bool) -> dict[str, object]:
    stage = street()
    pose = stage.map_from_ego @ camera_pose(0.5, 0.0, 1.5)

    def view(triangles: Triangles) -> View:
        return View.of(camera, pose, triangles.origin)

    def in_view(triangles: Triangles) -> int:
        rows = view(triangles).visible(triangles)
        return int((triangles.first_face[rows + 1] - triangles.first_face[rows]).sum())

    triangles = crowded(wanted, in_view)
    sight = view(triangles)

    def ours() -> None:
        seen = rasterize(triangles, sight)
        samples = Samples.centers(seen)
        resolve(triangles, sight, seen.points, samples, stage.textures, lamps_on=0.0)

    subjects: dict[str, Callable[[], object]] = {"ours": ours}
    if has_embree():
        subjects |= trace(triangles, sight.eye, _rays(camera) @ sight.turn)
    costs = interleave(subjects, rounds=2 if smoke else 15)
    return {
        "triangles": in_view(triangles),
        **{f"{name} [CPU ms]": round(1e3 * cost.cpu_s, 1) for name, cost in costs.items()},
    }


def _rays(camera: PinholeCamera) -> np.ndarray:
    """Rays through the pixel centres in the camera frame, (H * W, 3)."""
    rows, columns = np.divmod(np.arange(camera.height_px * camera.width_px), camera.width_px)
    x = (columns + 0.5 - camera.width_px / 2) / camera.focal_px
    y = (rows + 0.5 - camera.height_px / 2) / camera.focal_px
    return np.stack([x, y, np.ones_like(x)], -1)
