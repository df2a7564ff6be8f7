"""Loss of control: a vehicle ahead skids, or loses a tyre, and slides across the ego's way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.event import Event, Script
from scenegen.events.openings import Opening, Stretch, through_stretches
from scenegen.events.paths import path_beside
from scenegen.events.ranges import Limit, Range, draw_coupled
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently, smoothed, soon
from scenegen.geometry.angles import unwrap_time
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import KNOTS, Ignores
from scenegen.scene.roadmap import NO_LANE, Lane, RoadKind, RoadMap

GRAVITY = 9.81
"""Gravity [m/s^2]."""
SPACING = 8.0 / (KNOTS - 1)
"""Time between two knots of a motion code [s]."""
STRAIGHT = np.radians(4.0)
"""The road turns less than this where somebody skids: a motion code knows no road [rad]."""
SLIDING = 2.0
"""Lateral speed that no lane change has [m/s]: UN R157 takes 1.8 m/s for a fast cut-in."""
ASKEW = np.radians(17.0)
"""Angle to the lane that no lane change has [rad]."""
PULL = 1.5
"""Lateral acceleration beyond what the lane's curve needs, from which a vehicle does not follow it
[m/s^2]: a lane change at 1.8 m/s peaks at 1.85, over AVERAGED and with the lane's noise below this;
comfortable ones stay below 1. What grip was left is not to be seen from outside."""
AVERAGED = 0.5
"""Time over which it is averaged [s]."""
CLEAR = 1.0
"""Who was or will be in a junction within this time turns there [s]."""
MOVING = 4.0
"""Slower vehicles turn or park [m/s]."""
LASTS = 3.0
"""A loss of control goes on for this long after the slide [s]."""
NEAR = 90.0
"""Vehicles farther ahead of the ego do not matter yet [m]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossOfControlScript(Script):
    """A concrete loss of control.

    Attributes:
        side: Where the other begins as the ego sees it: "left", "right", or "ahead" in its lane.
        speed: Speed of the other before [m/s].
        gap: Distance from the ego's front to the other at the begin [m].
        yaw_rate: Peak of the yaw-rate disturbance [rad/s].
        deceleration: Deceleration while it slides [m/s^2].
        grip: Friction under its wheels; both accelerations stay within grip times gravity.
        recovery: Share of the heading it gets back by steering against it.
        onset: Time until it loses control, taken to the nearest knot of its motion code [s].
    """

    event: ClassVar[str] = "loss_of_control"
    side: str
    speed: float
    gap: float
    yaw_rate: float
    deceleration: float
    grip: float
    recovery: float
    onset: float

    def knots(self, sign: float) -> FloatArray:
        """Motion code of a disturbance to one side and the steering against it.

        Args:
            sign: +1 if it turns left first, -1 if right.

        Returns:
            Accelerations [m/s^2] and yaw rates [rad/s], shape (KNOTS, 2).
        """
        code = np.zeros((KNOTS, 2), np.float32)
        at = max(round(self.onset / SPACING), 1)
        code[at, 1] = sign * self.yaw_rate
        code[at + 2, 1] = -sign * self.yaw_rate * self.recovery
        # n knots at full braking and a ramp on either side take (n + 1) SPACING of it off.
        count = int((self.speed - 1.0) / (self.deceleration * SPACING)) - 1
        code[at : at + min(max(count, 1), 5), 0] = -self.deceleration
        return code

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Stretches with a lane on the side, as long as the slide goes on."""

        def suits(lane: Lane) -> bool:
            return self.side == "ahead" or getattr(lane, self.side) != NO_LANE

        length = self.gap + 5.0 * max(self.ego_speed, self.speed) + 10.0
        return through_stretches(roadmap, min(length, 220.0), self.ego_speed, suits)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Put the other ahead and give it the motion code."""
        path, (length, _, _) = opening.path, SIZE[AgentKind.CAR]
        along = opening.front + self.gap + length / 2
        if path.bend(along, along + 4.0 * self.speed) > STRAIGHT or along + 40.0 > path.length:
            return None
        lane = path if self.side == "ahead" else path_beside(path, along, self.side)
        if lane is None:
            return None
        sign = {"left": -1.0, "right": 1.0}.get(self.side, float(rng.choice([-1.0, 1.0])))
        x, y, _ = path.pose(along)
        cast = opening.cast()
        begin = lane.place(x, y)[0]
        a = cast.drive(lane, begin, self.speed, role="a", ignores=Ignores.LEADERS)
        cast.follow_code(a, self.knots(sign))
        cast.keep_clear(path, opening.along, along + 2.0 * self.speed)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class LossOfControl(Event):
    """A vehicle ahead loses control, on a slick place or with a burst tyre, near the ego's lane.

    Its motion is a yaw-rate disturbance, braking, and counter-steering that wins back all, part,
    or more than all of the heading. The other drives where it points: side slip is not modelled;
    grip bounds speed times yaw rate as well as braking. Sources: NHTSA pre-crash 1-3, vehicle
    failure and control loss with and without a manoeuvre (674 000 crashes a year, 11.3 %); ISO
    34502, vehicle disturbance; CARLA control_loss. Yaw-rate disturbance 0.1-0.6 rad/s, friction
    0.1-0.9, deceleration 1-6 m/s^2; speeds and distances are ours.

    Attributes:
        speed: Speed of the other before [m/s].
        gap: Distance from the ego's front to the other at the begin [m].
        closing: Ego speed minus that speed [m/s].
        yaw_rate: Peak of the yaw-rate disturbance [rad/s].
        deceleration: Deceleration while it slides [m/s^2].
        grip: Friction under its wheels.
        recovery: Share of the heading it gets back.
        onset: Time from the begin until it loses control [s].
    """

    name: ClassVar[str] = "loss_of_control"
    script: ClassVar[type[Script]] = LossOfControlScript
    roles: ClassVar[tuple[str, ...]] = ("a",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (RoadKind.HIGHWAY, RoadKind.RURAL)
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "a.speed": "speed",
        "gap(ego,a)": "gap",
        "closing(ego,a)": "closing",
    }
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"side": ("left", "right", "ahead")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(6.0, 50.0), "m/s"),
        "speed": Limit(Range(6.0, 50.0), "m/s"),
        "gap": Limit(Range(5.0, 100.0), "m"),
        "closing": Limit(Range(-5.0, 15.0), "m/s"),
        "yaw_rate": Limit(Range(0.05, 1.0), "rad/s"),
        "deceleration": Limit(Range(0.5, 8.0), "m/s^2"),
        "grip": Limit(Range(0.1, 1.0), ""),
        "recovery": Limit(Range(0.0, 2.0), ""),
        "onset": Limit(Range(0.9, 4.0), "s"),
    }
    ego_speed: Range = field(default=Range(50 / 3.6, 120 / 3.6))
    speed: Range = field(default=Range(40 / 3.6, 120 / 3.6))
    gap: Range = field(default=Range(12.0, 45.0))
    closing: Range = field(default=Range(0.0, 5.0))
    yaw_rate: Range = field(default=Range(0.1, 0.6))
    deceleration: Range = field(default=Range(1.0, 6.0))
    grip: Range = field(default=Range(0.1, 0.9))
    recovery: Range = field(default=Range(0.3, 1.2))
    onset: Range = field(default=Range(0.9, 2.2))

    def draw(self, rng: np.random.Generator) -> LossOfControlScript:
        """Draw numbers that friction allows and that make the other slide."""

        def sample(rng: np.random.Generator) -> LossOfControlScript:
            ego_speed = self.ego_speed.draw(rng)
            near = Range(ego_speed - self.closing.high, ego_speed - self.closing.low)
            return LossOfControlScript(
                ego_speed=ego_speed,
                side=self.option("side", rng),
                speed=(self.speed.intersect(near) or self.speed).draw(rng),
                gap=self.gap.draw(rng),
                yaw_rate=self.yaw_rate.draw(rng),
                deceleration=self.deceleration.draw(rng),
                grip=self.grip.draw(rng),
                recovery=self.recovery.draw(rng),
                onset=self.onset.draw(rng),
            )

        def agrees(s: LossOfControlScript) -> bool:
            held = np.hypot(s.speed * s.yaw_rate * max(s.recovery, 1.0), s.deceleration)
            slides = s.speed * np.sin(s.yaw_rate * SPACING) > SLIDING
            possible = held <= s.grip * GRAVITY
            return bool(s.ego_speed - s.speed in self.closing and possible and slides)

        return draw_coupled(self.name, rng, sample, agrees)

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a vehicle ahead slides or slid just now, and gets into the ego's lane.

        All must hold: within the last LASTS it left the lane that it was on (see `_skids`); its box
        reaches into the ego's lane within LASTS before or after now; it is ahead of the ego's
        front, nearer than NEAR. The option `side` says where it was before: in a lane to the left
        or right, or ahead.
        """
        (a,) = actors
        frame, there = view.ego_path, view.both(EGO, a)
        slides = known(there, _skids(view, a))
        into = known(there, view.intrusion(EGO, a))
        meets = np.maximum(recently(into, LASTS, frame.group), soon(into, LASTS, frame.group))
        front = frame.ahead[:, a] - view.half_longitudinal(EGO)[:, EGO]
        margin = all_of(recently(slides, LASTS, frame.group), meets, front, NEAR - front)
        if "side" in options:
            margin = all_of(margin, _came_from(view, a, options["side"]))
        return known(there, margin)

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Motor vehicles ahead that move across their own lane or stand askew in it."""
        error, speed = view.place.heading_error, view.states.speed
        across = np.abs(speed * np.sin(error)) > SLIDING
        wild = view.valid & (speed > MOVING) & (across | (np.abs(error) > ASKEW))
        ahead = view.ego_path.ahead > 0
        return [
            (a,)
            for a in view.motor_vehicles().tolist()
            if (wild[:, a] & ahead[:, a] & view.both(EGO, a)).any()
        ]


