"""Predicates: what agents do. All event families, and simple motions with fixed thresholds.

A predicate's margin is positive while it holds. Thresholds are constants of this file and stand in
each definition, so that two people who write the same word count the same moments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.events import EVENTS, Event
from scenegen.events.stop_lines import red_crossing
from scenegen.events.windows import FAR, recently
from scenegen.geometry.angles import unwrap_time, wrap_angle
from scenegen.query.trace import Trace
from scenegen.scene import EGO, AgentKind
from scenegen.scene.roadmap import NO_LANE
from scenegen.sim import pairs

STANDING = 0.3
"""Speed below which a road user stands [m/s]."""
HARD_BRAKING = 4.0
"""Deceleration from which braking is hard [m/s^2]; comfortable braking ends near 3."""
LANE_CHANGE_SPAN = 1.0
"""Time around the crossing of the line that counts as the lane change [s]."""
RECENT = 2.0
"""Time since a vehicle was in the ego's path during which it cuts out of it [s]."""
TURN_ANGLE = math.radians(30.0)
"""Change of heading within TURN_SPAN that makes a turn [rad]."""
TURN_SPAN = 2.0
"""Time before and after an instant over which a turn is judged [s]."""
IN_VIEW = 0.5
"""Share of the silhouette from which a road user is in view."""
EMERGING = 1.0
"""Time since it was hidden during which a road user emerges [s]."""
NEAR_MISS_TTC, NEAR_MISS_DISTANCE = 1.0, 0.5
"""Time to collision [s] and distance [m] below which a passing is a near miss."""
SIGHT = 150.0
"""Distance along the ego's path up to which others are its leader, follower or in its path [m]."""
CROSSING_SPEED, CROSSING_AHEAD, CROSSING_ASIDE = 0.5, 80.0, 8.0
"""Least lateral speed [m/s], and reach ahead and aside [m], of somebody crossing."""
SINCE_RED = 5.0
"""Time after the stop line during which a road user counts as running the red light [s]."""
ACROSS = math.radians(45.0)
"""Difference of heading, to either side of square, from which paths cross rather than run along."""
OPPOSED = math.radians(135.0)
"""Difference of heading from which traffic is oncoming [rad]."""

