"""Worlds fit their roads."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import shapely

from scenegen.maps import MAP_SOURCES
from scenegen.pipeline import Generator, Request
from scenegen.query import parse
from scenegen.render import AgentMotion, SurfaceClass, Triangles, World, assemble, build_world
from scenegen.render.surfaces import MATERIAL_INDEX
from scenegen.render.world.agents import library
from scenegen.render.world.ground import dressing
from scenegen.scene import (
    AgentKind,
    AgentStates,
    Conditions,
    Light,
    RoadKind,
    RoadMap,
    Scene,
    SignalState,
)
from tests.builders import straight_road

DAY = Conditions()


@cache
def draw(name: str, seed: int = 2) -> RoadMap:
    """Draw a procedural road."""
    return MAP_SOURCES[name]().draw(np.random.default_rng(seed))


@cache
def grown(name: str, conditions: Conditions = DAY) -> World:
    """Grow the world of a procedural road."""
    return build_world(draw(name), conditions, 1)


def at_lane(roadmap: RoadMap) -> AgentStates:
    """Put the ego on the middle of the first traffic lane."""
    line = roadmap.lanes[roadmap.traffic_lanes[0]].centerline
    x, y = line[len(line) // 2]
    return AgentStates.of([(AgentKind.CAR, float(x), float(y), 0.0, 10.0)])


def stand(world: World, agents: AgentStates, time: float = 0.0) -> Triangles:
    """Assemble a world around the ego."""
    scene = Scene(roadmap=world.roadmap, agents=agents, conditions=world.conditions, time=time)
    return assemble(world.stage(scene, AgentMotion.still(agents.count)))


@pytest.mark.parametrize("name", MAP_SOURCES)
def test_every_kind_of_road_has_ground_paint_and_scenery(name: str) -> None:
    """Road, paint, land and plants are there, all in finite places."""
    roadmap = draw(name)

    triangles = stand(grown(name), at_lane(roadmap))

    there = set(triangles.surface.tolist())
    wanted = {"ROAD", "MARKING", "TERRAIN", "VEGETATION", "POLE"}
    assert {SurfaceClass[k] for k in wanted} <= there
    assert np.isfinite(triangles.vertices).all()
    assert triangles.count < 120_000


@pytest.mark.parametrize("name", ["urban", "four_way", "roundabout", "rural"])
def test_nothing_solid_stands_on_the_road(name: str) -> None:
    """No building, tree trunk, post or rail stands where vehicles drive."""
    roadmap = draw(name)
    drivable = roadmap.drivable_area.buffer(-0.3)
    shapely.prepare(drivable)
    triangles = stand(grown(name), at_lane(roadmap))
    solid = {
        SurfaceClass.BUILDING,
        SurfaceClass.BARRIER,
        SurfaceClass.POLE,
        SurfaceClass.VEGETATION,
    }
    face = np.isin(triangles.surface[triangles.owner], list(solid))
    face &= triangles.sphere[triangles.owner, 3] < 600

    low = triangles.vertices[triangles.faces[face]].reshape(-1, 3)
    low = low[low[:, 2] < 1.0, :2] + triangles.origin[:2]

    assert not shapely.contains_xy(drivable, low[:, 0], low[:, 1]).any()


def test_lanes_are_under_asphalt() -> None:
    """Every point of a lane's centre lies on a triangle of the road or of its paint."""
    roadmap = draw("four_way")
    world = grown("four_way")
    triangles = stand(world, at_lane(roadmap))
    face = triangles.surface[triangles.owner] == SurfaceClass.ROAD
    corners = triangles.vertices[triangles.faces[face]][..., :2] + triangles.origin[:2]
    area = shapely.union_all([shapely.Polygon(c) for c in corners]).buffer(0.01)
    shapely.prepare(area)

    for index in roadmap.traffic_lanes:
        line = roadmap.lanes[index].centerline
        near = line[np.abs(line - triangles.origin[:2]).max(-1) < 150]
        assert shapely.contains_xy(area, near[:, 0], near[:, 1]).all()


@pytest.mark.parametrize("time", [0.0, 10.0, 33.0])
def test_signals_show_their_state(time: float) -> None:
    """The lens that shines on a signal head is the one of its state at that time."""
    roadmap = draw("four_way")
    world = grown("four_way")
    colors = {SignalState.RED: "red", SignalState.YELLOW: "yellow", SignalState.GREEN: "green"}
    expected = {colors[state] for state in roadmap.signal_states(time)}

    triangles = stand(world, at_lane(roadmap), time)

    shown = triangles.material[triangles.surface[triangles.owner] == SurfaceClass.SIGNAL]
    assert {c for c in colors.values() if MATERIAL_INDEX[f"signal_{c}"] in shown} == expected


