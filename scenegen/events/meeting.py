"""Two vehicles that meet in a junction: where both begin so that they miss by a drawn time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.conflict_areas import Conflict
from scenegen.events.openings import Stretch
from scenegen.events.profiles import Profile, lone_drive
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known
from scenegen.geometry.boxes import boxes_overlap
from scenegen.geometry.polylines import heading_at, point_at
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.roadmap import RoadMap
from scenegen.scene.signals import SignalState

STEP = 0.25
"""Step at which signals are looked at [s]."""
ACROSS = np.radians(30.0)
"""Least angle between a crossing vehicle and the ego's lane [rad]."""
SAMPLE = 0.5
"""Time apart at which corridors and boxes are compared [s]."""
HORIZON = 12.0
"""Time that is looked ahead for it [s]."""
WIDE = SIZE[AgentKind.CAR][1]
"""Width of an ego [m]."""
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

    def timed(self, conflict: Conflict, ego: Profile, ego_length: float) -> tuple[float, float]:
        """Where and how fast the other must begin, if speeds change on the way.

        Args:
            conflict: Where the two meet.
            ego: When the ego's centre is where; its times count from now.
            ego_length: Length of the ego [m].

        Returns:
            Arc length of its centre on its path [m], and its speed there [m/s].
        """
        length = SIZE[AgentKind.CAR][0]
        other = lone_drive(conflict.other, self.other_speed)
        if self.ego_first:
            meet, sign = ego.when(conflict.ego_area[1] + ego_length / 2), 1.0
            passed = other.when(conflict.other_area[0] - length / 2)
        else:
            meet, sign = ego.when(conflict.ego_area[0] - ego_length / 2), -1.0
            passed = other.when(conflict.other_area[1] + length / 2)
        # Boxes leave a common place earlier than the corridors do where one of them turns: how
        # much earlier shows when the corridors are apart by SAMPLE.
        shift = passed - meet - sign * SAMPLE
        lead = _lead(conflict, ego, other, shift, ego_length) * sign
        spare = max(lead - SAMPLE, 0.0) if np.isfinite(lead) else 0.0
        along = other.where(passed - meet - sign * (self.pet - spare))
        return along, other.pace(along)


def _lead(
    conflict: Conflict, ego: Profile, other: Profile, shift: float, ego_length: float
) -> float:
    """Least time between the two covering a place [s], positive if the ego does first; inf: none.

    The other is at its profile's place of `shift` seconds when the ego begins.
    """
    times = np.arange(0.0, HORIZON, 0.1)
    boxes = []
    tracks = ((conflict.ego, ego, 0.0, ego_length), (conflict.other, other, shift, None))
    for path, profile, begin, length in tracks:
        along = np.array([profile.where(float(t) + begin) for t in times])
        size = np.array(SIZE[AgentKind.CAR][:2]) if length is None else np.array([length, WIDE])
        yaw = heading_at(path.points, along)
        boxes.append((point_at(path.points, along), yaw, np.broadcast_to(size, (len(times), 2))))
    (p, u, s), (q, v, r) = boxes
    hits = boxes_overlap(p[:, None], u[:, None], s[:, None], q[None], v[None], r[None])
    lead = (times[None, :] - times[:, None])[hits]
    return float(lead[np.abs(lead).argmin()]) if len(lead) else float(np.inf)


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
