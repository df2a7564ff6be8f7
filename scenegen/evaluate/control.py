"""Control: whether a scenario is what was asked for, and how often it takes how many tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray, IntArray, check_shape
from scenegen.evaluate.intervals import NOTHING, Estimate, bootstrap, wilson
from scenegen.query import Query, Trace
from scenegen.scene import EGO, Scenario
from scenegen.sim import pairs

TRIES = 16
"""Tries within which a request is to be met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Satisfaction:
    """Shares of requests that are met, judged by the exact query and by nothing else.

    Attributes:
        first: By the first sample, conditions only.
        guided: By the first guided sample; nan interval where guidance was not tried.
        within: Within TRIES tries.
        tries: Mean number of samples per met request: what acceptance costs.
    """

    first: Estimate
    guided: Estimate
    within: Estimate
    tries: Estimate


def satisfied(query: Query, scenarios: Sequence[Scenario]) -> list[bool]:
    """Evaluate a query exactly on each scenario."""
    return [query.evaluate(Trace(scenario)).satisfied for scenario in scenarios]


def satisfaction(
    attempts: IntArray,
    rng: np.random.Generator,
    *,
    guided: Sequence[bool] = (),
    limit: int = TRIES,
) -> Satisfaction:
    """Summarise requests by the number of the sample that met each of them.

    Args:
        attempts: Number of the first satisfying sample from 1, 0 where none did, shape (n,).
        rng: Random numbers of the bootstrap.
        guided: Whether the first guided sample met each request.
        limit: Tries allowed.
    """
    met = attempts[(attempts >= 1) & (attempts <= limit)].astype(np.float64)
    mean = bootstrap(lambda rows: float(met[rows].mean()), np.arange(len(met)), rng)
    return Satisfaction(
        first=wilson(int((attempts == 1).sum()), len(attempts)),
        guided=wilson(sum(guided), len(guided)) if len(guided) else NOTHING,
        within=wilson(len(met), len(attempts)),
        tries=mean,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Encounter:
    """What happened between the ego and one other road user.

    Attributes:
        ttc: Least time to collision of the ego with it [s]; inf if they never close in.
        gap: Gap along the ego's path at that instant [m]; inf if it is not on the path.
        speed: Speed of the ego at that instant [m/s].
    """

    ttc: float
    gap: float
    speed: float


def encounter(scenario: Scenario, other: int) -> Encounter:
    """Measure the moment of least time to collision between the ego and an agent."""
    ttc = pairs.ttc(scenario.agents, EGO, other)
    step = int(np.argmin(ttc))
    return Encounter(
        ttc=float(ttc[step]),
        gap=float(pairs.gap(scenario.agents, EGO, other)[step]),
        speed=float(scenario.agents.speed[step, EGO]),
    )


def attribute_error(wanted: FloatArray, measured: FloatArray, rng: np.random.Generator) -> Estimate:
    """Mean absolute error of what was asked for, in its unit.

    A request that was not met at all (an infinite measurement) counts as an error of its wanted
    value, so that failing cannot improve the mean.

    Args:
        wanted: Requested values, finite, shape (n,).
        measured: Measured values, shape (n,).
        rng: Random numbers of the bootstrap.
    """
    check_shape("measured", measured, *wanted.shape)
    error = np.where(np.isfinite(measured), np.abs(measured - wanted), np.abs(wanted))
    return bootstrap(lambda rows: float(error[rows].mean()), np.arange(len(error)), rng)
