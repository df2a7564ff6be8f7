"""Static conditions and kinds of road user: what holds throughout a scenario.

STATICS are yes-or-no facts about light, weather and road. ROLE_KINDS are what an agent can be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from scenegen.arrays import BoolArray
from scenegen.events import Range
from scenegen.query.trace import Trace
from scenegen.scene import AgentKind, Light, RoadKind, Scenario, Weather
from scenegen.scene.agents import CHILD_HEIGHT

FIELDS = {
    "rain_rate": "rain_mm_per_h",
    "snow_rate": "snow_mm_per_h",
    "visibility": "visibility",
    "sun_elevation": "sun_elevation",
}
"""Field of Conditions behind each static quantity that conditions bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Static:
    """A fact about a scenario that does not change in time; None leaves an aspect open.

    Attributes:
        doc: Definition, one sentence.
        light: The light it asks for.
        weather: The weather it asks for.
        roads: The kinds of road it asks for.
        ranges: Least and greatest value of the static quantities it bounds, in stored units.
    """

    doc: str
    light: Light | None = None
    weather: Weather | None = None
    roads: frozenset[RoadKind] | None = None
    ranges: Mapping[str, Range] = field(default_factory=dict)

    def allows(self, light: Light, weather: Weather, road: RoadKind) -> bool:
        """Whether it can hold for a combination of light, weather and road, its ranges apart."""
        return (
            (self.light is None or light is self.light)
            and (self.weather is None or weather is self.weather)
            and (self.roads is None or road in self.roads)
        )

    def holds(self, scenario: Scenario) -> bool:
        """Whether it holds in a scenario."""
        conditions, roadmap = scenario.conditions, scenario.roadmap
        kind = roadmap.kind
        # A recorded map is an intersection if one of its lanes crosses a junction.
        if kind is RoadKind.RECORDED and any(lane.in_junction for lane in roadmap.lanes):
            kind = RoadKind.INTERSECTION
        within = (getattr(conditions, FIELDS[n]) in wanted for n, wanted in self.ranges.items())
        return self.allows(conditions.light, conditions.weather, kind) and all(within)


def _road(*kinds: RoadKind) -> frozenset[RoadKind]:
    return frozenset(kinds)


STATICS: dict[str, Static] = {
    "day": Static(doc="Daylight.", light=Light.DAY),
    "dusk": Static(doc="Dusk or dawn.", light=Light.DUSK),
    "night": Static(doc="Night: the sun is well below the horizon.", light=Light.NIGHT),
    "clear": Static(doc="Clear sky.", weather=Weather.CLEAR),
    "overcast": Static(doc="Overcast, dry.", weather=Weather.OVERCAST),
    "rain": Static(doc="Rain; rain_rate says how much.", weather=Weather.RAIN),
    "fog": Static(doc="Fog; visibility says how dense.", weather=Weather.FOG),
    "snow": Static(doc="Snowfall; snow_rate says how much.", weather=Weather.SNOW),
    "heavy_rain": Static(
        doc="Rain of at least 7.6 mm/h (heavy or violent in ISO 34504 and BSI PAS 1883).",
        weather=Weather.RAIN,
        ranges={"rain_rate": Range(7.6, math.inf)},
    ),
    "dense_fog": Static(
        doc="Fog with a visibility below 200 m (thick fog of the UK Met Office).",
        weather=Weather.FOG,
        ranges={"visibility": Range(0.0, 200.0)},
    ),
    "heavy_snow": Static(
        doc="Snowfall of at least 2 mm/h water equivalent: about 500 m of visibility.",
        weather=Weather.SNOW,
        ranges={"snow_rate": Range(2.0, math.inf)},
    ),
    "low_sun": Static(
        doc="Dusk or dawn under a clear sky with the sun 0.5 to 8 deg above the horizon: glare.",
        light=Light.DUSK,
        weather=Weather.CLEAR,
        ranges={"sun_elevation": Range(math.radians(0.5), math.radians(8.0))},
    ),
    "highway": Static(doc="A motorway.", roads=_road(RoadKind.HIGHWAY)),
    "rural": Static(doc="A country road.", roads=_road(RoadKind.RURAL)),
    "urban": Static(doc="A town street without a junction.", roads=_road(RoadKind.URBAN)),
    "intersection": Static(
        doc="A junction of three or four arms, or a recorded map with a junction.",
        roads=_road(RoadKind.INTERSECTION, RoadKind.T_JUNCTION),
    ),
    "t_junction": Static(doc="A junction of three arms.", roads=_road(RoadKind.T_JUNCTION)),
    "roundabout": Static(doc="A roundabout.", roads=_road(RoadKind.ROUNDABOUT)),
}
"""Every static condition, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleKind:
    """What an agent has to be.

    Attributes:
        doc: Definition, one sentence.
        kinds: The kinds of road user it covers.
        test: Further test, ``test(trace)`` of shape (N,).
    """

    doc: str
    kinds: frozenset[AgentKind]
    test: Callable[[Trace], BoolArray] | None = None

    def holds(self, trace: Trace) -> BoolArray:
        """Which agents are of this kind, shape (N,)."""
        found = np.isin(trace.tracks.kind, sorted(self.kinds))
        return found if self.test is None else found & self.test(trace)


def _kinds(*kinds: AgentKind) -> frozenset[AgentKind]:
    return frozenset(kinds)


ROLE_KINDS: dict[str, RoleKind] = {
    "agent": RoleKind(doc="Any road user or obstacle.", kinds=frozenset(AgentKind)),
    "vehicle": RoleKind(
        doc="A motor vehicle: car, truck, bus or motorcycle.",
        kinds=frozenset(kind for kind in AgentKind if kind.is_motor_vehicle),
    ),
    "car": RoleKind(doc="A car.", kinds=_kinds(AgentKind.CAR)),
    "truck": RoleKind(doc="A truck.", kinds=_kinds(AgentKind.TRUCK)),
    "bus": RoleKind(doc="A bus.", kinds=_kinds(AgentKind.BUS)),
    "motorcycle": RoleKind(doc="A motorcycle.", kinds=_kinds(AgentKind.MOTORCYCLE)),
    "cyclist": RoleKind(doc="A cyclist.", kinds=_kinds(AgentKind.CYCLIST)),
    "pedestrian": RoleKind(doc="A person on foot.", kinds=_kinds(AgentKind.PEDESTRIAN)),
    "child": RoleKind(
        doc=f"A person on foot lower than {CHILD_HEIGHT} m.",
        kinds=_kinds(AgentKind.PEDESTRIAN),
        test=lambda trace: trace.height < CHILD_HEIGHT,
    ),
    "adult": RoleKind(
        doc=f"A person on foot of at least {CHILD_HEIGHT} m.",
        kinds=_kinds(AgentKind.PEDESTRIAN),
        test=lambda trace: trace.height >= CHILD_HEIGHT,
    ),
    "animal": RoleKind(doc="An animal.", kinds=_kinds(AgentKind.ANIMAL)),
    "obstacle": RoleKind(
        doc="A thing on the road that is no road user.", kinds=_kinds(AgentKind.STATIC)
    ),
}
"""Every kind a role can be asked to be, by name."""
