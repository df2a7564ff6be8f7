"""Solvability: could an ego have got out, and the proof that it could or that nothing found a way.

The planners never saw how a scenario was made; they know the others' recorded motion, which makes
them an upper bound of what a driver can do who has to guess it. The others do not react: a plan
that lives off somebody braking for it does not count.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

import numpy as np

from scenegen.arrays import FloatArray, check_shape
from scenegen.errors import ShapeError
from scenegen.evaluate import regulation
from scenegen.evaluate.criticality import as_composition
from scenegen.evaluate.lattice import Lattice, Vehicle, plans, reference_lines
from scenegen.evaluate.obstacles import Obstacles
from scenegen.evaluate.sampling_mpc import MARGIN, search
from scenegen.geometry.angles import unwrap_time, wrap_angle
from scenegen.scene import EGO, AgentKind, AgentStates, Scenario
from scenegen.scene.scenario import STEP
from scenegen.seeding import stream
from scenegen.sim import pairs, rollout

NOTICE_TTC = 4.0
"""A risk shows when the time to collision with anybody falls below this [s]."""
REACTION = 0.35
"""Time after that before the ego acts [s]: what UN R157, 5.2.5.2, grants an automated vehicle."""
CHECKED = 256
"""Plans whose place on the road is looked up together, the gentlest first."""


class Outcome(StrEnum):
    """What the planners found."""

    SOLVABLE = "solvable"
    UNAVOIDABLE = "unavoidable"


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveSettings:
    """How an ego is judged.

    Attributes:
        notice: When the risk shows [s]; None: when the time to collision falls below NOTICE_TTC.
        reaction: Time from there until the ego acts [s]; it keeps its recorded motion meanwhile.
        lattice: The grid of plans.
        stay_on_road: Whether plans that leave the road fail.
        use_mpc: Whether the second planner tries where the lattice finds nothing.
    """

    notice: float | None = None
    reaction: float = REACTION
    lattice: Lattice = field(default_factory=Lattice)
    stay_on_road: bool = True
    use_mpc: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solvability:
    """The verdict on one scenario.

    Attributes:
        scenario_id: Identity of the scenario.
        outcome: Whether a plan was found.
        planner: Who found it: "as recorded", "Frenet lattice", "sampling MPC"; who failed last
            where none did, or "no time" where contact comes before the ego can act.
        notice: When the risk showed [s]; None if it never did.
        acts_from: When the plan begins [s].
        tried: Plans that were tried.
        infeasible: Of these, plans that the vehicle cannot drive.
        colliding: Of the rest, plans that touch somebody.
        leaving: Of the rest, plans that leave the road.
        densities: Numbers of values of the lattice, which an unavoidable outcome exhausted.
        drivers: Whether each reference driver avoids contact; empty outside of the longitudinal
            families.
        least_distance: Least distance of the certificate to anybody [m]; nan without one.
        certificate: x, y, yaw, speed of the ego at each instant until it leaves the road's end,
            shape (T, 4), or None.
    """

    scenario_id: str
    outcome: Outcome
    planner: str
    notice: float | None
    acts_from: float
    tried: int = 0
    infeasible: int = 0
    colliding: int = 0
    leaving: int = 0
    densities: dict[str, int] = field(default_factory=dict)
    drivers: dict[str, bool] = field(default_factory=dict)
    least_distance: float = float("nan")
    certificate: FloatArray | None = None

    @property
    def is_solvable(self) -> bool:
        """Whether a plan was found."""
        return self.outcome is Outcome.SOLVABLE

    def to_json(self) -> dict[str, Any]:
        """Give all fields as plain JSON values, the certificate included: it can be stored."""
        out = asdict(replace(self, certificate=None))
        out["least_distance"] = None if np.isnan(self.least_distance) else self.least_distance
        out["certificate"] = None if self.certificate is None else self.certificate.tolist()
        return out

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Rebuild from `to_json`."""
        distance, path = data["least_distance"], data["certificate"]
        fields = {
            "outcome": Outcome(data["outcome"]),
            "least_distance": float("nan") if distance is None else distance,
            "certificate": None if path is None else np.array(path, np.float64),
        }
        return cls(**{**data, **fields})


