"""Radar: closed forms of range rate and power, resolution, ghosts, false alarms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.scene import EGO, AgentKind, Conditions
from scenegen.sensors import RADAR_MODELS, Radar
from scenegen.sensors.radar import Origin, radar_echoes
from scenegen.sensors.radar_models import CROSS_SECTIONS, rain_loss
from tests.sensors.streets import Row, middle, sensed

FAR = Radar(model=RADAR_MODELS["long_range"])
NEAR = Radar()


def ahead(away: float, speed: float, kind: AgentKind = AgentKind.CAR) -> tuple[Row, ...]:
    """The ego at 20 m/s and one agent on its lane."""
    return ((AgentKind.CAR, 100.0, 3.5, 0.0, 20.0), (kind, 100.0 + away, 3.5, 0.0, speed))


@pytest.mark.parametrize("name", RADAR_MODELS)
@pytest.mark.parametrize("section", [0.1, 10.0])
def test_echoes_fall_with_the_fourth_power_of_range(name: str, section: float) -> None:
    """Twice as far, a sixteenth of the power; twice the section, twice the power."""
    model = RADAR_MODELS[name]
    ranges = np.array([20.0, 40.0, 60.0])

    snr = model.snr(np.full(3, section), ranges, np.zeros(3))

    np.testing.assert_allclose(snr[0] / snr, (ranges / ranges[0]) ** 4)
    np.testing.assert_allclose(model.snr(np.full(3, 2 * section), ranges, np.zeros(3)), 2 * snr)


def test_a_car_is_seen_at_the_stated_reach() -> None:
    """10 m^2 at the reach of the long range radar stand at least 13 dB out of the noise."""
    model = RADAR_MODELS["long_range"]

    snr = model.snr(np.array([10.0]), np.array([model.reach]), np.zeros(1))

    assert 10 * np.log10(snr[0]) > 13
    assert model.detection_chance(snr)[0] > 0.4


@pytest.mark.parametrize("snr", [0.0, 3.0, 30.0])
def test_detections_have_the_chance_of_swerling_1(snr: float) -> None:
    """Exponential power over the threshold happens as often as the closed form says."""
    model = replace(RADAR_MODELS["corner"], false_alarm=1e-2)
    power = (1 + snr) * np.random.default_rng(1).exponential(size=200_000)

    share = (power > model.threshold).mean()

    assert share == pytest.approx(float(model.detection_chance(np.array(snr))), abs=4e-3)


@pytest.mark.parametrize("speed", [5.0, 20.0, 31.0])
def test_range_rate_is_that_of_constant_speeds(speed: float) -> None:
    """Straight ahead, the range grows by the difference of the speeds."""
    arrays = sensed(FAR, middle(ahead(60.0, speed)))

    mine = (arrays["instance"] == 2) & (arrays["origin"] == Origin.TARGET)
    assert mine.any()
    np.testing.assert_allclose(arrays["range_rate"][mine], speed - 20.0, atol=0.2)
    rear = 60.0 + 0.1 * (speed - 20.0) - 2.25 - 2.2
    assert arrays["range"][mine].min() == pytest.approx(rear, abs=1.0)


def test_what_stands_comes_closer_with_the_cosine() -> None:
    """Scenery has the range rate -v cos(azimuth) of an ego that drives straight on."""
    echoes = radar_echoes(NEAR.model, middle(ahead(30.0, 20.0)), NEAR.ego_from_sensor)

    still = echoes.origin == Origin.SCENERY
    assert still.sum() > 100
    np.testing.assert_allclose(
        echoes.place[still, 2], -20.0 * np.cos(echoes.place[still, 1]), atol=1e-3
    )


def test_a_turning_ego_moves_its_radar() -> None:
    """At the nose, 2.2 m ahead, a yaw rate of 0.5 rad/s adds 1.1 m/s to the left."""
    view = middle(ahead(30.0, 20.0))
    twists = view.twists.copy()
    twists[EGO] = [0.0, 0.0, 0.5]

    echoes = radar_echoes(NEAR.model, replace(view, twists=twists), NEAR.ego_from_sensor)

    still = echoes.origin == Origin.SCENERY
    np.testing.assert_allclose(
        echoes.place[still, 2], -1.1 * np.sin(echoes.place[still, 1]), atol=1e-3
    )


@pytest.mark.parametrize("kind", CROSS_SECTIONS)
def test_the_cross_section_of_an_agent_is_shared_by_its_points(kind: AgentKind) -> None:
    """Seen from behind, the points of an agent add up to its section at that aspect."""
    echoes = radar_echoes(FAR.model, middle(ahead(40.0, 20.0, kind)), FAR.ego_from_sensor)

    mine = (echoes.number == 2) & (echoes.origin == Origin.TARGET)
    rear = 10 ** (CROSS_SECTIONS[kind].rear / 10)
    assert echoes.section[mine].sum() == pytest.approx(rear, rel=0.02)


def test_a_hidden_agent_echoes_by_what_is_seen_of_it() -> None:
    """Behind a lorry a child shows no more than its feet below the frame; beside nearly all."""
    power = []
    for y in (3.5, 0.5):
        child = (AgentKind.PEDESTRIAN, 119.0, y, 0.0, 1.0)
        view = middle((*ahead(12.0, 20.0, AgentKind.TRUCK), child))
        echoes = radar_echoes(NEAR.model, view, NEAR.ego_from_sensor)
        mine = (echoes.number == 3) & (echoes.origin == Origin.TARGET)
        power.append(echoes.power[mine].max(initial=0.0))

    assert power[0] < 0.5 * power[1]
    assert power[1] > 0.85


def test_cells_part_what_they_can_resolve() -> None:
    """Two cars 20 m apart are two, a car's own points within one cell are one."""
    rows = (*ahead(40.0, 20.0), (AgentKind.CAR, 160.0, 4.6, 0.0, 26.0))
    arrays = sensed(FAR, middle(rows))

    cells = np.floor(arrays["range"] / FAR.model.range_step)
    for track in (2, 3):
        mine = (arrays["instance"] == track) & (arrays["origin"] == Origin.TARGET)
        assert 1 <= mine.sum() <= 6
        assert np.ptp(cells[mine]) <= 6


