"""How models stand: how far each is from its goals, and who beats whom at what.

A shortfall is counted in octaves: 1 where a figure is twice as bad as its goal. Goals were set
before any model was trained; being better than a goal earns nothing, so that no metric can make up
for another one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from scenegen.evaluate.intervals import Estimate
from scenegen.evaluate.scorecard import Metric

LARGEST = 4.0
"""Most octaves that count: worse than 16 times the goal is all the same, and so is no figure."""
NEXT_TO_NOTHING = 1e-3
"""Stands for a goal of nothing at all: 0.1 % is an octave from it."""


def shortfall(metric: Metric, figure: float, floor: float) -> float:
    """How far a figure is from the goal of its metric [octaves]; 0 where it is reached.

    Args:
        metric: The metric.
        figure: The figure.
        floor: That of the noise floor.
    """
    if metric.passes(figure, floor):
        return 0.0
    if math.isnan(figure):
        return LARGEST
    lengths = [0.0]
    for most, of_floor in ((metric.most, False), (metric.most_of_floor, True)):
        if most is not None:
            bound = most * floor if of_floor else most
            lengths.append(math.log2((figure + _slack(bound)) / (bound + _slack(bound))))
    for least, of_floor in ((metric.least, False), (metric.least_of_floor, True)):
        if least is not None:
            bound = least * floor if of_floor else least
            lengths.append(math.log2(bound / figure) if figure > 0.0 else LARGEST)
    return min(LARGEST, max(lengths))


def distance(
    figures: Mapping[str, float], floors: Mapping[str, float], metrics: Mapping[str, Metric]
) -> float:
    """Mean shortfall of a model [octaves]: over the metrics of each axis, then over the axes.

    Metrics without a goal do not count; a figure that is not there counts as missed by LARGEST.

    Args:
        figures: Figures of the model by metric.
        floors: Figures of the noise floor; nan where it has none.
        metrics: What counts.
    """
    axes: dict[str, list[float]] = {}
    for name, metric in metrics.items():
        if metric.goal():
            found = shortfall(metric, figures.get(name, math.nan), floors.get(name, math.nan))
            axes.setdefault(metric.axis, []).append(found)
    means = [sum(values) / len(values) for values in axes.values()]
    return sum(means) / len(means) if means else 0.0


def compare(metric: Metric, ours: Estimate, theirs: Estimate) -> int:
    """Tell who is better at a metric: 1 we, -1 they, 0 if the intervals overlap.

    A figure that is there beats none. Metrics without a goal have no direction: 0.
    """
    if not metric.goal() or (math.isnan(ours.value) and math.isnan(theirs.value)):
        return 0
    if math.isnan(ours.value) or math.isnan(theirs.value):
        return -1 if math.isnan(ours.value) else 1
    (our_low, our_high), (their_low, their_high) = _ends(ours), _ends(theirs)
    smaller = 1 if metric.most is not None or metric.most_of_floor is not None else -1
    if our_high < their_low:
        return smaller
    return -smaller if their_high < our_low else 0


def pooled(runs: Sequence[Estimate]) -> Estimate:
    """Figure of several runs of one model: the mean, with an interval that covers all of theirs."""
    known = [run for run in runs if not math.isnan(run.value)]
    if not known:
        return Estimate(value=math.nan, low=math.nan, high=math.nan)
    ends = [_ends(run) for run in known]
    return Estimate(
        value=sum(run.value for run in known) / len(known),
        low=min(low for low, _ in ends),
        high=max(high for _, high in ends),
    )


def tally(
    metrics: Mapping[str, Metric],
    ours: Mapping[str, Estimate],
    theirs: Mapping[str, Estimate],
) -> tuple[list[str], list[str]]:
    """Names of the metrics at which we are better, and of those at which they are."""
    found = {
        name: compare(metric, ours[name], theirs[name])
        for name, metric in metrics.items()
        if name in ours and name in theirs
    }
    return _with(found.items(), 1), _with(found.items(), -1)


def _with(found: Iterable[tuple[str, int]], sign: int) -> list[str]:
    return [name for name, side in found if side == sign]


def _ends(estimate: Estimate) -> tuple[float, float]:
    """Ends of the interval; the figure itself where it has none."""
    low = estimate.value if math.isnan(estimate.low) else estimate.low
    high = estimate.value if math.isnan(estimate.high) else estimate.high
    return low, high


def _slack(bound: float) -> float:
    return NEXT_TO_NOTHING if bound <= 0.0 else 0.0
