"""Diversity, novelty, control and lift by closed forms and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scenegen.errors import ShapeError
from scenegen.evaluate.contacts import first_contacts
from scenegen.evaluate.control import attribute_error, encounter, satisfaction, satisfied
from scenegen.evaluate.diversity import (
    CollisionType,
    collision_types,
    coverage,
    knn_radii,
    precision,
    recall,
    scene_parameters,
    t_way_coverage,
    vendi_score,
)
from scenegen.evaluate.novelty import exact_copies, nearest_distances, novelty_ratio
from scenegen.evaluate.rare_lift import lift
from scenegen.query import parse
from scenegen.scene import AgentKind, AgentStates
from tests.builders import constant_speed_scenario, straight_road
from tests.evaluate.sets import random_set, scene_of

CAR = AgentKind.CAR


@pytest.mark.parametrize("seed", range(3))
def test_knn_measures_are_those_of_brute_force(seed: int) -> None:
    """Balls around every point, counted one by one."""
    rng = np.random.default_rng(seed)
    real, fake, k = rng.normal(size=(30, 2)), rng.normal(0.5, 1.0, (25, 2)), 3

    def radius(points: np.ndarray, i: int) -> float:
        return float(np.sort(np.hypot(*(points - points[i]).T))[k])

    def inside(point: np.ndarray, points: np.ndarray) -> bool:
        away = np.hypot(*(points - point).T)
        return any(away[j] <= radius(points, j) for j in range(len(points)))

    assert recall(real, fake, k) == pytest.approx(np.mean([inside(p, fake) for p in real]))
    assert precision(real, fake, k) == pytest.approx(np.mean([inside(p, real) for p in fake]))
    near = [np.hypot(*(fake - real[i]).T).min() <= radius(real, i) for i in range(len(real))]
    assert coverage(real, fake, k) == pytest.approx(np.mean(near))


def test_one_outlier_raises_recall_but_not_coverage() -> None:
    """Why both are reported: a far point has a ball that holds everything."""
    real = np.random.default_rng(0).normal(size=(50, 2))
    fake = np.concatenate([np.full((8, 2), -30.0) - np.arange(8)[:, None], [[1000.0, 1000.0]]])

    assert recall(real, fake) == 1.0
    assert coverage(real, fake) == 0.0


def test_radii_need_more_points_than_neighbours() -> None:
    """Five points have no fifth neighbour."""
    with pytest.raises(ShapeError):
        knn_radii(np.zeros((5, 2)))
    assert math.isnan(recall(np.zeros((5, 2)), np.zeros((9, 2))))


def test_the_vendi_score_counts_what_is_different() -> None:
    """Copies are one scene, six far scenes are six, two clusters are two."""
    far = np.arange(6.0)[:, None] * 1e3
    two = np.repeat([[0.0], [1e3]], 10, axis=0)

    assert vendi_score(np.zeros((6, 3)), 1.0) == pytest.approx(1.0)
    assert vendi_score(far, 1.0) == pytest.approx(6.0)
    assert vendi_score(two, 1.0) == pytest.approx(2.0)
    assert vendi_score(np.zeros((0, 3)), 1.0) == 0.0


@pytest.mark.parametrize(
    ("other", "speed", "kind"),
    [
        ((CAR, 220, 3.5, 0, 0), 10, CollisionType.REAR_END),
        ((CAR, 180, 3.5, 0, 20), 5, CollisionType.STRUCK_FROM_BEHIND),
        ((CAR, 240, 3.5, np.pi, 10), 10, CollisionType.HEAD_ON),
        ((CAR, 200, 8.0, -0.3, 10.5), 10, CollisionType.SIDE_SWIPE_LEFT),
        ((CAR, 200, -1.0, 0.3, 10.5), 10, CollisionType.SIDE_SWIPE_RIGHT),
        ((CAR, 200, 13.5, -np.pi / 2, 8), 0, CollisionType.STRUCK_LEFT),
        ((CAR, 200, -6.5, np.pi / 2, 8), 0, CollisionType.STRUCK_RIGHT),
        ((CAR, 211, 4.5, -np.pi / 2, 0.1), 10, CollisionType.FRONT_FROM_LEFT),
        ((CAR, 211, 2.5, np.pi / 2, 0.1), 10, CollisionType.FRONT_FROM_RIGHT),
    ],
)
def test_collisions_are_named_by_side_and_direction(
    other: tuple[AgentKind, float, float, float, float], speed: float, kind: CollisionType
) -> None:
    """Hand-made impacts of every named type but one."""
    scenes = scene_of((CAR, 200, 3.5, 0, speed), other)

    found = collision_types(scenes, first_contacts(scenes))

    assert {name: n for name, n in found.items() if n} == {kind: 1}


def test_scenes_without_a_collision_have_no_type() -> None:
    """All counts are there, and zero."""
    scenes = scene_of((CAR, 200, 3.5, 0, 10), (CAR, 230, 3.5, 0, 10))

    found = collision_types(scenes, first_contacts(scenes))

    assert set(found) == set(CollisionType)
    assert sum(found.values()) == 0


def test_three_way_coverage_by_hand() -> None:
    """Two cells per parameter, three parameters: 8 cells feasible, 2 of them shown."""
    corners = np.array(np.meshgrid([0.0, 1.0], [0.0, 1.0], [0.0, 1.0])).reshape(3, 8)
    feasible = {name: np.tile(column, 5) for name, column in zip("abc", corners, strict=True)}
    shown = {name: np.array([0.0, 1.0]) for name in "abc"}

    assert t_way_coverage(shown, feasible, cells=2) == pytest.approx(2 / 8)
    assert t_way_coverage(feasible, feasible, cells=2) == 1.0


def test_only_feasible_cells_count() -> None:
    """What the reference never shows is not asked, nor rewarded."""
    line = np.linspace(0.0, 1.0, 50)
    feasible = {"a": line, "b": line, "c": line}
    wild = {name: np.random.default_rng(k).random(500) for k, name in enumerate("abc")}

    assert t_way_coverage(wild, feasible) == 1.0
    with pytest.raises(ShapeError):
        t_way_coverage({"a": line}, feasible)


def test_parameters_of_scenes_are_finite() -> None:
    """Six numbers per scene, also for an ego alone."""
    scenes = random_set(5, 0)

    found = scene_parameters(scenes)

    assert len(found) == 6
    assert all(values.shape == (5,) and np.isfinite(values).all() for values in found.values())


def test_nearest_distances_are_those_of_brute_force() -> None:
    """One by one, and infinite without training scenes."""
    rng = np.random.default_rng(0)
    x, train = rng.normal(size=(10, 3)), rng.normal(size=(700, 3))

    by_hand = [np.sqrt(((train - row) ** 2).sum(1)).min() for row in x]

    np.testing.assert_allclose(nearest_distances(x, train), by_hand)
    assert np.isinf(nearest_distances(x, train[:0])).all()


def test_novelty_is_one_for_the_same_law_and_zero_for_copies() -> None:
    """Held-out scenes set the scale."""
    rng = np.random.default_rng(0)
    train, held, fresh = rng.normal(size=(3, 400, 3))

    assert novelty_ratio(fresh, held, train, rng).value == pytest.approx(1.0, abs=0.15)
    assert novelty_ratio(train, held, train, rng).value == pytest.approx(0.0, abs=1e-6)


def test_copies_are_found_whatever_the_order_of_the_background() -> None:
    """Slots dealt anew are still the same scene; a moved car is not."""
    scenes = random_set(6, 0)
    values = scenes.values[:3].copy()
    values[:, 4:9] = values[:, [8, 6, 5, 4, 7]]
    moved = scenes.values[3:].copy()
    moved[:, 4, 0] += 0.01

    assert exact_copies(values, scenes.values) == 1.0
    assert exact_copies(moved, scenes.values) == 0.0
    assert math.isnan(exact_copies(values[:0], scenes.values))


def test_satisfaction_counts_first_and_later_samples() -> None:
    """1 at once, 1 at the third, 1 too late, 1 never."""
    rng = np.random.default_rng(0)

    found = satisfaction(np.array([1, 3, 20, 0]), rng, guided=[True, True, False])

    assert found.first.value == pytest.approx(1 / 4)
    assert found.within.value == pytest.approx(2 / 4)
    assert found.tries.value == pytest.approx(2.0)
    assert found.guided.value == pytest.approx(2 / 3)
    assert math.isnan(satisfaction(np.array([1]), rng).guided.value)


def test_queries_judge_scenarios_exactly() -> None:
    """The query's own verdict is the judge."""
    near, far = (
        constant_speed_scenario(
            straight_road(), AgentStates.of([(CAR, 50, 0, 0, 15), (CAR, 50 + gap, 0, 0, 5)])
        )
        for gap in (30.0, 300.0)
    )

    assert satisfied(parse("ttc(ego, c) < 2s"), [near, far]) == [True, False]


