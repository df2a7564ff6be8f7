"""Shadows of lamps: how far each lamp sees, by rasterising the triangles from its place."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.render.camera import PinholeCamera, View
from scenegen.render.rasterizer import rasterize
from scenegen.render.shadows import CASTERS, FARTHEST
from scenegen.render.stage import Lights
from scenegen.render.surfaces import SurfaceClass
from scenegen.render.triangles import Triangles

EDGE = 160
"""Texels along the edge of the map of a lamp."""
MOST = 8
"""Lamps that may throw shadows at most, the nearest to the camera first."""
_NEARBY = 0.5
"""Things throw shadows within this share of a lamp's reach; beyond, its light is faint."""
_BODY = 0.6
"""Things whose bounding sphere ends this near to a lamp are taken for its own body [m]."""
_BIAS = 0.06
"""A surface counts as lit this far behind what the lamp sees [m]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpotShadows:
    """Pictures of 1 / depth from the places of M lamps.

    Attributes:
        slot: Map of each lamp, -1 for a lamp without shadows, shape (L,).
        turn: Rotation, lamp camera from map axes, shape (M, 3, 3).
        focal: Focal length of each map [texels], shape (M,).
        inverse_depth: 1 / distance along the lamp's axis of what it sees first [1/m], 0 where
            nothing, shape (M, EDGE, EDGE), float32.
    """

    slot: IntArray
    turn: FloatArray
    focal: FloatArray
    inverse_depth: FloatArray

    @property
    def packed(self) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        """Give the arrays that compiled code reads."""
        return self.slot, self.turn, self.focal, self.inverse_depth


def spot_shadows(
    triangles: Triangles, lamps: Lights, used: IntArray, eye: FloatArray
) -> SpotShadows:
    """Look from lamps along their axes.

    The ground throws no shadow, and neither do poles: most lamps hang on one.

    Args:
        triangles: What there is.
        lamps: Lamps in the triangles' frame.
        used: Lamps that may light something in view.
        eye: Place of the camera; the lamps nearest to it come first [m], shape (3,).
    """
    near = np.argsort(np.linalg.norm(lamps.position[used] - eye, axis=1), kind="stable")
    chosen = np.sort(used[near[:MOST]])
    slot = np.full(len(lamps.reach), -1, np.int64)
    slot[chosen] = np.arange(len(chosen))
    turn = np.stack([_facing(lamps.direction[i]) for i in chosen]) if len(chosen) else None
    maps = np.zeros((len(chosen), EDGE, EDGE), np.float32)
    focal = np.ones(len(chosen))
    for n, i in enumerate(chosen):
        half = float(np.arccos(np.clip(lamps.cone[i, 1], -1.0, 1.0)))
        camera = PinholeCamera(width_px=EDGE, height_px=EDGE, fov=min(2 * half, 2.7))
        view = View(camera=camera, turn=_facing(lamps.direction[i]), eye=lamps.position[i])
        seen = rasterize(triangles, view, _casters(triangles, lamps, int(i)))
        maps[n], focal[n] = seen.inverse_depth, camera.focal_px
    return SpotShadows(
        slot=slot,
        turn=np.zeros((0, 3, 3)) if turn is None else turn,
        focal=focal,
        inverse_depth=maps,
    )


def _facing(direction: FloatArray) -> FloatArray:
    """Rotation into a camera that looks along a direction, shape (3, 3)."""
    helper = np.array([0.0, 1.0, 0.0]) if abs(direction[2]) > 0.9 else np.array([0.0, 0.0, 1.0])
    across = np.cross(direction, helper)
    across /= np.linalg.norm(across)
    return np.stack([across, np.cross(direction, across), direction])


def _casters(triangles: Triangles, lamps: Lights, i: int) -> BoolArray:
    """Which things may throw a shadow in the light of a lamp, shape (K,)."""
    ball = triangles.sphere
    away = np.linalg.norm(ball[:, :3] - lamps.position[i], axis=1)
    near = (away - ball[:, 3] < _NEARBY * lamps.reach[i]) & (away + ball[:, 3] > _BODY)
    solid = CASTERS[triangles.surface] & (triangles.surface != SurfaceClass.POLE)
    return np.asarray(near & solid & (ball[:, 3] < FARTHEST))


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def lamplit(slot, lx, ly, lz, turn, focal, inverse_depth):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Share of a lamp's light that reaches a point, 0-1, from the four texels around its ray.

    Args:
        slot: Map of the lamp.
        lx: Way from the point to the lamp along map x [m].
        ly: The same along y.
        lz: The same along z.
        turn: SpotShadows.turn.
        focal: SpotShadows.focal.
        inverse_depth: SpotShadows.inverse_depth.
    """
    x = -(turn[slot, 0, 0] * lx + turn[slot, 0, 1] * ly + turn[slot, 0, 2] * lz)
    y = -(turn[slot, 1, 0] * lx + turn[slot, 1, 1] * ly + turn[slot, 1, 2] * lz)
    z = -(turn[slot, 2, 0] * lx + turn[slot, 2, 1] * ly + turn[slot, 2, 2] * lz)
    edge = inverse_depth.shape[1]
    if z <= 0.0:
        return 1.0
    s, t = focal[slot] * x / z + 0.5 * edge - 0.5, focal[slot] * y / z + 0.5 * edge - 0.5
    s0, t0 = int(np.floor(s)), int(np.floor(t))
    if s0 < 0 or t0 < 0 or s0 >= edge - 1 or t0 >= edge - 1:
        return 1.0
    fs, ft = s - s0, t - t0
    # A slanting surface falls away from its own texel by about one texel's width.
    most = 1.0 / max(z - _BIAS - 2.0 * z / focal[slot], 1e-3)
    low = (1 - fs) * (inverse_depth[slot, t0, s0] <= most)
    low += fs * (inverse_depth[slot, t0, s0 + 1] <= most)
    high = (1 - fs) * (inverse_depth[slot, t0 + 1, s0] <= most)
    high += fs * (inverse_depth[slot, t0 + 1, s0 + 1] <= most)
    return (1 - ft) * low + ft * high
