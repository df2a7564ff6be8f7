"""What a query asks of event, road and weather, in the terms of those who draw them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from scenegen.errors import QueryError
from scenegen.events import EVENTS, Event, Range
from scenegen.pipeline.staging import staged_calls
from scenegen.query import EventCall, Query
from scenegen.scene import Light, RoadKind, Weather

STATIC_FIELDS = {
    "visibility": "visibility",
    "rain_rate": "rain_mm_per_h",
    "snow_rate": "snow_mm_per_h",
    "sun_elevation": "sun_elevation",
}
"""Field of Conditions behind each static quantity that a query can bound."""

Combination = tuple[Light, Weather, RoadKind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the composer is told.

    Attributes:
        event: The event to stage, narrowed to the query; None for everyday traffic.
        role_names: Name in the query of each role of the event.
        combinations: Light, weather and kind of road that may go together.
        ranges: Bounds on fields of Conditions.
        ego_speed: Bounds on the ego's speed [m/s], for scenes without an event.
    """

    event: Event | None
    combinations: tuple[Combination, ...]
    role_names: dict[str, str] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    ego_speed: tuple[float, float] = (0.0, np.inf)

    @property
    def road_kinds(self) -> tuple[RoadKind, ...]:
        """Kinds of road that may be drawn, the event's preferred ones first."""
        open_kinds = {kind for _, _, kind in self.combinations}
        order = self.event.road_kinds if self.event is not None else tuple(RoadKind)
        return tuple(kind for kind in order if kind in open_kinds)

    def lights_and_weathers(
        self, road: RoadKind
    ) -> tuple[tuple[Light, ...], dict[Light, tuple[Weather, ...]]]:
        """Lights that may go with a road, and the weathers that may go with each of them."""
        fit = [c for c in self.combinations if c[2] is road or road is RoadKind.RECORDED]
        lights = tuple(light for light in Light if any(c[0] is light for c in fit))
        weathers = {
            light: tuple(w for w in Weather if any(c[:2] == (light, w) for c in fit))
            for light in lights
        }
        return lights, weathers


def wishes_of(query: Query) -> Wishes:
    """Read a query as a request.

    The first event family that the query names is staged, or the one that the motions it names
    suggest; further ones must come about by themselves, since two scripts would pull the same ego
    in two directions.

    Raises:
        QueryError: The query contradicts itself, or asks for what its event cannot give.
    """
    bounds, static = query.bounds(), query.static()
    # What is asked for later on is no condition on the first instant, but worth aiming for.
    aims = {**query.later_bounds(), **bounds}
    calls = staged_calls(query, aims)
    event: Event | None = None
    names: dict[str, str] = {}
    if calls:
        event, names = _narrowed(calls[0], aims)
    speed = bounds.get("ego.speed", Range(0.0, np.inf))
    wishes = Wishes(
        event=event,
        role_names=names,
        combinations=static.combinations,
        ranges=_condition_ranges(static.ranges),
        ego_speed=(max(speed.low, 0.0), max(speed.high, 0.0)),
    )
    if not wishes.road_kinds:
        asked = ", ".join(sorted({str(kind) for _, _, kind in static.combinations}))
        assert event is not None
        raise QueryError(
            f"{event.name} happens on {', '.join(event.road_kinds)} roads; the query leaves only"
            f" {asked}"
        )
    return wishes


def _narrowed(call: EventCall, bounds: Mapping[str, Range]) -> tuple[Event, dict[str, str]]:
    """Narrow an event to the bounds on its own quantities, and name its roles as the query does."""
    family = EVENTS[call.name]
    names = dict(zip(family.roles, call.roles, strict=False))
    original = {asked: own for own, asked in names.items()}
    own_bounds = {}

    def renamed(word: re.Match[str]) -> str:
        # A role that the query calls like another one of the family is not that one.
        return original.get(word[0], "" if word[0] in names else word[0])

    for text, wanted in bounds.items():
        own = re.sub(r"[A-Za-z_]\w*", renamed, text)
        if own in family.signals:
            own_bounds[own] = _aim(family, own, wanted)
    # Every family has defaults for all its ranges.
    return family().narrowed(own_bounds, call.options), names  # type: ignore[call-arg]


def _aim(family: type[Event], signal: str, wanted: Range) -> Range:
    """Range that a script aims for when a query bounds a quantity.

    A relation between two agents, such as a gap, may come out below what a script can be set to,
    for example when the ego does not brake in time: the script then aims for its nearest value
    and the query decides. A speed is set by the script, and stays as the query asks.
    """
    limit = family.limits[family.signals[signal]].range
    if "(" not in signal or wanted.intersect(limit) is not None:
        return wanted
    nearest = limit.low if wanted.high < limit.low else limit.high
    return Range(nearest, nearest)


def _condition_ranges(ranges: Mapping[str, Range]) -> dict[str, tuple[float, float]]:
    found = {}
    for text, wanted in ranges.items():
        if text in STATIC_FIELDS:
            found[STATIC_FIELDS[text]] = (wanted.low, wanted.high)
    return found


def choose(rng: np.random.Generator, count: int) -> int:
    """Draw one of several choices; each counts half as much as the one before it."""
    weights = 0.5 ** np.arange(count)
    return int(rng.choice(count, p=weights / weights.sum()))