def test_an_encounter_is_measured_where_it_is_nearest() -> None:
    """Closing at 10 m/s from 125.5 m, 8 s long: 4.55 s are left at the end."""
    scenario = constant_speed_scenario(
        straight_road(), AgentStates.of([(CAR, 50, 0, 0, 15), (CAR, 180, 0, 0, 5)])
    )

    found = encounter(scenario, 1)

    assert found.ttc == pytest.approx(4.55, abs=0.01)
    assert found.gap == pytest.approx(45.5, abs=0.01)
    assert found.speed == pytest.approx(15.0)


def test_a_request_that_failed_is_an_error_of_its_size() -> None:
    """Never meeting does not improve the mean."""
    rng = np.random.default_rng(0)

    found = attribute_error(np.array([1.0, 2.0]), np.array([1.5, np.inf]), rng)

    assert found.value == pytest.approx((0.5 + 2.0) / 2)


def test_lift_is_a_ratio_of_shares() -> None:
    """50 of 100 against 5 of 1000: 100 times per scene, 20 times per second at 5 x the cost."""
    found = lift(50, 100, 5, 1000, cpu_s=50.0, natural_cpu_s=100.0)

    assert found.per_scene.value == pytest.approx(100.0)
    assert found.per_cpu_second.value == pytest.approx(20.0)
    assert found.per_scene.low < 100.0 < found.per_scene.high
    assert not found.is_bound


def test_katz_intervals_cover_the_ratio() -> None:
    """About 95 of 100 intervals of drawn counts hold the true ratio of 10."""
    rng = np.random.default_rng(0)

    covered = []
    for a, b in zip(rng.binomial(500, 0.2, 400), rng.binomial(5000, 0.02, 400), strict=True):
        found = lift(int(a), 500, int(b), 5000, cpu_s=1.0, natural_cpu_s=1.0).per_scene
        covered.append(found.low <= 10.0 <= found.high)

    assert 0.92 <= np.mean(covered) <= 0.98


def test_what_never_happens_naturally_gives_a_lower_bound() -> None:
    """Nothing in 1,000: the natural rate is at most 0.38 %, and the lift at least what follows."""
    found = lift(50, 100, 0, 1000, cpu_s=1.0, natural_cpu_s=1.0)

    assert found.is_bound
    assert found.per_scene.high == math.inf
    assert found.per_scene.low == pytest.approx(found.model.low / found.natural.high)
    assert lift(0, 100, 5, 1000, cpu_s=1.0, natural_cpu_s=1.0).per_scene.value == 0.0
    with pytest.raises(ValueError, match="above 0"):
        lift(1, 10, 1, 10, cpu_s=0.0, natural_cpu_s=1.0)
