"""How a layout model is trained: every number of it, and what a checkpoint hands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from scenegen.errors import UnknownNameError
from scenegen.layout.known_masks import MaskShares
from scenegen.layout.learned import SCENE_MODELS
from scenegen.seeding import Jsonable
from scenegen.training import Checkpoint

ACTING_MASKS = MaskShares(agents=0.15, begin=0.05, channels=0.05, one_missing=0.0, ego=0.6)
"""Masks of steps on ego and roles alone: mostly what staging an event around an ego asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """How a layout model is trained.

    Attributes:
        model: Name in SCENE_MODELS.
        config: Settings of the model beside `events`; see its `from_config`.
        events: Event families of the condition; those of the corpora if empty.
        batch: Scenes per step.
        rate: Learning rate after the warm-up.
        warm_up: Steps over which it rises.
        hold: Steps after which it falls as 1 / sqrt(step) (as in EDM2, Karras et al. 2024), which
            needs no end to be known.
        decay: Weight decay of AdamW.
        clip: Length to which longer gradients are shortened.
        ema: Decay of the averaged weights.
        half: Whether networks compute in bfloat16; faster where the hardware has it.
        masks: How often each kind of mask is drawn.
        acting: Share of steps on the ego and the roles of events alone. They are few among the
            agents of a scene, yet they are the event; such a step costs a third of another.
        acting_masks: How often each kind of mask is drawn in these.
        seed: Everything random follows from it.
    """

    model: str = "diffusion"
    config: Mapping[str, Jsonable] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    batch: int = 64
    rate: float = 1e-3
    warm_up: int = 300
    hold: int = 4000
    decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
    half: bool = False
    masks: MaskShares = field(default_factory=MaskShares)
    acting: float = 0.0
    acting_masks: MaskShares = ACTING_MASKS
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the name and the numbers."""
        if self.model not in SCENE_MODELS:
            raise UnknownNameError("scene model", self.model, SCENE_MODELS)
        if not 0.0 <= self.acting <= 1.0:
            raise ValueError(f"TrainingSettings.acting: expected 0 to 1, got {self.acting}")
        if min(self.batch, self.warm_up, self.hold) < 1 or self.rate <= 0.0:
            raise ValueError(f"TrainingSettings: expected positive numbers, got {self}")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        rise = min(1.0, (step + 1) / self.warm_up)
        return self.rate * rise * min(1.0, (self.hold / (step + 1)) ** 0.5)

    def to_json(self) -> dict[str, Jsonable]:
        """Give the settings as plain JSON values."""
        return {**asdict(self), "events": list(self.events), "config": dict(self.config)}


def settings_from(settings: TrainingSettings, begin: Checkpoint | None) -> TrainingSettings:
    """Take events and settings over from the checkpoint that a training starts from."""
    if begin is None:
        return settings
    known = SCENE_MODELS[settings.model].parts.keys() | {"network"}
    config = {name: part for name, part in begin.config.items() if name in known}
    found = begin.config.get("events")
    events = tuple(map(str, found)) if isinstance(found, list) else ()
    return replace(settings, config={**config, **settings.config}, events=settings.events or events)
