"""Two vehicles that meet in a junction: where both begin so that they miss by a drawn time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.conflict_areas import Conflict
from scenegen.events.openings import Stretch
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.roadmap import RoadMap
from scenegen.scene.signals import SignalState

STEP = 0.25
"""Step at which signals are looked at [s]."""
ACROSS = np.radians(30.0)
"""Least angle between a crossing vehicle and the ego's lane [rad]."""
SETTLED = 0.5
"""A signal has been red for this long before somebody runs it [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """When two vehicles are in their common area if nobody reacts.

    Attributes:
        ego_speed: Speed of the ego [m/s].
        other_speed: Speed of the other [m/s].
        pet: Time from the first one's exit to the second one's entry [s]; negative: both are
            there together.
        ego_first: Whether the ego goes first.
    """

    ego_speed: float
    other_speed: float
    pet: float
    ego_first: bool

    def other_along(self, conflict: Conflict, ego_front: float, ego_length: float) -> float:
        """Arc length at which the centre of the other must begin, given the ego's front [m]."""
        length = SIZE[AgentKind.CAR][0]
        if self.ego_first:
            leaves = (conflict.ego_area[1] - ego_front + ego_length) / self.ego_speed
            enters = leaves + self.pet
            return conflict.other_area[0] - enters * self.other_speed - length / 2
        enters = (conflict.ego_area[0] - ego_front) / self.ego_speed
        leaves = enters - self.pet
        return conflict.other_area[1] - leaves * self.other_speed + length / 2


def approach(conflict: Conflict, speed: float, earliest: float, latest: float) -> Stretch | None:
    """Where the ego begins to reach a conflict area within a window of time.

    Args:
        conflict: The conflict.
        speed: Speed of the ego [m/s].
        earliest: Least time to the area [s].
        latest: Greatest time to the area [s].

    Returns:
        The stretch of its path outside the junction; None if the road is too short.
    """
    half = SIZE[AgentKind.CAR][0] / 2
    low = max(conflict.ego_area[0] - half - speed * latest, half + 1.0, _last_junction(conflict))
    high = min(conflict.ego_area[0] - half - speed * earliest, conflict.ego_stop - half - 2.0)
    return Stretch(path=conflict.ego, low=low, high=high) if high > low else None


def crosses_ahead(view: Tracks, agent: int, reach: float) -> FloatArray:
    """Margin of a vehicle being across the ego's lane ahead of it.

    All must hold: the box reaches into the ego's lane at an angle of at least ACROSS, and its
    centre is ahead of the ego's front bumper by less than `reach`.

    Args:
        view: The scenario.
        agent: Index of the vehicle.
        reach: Greatest distance [m].

    Returns:
        Margin, shape (T,).
    """
    frame = view.ego_path
    front = frame.ahead[:, agent] - view.half_longitudinal(EGO)[:, EGO]
    slant = np.abs(np.sin(frame.heading_error[:, agent])) - np.sin(ACROSS)
    margin = all_of(view.intrusion(EGO, agent), front, reach - front, 10.0 * slant)
    return known(view.both(EGO, agent), margin)


def shows(roadmap: RoadMap, lane: int, begin: float, end: float, state: SignalState) -> bool:
    """Whether the signal of a lane shows a state throughout a span of time.

    Args:
        roadmap: The road.
        lane: A lane behind a stop line.
        begin: Begin of the span [s].
        end: End of the span [s].
        state: What it should show.

    Returns:
        Whether it does; where there is no signal, whether `state` is not RED.
    """
    number = roadmap.signal_of_lane.get(lane)
    if number is None:
        return state is not SignalState.RED
    count = max(int((end - begin) / STEP), 1) + 1
    times = [begin + (end - begin) * k / count for k in range(count + 1)]
    return all(roadmap.signals[number].state(max(t, 0.0)) is state for t in times)


def _last_junction(conflict: Conflict) -> float:
    """Arc length at which the last junction before the conflict is left."""
    left = 0.0
    for k, lane in enumerate(conflict.ego.lanes):
        if conflict.ego.starts[k + 1] > conflict.ego_stop + 0.01:
            break
        if conflict.ego.roadmap.lanes[lane].in_junction:
            left = float(conflict.ego.starts[k + 1])
    return left