def test_street_lamps_burn_at_night_only() -> None:
    """A town has lamps by night and none on by day."""
    roadmap = draw("urban")
    night = Conditions(light=Light.NIGHT, sun_elevation=-0.5)
    scenes = {}
    for conditions in (Conditions(), night):
        world = grown("urban", conditions)
        scene = Scene(roadmap=roadmap, agents=at_lane(roadmap), conditions=conditions)
        scenes[conditions.light] = world.stage(scene, AgentMotion.still(1))

    assert len(scenes[Light.DAY].lights.reach) == 0
    assert len(scenes[Light.NIGHT].lights.reach) > 5


def test_the_ego_is_not_drawn() -> None:
    """Nothing in the world has the instance number of the ego."""
    roadmap = straight_road()
    agents = AgentStates.of([(AgentKind.CAR, 100, 0, 0, 9), (AgentKind.CAR, 120, 0, 0, 9)])

    triangles = stand(build_world(roadmap, Conditions(), 1), agents)

    assert 1 not in triangles.number
    assert 2 in triangles.number


@pytest.mark.parametrize("kind", list(AgentKind))
def test_an_agent_fills_its_box_and_no_more(kind: AgentKind) -> None:
    """The triangles of an agent lie within its labelled box, turned and placed with it."""
    agents = AgentStates.of([(AgentKind.CAR, 100, 0, 0, 9), (kind, 112, 3, 0.7, 2)])
    triangles = stand(build_world(straight_road(), Conditions(), 1), agents)
    row = int(np.flatnonzero(triangles.number == 2)[0])
    span = slice(triangles.first_vertex[row], triangles.first_vertex[row + 1])

    points = triangles.vertices[span].astype(float) + triangles.origin - [112.0, 3.0, 0.0]
    cos, sin = np.cos(0.7), np.sin(0.7)
    local = np.stack(
        [cos * points[:, 0] + sin * points[:, 1], cos * points[:, 1] - sin * points[:, 0]], -1
    )

    length, width, height = agents.size[1]
    assert (np.abs(local) <= np.array([length, width]) / 2 + 1e-3).all()
    assert -1e-3 <= points[:, 2].min() < 0.05
    assert 0.9 * height <= points[:, 2].max() <= height + 1e-3


@pytest.mark.parametrize("kind", range(4))
def test_crowns_of_street_trees_leave_room_for_vans(kind: int) -> None:
    """Beyond half a metre around the trunk nothing is lower than 2.6 m, at every level."""
    model = library()[f"street_tree/{kind}"]

    for mesh in model.levels:
        away = np.hypot(mesh.vertices[:, 0], mesh.vertices[:, 1])
        assert 0.95 * mesh.vertices[away > 0.5, 2].min() > 2.6


def test_nothing_stands_in_a_parked_vehicle() -> None:
    """A row of vans half on the pavement has no lamp, tree or sign inside."""
    roadmap = draw("urban")
    bare = build_world(roadmap, DAY, 1)
    names = np.array(bare.bank.names)
    is_post = np.array([n.startswith(("street_tree", "street_lamp", "sign")) for n in names])
    posts = bare.scenery.position[is_post[bare.scenery.model]][:, :2]
    # A sign is two things in one place, a post and a plate: every second place gets a van.
    vans = np.array([(x, y, 0.3, 5.5, 2.1) for x, y in np.unique(posts, axis=0)[::2]])

    world = build_world(roadmap, DAY, 1, standing=vans)

    there = world.scenery.position[is_post[world.scenery.model]][:, :2]
    away = np.linalg.norm(there[:, None] - vans[None, :, :2], axis=-1).min(1)
    assert len(there) > 0.3 * len(posts)
    assert away.min() > 1.05


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(33.3, RoadKind.HIGHWAY), (22.2, RoadKind.RURAL), (13.9, RoadKind.URBAN)],
)
def test_a_recorded_map_is_dressed_by_its_speed_limit(limit: float, expected: RoadKind) -> None:
    """US-101 gets guard rails and woods, not shop fronts."""
    lanes = tuple(replace(lane, speed_limit=limit) for lane in straight_road(lanes=3).lanes)
    recorded = replace(straight_road(lanes=3), kind=RoadKind.RECORDED, lanes=lanes)

    assert dressing(recorded) is expected


def test_a_road_whose_lanes_all_but_touch_becomes_a_world() -> None:
    """Rounding makes the borders of this one cross; it is mended, not refused."""
    request = Request(query=parse("urban and cut_in(c)"), seed=5)
    roadmap = Generator(request).scenario(0).scenario.roadmap

    grown_here = build_world(roadmap, DAY, 5)

    assert grown_here.roadmap is roadmap
