"""What layout models make on request: control, rare lift, criticality, and what is returned.

Everything is judged by the exact query and by planners that never saw the generator.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.quality.draws import (
    Clock,
    Draw,
    by_heuristic,
    conditioned,
    first_hits,
    guided,
    judged,
)
from benchmarks.quality.layout_scenes import query_of
from benchmarks.quality.natural import Natural
from scenegen.arrays import FloatArray
from scenegen.errors import UnsatisfiedError
from scenegen.evaluate.contacts import first_contacts, road_places
from scenegen.evaluate.control import TRIES, attribute_error, encounter
from scenegen.evaluate.criticality import Ego, collides
from scenegen.evaluate.intervals import NOTHING, Estimate, wilson
from scenegen.evaluate.rare_lift import lift
from scenegen.evaluate.scene_set import SceneSet
from scenegen.evaluate.scorecard import Metric
from scenegen.evaluate.solvability import solvability
from scenegen.evaluate.validity import measure_validity
from scenegen.events import EVENTS
from scenegen.layout import Layout, LayoutRequest, LearnedLayout
from scenegen.layout.diffusion import DiffusionModel
from scenegen.pipeline import Composer, Request
from scenegen.pipeline.guided import wanted_severity
from scenegen.query import Query, parse
from scenegen.scene import EGO, AgentKind, Composition, Scenario
from scenegen.scene.scenario import STEP
from scenegen.seeding import stream
from scenegen.sim import pairs
from scenegen.sim.dynamics import LIMITS

FAMILIES = {
    "cut_in": "c",
    "cut_out_to_stopped": "o",
    "cyclist_crossing": "b",
    "jaywalker": "p",
    "lead_hard_brake": "l",
    "occluded_pedestrian": "p",
    "red_light_runner": "r",
    "unprotected_left": "t",
}
"""Families that are asked for, and the role that comes near."""
NEAR = 3.0
"""Time to collision that every query asks to fall below [s]."""
SEED, AGENTS = 51, 24
SLACK = 1e-3
"""Rounding of differences of single-precision speeds, as a share of the limits."""
EDITS, KEPT = 3, 10
"""Scenes that are edited, and agents that are kept in each."""
RARE = 1e-4
"""Natural rate per scene below which a family counts as rare."""

STAGED: dict[str, Metric] = {
    "asked, by condition": Metric(axis="control", least=0.60),
    "asked, guided once": Metric(axis="guidance", least=0.95),
    f"asked, within {TRIES}": Metric(axis="control", least=0.995),
    "draws per hit": Metric(axis="control"),
    "TTC error": Metric(axis="control", unit="s", most=0.1),
    "ego speed error": Metric(axis="control", unit="m/s", most=0.3),
    "kept agents moved": Metric(axis="control", unit="m", most=0.0),
    "rare lift, per scene": Metric(axis="rare lift", least=1e3),
    "rare lift, per CPU s": Metric(axis="rare lift", least=1e4),
    "replay ego crashes": Metric(axis="criticality"),
    "IDM ego crashes": Metric(axis="criticality"),
    "coasting ego crashes": Metric(axis="criticality"),
    "solvable": Metric(axis="criticality", least=0.95),
    "returned: in contact": Metric(axis="returned", most=0.0),
    "returned: off road": Metric(axis="returned", most=0.0),
    "returned: infeasible": Metric(axis="returned", most=0.0),
}
"""Lines of the table about what is made on request, with the goals set beforehand."""
UNCOUNTED = frozenset({"asked, guided once"})
"""Lines that rivals cannot have; they do not count in a comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is asked of a model.

    Attributes:
        requests: Requests per family.
        cpu_s: CPU seconds for further tries, all families together [s].
        families: How many of FAMILIES.
    """

    requests: int
    cpu_s: float
    families: int = len(FAMILIES)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Answers:
    """Everything a model answered for one family."""

    family: str
    query: Query
    by_condition: list[Draw]
    guided: list[Draw]
    numbers: list[int]
    last: list[Draw]
    cpu_s: float

    @property
    def steered(self) -> list[Draw]:
        return self.guided or self.by_condition

    @property
    def hits(self) -> list[Draw]:
        return [d for d in (*self.by_condition, *self.guided, *self.last) if d.hit]


def staged(
    layout: LearnedLayout | None, natural: Natural, sizes: Sizes
) -> tuple[dict[str, Estimate], int]:
    """Ask a layout for every family.

    Args:
        layout: The layout, None for the heuristic with its scripts.
        natural: Rates in natural traffic.
        sizes: How much is asked.

    Returns:
        Estimates of the lines of STAGED, nan where there is none, and the number of returned
        scenarios they are of.
    """
    known = [f for f in FAMILIES if layout is None or f in layout.model.events]
    chosen = known[: sizes.families]
    answers = [_asked(layout, f, sizes, sizes.cpu_s / len(chosen)) for f in chosen]
    hits = [draw for answer in answers for draw in answer.hits]
    returned = [draw.scenario for draw in hits if draw.scenario is not None]
    rng = stream(SEED, "benchmark", "staged")
    figures = dict.fromkeys(STAGED, NOTHING)
    if answers:
        figures |= _control(answers, layout is not None, rng) | _lifts(answers, natural)
    if layout is not None:
        compositions = [d.composition for d in hits if d.composition is not None]
        figures["kept agents moved"] = _edits(layout, compositions)
    if returned:
        figures |= _criticality(returned) | _checked(returned, rng)
    return figures, len(returned)


def _asked(layout: LearnedLayout | None, family: str, sizes: Sizes, cpu_s: float) -> _Answers:
    roles = ", ".join(EVENTS[family].roles)
    query = parse(f"{family}({roles}) and ttc(ego,{FAMILIES[family]}) < {NEAR:g}s")
    request = by_heuristic(query, SEED, AGENTS)
    if layout is not None:
        request = Request(query=query, seed=SEED, agents=AGENTS, layout=layout)
    places = [(k, 0) for k in range(sizes.requests)]
    composer = Composer(request) if layout is None else conditioned(request)
    clock = Clock()
    with clock.running():
        by_condition = judged(composer, places)
    steered: list[Draw] = []
    if layout is not None and isinstance(layout.model, DiffusionModel):
        composer, clock = guided(request), Clock()
        with clock.running():
            steered = judged(composer, places)
    once = clock.cpu_s / len(places)
    numbers, last = first_hits(composer, steered or by_condition, TRIES, cpu_s, clock)
    return _Answers(
        family=family,
        query=query,
        by_condition=by_condition,
        guided=steered,
        numbers=numbers,
        last=[draw for number, draw in zip(numbers, last, strict=True) if number > 1],
        cpu_s=once,
    )


def _control(
    answers: Sequence[_Answers], learned: bool, rng: np.random.Generator
) -> dict[str, Estimate]:
    by_condition = [draw.hit for a in answers for draw in a.by_condition]
    once = [draw.hit for a in answers for draw in a.guided]
    numbers = [number for a in answers for number in a.numbers]
    met = sum(number > 0 for number in numbers)
    draws = sum(number if number > 0 else TRIES for number in numbers)
    out = {
        "asked, by condition": wilson(sum(by_condition), len(by_condition)),
        "asked, guided once": wilson(sum(once), len(once)) if once else NOTHING,
        f"asked, within {TRIES}": wilson(met, len(numbers)) if numbers else NOTHING,
        "draws per hit": _plain(draws / met if met else math.nan),
    }
    if learned:
        out |= _attribute_errors(answers, rng)
    return out


def _attribute_errors(answers: Sequence[_Answers], rng: np.random.Generator) -> dict[str, Estimate]:
    """Errors of what the condition asks for, over all sound draws that nothing guided."""
    wanted, measured, speeds, driven = list[float](), list[float](), list[float](), list[float]()
    for answer in answers:
        asked = wanted_severity(answer.query)
        for draw in answer.by_condition:
            if draw.scenario is None or draw.composition is None or asked is None:
                continue
            role = draw.scenario.roles.get(FAMILIES[answer.family])
            if role is None:
                continue
            wanted.append(asked)
            measured.append(encounter(draw.scenario, role).ttc)
            told = draw.composition.provenance.script.get("ego_speed")
            if isinstance(told, float | int):
                speeds.append(float(told))
                driven.append(float(draw.scenario.agents.speed[0, EGO]))
    pairs_of = {"TTC error": (wanted, measured), "ego speed error": (speeds, driven)}
    return {
        name: attribute_error(np.array(asked), np.array(found), rng) if asked else NOTHING
        for name, (asked, found) in pairs_of.items()
    }


def _lifts(answers: Sequence[_Answers], natural: Natural) -> dict[str, Estimate]:
    """Geometric means of the lifts over the families that natural traffic hardly ever shows.

    Where it never showed one, the upper end of its rate counts: these are lower bounds.
    """
    per_scene, per_second = list[Estimate](), list[Estimate]()
    for answer in answers:
        seen = natural.hits.get(answer.family, 0)
        if seen > RARE * natural.scenes:
            continue
        detector = query_of(answer.family)
        found = sum(
            d.scenario is not None and detector.match(d.scenario) is not None
            for d in answer.steered
        )
        gained = lift(
            found,
            len(answer.steered),
            seen,
            natural.scenes,
            cpu_s=max(answer.cpu_s * len(answer.steered), 1e-9),
            natural_cpu_s=max(natural.cpu_s, 1e-9),
        )
        per_scene.append(gained.per_scene)
        per_second.append(gained.per_cpu_second)
    return {
        "rare lift, per scene": _geometric(per_scene),
        "rare lift, per CPU s": _geometric(per_second),
    }


def _geometric(found: Sequence[Estimate]) -> Estimate:
    """Geometric mean; a family that never came counts as a lift of one, which is none."""
    if not found:
        return NOTHING
    logs = [math.log(max(one.value, 1.0)) for one in found]
    return _plain(math.exp(sum(logs) / len(logs)))


def _edits(layout: LearnedLayout, compositions: Sequence[Composition]) -> Estimate:
    """Largest change of anything about agents that were to be kept when one more is added."""
    changes = list[float]()
    for number, made in enumerate(compositions[:EDITS]):
        keep = list(range(min(KEPT, made.scene.agents.count)))
        request = LayoutRequest(
            roadmap=made.scene.roadmap,
            conditions=made.scene.conditions,
            pinned=made.scene.agents[[EGO]],
            plans=made.plans[[EGO]],
        )
        whole = Layout(agents=made.scene.agents, plans=made.plans)
        rng = stream(SEED, "benchmark", "edit", number)
        try:
            edited = layout.edit(request, whole, rng, keep=keep, add=1)
        except UnsatisfiedError:
            continue
        before, after = made.scene.agents[keep], edited.agents[: len(keep)]
        parts = ("position", "yaw", "speed", "size")
        changes.append(max(_apart(getattr(before, p), getattr(after, p)) for p in parts))
    return _plain(max(changes)) if changes else NOTHING


def _apart(a: FloatArray, b: FloatArray) -> float:
    return float(np.abs(np.asarray(a, np.float64) - b).max(initial=0.0))


def _criticality(returned: Sequence[Scenario]) -> dict[str, Estimate]:
    crashes = {
        f"{name} ego crashes": wilson(int(collides(returned, ego).sum()), len(returned))
        for name, ego in (("replay", Ego.REPLAY), ("IDM", Ego.IDM), ("coasting", Ego.COAST))
    }
    solved = sum(solvability(scenario).is_solvable for scenario in returned)
    return {**crashes, "solvable": wilson(solved, len(returned))}


def _checked(returned: Sequence[Scenario], rng: np.random.Generator) -> dict[str, Estimate]:
    """What slipped through the generator's own check, measured by other code."""
    scenes = SceneSet.of_scenarios(returned)
    validity = measure_validity(scenes, first_contacts(scenes), road_places(scenes), rng)
    touching = sum(_bystanders_touch(scenario) for scenario in returned)
    return {
        "returned: in contact": wilson(touching, len(returned)),
        "returned: off road": validity.offroad,
        "returned: infeasible": _infeasible(returned),
    }


