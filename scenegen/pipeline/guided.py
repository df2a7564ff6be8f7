"""Staging by a diffusion model: the roles of an event are sampled under guidance of the query.

A script is only asked where on the road the ego may begin; who else takes part, where and how
everybody moves is the model's. Where the query is about sight, those whom the script casts beside
ego and roles stay with their plans: they are there to hide somebody, which the condition of the
model cannot ask for. What the model makes is simulated and verified like any other try.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from scenegen.errors import CheckpointError, QueryError, UnknownNameError
from scenegen.events import Event, Pinned
from scenegen.layout import Layout, LayoutModel, LayoutRequest, LearnedLayout
from scenegen.layout.diffusion import DiffusionModel
from scenegen.layout.tokens import ROLE_SLOTS
from scenegen.pipeline.model_staging import EgoMotion, ModelStaging, Staging
from scenegen.pipeline.sketch_search import SketchSearch
from scenegen.pipeline.sketching import Sketcher
from scenegen.pipeline.staging import is_about_sight
from scenegen.pipeline.wishes import Wishes
from scenegen.query import Query
from scenegen.query.atoms import Compare
from scenegen.query.expression import Formula, atoms
from scenegen.query.terms import EGO_ROLE, Number, SignalOf
from scenegen.scene import EGO, AgentPlans, Control

__all__ = [
    "EgoMotion",
    "GuidedScene",
    "ModelStager",
    "ModelStaging",
    "Place",
    "Staging",
    "model_stager",
    "wanted_severity",
]

SEVERITY_SHARE = 0.75
"""Share of the time to collision a query allows that the condition asks for: margin for what the
model misses."""
SEVEREST = 0.5
"""Time to collision that is asked for where the query bounds it by the motion [s]: what a query
calls a time that no driver has left, such as that of UN R157, 5.2.5.2, at 15 km/h closing speed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GuidedScene:
    """A scene that a model staged.

    Attributes:
        layout: Ego and roles first, then the background; None where the roles did not fit in.
        roles: Agent index of each role, by its name in the query.
        log_weight: Logarithm of the importance weight of the sampled path under the model without
            any guidance; None for samplers that give none.
    """

    layout: Layout | None
    roles: dict[str, int]
    log_weight: float | None


class Place(NamedTuple):
    """Where a scene is to be staged.

    Attributes:
        pinned: A place for the event; only the ego of it is used, and who hides somebody.
        request: Road, conditions and numbers of agents; its pinned agents are not looked at.
        rng: Random numbers of the scene.
    """

    pinned: Pinned
    request: LayoutRequest
    rng: np.random.Generator


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelStager:
    """Stages one event by a model of scenes; `model_stager` makes that of a query.

    Attributes:
        event: The event.
        about_sight: Whether its query is about who is seen.
        sketcher: Draws ego, roles and background.
    """

    event: Event
    about_sight: bool
    sketcher: Sketcher

    def stage(
        self, pinned: Pinned, request: LayoutRequest, rng: np.random.Generator
    ) -> GuidedScene:
        """Sample one scene around an ego.

        Args:
            pinned: A place for the event; only the ego of it is used, and who hides somebody.
            request: Road, conditions and numbers of agents; its pinned agents are not looked at.
            rng: Random numbers.
        """
        return self.stage_batch([Place(pinned, request, rng)])[0]

    def stage_batch(self, places: Sequence[Place]) -> list[GuidedScene]:
        """Sample one scene per place, all in one batch, which costs less than one by one.

        A scene that is sampled among others is the same up to rounding.
        """
        if not places:
            return []
        how = self.sketcher.how
        requests, seeds, follows = [], list[int](), list[bool]()
        for pinned, asked, rng in places:
            requests.append(self._asked(pinned, asked))
            seeds.append(int(rng.integers(2**62)))
            follows.append(not how.unguided or bool(rng.random() >= how.unguided))
        search = SketchSearch(
            self.sketcher, requests, seeds, follows, [rng for _, _, rng in places]
        )
        if how.sketches == 1:
            scenes, weights = search.first_ones()
        else:
            scenes = search.scenes()
            weights = [None] * len(scenes)
        return [
            GuidedScene(layout=scene.cast, roles=scene.roles, log_weight=weight)
            for scene, weight in zip(scenes, weights, strict=True)
        ]

    def _asked(self, pinned: Pinned, request: LayoutRequest) -> LayoutRequest:
        """Pin the ego, without what it was to do to others, and who hides somebody."""
        ego = pinned.plans[[EGO]]
        ego.control[:] = Control.REACTIVE
        ego.set_maneuvers(EGO)
        others = [k for k in range(1, pinned.agents.count) if k not in pinned.roles.values()]
        cover = others if self.about_sight else []
        return replace(
            request,
            pinned=pinned.agents[[EGO, *cover]],
            plans=AgentPlans.concatenate([ego, pinned.plans[cover]]),
            event=self.event.name,
        )


