"""What the labels of one camera picture cost, from triangles to depth, classes and normals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.harness import Report, interleave
from benchmarks.speed import crowds, opengl
from scenegen.render import PinholeCamera, Triangles, View, light_buffers
from scenegen.render.gbuffer import Samples, resolve
from scenegen.render.rasterizer import NOTHING, rasterize
from scenegen.scene import Conditions, Light
from scenegen.sensors import camera_pose

SIZES = (12_000, 100_000)
"""Triangles in view that are asked for."""
GOAL_MS = {12_000: 5.0, 100_000: 10.0}
PREDICTED_MS = {12_000: 4.5, 100_000: 9.0}
"""Said before the first measurement of the visibility buffer with deferred resolve."""
NIGHT = Conditions(light=Light.NIGHT, sun_elevation=-0.5)


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
            "ours: visibility, depth, class, instance, normal, textured albedo, gloss, emission;"
            " visibility: its first part",
            "with light: also sun, sky and lamps with shadows, water, surroundings, coverage",
            "embree: the face along each ray alone, by one call of embreex"
            if crowds.has_embree()
            else crowds.ABSENT,
            f"opengl: depth, normal, colour and thing without bitmaps, read back, all threads of"
            f" {opengl.context().info['GL_RENDERER']}; the triangles are uploaded beforehand"
            if opengl.context()
            else opengl.ABSENT,
        ],
        smoke=smoke,
    )


def _measure(wanted: int, camera: PinholeCamera, *, smoke: bool) -> dict[str, object]:
    stage, night = crowds.street(), crowds.street(NIGHT)
    pose = stage.map_from_ego @ camera_pose(0.5, 0.0, 1.5)

    def view(triangles: Triangles) -> View:
        return View.of(camera, pose, triangles.origin)

    def in_view(triangles: Triangles) -> int:
        rows = view(triangles).visible(triangles)
        return int((triangles.first_face[rows + 1] - triangles.first_face[rows]).sum())

    triangles = crowds.sized(wanted, in_view)
    sight = view(triangles)

    def ours() -> None:
        samples = Samples.centers(rasterize(triangles, sight))
        resolve(triangles, sight, samples, stage.textures, lamps_on=0.0)

    subjects: dict[str, Callable[[], object]] = {
        "ours": ours,
        "visibility": lambda: rasterize(triangles, sight),
        "with light, day": lambda: light_buffers(stage, triangles, sight),
        "with light, night": lambda: light_buffers(night, triangles, sight),
    }
    if crowds.has_embree():
        subjects |= crowds.trace(triangles, sight.eye, _rays(camera) @ sight.turn)
    subjects |= opengl.draw(triangles, sight)
    costs = interleave(subjects, rounds=2 if smoke else 15)
    own = costs["ours"].cpu_s
    return {
        "triangles": in_view(triangles),
        "sky": round(float((rasterize(triangles, sight).face == NOTHING).mean()), 2),
        "goal [CPU ms]": GOAL_MS[wanted],
        "predicted [CPU ms]": PREDICTED_MS[wanted],
        **{f"{name} [CPU ms]": round(1e3 * cost.cpu_s, 1) for name, cost in costs.items()},
        **{
            f"{name} / ours": round(costs[name].cpu_s / own, 1)
            for name in ("embree, tree anew", "opengl")
            if name in costs
        },
    }


def _rays(camera: PinholeCamera) -> np.ndarray:
    """Rays through the pixel centres in the camera frame, (H * W, 3)."""
    rows, columns = np.divmod(np.arange(camera.height_px * camera.width_px), camera.width_px)
    x = (columns + 0.5 - camera.width_px / 2) / camera.focal_px
    y = (rows + 0.5 - camera.height_px / 2) / camera.focal_px
    return np.stack([x, y, np.ones_like(x)], -1)
