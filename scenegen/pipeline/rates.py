"""Rates from guided scenes: each counts as often as the model without guidance would draw it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from scenegen.errors import QueryError
from scenegen.evaluate.exposure import Rate, estimate_rate
from scenegen.layout.diffusion import Sampler
from scenegen.pipeline.compose import Composer, Request
from scenegen.pipeline.defects import defect
from scenegen.pipeline.guided import Staging
from scenegen.query import Query
from scenegen.scene import Composition
from scenegen.sim import rollout, to_scenario

BATCH = 16
"""Scenes simulated together."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidedRate:
    """How often a query holds in scenes of its event family.

    Attributes:
        rate: Share of the sound scenes of the family, as the model without guidance draws them.
        sound: Number of scenes that were sound.
        exposure: Probability of the family per natural scene, as it was given.
    """

    rate: Rate
    sound: int
    exposure: float

    @property
    def natural(self) -> tuple[float, float, float]:
        """Rate per natural scene with its 95 % interval, by the exposure of the family."""
        r = self.rate
        return r.value * self.exposure, r.low * self.exposure, r.high * self.exposure


def guided_rate(
    query: Query,
    request: Request,
    count: int,
    exposure: float = 1.0,
    show: Progress = lambda done, hits: None,
) -> GuidedRate:
    """Estimate how often a query holds from scenes that it pulled.

    The scenes are drawn by the ancestral sampler, whose paths have a density: the weight of a scene
    is that density without guidance over that with it, and 1 in both where no place was found. The
    share is that of hits among sound scenes, both weighted (`estimate_rate`, self-normalised), so
    that what is rejected is rejected under both laws. Of the guards the one for the hits decides,
    which is the stricter one for a mixture of guided and unguided scenes. It is about the model's
    own law at this number of steps, not about reality.

    Args:
        query: What is counted.
        request: Road, event and guidance; its query narrows where the ego begins, and it is staged
            by the model with the ancestral sampler whatever it says.
        count: Scenes to draw.
        exposure: Probability of the event family per natural scene.
        show: Called after each batch with the scenes done and the hits so far.

    Raises:
        EstimateError: The weights are too uneven, or there are too few hits, for a rate to be told.
        QueryError: The exposure is no probability.
    """
    if not 0.0 < exposure <= 1.0:
        raise QueryError(f"exposure: expected a probability above 0, got {exposure}")
    how = replace(request.guided, sampler=Sampler.ANCESTRAL, sketches=1)
    composer = Composer(replace(request, staging=Staging.MODEL, guided=how))
    hits: list[bool] = []
    weights: list[float] = []
    for low in range(0, count, BATCH):
        high = min(low + BATCH, count)
        for hit, log_weight in _weighed(query, composer, range(low, high)):
            hits.append(hit)
            weights.append(log_weight)
        show(high, sum(hits))
    shown, logs = np.array(hits, np.bool_), np.array(weights)
    rate = estimate_rate(shown, logs, normalised=True)
    # Of a mixture all weights are even enough; what is added up for the rate is those of the hits.
    guard = estimate_rate(shown, logs)
    rate = replace(rate, effective_size=guard.effective_size, pareto_k=guard.pareto_k)
    return GuidedRate(rate=rate, sound=len(hits), exposure=exposure)


def _weighed(query: Query, composer: Composer, indices: range) -> Iterator[tuple[bool, float]]:
    """Give whether each sound scene satisfies the query, and its log weight."""
    drawn = composer.weighed_batch(indices)
    kept: list[tuple[Composition, float]] = [
        (one.composition, one.log_weight)
        for one in drawn
        if isinstance(one.composition, Composition) and one.log_weight is not None
    ]
    if not kept:
        return
    results = rollout([composition for composition, _ in kept], composer.request.duration)
    for (composition, log_weight), result in zip(kept, results, strict=True):
        if not defect(composition, result):
            scenario = to_scenario(composition, result)
            yield query.evaluate(scenario).satisfied, log_weight
