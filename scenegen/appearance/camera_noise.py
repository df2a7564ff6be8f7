"""Noise that sticks to surfaces: values of a lattice in the world, read where pixels see it.

Cells lie in the map frame for scenery and in the frame of its agent for what an agent carries, so
that texture made from the noise moves with the thing, and two cameras see the same of it. The
lattice is turned against the axes of the world: no floor or wall runs along the face of a cell,
where rounding would choose between two.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray
from scenegen.render.gbuffer import GBuffer
from scenegen.render.stage import Stage

CELLS = (0.08, 0.5)
"""Edges of the cells of each octave [m]."""
_TURN = np.array(
    [
        [0.7637626, 0.4082483, 0.5],
        [-0.5590170, 0.8164966, 0.1437990],
        [-0.3496402, -0.3893260, 0.8521470],
    ]
)
"""Turn of the lattice against the map axes: rows made orthogonal below."""
_LATTICE = np.linalg.qr(_TURN)[0]
_MIX, _STEP = np.uint32(0x45D9F3B), np.uint32(16)
_X, _Y, _Z, _N = (np.uint32(prime) for prime in (0x8DA6B343, 0xD8163841, 0xCB1AB31F, 0x165667B1))


def surface_noise(gbuffer: GBuffer, stage: Stage, seed: int) -> FloatArray:
    """Read the noise of what every sample shows.

    Args:
        gbuffer: What the samples show.
        stage: Where the agents are.
        seed: Seed of the lattice; one per scenario.

    Returns:
        Uniform from -1 to 1, 0 for sky, shape (len(CELLS), S), float32. Pixels that see the same
        cell have the same value, whatever the camera.
    """
    view, agents = gbuffer.view, stage.agents
    yaw = agents.yaw.astype(np.float64)
    poses = np.column_stack([agents.position.astype(np.float64), np.cos(yaw), np.sin(yaw)])
    origin = np.array([*stage.map_from_ego[:2, 3], 0.0])
    out = np.zeros((len(CELLS), len(gbuffer.depth)), np.float32)
    camera = view.camera
    _read(
        (gbuffer.depth, gbuffer.instance, gbuffer.samples.place),
        (np.ascontiguousarray(view.turn), view.eye + origin),
        (camera.focal_px, camera.width_px / 2, camera.height_px / 2),
        poses,
        (_LATTICE, np.array(CELLS), np.uint32(seed & 0xFFFFFFFF)),
        out,
    )
    return out


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _read(buffer, view, optics, poses, lattice, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    depth, number, place = buffer
    turn, eye = view
    focal, cx, cy = optics
    axes, cells, seed = lattice
    for i in range(len(depth)):
        z = depth[i]
        if z <= 0.0:
            continue
        right, down = (place[i, 0] - cx) / focal * z, (place[i, 1] - cy) / focal * z
        x = eye[0] + turn[0, 0] * right + turn[1, 0] * down + turn[2, 0] * z
        y = eye[1] + turn[0, 1] * right + turn[1, 1] * down + turn[2, 1] * z
        up = eye[2] + turn[0, 2] * right + turn[1, 2] * down + turn[2, 2] * z
        agent = int(number[i]) - 1
        if agent >= 0:
            px, py, c, s = poses[agent]
            x, y = (x - px) * c + (y - py) * s, -(x - px) * s + (y - py) * c
        u = axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * up
        v = axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * up
        w = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * up
        key = seed ^ (np.uint32(agent + 1) * _N)
        for k in range(len(cells)):
            out[k, i] = _hashed(u / cells[k], v / cells[k], w / cells[k], key + np.uint32(k))


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _hashed(u, v, w, key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Uniform value of a cell: its whole coordinates mixed with a key (Mueller's hash)."""
    h = np.uint32(np.int64(np.floor(u)) & 0xFFFFFFFF) * _X
    h ^= np.uint32(np.int64(np.floor(v)) & 0xFFFFFFFF) * _Y
    h ^= np.uint32(np.int64(np.floor(w)) & 0xFFFFFFFF) * _Z
    h = np.uint32(h ^ key)
    h = np.uint32((h ^ (h >> _STEP)) * _MIX)
    h = np.uint32((h ^ (h >> _STEP)) * _MIX)
    h = np.uint32(h ^ (h >> _STEP))
    return np.float32(np.float64(h) / 2147483647.5 - 1.0)