def model_stager(
    layout: LayoutModel, wishes: Wishes, query: Query, how: ModelStaging, duration: float
) -> ModelStager:
    """Make the stager of a query, if the model can stage what it asks for.

    Args:
        layout: A layout with a trained diffusion model.
        wishes: What the query asks of event, road and weather.
        query: The query.
        how: How to sample and to guide.
        duration: Length of a scenario [s].

    Raises:
        CheckpointError: The layout has no diffusion model.
        QueryError: The query suggests no event.
        UnknownNameError: The model does not know the event.
    """
    if not isinstance(layout, LearnedLayout) or not isinstance(layout.model, DiffusionModel):
        found = layout.model.name if isinstance(layout, LearnedLayout) else layout.name
        raise CheckpointError(
            "staging by a model: expected a diffusion layout, which alone can be guided, got"
            f" {found!r}; name layout model 'diffusion', or give a diffusion checkpoint"
        )
    if wishes.event is None:
        raise QueryError(
            "staging by a model: expected a query that names an event or suggests one by its"
            f" motions, got {query.text!r}; use the script staging for everyday traffic"
        )
    event = wishes.event
    if event.name not in layout.model.events:
        raise UnknownNameError("event of the layout model", event.name, layout.model.events)
    sketcher = Sketcher(
        layout=layout,
        model=layout.model,
        query=query,
        roles=named_roles(wishes, event),
        severity=wanted_severity(query) if how.severity else None,
        how=how,
        duration=duration,
    )
    return ModelStager(event=event, about_sight=is_about_sight(query, event), sketcher=sketcher)


def named_roles(wishes: Wishes, event: Event) -> tuple[str, ...]:
    """Names in the query of the roles that have slots of their own, in the order of these."""
    return tuple(wishes.role_names.get(role, role) for role in event.roles)[:ROLE_SLOTS]


def wanted_severity(query: Query) -> float | None:
    """Time to collision of the ego that a query asks to fall below, times SEVERITY_SHARE [s].

    SEVEREST where that time is no number but depends on the motion; None where nothing is asked.
    """
    bounds = {**query.later_bounds(), **query.bounds()}
    ends = [
        wanted.high
        for text, wanted in bounds.items()
        if text.startswith("ttc(ego,") and np.isfinite(wanted.high)
    ]
    if ends:
        return SEVERITY_SHARE * max(min(ends), 0.0)
    return SEVEREST if any(map(_bounds_by_motion, atoms(query.formula))) else None


def _bounds_by_motion(atom: Formula) -> bool:
    """Whether a time to collision of the ego is to fall below something that is no number."""
    if not isinstance(atom, Compare) or not isinstance(atom.left, SignalOf):
        return False
    is_ttc = atom.left.name == "ttc" and atom.left.roles[0] == EGO_ROLE
    return is_ttc and atom.operator[0] == "<" and not isinstance(atom.right, Number)
