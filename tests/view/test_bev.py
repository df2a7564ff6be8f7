"""Pictures from above: everything is where it is, and conditions show."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scenegen.geometry.boxes import points_to_box
from scenegen.geometry.transforms import to_map
from scenegen.scene import (
    AgentKind,
    AgentStates,
    Conditions,
    Light,
    LineMarking,
    RoadMap,
    Scene,
    Signal,
    SignalState,
    Weather,
)
from scenegen.view import draw_bev
from scenegen.view.palette import SIGNAL, palette_of
from scenegen.view.viewport import Viewport
from tests.builders import cars, straight_road

ROAD = straight_road(3)


def scene(
    agents: AgentStates,
    roadmap: RoadMap = ROAD,
    **conditions: Any,  # noqa: ANN401 - fields of Conditions
) -> Scene:
    """Put agents on a road."""
    return Scene(roadmap=roadmap, agents=agents, conditions=Conditions(**conditions))


def turned(base: Scene, yaw: float, shift: tuple[float, float]) -> Scene:
    """Move a whole scene rigidly."""
    origin = np.array(shift)
    lanes = tuple(
        replace(lane, centerline=to_map(lane.centerline, origin, np.asarray(yaw)))
        for lane in base.roadmap.lanes
    )
    agents = base.agents
    position = to_map(agents.position, origin, np.asarray(yaw))
    moved = replace(agents, position=position, yaw=agents.yaw + yaw)
    return replace(base, roadmap=replace(base.roadmap, lanes=lanes), agents=moved)


@pytest.mark.parametrize("yaw", [0.0, 0.4, 1.9, -2.6])
@pytest.mark.parametrize("kind", [AgentKind.CAR, AgentKind.TRUCK, AgentKind.BUS])
def test_a_vehicle_covers_its_box_and_little_else(kind: AgentKind, yaw: float) -> None:
    """What an agent changes in the picture is its box, up to its shadow."""
    agents = AgentStates.of([(AgentKind.CAR, 100, 0, 0, 0), (kind, 110, 3.0, yaw, 5)])
    without = replace(agents, valid=np.array([True, False]))
    frame = Viewport(height_px=400, width_px=400, metres_per_px=0.1, centre=(100.0, 0.0))
    grid = np.stack(np.meshgrid(np.arange(400), np.arange(400)), -1)
    turn, origin = frame.px_from_map[:, :2], frame.px_from_map[:, 2]
    ground = (grid - origin) @ np.linalg.inv(turn).T

    pictures = [
        draw_bev(scene(a), size_px=(400, 400), metres_per_px=0.1, ego_up=False, labels=False)
        for a in (agents, without)
    ]
    changed = (pictures[0] != pictures[1]).any(-1)
    distance = points_to_box(
        ground, agents.position[1].astype(float), np.asarray(yaw), agents.size[1]
    )

    assert changed[distance == 0].mean() > 0.9
    assert not changed[distance > 0.5].any()


def test_the_ego_is_in_the_middle() -> None:
    """The middle of the picture shows the ego's colour, wherever the ego is."""
    palette = palette_of(Conditions())

    for x in (40.0, 111.3, 260.7):
        image = draw_bev(scene(cars((x, 3.5, 10))), metres_per_px=0.1, labels=False)
        middle = image[238:242, 238:242].reshape(-1, 3).mean(0)
        assert np.abs(middle - palette.ego).max() < 90
        assert middle[2] > 200 > middle[0]


@pytest.mark.parametrize("yaw", [0.3, math.pi / 2, 2.5, -1.2])
@pytest.mark.parametrize("light", [Light.DAY, Light.NIGHT])
def test_moving_the_world_with_the_ego_moves_nothing(yaw: float, light: Light) -> None:
    """An ego-up picture depends on relative places only."""
    base = scene(cars((150, 0, 10), (165, 3.5, 12), (140, 7, 9)), light=light)

    still = draw_bev(base, labels=False).astype(float)
    moved = draw_bev(turned(base, yaw, (37.0, -81.0)), labels=False).astype(float)

    # Anti-aliased edges may differ; the pictures may not.
    assert np.abs(still - moved).mean() < 1.5
    assert (np.abs(still - moved).max(-1) > 60).mean() < 0.004


def test_north_up_puts_larger_y_higher() -> None:
    """Without ego_up the map's y axis points up and x to the right."""
    agents = AgentStates.of([(AgentKind.CAR, 100, 0, 0, 0), (AgentKind.TRUCK, 112, 6, 0, 0)])
    without = replace(agents, valid=np.array([True, False]))

    pictures = [draw_bev(scene(a), ego_up=False, labels=False) for a in (agents, without)]
    rows, columns = np.nonzero((pictures[0] != pictures[1]).any(-1))

    assert rows.mean() == pytest.approx(239.5 - 6 / 0.2, abs=2)
    assert columns.mean() == pytest.approx(239.5 + 12 / 0.2, abs=2)


def test_a_fixed_centre_keeps_the_road_still() -> None:
    """With a map point as centre, a moving ego does not move the picture of the road."""
    pictures = [
        draw_bev(scene(cars((x, 0, 10))), center=(150.0, 0.0), ego_up=False, labels=False)
        for x in (110.0, 190.0)
    ]

    np.testing.assert_array_equal(pictures[0][:, 200:280], pictures[1][:, 200:280])