def solvability(scenario: Scenario, settings: SolveSettings | None = None) -> Solvability:
    """Look for a way out of a scenario.

    The ego keeps its recorded motion until the risk has shown and the reaction time is over; from
    there on the lattice, then the sampling planner, look for a plan that the vehicle can drive,
    that stays on the road and touches nobody up to the end of the scenario. What they find is
    replayed in the simulator before it counts.

    Args:
        scenario: The scenario, at 10 Hz.
        settings: How the ego is judged.

    Raises:
        ShapeError: The scenario has no ego at its first two instants.
    """
    settings = settings if settings is not None else SolveSettings()
    if not scenario.agents.valid[:2, EGO].all() or scenario.steps < 2:
        raise ShapeError(
            "solvability: expected an ego at the first two instants, got"
            f" {int(scenario.agents.valid[:2, EGO].sum())} of {min(scenario.steps, 2)}"
        )
    scenario = _cut(scenario, _present(scenario))
    recorded = recorded_path(scenario)
    notice = settings.notice if settings.notice is not None else notice_time(scenario)
    acts = scenario.steps - 1
    if notice is not None:
        acts = min(acts, max(0, int(np.ceil((notice + settings.reaction) / STEP - 1e-6))))
    begin = Solvability(
        scenario_id=scenario.id,
        outcome=Outcome.UNAVOIDABLE,
        planner="no time",
        notice=notice,
        acts_from=acts * STEP,
        drivers=reference_drivers(scenario),
    )
    contact = int(Obstacles.of(scenario, 0).first_contact(recorded[None])[0])
    if contact < 0 and replays(scenario, recorded, road=False):
        return _solved(begin, scenario, "as recorded", recorded)
    if 0 <= contact <= acts:
        return begin
    found = _search_lattice(begin, scenario, recorded, acts, settings)
    if found.is_solvable or not settings.use_mpc:
        return found
    return _search_mpc(found, scenario, recorded, acts, settings)


def notice_time(scenario: Scenario, threshold: float = NOTICE_TTC) -> float | None:
    """First time at which the ego is closer than `threshold` seconds to a collision [s]."""
    others = np.arange(1, scenario.agents.count)
    if len(others) == 0:
        return None
    ttc = pairs.ttc(scenario.agents, np.full_like(others, EGO), others).min(-1)
    below = np.flatnonzero(ttc < threshold)
    return float(scenario.times[below[0]]) if len(below) else None


def reference_drivers(scenario: Scenario) -> dict[str, bool]:
    """Whether each reference driver of UN R157 avoids contact in a longitudinal family."""
    if scenario.provenance.script.get("event") not in regulation.LONGITUDINAL:
        return {}
    path = regulation.path_of(scenario)
    leads = regulation.leads_of(scenario, path)
    speed, steps = float(scenario.agents.speed[0, EGO]), scenario.steps - 1
    obstacles = Obstacles.of(scenario, 0)
    models = {
        "UN R157 careful human": regulation.careful_human,
        "fuzzy safety model": regulation.fuzzy_driver,
    }
    out = {}
    for name, model in models.items():
        driven = regulation.as_path(path, model(leads, speed, steps))
        out[name] = int(obstacles.first_contact(driven[None])[0]) < 0
    return out


def replays(scenario: Scenario, certificate: FloatArray, *, road: bool = True) -> bool:
    """Whether the simulator replays a certificate without collision and on the road.

    Args:
        scenario: The scenario.
        certificate: x, y, yaw, speed of the ego at each instant, shape (T, 4).
        road: Whether leaving the road counts.
    """
    changed = with_ego(scenario, certificate)
    result = rollout([as_composition(changed)], changed.duration)[0]
    touched = bool(result.collided[:, EGO].any())
    return not touched and not (road and bool(result.offroad[:, EGO].any()))


def with_ego(scenario: Scenario, certificate: FloatArray) -> Scenario:
    """Give the scenario with another motion of the ego, as long as that motion is."""
    check_shape("certificate", certificate, "T", 4)
    scenario = _cut(scenario, len(certificate))
    check_shape("certificate", certificate, scenario.steps, 4)
    old = scenario.agents
    position, yaw, speed = old.position.copy(), old.yaw.copy(), old.speed.copy()
    position[:, EGO] = certificate[:, :2]
    yaw[:, EGO] = wrap_angle(certificate[:, 2])
    speed[:, EGO] = certificate[:, 3]
    agents = AgentStates(
        position=position, yaw=yaw, speed=speed, size=old.size, kind=old.kind, valid=old.valid
    )
    return replace(scenario, agents=agents)


