"""What an event is: a logical family with ranges (Event) and its concrete form (Script)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.errors import QueryError, UnknownNameError
from scenegen.events.casting import Cast, Pinned
from scenegen.events.openings import LIMIT_SHARE, Opening, Stretch, openings
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.scene.agents import AgentStates
from scenegen.scene.roadmap import RoadKind, RoadMap
from scenegen.scene.scenario import Scenario

PROBES = 8
"""Scripts drawn to find out whether a road can hold a family."""
DRAWS_FOR_ROAD = 16
"""Scripts drawn for a road before one that has no place there is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script(ABC):
    """A concrete event: every number drawn.

    Attributes:
        event: Name of the family.
        ego_speed: Speed the ego begins with and wants to keep [m/s].
    """

    event: ClassVar[str]
    ego_speed: float

    @abstractmethod
    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """List where on the road the ego may begin so that the event has room."""

    @abstractmethod
    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Put everybody in place around an ego opening; None where the place will not do."""

    def pin(
        self, roadmap: RoadMap, rng: np.random.Generator, log: AgentStates | None = None
    ) -> Pinned | None:
        """Choose a place on the road, who must be where, and who acts how.

        With recorded traffic the ego takes over a recorded vehicle of about the scripted speed
        if there is one on a fitting stretch, else it is inserted where the fewest recorded
        vehicles have to go; the timing is then aimed with the ego's actual speed.

        Args:
            roadmap: The road.
            rng: Random stream.
            log: Recorded traffic, leading shape (T, M); its first instant is now.

        Returns:
            The roles, their plans and the recorded agents they replace; None if neither this
            road nor this traffic holds such a place.
        """
        best: Pinned | None = None
        for opening in openings(self.stretches(roadmap), self.ego_speed, rng, log):
            cast = self.stage(opening, rng)
            pinned = cast.pinned(log) if cast is not None else None
            if pinned is None:
                continue
            if len(pinned.replaces) <= int(opening.recorded is not None):
                return pinned
            if best is None or len(pinned.replaces) < len(best.replaces):
                best = pinned
        return best

    def to_json(self) -> dict[str, Any]:
        """Give the family's name and the numbers as plain JSON values."""
        numbers = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"event": self.event, **numbers}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from `to_json`.

        Raises:
            QueryError: The numbers are not those of this family.
        """
        wanted = {f.name for f in fields(cls)}
        given = set(data) - {"event"}
        if data.get("event") != cls.event or given != wanted:
            raise QueryError(
                f"script: expected event {cls.event!r} with {', '.join(sorted(wanted))}; got"
                f" {data.get('event')!r} with {', '.join(sorted(given))}"
            )
        return cls(**{name: data[name] for name in wanted})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(ABC):
    """A logical event: a family of rare situations whose fields are ranges.

    The default ranges are the published ones; `limits` says how far a query may go beyond them.

    Attributes:
        name: Name in EVENTS.
        script: The concrete form.
        roles: Default role names, in the order that detectors take their actors.
        road_kinds: Kinds of road it makes sense on, preferred first.
        signals: Field of each quantity a query can bound, written with the default role names.
        options: Values that each predicate option can take.
        limits: Outer range and unit of each field.
        chosen: Option values a query fixed; the others are drawn.
        ego_speed: Speed of the ego before it reacts [m/s].
    """

    name: ClassVar[str]
    script: ClassVar[type[Script]]
    roles: ClassVar[tuple[str, ...]]
    road_kinds: ClassVar[tuple[RoadKind, ...]]
    signals: ClassVar[Mapping[str, str]]
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    limits: ClassVar[Mapping[str, Limit]]
    chosen: Mapping[str, str] = field(default_factory=dict)
    ego_speed: Range

    def __post_init__(self) -> None:
        """Check that every range lies within its outer limits and every option is known."""
        for name, limit in self.limits.items():
            given: Range = getattr(self, name)
            if given.low < limit.range.low or given.high > limit.range.high:
                raise QueryError(
                    f"{self.name}.{name}: can be {limit.range.text(limit.unit)}, got"
                    f" {given.text(limit.unit)}"
                )
        for option, value in self.chosen.items():
            if option not in self.options:
                raise UnknownNameError(f"option of {self.name}", option, self.options)
            if value not in self.options[option]:
                can = " or ".join(self.options[option])
                raise QueryError(f"{self.name}: {option} can be {can}, got {value!r}")

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Script:
        """Draw the numbers: logical to concrete.

        Raises:
            QueryError: The ranges contradict each other.
        """

    @classmethod
    @abstractmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """How firmly the event is going on for these actors, from their motion alone.

        Args:
            view: The scenario.
            actors: Agent index of each role, in the order of `roles`.
            options: Predicate options to hold to, such as {"side": "left"}.

        Returns:
            Margin, shape (T,), finite: above 0 while it goes on. Units of 1 m, 1 s, 1 m/s and
            0.1 rad count alike.
        """

    @classmethod
    @abstractmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """List the actor assignments worth asking `margin` about; cheap, and misses none."""

    @classmethod
    def occurred(
        cls,
        scenario: Scenario,
        roles: Mapping[str, int] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> bool:
        """Whether the event goes on at one instant at least.

        Args:
            scenario: The scenario.
            roles: Agent index of each role; None to try every candidate.
            options: Predicate options to hold to.
        """
        view = Tracks(scenario=scenario)
        casts = (
            cls.candidates(view) if roles is None else [tuple(roles[name] for name in cls.roles)]
        )
        return any(bool((cls.margin(view, c, options or {}) > 0).any()) for c in casts)

    def narrowed(self, bounds: Mapping[str, Range], options: Mapping[str, str]) -> Self:
        """Give the same event within what a query asks.

        Where a query asks for values outside the published range but inside `limits`, it gets
        them; a field narrowed before is only ever narrowed further.

        Args:
            bounds: Wanted range of each quantity, by a text of `signals` or by field name.
            options: Wanted option values.

        Returns:
            The narrowed event.

        Raises:
            QueryError: The event cannot give what is asked.
            UnknownNameError: There is no such quantity or option.
        """
        changed: dict[str, Range] = {}
        for text, wanted in bounds.items():
            name = self.signals.get(text, text)
            if name not in self.limits:
                raise UnknownNameError(
                    f"quantity of {self.name}", text, {*self.signals, *self.limits}
                )
            now: Range = changed.get(name, getattr(self, name))
            limit = self.limits[name]
            untouched = now == _default(type(self), name)
            found = now.intersect(wanted) or (wanted.intersect(limit.range) if untouched else None)
            if found is None:
                can = limit.range if untouched else now
                raise QueryError(
                    f"{self.name}: {text} can be {can.text(limit.unit)}, the query asks for"
                    f" {wanted.text(limit.unit)}"
                )
            changed[name] = found
        for option, value in options.items():
            if self.chosen.get(option, value) != value:
                raise QueryError(
                    f"{self.name}: {option} cannot be both {self.chosen[option]!r} and {value!r}"
                )
        return replace(self, chosen={**self.chosen, **options}, **changed)

    def fits(self, roadmap: RoadMap) -> bool:
        """Whether the road has a place for scripts of `on(roadmap)`; traffic is not looked at."""
        rng = np.random.default_rng(0)
        try:
            event = self.on(roadmap)
            return any(event.draw(rng).stretches(roadmap) for _ in range(PROBES))
        except QueryError:
            return False

    def draw_for(self, roadmap: RoadMap, rng: np.random.Generator) -> Script:
        """Draw the numbers for a road: the first of DRAWS_FOR_ROAD scripts that has a place there.

        Among the scripts that fit, the law is that of `on(roadmap).draw`: what is saved is the
        effort for those that do not.

        Raises:
            QueryError: The ranges contradict each other, or the road is too slow for them.
        """
        event = self.on(roadmap)
        script = event.draw(rng)
        for _ in range(DRAWS_FOR_ROAD - 1):
            if script.stretches(roadmap):
                break
            script = event.draw(rng)
        return script

    def on(self, roadmap: RoadMap) -> Self:
        """Give the same event at speeds that suit a road: at most LIMIT_SHARE times its limit.

        Scripts drawn from the result find a place far more often than those of the event itself.

        Raises:
            QueryError: The event asks for more than that.
        """
        fastest = max(roadmap.lanes[k].speed_limit for k in roadmap.traffic_lanes)
        return self.narrowed({"ego_speed": Range(0.0, LIMIT_SHARE * fastest)}, {})

    def option(self, name: str, rng: np.random.Generator) -> str:
        """Give the chosen value of an option, or draw one."""
        values = self.options[name]
        return self.chosen.get(name) or values[int(rng.integers(len(values)))]


def _default(event: type[Event], name: str) -> object:
    return next(f.default for f in fields(event) if f.name == name)
