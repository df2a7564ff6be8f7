"""Replay: rebuild a stored scenario from its provenance and compare it bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from scenegen.errors import CheckpointError, MapError, RecordingError
from scenegen.layout import LAYOUT_MODELS, LayoutModel
from scenegen.maps import RecordedScene
from scenegen.pipeline.compose import Composer, Request
from scenegen.pipeline.guided import ModelStaging, Staging
from scenegen.query import parse
from scenegen.scene import Composition, Provenance, Scenario
from scenegen.sim import rollout, to_scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """What a replay gave.

    Attributes:
        id: Identity of the stored scenario.
        identical: Whether every state has the same bits.
        first_difference: Time of the first instant that differs [s], None if there is none.
        largest_difference: Largest difference of a position [m].
    """

    id: str
    identical: bool
    first_difference: float | None
    largest_difference: float


def recompose(
    provenance: Provenance,
    base: RecordedScene | None = None,
    layout: LayoutModel | None = None,
) -> Composition:
    """Compose again what a provenance describes.

    Args:
        provenance: Where the scenario came from.
        base: The recorded scene it was built in, if it was.
        layout: The layout model that filled it, if it came from a checkpoint of one's own.

    Returns:
        The same composition as the first time.

    Raises:
        MapError: The base is missing or is another file.
        RecordingError: Another version of scenegen made the scenario, or it cannot be redrawn.
        CheckpointError: The layout model is missing or is another one.
    """
    wanted = provenance.digests.get("base")
    if wanted is not None and (base is None or base.digest != wanted):
        given = "none" if base is None else f"{base.name} ({base.digest[:12]})"
        raise MapError(
            f"scenario {provenance.id} was built in {provenance.options['base']}"
            f" ({wanted[:12]}); got {given}: give that file as base"
        )
    options = provenance.options
    _check_layout(provenance, layout)
    staging = options.get("staging")
    request = Request(
        query=parse(provenance.query),
        seed=provenance.seed,
        duration=options["duration"],
        agents=options["agents"],
        density=options["density"],
        layout_model=options["layout_model"],
        base=base,
        layout=layout,
        staging=Staging.SCRIPT if staging is None else Staging.MODEL,
        guided=ModelStaging() if staging is None else ModelStaging.from_json(staging),
    )
    composition = Composer(request).compose(provenance.index, provenance.attempt)
    if isinstance(composition, str) or composition.provenance.id != provenance.id:
        raise RecordingError(
            f"scenario {provenance.id} was made by scenegen {provenance.version} and this version"
            " draws another one from the same seed: replay it with the version that made it"
        )
    return composition


def replay(
    stored: Scenario,
    base: RecordedScene | None = None,
    layout: LayoutModel | None = None,
) -> ReplayResult:
    """Rebuild a scenario and compare every state with what is stored.

    Args:
        stored: The scenario as read from a dataset.
        base: The recorded scene it was built in, if it was.
        layout: The layout model that filled it, if it came from a checkpoint of one's own.

    Returns:
        Whether it is identical, and where it is not.
    """
    composition = recompose(stored.provenance, base, layout)
    rebuilt = to_scenario(composition, rollout([composition], stored.duration)[0])
    differs = np.zeros(stored.steps, np.bool_)
    for field in fields(stored.agents):
        old, new = getattr(stored.agents, field.name), getattr(rebuilt.agents, field.name)
        differs |= (old != new).reshape(stored.steps, -1).any(-1)
    apart = np.abs(stored.agents.position - rebuilt.agents.position)
    return ReplayResult(
        id=stored.id,
        identical=not differs.any(),
        first_difference=float(stored.times[differs.argmax()]) if differs.any() else None,
        largest_difference=float(apart.max()),
    )


def _check_layout(provenance: Provenance, layout: LayoutModel | None) -> None:
    """Refuse another layout model than the one that filled a scenario."""
    name = provenance.options["layout_model"]
    if layout is None and name in LAYOUT_MODELS:
        layout = LAYOUT_MODELS[name]()
    if layout is None:
        raise CheckpointError(
            f"scenario {provenance.id} was filled by a layout model of one's own ({name!r}:"
            f" {_digests(provenance.digests)}); give its checkpoint"
        )
    found = layout.digests()
    if any(provenance.digests.get(key) != value for key, value in found.items()):
        raise CheckpointError(
            f"scenario {provenance.id} was filled with {_digests(provenance.digests)}; got"
            f" {_digests(found)}: give the checkpoint that it names"
        )


def _digests(digests: Mapping[str, str]) -> str:
    found = [f"{key} {value[:12]}" for key, value in digests.items() if key != "base"]
    return ", ".join(found) or "no checkpoint"
