"""Likelihood of held-out scenes under generated ones, road by road, as the Waymo challenge scores.

The Sim Agents and Scenario Generation challenges (Montali et al. 2023; configuration of 2025 with
`aggregate_objects`) fill histograms with what all agents of the simulated scenes of one road do,
smooth them, and take the geometric mean of the probabilities of what the logged agents did. The
figures here are of our scenes and at fewer instants: they compare models, not with the leaderboard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.evaluate.contacts import RoadPlaces
from scenegen.evaluate.divergences import histogram_rows
from scenegen.evaluate.intervals import NOTHING, Estimate, ratio_of_sums
from scenegen.evaluate.scene_set import SceneSet
from scenegen.scene.scenario import STEP
from scenegen.sim import pairs

PSEUDO_COUNT = 0.1
"""Added to every bin of a histogram."""
EVERY = 40
"""Steps between the instants at which distances and times to collision are looked at."""
CHUNK = 128
"""Scenes whose pairs are looked at together."""
FAR = 1e6


@dataclass(frozen=True, slots=True)
class Feature:
    """What is counted: edges of the bins, and the weight in the sum (Waymo, 2025)."""

    edges: FloatArray
    weight: float


FEATURES: dict[str, Feature] = {
    "speed": Feature(np.linspace(0.0, 25.0, 11), 0.05),  # [m/s]
    "acceleration": Feature(np.linspace(-12.0, 12.0, 12), 0.05),  # [m/s^2]
    "yaw rate": Feature(np.linspace(-0.628, 0.628, 12), 0.05),  # [rad/s]
    "yaw acceleration": Feature(np.linspace(-3.14, 3.14, 12), 0.05),  # [rad/s^2]
    "nearest distance": Feature(np.linspace(-5.0, 40.0, 11), 0.10),  # [m]
    "collision": Feature(np.array([-0.5, 0.5, 1.5]), 0.25),
    "road edge": Feature(np.linspace(-20.0, 40.0, 11), 0.05),  # [m], negative on the road
    "off road": Feature(np.array([-0.5, 0.5, 1.5]), 0.25),
    "time to collision": Feature(np.linspace(0.0, 5.0, 11), 0.10),  # [s]
}
"""All but the violation of traffic lights, which tokens do not hold; weights are used relatively.
Values beyond the bins count for the outermost ones."""


def histograms(
    scenes: SceneSet, contacts: IntArray, places: RoadPlaces
) -> Mapping[str, FloatArray]:
    """Count what the agents of each scene do.

    Args:
        scenes: The scenes.
        contacts: From contacts.first_contacts.
        places: From contacts.road_places.

    Returns:
        Counts by feature, each of shape (S, bins).
    """
    there, vehicles, rate = scenes.present, scenes.vehicles, scenes.yaw_rate
    distance, ttc = _nearest(scenes)
    known = places.covered & vehicles[:, None]
    collided: BoolArray = np.asarray((contacts >= 0).any(-1))
    values: dict[str, tuple[FloatArray, BoolArray]] = {
        "speed": (scenes.agents.speed[:, ::EVERY], there[:, None]),
        "acceleration": (scenes.acceleration[:, ::EVERY], there[:, None]),
        "yaw rate": (rate[:, ::EVERY], there[:, None]),
        "yaw acceleration": (
            np.diff(rate, axis=1)[:, ::EVERY] / np.float32(STEP),
            there[:, None],
        ),
        "nearest distance": (distance, there[:, None]),
        "collision": (collided[:, None].astype(np.float64), there[:, None]),
        "road edge": (-places.clearance, known),
        "off road": ((places.clearance < 0.0).astype(np.float64), known),
        "time to collision": (ttc, vehicles[:, None]),
    }
    return {
        name: _counts(value, mask, FEATURES[name].edges) for name, (value, mask) in values.items()
    }


def road_likelihood(
    found: Mapping[str, FloatArray],
    found_site: IntArray,
    logged: Mapping[str, FloatArray],
    logged_site: IntArray,
    rng: np.random.Generator,
) -> Estimate:
    """Weighted mean likelihood of logged scenes under found scenes of the same road, 0 to 1.

    The k-th logged scene of a road is scored under all found scenes of that road but the k-th, so
    that the logged scenes themselves, scored like a model, do not see what they are asked about.

    Args:
        found: Counts of the scenes to judge, from `histograms`.
        found_site: Site of each of them.
        logged: Counts of held-out scenes.
        logged_site: Site of each of them.
        rng: Random numbers of the bootstrap.

    Returns:
        The mean over all logged scenes with company; nan where no road is shared.
    """
    scores, sites = list[float](), list[int]()
    for site in np.unique(logged_site).tolist():
        ours = np.flatnonzero(found_site == site)
        for rank, row in enumerate(np.flatnonzero(logged_site == site).tolist()):
            company = np.delete(ours, rank) if rank < len(ours) else ours
            if len(company):
                scores.append(_likelihood(found, company, logged, row))
                sites.append(site)
    if not scores:
        return NOTHING
    values = np.array(scores)
    return ratio_of_sums(values, np.ones(len(values)), np.array(sites), rng)


def _likelihood(
    found: Mapping[str, FloatArray],
    company: IntArray,
    logged: Mapping[str, FloatArray],
    row: int,
) -> float:
    total, weights = 0.0, 0.0
    for name, feature in FEATURES.items():
        seen = logged[name][row]
        if seen.sum() == 0.0:
            continue
        smooth = found[name][company].sum(0) + PSEUDO_COUNT
        mean = float(seen @ np.log(smooth / smooth.sum())) / float(seen.sum())
        total += feature.weight * float(np.exp(mean))
        weights += feature.weight
    return total / weights if weights else 0.0


def _counts(values: FloatArray, mask: BoolArray, edges: FloatArray) -> FloatArray:
    """Histogram per scene; what lies beyond the bins falls into the outermost."""
    count = len(values)
    shape = np.broadcast_shapes(values.shape, mask.shape)
    chosen = np.broadcast_to(mask, shape)
    middle = (edges[:-1] + edges[1:]) / 2
    kept = np.clip(np.broadcast_to(values, shape), middle[0], middle[-1])
    rows = np.broadcast_to(np.arange(count)[:, None, None], shape)
    return histogram_rows(kept[chosen].astype(np.float64), rows[chosen], count, edges)


def _nearest(scenes: SceneSet) -> tuple[FloatArray, FloatArray]:
    """Distance to the nearest other box [m] and least time to collision [s], (S, K, A) each."""
    agents = scenes.agents[:, ::EVERY]
    slots = agents.count
    first, second = np.triu_indices(slots, 1)
    shape = agents.valid.shape
    near, soon = np.full(shape, FAR), np.full(shape, FAR)
    for low in range(0, len(scenes), CHUNK):
        part = agents[low : low + CHUNK]
        both = part.valid[..., first] & part.valid[..., second]
        for out, measured in (
            (near, pairs.distance(part, first, second)),
            (soon, pairs.ttc(part, first, second)),
        ):
            value = np.where(both, np.minimum(measured, FAR), FAR)
            table = np.full((*value.shape[:2], slots, slots), FAR)
            table[..., first, second] = value
            table[..., second, first] = value
            out[low : low + CHUNK] = table.min(-1)
    return near, soon
