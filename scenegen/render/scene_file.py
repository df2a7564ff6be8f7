"""A stage as one file that any renderer reads: the very triangles, bitmaps and lights we draw.

The file is a NumPy archive of plain arrays with a JSON text in `meta` (uint8). A path tracer in an
environment of its own needs nothing of scenegen to read it. Lengths are in metres relative to
`origin`, axes parallel to the map frame, z up; colours are linear RGB; radiances are in units in
which full sun gives a white wall a radiance of one.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numba as nb
import numpy as np

from scenegen.arrays import Array, FloatArray
from scenegen.render.camera import View
from scenegen.render.gbuffer import WINDOW_LIGHT
from scenegen.render.sky import illuminate, sky_radiance
from scenegen.render.stage import Stage
from scenegen.render.surfaces import MATERIALS
from scenegen.render.triangles import Triangles
from scenegen.render.world.world import lamps_on
from scenegen.training.checkpoint import write_atomically

FORMAT = 1
"""Version of the layout of the file."""
SKY_HEIGHT = 256
"""Rows of the panorama of the sky; it has twice as many columns."""


def write_scene(path: Path, stage: Stage, triangles: Triangles, views: Sequence[View]) -> None:
    """Write a stage with the views to render.

    Arrays: `vertices` (V, 3), `normals` (V, 3), `uv` (V, 2) [m], `faces` (F, 3), `material` (F,)
    index into the materials of `meta`, `owner` (F,) row of the thing, and per thing `surface`,
    `number` (instance number, 0 for scenery), `tint` (K, 3), `lamps` (K, 2) brightness of head
    and tail lamps; `textures` (B, E, E, 4) uint8 with row 0 at the bottom, 128 standing for a
    factor of one, alpha 100 for a dark and 255 for a lit pane; `finish` (B, E, E, 2) uint8, a
    factor on the roughness (128: one) and the readiness to hold water; `sky` (rows, columns, 3)
    without the disc of the sun, row 0 at the zenith, column c at azimuth
    (0.5 - (c + 0.5) / columns) turns;
    `clouds` (E, E) the field that wetness and snow lie in; `lights_*` as in Lights; `eye` (N, 3)
    and `turn` (N, 3, 3) of the views (rows: right, down, forward).

    Args:
        path: The file; its folder exists.
        stage: What there is.
        triangles: The stage, assembled; views and this file share its origin.
        views: From where it is to be seen; all of one size.

    Raises:
        StorageError: The file could not be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **_arrays(stage, triangles, views))
    write_atomically(path, buffer.getvalue())


def sky_panorama(stage: Stage) -> FloatArray:
    """Radiance of the sky all around, the disc of the sun left out.

    Returns:
        Linear RGB, shape (SKY_HEIGHT, 2 * SKY_HEIGHT, 3), float32; see `write_scene`.
    """
    packed = illuminate(stage.conditions).packed()
    out = np.empty((SKY_HEIGHT, 2 * SKY_HEIGHT, 3), np.float32)
    _panorama(packed, stage.clouds, out)
    return out


def _arrays(stage: Stage, triangles: Triangles, views: Sequence[View]) -> dict[str, Array]:
    light = illuminate(stage.conditions)
    camera = views[0].camera
    meta = {
        "format": FORMAT,
        "materials": [{"name": name, **asdict(m)} for name, m in MATERIALS.items()],
        "textures": list(stage.textures.names),
        "lamps_on": lamps_on(stage.conditions),
        "window_light": WINDOW_LIGHT,
        "sun_direction": light.sun_direction.tolist(),
        "sun": light.sun.tolist(),
        "wetness": light.wetness,
        "snow": light.snow,
        "cloud_cover": light.cloud_cover,
        "extinction": light.extinction,
        "width_px": camera.width_px,
        "height_px": camera.height_px,
        "focal_px": camera.focal_px,
    }
    lights = stage.lights
    return {
        "meta": np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8),
        "vertices": triangles.vertices,
        "normals": triangles.normals,
        "uv": triangles.uv,
        "faces": triangles.faces,
        "material": triangles.material,
        "owner": triangles.owner,
        "surface": triangles.surface,
        "number": triangles.number,
        "tint": triangles.tint,
        "lamps": triangles.lamps,
        "textures": np.stack([stage.textures.bitmap(name) for name in stage.textures.names]),
        "finish": np.stack([stage.textures.finish_bitmap(n) for n in stage.textures.names]),
        "sky": sky_panorama(stage),
        "clouds": stage.clouds,
        "origin": triangles.origin,
        "lights_position": lights.position - triangles.origin,
        "lights_direction": lights.direction,
        "lights_color": lights.color,
        "lights_cone": lights.cone,
        "lights_reach": lights.reach,
        "lights_core": lights.core,
        "eye": np.stack([view.eye for view in views]),
        "turn": np.stack([view.turn for view in views]),
    }


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _panorama(light, clouds, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill the panorama; in the pixels of the sun the light is taken just beside its disc."""
    rows, columns = out.shape[0], out.shape[1]
    for row in range(rows):
        polar = (row + 0.5) / rows * np.pi
        up, flat = np.cos(polar), np.sin(polar)
        for column in range(columns):
            azimuth = (0.5 - (column + 0.5) / columns) * 2.0 * np.pi
            dx, dy = flat * np.cos(azimuth), flat * np.sin(azimuth)
            toward = dx * light[0, 0] + dy * light[0, 1] + up * light[0, 2]
            if toward > 0.9998:  # The disc is 1 degree in radius here: look past it.
                azimuth += 0.05 / max(flat, 0.05)
                dx, dy = flat * np.cos(azimuth), flat * np.sin(azimuth)
            red, green, blue = sky_radiance(dx, dy, up, light, clouds)
            out[row, column, 0], out[row, column, 1], out[row, column, 2] = red, green, blue
