"""Transforms cancel."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.geometry.angles import wrap_angle
from scenegen.geometry.transforms import rotation, se3, se3_inverse, to_local, to_map


@pytest.mark.parametrize("seed", range(5))
def test_to_map_undoes_to_local(seed: int) -> None:
    """Into a frame and out again gives the same point."""
    rng = np.random.default_rng(seed)
    points, origin = rng.normal(0, 50, (20, 2)), rng.normal(0, 50, (20, 2))
    yaw = rng.uniform(-9, 9, 20)

    np.testing.assert_allclose(to_map(to_local(points, origin, yaw), origin, yaw), points)


@pytest.mark.parametrize("seed", range(5))
def test_an_inverse_cancels(seed: int) -> None:
    """child_from_parent @ parent_from_child is the identity."""
    rng = np.random.default_rng(seed)
    transform = se3(rng.normal(0, 9, 3), *rng.uniform(-1, 1, 3))

    np.testing.assert_allclose(se3_inverse(transform) @ transform, np.eye(4), atol=1e-12)


def test_left_is_positive_y() -> None:
    """A point on the left of a car that heads north has positive y (ISO 8855)."""
    local = to_local(np.array([-2.0, 0.0]), np.zeros(2), np.array(np.pi / 2))

    np.testing.assert_allclose(local, [0.0, 2.0], atol=1e-12)


def test_yaw_turns_the_plane_like_the_matrix() -> None:
    """The plane rotation and the space transform agree."""
    turn = se3(np.zeros(3), 0.0, 0.0, 0.7)

    np.testing.assert_allclose(turn[:2, :2], rotation(np.array(0.7)))


@pytest.mark.parametrize("angle", [-np.pi, np.pi, 3 * np.pi, -7.5, 100.0, 0.0])
def test_wrapping_keeps_the_direction(angle: float) -> None:
    """A wrapped angle lies in (-pi, pi] and points the same way."""
    wrapped = float(wrap_angle(np.array(angle)))

    assert -np.pi < wrapped <= np.pi
    assert np.exp(1j * wrapped) == pytest.approx(np.exp(1j * angle))
