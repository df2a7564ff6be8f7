"""Marginal realism: twelve histograms of what a scene is like, compared with a reference.

Every divergence is the Jensen-Shannon divergence in nats, not rooted and without a hidden factor.
Bins of the first six are those of Scenario Dreamer (Rowe et al. 2025), whose published figures are
the same divergence times SD_FACTOR; its first three leave out what is not on a lane.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.evaluate.contacts import RoadPlaces
from scenegen.evaluate.divergences import histogram_rows, js_divergence, wasserstein
from scenegen.evaluate.intervals import (
    RESAMPLES,
    Estimate,
    basic_interval,
    resampling_weights,
)
from scenegen.evaluate.scene_set import SceneSet
from scenegen.scene import AgentStates
from scenegen.scene.scenario import STEP
from scenegen.sim import pairs

ON_LANE = 1.5
"""Vehicles farther than this from every lane's middle are left out of deviations [m] (SD)."""
NO_LEADER = 1e6
"""Stands for no leader: falls into the last bin of gap, time to collision and headway."""
CHUNK = 256
"""Scenes whose pairs are looked at together."""


def _edges(low: float, high: float, width: float) -> FloatArray:
    return np.linspace(low, high, round((high - low) / width) + 1)


BINS: dict[str, FloatArray] = {
    "nearest gap": _edges(0, 50, 1),  # centre to centre [m]
    "lateral deviation": _edges(0, 1.5, 0.1),  # [m]
    "heading deviation": _edges(-200, 200, 5),  # [deg]
    "length": _edges(0, 25, 0.1),  # [m]
    "width": _edges(0, 5, 0.1),  # [m]
    "speed": _edges(0, 50, 1),  # [m/s]
    "acceleration": _edges(-12, 12, 0.5),  # [m/s^2]
    "jerk": _edges(-20, 20, 1),  # [m/s^3]
    "time to collision": np.append(_edges(0, 10, 0.5), np.inf),  # [s], the last bin: none
    "time headway": np.append(_edges(0, 6, 0.25), np.inf),  # [s], the last bin: none
    "gap and speed": np.arange(122.0),  # 11 x 11 cells of 5 m and 5 m/s, the last: no leader
    "count": np.arange(-0.5, 33.5),  # agents in the scene
}
"""Edges of the bins of each marginal."""
SD_FACTOR: dict[str, int] = {
    "nearest gap": 10,
    "lateral deviation": 10,
    "heading deviation": 100,
    "length": 100,
    "width": 100,
    "speed": 100,
}
"""Factors in Scenario Dreamer's table: its speed 0.38 is 0.0038 nats."""
SD_LARGE: dict[str, float] = {
    "nearest gap": 0.05,
    "lateral deviation": 0.03,
    "heading deviation": 0.08,
    "length": 0.43,
    "width": 0.29,
    "speed": 0.38,
}
"""Its published figures for the large model on Waymo: other data, a scale and not a contest."""
CTG_BINS: dict[str, FloatArray] = {
    "longitudinal acceleration": np.linspace(-10, 10, 21),
    "lateral acceleration": np.linspace(-10, 10, 21),
    "jerk": np.linspace(-20, 20, 21),
}
"""Twenty bins each, as the realism deviation of CTG (Zhong et al. 2023)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marginals:
    """Histograms of every scene of a set.

    Attributes:
        counts: Counts by marginal, each of shape (S, bins): the twelve of BINS.
        motion: Counts by motion quantity, each of shape (S, 20): those of CTG_BINS.
        site: Site of each scene, shape (S,).
    """

    counts: Mapping[str, FloatArray]
    motion: Mapping[str, FloatArray]
    site: IntArray


def marginals(scenes: SceneSet, places: RoadPlaces) -> Marginals:
    """Fill the histograms of a set of scenes; motor vehicles only, as in the source."""
    count, vehicles = len(scenes), scenes.vehicles
    opening = scenes.opening
    rows = np.broadcast_to(np.arange(count)[:, None], vehicles.shape)
    gap, ttc, thw = leaders(opening, vehicles)
    offset = places.offset[:, 0] if count else np.zeros(vehicles.shape)
    on_lane = vehicles & (offset <= ON_LANE)
    error = np.degrees(places.heading_error[:, 0]) if count else offset
    led = gap < NO_LEADER
    cell = np.minimum(gap // 5, 10) * 11 + np.clip(opening.speed // 5, 0, 10)
    values: dict[str, tuple[FloatArray, BoolArray]] = {
        "nearest gap": (nearest_gap(opening, vehicles), vehicles),
        "lateral deviation": (offset, on_lane),
        "heading deviation": (error, on_lane),
        "length": (opening.size[..., 0], vehicles),
        "width": (opening.size[..., 1], vehicles),
        "speed": (opening.speed, vehicles),
        "time to collision": (ttc, vehicles),
        "time headway": (thw, vehicles),
        "gap and speed": (np.where(led, cell, 121.0), vehicles),
    }
    counts = {
        name: histogram_rows(_flat(value, mask), rows[mask], count, BINS[name])
        for name, (value, mask) in values.items()
    }
    present = scenes.present.sum(-1).astype(np.float64)
    counts["count"] = histogram_rows(present, np.arange(count), count, BINS["count"])
    counts |= {name: _over_time(scenes, name, BINS[name]) for name in ("acceleration", "jerk")}
    motion = {name: _over_time(scenes, name, edges) for name, edges in CTG_BINS.items()}
    ordered = {name: counts[name] for name in BINS}
    return Marginals(counts=ordered, motion=motion, site=scenes.site)


def marginal_divergences(
    found: Marginals, reference: Marginals, rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, Estimate]:
    """Jensen-Shannon divergence of each marginal [nat], with basic bootstrap intervals."""
    out = {}
    for name in BINS:
        p, q = found.counts[name], reference.counts[name]
        value = float(js_divergence(p.sum(0), q.sum(0)))
        drawn = js_divergence(*_resampled(p, q, (found.site, reference.site), rng, resamples))
        out[name] = basic_interval(value, drawn, 0.0)
    return out


def motion_deviations(
    found: Marginals, reference: Marginals, rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, Estimate]:
    """Realism deviation of CTG: Wasserstein distance per motion quantity, in its SI unit.

    Zhong et al. (2023) report the mean of the three on normalised histograms of 20 bins.
    """
    out = {}
    for name, edges in CTG_BINS.items():
        p, q, width = found.motion[name], reference.motion[name], float(edges[1] - edges[0])
        value = float(wasserstein(p.sum(0), q.sum(0), width))
        drawn = wasserstein(*_resampled(p, q, (found.site, reference.site), rng, resamples), width)
        out[name] = basic_interval(value, drawn, 0.0)
    return out


def nearest_gap(states: AgentStates, chosen: BoolArray) -> FloatArray:
    """Distance between the centres of each chosen agent and the nearest other, (S, A) [m].

    A vehicle without another one gets NO_LEADER, which is the last bin.
    """
    position = states.position.astype(np.float64)
    out = np.full(chosen.shape, NO_LEADER)
    for i in range(chosen.shape[1]):
        away = position - position[:, i, None]
        distance = np.where(chosen, np.hypot(away[..., 0], away[..., 1]), NO_LEADER)
        distance[:, i] = NO_LEADER
        out[:, i] = distance.min(-1)
    return out


def leaders(states: AgentStates, chosen: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gap and headway to the nearest vehicle on each one's straight path, and least TTC to anybody.

    The time to collision is that of the plane: who is about to be struck from behind or from
    aside has one too.

    Returns:
        Gap [m], time to collision [s] and headway [s], each of shape (S, A); NO_LEADER where
        nobody is ahead, or nobody comes nearer.
    """
    slots = chosen.shape[1]
    ahead, behind = np.meshgrid(np.arange(slots), np.arange(slots), indexing="ij")
    i, j = ahead[ahead != behind], behind[ahead != behind]
    out = [np.full(chosen.shape, NO_LEADER) for _ in range(3)]
    for first in range(0, len(chosen), CHUNK):
        part = states[first : first + CHUNK]
        both = chosen[first : first + CHUNK, i] & chosen[first : first + CHUNK, j]
        found = (pairs.gap(part, i, j), pairs.ttc(part, i, j), pairs.thw(part, i, j))
        for target, value in zip(out, found, strict=True):
            kept = np.where(both, np.minimum(value, NO_LEADER), NO_LEADER)
            target[first : first + CHUNK] = kept.reshape(len(part.valid), slots, -1).min(-1)
    return out[0], out[1], out[2]