def _skids(view: Tracks, agent: int) -> FloatArray:
    """Margin of a vehicle moving across its own lane as no driver steers, shape (T,).

    All must hold: it moves sideways in its lane faster than SLIDING, or stands ASKEW in it; within
    the last LASTS its heading turned against the lane such that the lateral acceleration beyond
    what the lane's curve needs, averaged over AVERAGED, was above PULL; it is faster than MOVING;
    and on no junction within CLEAR before or after, where lanes cross and bend.
    """
    place, speed = view.place, view.states.speed[:, agent]
    error, on = place.heading_error[:, agent], place.lane[:, agent] != NO_LANE
    sideways = np.abs(speed * np.sin(error)) - SLIDING
    slant = 10.0 * np.minimum(np.abs(error) - ASKEW, np.pi / 2 - np.abs(error))
    # On another lane the error is another one; a lane beside the old one has its direction.
    turned = np.gradient(unwrap_time(error), view.times)
    pull = np.abs(smoothed(np.where(on, turned * speed, 0.0), AVERAGED)) - PULL
    inside = np.where(view.in_junction[:, agent] | ~on, 1.0, -1.0)
    elsewhere = -np.maximum(recently(inside, CLEAR), soon(inside, CLEAR))
    now = all_of(np.maximum(sideways, slant), recently(pull, LASTS), speed - MOVING, elsewhere)
    return known(view.valid[:, agent], now)


def _came_from(view: Tracks, agent: int, side: str) -> FloatArray:
    """Margin of having begun beside the ego's lane, or in it, shape (T,)."""
    frame = view.ego_path
    begin = int(np.argmax(view.both(EGO, agent)))
    offset, half = float(frame.offset[begin, agent]), float(frame.half_width[begin, agent])
    was = {"left": offset - half, "right": -offset - half, "ahead": half - abs(offset)}[side]
    return np.full(view.steps, was)
