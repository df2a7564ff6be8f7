"""Cut-out: the leader swerves out of the lane and reveals something that stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.event import Event, Script
from scenegen.events.following import MAX_HEADWAY, follower, leads
from scenegen.events.kinematics import time_to_shift
from scenegen.events.openings import Opening, Stretch, through_stretches
from scenegen.events.paths import path_beside
from scenegen.events.ranges import Limit, Range, draw_coupled
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Ignores, Maneuver, ManeuverKind, Trigger, TriggerKind
from scenegen.scene.roadmap import NO_LANE, RoadKind, RoadMap

LASTS = 3.0
"""A cut-out goes on for this long after the leader's centre left the lane [s]."""
STOPPED = 0.5
"""Below this speed something stands [m/s]."""
IN_VIEW = 150.0
"""An obstacle farther away than this does not matter yet [m]."""
MISS = 0.4
"""Sideways distance by which the leader passes the obstacle [m]."""
LATE_BRAKING = 6.0
"""Braking that the ego's driver counts on [m/s^2]. Simulated drivers see past their leader; one
that brakes this late does not answer the obstacle long before the leader has left."""
LANE = 3.7
"""Lane width for which the leader's timing is checked [m]."""
SPARE = 1.5
"""Leaders that could begin more than this later do not surprise anybody [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOutScript(Script):
    """A concrete cut-out.

    Attributes:
        side: Side to which the leader moves out, "left" or "right".
        gap: Distance from the ego to the leader [m].
        front_distance: Distance from the leader to the obstacle when it begins to move out [m].
        lateral_speed: Peak lateral speed of the leader [m/s].
        onset: Time until it begins to move out [s].
    """

    event: ClassVar[str] = "cut_out_to_stopped"
    side: str
    gap: float
    front_distance: float
    lateral_speed: float
    onset: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Stretches with a neighbour lane on the side, and room up to past the obstacle."""
        length = self.ego_speed * self.onset + self.gap + self.front_distance + 30.0
        return through_stretches(
            roadmap, length, self.ego_speed, lambda lane: getattr(lane, self.side) != NO_LANE
        )

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Put the leader at the drawn gap and the obstacle where it will be in its way."""
        del rng  # nothing is left to chance
        path, length = opening.path, SIZE[AgentKind.CAR][0]
        lead = opening.front + self.gap + length / 2
        obstacle = lead + opening.speed * self.onset + self.front_distance + length
        beside = path_beside(path, obstacle, self.side)
        if beside is None or obstacle + opening.speed > path.length:
            return None
        pose = path.pose(obstacle)
        level, to_path = beside.place(*pose[:2])
        cast = opening.cast(driver=follower(opening.speed, self.gap, LATE_BRAKING))
        front = cast.drive(path, lead, opening.speed, role="l", ignores=Ignores.LEADERS)
        target = cast.stand(AgentKind.CAR, pose, role="o")
        near = Trigger(kind=TriggerKind.GAP, threshold=self.front_distance, other=target)
        cast.act(
            front,
            Maneuver(
                kind=ManeuverKind.LANE_CHANGE,
                trigger=near,
                a=-to_path,
                b=self.lateral_speed,
                c=beside.lane_at(level),
            ),
        )
        cast.keep_clear(path, opening.along, obstacle)
        cast.keep_clear(beside, level - (obstacle - lead), level + 2.0 * opening.speed)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOutToStopped(Event):
    """The ego's leader moves out of the lane and reveals a vehicle that stands in it.

    Sources: UN R157 cut-out; JRC-FSM grid: speed 10-130 km/h, front distance 2-152 m, lateral
    speed 0.1-3.1 m/s; UN R157 5.2.3.3: time gap 1.0-1.6 s. Only leaders that can pass the obstacle
    are drawn. NHTSA pre-crash 22 (85 000 crashes a year, 1.44 %).

    Attributes:
        gap: Distance from the ego to the leader [m].
        time_headway: The same over the speed [s].
        front_distance: Distance from the leader to the obstacle when it begins to move out [m].
        lateral_speed: Peak lateral speed of the leader [m/s].
        onset: Time from the begin to the cut-out [s].
    """

    name: ClassVar[str] = "cut_out_to_stopped"
    script: ClassVar[type[Script]] = CutOutScript
    roles: ClassVar[tuple[str, ...]] = ("l", "o")
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (RoadKind.HIGHWAY, RoadKind.URBAN)
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "gap(ego,l)": "gap",
        "thw(ego,l)": "time_headway",
        "gap(l,o)": "front_distance",
    }
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"side": ("left", "right")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(2.0, 60.0), "m/s"),
        "gap": Limit(Range(1.0, 150.0), "m"),
        "time_headway": Limit(Range(0.1, MAX_HEADWAY - 0.5), "s"),
        "front_distance": Limit(Range(2.0, 200.0), "m"),
        "lateral_speed": Limit(Range(0.2, 4.0), "m/s"),
        "onset": Limit(Range(0.5, 20.0), "s"),
    }
    ego_speed: Range = field(default=Range(20 / 3.6, 130 / 3.6))
    gap: Range = field(default=Range(4.0, 80.0))
    time_headway: Range = field(default=Range(0.6, 1.6))
    front_distance: Range = field(default=Range(2.0, 152.0))
    lateral_speed: Range = field(default=Range(0.8, 3.1))
    onset: Range = field(default=Range(1.0, 2.5))

    def draw(self, rng: np.random.Generator) -> CutOutScript:
        """Draw numbers with which the leader gets past the obstacle, but not much too early."""

        def sample(rng: np.random.Generator) -> CutOutScript:
            speed = self.ego_speed.draw(rng)
            implied = Range(self.time_headway.low * speed, self.time_headway.high * speed)
            return CutOutScript(
                ego_speed=speed,
                side=self.option("side", rng),
                gap=(self.gap.intersect(implied) or self.gap).draw(rng),
                front_distance=self.front_distance.draw(rng),
                lateral_speed=self.lateral_speed.draw(rng),
                onset=self.onset.draw(rng),
            )

        def agrees(s: CutOutScript) -> bool:
            clear = time_to_shift(LANE, s.lateral_speed, SIZE[AgentKind.CAR][1] + MISS)
            left = s.front_distance / s.ego_speed
            return s.gap / s.ego_speed in self.time_headway and clear <= left <= clear + SPARE

        return draw_coupled(self.name, rng, sample, agrees)

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold from the leader's exit from the lane until LASTS later, obstacle ahead.

        All must hold: the leader's centre is outside the ego's lane on the given side, and within
        the last LASTS it led the ego (see `following.leads`) with the obstacle ahead of it; the
        obstacle stands, its box reaches into the ego's lane, and it is ahead within IN_VIEW.
        """
        lead, target = actors
        frame = view.ego_path
        sides = {"left": frame.offset[:, lead], "right": -frame.offset[:, lead]}
        wanted = [options["side"]] if "side" in options else list(sides)
        out = np.maximum.reduce([sides[s] for s in wanted]) - frame.half_width[:, lead]
        before = all_of(leads(view, lead), frame.ahead[:, target] - frame.ahead[:, lead])
        led = recently(known(view.both(EGO, lead), before), LASTS, frame.group)
        stands = STOPPED - np.abs(view.states.speed[:, target])
        gap = view.gap(EGO, target)
        blocked = all_of(stands, view.intrusion(EGO, target), gap, IN_VIEW - gap)
        there = view.both(EGO, lead) & view.valid[:, target]
        return known(there, all_of(out, led, blocked))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Pairs of a vehicle that enters or leaves the ego's lane and one that stands in it."""
        movers, standing = [], []
        for j in [*view.motor_vehicles().tolist(), *view.of_kind(AgentKind.STATIC).tolist()]:
            there = view.both(EGO, j)
            depth = view.intrusion(EGO, j)[there]
            if not len(depth) or depth.max() <= 0:
                continue
            if (np.abs(view.states.speed[there, j]) < STOPPED).any():
                standing.append(j)
            if (np.abs(view.states.speed[there, j]) >= STOPPED).any():
                movers.append(j)
        return [(lead, target) for lead in movers for target in standing if lead != target]
