"""Sites of a corpus: one road, and the rows that are simulated on it together.

Baking a road for the simulator costs more than simulating on it, so rows come in sites. The rows of
a site are correlated through the road, and those of one world also through its traffic; `road` and
`world` of each row say so, and since splits go by road, none of them crosses a split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenegen.arrays import Array
from scenegen.events import EVENTS, Tracks
from scenegen.maps import MAP_SOURCES
from scenegen.pipeline.compose import TRIES_PER_MAP, Composer, Request
from scenegen.pipeline.corpus_encoding import Origin, encode_row, occurs
from scenegen.pipeline.corpus_settings import ROAD_KINDS, CorpusSettings
from scenegen.pipeline.defects import defect
from scenegen.query import Query, parse
from scenegen.scene import EGO, AgentKind, Composition, Control, RoadKind, RoadMap, Scene
from scenegen.scene.scenario import STEP
from scenegen.seeding import stream
from scenegen.sim import Rollout, rollout, to_scenario

NOMINAL_QUERY = "day or dusk or night"
"""A query that every scenario satisfies."""
CORE = 70.0
"""Egos of everyday traffic are cars within this distance of the one that traffic was placed around
[m]: half the radius, so that there is traffic on all sides."""
PLACE_TRIES = 8
"""Draws of a world of everyday traffic before its rows are counted as failed."""

Row = dict[str, Array]


def draw_site(settings: CorpusSettings, site: int) -> list[Row | None]:
    """Draw, simulate and encode the rows of one site.

    Args:
        settings: What the corpus is made of.
        site: Number of the site; its rows are those from site * rows_per_site on.

    Returns:
        The arrays of each row; None where no scenario was found.
    """
    rng = stream(settings.seed, "corpus", site)
    if not settings.events or bool(rng.random() < settings.nominal_share):
        return _nominal_rows(settings, site, rng)
    return _event_rows(settings, site, rng)


def _nominal_rows(
    settings: CorpusSettings, site: int, rng: np.random.Generator
) -> list[Row | None]:
    """Simulate worlds of everyday traffic on one road and cut rows out of them."""
    roadmap = _draw_road(ROAD_KINDS[int(rng.integers(len(ROAD_KINDS)))], rng)
    worlds, densities = [], []
    for k in range(settings.worlds):
        first = site * settings.rows_per_site + k * settings.windows
        densities.append(float(rng.uniform(*settings.density)))
        worlds.append(_nominal_world(settings, first, densities[-1], roadmap))
    found = [world for world in worlds if world is not None]
    rollouts = iter(rollout(found, settings.duration + settings.spread))
    rows: list[Row | None] = []
    for k, world in enumerate(worlds):
        first = site * settings.rows_per_site + k * settings.windows
        if world is None:
            rows += [None] * settings.windows
            continue
        outcome, used = next(rollouts), set[int]()
        for n in range(settings.windows):
            window = _choose_window(settings, world, outcome, used, rng)
            if window is None:
                rows.append(None)
                continue
            used.add(window[0])
            origin = Origin(
                index=first + n, event="", world=first, density=densities[k], attempts=1
            )
            rows.append(_nominal_row(settings, (world, outcome), window, origin))
    return rows


def _nominal_world(
    settings: CorpusSettings, first: int, density: float, roadmap: RoadMap
) -> Composition | None:
    composer = _composer(settings, "", density)
    for attempt in range(PLACE_TRIES):
        drawn = composer.compose(first, attempt, roadmap)
        if isinstance(drawn, Composition):
            return drawn
    return None


def _choose_window(
    settings: CorpusSettings,
    world: Composition,
    outcome: Rollout,
    used: set[int],
    rng: np.random.Generator,
) -> tuple[int, int] | None:
    """Draw the step of its world that a row opens with, and a car as its ego.

    Travelling cars within CORE that do not reach the end of the road before the scenario ends are
    equally likely, those that are no ego of another row yet come first; where there is none, those
    that stay for half of it. None where there is none of these either.
    """
    begin = int(rng.integers(round(settings.spread / STEP) + 1))
    valid = outcome.agents.valid
    centre = outcome.agents.position[np.flatnonzero(valid[: begin + 1, EGO])[-1], EGO]
    states = outcome.agents[begin]
    cars = states.valid & (states.kind == AgentKind.CAR)
    cars &= world.plans.control == Control.REACTIVE
    cars &= np.hypot(*(states.position - centre).T) < CORE
    fresh = np.array([i not in used for i in range(states.count)])
    steps = round(settings.duration / STEP)
    for stays in (valid[begin + steps], valid[begin + steps // 2]):
        for group in (cars & stays & fresh, cars & stays):
            if group.any():
                return int(rng.choice(np.flatnonzero(group))), begin
    return None


def _nominal_row(
    settings: CorpusSettings,
    simulated: tuple[Composition, Rollout],
    window: tuple[int, int],
    origin: Origin,
) -> Row | None:
    """Cut a row out of a world: another ego, another begin; None where the scenario is unusable."""
    (world, outcome), (ego, begin) = simulated, window
    count = world.scene.agents.count
    order = np.array([ego, *(i for i in range(count) if i != ego)])
    span = slice(begin, begin + round(settings.duration / STEP) + 1)
    part = Rollout(
        agents=outcome.agents[span][:, order],
        times=outcome.times[span],
        collided=outcome.collided[span][:, order],
        offroad=outcome.offroad[span][:, order],
    )
    scene = Scene(
        roadmap=world.scene.roadmap,
        agents=part.agents[0],
        conditions=world.scene.conditions,
        time=float(part.times[0]),
    )
    composition = Composition(
        scene=scene, plans=world.plans[order], provenance=world.provenance, roles={}
    )
    if defect(composition, part):
        return None
    view = Tracks(scenario=to_scenario(composition, part))
    return encode_row(view, {}, origin, settings)


@dataclass(frozen=True, slots=True)
class _Staging:
    """A row that stages an event, before it is found."""

    index: int
    event: str
    density: float


def _event_rows(settings: CorpusSettings, site: int, rng: np.random.Generator) -> list[Row | None]:
    """Stage an event per row on one road; whose first tries fail there goes on on other roads."""
    on_kind = [sum(settings.chance(e, kind) for e in settings.events) for kind in ROAD_KINDS]
    share = np.array(on_kind) / sum(on_kind)
    kind = ROAD_KINDS[int(rng.choice(len(ROAD_KINDS), p=share))]
    roadmap = _draw_road(kind, rng)
    families = settings.families_on(kind)
    first = site * settings.rows_per_site
    open_rows = []
    for n in range(settings.rows_per_site):
        event = str(rng.choice(list(families), p=list(families.values())))
        open_rows.append(_Staging(first + n, event, float(rng.uniform(*settings.density))))
    rows: list[Row | None] = [None] * settings.rows_per_site
    for attempt in range(settings.tries):
        done = _try_all(settings, open_rows, attempt, roadmap)
        for index, row in done.items():
            rows[index - first] = row
        open_rows = [row for row in open_rows if row.index not in done]
        if not open_rows:
            break
    return rows


def _try_all(
    settings: CorpusSettings, stagings: Sequence[_Staging], attempt: int, roadmap: RoadMap
) -> dict[int, Row]:
    """Simulate one try of each row together; give those that show their event, by number."""
    drawn: list[tuple[_Staging, Composition]] = []
    for staging in stagings:
        place = roadmap
        if attempt >= TRIES_PER_MAP:
            place = _other_road(settings, staging.index, attempt // TRIES_PER_MAP, roadmap.kind)
        composer = _composer(settings, staging.event, staging.density)
        composed = composer.compose(staging.index, attempt, place)
        if isinstance(composed, Composition):
            drawn.append((staging, composed))
    outcomes = rollout([composed for _, composed in drawn], settings.duration)
    found = {}
    for (staging, composed), outcome in zip(drawn, outcomes, strict=True):
        if defect(composed, outcome):
            continue
        view = Tracks(scenario=to_scenario(composed, outcome))
        actors = tuple(composed.roles[role] for role in EVENTS[staging.event].roles)
        if not occurs(view, staging.event, actors):
            continue
        origin = Origin(
            index=staging.index,
            event=staging.event,
            world=staging.index,
            density=staging.density,
            attempts=attempt + 1,
        )
        found[staging.index] = encode_row(view, composed.roles, origin, settings)
    return found


def _composer(settings: CorpusSettings, event: str, density: float) -> Composer:
    request = Request(
        query=_query(event),
        seed=settings.seed,
        duration=settings.duration,
        agents=settings.agents,
        density=density,
        # A corpus is what models learn from: none of it may come from a model.
        layout_model="heuristic",
        tries=settings.tries,
    )
    return Composer(request)


@lru_cache(maxsize=64)
def _query(event: str) -> Query:
    return parse(f"{event}({', '.join(EVENTS[event].roles)})" if event else NOMINAL_QUERY)


def _draw_road(kind: RoadKind, rng: np.random.Generator) -> RoadMap:
    sources = [cls() for cls in MAP_SOURCES.values() if cls.kind is kind]
    return sources[int(rng.integers(len(sources)))].draw(rng)


@lru_cache(maxsize=32)
def _other_road(settings: CorpusSettings, index: int, draw: int, kind: RoadKind) -> RoadMap:
    return _draw_road(kind, stream(settings.seed, "corpus road", index, draw))