def test_false_alarms_are_as_many_as_cells_and_chance_say() -> None:
    """Poisson, evenly over the field, labelled, of no one."""
    model = replace(RADAR_MODELS["short_range"], false_alarm=3e-5)
    view = middle(ahead(30.0, 20.0))
    cells = model.reach * 2 * model.fov * 2 * model.fastest
    cells /= model.range_step * model.azimuth_step * model.rate_step

    arrays = sensed(Radar(model=model), view)

    alarms = arrays["origin"] == Origin.FALSE_ALARM
    assert alarms.sum() == pytest.approx(cells * 3e-5, rel=0.3)
    assert (arrays["instance"][alarms] == 0).all()
    assert (arrays["semantic"][alarms] == 0).all()


def test_ghosts_are_mirror_images_in_guard_rails() -> None:
    """Each ghost lies beyond scenery, tells whose it is, and approaches as its mirror image."""
    view = middle(
        (
            (AgentKind.CAR, 100.0, 3.5, 0.0, 20.0),
            *((AgentKind.CAR, 110.0 + 9 * k, 0.0 if k % 2 else 7.0, 0.0, 15.0) for k in range(6)),
        )
    )

    echoes = radar_echoes(NEAR.model, view, NEAR.ego_from_sensor)

    ghost = echoes.origin == Origin.GHOST
    assert ghost.any()
    assert (echoes.number[ghost] > 1).all()
    assert (echoes.power[ghost] < 0.2).all()
    # Rails run along the road: the image moves as its car does, 5 m/s slower than the ego.
    np.testing.assert_allclose(
        echoes.place[ghost, 2], -5.0 * np.cos(echoes.place[ghost, 1]), atol=0.3
    )


def test_rain_weakens_echoes() -> None:
    """Nothing at zero, and by the recommendation's 1.1 dB/km at 1 mm/h over both ways."""
    assert rain_loss(0.0, np.array([200.0]))[0] == 1
    assert 10 * np.log10(rain_loss(1.0, np.array([500.0]))[0]) == pytest.approx(-1.1)
    rows = ahead(60.0, 20.0)
    dry, wet = (
        radar_echoes(FAR.model, middle(rows, c), FAR.ego_from_sensor)
        for c in (Conditions(), Conditions(rain_mm_per_h=30.0))
    )
    assert wet.power.sum() < dry.power.sum()
