"""One row of features per recording: what people filter and rank datasets by."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.catalog.development import development
from scenegen.catalog.extremes import extremes
from scenegen.catalog.occurrences import WORDS, occurrences
from scenegen.data.pack import Scalar
from scenegen.events.tracks import Tracks
from scenegen.query import Trace
from scenegen.scene import EGO, AgentKind, AgentStates, Scenario
from scenegen.sim import pairs

LARGEST_INTEGER = 2**63 - 1
"""Largest integer a Parquet column holds."""


def features(scenario: Scenario, *, same: Mapping[str, Scalar] | None = None) -> dict[str, Scalar]:
    """Summarise a scenario in one row of scalars.

    Criticality is that of the ego towards any other road user, as `scenegen.sim.pairs` defines
    it: inf where nothing is near (0 for `max_drac`), None where there is no ego. Quantities are
    in SI units; `*_time` is the instant of the extreme [s].

    Args:
        scenario: The scenario.
        same: Features of a scenario that shows the same development, perhaps under other light
            and weather: what follows from the development is taken over.

    Returns:
        The value of each column.
    """
    told = {**_origin(scenario), **_surroundings(scenario)}
    if same is not None:
        return {**same, **told}
    # The same numbers that queries see, so that SQL conditions and queries agree.
    trace = Trace(scenario)
    tracks = trace.tracks
    return {
        **told,
        **_population(tracks),
        **_ego_motion(tracks),
        **_criticality(tracks),
        "occurrences": occurrences(trace),
        "listed": WORDS,
        "extremes": extremes(trace),
        "development": development(scenario),
    }


def _origin(scenario: Scenario) -> dict[str, Scalar]:
    origin = scenario.provenance
    event = origin.script.get("event")
    return {
        "id": scenario.id,
        "query": origin.query,
        "seed": origin.seed if abs(origin.seed) <= LARGEST_INTEGER else None,
        "request_index": origin.index,
        "attempt": origin.attempt,
        "version": origin.version,
        "event": None if event is None else str(event),
        "roles": " ".join(f"{role}={agent}" for role, agent in sorted(scenario.roles.items())),
        "duration": scenario.duration if scenario.steps else 0.0,
        "steps": scenario.steps,
    }


def _surroundings(scenario: Scenario) -> dict[str, Scalar]:
    roadmap = scenario.roadmap
    limits = [roadmap.lanes[k].speed_limit for k in roadmap.traffic_lanes]
    return {
        **scenario.conditions.to_json(),
        "light": scenario.conditions.light.value,
        "weather": scenario.conditions.weather.value,
        "map": roadmap.name,
        "road": str(roadmap.kind),
        "traffic_lanes": len(roadmap.traffic_lanes),
        "speed_limit": max(limits, default=None),
        "has_junction": any(lane.in_junction for lane in roadmap.lanes),
        "signals": len(roadmap.signals),
        "crossings": len(roadmap.crossings),
    }


def _population(tracks: Tracks) -> dict[str, Scalar]:
    """Road users that are there at some instant, the ego included, by kind."""
    present = np.flatnonzero(tracks.valid.any(axis=0))
    kinds = tracks.kind[present]
    counts = {f"{kind.name.lower()}_count": int((kinds == kind).sum()) for kind in AgentKind}
    return {"agent_count": len(present), **counts}


def _ego_motion(tracks: Tracks) -> dict[str, Scalar]:
    there = _ego_there(tracks.states)
    if not there.any():
        return dict.fromkeys(
            ("ego_speed_min", "ego_speed_mean", "ego_speed_max", "ego_accel_min", "ego_accel_max")
        )
    speed, acceleration = tracks.states.speed[there, EGO], tracks.acceleration[there, EGO]
    return {
        "ego_speed_min": float(speed.min()),
        "ego_speed_mean": float(speed.mean()),
        "ego_speed_max": float(speed.max()),
        "ego_accel_min": float(acceleration.min()),
        "ego_accel_max": float(acceleration.max()),
    }


def _criticality(tracks: Tracks) -> dict[str, Scalar]:
    states = tracks.states
    if not _ego_there(states).any():
        names = ("min_ttc", "min_ttc_time", "min_gap", "min_thw", "min_distance", "max_drac")
        return {**dict.fromkeys(names), "collision": False}
    others: IntArray = np.arange(1, states.count)
    ego = np.full_like(others, EGO)
    ttc = _least(pairs.ttc(states, ego, others))
    distance = _least(pairs.distance(states, ego, others))
    step = int(ttc.argmin())
    return {
        "min_ttc": float(ttc[step]),
        "min_ttc_time": float(tracks.times[step]) if np.isfinite(ttc[step]) else None,
        "min_gap": float(_least(pairs.gap(states, ego, others)).min()),
        "min_thw": float(_least(pairs.thw(states, ego, others)).min()),
        "min_distance": float(distance.min()),
        "max_drac": float(pairs.drac(states, ego, others).max(initial=0.0)),
        "collision": bool((distance <= 0).any()),
    }


def _ego_there(states: AgentStates) -> BoolArray:
    """Whether there is an ego at each instant, shape (T,)."""
    return states.valid[:, EGO] if states.count else np.zeros(len(states.valid), np.bool_)


def _least(values: FloatArray) -> FloatArray:
    """Smallest value over all others at each instant, shape (T,)."""
    return values.min(axis=1, initial=np.inf)
