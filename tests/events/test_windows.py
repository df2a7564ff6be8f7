"""Windowed margins, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.events.windows import FAR, all_of, recently, smoothed, soon


@pytest.mark.parametrize("seed", range(4))
def test_recently_is_the_maximum_over_the_window(seed: int) -> None:
    """The value is the largest of the present and the last instants within the window."""
    margin = np.random.default_rng(seed).normal(size=60)

    expected = [margin[max(0, t - 20) : t + 1].max() for t in range(60)]

    np.testing.assert_array_equal(recently(margin, 2.0), expected)


@pytest.mark.parametrize("seed", range(4))
def test_soon_is_recently_backwards(seed: int) -> None:
    """Looking ahead is looking back with time reversed."""
    margin = np.random.default_rng(seed).normal(size=60)

    np.testing.assert_array_equal(soon(margin, 1.5), recently(margin[::-1], 1.5)[::-1])


def test_other_groups_do_not_count() -> None:
    """What held on another lane path is forgotten."""
    margin, group = np.array([5.0, -1.0, -2.0]), np.array([0, 0, 1])

    np.testing.assert_array_equal(recently(margin, 1.0, group), [5.0, 5.0, -2.0])


def test_all_of_is_finite() -> None:
    """Infinities and NaN never leave a conjunction."""
    value = all_of(np.array([np.inf, np.nan, -np.inf]), np.array([np.inf, 1.0, 1.0]))

    np.testing.assert_array_equal(value, [FAR, -FAR, -FAR])


def test_smoothing_keeps_a_constant() -> None:
    """A moving average does not change what does not change, ends included."""
    np.testing.assert_allclose(smoothed(np.full(12, 3.0), 0.5), 3.0)