Indices = Sequence[IntArray]
Margin = Callable[[Trace, Indices, Mapping[str, str]], FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """Something one or two agents do.

    Attributes:
        doc: Definition with its thresholds.
        roles: What each agent is called in the definition.
        margin: ``margin(trace, indices, options)``, shape (T, ...) of the broadcast indices.
        options: Values each option can take; an option left out does not restrict.
        candidates: Assignments that may hold, None for all.
        family: The event family it detects, None for a plain motion.
        is_costly: Whether it is computed one assignment at a time.
    """

    doc: str
    roles: tuple[str, ...]
    margin: Margin
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    candidates: Callable[[Trace], frozenset[tuple[int, ...]]] | None = None
    family: type[Event] | None = None
    is_costly: bool = False


def _table(compute: Callable[[Trace, Mapping[str, str]], FloatArray]) -> Margin:
    """Make a margin of one role from a table of all agents, shape (T, N)."""
    return lambda trace, indices, options: compute(trace, options)[:, indices[0]]


def _stopped(trace: Trace, _: Mapping[str, str]) -> FloatArray:
    return STANDING - np.abs(trace.states.speed)


def _hard_brake(trace: Trace, _: Mapping[str, str]) -> FloatArray:
    forward = np.sign(trace.states.speed)
    return -forward * trace.tracks.acceleration - HARD_BRAKING


def _lane_change(trace: Trace, options: Mapping[str, str]) -> FloatArray:
    lane, lanes = trace.tracks.place.lane, trace.scenario.roadmap.lanes
    beside = {
        "left": np.array([*(k.left for k in lanes), NO_LANE]),
        "right": np.array([*(k.right for k in lanes), NO_LANE]),
    }
    sides = [options["side"]] if "side" in options else ["left", "right"]
    moved: BoolArray = np.zeros(lane[1:].shape, np.bool_)
    for side in sides:
        moved |= (beside[side][lane[:-1]] == lane[1:]) & (lane[1:] != NO_LANE)
    moved &= trace.tracks.valid[1:] & trace.tracks.valid[:-1]
    out = np.full(lane.shape, -FAR)
    for t, agent in np.argwhere(moved):
        line = (trace.times[t] + trace.times[t + 1]) / 2
        near = LANE_CHANGE_SPAN - np.abs(trace.times - line)
        out[:, agent] = np.maximum(out[:, agent], near)
    return out


def _cut_out(trace: Trace, options: Mapping[str, str]) -> FloatArray:
    return np.minimum(_lane_change(trace, options), recently(_in_path(trace), RECENT))


def _turn(trace: Trace, options: Mapping[str, str]) -> FloatArray:
    yaw, reach = unwrap_time(trace.states.yaw), round(TURN_SPAN / trace.step)
    index = np.arange(trace.steps)
    after = np.minimum(index + reach, trace.steps - 1)
    change = yaw[after] - yaw[np.maximum(index - reach, 0)]
    towards = {"left": change, "right": -change}.get(options.get("side", ""), np.abs(change))
    margin = (towards - TURN_ANGLE) / 0.1
    return np.minimum(margin, np.abs(trace.states.speed) - STANDING)


def _crossing(trace: Trace, options: Mapping[str, str]) -> FloatArray:
    frame, states = trace.tracks.ego_path, trace.states
    speed = states.speed * np.sin(frame.heading_error)
    # Right-hand traffic: the near kerb is on the right, so from there one walks to the left.
    direction = {"near": speed, "right": speed, "far": -speed, "left": -speed}
    across = direction.get(options.get("from", ""), np.abs(speed)) - CROSSING_SPEED
    aside = (CROSSING_ASIDE - np.abs(frame.offset)) / CROSSING_ASIDE
    slant = (np.abs(np.sin(frame.heading_error)) - math.sin(math.radians(45.0))) / 0.1
    return np.minimum.reduce([across, aside, slant, _within(frame.ahead, 0.0, CROSSING_AHEAD)])


def _within(value: FloatArray, low: float, high: float) -> FloatArray:
    return np.minimum(value - low, high - value)


def _in_path(trace: Trace, sign: float = 1.0) -> FloatArray:
    tracks = trace.tracks
    frame, side = tracks.ego_path, tracks.half_lateral(EGO)
    long = tracks.half_longitudinal(EGO)
    beside = side + side[:, [EGO]] - np.abs(frame.offset - frame.offset[:, [EGO]])
    gap = sign * frame.ahead - long - long[:, [EGO]]
    out = np.minimum(beside, _within(gap, -0.5, SIGHT))
    out[:, EGO] = -FAR
    return np.where(tracks.valid & tracks.valid[:, [EGO]], out, -FAR)


def _nearest(trace: Trace, sign: float) -> FloatArray:
    """Margin of being the nearest motor vehicle or cyclist in the ego's path, ahead or behind."""
    drives = np.isin(trace.tracks.kind, [k for k in AgentKind if k <= AgentKind.CYCLIST])
    path = np.where(drives, _in_path(trace, sign), -FAR)
    ahead = sign * trace.tracks.ego_path.ahead
    place = np.where(path > 0, ahead, np.inf)
    first, second = np.sort(place, axis=1)[:, :2].T if place.shape[1] > 1 else (place[:, 0],) * 2
    others = np.where(place == first[:, None], second[:, None], first[:, None])
    return np.minimum(path, np.clip(others - ahead, -FAR, FAR))


def _oncoming(trace: Trace, _: Mapping[str, str]) -> FloatArray:
    states = trace.states
    turn = np.abs(wrap_angle(states.yaw - states.yaw[:, [EGO]]))
    ahead = trace.tracks.ego_path.ahead
    return np.minimum.reduce(
        [(turn - OPPOSED) / 0.1, states.speed - STANDING, _within(ahead, 0.0, SIGHT)]
    )


def _hidden(trace: Trace, options: Mapping[str, str]) -> Callable[[int], FloatArray]:
    by: tuple[int, ...] | None = None
    if "by" in options:
        vehicles = trace.tracks.motor_vehicles()
        if options["by"] == "parked":
            speed = np.where(trace.tracks.valid, np.abs(trace.states.speed), 0.0).max(axis=0)
            vehicles = vehicles[speed[vehicles] < STANDING]
        by = tuple(int(k) for k in vehicles)
    return lambda agent: (IN_VIEW - trace.tracks.visible_fraction(agent, by)) * 10.0


def _occluded(trace: Trace, indices: Indices, options: Mapping[str, str]) -> FloatArray:
    return trace.table(_kept("occluded", options), indices, _hidden(trace, options))


def _emerges(trace: Trace, indices: Indices, options: Mapping[str, str]) -> FloatArray:
    hidden = _hidden(trace, options)

    def margin(agent: int) -> FloatArray:
        out = hidden(agent)
        return np.minimum(-out, recently(out, EMERGING))

    return trace.table(_kept("emerges", options), indices, margin)


def _kept(name: str, options: Mapping[str, str]) -> str:
    """Name under which results for some options are kept."""
    return f"{name} {sorted(options.items())}"


def _collision(trace: Trace, indices: Indices, _: Mapping[str, str]) -> FloatArray:
    return -pairs.separation(trace.states, indices[0], indices[1])


def _red_light(trace: Trace, indices: Indices, _: Mapping[str, str]) -> FloatArray:
    def margin(agent: int) -> FloatArray:
        return recently(red_crossing(trace.tracks, agent), SINCE_RED)

    if not trace.scenario.roadmap.signals:
        return np.full((trace.steps, *indices[0].shape), -FAR)
    return trace.table("red_light", indices, margin)


def _siren(trace: Trace, _: Mapping[str, str]) -> FloatArray:
    on = np.isin(np.arange(trace.states.valid.shape[1]), trace.scenario.sirens)
    return np.broadcast_to(np.where(on, 1.0, -1.0), trace.states.valid.shape)


def _crossing_paths(trace: Trace, indices: Indices, _: Mapping[str, str]) -> FloatArray:
    yaw = trace.states.yaw
    slant = np.abs(np.sin(yaw[:, indices[0]] - yaw[:, indices[1]])) - math.sin(ACROSS)
    pet = trace.table("pet", indices, trace.encroachment)
    return np.where(np.isfinite(pet), slant / 0.1, -FAR)


def _near_miss(trace: Trace, indices: Indices, _: Mapping[str, str]) -> FloatArray:
    states, (i, j) = trace.states, indices
    soon = pairs.ttc_shortfall(states, i, j, NEAR_MISS_TTC)
    close = NEAR_MISS_DISTANCE - pairs.distance(states, i, j)
    return np.minimum(np.maximum(soon, close), pairs.separation(states, i, j))


MOTIONS: dict[str, Predicate] = {
    "stopped": Predicate(
        doc=f"a stands: its speed is below {STANDING} m/s.",
        roles=("a",),
        margin=_table(_stopped),
    ),
    "hard_brake": Predicate(
        doc=f"a brakes harder than {HARD_BRAKING:g} m/s^2.",
        roles=("a",),
        margin=_table(_hard_brake),
    ),
    "lane_change": Predicate(
        doc=(
            "a's centre crosses from one lane to its neighbour, from"
            f" {LANE_CHANGE_SPAN:g} s before to {LANE_CHANGE_SPAN:g} s after."
        ),
        roles=("a",),
        margin=_table(_lane_change),
        options={"side": ("left", "right")},
    ),
    "cut_out": Predicate(
        doc=(
            f"a was in the ego's path within the last {RECENT:g} s and changes lanes, from"
            f" {LANE_CHANGE_SPAN:g} s before its centre crosses the line to"
            f" {LANE_CHANGE_SPAN:g} s after."
        ),
        roles=("a",),
        margin=_table(_cut_out),
        options={"side": ("left", "right")},
    ),
    "turn": Predicate(
        doc=(
            f"a's heading changes by more than 30 deg between {TURN_SPAN:g} s before and"
            f" {TURN_SPAN:g} s after, while it moves."
        ),
        roles=("a",),
        margin=_table(_turn),
        options={"side": ("left", "right")},
    ),
    "crossing": Predicate(
        doc=(
            f"a moves across the ego's lane path at more than {CROSSING_SPEED} m/s and at more"
            f" than 45 deg to it, up to {CROSSING_AHEAD:g} m ahead and {CROSSING_ASIDE:g} m aside;"
            " from=near is from the right."
        ),
        roles=("a",),
        margin=_table(_crossing),
        options={"from": ("near", "far", "left", "right")},
    ),
    "in_path": Predicate(
        doc=f"a's box reaches into what the ego's box sweeps along its lane, up to {SIGHT:g} m.",
        roles=("a",),
        margin=_table(lambda trace, _: _in_path(trace)),
    ),
    "lead": Predicate(
        doc="a is the nearest vehicle or cyclist in the ego's path.",
        roles=("a",),
        margin=_table(lambda trace, _: _nearest(trace, 1.0)),
    ),
    "rear": Predicate(
        doc="a is the nearest vehicle or cyclist behind the ego on its path.",
        roles=("a",),
        margin=_table(lambda trace, _: _nearest(trace, -1.0)),
    ),
    "oncoming": Predicate(
        doc=(
            "a moves ahead of the ego, its heading opposed to the ego's by more than 135 deg,"
            f" up to {SIGHT:g} m."
        ),
        roles=("a",),
        margin=_table(_oncoming),
    ),
    "occluded": Predicate(
        doc="Less than half of a's silhouette is in the ego's view past the others.",
        roles=("a",),
        margin=_occluded,
        is_costly=True,
        options={"by": ("parked", "vehicle")},
    ),
    "emerges": Predicate(
        doc=f"a is in view and was occluded within the last {EMERGING:g} s.",
        roles=("a",),
        margin=_emerges,
        is_costly=True,
        options={"by": ("parked", "vehicle")},
    ),
    "red_light": Predicate(
        doc=(
            "a's front crossed the stop line of a signal that was red within the last"
            f" {SINCE_RED:g} s."
        ),
        roles=("a",),
        margin=_red_light,
        is_costly=True,
    ),
    "siren": Predicate(
        doc="a drives with blue light and siren.",
        roles=("a",),
        margin=_table(_siren),
    ),
    "crossing_paths": Predicate(
        doc=(
            "a and b cover a common place, at whatever times in the scenario, and head across"
            " each other, at 45 to 135 deg."
        ),
        roles=("a", "b"),
        margin=_crossing_paths,
        is_costly=True,
    ),
    "collision": Predicate(
        doc="The boxes of a and b touch or overlap.",
        roles=("a", "b"),
        margin=_collision,
    ),
    "near_miss": Predicate(
        doc=(
            f"a and b do not touch, but their TTC is below {NEAR_MISS_TTC:g} s or their distance"
            f" below {NEAR_MISS_DISTANCE} m."
        ),
        roles=("a", "b"),
        margin=_near_miss,
    ),
}
"""Motions that are no event family, by name."""


def _family(event: type[Event]) -> Predicate:
    """Make a predicate of an event family; assignments that cannot hold are not computed."""

    def candidates(trace: Trace) -> frozenset[tuple[int, ...]]:
        return trace.casts(event.name, event.candidates)

    def margin(trace: Trace, indices: Indices, options: Mapping[str, str]) -> FloatArray:
        def compute(*cast: int) -> FloatArray:
            return event.margin(trace.tracks, cast, options)

        name = _kept(event.name, options)
        return trace.table(name, indices, compute, candidates(trace), -FAR)

    return Predicate(
        doc=(event.__doc__ or "").strip().partition("\n")[0],
        roles=event.roles,
        margin=margin,
        options=event.options,
        candidates=candidates,
        family=event,
        is_costly=True,
    )


PREDICATES: dict[str, Predicate] = {
    **MOTIONS,
    **{name: _family(event) for name, event in EVENTS.items()},
}
"""Every predicate of the language, by name; a family takes the name over a plain motion."""
