"""Exposure: how often something happens under natural traffic, told from scenes made on purpose.

Scenes drawn from a proposal carry the logarithm of their importance weight, natural density over
proposal density. The weighted share of scenes that show the event is its natural rate; without
guards such a figure is worth nothing, so that an estimate whose weights are too uneven is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray, check_shape
from scenegen.errors import EstimateError
from scenegen.evaluate.intervals import Z95
from scenegen.evaluate.pareto import pareto_k

LARGEST_K = 0.7
"""Pareto shape of the weights above which no rate is given (Vehtari et al. 2024)."""
LEAST_SIZE = 30.0
"""Effective number of scenes below which no rate is given."""

NHTSA_SHARE: dict[str, float] = {
    "animal_crossing": 5.13 + 0.39,
    "backing_vehicle": 2.20,
    "cut_in": 5.69 + 1.65,
    "cut_out_to_stopped": 1.44,
    "cyclist_crossing": 0.30 + 0.40,
    "debris": 1.43,
    "jaywalker": 0.66,
    "lane_drift": 7.87,
    "lead_hard_brake": 7.20,
    "loss_of_control": 1.73 + 8.90 + 0.71,
    "merge_conflict": 3.73,
    "parked_car_pulls_out": 0.81,
    "red_light_runner": 4.27,
    "right_turn_conflict": 0.59,
    "slower_lead": 16.41 + 3.53,
    "stop_sign_runner": 0.81,
    "turning_pedestrian": 0.29,
    "unprotected_left": 3.71 + 3.19,
    "wrong_way_driver": 0.25 + 2.08,
}
"""Percent of the light-vehicle crashes of the US that each family stands for: the pre-crash
scenarios of DOT HS 810 767 (Najm et al. 2007) that it covers, added up. Given a crash; families
that the report does not tell apart are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """An estimated probability per scene.

    Attributes:
        value: The estimate.
        low: Lower end of the 95 % interval, at least 0.
        high: Upper end.
        effective_size: Number of equally weighted scenes that are worth as much.
        pareto_k: Shape of the tail of what is summed; -inf where all is equal.
        scenes: Number of scenes.
        hits: Number of scenes that show the event.
    """

    value: float
    low: float
    high: float
    effective_size: float
    pareto_k: float
    scenes: int
    hits: int

    @property
    def bits(self) -> float:
        """Rarity [bit]: -log2 of the rate; inf for a rate of zero."""
        return -math.log2(self.value) if self.value > 0 else math.inf


def path_log_weight(
    moved: FloatArray, base: FloatArray, steered: FloatArray, deviation: FloatArray
) -> FloatArray:
    """Logarithm of base density over steered density of a path of Gaussian steps.

    ``sum_k log N(x_k; base_k, s_k^2) - log N(x_k; steered_k, s_k^2)``: both chains have the same
    deviations, so that only squares remain. Exact for the path that was sampled; channels that are
    not steered add nothing.

    Args:
        moved: Where each step went, shape (..., K, D).
        base: Where the base model would have gone on average, shape (..., K, D).
        steered: Where the steered model did on average, shape (..., K, D).
        deviation: Deviation of each step, shape (K,), above 0.

    Returns:
        Log weights, shape (...).
    """
    sizes = check_shape("moved", moved, "K", "D")
    check_shape("base", base, sizes["K"], sizes["D"])
    check_shape("steered", steered, sizes["K"], sizes["D"])
    check_shape("deviation", deviation, sizes["K"])
    squares = ((moved - steered) ** 2 - (moved - base) ** 2).sum(-1)
    return np.asarray((squares / (2.0 * deviation**2)).sum(-1))


