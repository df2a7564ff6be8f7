"""What cannot be is found, by brute force and in hand-made scenes."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from scenegen.evaluate.contacts import EVERY, NEVER, first_contacts, road_places
from scenegen.evaluate.realism import BINS, leaders, marginals, nearest_gap
from scenegen.evaluate.scene_set import SceneSet
from scenegen.evaluate.validity import (
    circle_overlaps,
    infeasible_steps,
    measure_validity,
    off_road,
)
from scenegen.geometry.boxes import box_corners
from scenegen.layout.map_tokens import MapTokens
from scenegen.layout.tokens import DYNAMICS, MOTION, PRESENCE
from scenegen.scene import AgentKind
from scenegen.scene.plans import KNOTS
from tests.evaluate.sets import random_set, scene_of

CAR = AgentKind.CAR


@pytest.mark.parametrize("seed", range(2))
def test_contacts_are_those_of_polygons(seed: int) -> None:
    """Shapely, at every instant and half way between, finds the same first step."""
    scenes = random_set(6, seed)
    values = scenes.values.copy()
    rng = np.random.default_rng(seed)
    values[:, 1:, MOTION] = rng.normal(0, 1.0, values[:, 1:, MOTION].shape)
    scenes = SceneSet.of_tokens(values, scenes.road)
    found = first_contacts(scenes)
    for s in range(len(scenes)):
        filled = np.flatnonzero(scenes.present[s]).tolist()
        for i in filled:
            for j in filled:
                if i < j:
                    assert found[s, i, j] == _brute_force(scenes, s, i, j)


def _brute_force(scenes: SceneSet, s: int, i: int, j: int) -> int:
    def outline(k: int, t: float) -> shapely.Polygon:
        low, high = int(np.floor(t)), int(np.ceil(t))
        place = [scenes.agents.position[s, q, k].astype(np.float64) for q in (low, high)]
        yaw = [float(scenes.agents.yaw[s, q, k]) for q in (low, high)]
        size = scenes.agents.size[s, 0, k].astype(np.float64)
        middle = (place[0] + place[1]) / 2
        return shapely.Polygon(box_corners(middle, np.array((yaw[0] + yaw[1]) / 2), size))

    for t in np.arange(0, scenes.agents.valid.shape[1] - 0.5, 0.5).tolist():
        if outline(i, t).intersects(outline(j, t)):
            return int(np.ceil(t))
    return NEVER


def test_a_car_drives_into_another_when_the_gap_is_used_up() -> None:
    """20 m between the bumpers at 10 m/s are gone after 2 s."""
    scenes = scene_of((CAR, 200, 0, 0, 10), (CAR, 224.5, 0, 0, 0))

    found = first_contacts(scenes)

    filled = np.flatnonzero(scenes.present[0])
    assert found[0][np.ix_(filled, filled)].tolist() == [[NEVER, 20], [20, NEVER]]


def test_circles_are_a_little_larger_than_boxes_are_wide() -> None:
    """Side by side, boxes that just do not touch overlap by the rule of Scenario Dreamer."""
    apart = scene_of((CAR, 200, 0, 0, 10), (CAR, 200, 1.88, 0, 10))
    clear = scene_of((CAR, 200, 0, 0, 10), (CAR, 200, 1.92, 0, 10))

    assert circle_overlaps(apart).sum() == 2
    assert circle_overlaps(clear).sum() == 0
    assert (first_contacts(apart) == 0).sum() == 0


def test_places_are_those_of_the_road() -> None:
    """On a straight road offset, heading and clearance are known by hand."""
    scenes = scene_of((CAR, 250, 3.5, 0, 0), (CAR, 270, 0.6, 0.1, 0), (CAR, 290, 9.5, 0, 5))

    places = road_places(scenes)

    slots = [0, *np.flatnonzero(scenes.present[0])[1:].tolist()]
    np.testing.assert_allclose(places.offset[0, 0, slots], [0.0, 0.6, 2.5], atol=0.01)
    np.testing.assert_allclose(places.heading_error[0, 0, slots], [0.0, 0.1, 0.0], atol=0.01)
    np.testing.assert_allclose(places.clearance[0, 0, slots], [1.75, 1.15, -0.75], atol=0.02)


def test_who_drives_beside_the_road_is_off_it_and_who_is_parked_is_not() -> None:
    """The moving car counts at every look, the standing one never."""
    scenes = scene_of((CAR, 250, 3.5, 0, 0), (CAR, 270, 9.5, 0, 5), (CAR, 230, 9.5, 0, 0))

    outside, looked = off_road(scenes, road_places(scenes))

    assert outside.sum() == looked.sum() == len(range(0, 81, EVERY))


def test_past_the_end_of_the_road_nothing_is_judged() -> None:
    """Traffic leaves where the road ends; that is not driving off it."""
    scenes = scene_of((CAR, 500, 3.5, 0, 10), (CAR, 590, 3.5, 0, 20))

    outside, looked = off_road(scenes, road_places(scenes))

    assert not outside.any()
    assert looked[0, 0, 4]
    assert not looked[0, -1, 4]
    assert looked[0, -1, 0]  # The ego is still on the road.


@pytest.mark.parametrize(("braking", "yaw_rate"), [(12.0, 0.0), (0.0, 0.8)])
def test_what_no_car_can_do_is_counted(braking: float, yaw_rate: float) -> None:
    """12 m/s^2 of braking, and 0.8 rad/s at 20 m/s, which is 1.6 g."""
    scenes = scene_of((CAR, 100, 3.5, 0, 20), (CAR, 250, 3.5, 0, 20))
    values = scenes.values.copy()
    values[:, 4, MOTION] = 0.0
    values[:, 4, MOTION.start : MOTION.start + 2] = -braking
    values[:, 4, MOTION.start + KNOTS : MOTION.stop] = np.arcsinh(yaw_rate / 0.05) / 0.6
    scenes = SceneSet.of_tokens(values, scenes.road)

    fast, bent, judged = infeasible_steps(scenes)

    assert judged[0, :, [0, 4]].all()
    assert fast[0, :, 4].any() == (braking > 0)
    assert bent[0, :, 4].any() == (yaw_rate > 0)
    assert not fast[0, :, 0].any()
    assert not bent[0, :, 0].any()


def test_sound_scenes_are_clean() -> None:
    """Cars at equal speed in their lanes: every share is zero, every scene is clean."""
    scenes = scene_of((CAR, 200, 0, 0, 10), (CAR, 220, 3.5, 0, 10), (CAR, 240, 0, 0, 10))

    found = measure_validity(
        scenes, first_contacts(scenes), road_places(scenes), np.random.default_rng(0)
    )

    for name in ("overlap", "circle_overlap", "collision", "offroad", "acceleration", "curvature"):
        assert getattr(found, name).value == 0.0, name
    assert found.clean.value == 1.0


def test_the_ego_may_collide_with_roles_but_the_background_may_not() -> None:
    """Unintended are contacts of background slots only."""
    scenes = scene_of((CAR, 200, 0, 0, 10), (CAR, 224.5, 0, 0, 0))

    found = measure_validity(
        scenes, first_contacts(scenes), road_places(scenes), np.random.default_rng(0)
    )

    assert found.collision.value == 1.0  # The one background agent is hit.
    assert found.overlap.value == 0.0


def test_moving_the_scene_moves_nothing() -> None:
    """Tokens are in the ego's frame, so that the place on the map does not count."""
    a = scene_of((CAR, 200, 0, 0, 10), (CAR, 230, 3.5, 0, 12))
    b = scene_of((CAR, 260, 0, 0, 10), (CAR, 290, 3.5, 0, 12))

    np.testing.assert_allclose(a.agents.position, b.agents.position, atol=1e-4)


