"""Time to contact and post-encroachment time of boxes against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.geometry.boxes import boxes_overlap
from scenegen.scene import AgentKind, AgentStates
from scenegen.sim import pairs
from scenegen.sim.encroachment import post_encroachment_time, time_to_contact
from tests.builders import cars

SEEDS = range(20)


def draw_pair(rng: np.random.Generator) -> AgentStates:
    """Two boxes of random kind and pose that head roughly for one another."""
    rows = []
    for sign in (-1.0, 1.0):
        x, y = sign * rng.uniform(2, 30), rng.uniform(-8, 8)
        yaw = np.arctan2(-y, -x) + rng.normal(0, 0.4)
        kind = AgentKind(int(rng.integers(0, 7)))
        rows.append((kind, float(x), float(y), float(yaw), float(rng.uniform(0, 20))))
    return AgentStates.of(rows)


def contact(states: AgentStates) -> float:
    """Time to contact of the first two agents."""
    args = [
        (states.position[k].astype(np.float64), states.velocity[k].astype(np.float64))
        for k in (0, 1)
    ]
    shape = [(states.yaw[k], states.size[k]) for k in (0, 1)]
    return float(time_to_contact(*args[0], *shape[0], *args[1], *shape[1]))


def overlap_after(states: AgentStates, times: np.ndarray) -> np.ndarray:
    """Whether the first two boxes overlap after going straight on for some times."""
    where = states.position[:, None].astype(np.float64) + (
        times[:, None] * states.velocity[:, None].astype(np.float64)
    )
    return boxes_overlap(
        where[0], states.yaw[0], states.size[0], where[1], states.yaw[1], states.size[1]
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_contact_time_is_where_stepping_finds_it(seed: int) -> None:
    """Stepping both boxes forward by 1 ms meets the first overlap at the swept-box time."""
    rng = np.random.default_rng(seed)
    times = np.arange(0, 10, 0.001)
    for _ in range(20):
        states = draw_pair(rng)
        exact = contact(states)
        hits = times[overlap_after(states, times)]
        if len(hits):
            assert hits[0] - 0.0011 <= exact <= hits[0] + 1e-6
        else:  # a graze shorter than the step may hide between two steps
            assert exact > 9.99 or overlap_after(states, np.array([exact + 1e-7, exact])).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_contact_time_is_symmetric(seed: int) -> None:
    """Which box is called first does not matter."""
    states = draw_pair(np.random.default_rng(seed))

    assert contact(states) == pytest.approx(contact(states[::-1]), rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_ttc_of_a_pair_on_one_heading_is_longitudinal(seed: int) -> None:
    """On a common heading the swept boxes and gap over closing speed agree."""
    rng = np.random.default_rng(seed)
    lead = rng.uniform(10, 60)
    states = cars((0.0, 0.0, float(rng.uniform(10, 30))), (float(lead), 0.5, 5.0))

    ttc = float(pairs.ttc(states, 0, 1))

    assert ttc == pytest.approx(contact(states), rel=1e-9)
    gap = float(states.position[1, 0]) - float(states.size[0, 0])
    assert float(pairs.gap(states, 0, 1)) == pytest.approx(gap, rel=1e-12)
    assert ttc == pytest.approx(gap / float(pairs.closing(states, 0, 1)), rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_ttc_off_the_path_is_the_contact_of_the_boxes(seed: int) -> None:
    """Where the other is not in the corridor ahead, TTC is the time to contact."""
    rng = np.random.default_rng(seed)
    for _ in range(50):
        states = draw_pair(rng)
        if np.isinf(pairs.gap(states, 0, 1)):
            assert float(pairs.ttc(states, 0, 1)) == pytest.approx(contact(states), rel=1e-5)
        assert (float(pairs.separation(states, 0, 1)) <= 0) == (contact(states) == 0)


def test_oncoming_traffic_in_the_next_lane_is_no_conflict() -> None:
    """An oncoming car 3.5 m aside is never hit and has no gap."""
    rows = [(AgentKind.CAR, 0.0, 0.0, 0.0, 20.0), (AgentKind.CAR, 50.0, 3.5, np.pi, 20.0)]
    states = AgentStates.of(rows)

    assert np.isinf(pairs.ttc(states, 0, 1))
    assert np.isinf(pairs.gap(states, 0, 1))


def test_overlap_is_zero_not_negative() -> None:
    """Gap, TTC, headway and distance are 0 while the boxes overlap."""
    states = cars((0.0, 0.0, 10.0), (3.0, 0.2, 10.0))

    for measure in (pairs.gap, pairs.ttc, pairs.thw, pairs.distance):
        assert float(measure(states, 0, 1)) == 0.0


def test_an_empty_slot_is_never_near() -> None:
    """Against an empty slot nothing closes in."""
    states = cars((0.0, 0.0, 10.0)).padded(2)

    assert np.isinf(pairs.gap(states, 0, 1))
    assert np.isinf(pairs.ttc(states, 0, 1))
    assert np.isinf(pairs.distance(states, 0, 1))
    assert float(pairs.closing(states, 0, 1)) == 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_shortfall_has_the_sign_of_the_comparison(seed: int) -> None:
    """The finite margin is positive exactly where TTC is below the threshold."""
    rng = np.random.default_rng(seed)
    for _ in range(50):
        states, threshold = draw_pair(rng), float(rng.uniform(0.2, 6))
        margin = float(pairs.ttc_shortfall(states, 0, 1, threshold))

        assert np.isfinite(margin)
        assert (margin > 0) == (float(pairs.ttc(states, 0, 1)) < threshold)


@pytest.mark.parametrize("seed", SEEDS)
def test_shortfall_grows_with_the_threshold(seed: int) -> None:
    """A laxer threshold never lowers the margin."""
    states = draw_pair(np.random.default_rng(seed))

    margins = [float(pairs.ttc_shortfall(states, 0, 1, x)) for x in np.linspace(0.1, 8, 40)]

    assert (np.diff(margins) >= 0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_do_not_care_where_the_map_begins(seed: int) -> None:
    """Moving and turning both agents together changes no pairwise measure."""
    rng = np.random.default_rng(seed)
    states = draw_pair(rng)
    turn, shift = rng.uniform(-3, 3), rng.uniform(-100, 100, 2)
    cos, sin = np.cos(turn), np.sin(turn)
    position = states.position.astype(np.float64)
    moved = AgentStates(
        position=position @ np.array([[cos, sin], [-sin, cos]]) + shift,
        yaw=states.yaw.astype(np.float64) + turn,
        speed=states.speed,
        size=states.size,
        kind=states.kind,
        valid=states.valid,
    )

    for measure in (pairs.gap, pairs.closing, pairs.ttc, pairs.distance):
        before, after = float(measure(states, 0, 1)), float(measure(moved, 0, 1))
        assert after == pytest.approx(before, rel=1e-6, abs=1e-6)


def test_index_arrays_broadcast() -> None:
    """Column against row gives the whole matrix."""
    states = AgentStates.stack([cars((0, 0, 10), (20, 0, 5), (50, 3.5, 8))] * 4)
    index = np.arange(3)

    matrix = pairs.ttc(states, index[:, None], index[None, :])

    assert matrix.shape == (4, 3, 3)
    assert matrix[0, 0, 1] == pairs.ttc(states, 0, 1)[0]


def crossing(delay: float, angle: float = np.pi / 2) -> tuple[np.ndarray, ...]:
    """Two cars at 10 m/s through the origin, the second `delay` seconds later."""
    times = np.arange(0, 10.05, 0.1)
    zero = np.zeros(len(times))
    first = np.stack([10.0 * (times - 4.0), zero], -1)
    along = 10.0 * (times - 4.0 - delay)
    second = along[:, None] * np.array([np.cos(angle), np.sin(angle)])
    size = np.array([4.5, 1.85])
    return first, zero, size, second, zero + angle, size, times


@pytest.mark.parametrize("delay", [0.8, 1.0, 2.0, 4.0, -1.5])
def test_pet_of_a_right_angle_crossing_is_that_of_the_conflict_area(delay: float) -> None:
    """The first leaves the area (length + width) / 2 after its centre, the second enters before."""
    pet = post_encroachment_time(*crossing(delay))

    assert pet == pytest.approx(abs(delay) - (4.5 + 1.85) / 10.0, abs=0.0401)


def test_pet_is_zero_in_a_crash_and_infinite_without_a_shared_spot() -> None:
    """Overlap at one time is no encroachment in turn; parallel paths share nothing."""
    first, yaw, size, *_, times = crossing(0.1)

    assert post_encroachment_time(*crossing(0.1)) == 0.0
    beside = first + np.array([0.0, 3.5])
    assert np.isinf(post_encroachment_time(first, yaw, size, beside, yaw, size, times))


def test_pet_on_one_path_is_the_time_gap() -> None:
    """A follower 30 m behind at 10 m/s reaches the leader's rear bumper after 3 s less a length."""
    first, yaw, size, *_, times = crossing(0.0)

    pet = post_encroachment_time(first, yaw, size, first - np.array([30.0, 0]), yaw, size, times)

    assert pet == pytest.approx((30.0 - 4.5) / 10.0, abs=0.0401)


@pytest.mark.parametrize("seed", range(6))
def test_pet_agrees_with_brute_force(seed: int) -> None:
    """Comparing every instant of one with every instant of the other gives the same lag."""
    rng = np.random.default_rng(seed)
    a, yaw_a, size, b, yaw_b, _, times = crossing(
        float(rng.uniform(-3, 3)), float(rng.uniform(0.3, 2.8))
    )
    step = times[:, None] - times[None, :]
    overlap = boxes_overlap(a[:, None], yaw_a[:, None], size, b[None], yaw_b[None], size)

    coarse = np.abs(step[overlap]).min() if overlap.any() else np.inf
    pet = post_encroachment_time(a, yaw_a, size, b, yaw_b, size, times, resolution=0.1)

    assert pet == pytest.approx(coarse, abs=1e-9)
