"""Surrogate safety measures against kinematics."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.sim.criticality import (
    deceleration_to_avoid_crash,
    modified_time_to_collision,
    required_deceleration,
    rss_longitudinal_distance,
    time_exposed,
    time_headway,
    time_integrated,
    time_to_collision,
)

SEEDS = range(5)


@pytest.mark.parametrize("seed", SEEDS)
def test_ttc_is_when_the_gap_is_used_up(seed: int) -> None:
    """At the time to collision exactly the gap has been closed."""
    rng = np.random.default_rng(seed)
    gap, closing = rng.uniform(0.1, 100, 64), rng.uniform(0.1, 30, 64)

    ttc = time_to_collision(gap, closing)

    np.testing.assert_allclose(gap - closing * ttc, 0.0, atol=1e-9)


def test_ttc_edge_cases() -> None:
    """An opening or constant gap is never hit; contact is now, whatever the speeds."""
    gap = np.array([10.0, 10.0, 0.0, -1.0])
    closing = np.array([0.0, -3.0, -3.0, 5.0])

    assert time_to_collision(gap, closing).tolist() == [np.inf, np.inf, 0.0, 0.0]


@pytest.mark.parametrize("seed", SEEDS)
def test_mttc_is_the_first_root_of_the_gap(seed: int) -> None:
    """The gap under constant acceleration is positive before MTTC and zero at it."""
    rng = np.random.default_rng(seed)
    gap, closing = rng.uniform(0.1, 60, 256), rng.uniform(-15, 15, 256)
    rate = rng.uniform(-6, 6, 256)

    mttc = modified_time_to_collision(gap, closing, rate)

    end = np.minimum(mttc, 50.0)[:, None] * np.linspace(0, 1, 400)[None, :-1]
    left = gap[:, None] - closing[:, None] * end - rate[:, None] * end**2 / 2
    assert (left > 0).all()
    hit = np.isfinite(mttc)
    at = gap[hit] - closing[hit] * mttc[hit] - rate[hit] * mttc[hit] ** 2 / 2
    np.testing.assert_allclose(at, 0.0, atol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_mttc_without_acceleration_is_ttc(seed: int) -> None:
    """Constant speed is the special case of constant acceleration zero."""
    rng = np.random.default_rng(seed)
    gap, closing = rng.uniform(0, 60, 64), rng.uniform(-15, 15, 64)

    mttc = modified_time_to_collision(gap, closing, np.zeros(64))

    np.testing.assert_allclose(mttc, time_to_collision(gap, closing))


@pytest.mark.parametrize("seed", SEEDS)
def test_drac_just_stops_the_approach(seed: int) -> None:
    """Braking by DRAC brings the closing speed to zero exactly at the leader's bumper."""
    rng = np.random.default_rng(seed)
    gap, closing = rng.uniform(0.1, 60, 64), rng.uniform(0.1, 15, 64)

    drac = deceleration_to_avoid_crash(gap, closing)

    np.testing.assert_allclose(closing**2 / (2 * drac), gap)


def test_drac_edge_cases() -> None:
    """No closing needs no braking; at contact none is enough."""
    drac = deceleration_to_avoid_crash(np.array([10.0, 10.0, 0.0]), np.array([0.0, -1.0, 1.0]))

    assert drac.tolist() == [0.0, 0.0, np.inf]


def smallest_gap(gap: float, speed: float, lead: float, lead_rate: float, brake: float) -> float:
    """Simulate both in closed form until the follower stands; the smallest gap on a fine grid."""
    t = np.linspace(0, 60, 60_001)
    own = np.minimum(t, speed / brake if brake > 0 else np.inf)
    x = speed * own - brake * own**2 / 2
    other = np.minimum(t, lead / -lead_rate if lead_rate < 0 else np.inf)
    x_lead = lead * other + lead_rate * other**2 / 2
    return float((gap + x_lead - x).min())


@pytest.mark.parametrize("seed", range(60))
def test_required_deceleration_is_the_least_that_avoids_contact(seed: int) -> None:
    """A little more braking keeps clear of the leader, a little less does not."""
    rng = np.random.default_rng(seed)
    gap, speed, lead = rng.uniform(2, 60), rng.uniform(5, 35), rng.uniform(0, 30)
    rate = rng.choice([0.0, rng.uniform(-8, -0.5)])

    need = float(required_deceleration(*(np.asarray(v) for v in (gap, speed, lead, rate))))

    assert smallest_gap(gap, speed, lead, rate, need * 1.01 + 1e-3) > -1e-3
    if need > 0.05:
        assert smallest_gap(gap, speed, lead, rate, need * 0.97) < 0


def test_headway_is_the_gap_in_seconds() -> None:
    """A standing follower has an infinite headway, contact none."""
    thw = time_headway(np.array([20.0, 20.0, 0.0]), np.array([10.0, 0.0, 0.0]))

    assert thw.tolist() == [2.0, np.inf, 0.0]


def test_exposure_counts_the_critical_instants() -> None:
    """A linear TTC from 5 s to 0 s is below 2 s for 2 s, by 2 s^2 / 2 on average."""
    ttc = np.linspace(5.0, 0.0, 5001)

    assert time_exposed(ttc, 2.0, 0.001) == pytest.approx(2.0, abs=0.002)
    assert time_integrated(ttc, 2.0, 0.001) == pytest.approx(2.0, abs=0.005)
    assert time_exposed(np.full(9, np.inf), 2.0, 0.1) == 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_rss_distance_survives_the_worst_case(seed: int) -> None:
    """From the safe distance, worst-case response and braking end without contact."""
    rng = np.random.default_rng(seed)
    rear, front = rng.uniform(0, 30), rng.uniform(0, 30)
    gap = float(rss_longitudinal_distance(np.asarray(rear), np.asarray(front)))

    peak = rear + 0.5 * 3.5
    travelled = rear * 0.5 + 3.5 * 0.25 / 2 + peak**2 / 8.0
    end = gap + front**2 / 16.0 - travelled
    assert end >= -1e-9
    assert gap == 0.0 or end == pytest.approx(0.0, abs=1e-9)
