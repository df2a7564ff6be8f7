"""The spherical rasteriser finds what rays find."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.geometry.transforms import se3
from scenegen.render import RayGrid, cast_grid
from tests.render.builders import cast, random_triangles, soup

GRID = RayGrid(
    elevation=np.radians(np.array([2.0, -40.0, -1.0, 15.0, -8.0, 30.0, 75.0, -85.0])), columns=180
)


@pytest.mark.parametrize("seed", range(12))
def test_rays_meet_the_triangle_that_brute_force_meets(seed: int) -> None:
    """Range and face agree with casting every ray at every triangle, in any pose."""
    corners = random_triangles(seed)
    rng = np.random.default_rng(seed)
    pose = se3(rng.uniform(-2, 2, 3), *rng.uniform(-1, 1, 2), rng.uniform(-3, 3))
    rays = GRID.directions.reshape(-1, 3) @ pose[:3, :3].T
    expected, face = cast(pose[:3, 3], rays, corners)

    image = cast_grid(soup(corners), GRID, pose, reach=1e9)

    same = image.face.reshape(-1) == face
    assert same.mean() > 0.999
    hit = same & (face >= 0)
    assert hit.sum() > 20
    np.testing.assert_allclose(image.range.reshape(-1)[hit], expected[hit], rtol=1e-4)


def test_a_floor_is_met_all_around_at_height_over_sine() -> None:
    """Under the sensor lies one large triangle that its axis pierces: every column meets it."""
    floor = np.array([[(-900, -900, 0), (900, -900, 0), (0, 1800, 0)]], float)
    grid = RayGrid(elevation=np.radians(np.array([-90.0, -30.0, -10.0, 5.0])), columns=64)

    image = cast_grid(soup(floor), grid, se3(np.array([0, 0, 2.0]), 0, 0, 0), reach=1e9)

    np.testing.assert_allclose(image.range[1], 4.0, rtol=1e-6)
    np.testing.assert_allclose(image.range[2], 2 / np.sin(np.radians(10)), rtol=1e-6)
    np.testing.assert_allclose(image.incidence[1], 0.5, rtol=1e-5)
    assert np.isinf(image.range[3]).all()


@pytest.mark.parametrize("columns", [1, 7, 360])
def test_a_wall_behind_is_seen_across_the_seam(columns: int) -> None:
    """The seam of the azimuths at the back hides nothing."""
    wall = np.array([[(-5, -40, -9), (-5, 40, -9), (-5, 0, 30)]], float)
    grid = RayGrid(elevation=np.zeros(1), columns=columns)

    image = cast_grid(soup(wall), grid, np.eye(4), reach=1e9)

    behind = np.abs(grid.azimuth) > np.pi / 2 + 0.5
    np.testing.assert_allclose(
        image.range[0, behind], 5 / np.abs(np.cos(grid.azimuth[behind])), rtol=1e-6
    )