def test_nearest_gap_and_leaders_by_hand() -> None:
    """30 m between centres; 25.5 m between bumpers; closing at 5 m/s."""
    scenes = scene_of((CAR, 200, 0, 0, 15), (CAR, 230, 0, 0, 10))

    near = nearest_gap(scenes.opening, scenes.vehicles)
    gap, ttc, thw = leaders(scenes.opening, scenes.vehicles)

    assert near[0, 0] == pytest.approx(30.0, abs=1e-3)
    assert gap[0, 0] == pytest.approx(25.5, abs=0.01)
    assert ttc[0, 0] == pytest.approx(5.1, abs=0.01)
    assert thw[0, 0] == pytest.approx(1.7, abs=0.01)
    assert gap[0, 4] > 1e5
    assert ttc[0, 4] == pytest.approx(5.1, abs=0.01)  # It is about to be struck from behind.


def test_every_marginal_counts_every_vehicle() -> None:
    """Histograms per scene hold as many entries as the scene has vehicles, instants or 1."""
    scenes = random_set(12, 0)

    found = marginals(scenes, road_places(scenes))

    cars = scenes.vehicles.sum(-1)
    assert set(found.counts) == set(BINS)
    for name in ("nearest gap", "length", "width", "speed", "time to collision", "gap and speed"):
        np.testing.assert_array_equal(found.counts[name].sum(1), cars)
    np.testing.assert_array_equal(found.counts["acceleration"].sum(1), 80 * cars)
    np.testing.assert_array_equal(found.counts["jerk"].sum(1), 79 * cars)
    np.testing.assert_array_equal(found.counts["count"].sum(1), np.ones(12))
    assert found.counts["speed"].shape == (12, 50)


def test_an_empty_set_has_shapes() -> None:
    """No scene is not an error: its figures are unknown."""
    some = random_set(2, 0)
    none = np.zeros(0, int)
    road = MapTokens(
        points=some.road.points[none],
        attributes=some.road.attributes[none],
        valid=some.road.valid[none],
    )
    scenes = SceneSet.of_tokens(some.values[none], road)

    found = measure_validity(
        scenes, first_contacts(scenes), road_places(scenes), np.random.default_rng(0)
    )

    assert len(scenes) == 0
    assert np.isnan(found.overlap.value)
    assert np.isnan(found.clean.value)


def test_tokens_that_are_not_finite_are_refused() -> None:
    """A model that gives nan is told so."""
    scenes = random_set(2, 0)
    values = scenes.values.copy()
    values[0, 0, DYNAMICS.start] = np.nan

    with pytest.raises(ValueError, match="1 scenes"):
        SceneSet.of_tokens(values, scenes.road)


def test_the_ego_is_always_there() -> None:
    """Its presence is not asked, as in decoding."""
    scenes = random_set(1, 0)
    values = scenes.values.copy()
    values[0, 0, PRESENCE] = -1.0

    assert SceneSet.of_tokens(values, scenes.road).present[0, 0]