def _infeasible(returned: Sequence[Scenario]) -> Estimate:
    """Share of recorded steps of bystanders on wheels beyond what their kind can brake or drive.

    Of the simulated states themselves: a motion code fitted to them would bring errors of its own.
    """
    beyond, steps = 0, 0
    for scenario in returned:
        agents, acting = scenario.agents, [EGO, *scenario.roles.values()]
        there = agents.valid[1:] & agents.valid[:-1] & (agents.kind[:-1] <= AgentKind.CYCLIST)
        there[:, acting] = False
        limits: FloatArray = LIMITS[agents.kind[:-1].astype(np.int64)]
        rate = np.diff(agents.speed.astype(np.float64), axis=0) / STEP
        most, least = limits[..., 1] * (1.0 + SLACK), -limits[..., 0] * (1.0 + SLACK)
        beyond += int((there & ((rate > most) | (rate < least))).sum())
        steps += int(there.sum())
    return wilson(beyond, steps)


def _bystanders_touch(scenario: Scenario) -> bool:
    """Whether two agents that play no role ever share a spot."""
    acting = {EGO, *scenario.roles.values()}
    others = np.array([k for k in range(scenario.agents.count) if k not in acting], np.int64)
    first, second = np.triu_indices(len(others), 1)
    if not len(first):
        return False
    return bool((pairs.distance(scenario.agents, others[first], others[second]) <= 0.0).any())


def _plain(value: float) -> Estimate:
    return Estimate(value=value, low=math.nan, high=math.nan)


def as_json(figures: Mapping[str, Estimate]) -> dict[str, list[float | None]]:
    """Give estimates as JSON values; null where there is no number."""
    return {
        name: [x if math.isfinite(x) else None for x in (e.value, e.low, e.high)]
        for name, e in figures.items()
    }


def from_json(data: Mapping[str, Sequence[float | None]]) -> dict[str, Estimate]:
    """Read `as_json` again; ends that were infinite are unknown."""
    out = {}
    for name, (value, low, high) in data.items():
        numbers = [math.nan if x is None else float(x) for x in (value, low, high)]
        out[name] = Estimate(value=numbers[0], low=numbers[1], high=numbers[2])
    return out
