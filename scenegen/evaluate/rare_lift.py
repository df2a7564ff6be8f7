"""Rare lift: how much more often an event comes than in natural traffic."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scenegen.evaluate.intervals import Z95, Estimate, wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """Rates of one event with and without a model.

    Attributes:
        model: Share of the model's raw scenes that show it.
        natural: Share of natural scenes that show it.
        per_scene: Ratio of the shares.
        per_cpu_second: Ratio of the events per CPU second.
        is_bound: Whether natural traffic never showed it: the ratios then take the upper end of
            its interval, so that they are lower bounds.
    """

    model: Estimate
    natural: Estimate
    per_scene: Estimate
    per_cpu_second: Estimate
    is_bound: bool


def lift(
    hits: int,
    trials: int,
    natural_hits: int,
    natural_trials: int,
    *,
    cpu_s: float,
    natural_cpu_s: float,
) -> Lift:
    """Compare the rate under a model with the natural rate.

    The interval of the ratio is that of Katz et al. (1978): the logarithm of a ratio of shares
    has the variance ``1/a - 1/n + 1/b - 1/m``.

    Args:
        hits: Scenes of the model that show the event.
        trials: Scenes of the model.
        natural_hits: Natural scenes that show it.
        natural_trials: Natural scenes.
        cpu_s: CPU seconds that the model's scenes cost [s].
        natural_cpu_s: CPU seconds that the natural scenes cost [s].

    Raises:
        ValueError: There are no trials, or no time passed.
    """
    if trials < 1 or natural_trials < 1 or cpu_s <= 0.0 or natural_cpu_s <= 0.0:
        raise ValueError(
            f"lift: expected trials and CPU seconds above 0, got {trials}, {natural_trials},"
            f" {cpu_s} s and {natural_cpu_s} s"
        )
    model, natural = wilson(hits, trials), wilson(natural_hits, natural_trials)
    is_bound = natural_hits == 0
    speed = (natural_cpu_s / natural_trials) / (cpu_s / trials)
    if is_bound:
        least = model.low / natural.high
        value = Estimate(value=model.value / natural.high, low=least, high=math.inf)
    else:
        value = _ratio(hits, trials, natural_hits, natural_trials)
    return Lift(
        model=model,
        natural=natural,
        per_scene=value,
        per_cpu_second=Estimate(
            value=value.value * speed, low=value.low * speed, high=value.high * speed
        ),
        is_bound=is_bound,
    )


def _ratio(a: int, n: int, b: int, m: int) -> Estimate:
    if a == 0:
        high = wilson(a, n).high / wilson(b, m).low
        return Estimate(value=0.0, low=0.0, high=high)
    value = (a / n) / (b / m)
    deviation = math.sqrt(1 / a - 1 / n + 1 / b - 1 / m)
    spread = math.exp(Z95 * deviation)
    return Estimate(value=value, low=value / spread, high=value * spread)
