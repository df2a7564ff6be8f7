"""Closed forms that aim scripts, against numerical integration."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.events.kinematics import (
    lane_change_duration,
    time_to_shift,
    time_to_walk,
)


@pytest.mark.parametrize("displacement", [-3.5, 2.0, 3.75])
@pytest.mark.parametrize("peak", [0.5, 1.8])
def test_lane_change_covers_its_displacement_at_its_peak_speed(
    displacement: float, peak: float
) -> None:
    """The cycloid's lateral speed integrates to the displacement and peaks at the given speed."""
    duration = lane_change_duration(displacement, peak)
    t = np.linspace(0.0, duration, 20_001)
    speed = abs(displacement) / duration * (1.0 - np.cos(2 * np.pi * t / duration))

    assert speed.max() == pytest.approx(peak, rel=1e-6)
    assert np.trapezoid(speed, t) == pytest.approx(abs(displacement), rel=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.8])
def test_time_to_shift_is_when_that_part_is_done(share: float) -> None:
    """The integral of lateral speed up to that time is the part asked for."""
    whole, peak = 3.5, 1.2
    end = time_to_shift(whole, peak, share * whole)
    duration = lane_change_duration(whole, peak)
    t = np.linspace(0.0, end, 20_001)
    speed = whole / duration * (1.0 - np.cos(2 * np.pi * t / duration))

    assert np.trapezoid(speed, t) == pytest.approx(share * whole, abs=1e-4)


@pytest.mark.parametrize("distance", [0.0, 0.3, 1.0, 4.0, 9.0])
def test_walking_for_that_time_covers_the_distance(distance: float) -> None:
    """Speeding up evenly to the walking speed integrates to the distance."""
    t = np.linspace(0.0, time_to_walk(distance, 1.4, 1.5), 20_001)

    assert np.trapezoid(np.minimum(1.5 * t, 1.4), t) == pytest.approx(distance, abs=1e-6)
