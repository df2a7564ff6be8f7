"""The camera sees what rays see."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.render import PinholeCamera, View
from scenegen.render.camera import NEAR
from scenegen.render.gbuffer import GBuffer, Samples, resolve
from scenegen.render.rasterizer import rasterize
from scenegen.render.silhouettes import trace
from scenegen.render.textures import draw_textures
from scenegen.render.triangles import Triangles
from tests.render.builders import cast, clumps, cube, of_mesh, random_triangles, soup

FORWARD = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
CAMERA = PinholeCamera(width_px=96, height_px=64, fov=np.radians(75))


def rays(camera: PinholeCamera, turn: FloatArray) -> FloatArray:
    """Rays through the pixel centres with unit advance along the axis, (H * W, 3)."""
    rows, columns = np.divmod(np.arange(camera.height_px * camera.width_px), camera.width_px)
    x = (columns + 0.5 - camera.width_px / 2) / camera.focal_px
    y = (rows + 0.5 - camera.height_px / 2) / camera.focal_px
    return np.stack([x, y, np.ones_like(x)], -1) @ turn


def see(triangles: Triangles, view: View) -> GBuffer:
    """Rasterise and resolve, one sample per pixel."""
    visibility = rasterize(triangles, view)
    samples = Samples.centers(visibility)
    return resolve(triangles, view, samples, draw_textures(0, 0.1), lamps_on=0.0)


def turned(seed: int) -> FloatArray:
    """Draw a rotation matrix."""
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q * np.linalg.det(q)


@pytest.mark.parametrize("seed", range(12))
def test_pixels_see_the_triangle_that_their_ray_meets_first(seed: int) -> None:
    """The z-buffer agrees with casting every ray at every triangle, also at the near plane."""
    corners = random_triangles(seed)
    view = View(camera=CAMERA, turn=turned(seed), eye=np.zeros(3))
    t, face = cast(np.zeros(3), rays(CAMERA, view.turn), corners)
    clear = ~np.isfinite(t) | (t > 1.01 * NEAR)

    found = see(soup(corners), view)

    same = found.samples.face[clear] == face[clear]
    assert same.mean() > 0.9995
    seen = clear & (face >= 0) & (found.samples.face == face)
    np.testing.assert_allclose(found.depth[seen], t[seen], rtol=1e-4)


def test_a_cube_projects_where_the_pinhole_formula_says() -> None:
    """A cube of 2 m, 10 m ahead and 1 m to the left, covers f y / x pixels from the middle."""
    triangles = of_mesh(cube(2.0), (10.0, 1.0, 0.0))
    view = View(camera=CAMERA, turn=FORWARD, eye=np.zeros(3))
    f = CAMERA.focal_px

    shown = see(triangles, view).instance.reshape(64, 96) > 0

    rows, columns = np.nonzero(shown)
    assert abs(columns.min() - (48 - f * 2 / 9)) <= 1
    assert abs(columns.max() + 1 - (48 - f * 0 / 9)) <= 1
    assert abs(rows.min() - (32 - f * 1 / 9)) <= 1
    assert abs(rows.max() + 1 - (32 + f * 1 / 9)) <= 1


def test_depth_of_the_ground_has_its_closed_form() -> None:
    """Row v sees a plane h below the camera at depth f h / (v - v0)."""
    corners = np.array([[(0, -900, -1.5), (900, -900, -1.5), (900, 900, -1.5)],
                        [(0, -900, -1.5), (900, 900, -1.5), (0, 900, -1.5)]], float)  # fmt: skip
    view = View(camera=CAMERA, turn=FORWARD, eye=np.zeros(3))

    depth = see(soup(corners), view).depth.reshape(64, 96)

    rows = np.arange(36, 64)
    expected = CAMERA.focal_px * 1.5 / (rows + 0.5 - 32)
    np.testing.assert_allclose(depth[36:], np.broadcast_to(expected[:, None], (28, 96)), rtol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_neighbouring_triangles_leave_no_gap(seed: int) -> None:
    """A fan around a point inside the view covers all pixels of its outline."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, 40))
    rim = np.stack([0 * angle + 10, 30 * np.cos(angle), 30 * np.sin(angle)], -1)
    hub = np.array([10.0, *rng.uniform(-2, 2, 2)])
    fan = np.stack([np.broadcast_to(hub, rim.shape), rim, np.roll(rim, -1, 0)], 1)
    view = View(camera=CAMERA, turn=FORWARD, eye=np.zeros(3))

    visibility = rasterize(soup(fan), view)

    assert (visibility.face >= 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_normals_face_the_camera(seed: int) -> None:
    """Every seen surface has a unit normal on the side of the viewer."""
    triangles = of_mesh(cube(3.0), (0.0, 0.0, 0.0))
    turn = turned(seed)
    view = View(camera=CAMERA, turn=turn, eye=-9.0 * turn[2])

    buffer = see(triangles, view)

    seen = buffer.depth > 0
    np.testing.assert_allclose(np.linalg.norm(buffer.normal[seen], axis=1), 1, rtol=1e-5)
    assert seen.any()


def test_an_outline_counts_hidden_pixels_too() -> None:
    """A cube behind another has the outline it would have alone, and no visible pixel."""
    near, far, ahead = cube(3.0), cube(2.0), np.array([1.0, 0.0, 0.0])
    corners = np.concatenate(
        [near.vertices[near.faces] + 8 * ahead, far.vertices[far.faces] + 16 * ahead]
    )
    triangles = soup(corners.astype(float))
    view = View(camera=CAMERA, turn=FORWARD, eye=np.zeros(3))
    behind = np.arange(len(near.faces), len(corners))

    alone = trace(soup(corners[behind].astype(float)), view, np.arange(len(behind)))
    outline = trace(triangles, view, behind)

    assert outline.pixels.sum() > 0
    np.testing.assert_array_equal(outline.pixels, alone.pixels)
    assert not np.isin(rasterize(triangles, view).face, behind).any()


def crowd(seed: int, things: int = 60, faces: int = 30) -> FloatArray:
    """Draw clumps of small triangles, many behind others, corners of shape (K, n, 3, 3)."""
    rng = np.random.default_rng(seed)
    middle = rng.uniform([2, -8, -4], [30, 8, 4], (things, 3))[:, None, None]
    corners = (
        middle
        + rng.normal(0, 0.9, (things, faces, 1, 3))
        + rng.normal(0, 0.9, (things, faces, 3, 3))
    )
    return corners.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_left_out_early_would_not_be_seen(seed: int) -> None:
    """Among clumps that hide each other every pixel sees what its ray meets first."""
    corners = crowd(seed)
    view = View(camera=CAMERA, turn=FORWARD, eye=np.zeros(3))
    t, face = cast(np.zeros(3), rays(CAMERA, FORWARD), corners.reshape(-1, 3, 3))

    seen = rasterize(clumps(corners), view)

    same = seen.face.reshape(-1) == face
    assert (face >= 0).mean() > 0.5
    assert same.mean() > 0.9995
    depth = np.where(face >= 0, t, np.inf)[same]
    np.testing.assert_allclose(seen.inverse_depth.reshape(-1)[same], 1 / depth, rtol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_things_changes_no_bit_of_the_depth(seed: int) -> None:
    """The nearest surface is the nearest, whichever way things are listed and left out."""
    corners = crowd(seed)
    view = View(camera=CAMERA, turn=FORWARD, eye=np.zeros(3))
    order = np.random.default_rng(seed).permutation(len(corners))
    alone = [rasterize(clumps(c[None]), view).inverse_depth for c in corners]

    listed = rasterize(clumps(corners), view).inverse_depth
    shuffled = rasterize(clumps(corners[order]), view).inverse_depth

    np.testing.assert_array_equal(listed, shuffled)
    np.testing.assert_array_equal(listed, np.max(alone, 0))
