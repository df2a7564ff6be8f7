"""Where the ego can begin: stretches of road, and the openings drawn or found on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from scenegen.events.casting import Cast, Driver
from scenegen.events.paths import Path, straight_on
from scenegen.scene.agents import SIZE, AgentKind, AgentStates
from scenegen.scene.lanes import locate
from scenegen.scene.plans import Ignores
from scenegen.scene.roadmap import Lane, LaneKind, RoadMap

TRIES = 40
"""Openings drawn before a place counts as not found."""
LIMIT_SHARE = 1.25
"""Scripted drivers go at most this many times the legal limit."""
SPEED_TOLERANCE = 3.0
"""A recorded vehicle can be the ego if its speed is this near to the scripted one [m/s]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stretch:
    """A path and the part of it on which the ego may begin.

    Attributes:
        path: Where the ego drives.
        low: Least arc length of the ego's centre [m].
        high: Greatest arc length of the ego's centre [m].
    """

    path: Path
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opening:
    """The ego at the first instant.

    Attributes:
        stretch: The stretch it is on.
        along: Arc length of its centre on the stretch's path [m].
        speed: Its speed [m/s].
        recorded: Index of the recorded vehicle it takes over, or None.
        states: The recorded vehicle's state, leading shape (1,), or None.
    """

    stretch: Stretch
    along: float
    speed: float
    recorded: int | None = None
    states: AgentStates | None = None

    @property
    def path(self) -> Path:
        """Where the ego drives."""
        return self.stretch.path

    @property
    def front(self) -> float:
        """Arc length of the ego's front bumper [m]."""
        return self.along + self.ego_size[0] / 2

    @property
    def ego_size(self) -> tuple[float, float]:
        """Length and width of the ego [m]."""
        if self.states is None:
            return SIZE[AgentKind.CAR][:2]
        return float(self.states.size[0, 0]), float(self.states.size[0, 1])

    def cast(self, driver: Driver | None = None, ignores: Ignores = Ignores.NOTHING) -> Cast:
        """Begin a cast with the ego: a calm reactive driver that wants to keep its speed."""
        cast = Cast(self.path.roadmap)
        cast.drive(self.path, self.along, self.speed, driver=driver, ignores=ignores)
        if self.recorded is not None and self.states is not None:
            cast.take_over(self.recorded, self.states)
        return cast


def through_stretches(
    roadmap: RoadMap,
    length: float,
    speed: float,
    accept: Callable[[Lane], bool] = lambda lane: True,
    margin: float = 5.0,
) -> list[Stretch]:
    """Find stretches with enough road ahead before the next junction.

    Args:
        roadmap: The road.
        length: Road needed ahead of the ego's centre, without a junction [m].
        speed: Speed of the ego [m/s]; lanes whose limit it exceeds by LIMIT_SHARE are left out.
        accept: Whether the ego may begin on a lane.
        margin: Road needed behind the ego's centre [m].

    Returns:
        One stretch per suitable lane.
    """
    found = []
    for k in roadmap.traffic_lanes:
        lane = roadmap.lanes[k]
        fast = speed > LIMIT_SHARE * lane.speed_limit
        if lane.kind is not LaneKind.DRIVING or lane.in_junction or fast or not accept(lane):
            continue
        path = straight_on(roadmap, k, lane.length + length + 100.0)
        high = min(lane.length, path.length_to_junction - length)
        if high >= margin:
            found.append(Stretch(path=path, low=margin, high=high))
    return found


def openings(
    stretches: list[Stretch],
    speed: float,
    rng: np.random.Generator,
    log: AgentStates | None = None,
) -> Iterator[Opening]:
    """Give openings to try: recorded vehicles of about the right speed first, then random places.

    Args:
        stretches: Where the ego may begin.
        speed: Scripted speed of the ego [m/s].
        rng: Random stream.
        log: Recorded traffic, leading shape (T, M), or None.

    Yields:
        Openings, the random ones with a chance proportional to the stretch's length.
    """
    if not stretches:
        return
    if log is not None:
        yield from _recorded(stretches, speed, rng, log)
    weights = np.array([s.high - s.low + 1.0 for s in stretches])
    for _ in range(TRIES):
        stretch = stretches[int(rng.choice(len(stretches), p=weights / weights.sum()))]
        along = float(rng.uniform(stretch.low, stretch.high))
        yield Opening(stretch=stretch, along=along, speed=speed)


def _recorded(
    stretches: list[Stretch], speed: float, rng: np.random.Generator, log: AgentStates
) -> Iterator[Opening]:
    now = log[0]
    roadmap = stretches[0].path.roadmap
    place = locate(roadmap, now.position, now.yaw)
    usable = now.valid & (now.kind == AgentKind.CAR)
    usable &= (np.abs(now.speed - speed) <= SPEED_TOLERANCE) & (np.abs(place.heading_error) < 0.3)
    usable &= np.abs(place.offset) < place.width / 2
    pairs = [(s, j) for s in stretches for j in np.flatnonzero(usable)]
    for number in rng.permutation(len(pairs)):
        stretch, j = pairs[int(number)]
        if int(place.lane[j]) not in stretch.path.lanes:
            continue
        along, offset = stretch.path.place(*map(float, now.position[j]))
        if stretch.low <= along <= stretch.high and abs(offset) < 1.0:
            yield Opening(
                stretch=stretch,
                along=along,
                speed=float(now.speed[j]),
                recorded=int(j),
                states=now[[j]],
            )
