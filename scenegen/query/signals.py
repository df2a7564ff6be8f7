"""Signals: the numbers a query compares, over time and per agent or pair of agents.

Every entry of SIGNALS is one quantity with its unit and its definition. `i` and `j` are arrays of
agent indices that broadcast, so one call gives a signal for every assignment of roles at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.geometry.angles import wrap_angle
from scenegen.query.trace import Trace
from scenegen.query.units import (
    ACCELERATION,
    ANGLE,
    JERK,
    LENGTH,
    NUMBER,
    PRECIPITATION,
    SPEED,
    TIME,
    YAW_RATE,
    Dimension,
)
from scenegen.scene import EGO
from scenegen.scene.roadmap import NO_LANE
from scenegen.sim import pairs
from scenegen.sim.criticality import modified_time_to_collision, rss_longitudinal_distance

Shortfall = Callable[..., FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One quantity of the language.

    Attributes:
        doc: Definition, one sentence.
        roles: Number of agents it is about: 0 for the whole scenario, 1 or 2.
        dimension: What it measures.
        value: ``value(trace, *indices)`` gives shape (T, ...), in the stored unit.
        shortfall: ``shortfall(trace, *indices, threshold)`` gives a finite margin that is positive
            exactly where the value is below the threshold; None to use the difference.
        is_costly: Whether it is computed one assignment at a time.
    """

    doc: str
    roles: int
    dimension: Dimension
    value: Callable[..., FloatArray]
    shortfall: Shortfall | None = None
    is_costly: bool = False


def _ttc_shortfall(
    trace: Trace, i: IntArray, j: IntArray, threshold: FloatArray | float
) -> FloatArray:
    return pairs.ttc_shortfall(trace.states, i, j, threshold)


def _thw_shortfall(
    trace: Trace, i: IntArray, j: IntArray, threshold: FloatArray | float
) -> FloatArray:
    gap = pairs.gap(trace.states, i, j)
    speed = np.maximum(trace.states.speed[:, i], 0.0)
    # In contact the headway is 0 also for a follower that stands.
    with np.errstate(invalid="ignore"):  # No gap against an endless headway: unknown.
        return np.where(gap > 0, threshold * speed - gap, np.maximum(speed, 1.0) * threshold)


def _mttc(trace: Trace, i: IntArray, j: IntArray) -> FloatArray:
    states = trace.states
    turn = states.yaw[:, j] - states.yaw[:, i]
    rate = trace.tracks.acceleration[:, i] - trace.tracks.acceleration[:, j] * np.cos(turn)
    gap = pairs.gap(states, i, j)
    reached = np.where(np.isfinite(gap), gap, 1.0)
    time = modified_time_to_collision(reached, pairs.closing(states, i, j), rate)
    return np.where(np.isfinite(gap), time, np.inf)


def _rss_excess(trace: Trace, i: IntArray, j: IntArray) -> FloatArray:
    states = trace.states
    ahead = states.speed[:, j] * np.cos(states.yaw[:, j] - states.yaw[:, i])
    safe = rss_longitudinal_distance(states.speed[:, i], ahead)
    return pairs.gap(states, i, j) - safe


def _local(trace: Trace, i: IntArray, j: IntArray) -> tuple[FloatArray, FloatArray]:
    """Where the centre of j is, seen from i: forward and left [m]."""
    states = trace.states
    x = states.position[:, j, 0] - states.position[:, i, 0]
    y = states.position[:, j, 1] - states.position[:, i, 1]
    cos, sin = np.cos(states.yaw[:, i]), np.sin(states.yaw[:, i])
    return cos * x + sin * y, cos * y - sin * x


def _bearing(trace: Trace, i: IntArray, j: IntArray) -> FloatArray:
    forward, left = _local(trace, i, j)
    return np.arctan2(left, forward)


def _lane_offset(trace: Trace, i: IntArray) -> FloatArray:
    place = trace.tracks.place
    offset = np.where(place.lane == NO_LANE, np.nan, place.offset)
    return offset[:, i]


def _lane_heading(trace: Trace, i: IntArray) -> FloatArray:
    place = trace.tracks.place
    return np.where(place.lane == NO_LANE, np.nan, place.heading_error)[:, i]