def _present(scenario: Scenario) -> int:
    """Number of instants until the ego is gone; it leaves where the road ends."""
    gone = np.flatnonzero(~scenario.agents.valid[:, EGO])
    return int(gone[0]) if len(gone) else scenario.steps


def _cut(scenario: Scenario, steps: int) -> Scenario:
    """Give the first instants."""
    return replace(scenario, agents=scenario.agents[:steps], times=scenario.times[:steps])


def recorded_path(scenario: Scenario) -> FloatArray:
    """Recorded x, y, continuous yaw and speed of the ego, shape (T, 4), float64."""
    agents = scenario.agents
    yaw = unwrap_time(agents.yaw[:, EGO].astype(np.float64))
    columns = [agents.position[:, EGO].astype(np.float64), yaw[:, None]]
    return np.concatenate([*columns, agents.speed[:, EGO, None].astype(np.float64)], -1)


def _search_lattice(
    begin: Solvability,
    scenario: Scenario,
    recorded: FloatArray,
    acts: int,
    settings: SolveSettings,
) -> Solvability:
    state, steps = recorded[acts], scenario.steps - 1 - acts
    obstacles, vehicle = Obstacles.of(scenario, acts), _vehicle(scenario)
    road = settings.stay_on_road and int(obstacles.first_off_road(state[None, None])[0]) < 0
    counts = Counter[str]()
    for line in reference_lines(scenario.roadmap, state):
        paths, drivable = plans(line, state, steps, vehicle, settings.lattice)
        counts["tried"] += len(paths)
        counts["infeasible"] += int((~drivable).sum())
        contact = obstacles.first_contact(paths[drivable], MARGIN)
        counts["colliding"] += int((contact >= 0).sum())
        free = paths[drivable][contact < 0]
        for low in range(0, len(free), CHECKED):
            part = free[low : low + CHECKED]
            off = obstacles.first_off_road(part) if road else np.full(len(part), -1)
            counts["leaving"] += int((off >= 0).sum())
            for path in part[off < 0]:
                whole = np.concatenate([recorded[:acts], path])
                if replays(scenario, whole, road=road and not _begins_off(scenario, recorded)):
                    return _solved(_counted(begin, counts), scenario, "Frenet lattice", whole)
    failed = replace(begin, planner="Frenet lattice", densities=settings.lattice.densities())
    return _counted(failed, counts)


def _search_mpc(
    failed: Solvability,
    scenario: Scenario,
    recorded: FloatArray,
    acts: int,
    settings: SolveSettings,
) -> Solvability:
    state, steps = recorded[acts], scenario.steps - 1 - acts
    obstacles = Obstacles.of(scenario, acts)
    road = settings.stay_on_road and int(obstacles.first_off_road(state[None, None])[0]) < 0
    rng = stream(0, "evaluate", "mpc", scenario.id)
    path, tried = search(obstacles, state, steps, _vehicle(scenario), rng, road=road)
    counted = replace(failed, tried=failed.tried + tried, planner="sampling MPC")
    if path is None:
        return counted
    whole = np.concatenate([recorded[:acts], path])
    if not replays(scenario, whole, road=road and not _begins_off(scenario, recorded)):
        return counted
    return _solved(counted, scenario, "sampling MPC", whole)


def _counted(begin: Solvability, counts: Counter[str]) -> Solvability:
    return replace(
        begin,
        tried=counts["tried"],
        infeasible=counts["infeasible"],
        colliding=counts["colliding"],
        leaving=counts["leaving"],
    )


def _begins_off(scenario: Scenario, recorded: FloatArray) -> bool:
    """Whether the recorded ego is off the road at some instant: then the road cannot be asked."""
    return int(Obstacles.of(scenario, 0).first_off_road(recorded[None])[0]) >= 0


def _solved(begin: Solvability, scenario: Scenario, planner: str, path: FloatArray) -> Solvability:
    return replace(
        begin,
        outcome=Outcome.SOLVABLE,
        planner=planner,
        certificate=path,
        least_distance=Obstacles.of(scenario, 0).least_distance(path),
    )


def _vehicle(scenario: Scenario) -> Vehicle:
    return Vehicle(
        kind=AgentKind(int(scenario.agents.kind[0, EGO])),
        length=float(scenario.agents.size[:, EGO, 0].max()),
        friction=scenario.conditions.friction,
    )
