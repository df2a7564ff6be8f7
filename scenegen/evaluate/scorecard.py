"""One table for every model: all set metrics, their goals, and the noise floor beside them.

The reference is one half of held-out scenes; the other half, scored like a model, is the floor:
no model can be expected below it. Goals relative to the floor are factors of its figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.evaluate import diversity
from scenegen.evaluate.classifier import c2st
from scenegen.evaluate.contacts import RoadPlaces, first_contacts, road_places
from scenegen.evaluate.diversity import CollisionType, collision_types
from scenegen.evaluate.encoder import agent_inputs, encode_scenes
from scenegen.evaluate.intervals import NOTHING, Estimate, wilson
from scenegen.evaluate.likelihood import histograms, road_likelihood
from scenegen.evaluate.novelty import exact_copies, novelty_ratio
from scenegen.evaluate.realism import (
    BINS,
    CTG_BINS,
    SD_FACTOR,
    Marginals,
    marginal_divergences,
    marginals,
    motion_deviations,
)
from scenegen.evaluate.scene_set import SceneSet
from scenegen.evaluate.two_sample import frechet_estimate, median_bandwidth, mmd_estimate
from scenegen.evaluate.validity import measure_validity
from scenegen.seeding import stream

RESAMPLES = 100
"""Bootstrap samples of a scorecard."""
FAMILY_LEAST = 20
"""Families with fewer scenes on either side are not compared one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A line of the table.

    Attributes:
        axis: What it is about: validity, realism, diversity, novelty.
        unit: Unit of the figure, "" for a pure number.
        most: Largest figure that passes.
        least: Smallest figure that passes.
        most_of_floor: Largest multiple of the floor that passes.
        least_of_floor: Smallest multiple of the floor that passes.
    """

    axis: str
    unit: str = ""
    most: float | None = None
    least: float | None = None
    most_of_floor: float | None = None
    least_of_floor: float | None = None

    def goal(self) -> str:
        """Say what passes."""
        parts = []
        if self.most is not None:
            parts.append(f"<= {self.most:g}")
        if self.least is not None:
            parts.append(f">= {self.least:g}")
        if self.most_of_floor is not None:
            parts.append(f"<= {self.most_of_floor:g} x floor")
        if self.least_of_floor is not None:
            parts.append(f">= {self.least_of_floor:g} x floor")
        return ", ".join(parts)

    def passes(self, figure: float, floor: float) -> bool:
        """Whether a figure reaches the goal; what could not be measured does not."""
        if math.isnan(figure):
            return False
        bounds = (
            self.most is None or figure <= self.most,
            self.least is None or figure >= self.least,
            self.most_of_floor is None or figure <= self.most_of_floor * floor,
            self.least_of_floor is None or figure >= self.least_of_floor * floor,
        )
        return all(bounds)


METRICS: dict[str, Metric] = {
    "returned": Metric(axis="validity", least=0.95),
    "overlap at t0, boxes": Metric(axis="validity", most=0.005),
    "overlap at t0, 5 circles": Metric(axis="validity", most=0.02),
    "unintended collision, 8 s": Metric(axis="validity", most=0.01),
    "off road": Metric(axis="validity", most=0.003),
    "infeasible acceleration": Metric(axis="validity", most=0.0),
    "infeasible curvature": Metric(axis="validity", most=0.0),
    "clean scenes": Metric(axis="validity", least=0.8),
    **{f"{name} JSD": Metric(axis="realism", unit="nat", most_of_floor=2.0) for name in BINS},
    "worst family JSD": Metric(axis="realism", unit="nat", most_of_floor=2.0),
    **{
        f"{name} W1": Metric(axis="realism", unit=unit, most_of_floor=1.5)
        for name, unit in zip(CTG_BINS, ("m/s^2", "m/s^2", "m/s^3"), strict=True)
    },
    "MMD^2": Metric(axis="realism", most=0.005),
    "Frechet distance": Metric(axis="realism", most_of_floor=1.5),
    "C2ST AUC": Metric(axis="realism", most=0.60),
    "road likelihood": Metric(axis="realism", least_of_floor=0.97),
    "recall": Metric(axis="diversity", least_of_floor=0.9),
    "coverage": Metric(axis="diversity", least_of_floor=0.9),
    "precision": Metric(axis="diversity", least_of_floor=0.9),
    "Vendi score": Metric(axis="diversity", least_of_floor=0.9),
    "collision types": Metric(axis="diversity", unit="of 10", least_of_floor=0.9),
    "3-way coverage": Metric(axis="diversity", least_of_floor=0.95),
    "novelty": Metric(axis="novelty", least=0.95),
    "exact copies": Metric(axis="novelty", most=0.0),
}
"""Every line of the table, in its order, with the goals set before any model was trained."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facts:
    """A set of scenes with everything the metrics read of it, computed once.

    Attributes:
        scenes: The scenes.
        contacts: From contacts.first_contacts.
        places: From contacts.road_places.
        features: From encoder.encode_scenes.
        inputs: From encoder.agent_inputs.
        histograms: From realism.marginals.
        doings: From likelihood.histograms.
    """

    scenes: SceneSet
    contacts: IntArray
    places: RoadPlaces
    features: FloatArray
    inputs: FloatArray
    histograms: Marginals
    doings: Mapping[str, FloatArray]

    @classmethod
    def of(cls, scenes: SceneSet) -> Self:
        """Work out all facts."""
        places, contacts = road_places(scenes), first_contacts(scenes)
        return cls(
            scenes=scenes,
            contacts=contacts,
            places=places,
            features=encode_scenes(scenes, places),
            inputs=agent_inputs(scenes, places),
            histograms=marginals(scenes, places),
            doings=histograms(scenes, contacts, places),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Yardstick:
    """What models are measured with.

    Attributes:
        reference: One half of the held-out scenes.
        floor: The other half.
        train: Scenes that models may have been trained on.
        bandwidth: Kernel width in feature space, from the reference.
    """

    reference: Facts
    floor: Facts
    train: Facts
    bandwidth: float

    @classmethod
    def of(cls, held_out: SceneSet, train: SceneSet, seed: int = 0) -> Self:
        """Deal the sites of held-out scenes into two halves at random.

        Raises:
            ValueError: There are too few scenes to compare anything.
        """
        if len(held_out) < 4 * diversity.NEIGHBOURS or len(train) == 0:
            raise ValueError(
                f"Yardstick: expected at least {4 * diversity.NEIGHBOURS} held-out scenes and one"
                f" training scene, got {len(held_out)} and {len(train)}"
            )
        sites = stream(seed, "evaluate", "halves").permutation(np.unique(held_out.site))
        first = np.isin(held_out.site, sites[: len(sites) // 2])
        reference = Facts.of(held_out[first])
        return cls(
            reference=reference,
            floor=Facts.of(held_out[~first]),
            train=Facts.of(train),
            bandwidth=median_bandwidth(reference.features),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """All figures of one model.

    Attributes:
        figures: Estimate of each metric of METRICS.
        collisions: How the ego's collisions happen.
        families: Mean divergence of each event family that was compared [nat].
    """

    figures: Mapping[str, Estimate]
    collisions: Mapping[CollisionType, int]
    families: Mapping[int, float]

    def failures(self, floor: Score) -> tuple[str, ...]:
        """Name the metrics whose goals are missed, given the score of the floor."""
        return tuple(
            name
            for name, metric in METRICS.items()
            if not metric.passes(self.figures[name].value, floor.figures[name].value)
        )


def score(
    found: Facts,
    yardstick: Yardstick,
    asked: int,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Score:
    """Measure a set of scenes.

    Args:
        found: What a model returned.
        yardstick: What it is measured with.
        asked: Number of scenes it was asked for.
        seed: Seed of bootstrap and classifier.
        resamples: Bootstrap samples.
    """
    rng = stream(seed, "evaluate", "score")
    scenes, reference = found.scenes, yardstick.reference
    figures: dict[str, Estimate] = {"returned": wilson(min(len(scenes), asked), asked)}
    validity = measure_validity(scenes, found.contacts, found.places, rng)
    figures |= {
        name: getattr(validity, field.name)
        for name, field in zip(list(METRICS)[1:8], fields(validity), strict=True)
    }
    divergences = marginal_divergences(found.histograms, reference.histograms, rng, resamples)
    figures |= {f"{name} JSD": value for name, value in divergences.items()}
    families = family_divergences(found, reference, rng)
    worst = max(families.values(), default=math.nan)
    figures["worst family JSD"] = Estimate(value=worst, low=math.nan, high=math.nan)
    deviations = motion_deviations(found.histograms, reference.histograms, rng, resamples)
    figures |= {f"{name} W1": value for name, value in deviations.items()}
    figures |= _sets(found, yardstick, rng, resamples)
    asked_for = yardstick.floor
    figures["road likelihood"] = road_likelihood(
        found.doings, scenes.site, asked_for.doings, asked_for.scenes.site, rng
    )
    types = collision_types(scenes, found.contacts)
    named = sum(count > 0 for kind, count in types.items() if kind is not CollisionType.OTHER)
    known = float(named) if len(scenes) else math.nan
    figures["collision types"] = Estimate(value=known, low=math.nan, high=math.nan)
    return Score(
        figures={name: figures[name] for name in METRICS}, collisions=types, families=families
    )


def sd_scaled(figures: Mapping[str, Estimate]) -> dict[str, float]:
    """Divergences times Scenario Dreamer's factors, to be read beside its published table."""
    return {name: factor * figures[f"{name} JSD"].value for name, factor in SD_FACTOR.items()}


def family_divergences(
    found: Facts, reference: Facts, rng: np.random.Generator
) -> dict[int, float]:
    """Mean of the twelve divergences within each event family that is large enough [nat]."""
    out = {}
    for family in np.unique(reference.scenes.family).tolist():
        ours, theirs = found.scenes.family == family, reference.scenes.family == family
        if min(int(ours.sum()), int(theirs.sum())) < FAMILY_LEAST:
            continue
        parts = [
            Marginals(
                counts={n: c[rows] for n, c in facts.histograms.counts.items()},
                motion={},
                site=facts.scenes.site[rows],
            )
            for facts, rows in ((found, ours), (reference, theirs))
        ]
        values = marginal_divergences(parts[0], parts[1], rng, resamples=1)
        out[int(family)] = float(np.nanmean([value.value for value in values.values()]))
    return out


def _sets(
    found: Facts, yardstick: Yardstick, rng: np.random.Generator, resamples: int
) -> dict[str, Estimate]:
    """Figures that compare whole sets in feature space."""
    x, reference, train = found.features, yardstick.reference, yardstick.train
    y, sites = reference.features, (found.scenes.site, reference.scenes.site)
    auc = c2st(
        found.inputs,
        found.scenes.present,
        reference.inputs,
        reference.scenes.present,
        sites,
        rng,
        resamples=resamples,
    )
    theirs = diversity.scene_parameters(reference.scenes)
    ours = diversity.scene_parameters(found.scenes)
    cells = diversity.t_way_coverage(ours, theirs) if len(x) else math.nan
    copies = exact_copies(found.scenes.values, train.scenes.values)
    return {
        "MMD^2": mmd_estimate(x, y, yardstick.bandwidth, sites, rng, resamples),
        "Frechet distance": frechet_estimate(x, y, sites, rng, resamples),
        "C2ST AUC": auc,
        "recall": _share(diversity.recall(y, x), len(y)),
        "coverage": _share(diversity.coverage(y, x), len(y)),
        "precision": _share(diversity.precision(y, x), len(x)),
        "Vendi score": _vendi(found, yardstick.bandwidth),
        "3-way coverage": Estimate(value=cells, low=math.nan, high=math.nan),
        "novelty": novelty_ratio(x, yardstick.floor.features, train.features, rng, resamples),
        "exact copies": wilson(round(copies * len(x)), len(x)) if len(x) else NOTHING,
    }


def _vendi(found: Facts, bandwidth: float) -> Estimate:
    """Mean Vendi score over the families, all of them counted alike."""
    families = np.unique(found.scenes.family)
    scores = [
        diversity.vendi_score(found.features[found.scenes.family == family], bandwidth)
        for family in families
    ]
    value = float(np.mean(scores)) if scores else math.nan
    return Estimate(value=value, low=math.nan, high=math.nan)


def _share(value: float, trials: int) -> Estimate:
    """Interval of a share of scenes, each a trial of its own."""
    return NOTHING if math.isnan(value) else wilson(round(value * trials), trials)
