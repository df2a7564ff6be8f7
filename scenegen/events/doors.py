"""Car doors: a thin box beside a parked car that turns about its hinge."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Maneuver, ManeuverKind, Trigger, TriggerKind

OPEN = math.radians(70.0)
"""Angle of an open door [rad]: the second or third detent of common hinges."""
THICKNESS, HEIGHT = 0.08, 1.1
"""Thickness and height of a door [m]."""
SLIT = 0.06
"""Distance of the closed door from the box of the car [m], so that they never touch."""
HINGE = 0.7
"""Distance of the hinge ahead of the middle of the car [m]."""
THIN = 0.25
"""A thing as thin as this can be a door [m]."""
TURNING = 0.2
"""Slower doors do not open [rad/s]."""
LASTS = 3.0
"""A door counts as opening for this long after it moved [s]."""
AT_CAR = 1.2
"""A door is no farther from its car than this [m]."""
STANDING = 0.5
"""A car whose door opens is slower than this [m/s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The front door on the left side of a car.

    Attributes:
        width: How far it stands out when it is open [m].
        duration: Time that opening takes [s].
        lead_time: Time before somebody is level with its middle at which it begins [s].
    """

    width: float
    duration: float
    lead_time: float

    def mount(
        self,
        cast: Cast,
        pose: tuple[float, float, float],
        role: str,
        other: int = EGO,
    ) -> int:
        """Add the door to a car that stands at a pose.

        Args:
            cast: The roles so far.
            pose: Middle of the car: x [m], y [m] and heading [rad].
            role: Role name of the door.
            other: Whose arrival it opens for.

        Returns:
            Its agent index.
        """
        x, y, yaw = pose
        length = self.width / math.sin(OPEN)
        forward, left = HINGE - length / 2, SIZE[AgentKind.CAR][1] / 2 + SLIT + THICKNESS / 2
        place = (
            x + forward * math.cos(yaw) - left * math.sin(yaw),
            y + forward * math.sin(yaw) + left * math.cos(yaw),
            yaw,
        )
        door = cast.stand(AgentKind.STATIC, place, (length, THICKNESS, HEIGHT), role=role)
        near = Trigger(kind=TriggerKind.ARRIVAL, threshold=self.lead_time, other=other)
        # The box points to its hinge: turned to the right about it, its tail swings out left.
        swing = Maneuver(kind=ManeuverKind.SWING, trigger=near, a=-OPEN, b=OPEN / self.duration)
        cast.act(door, swing)
        return door


def turns(view: Tracks, door: int) -> FloatArray:
    """Margin of a thin thing turning, faster than TURNING, shape (T,)."""
    thin = THIN - view.states.size[:, door, 1]
    turning = 10.0 * (np.abs(view.yaw_rate[:, door]) - TURNING)
    return known(view.valid[:, door], all_of(thin, turning))


def opens(view: Tracks, car: int, door: int) -> FloatArray:
    """Margin of a door of a car opening, or having opened just now.

    All must hold: the thing is no farther than AT_CAR from a car that is slower than STANDING;
    within the last LASTS it turned (see `turns`).

    Args:
        view: The scenario.
        car: Index of the car.
        door: Index of the thing.

    Returns:
        Margin, shape (T,).
    """
    there = view.both(car, door)
    near = AT_CAR - view.distance(car, door)
    stands = STANDING - np.abs(view.states.speed[:, car])
    turned = recently(turns(view, door), LASTS)
    return known(there, all_of(near, stands, turned))


def doors_of(view: Tracks) -> list[tuple[int, ...]]:
    """List the things that turn, each with every motor vehicle that it may belong to."""
    found: list[tuple[int, ...]] = []
    for d in view.of_kind(AgentKind.STATIC).tolist():
        if turns(view, d).max() <= 0:
            continue
        found += [
            (k, d)
            for k in view.motor_vehicles().tolist()
            if (view.both(k, d) & (view.distance(k, d) < AT_CAR)).any()
        ]
    return found