def _constant(get: Callable[[Trace], float]) -> Callable[[Trace], FloatArray]:
    return lambda trace: np.full(trace.steps, get(trace))


def _most_lanes(trace: Trace) -> float:
    """Largest number of traffic lanes side by side in one direction."""
    lanes = trace.scenario.roadmap.lanes
    traffic = set(trace.scenario.roadmap.traffic_lanes)
    most = 0
    for start in traffic:
        seen, k = {start}, lanes[start].left
        while k in traffic and k not in seen:
            seen.add(k)
            k = lanes[k].left
        most = max(most, len(seen))
    return float(most)


def _speed_limit(trace: Trace) -> float:
    roadmap = trace.scenario.roadmap
    return max((roadmap.lanes[k].speed_limit for k in roadmap.traffic_lanes), default=0.0)


SIGNALS: dict[str, Signal] = {
    "speed": Signal(
        doc="Speed along the heading; negative in reverse.",
        roles=1,
        dimension=SPEED,
        value=lambda trace, i: trace.states.speed[:, i],
    ),
    "accel": Signal(
        doc="Rate of change of speed, by central differences; negative while braking.",
        roles=1,
        dimension=ACCELERATION,
        value=lambda trace, i: trace.tracks.acceleration[:, i],
    ),
    "lat_accel": Signal(
        doc="Lateral acceleration, speed times yaw rate; positive in a left turn.",
        roles=1,
        dimension=ACCELERATION,
        value=lambda trace, i: trace.states.speed[:, i] * trace.tracks.yaw_rate[:, i],
    ),
    "jerk": Signal(
        doc="Rate of change of accel, by central differences.",
        roles=1,
        dimension=JERK,
        value=lambda trace, i: trace.jerk[:, i],
    ),
    "yaw_rate": Signal(
        doc="Rate of change of heading; positive to the left.",
        roles=1,
        dimension=YAW_RATE,
        value=lambda trace, i: trace.tracks.yaw_rate[:, i],
    ),
    "heading": Signal(
        doc="Heading relative to the ego's at the same instant, in (-180deg, 180deg].",
        roles=1,
        dimension=ANGLE,
        value=lambda trace, i: wrap_angle(
            trace.states.yaw[:, i] - trace.states.yaw[:, np.full_like(i, EGO)]
        ),
    ),
    "lane_heading": Signal(
        doc="Heading relative to the direction of the own lane; unknown off the lanes.",
        roles=1,
        dimension=ANGLE,
        value=_lane_heading,
    ),
    "lane_offset": Signal(
        doc=(
            "Distance of the centre from the lane's middle, positive to its left; unknown off "
            "the lanes."
        ),
        roles=1,
        dimension=LENGTH,
        value=_lane_offset,
    ),
    "gap": Signal(
        doc=(
            "Bumper-to-bumper distance from a to b along a's heading; 0 on overlap, inf where b "
            "is not in the corridor ahead of a."
        ),
        roles=2,
        dimension=LENGTH,
        value=lambda trace, i, j: pairs.gap(trace.states, i, j),
    ),
    "closing": Signal(
        doc="Speed of a minus that of b along a's heading; positive while a catches up.",
        roles=2,
        dimension=SPEED,
        value=lambda trace, i, j: pairs.closing(trace.states, i, j),
    ),
    "ttc": Signal(
        doc=(
            "Time to collision at constant velocity: gap / closing where b is in the corridor "
            "ahead of a, else the first contact of the two boxes; inf without contact, 0 on "
            "overlap."
        ),
        roles=2,
        dimension=TIME,
        value=lambda trace, i, j: pairs.ttc(trace.states, i, j),
        shortfall=_ttc_shortfall,
    ),
    "mttc": Signal(
        doc="Time to collision at constant acceleration along a's heading (Ozbay et al. 2008).",
        roles=2,
        dimension=TIME,
        value=_mttc,
    ),
    "thw": Signal(
        doc="Time headway: gap over the speed of a; inf where b is not in the corridor ahead of a.",
        roles=2,
        dimension=TIME,
        value=lambda trace, i, j: pairs.thw(trace.states, i, j),
        shortfall=_thw_shortfall,
    ),
    "drac": Signal(
        doc=(
            "Deceleration rate to avoid a crash: closing^2 / (2 gap); 0 while opening, inf on "
            "contact."
        ),
        roles=2,
        dimension=ACCELERATION,
        value=lambda trace, i, j: pairs.drac(trace.states, i, j),
    ),
    "rss_excess": Signal(
        doc=(
            "Gap from a to b minus the RSS safe distance (Shalev-Shwartz et al. 2017, 0.5 s "
            "response); negative while unsafe."
        ),
        roles=2,
        dimension=LENGTH,
        value=_rss_excess,
    ),
    "pet": Signal(
        doc=(
            "Post-encroachment time: shortest time between one leaving a spot and the other "
            "reaching it, over the whole scenario; inf without a shared spot."
        ),
        roles=2,
        dimension=TIME,
        value=lambda trace, i, j: trace.table("pet", (i, j), trace.encroachment),
        is_costly=True,
    ),
    "intrusion": Signal(
        doc="How deep the box of b reaches into the lane of a; negative while it stays out.",
        roles=2,
        dimension=LENGTH,
        value=lambda trace, i, j: trace.table("intrusion", (i, j), trace.tracks.intrusion),
        is_costly=True,
    ),
    "visible_fraction": Signal(
        doc="Share of the agent's silhouette that the ego sees past the other agents, 0 to 1.",
        roles=1,
        dimension=NUMBER,
        value=lambda trace, i: trace.table("visible", (i,), trace.tracks.visible_fraction),
        is_costly=True,
    ),
    "distance": Signal(
        doc="Shortest distance between the outlines of a and b.",
        roles=2,
        dimension=LENGTH,
        value=lambda trace, i, j: pairs.distance(trace.states, i, j),
    ),
    "bearing": Signal(
        doc="Direction of b's centre seen from a; 0 ahead, positive to the left.",
        roles=2,
        dimension=ANGLE,
        value=_bearing,
    ),
    "ahead": Signal(
        doc="How far b's centre is ahead of a's, along a's heading.",
        roles=2,
        dimension=LENGTH,
        value=lambda trace, i, j: _local(trace, i, j)[0],
    ),
    "left": Signal(
        doc="How far b's centre is to the left of a's, across a's heading.",
        roles=2,
        dimension=LENGTH,
        value=lambda trace, i, j: _local(trace, i, j)[1],
    ),
    "rain_rate": Signal(
        doc="Rain rate.",
        roles=0,
        dimension=PRECIPITATION,
        value=_constant(lambda trace: trace.scenario.conditions.rain_mm_per_h),
    ),
    "snow_rate": Signal(
        doc="Snowfall rate, water equivalent.",
        roles=0,
        dimension=PRECIPITATION,
        value=_constant(lambda trace: trace.scenario.conditions.snow_mm_per_h),
    ),
    "visibility": Signal(
        doc="Meteorological optical range.",
        roles=0,
        dimension=LENGTH,
        value=_constant(lambda trace: trace.scenario.conditions.visibility),
    ),
    "sun_elevation": Signal(
        doc="Sun above the horizon; negative at night.",
        roles=0,
        dimension=ANGLE,
        value=_constant(lambda trace: trace.scenario.conditions.sun_elevation),
    ),
    "cloud_cover": Signal(
        doc="Share of the sky that is cloud, 0 to 1.",
        roles=0,
        dimension=NUMBER,
        value=_constant(lambda trace: trace.scenario.conditions.cloud_cover),
    ),
    "wetness": Signal(
        doc="Water on the road, 0 dry to 1 puddles.",
        roles=0,
        dimension=NUMBER,
        value=_constant(lambda trace: trace.scenario.conditions.wetness),
    ),
    "friction": Signal(
        doc="Coefficient of road friction.",
        roles=0,
        dimension=NUMBER,
        value=_constant(lambda trace: trace.scenario.conditions.friction),
    ),
    "lanes": Signal(
        doc="Largest number of traffic lanes side by side in one direction, anywhere on the map.",
        roles=0,
        dimension=NUMBER,
        value=_constant(_most_lanes),
    ),
    "speed_limit": Signal(
        doc="Highest legal limit of the map's traffic lanes.",
        roles=0,
        dimension=SPEED,
        value=_constant(_speed_limit),
    ),
}
"""Every signal of the language, by name."""