def estimate_rate(
    hits: BoolArray,
    log_weights: FloatArray,
    *,
    normalised: bool = False,
    largest_k: float = LARGEST_K,
    least_size: float = LEAST_SIZE,
) -> Rate:
    """Estimate the natural probability of an event from weighted scenes, or refuse to.

    Plain: ``mean(w h)``, unbiased; its guards look at what is summed, the weights of the hits.
    Self-normalised: ``sum(w h) / sum(w)``, for weights known up to a factor; its guards look at
    all weights, since both sums must be told (Owen, 2013, ch. 9). Intervals are normal, by the
    sample variance or the delta method.

    Args:
        hits: Whether each scene shows the event, shape (n,).
        log_weights: Log natural density over proposal density, shape (n,).
        normalised: Which of the two.
        largest_k: Pareto shape above which the estimate is refused.
        least_size: Effective size below which it is refused.

    Raises:
        EstimateError: The weights are not finite, or too uneven for a rate to be told.
    """
    check_shape("log_weights", log_weights, len(hits))
    if len(hits) == 0 or np.isnan(log_weights).any() or np.isposinf(log_weights).any():
        raise EstimateError(
            "estimate_rate: expected finite log weights of at least one scene, got"
            f" {len(hits)} scenes; projected or repaired scenes have no weight"
        )
    count, top = len(hits), float(np.max(log_weights, initial=-np.inf))
    top = top if math.isfinite(top) else 0.0
    weights = np.exp(np.asarray(log_weights, np.float64) - top)
    summed = weights * hits
    judged = log_weights if normalised else np.where(hits, log_weights, -np.inf)
    size = _effective_size(weights if normalised else summed)
    shape = pareto_k(np.asarray(judged, np.float64)) if size > 0 else math.inf
    _refuse(size, shape, int(np.sum(hits)), count, largest_k, least_size)
    if normalised:
        value = float(summed.sum() / weights.sum())
        spread = math.sqrt(float((weights**2 * (hits - value) ** 2).sum())) / float(weights.sum())
    else:
        scale = math.exp(top)
        value = float(summed.mean()) * scale
        spread = float(summed.std(ddof=1)) * scale / math.sqrt(count) if count > 1 else math.inf
    return Rate(
        value=value,
        low=max(0.0, value - Z95 * spread),
        high=value + Z95 * spread,
        effective_size=size,
        pareto_k=shape,
        scenes=count,
        hits=int(np.sum(hits)),
    )


def stratum_weights(
    family: IntArray, sampling: FloatArray, natural: Mapping[int, float]
) -> FloatArray:
    """Weights p(c) / q(c) that turn a stratified corpus into natural exposure.

    Args:
        family: Stratum of each row, shape (n,).
        sampling: Probability q with which the stratum of each row was drawn, shape (n,).
        natural: Natural probability p of each stratum; strata that are left out have none.

    Returns:
        Weights, shape (n,): their mean is 1 on average if `natural` sums to 1.

    Raises:
        ValueError: A row was drawn with probability zero or less.
    """
    check_shape("sampling", sampling, len(family))
    if (sampling <= 0.0).any():
        raise ValueError(f"sampling: expected probabilities above 0, got {float(sampling.min())}")
    wanted = np.array([natural.get(int(c), 0.0) for c in family.tolist()])
    return wanted / sampling


def _effective_size(weights: FloatArray) -> float:
    """Kish's effective sample size: square of the sum over sum of the squares."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def _refuse(
    size: float, shape: float, hits: int, count: int, largest_k: float, least_size: float
) -> None:
    if hits == 0:
        raise EstimateError(
            f"no rate: none of {count} scenes shows the event; steer harder, or draw more scenes"
        )
    if size < least_size:
        raise EstimateError(
            f"no rate: {count} weighted scenes with {hits} hits are worth only {size:.1f} equally"
            f" weighted ones, at least {least_size:.0f} are needed; steer less, or draw more scenes"
        )
    if shape > largest_k:
        raise EstimateError(
            f"no rate: the weights' tail has Pareto shape {shape:.2f}, above {largest_k:g} a mean"
            f" of them is not to be believed; steer less, or draw more scenes"
        )
