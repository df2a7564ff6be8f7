"""Stop-sign runner: a vehicle drives out of a minor road across the ego's way without stopping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast, Driver
from scenegen.events.conflict_areas import Conflict, conflicts
from scenegen.events.event import Event, Script
from scenegen.events.junction_lanes import passage
from scenegen.events.junction_script import JunctionScript, keep_both_clear
from scenegen.events.openings import Opening
from scenegen.events.profiles import lone_drive
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.events.windows import FAR, all_of, known, recently
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Ignores
from scenegen.scene.roadmap import Lane, RoadKind, RoadMap
from scenegen.scene.scenario import STEP

ACROSS = (np.radians(45.0), np.radians(135.0))
"""Angles between the directions in which the two enter the junction [rad]."""
SLANT = np.radians(15.0)
"""A vehicle that points along the ego's lane within this has merged [rad]."""
ROLLING = 1.5
"""A vehicle that was slower than this before the line did stop, as drivers do [m/s]."""
BEFORE = 2.0
"""Time before the line in which it would have stopped [s]."""
LASTS = 4.0
"""A run goes on for this long after the line [s]."""
CLOSE_CALL = 1.5
"""Longest would-be post-encroachment time [s]; below 1.5 s it is a serious conflict (Allen et al.
1978; FHWA SSAM takes 5 s for any conflict at all)."""
COMING = 3.0
"""A slower ego queues or starts, and is not relied upon to come [m/s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSignRunnerScript(JunctionScript):
    """A concrete run out of a minor road; it is "runner" or "ego" that is first.

    In a turn the runner takes the speed of the curve.
    """

    event: ClassVar[str] = "stop_sign_runner"

    @staticmethod
    def ways(roadmap: RoadMap) -> tuple[Conflict, ...]:
        """Approaches with priority that a minor road crosses."""
        return _priority_crossings(roadmap)

    def meet(self, opening: Opening, way: Conflict) -> Cast | None:
        """Put the runner where it meets the ego, given the time that both need to get there."""
        half = SIZE[AgentKind.CAR][0] / 2
        timing = lone_drive(way.ego, opening.speed, opening.along)
        along, speed = self.meeting(opening).timed(way, timing, opening.ego_size[0])
        if not half + 1.0 <= along <= way.other_stop - half - 5.0:
            return None
        cast = opening.cast(ignores=Ignores.PRIORITY)
        driver = Driver(desired_speed=self.speed)
        rules = Ignores.PRIORITY
        cast.drive(way.other, along, speed, role="r", driver=driver, ignores=rules)
        return keep_both_clear(cast, way, opening.along, along)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSignRunner(Event):
    """A vehicle comes out of a minor road without stopping and crosses the path of the ego.

    The ego has priority and trusts in it. Straight on where the minor road goes on, turning left
    where it ends. Sources: NHTSA pre-crash 5, running a stop sign (48 000 crashes a year, 0.81 %),
    30, straight crossing paths at non-signalised junctions (264 000, 4.44 %), and 31, turning there
    (435 000, 7.32 %); Euro NCAP CCCscp: up to 60 km/h each; speeds of 20-60 km/h.

    Attributes:
        speed: Speed of the runner on its approach [m/s].
        pet: Post-encroachment time if nobody reacts [s]; negative: a crash.
        arrival: Time from the begin until the ego reaches the conflict area [s].
    """

    name: ClassVar[str] = "stop_sign_runner"
    script: ClassVar[type[Script]] = StopSignRunnerScript
    roles: ClassVar[tuple[str, ...]] = ("r",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (RoadKind.T_JUNCTION,)
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "r.speed": "speed",
        "pet(ego,r)": "pet",
    }
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"first": ("runner", "ego")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(3.0, 30.0), "m/s"),
        "speed": Limit(Range(3.0, 30.0), "m/s"),
        "pet": Limit(Range(-2.0, 3.0), "s"),
        "arrival": Limit(Range(2.0, 12.0), "s"),
    }
    ego_speed: Range = field(default=Range(20 / 3.6, 60 / 3.6))
    speed: Range = field(default=Range(20 / 3.6, 60 / 3.6))
    pet: Range = field(default=Range(-0.4, 1.0))
    arrival: Range = field(default=Range(3.0, 5.0))

    def draw(self, rng: np.random.Generator) -> StopSignRunnerScript:
        """Draw every number on its own."""
        return StopSignRunnerScript(
            ego_speed=self.ego_speed.draw(rng),
            first=self.option("first", rng),
            speed=self.speed.draw(rng),
            pet=self.pet.draw(rng),
            arrival=self.arrival.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold from the line of the minor road until LASTS later.

        All must hold at some instant within the last LASTS: the runner's front passed the begin of
        a junction lane that gives way, at a minor road or a roundabout's entry, without having
        been slower than ROLLING in the BEFORE seconds up to then; and it did so without a gap:
        an ego that kept the speed it had then, above COMING, and has to give way nowhere before,
        would be at a place where the runner crosses its way within CLOSE_CALL of the runner (see
        `_spare_time`). The option `first` is about who was first at a place both passed.
        """
        (r,) = actors
        there = view.both(EGO, r)
        slowest = -recently(known(view.valid[:, r], -view.states.speed[:, r]), BEFORE)
        entered = passage(view, r, _gives_way(view.roadmap)).entered & there
        run = np.full(view.steps, -FAR)
        for t in np.flatnonzero(entered):
            fast = min(slowest[t] - ROLLING, view.states.speed[t, EGO] - COMING)
            run[t] = min(fast, CLOSE_CALL - _spare_time(view, r, int(t)))
        margin = recently(run, LASTS)
        if "first" in options:
            lead = view.encroachment_lead(r, EGO)
            lead = lead if options["first"] == "runner" else -lead
            margin = all_of(margin, np.full(view.steps, lead))
        return known(there, margin)

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Motor vehicles that enter a junction lane that gives way."""
        suits = _gives_way(view.roadmap)
        giving = [k for k, lane in enumerate(view.roadmap.lanes) if suits(k, lane)]
        if not any(view.roadmap.lanes[k].in_junction for k in giving):
            return []
        return [
            (r,) for r in view.motor_vehicles().tolist() if passage(view, r, suits).entered.any()
        ]


def _spare_time(view: Tracks, runner: int, entry: int) -> float:
    """Least time between the runner and an ego that keeps its speed, at a place both cross [s].

    The runner counts where its box reaches into the strip that the ego sweeps along its lanes, at
    an angle of at least SLANT to them and within LASTS of its entry. Negative: both are there at
    once; FAR where they never meet, or the ego has to give way itself before it gets there.

    Args:
        view: The scenario.
        runner: Index of the vehicle.
        entry: Number of the instant at which it entered.
    """
    frame, half = view.ego_path, view.half_lateral(EGO)
    rows = slice(entry, entry + round(LASTS / STEP) + 1)
    apart = np.abs(frame.offset[rows, runner] - frame.offset[rows, EGO])
    crossing = half[rows, runner] + half[rows, EGO] > apart
    crossing &= np.abs(np.sin(frame.heading_error[rows, runner])) > np.sin(SLANT)
    crossing &= view.both(EGO, runner)[rows] & (frame.group[rows] == frame.group[entry])
    path = frame.paths[int(frame.group[entry])]
    if path is None or not crossing.any():
        return FAR
    place = (frame.along + frame.ahead[:, runner])[rows][crossing]
    own = view.half_longitudinal(EGO)[entry, EGO]
    reach = own + view.half_longitudinal(EGO)[rows, runner][crossing]
    begin, speed = frame.along[entry], max(view.states.speed[entry, EGO], COMING)
    comes, goes = (place - reach - begin) / speed, (place + reach - begin) / speed
    now = (view.times[rows] - view.times[entry])[crossing]
    gives_way = _gives_way(view.roadmap)
    for k, lane in enumerate(path.lanes):
        if gives_way(lane, view.roadmap.lanes[lane]) and path.starts[k + 1] > begin - own:
            comes = np.where(place > path.starts[k], FAR, comes)
    return float(np.maximum(comes - now, now - goes).min())


def _gives_way(roadmap: RoadMap) -> Callable[[int, Lane], bool]:
    """Tell lanes with a line to give way at, and no signal."""
    signalled = roadmap.signal_of_lane
    return lambda index, lane: lane.yields and index not in signalled


@lru_cache(maxsize=64)
def _priority_crossings(roadmap: RoadMap) -> tuple[Conflict, ...]:
    lanes, gives_way = roadmap.lanes, _gives_way(roadmap)

    def has_priority(k: int) -> bool:
        return lanes[k].turn == 0 and not lanes[k].yields and k not in roadmap.signal_of_lane

    return tuple(conflicts(roadmap, has_priority, lambda k: gives_way(k, lanes[k]), ACROSS))
