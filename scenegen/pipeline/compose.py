"""Compose: from a query and a number to an opening scene with everyone's plans."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from scenegen.errors import QueryError, UnknownNameError
from scenegen.events import Pinned, Script
from scenegen.layout import LAYOUT_MODELS, LayoutModel, LayoutRequest, default_layout_model
from scenegen.maps import MAP_SOURCES, MapSource, RecordedScene
from scenegen.pipeline.guided import (
    GuidedScene,
    ModelStager,
    ModelStaging,
    Place,
    Staging,
    model_stager,
)
from scenegen.pipeline.nominal import pin_nominal
from scenegen.pipeline.recorded import add_recorded
from scenegen.pipeline.wishes import Wishes, choose, wishes_of
from scenegen.query import Query
from scenegen.scene import (
    AgentPlans,
    AgentStates,
    Composition,
    Conditions,
    Provenance,
    RoadKind,
    RoadMap,
    Scene,
    draw_conditions,
    draw_light,
)
from scenegen.scene.scenario import STEP
from scenegen.seeding import stream

ROADS_KEPT = 4
"""Roads kept in memory while tries go on."""
ROADS_DRAWN = 6
"""Roads drawn until one can hold the event."""
TRIES_PER_MAP = 8
"""Draws on one road before another road is drawn."""
PLACES = 4
"""Draws of an event's numbers and place on a road before a try is given up: they cost next to
nothing beside filling the scene."""
OTHER_ROADS = 3
"""Roads drawn for one try alone where the one shared with other tries has no place."""
NO_PLACE = "found no place on the road"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """What is asked of the generator.

    Attributes:
        query: What every returned scenario must satisfy.
        seed: Everything random follows from it.
        duration: Length of a scenario [s].
        agents: Most agents in a scene, the ego included.
        density: Background traffic [vehicles per lane kilometre].
        layout_model: Name of the model that fills the scene: the diffusion model where its
            checkpoint ships, else the heuristic one.
        tries: Draws per scenario before giving up.
        base: A recorded scene to build in, None for procedural roads.
        layout: The layout model itself, for one that is not registered, such as a checkpoint of
            one's own; None to take the one that is named.
        staging: Who stages the event: its script, or the layout model under guidance.
        guided: How the model does it.
    """

    query: Query
    seed: int = 0
    duration: float = 8.0
    agents: int = 32
    density: float = 18.0
    layout_model: str = field(default_factory=default_layout_model)
    tries: int = 400
    base: RecordedScene | None = None
    layout: LayoutModel | None = None
    staging: str = Staging.SCRIPT
    guided: ModelStaging = field(default_factory=ModelStaging)

    def __post_init__(self) -> None:
        """Check the numbers and the names of layout model and staging."""
        if not 1.0 <= self.duration <= 120.0:
            raise ValueError(f"duration: expected 1 to 120 s, got {self.duration}")
        if not 1 <= self.agents <= 64:
            raise ValueError(f"agents: expected 1 to 64, got {self.agents}")
        if self.tries < 1:
            raise ValueError(f"tries: expected at least 1, got {self.tries}")
        if self.layout is None and self.layout_model not in LAYOUT_MODELS:
            raise UnknownNameError("layout model", self.layout_model, LAYOUT_MODELS)
        if self.staging not in list(Staging):
            raise UnknownNameError("staging", self.staging, list(Staging))
        if self.staging == Staging.MODEL and self.base is not None:
            raise ValueError("staging: expected a script in a recorded scene, got the model")

    def options(self) -> dict[str, Any]:
        """Give the settings that shape a scenario beside query and seed."""
        base = self.base.name if self.base is not None else ""
        options: dict[str, Any] = {
            "duration": self.duration,
            "agents": self.agents,
            "density": self.density,
            "layout_model": self.layout_model if self.layout is None else self.layout.name,
            "base": base,
        }
        if self.staging == Staging.MODEL:
            options["staging"] = self.guided.to_json()
        return options


class Weighed(NamedTuple):
    """A draw with its weight.

    Attributes:
        composition: The composition, or the reason why this draw gave none.
        log_weight: Logarithm of the importance weight under the model without guidance; None where
            the sampler gives none, or a script staged the event.
    """

    composition: Composition | str
    log_weight: float | None


@dataclass(frozen=True, slots=True)
class _Placed:
    """Road, weather and script of a try; nobody is pinned where no place was found."""

    index: int
    attempt: int
    roadmap: RoadMap
    conditions: Conditions
    script: Script | None
    pinned: Pinned | None


class _Filled(NamedTuple):
    """Everybody in a scene."""

    agents: AgentStates
    plans: AgentPlans
    roles: dict[str, int]


class Composer:
    """Draws compositions for one request; try `attempt` of scenario `index` is always the same."""

    def __init__(self, request: Request) -> None:
        """Work out what the query asks of road, weather and event.

        Raises:
            QueryError: The query contradicts itself, or asks for what its event cannot give.
            CheckpointError: The model is to stage the event, and cannot.
        """
        self.request = request
        self.wishes: Wishes = wishes_of(request.query)
        self.layout: LayoutModel = request.layout or LAYOUT_MODELS[request.layout_model]()
        self.stager: ModelStager | None = None
        if request.staging == Staging.MODEL:
            self.stager = model_stager(
                self.layout, self.wishes, request.query, request.guided, request.duration
            )
        self.sources: tuple[MapSource, ...] = _sources(self.wishes)
        self._roads: OrderedDict[tuple[int, int], RoadMap] = OrderedDict()

    def compose(
        self, index: int, attempt: int, roadmap: RoadMap | None = None
    ) -> Composition | str:
        """Draw one composition.

        Args:
            index: Number of the scenario within the request.
            attempt: Number of the try, from 0.
            roadmap: The road to build on; None to draw one.

        Returns:
            The composition, or the reason why this draw gave none.
        """
        return self.weighed(index, attempt, roadmap).composition

    def weighed(self, index: int, attempt: int, roadmap: RoadMap | None = None) -> Weighed:
        """Draw one composition together with its importance weight; see `compose`."""
        place = self._placed(index, attempt, roadmap)
        if place.pinned is None:
            return Weighed(NO_PLACE, 0.0)
        rng = self._layout_rng(place)
        if self.stager is not None:
            staged = self.stager.stage(place.pinned, self._layout_request(place), rng)
            return self._of_model(place, staged)
        filled = self._fill(place, rng)
        return Weighed(self._composition(place, filled), None)

    def weighed_batch(self, indices: Sequence[int], attempt: int = 0) -> list[Weighed]:
        """Draw one composition of each scenario; what a model samples is sampled together.

        Quicker than one by one, and the same up to rounding.
        """
        if self.stager is None:
            return [self.weighed(index, attempt) for index in indices]
        places = [self._placed(index, attempt, None) for index in indices]
        wanted = [
            Place(p.pinned, self._layout_request(p), self._layout_rng(p))
            for p in places
            if p.pinned is not None
        ]
        staged = iter(self.stager.stage_batch(wanted))
        return [
            Weighed(NO_PLACE, 0.0) if p.pinned is None else self._of_model(p, next(staged))
            for p in places
        ]

    def _placed(self, index: int, attempt: int, roadmap: RoadMap | None) -> _Placed:
        """Draw road, weather and script of a try."""
        seed, own = self.request.seed, roadmap is None and self.request.base is None
        roadmap = roadmap or self._road(index, attempt // TRIES_PER_MAP)
        conditions = self._conditions(roadmap.kind, stream(seed, "conditions", index, attempt))
        rng = stream(seed, "event", index, attempt)
        script, pinned = self._pin_somewhere(roadmap, rng)
        for other in range(OTHER_ROADS if own else 0):
            if pinned is not None:
                break
            # A road for this try alone; the next try has the shared one again.
            roadmap = self._road(index, -1 - OTHER_ROADS * attempt - other)
            conditions = self._conditions(roadmap.kind, stream(seed, "conditions", index, attempt))
            script, pinned = self._pin_somewhere(roadmap, rng)
        return _Placed(index, attempt, roadmap, conditions, script, pinned)

    def _pin_somewhere(
        self, roadmap: RoadMap, rng: np.random.Generator
    ) -> tuple[Script | None, Pinned | None]:
        """Draw numbers and place of the event until one of PLACES draws fits on the road."""
        script: Script | None = None
        for _ in range(PLACES):
            script, pinned = self._pin(roadmap, rng)
            if pinned is not None:
                return script, pinned
        return script, None

    def _of_model(self, place: _Placed, staged: GuidedScene) -> Weighed:
        if staged.layout is None:
            return Weighed("had sampled roles that did not fit in", staged.log_weight)
        filled = _Filled(staged.layout.agents, staged.layout.plans, staged.roles)
        return Weighed(self._composition(place, filled), staged.log_weight)

    def _composition(self, place: _Placed, filled: _Filled) -> Composition:
        return Composition(
            scene=Scene(roadmap=place.roadmap, agents=filled.agents, conditions=place.conditions),
            plans=filled.plans,
            roles=filled.roles,
            provenance=self._provenance(place.index, place.attempt, place.script, place.roadmap),
        )

    def _road(self, index: int, draw: int) -> RoadMap:
        """Draw the road of some tries; the last ones are kept, since tries come in order."""
        if self.request.base is not None:
            return self.request.base.roadmap
        key = (index, draw)
        if key not in self._roads:
            rng = stream(self.request.seed, "map", index, draw)
            self._roads[key] = self._draw_road(rng)
            if len(self._roads) > ROADS_KEPT:
                self._roads.popitem(last=False)
        return self._roads[key]

    def _draw_road(self, rng: np.random.Generator) -> RoadMap:
        """Draw a road that can hold the event, or the last of ROADS_DRAWN that could not."""
        event = self.wishes.event
        for _ in range(ROADS_DRAWN):
            road = self.sources[choose(rng, len(self.sources))].draw(rng)
            if event is None or event.fits(road):
                break
        return road

    def _conditions(self, road: RoadKind, rng: np.random.Generator) -> Conditions:
        lights, weathers = self.wishes.lights_and_weathers(road)
        light = draw_light(rng, lights)
        return draw_conditions(rng, [light], weathers[light], self.wishes.ranges)

    def _pin(
        self, roadmap: RoadMap, rng: np.random.Generator
    ) -> tuple[Script | None, Pinned | None]:
        log = self.request.base.log if self.request.base is not None else None
        if self.wishes.event is None:
            return None, pin_nominal(roadmap, self.wishes.ego_speed, rng, log)
        try:
            script = self.wishes.event.draw_for(roadmap, rng)
        except QueryError:  # The road is too slow for what is asked; another one may do.
            return None, None
        return script, script.pin(roadmap, rng, log)

    def _fill(self, place: _Placed, rng: np.random.Generator) -> _Filled:
        """Add the background: the recorded traffic if there is some, else the layout model's."""
        pinned = place.pinned
        if pinned is None:
            raise ValueError("_fill: expected pinned agents, got none")
        names = self.wishes.role_names
        roles = {names.get(role, role): agent for role, agent in pinned.roles.items()}
        if self.request.base is not None:
            steps = round(self.request.duration / STEP) + 1
            agents, plans = add_recorded(
                pinned, self.request.base.log, steps, place.conditions, rng
            )
            return _Filled(agents, plans, roles)
        filled = self.layout.sample(self._layout_request(place), rng)
        return _Filled(filled.agents, filled.plans, roles)

    def _layout_rng(self, place: _Placed) -> np.random.Generator:
        return stream(self.request.seed, "layout", place.index, place.attempt)

    def _layout_request(self, place: _Placed) -> LayoutRequest:
        pinned = place.pinned
        if pinned is None:
            raise ValueError("_layout_request: expected pinned agents, got none")
        return LayoutRequest(
            roadmap=place.roadmap,
            conditions=place.conditions,
            pinned=pinned.agents,
            plans=pinned.plans,
            agents=max(self.request.agents, pinned.agents.count),
            density=self.request.density,
            event=self.wishes.event.name if self.wishes.event is not None else "",
        )

    def _provenance(
        self, index: int, attempt: int, script: Script | None, roadmap: RoadMap
    ) -> Provenance:
        digests = self.layout.digests()
        if self.request.base is not None:
            digests = {**digests, "base": self.request.base.digest}
        return Provenance(
            query=self.request.query.text,
            seed=self.request.seed,
            index=index,
            attempt=attempt,
            script=self._script(script),
            map_source=dict(roadmap.source),
            digests=digests,
            options=self.request.options(),
            version=_version(),
        )

    def _script(self, script: Script | None) -> dict[str, Any]:
        """What was drawn; where the model staged the event, the script only placed the ego."""
        if script is None:
            return {}
        drawn = script.to_json()
        if self.stager is None:
            return drawn
        kept = {name: drawn[name] for name in ("event", "ego_speed")}
        return {**kept, "staged_by": self.stager.sketcher.model.name}


def _sources(wishes: Wishes) -> tuple[MapSource, ...]:
    """Map sources that fit the query and the event, preferred kinds first."""
    kinds = wishes.road_kinds
    found = [cls() for kind in kinds for cls in MAP_SOURCES.values() if cls.kind is kind]
    if not found:
        asked = ", ".join(kinds) or "none"
        raise QueryError(f"no procedural road is of the kinds the query leaves open ({asked})")
    return tuple(found)


@lru_cache(maxsize=1)
def _version() -> str:
    return version("scenegen")