def _over_time(scenes: SceneSet, name: str, edges: FloatArray) -> FloatArray:
    """Histogram of a motion quantity over all steps of the vehicles of each scene."""
    acceleration = scenes.acceleration
    if name == "jerk":
        value = np.diff(acceleration, axis=1) / np.float32(STEP)
    elif name == "lateral acceleration":
        value = scenes.yaw_rate * (scenes.agents.speed[:, :-1] + scenes.agents.speed[:, 1:]) / 2
    else:
        value = acceleration
    mask = np.broadcast_to(scenes.vehicles[:, None], value.shape)
    rows = np.broadcast_to(np.arange(len(scenes))[:, None, None], value.shape)
    return histogram_rows(_flat(value, mask), rows[mask], len(scenes), edges)


def _flat(values: FloatArray, mask: BoolArray) -> FloatArray:
    return np.asarray(values, np.float64)[mask]


def _resampled(
    p: FloatArray,
    q: FloatArray,
    sites: tuple[IntArray, IntArray],
    rng: np.random.Generator,
    resamples: int,
) -> tuple[FloatArray, FloatArray]:
    """Sums over bootstrap samples of sites, each of shape (resamples, bins)."""
    if not len(p) or not len(q):
        nothing = np.full((1, p.shape[-1]), np.nan)
        return nothing, nothing
    left, right = (resampling_weights(site, rng, resamples) for site in sites)
    return left @ p, right @ q
