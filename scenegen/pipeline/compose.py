"""Compose: from a query and a number to an opening scene with everyone's plans."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np

from scenegen.errors import QueryError, UnknownNameError
from scenegen.events import Pinned, Script
from scenegen.layout import LAYOUT_MODELS, LayoutModel, LayoutRequest
from scenegen.maps import MAP_SOURCES, MapSource, RecordedScene
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
TRIES_PER_MAP = 8
"""Draws on one road before another road is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """What is asked of the generator.

    Attributes:
        query: What every returned scenario must satisfy.
        seed: Everything random follows from it.
        duration: Length of a scenario [s].
        agents: Most agents in a scene, the ego included.
        density: Background traffic [vehicles per lane kilometre].
        layout_model: Name of the model that fills the scene.
        tries: Draws per scenario before giving up.
        base: A recorded scene to build in, None for procedural roads.
    """

    query: Query
    seed: int = 0
    duration: float = 8.0
    agents: int = 32
    density: float = 18.0
    layout_model: str = "heuristic"
    tries: int = 400
    base: RecordedScene | None = None

    def __post_init__(self) -> None:
        """Check the numbers and the name of the layout model."""
        if not 1.0 <= self.duration <= 120.0:
            raise ValueError(f"duration: expected 1 to 120 s, got {self.duration}")
        if not 1 <= self.agents <= 64:
            raise ValueError(f"agents: expected 1 to 64, got {self.agents}")
        if self.tries < 1:
            raise ValueError(f"tries: expected at least 1, got {self.tries}")
        if self.layout_model not in LAYOUT_MODELS:
            raise UnknownNameError("layout model", self.layout_model, LAYOUT_MODELS)

    def options(self) -> dict[str, Any]:
        """Give the settings that shape a scenario beside query and seed."""
        base = self.base.name if self.base is not None else ""
        return {
            "duration": self.duration,
            "agents": self.agents,
            "density": self.density,
            "layout_model": self.layout_model,
            "base": base,
        }


class Composer:
    """Draws compositions for one request; try `attempt` of scenario `index` is always the same."""

    def __init__(self, request: Request) -> None:
        """Work out what the query asks of road, weather and event.

        Raises:
            QueryError: The query contradicts itself, or asks for what its event cannot give.
        """
        self.request = request
        self.wishes: Wishes = wishes_of(request.query)
        self.layout: LayoutModel = LAYOUT_MODELS[request.layout_model]()
        self.sources: tuple[MapSource, ...] = _sources(self.wishes)
        self._roads: OrderedDict[tuple[int, int], RoadMap] = OrderedDict()

    def compose(self, index: int, attempt: int) -> Composition | str:
        """Draw one composition.

        Args:
            index: Number of the scenario within the request.
            attempt: Number of the try, from 0.

        Returns:
            The composition, or the reason why this draw gave none.
        """
        seed = self.request.seed
        roadmap = self._road(index, attempt // TRIES_PER_MAP)
        conditions = self._conditions(roadmap.kind, stream(seed, "conditions", index, attempt))
        script, pinned = self._pin(roadmap, stream(seed, "event", index, attempt))
        if pinned is None:
            return "found no place on the road"
        agents, plans = self._fill(roadmap, conditions, pinned, index, attempt)
        names = self.wishes.role_names
        return Composition(
            scene=Scene(roadmap=roadmap, agents=agents, conditions=conditions),
            plans=plans,
            roles={names.get(role, role): agent for role, agent in pinned.roles.items()},
            provenance=self._provenance(index, attempt, script, roadmap),
        )

    def _road(self, index: int, draw: int) -> RoadMap:
        """Draw the road of some tries; the last ones are kept, since tries come in order."""
        if self.request.base is not None:
            return self.request.base.roadmap
        key = (index, draw)
        if key not in self._roads:
            rng = stream(self.request.seed, "map", index, draw)
            self._roads[key] = self.sources[choose(rng, len(self.sources))].draw(rng)
            if len(self._roads) > ROADS_KEPT:
                self._roads.popitem(last=False)
        return self._roads[key]

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
            script = self.wishes.event.on(roadmap).draw(rng)
        except QueryError:  # The road is too slow for what is asked; another one may do.
            return None, None
        return script, script.pin(roadmap, rng, log)

    def _fill(
        self, roadmap: RoadMap, conditions: Conditions, pinned: Pinned, index: int, attempt: int
    ) -> tuple[AgentStates, AgentPlans]:
        """Add the background: the recorded traffic if there is some, else the layout model's."""
        rng = stream(self.request.seed, "layout", index, attempt)
        if self.request.base is not None:
            steps = round(self.request.duration / STEP) + 1
            return add_recorded(pinned, self.request.base.log, steps, conditions, rng)
        filled = self.layout.sample(
            LayoutRequest(
                roadmap=roadmap,
                conditions=conditions,
                pinned=pinned.agents,
                plans=pinned.plans,
                agents=max(self.request.agents, pinned.agents.count),
                density=self.request.density,
                event=self.wishes.event.name if self.wishes.event is not None else "",
            ),
            rng,
        )
        return filled.agents, filled.plans

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
            script=script.to_json() if script is not None else {},
            map_source=dict(roadmap.source),
            digests=digests,
            options=self.request.options(),
            version=_version(),
        )


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