def test_every_light_and_weather_has_its_own_look() -> None:
    """A reader sees night, dusk, rain, fog and snow at a glance."""
    looks: list[dict[str, Any]] = [
        {},
        {"light": Light.DUSK},
        {"light": Light.NIGHT},
        {"weather": Weather.RAIN, "rain_mm_per_h": 8.0, "wetness": 0.8},
        {"weather": Weather.FOG, "visibility": 90.0},
        {"weather": Weather.SNOW, "snow_mm_per_h": 2.0},
    ]

    pictures = [draw_bev(scene(cars((150, 0, 10)), **look)).astype(float) for look in looks]

    for i, one in enumerate(pictures):
        for other in pictures[:i]:
            assert np.abs(one - other).mean() > 8
    assert pictures[2].mean() < 0.4 * pictures[0].mean()


def test_fog_hides_the_far_more_than_the_near() -> None:
    """Contrast of the lane markings falls with distance from the ego."""
    clear = draw_bev(scene(cars((150, 3.5, 0))), labels=False).astype(float)
    foggy = draw_bev(
        scene(cars((150, 3.5, 0)), weather=Weather.FOG, visibility=80.0), labels=False
    ).astype(float)

    def contrast(image: np.ndarray, rows: slice) -> float:
        return float(image[rows, 200:280].std())

    near = contrast(foggy, slice(180, 225)) / contrast(clear, slice(180, 225))
    far = contrast(foggy, slice(0, 45)) / contrast(clear, slice(0, 45))
    assert far < 0.5 * near


@pytest.mark.parametrize("state", [SignalState.GREEN, SignalState.YELLOW, SignalState.RED])
def test_a_stop_line_shows_the_state_of_its_signal(state: SignalState) -> None:
    """The stop line is painted in the colour of the light."""
    signal = Signal(
        lanes=(0,),
        stop_line=np.array([[160.0, 1.7], [160.0, -1.7]]),
        position=np.array([160.0, -3.0]),
        cycle=60.0,
        green_start=0.0,
        green=20.0,
        always=state,
    )
    agents = cars((150, 0, 0))

    image = draw_bev(scene(agents, replace(ROAD, signals=(signal,))), ego_up=False, labels=False)

    np.testing.assert_allclose(image[239, 239 + 50], SIGNAL[state], atol=12)


def test_maps_do_not_leak_into_each_other() -> None:
    """The cache keeps roads apart, also two of the same name."""
    plain = straight_road(2)
    painted = replace(
        plain, lanes=tuple(replace(x, left_marking=LineMarking.SOLID) for x in plain.lanes)
    )
    agents = cars((150, 0, 10))

    first = draw_bev(scene(agents, plain))
    between = draw_bev(scene(agents, painted))
    again = draw_bev(scene(agents, plain))

    np.testing.assert_array_equal(first, again)
    assert (first != between).any()


def test_the_same_scene_gives_the_same_picture() -> None:
    """Rain falls by the scene's time, not by chance."""
    wet = scene(cars((150, 0, 10)), weather=Weather.RAIN, rain_mm_per_h=20.0, wetness=1.0)

    first, again = draw_bev(wet), draw_bev(wet)
    later = draw_bev(replace(wet, time=0.1))

    np.testing.assert_array_equal(first, again)
    assert (first != later).any()


def test_drawing_leaves_the_scene_and_the_cache_alone() -> None:
    """A caller may paint on the picture without spoiling the next one."""
    still = scene(cars((150, 0, 10)))

    first = draw_bev(still)
    copy = first.copy()
    first[:] = 0

    np.testing.assert_array_equal(draw_bev(still), copy)


def test_who_brakes_shows_red() -> None:
    """Brake lights are lit when the speed fell since the last instant of the trail."""
    agents = cars((150, 0, 10), (162, 0, 8))
    slower = AgentStates.stack([replace(agents, speed=agents.speed + np.float32(0.5))])
    steady = AgentStates.stack([agents])

    def red(trails: AgentStates) -> int:
        image = draw_bev(scene(agents), trails=trails, labels=False, metres_per_px=0.1).astype(int)
        return int(((image[..., 0] > 220) & (image[..., 1] < 90)).sum())

    assert red(slower) > red(steady) + 20


def test_roles_stand_out_and_are_named() -> None:
    """A role changes the colour of its agent, and labels add its name."""
    agents = cars((150, 0, 10), (160, 3.5, 10))

    plain = draw_bev(scene(agents), labels=False)
    cast = draw_bev(scene(agents), roles={"c": 1}, labels=False)
    named = draw_bev(scene(agents), roles={"c": 1}, labels=True)

    orange = np.array(palette_of(Conditions()).roles[0])
    counts = [
        int((np.abs(image.astype(int) - orange).max(-1) < 12).sum())
        for image in (plain, cast, named)
    ]
    assert counts[0] == 0
    assert counts[2] > counts[1] > 20


def test_an_unknown_agent_in_a_role_is_an_error() -> None:
    """A role that names nobody is refused with its name."""
    with pytest.raises(ValueError, match="role 'c' names agent 7"):
        draw_bev(scene(cars((150, 0, 10))), roles={"c": 7})


@pytest.mark.parametrize("size", [(1, 1), (33, 97), (720, 1280)])
def test_any_size_is_drawn(size: tuple[int, int]) -> None:
    """The picture has the size asked for."""
    image = draw_bev(scene(cars((150, 0, 10))), size_px=size, metres_per_px=0.3)

    assert image.shape == (*size, 3)
    assert image.dtype == np.uint8
