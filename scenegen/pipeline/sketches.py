"""Sketches of an event: ego and roles alone, simulated and asked about before anybody else comes.

Few agents cost little, so that many sketches can be drawn for one scene. The first one that keeps
the query is taken, which is rejection sampling on the small part of the scene that matters (CTG,
Zhong et al. 2023, filters guided samples alike); the background is then sampled around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.layout import Layout, LayoutRequest
from scenegen.pipeline.defects import defect
from scenegen.query import Query
from scenegen.scene import Composition, Provenance, Scenario, Scene
from scenegen.sim import rollout, to_scenario

QUICK_ROUNDS, GUIDED_ROUNDS = (2, 2, 4, 8, 16, 32), (4, 12, 48)
"""Sketches drawn per round, without guidance and with it: those of a later round only where none
before has kept the query. A guided round costs much whatever its size."""
NOWHERE = Provenance(query="", seed=0, index=0, attempt=0, script={}, map_source={})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sketch:
    """Ego and roles of a scene.

    Attributes:
        tokens: Tokens of the scene, of which those of ego and roles count, shape (A, CHANNELS).
        cast: Ego and roles with their plans; None where they do not fit in.
        roles: Agent index of each role, by its name in the query.
    """

    tokens: FloatArray
    cast: Layout | None
    roles: dict[str, int]


class Picks:
    """The best sketch of each scene so far: the first that keeps the query, else the nearest.

    Attributes:
        best: Sketch of each scene, None where there is none yet.
        log_weight: Log importance weight of its path, None where there is none.
        missing: Scenes of which no sketch keeps the query yet.
    """

    def __init__(self, scenes: int) -> None:
        """Begin with nothing for any scene."""
        self.best: list[Sketch | None] = [None] * scenes
        self.log_weight: list[float | None] = [None] * scenes
        self.missing = list(range(scenes))
        self._margin = [-np.inf] * scenes

    def consider(
        self,
        scenes: Sequence[int],
        sketches: Sequence[Sketch],
        log_weights: Sequence[float | None],
        kept: Sequence[bool],
        margins: Sequence[float],
    ) -> None:
        """Look at further sketches, in their order.

        Args:
            scenes: Scene of each sketch.
            sketches: The sketches.
            log_weights: Log importance weight of the path of each.
            kept: Whether each keeps the query.
            margins: By what margin it does not.
        """
        rows = zip(scenes, sketches, log_weights, kept, margins, strict=True)
        for k, sketch, weight, holds, margin in rows:
            if k not in self.missing:
                continue
            if self.best[k] is None or holds or margin > self._margin[k]:
                self.best[k], self.log_weight[k] = sketch, weight
                self._margin[k] = margin
            if holds:
                self.missing.remove(k)


def rounds_of(sketches: int, rounds: Sequence[int] = QUICK_ROUNDS) -> list[int]:
    """Deal a number of sketches to rounds, small ones first; what is left over is the last one."""
    out, left = list[int](), sketches
    for size in (*rounds, sketches):
        if left > 0:
            out.append(min(size, left))
            left -= out[-1]
    return out


def keeps(
    query: Query,
    requests: Sequence[LayoutRequest],
    sketches: Sequence[Sketch],
    duration: float,
    *,
    scenes: Sequence[int] | None = None,
    margins: bool = True,
) -> tuple[list[bool], list[float]]:
    """Simulate sketches and ask the exact query about each.

    Args:
        query: The query.
        requests: Road and conditions of each sketch.
        sketches: The sketches.
        duration: Length of the scenario [s].
        scenes: Scene of each sketch; once one of a scene keeps the query, the next ones of it are
            not looked at and count as not kept. None to look at all.
        margins: Whether to say how far misses are off, which costs as much as all the rest.

    Returns:
        Whether each is sound and keeps the query, and by what margin it misses it: 0 for those
        that keep it, -inf for those that are not sound, or that nothing is said about.
    """
    sound = [k for k, sketch in enumerate(sketches) if sketch.cast is not None]
    kept, margin = [False] * len(sketches), [-np.inf] * len(sketches)
    of = scenes if scenes is not None else range(len(sketches))
    done = set[int]()
    made = [_composition(requests[k], sketches[k]) for k in sound]
    for k, composition, result in zip(sound, made, rollout(made, duration), strict=True):
        if of[k] in done or defect(composition, result):
            continue
        scenario: Scenario = replace(to_scenario(composition, result), roles=composition.roles)
        kept[k] = query.match(scenario) is not None
        if kept[k]:
            margin[k] = 0.0
            done.add(of[k])
        elif margins:
            margin[k] = min(query.evaluate(scenario).margin, 0.0)
    return kept, margin


def _composition(request: LayoutRequest, sketch: Sketch) -> Composition:
    if sketch.cast is None:
        raise ValueError("_composition: expected a sketch that fits in")
    agents, plans = sketch.cast.agents, sketch.cast.plans
    scene = Scene(roadmap=request.roadmap, agents=agents, conditions=request.conditions)
    return Composition(scene=scene, plans=plans, roles=sketch.roles, provenance=NOWHERE)
