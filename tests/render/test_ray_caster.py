"""Arbitrary rays find what brute force, the grid caster and Embree find."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.render import RayGrid, cast_grid
from scenegen.render.rasterizer import NOTHING
from scenegen.render.ray_caster import Caster, MissingExtraError, cast_rays
from tests.render.builders import cast, random_triangles, soup

HAS_EMBREE = importlib.util.find_spec("embreex") is not None


def sphere(seed: int, count: int) -> FloatArray:
    """Draw directions evenly, shape (count, 3)."""
    rays = np.random.default_rng(seed).normal(size=(count, 3))
    return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))


@pytest.mark.parametrize("seed", range(5))
def test_the_tree_finds_what_brute_force_finds(seed: int) -> None:
    """Faces agree on every ray, and ranges to a micrometre."""
    corners, rays = random_triangles(seed), sphere(seed, 1500)

    found = cast_rays(soup(corners), np.zeros((1500, 3)), rays, reach=1e9)

    ranges, face = cast(np.zeros(3), rays, corners)
    met = face >= 0
    np.testing.assert_array_equal(found.face, face)
    np.testing.assert_allclose(found.range[met], ranges[met], atol=5e-6)
    assert np.isinf(found.range[~met]).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_tree_and_the_grid_agree(seed: int) -> None:
    """The rays of a spinning lidar meet the same faces at the same incidence."""
    triangles = soup(random_triangles(seed))
    grid = RayGrid(elevation=np.radians(np.linspace(-25, 15, 24)), columns=200)
    rays = grid.directions.reshape(-1, 3)

    found = cast_rays(triangles, np.zeros_like(rays), rays, reach=1e9)

    image = cast_grid(triangles, grid, np.eye(4), reach=1e9)
    np.testing.assert_array_equal(found.face, image.face.reshape(-1))
    np.testing.assert_allclose(found.incidence, image.incidence.reshape(-1), atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_moving_triangles_are_met_where_they_are(seed: int) -> None:
    """A thing with a velocity is met at the ray's time as if it stood where it is by then."""
    corners, rays = random_triangles(seed), sphere(seed, 600)
    rng = np.random.default_rng(seed)
    motions = np.zeros((len(corners), 5))
    motions[:, :2] = rng.uniform(-20, 20, (len(corners), 2))
    origin = np.zeros((600, 3))

    for time in (-0.05, 0.03):
        found = cast_rays(
            soup(corners), origin, rays, reach=1e9, time=np.full(600, time), motions=motions
        )

        shift = np.column_stack([motions[:, :2] * time, np.zeros(len(corners))])
        ranges, face = cast(np.zeros(3), rays, corners + shift[:, None])
        same = found.face == face
        assert same.mean() > 0.995  # float32 vertices decide at edges
        both = same & (face >= 0)
        np.testing.assert_allclose(found.range[both], ranges[both], atol=1e-4)


def test_a_turning_thing_is_met_where_it_has_turned_to() -> None:
    """A wall that turns by 90 degrees a second about its middle is oblique after 0.5 s."""
    corners = np.array([[[10, -50, -50], [10, 50, -50], [10, 0, 90]]], np.float64)
    motions = np.array([[0, 0, np.pi / 2, 10.0, 0.0]])
    ray = np.array([[1.0, 0, 0]])

    found = cast_rays(
        soup(corners), np.zeros((1, 3)), ray, reach=100, time=np.array([0.5]), motions=motions
    )

    assert found.range[0] == pytest.approx(10.0, abs=1e-5)
    assert found.incidence[0] == pytest.approx(np.cos(np.pi / 4), abs=1e-5)


def test_nothing_is_met_beyond_the_reach() -> None:
    """A wall at 10 m is not there for a reach of 9 m."""
    corners = np.array([[[10, -5, -5], [10, 5, -5], [10, 0, 9]]], np.float64)

    found = cast_rays(soup(corners), np.zeros((1, 3)), np.array([[1.0, 0, 0]]), reach=9.0)

    assert found.face[0] == NOTHING


@pytest.mark.skipif(HAS_EMBREE, reason="embreex is installed here, so nothing is missing")
def test_embree_says_what_to_install() -> None:
    """Without the extra, asking for Embree is an error that names the command."""
    with pytest.raises(MissingExtraError, match=r"pip install 'scenegen\[raycast\]'"):
        cast_rays(
            soup(random_triangles(0)),
            np.zeros((1, 3)),
            np.array([[1.0, 0, 0]]),
            reach=9.0,
            caster=Caster.EMBREE,
        )


@pytest.mark.oracle
@pytest.mark.skipif(not HAS_EMBREE, reason="embreex is not installed; put it on PYTHONPATH")
@pytest.mark.parametrize("seed", range(3))
def test_embree_and_the_tree_agree(seed: int) -> None:
    """At least 99.8 % of the rays meet the same face."""
    triangles, rays = soup(random_triangles(seed)), sphere(seed, 3000)

    tree, embree = (
        cast_rays(triangles, np.zeros_like(rays), rays, reach=1e9, caster=caster)
        for caster in (Caster.TREE, Caster.EMBREE)
    )

    assert (tree.face == embree.face).mean() > 0.998
