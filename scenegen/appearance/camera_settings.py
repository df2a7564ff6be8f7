"""How a camera model is trained, and what that may cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from scenegen.appearance.camera_recipes import CAMERA_MODELS
from scenegen.errors import UnknownNameError
from scenegen.seeding import Jsonable


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraTraining:
    """How a camera model is trained.

    Attributes:
        model: Name in CAMERA_MODELS.
        size: Size of our own generator, S or M.
        batch: Crops per step.
        crop: Rows and columns of a crop.
        rate: Learning rate while there is no adversary.
        adversarial_rate: Learning rate from then on.
        adversarial_from: Share of the budget after which a waiting adversary joins.
        warm_up: Steps that it learns by itself.
        adversarial_share: Length of its gradient over that of the reconstruction.
        moved_every: Steps between looks at a moved view.
        ema: Decay of the averaged weights.
        seed: Everything random follows from it.
    """

    model: str = "gan"
    size: str = "S"
    batch: int = 2
    crop: tuple[int, int] = (128, 256)
    rate: float = 1e-3
    adversarial_rate: float = 3e-4
    adversarial_from: float = 2 / 3
    warm_up: int = 200
    adversarial_share: float = 0.6
    moved_every: int = 4
    ema: float = 0.995
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the name and the numbers."""
        if self.model not in CAMERA_MODELS:
            raise UnknownNameError("camera model", self.model, CAMERA_MODELS)
        if min(self.batch, self.moved_every, *self.crop) < 1 or self.warm_up < 0:
            raise ValueError(f"CameraTraining: expected positive numbers, got {self}")
        if not 0.0 <= self.adversarial_from <= 1.0:
            raise ValueError(
                "CameraTraining.adversarial_from: expected a share from 0 to 1, got"
                f" {self.adversarial_from}"
            )

    def to_json(self) -> dict[str, Jsonable]:
        """Give the fields as plain JSON values."""
        return {**asdict(self), "crop": list(self.crop)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraBudget:
    """What a run may cost in all, earlier calls included; whatever is spent first ends it.

    Attributes:
        steps: Steps.
        cpu_seconds: CPU time of the steps [s].
    """

    steps: int = 10**9
    cpu_seconds: float = float("inf")

    def spent(self, steps: int, cpu_seconds: float) -> float:
        """Share that is spent, 0 to 1."""
        return min(max(steps / self.steps, cpu_seconds / self.cpu_seconds), 1.0)
